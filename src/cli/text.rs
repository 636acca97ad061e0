//! How numbers are shown and sizes are typed.

/// `12,345`.
pub(super) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}

/// `12.4 MB`, in decimal units.
pub(super) fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = number as f64;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{number} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// `7x7x1280`.
pub(super) fn shape(axes: &[usize]) -> String {
    let axes: Vec<String> = axes.iter().map(ToString::to_string).collect();
    axes.join("x")
}

/// `1 file`, `12 files`.
pub(super) fn counted(number: usize, noun: &str) -> String {
    format!("{} {noun}{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// Reads `100MB`, `1.5 GiB` or a plain number of bytes.
pub(super) fn parse_size(typed: &str) -> Result<u64, String> {
    let digits = typed.trim().trim_end_matches(|c: char| c.is_ascii_alphabetic()).trim_end();
    let factor: f64 = match typed.trim()[digits.len()..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "kib" => f64::from(1 << 10),
        "mib" => f64::from(1 << 20),
        "gib" => f64::from(1 << 30),
        _ => return Err("not a size: type it like 100MB or 1GiB".into()),
    };
    match digits.parse::<f64>() {
        Ok(number) if number.is_finite() && number * factor >= 1.0 => Ok((number * factor) as u64),
        _ => Err("not a size: type it like 100MB or 1GiB".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_easily() {
        assert_eq!(
            ["0", "999", "1,000", "1,234,567"],
            [0, 999, 1000, 1_234_567].map(thousands).each_ref().map(|s| &**s)
        );
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(250_941), "250.9 kB");
        assert_eq!(bytes(999_960), "1.0 MB");
    }

    #[test]
    fn sizes_are_typed_with_units() {
        assert_eq!(parse_size("100MB"), Ok(100_000_000));
        assert_eq!(parse_size("1.5 GiB"), Ok(1_610_612_736));
        assert_eq!(parse_size("512"), Ok(512));
        for wrong in ["", "0", "-1MB", "MB", "10 parsecs", "1e400"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }
}
