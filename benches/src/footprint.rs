//! What this process takes of memory now.
//!
//! Used by the workload `suspended`. Linux keeps the figures in `/proc`; elsewhere there are none.

use std::fs;

/// Memory and mappings of the process.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Footprint {
    /// Resident, and neither of a file nor shared.
    pub(crate) resident_bytes: u64,
    /// Page tables.
    pub(crate) page_table_bytes: u64,
    pub(crate) mappings: u64,
}

impl Footprint {
    /// What it is now, or why the system does not tell.
    pub(crate) fn now() -> Result<Footprint, String> {
        let read = |file: &str| {
            let why = |error| format!("{file}: {error}: memory is counted on Linux only");
            fs::read_to_string(file).map_err(why)
        };
        let status = read("/proc/self/status")?;
        let of = |name: &str| bytes_of(&status, name).ok_or_else(|| format!("no {name} is told"));
        Ok(Footprint {
            resident_bytes: of("RssAnon:")?,
            page_table_bytes: of("VmPTE:")?,
            mappings: read("/proc/self/maps")?.lines().count() as u64,
        })
    }
}

fn bytes_of(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_found_among_the_others() {
        let status = "VmHWM:\t 9 kB\nRssAnon:\t    2048 kB\nVmPTE:\t 7 kB\n";
        assert_eq!(bytes_of(status, "RssAnon:"), Some(2 << 20));
        assert_eq!(bytes_of(status, "VmPTE:"), Some(7 << 10));
        assert_eq!(bytes_of(status, "RssFile:"), None);
    }
}
