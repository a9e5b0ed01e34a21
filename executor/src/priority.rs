//! How urgent a run is.

/// How urgent a [run](crate::Executor::run_with_priority) is, beside others of the same executor.
///
/// It counts at two places: which run's job a worker begins next, of those that were given to the executor from outside
/// (also by jobs of other executors) and have not begun; and which of its fibers that were woken a worker resumes next.
/// What a run forks is taken from the worker that forked it, as ever. What runs is not interrupted for it:
/// a fiber that has been ready for a millisecond is let go first at the next point where the job may wait anyway, whatever
/// their levels, in the order that is said here. (Not by an executor of one worker, which interrupts nothing.)
///
/// *Nothing starves*: at each of these places the first in line of a level is passed over by at most sixteen of higher
/// levels, and one overdue of a lower level, and then goes. (Fibers that are ready go before jobs that have not begun,
/// whatever their levels.)
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Priority {
    /// After others.
    Low,
    /// That of a run that says nothing.
    #[default]
    Normal,
    /// Before others.
    High,
}

impl Priority {
    /// Its place among the levels, the highest first.
    #[cfg_attr(
        not(any(feature = "fibers", feature = "threads")),
        allow(dead_code, reason = "nothing stands in line there")
    )]
    pub(crate) fn level(self) -> usize {
        match self {
            Priority::High => 0,
            Priority::Normal => 1,
            Priority::Low => 2,
        }
    }
}
