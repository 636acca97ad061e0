//! How much memory this process may have, as far as the system says.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

/// What is assumed where the system does not say what is available.
const ASSUMED: u64 = 4 << 30;

/// The system's memory as this process sees it, in bytes.
pub(super) struct System {
    /// All there is: the least of the physical memory with its swap, the container's limit and the process's own limits
    /// (`ulimit -v`, `ulimit -d`).
    pub(super) memory: u64,
    /// What workers may use together for pictures.
    pub(super) share: u64,
}

impl System {
    /// Asks the system once; only Linux answers. Elsewhere an allocation that fails is the answer.
    pub(super) fn get() -> &'static Self {
        static SYSTEM: OnceLock<System> = OnceLock::new();
        SYSTEM.get_or_init(|| {
            let text = |path: &str| fs::read_to_string(Path::new(path)).unwrap_or_default();
            let container = [text("/sys/fs/cgroup/memory.max"), text("/sys/fs/cgroup/memory/memory.limit_in_bytes")];
            Self::of(&text("/proc/meminfo"), &text("/proc/self/limits"), &container)
        })
    }

    /// Reads `/proc/meminfo`, `/proc/self/limits` and the files of a container's limit, any of which may be empty.
    fn of(meminfo: &str, limits: &str, container: &[String]) -> Self {
        let kibibytes = |name: &str| number_after(meminfo, name).map(|number| number.saturating_mul(1024));
        let physical = kibibytes("MemTotal:").map(|total| total.saturating_add(kibibytes("SwapTotal:").unwrap_or(0)));
        let own = ["Max address space", "Max data size"].map(|name| number_after(limits, name));
        let container = container.iter().map(|text| number_after(text, ""));
        let memory = own.into_iter().chain(container).chain([physical]).flatten().min().unwrap_or(u64::MAX);
        let available = kibibytes("MemAvailable:").unwrap_or(ASSUMED).min(memory);
        Self { memory, share: available / 2 }
    }
}

/// The number that follows `name` at the beginning of a line.
fn number_after(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str =
        "MemTotal:       16000 kB\nMemFree:   1 kB\nMemAvailable:    8000 kB\nSwapTotal:    1000 kB\n";

    #[test]
    fn the_least_of_all_limits_holds() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
            Max data size             unlimited            unlimited            bytes     \n\
            Max address space         3000000              unlimited            bytes     \n";
        let read = |limits: &str, container: &str| {
            let System { memory, share } = System::of(MEMINFO, limits, &[container.to_owned(), String::new()]);
            (memory, share)
        };

        assert_eq!(read("", "max\n"), (17_000 << 10, 4_000 << 10));
        assert_eq!(read(limits, ""), (3_000_000, 1_500_000));
        assert_eq!(read(limits, "2000000\n"), (2_000_000, 1_000_000));
    }

    #[test]
    fn a_system_that_says_nothing_is_not_limited() {
        let System { memory, share } = System::of("", "", &[]);

        assert_eq!((memory, share), (u64::MAX, ASSUMED / 2));
    }
}
