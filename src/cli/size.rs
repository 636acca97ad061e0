//! Sizes as people type them.

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
    fn sizes_are_typed_with_units() {
        assert_eq!(parse_size("100MB"), Ok(100_000_000));
        assert_eq!(parse_size("1.5 GiB"), Ok(1_610_612_736));
        assert_eq!(parse_size("512"), Ok(512));
        for wrong in ["", "0", "-1MB", "MB", "10 parsecs", "1e400"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }
}
