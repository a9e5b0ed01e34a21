#![doc = include_str!("idle.md")]
//!
//! Used by the workers. Knows nothing of jobs and fibers: who looks for work passes the look as a
//! closure.

use std::mem;

use super::bed::{Bed, Stacking};
use crate::sync::{AtomicUsize, Condvar, Mutex, Ordering, fence};

/// One sleeper in the count; searchers are counted below it.
const SLEEPER: usize = 1 << 16;

/// The states of one worker.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum State {
    Awake,
    Sleeping,
    /// Asleep, and unable to start a job: only a fiber of its own wakes it.
    Blocked,
    /// Somebody wakes it, and has not counted it as a searcher yet.
    Waking,
    Notified,
}

/// Who is searching and who sleeps.
pub(crate) struct Idle {
    /// Searchers, plus `SLEEPER` times sleepers.
    counts: AtomicUsize,
    sleepers: Box<[Sleeper]>,
    stacking: Stacking,
}

/// What becomes of who wakes a worker.
#[derive(Copy, Clone, PartialEq, Eq)]
pub(crate) enum Waker {
    /// It goes on with a job, and so needs its processor itself (I12).
    GoesOn,
    /// It is not known to.
    Any,
}

/// Where one worker sleeps. The state is changed by compare-and-swap only, save by its worker while
/// awake.
struct Sleeper {
    state: AtomicUsize,
    lock: Mutex<Bed>,
    wake: Condvar,
}

impl Sleeper {
    fn swap_state(&self, from: State, to: State) -> bool {
        let (from, to) = (from as usize, to as usize);
        self.state
            .compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }
}

impl Sleeper {
    fn notify(&self, stacking: &Stacking, waker: Waker) {
        // The lock: the sleeper is either before its check of the state or inside the wait.
        let mut bed = self.lock.lock();
        // Or it has come by itself, and perhaps sleeps again.
        let is_notified = self.state.load(Ordering::SeqCst) == State::Notified as usize;
        let is_parted = waker == Waker::GoesOn && is_notified && bed.part(stacking);
        drop(bed);
        self.wake.notify_one();
        if is_parted && let Some(mut bed) = self.lock.try_lock() {
            // Else the sleeper is up, and does it itself.
            bed.let_go();
        }
    }

    /// Blocks until the worker is notified.
    fn wait(&self, stacking: &Stacking, mut wait: impl FnMut(&Condvar, &mut SleepGuard<'_>)) {
        let mut guard = self.lock.lock();
        guard.lie_down(stacking);
        while self.state.load(Ordering::SeqCst) != State::Notified as usize {
            wait(&self.wake, &mut guard);
        }
        let bed = mem::take(&mut *guard);
        drop(guard);
        bed.get_up(stacking);
        self.state.store(State::Awake as usize, Ordering::SeqCst);
    }
}

impl Idle {
    pub(crate) fn new(workers: usize) -> Self {
        let sleeper = |_| Sleeper {
            state: AtomicUsize::new(State::Awake as usize),
            lock: Mutex::new(Bed::default()),
            wake: Condvar::new(),
        };
        Idle {
            counts: AtomicUsize::new(0),
            sleepers: (0..workers).map(sleeper).collect(),
            stacking: Stacking::new(),
        }
    }

    /// The system was seen to put who is woken where its waker runs (I12).
    #[cfg(test)]
    pub(super) fn seen(workers: usize) -> Self {
        let stacking = Stacking::seen();
        Idle {
            stacking,
            ..Idle::new(workers)
        }
    }

    /// How many workers look for work or sleep.
    pub(crate) fn hungry(&self) -> usize {
        // Relaxed: a hint of how much to publish.
        let counts = self.counts.load(Ordering::Relaxed);
        counts % SLEEPER + counts / SLEEPER
    }

    /// Whether somebody sleeps: a hint.
    pub(crate) fn has_sleepers(&self) -> bool {
        self.counts.load(Ordering::Relaxed) >= SLEEPER
    }

    /// Whether `worker`, which sleeps or is blocked, was woken.
    pub(crate) fn is_notified(&self, worker: usize) -> bool {
        self.sleepers[worker].state.load(Ordering::SeqCst) == State::Notified as usize
    }

    /// Whether somebody looks for work, or was woken to.
    pub(crate) fn has_searchers(&self) -> bool {
        !self.counts.load(Ordering::SeqCst).is_multiple_of(SLEEPER)
    }

    /// The calling worker begins to search.
    pub(crate) fn start_search(&self) {
        self.counts.fetch_add(1, Ordering::SeqCst);
    }

    /// The calling worker is no searcher any more (I5). `is_work_left` looks for work that any worker may
    /// take. Whether somebody was woken.
    pub(crate) fn end_search(&self, searcher: Waker, is_work_left: impl FnOnce() -> bool) -> bool {
        let before = self.counts.fetch_sub(1, Ordering::SeqCst);
        if before % SLEEPER != 1 || before < SLEEPER {
            return false;
        }
        fence(Ordering::SeqCst);
        is_work_left() && self.wake_one(searcher)
    }

    /// A job was pushed where any worker may take it (I1). Whether somebody was woken.
    pub(crate) fn job_posted(&self) -> bool {
        self.posted(Waker::Any, || false)
    }

    /// The same by a worker; `is_neglected`: whether a sleeper is woken though somebody searches (I10).
    pub(crate) fn job_posted_by_worker(
        &self,
        worker: Waker,
        is_neglected: impl FnOnce() -> bool,
    ) -> bool {
        self.posted(worker, is_neglected)
    }

    fn posted(&self, waker: Waker, is_neglected: impl FnOnce() -> bool) -> bool {
        fence(Ordering::SeqCst);
        // Relaxed: ordered by the fence.
        let counts = self.counts.load(Ordering::Relaxed);
        let has_sleepers = counts >= SLEEPER;
        let has_searchers = !counts.is_multiple_of(SLEEPER);
        has_sleepers && (!has_searchers || is_neglected()) && self.wake_one(waker)
    }

    /// A fiber was put into the inbox of `worker` (I4). Whether it was woken.
    pub(crate) fn fiber_posted(&self, worker: usize) -> bool {
        fence(Ordering::SeqCst);
        self.wake(worker, Waker::Any) || self.unblock(worker)
    }

    /// Something has changed that `worker` looks at before it sleeps or blocks (I4, I9). Whether it was woken.
    pub(crate) fn told(&self, worker: usize) -> bool {
        self.fiber_posted(worker)
    }

    /// Wakes everybody: the pool stops.
    pub(crate) fn wake_all(&self) {
        for worker in 0..self.sleepers.len() {
            self.told(worker);
        }
    }

    fn wake_one(&self, waker: Waker) -> bool {
        (0..self.sleepers.len()).any(|worker| self.wake(worker, waker))
    }

    /// Wakes `worker` if it sleeps (I3).
    fn wake(&self, worker: usize, waker: Waker) -> bool {
        let sleeper = &self.sleepers[worker];
        // Relaxed: a look; the compare-and-swap decides.
        if sleeper.state.load(Ordering::Relaxed) != State::Sleeping as usize {
            return false;
        }
        if !sleeper.swap_state(State::Sleeping, State::Waking) {
            return false;
        }
        // Counted before it can go on: else it might end its search first, and not be seen to be
        // the last searcher (I5).
        self.counts.fetch_sub(SLEEPER - 1, Ordering::SeqCst);
        sleeper
            .state
            .store(State::Notified as usize, Ordering::SeqCst);
        sleeper.notify(&self.stacking, waker);
        true
    }

    /// Wakes `worker` if it is blocked (I7).
    fn unblock(&self, worker: usize) -> bool {
        let sleeper = &self.sleepers[worker];
        // Relaxed: a look, as in `wake`.
        if sleeper.state.load(Ordering::Relaxed) != State::Blocked as usize {
            return false;
        }
        let is_ours = sleeper.swap_state(State::Blocked, State::Notified);
        if is_ours {
            sleeper.notify(&self.stacking, Waker::Any);
        }
        is_ours
    }

    /// `worker`, which can start no job, sleeps until it is woken for a fiber of its own, unless
    /// `is_ready` finds one. `wait` as for [`sleep`](Self::sleep).
    pub(crate) fn block(
        &self,
        worker: usize,
        is_ready: impl FnOnce() -> bool,
        wait: impl FnMut(&Condvar, &mut SleepGuard<'_>),
    ) {
        let sleeper = &self.sleepers[worker];
        sleeper
            .state
            .store(State::Blocked as usize, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if is_ready() && sleeper.swap_state(State::Blocked, State::Awake) {
            return;
        }
        sleeper.wait(&self.stacking, wait);
    }

    /// `worker`, a searcher, sleeps until it is woken, unless `is_work_there` finds something (I2).
    /// It is a searcher again afterwards. `wait` blocks on the condition variable: it may wake
    /// early for any reason.
    pub(crate) fn sleep(
        &self,
        worker: usize,
        is_work_there: impl FnOnce() -> bool,
        wait: impl FnMut(&Condvar, &mut SleepGuard<'_>),
    ) {
        let sleeper = &self.sleepers[worker];
        self.counts.fetch_add(SLEEPER - 1, Ordering::SeqCst);
        sleeper
            .state
            .store(State::Sleeping as usize, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if is_work_there() && sleeper.swap_state(State::Sleeping, State::Awake) {
            self.counts.fetch_sub(SLEEPER - 1, Ordering::SeqCst);
            return;
        }
        sleeper.wait(&self.stacking, wait);
    }
}

/// The guard of a sleeping worker's lock.
pub(crate) type SleepGuard<'a> = crate::sync::MutexGuard<'a, Bed>;
