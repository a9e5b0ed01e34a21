//! How the locks wait: what a wait is called, what a job does first, who holds a lock.
//!
//! Used by all of this folder. Knows nothing of what a lock guards.

use std::panic::Location;
use std::ptr::NonNull;

use crate::cx::Cx;
use crate::error::Error;
use crate::sched::fiber::FiberRecord;
use crate::sched::graph::{self, Kind, Name, Role, Subject};
use crate::sched::holder;
use crate::sched::line::Place;
use crate::sched::lock::{Entered, Lock};
use crate::sched::permits::Permits;
use crate::sync::{HAS_THREADS, ThreadBound};

/// Whoever finds a lock taken looks again so many times, each after twice as many pauses of the processor: less than
/// a microsecond in all, and half of what a wait costs.
const SPIN_ROUNDS: u32 = 4;

/// That a lock is held, until it is dropped. It stays on its OS thread.
pub(super) struct Held<'l> {
    lock: &'l Lock,
    /// As the lock's word names it. A raw pointer: not `Send`.
    holder: *const FiberRecord,
}

impl<'l> Held<'l> {
    /// Takes a lock for `fiber`, the current one, if it is free and nobody waits.
    #[inline]
    pub(super) fn take(fiber: &FiberRecord, lock: &'l Lock) -> Option<Self> {
        let holder = holder::of(fiber);
        lock.try_take(holder).then(|| Held::by(holder, lock))
    }

    /// Takes a lock for `fiber`, the current one, if it is free.
    pub(super) fn try_take(fiber: &FiberRecord, lock: &'l Lock) -> Option<Self> {
        let holder = holder::of(fiber);
        lock.try_take_from_line(holder)
            .then(|| Held::by(holder, lock))
    }

    /// Takes a lock for `fiber`, the current one, which waits if need be; `None`: `is_over` came first.
    ///
    /// # Errors
    ///
    /// As for [`graph::wait_for_lock`].
    pub(super) fn wait(
        fiber: &FiberRecord,
        lock: &'l Lock,
        is_over: impl Fn() -> bool,
    ) -> Result<Option<Self>, Error> {
        if !is_over()
            && let Some(held) = Self::take_soon(fiber, lock)
        {
            return Ok(Some(held));
        }
        // SAFETY: `describe` takes a living lock.
        let what = unsafe { Subject::new(LOCK, lock) };
        let is_taken = graph::wait_for_lock(fiber, lock, what, is_over)?;
        Ok(is_taken.then(|| Held::by(holder::of(fiber), lock)))
    }

    /// Takes a lock for `fiber`, the current one, if it is given back in the next moment, as most are that guard
    /// little. Not where its holder may wait for this very thread, nor where others wait for the lock already.
    fn take_soon(fiber: &FiberRecord, lock: &'l Lock) -> Option<Self> {
        if !fiber.has_company() {
            return None;
        }
        let take = |round: u32| {
            (0..1_u32 << round).for_each(|_| std::hint::spin_loop());
            Self::take(fiber, lock)
        };
        let rounds = (1..=SPIN_ROUNDS).take_while(|_| lock.is_only_held());
        rounds.filter_map(take).next()
    }

    /// `lock` was just taken for `holder`.
    #[inline]
    fn by(holder: &FiberRecord, lock: &'l Lock) -> Self {
        holder.hold();
        Held { lock, holder }
    }

    /// Gives it back to all who wait (lock.md K7).
    pub(super) fn give_back_to_all(self) {
        self.let_go();
        self.lock.give_back_to_all();
        std::mem::forget(self);
    }

    #[inline]
    fn let_go(&self) {
        // SAFETY: a record that holds is not freed (lock.md K1); this has not left its thread.
        unsafe { &*self.holder }.let_go();
    }
}

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        self.let_go();
        self.lock.give_back(self.holder);
    }
}

pub(super) const LOCK: &Kind = &Kind {
    role: Role::Wait,
    query: None,
    describe: Some(describe),
    decide: None,
    is_provisional: None,
    abandon: None,
};

/// # Safety
///
/// `lock` is a living one.
unsafe fn describe(lock: NonNull<()>) -> Name {
    // SAFETY: by contract; the name never changes.
    let lock = unsafe { lock.cast::<Lock>().as_ref() };
    Name {
        kind: "lock",
        text: lock.name(),
    }
}

/// The calling thread may use what is bound so and called so: any thread, but in the sequential build only the one that made it.
#[inline]
pub(super) fn check_thread(bound: &ThreadBound, name: impl FnOnce() -> String) {
    assert!(
        bound.is_here(),
        "{} belongs to another thread (sequential build)",
        name()
    );
}

/// A job is about to wait.
pub(super) fn begin_wait<D>(cx: &Cx<'_, D>) {
    cx.settle_item();
    if let Some(iteration) = cx.run().iteration() {
        iteration.may_wait();
    }
}

/// What is waited for without a holder.
pub(super) struct Thing {
    pub(super) what: &'static str,
    pub(super) made_at: &'static Location<'static>,
}

const THING: &Kind = &Kind {
    describe: Some(describe_thing),
    ..*LOCK
};

/// # Safety
///
/// `thing` is a living one.
unsafe fn describe_thing(thing: NonNull<()>) -> Name {
    // SAFETY: by contract; the name never changes.
    let thing = unsafe { thing.cast::<Thing>().as_ref() };
    Name {
        kind: "lock",
        text: thing.name(),
    }
}

impl Thing {
    pub(super) fn name(&self) -> String {
        format!("the {} made at {}", self.what, self.made_at)
    }

    /// Whether `fiber`, the current one, may begin to wait.
    ///
    /// # Errors
    ///
    /// Nothing else runs that could end the wait (the sequential backend), and no `other_threads` do; or as for
    /// [`graph::may_wait_in_line`].
    pub(super) fn may_wait(&self, fiber: &FiberRecord, other_threads: bool) -> Result<(), Error> {
        if !other_threads && !can_others_run(fiber) {
            return Err(Error::deadlock(format!(
                "a job waits for {}, and nothing else runs",
                self.name()
            )));
        }
        graph::may_wait_in_line(fiber, self.subject())
    }

    /// Suspends `fiber`, the current one, until the place at which it stands in a line is called.
    ///
    /// # Errors
    ///
    /// As for [`graph::wait_in_line`]: then `leave` takes the place out of the line.
    pub(super) fn wait(
        &self,
        fiber: &FiberRecord,
        place: &Place,
        leave: impl FnOnce(),
    ) -> Result<(), Error> {
        graph::wait_in_line(fiber, place, self.subject(), leave)
    }

    fn subject(&self) -> Subject {
        // SAFETY: `describe_thing` takes a living one.
        unsafe { Subject::new(THING, self) }
    }

    /// Takes so many permits for `fiber`, the current one, which waits if need be.
    ///
    /// # Errors
    ///
    /// As for [`may_wait`](Self::may_wait) and [`wait`](Self::wait).
    pub(super) fn wait_for_permits(
        &self,
        fiber: &FiberRecord,
        permits: &Permits,
        count: usize,
        other_threads: bool,
    ) -> Result<(), Error> {
        self.may_wait(fiber, other_threads)?;
        let place = Place::new(fiber, None, count);
        // SAFETY: below it waits until it is called, or leaves, before the place goes.
        let entered = unsafe { permits.enter(&place) };
        if entered == Entered::Taken {
            return Ok(());
        }
        self.wait(fiber, &place, || permits.leave(&place))
    }
}

/// Whether others can run while `fiber`, the current one, waits: not in a sequential run on a thread outside.
fn can_others_run(fiber: &FiberRecord) -> bool {
    fiber.is_on_worker() || HAS_THREADS && fiber.executor() == 0
}
