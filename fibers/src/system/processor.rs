//! Which processor a thread runs on, and how one that is to be woken is kept off another's.
//!
//! Used by `dagwood`'s workers. Knows nothing of why they sleep.

/// A processor, by its number.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Processor(usize);

/// A thread, by its number.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Thread(libc::pid_t);

/// The processors on which a thread may run.
#[derive(Copy, Clone)]
pub struct Processors(libc::cpu_set_t);

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
        // SAFETY: takes nothing.
        Thread(unsafe { libc::gettid() })
    }

    /// From now on the thread runs elsewhere than on `processor`; gives where it might run before, which is to be
    /// [put back](Processors::put_back). `None`: it may run nowhere else, or the system does not tell or permit it, and
    /// nothing has changed.
    ///
    /// The thread must not have ended: the system may have given its number to another.
    pub fn keep_off(self, processor: Processor) -> Option<Processors> {
        let before = Processors::of(self)?;
        let mut others = before;
        // SAFETY: the number is less than `CPU_SETSIZE` (`Processor::current`).
        unsafe { libc::CPU_CLR(processor.0, &mut others.0) };
        // SAFETY: only reads.
        let has_others = unsafe { libc::CPU_COUNT(&others.0) } > 0;
        (has_others && others.give_to(self)).then_some(before)
    }
}

impl Processors {
    fn of(thread: Thread) -> Option<Self> {
        // SAFETY: a set of bits; with none it is empty.
        let mut set = unsafe { std::mem::zeroed() };
        // SAFETY: writes no more than so many bytes.
        let code = unsafe { libc::sched_getaffinity(thread.0, size_of_val(&set), &raw mut set) };
        (code == 0).then_some(Processors(set))
    }

    /// Whether the thread may run there, and nowhere else, from now on.
    fn give_to(&self, thread: Thread) -> bool {
        // SAFETY: reads no more than so many bytes.
        let code =
            unsafe { libc::sched_setaffinity(thread.0, size_of_val(&self.0), &raw const self.0) };
        code == 0
    }

    /// The calling thread may run there again.
    pub fn put_back(self) {
        // If this fails a processor has gone away meanwhile, with all that were in the set.
        self.give_to(Thread(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> u32 {
        let mine = Processors::of(Thread::current()).expect("the system tells");
        // SAFETY: only reads.
        unsafe { libc::CPU_COUNT(&mine.0) }.cast_unsigned()
    }

    #[test]
    fn a_thread_is_kept_off_a_processor_until_it_is_put_back() {
        std::thread::spawn(|| {
            let (before, here) = (allowed(), Processor::current().expect("the system tells"));
            let Some(had) = Thread::current().keep_off(here) else {
                assert_eq!(before, 1, "there are others");
                return;
            };
            assert_eq!(allowed(), before - 1);
            assert_ne!(Processor::current(), Some(here));
            had.put_back();
            assert_eq!(allowed(), before);
        })
        .join()
        .expect("no panic");
    }

    #[test]
    fn who_may_run_on_one_processor_only_stays_there() {
        std::thread::spawn(|| {
            let here = Processor::current().expect("the system tells");
            // SAFETY: a set of bits; with none it is empty.
            let mut only = Processors(unsafe { std::mem::zeroed() });
            // SAFETY: the number is less than `CPU_SETSIZE` (`Processor::current`).
            unsafe { libc::CPU_SET(here.0, &mut only.0) };
            assert!(only.give_to(Thread::current()));
            assert!(Thread::current().keep_off(here).is_none());
            assert_eq!(Processor::current(), Some(here));
        })
        .join()
        .expect("no panic");
    }
}
