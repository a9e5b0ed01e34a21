//! The process's peak resident memory.
//!
//! Used by the child process and by `run`. Linux keeps the figure in `/proc`; elsewhere there is none.

use std::fs;

/// The most memory this process has had resident so far, where the system tells.
pub(crate) fn resident_bytes() -> Option<u64> {
    parse(&fs::read_to_string("/proc/self/status").ok()?)
}

fn parse(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figure_is_found_among_the_others() {
        let status = "Name:\tdagwood\nVmPeak:\t 9 kB\nVmHWM:\t    2048 kB\nVmRSS:\t 7 kB\n";
        assert_eq!(parse(status), Some(2 << 20));
        assert_eq!(parse("Name:\tdagwood\n"), None);
        assert_eq!(parse("VmHWM:\t many kB\n"), None);
    }
}
