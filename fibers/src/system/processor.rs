//! Which processor a thread runs on, and how one that is to be woken is kept off another's.
//!
//! Used by `dagwood`'s workers. Knows nothing of why they sleep.

use std::sync::OnceLock;
use std::{fs, mem};

/// A processor, by its number.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Processor(usize);

/// A thread, by its number.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Thread(libc::pid_t);

/// The processors on which a thread may run.
#[derive(Copy, Clone)]
pub struct Processors(libc::cpu_set_t);

/// Whether the system may be asked where threads run, and told where to: not where system calls are filtered, and one that is not
/// expected may be the end of the process. As it was for who asked first.
pub fn is_free() -> bool {
    static IS_FREE: OnceLock<bool> = OnceLock::new();
    *IS_FREE.get_or_init(|| {
        let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
        let mode = status.lines().find_map(|line| line.strip_prefix("Seccomp:"));
        mode.is_some_and(|mode| mode.trim() == "0")
    })
}

impl Processor {
    /// The one on which the calling thread runs; it may be another at once.
    pub fn current() -> Option<Self> {
        // SAFETY: takes nothing.
        let number = unsafe { libc::sched_getcpu() };
        let number = usize::try_from(number).ok()?;
        (number < libc::CPU_SETSIZE as usize).then_some(Processor(number))
    }
}

impl Thread {
    /// The calling thread.
    pub fn current() -> Self {
        // Not by `gettid`, which is younger than the oldest C libraries that Rust supports.
        // SAFETY: takes nothing.
        let number = unsafe { libc::syscall(libc::SYS_gettid) };
        Thread(number as libc::pid_t)
    }

    /// Where it may run, if the system tells.
    ///
    /// The thread must not have ended, here and below: the system may have given its number to another.
    pub fn processors(self) -> Option<Processors> {
        let mut set = Processors::none();
        let size = size_of_val(&set.0);
        // SAFETY: writes no more than so many bytes.
        let code = unsafe { libc::sched_getaffinity(self.0, size, &raw mut set.0) };
        (code == 0).then_some(set)
    }

    /// From now on the thread runs elsewhere than on `processor`; gives where it might run before, which is to be
    /// [put back](Self::put_back). `None`: it did not run there, or may run nowhere else, or the system does not tell or
    /// permit it; nothing has changed.
    pub fn keep_off(self, processor: Processor) -> Option<Processors> {
        let before = self.processors()?;
        let mut others = before;
        // SAFETY: the number is less than `CPU_SETSIZE` (`Processor::current`).
        unsafe { libc::CPU_CLR(processor.0, &mut others.0) };
        let leaves_some = others.count() > 0 && !others.are(&before);
        (leaves_some && self.set(&others)).then_some(before)
    }

    /// It may run there again. If that is wherever the process may, then as if it had never been kept off: also on processors
    /// that the process gets later.
    pub fn put_back(self, before: Processors) {
        self.set(&Processors::any());
        if self.processors().is_none_or(|now| !now.are(&before)) {
            // Should it fail, since the process has lost all of these, the thread may run wherever that may.
            self.set(&before);
        }
    }

    /// Whether it may run there, and nowhere else, from now on.
    fn set(self, processors: &Processors) -> bool {
        let size = size_of_val(&processors.0);
        // SAFETY: reads no more than so many bytes.
        let code = unsafe { libc::sched_setaffinity(self.0, size, &raw const processors.0) };
        code == 0
    }
}

impl Processors {
    /// Those that are there, and those that are not; the system takes what it has.
    fn any() -> Self {
        let mut set = Processors::none();
        // SAFETY: a set of bits, of which this writes all.
        unsafe { (&raw mut set.0).write_bytes(!0, 1) };
        set
    }

    fn none() -> Self {
        // SAFETY: a set of bits.
        Processors(unsafe { mem::zeroed() })
    }

    fn are(&self, others: &Self) -> bool {
        // SAFETY: only reads.
        unsafe { libc::CPU_EQUAL(&self.0, &others.0) }
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        // SAFETY: only reads.
        unsafe { libc::CPU_COUNT(&self.0) as usize }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a thread of its own, since it may end elsewhere.
    fn apart(test: impl FnOnce(Thread, Processor) + Send) {
        std::thread::scope(|scope| {
            let test = || {
                let here = Processor::current().expect("the system tells");
                test(Thread::current(), here);
            };
            scope.spawn(test).join().expect("no panic");
        });
    }

    fn count(thread: Thread) -> usize {
        thread.processors().expect("the system tells").count()
    }

    #[test]
    fn a_thread_is_kept_off_a_processor_until_it_is_put_back() {
        apart(|thread, here| {
            let before = count(thread);
            let Some(had) = thread.keep_off(here) else {
                assert!(before == 1 || !is_free(), "it may run elsewhere");
                return;
            };
            assert_eq!(count(thread), before - 1);
            assert_ne!(Processor::current(), Some(here));
            thread.put_back(had);
            assert_eq!(count(thread), before);
        });
    }

    /// Keeps the thread off for good, if it may run elsewhere.
    fn without(thread: Thread, processor: Processor) -> Option<Processors> {
        let mut set = thread.processors()?;
        // SAFETY: the number is less than `CPU_SETSIZE` (`Processor::current`).
        unsafe { libc::CPU_CLR(processor.0, &mut set.0) };
        (set.count() > 0 && thread.set(&set)).then_some(set)
    }

    #[test]
    fn who_does_not_run_there_is_left_alone() {
        apart(|thread, here| {
            if let Some(set) = without(thread, here) {
                assert!(thread.keep_off(here).is_none());
                assert!(thread.processors().is_some_and(|now| now.are(&set)));
            }
        });
    }

    #[test]
    fn who_may_run_on_one_processor_only_stays_there() {
        apart(|thread, here| {
            let mut only = Processors::none();
            // SAFETY: the number is less than `CPU_SETSIZE` (`Processor::current`).
            unsafe { libc::CPU_SET(here.0, &mut only.0) };
            if thread.set(&only) {
                assert!(thread.keep_off(here).is_none());
                assert_eq!(Processor::current(), Some(here));
                thread.put_back(only);
                assert_eq!(count(thread), 1);
            }
        });
    }
}
