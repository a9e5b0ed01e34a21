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

/// What lies below a stack, in bytes.
const GUARD_BYTES: usize = 64 << 10;

/// The cap for a pool like this. `splits_mappings`: a stack takes two mappings. Ordinary allocations fail, too, when
/// none are left, so stacks by default take half of them, and never more than four fifths. Nor do they take more
/// than a quarter of the addresses by default, and never more than half: those of 32 bits are soon used up.
pub(super) fn fibers_max(settings: &Settings, splits_mappings: bool) -> usize {
    let (usual, most) = match settings.mechanism {
        Mechanism::Thread => (THREADS, usize::MAX),
        Mechanism::Switch if splits_mappings => {
            let mappings = mappings_max();
            (mappings / 4, mappings / 5 * 2)
        }
        Mechanism::Switch => (WITH_LIGHT_GUARDS, usize::MAX),
    };
    let places = usize::MAX / settings.stacks.stack_bytes.saturating_add(GUARD_BYTES);
    let fibers = settings.fibers_max.unwrap_or(usual.min(places / 4));
    fibers.min(most).min(places / 2)
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
            stacks: StackSettings::new(64 << 10),
            fibers_max,
            reports_overflows: false,
            statistics: false,
            schedule: Schedule::Free,
            watching: crate::waiters::Watching::default(),
            moves_fibers: false,
            hooks: crate::hooks::Hooks::default(),
            jobserver: None,
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
        let places = usize::MAX >> 17;
        assert_eq!(light(None), WITH_LIGHT_GUARDS.min(places / 4));
        assert_eq!(light(Some(3_000_000)), 3_000_000.min(places / 2));
    }

    #[test]
    fn the_cap_stays_below_the_addresses() {
        let mut large = settings(Mechanism::Switch, None);
        large.stacks.stack_bytes = usize::MAX >> 10;
        for mechanism in [Mechanism::Switch, Mechanism::Thread] {
            large.mechanism = mechanism;
            large.fibers_max = None;
            assert!(fibers_max(&large, false) <= 256);
            large.fibers_max = Some(usize::MAX);
            assert!(fibers_max(&large, false) <= 512);
        }
    }
}
