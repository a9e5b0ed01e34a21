//! How many fibers may exist at once: what the system has of what they take.
//!
//! Used by the pool when it starts.

use dagwood_fibers::Mechanism;

use super::pool::Settings;

/// Where stacks take no mappings of their own: memory is the limit, at some 4 KiB and page tables each.
const WITH_LIGHT_GUARDS: usize = 1_000_000;

/// Where the system does not say how many mappings a process may have.
const MAPPINGS_UNKNOWN: usize = 65_530;

/// An OS thread takes four mappings, and system-wide numbers besides.
const THREADS: usize = 12_000;

/// The cap for a pool like this. `splits_mappings`: a stack takes two mappings. Ordinary allocations fail, too, when
/// none are left, so stacks by default take half of them, and never more than four fifths.
pub(super) fn fibers_max(settings: &Settings, splits_mappings: bool) -> usize {
    match settings.mechanism {
        Mechanism::Thread => settings.fibers_max.unwrap_or(THREADS),
        Mechanism::Switch if splits_mappings => {
            let mappings = mappings_max();
            let fibers = settings.fibers_max.unwrap_or(mappings / 4);
            fibers.min(mappings / 5 * 2)
        }
        Mechanism::Switch => settings.fibers_max.unwrap_or(WITH_LIGHT_GUARDS),
    }
}

fn mappings_max() -> usize {
    let text = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap_or_default();
    text.trim().parse().unwrap_or(MAPPINGS_UNKNOWN)
}

#[cfg(test)]
mod tests {
    use dagwood_fibers::StackSettings;

    use super::*;
    use crate::schedule::Schedule;

    fn settings(mechanism: Mechanism, fibers_max: Option<usize>) -> Settings {
        Settings {
            workers: 1,
            mechanism,
            stacks: StackSettings::new(0),
            fibers_max,
            reports_overflows: false,
            statistics: false,
            schedule: Schedule::Free,
            threads_max: None,
            is_embedded: false,
        }
    }

    #[test]
    fn the_cap_stays_below_the_mappings_where_guards_take_them() {
        let mappings = mappings_max();
        let cap = |asked| fibers_max(&settings(Mechanism::Switch, asked), true);
        assert!(2 * cap(None) <= mappings / 2);
        assert_eq!(cap(Some(7)), 7);
        assert!(2 * cap(Some(usize::MAX)) <= mappings / 5 * 4);
        let light = |asked| fibers_max(&settings(Mechanism::Switch, asked), false);
        assert_eq!(light(None), WITH_LIGHT_GUARDS);
        assert_eq!(light(Some(3_000_000)), 3_000_000);
    }
}
