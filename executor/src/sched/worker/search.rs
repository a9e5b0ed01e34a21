//! A worker without work: it searches, steals, and sleeps.
//!
//! Whom to wake, and why nothing is overlooked, is `idle.rs`'s business.

use std::cell::Cell;
use std::ptr;
use std::time::{Duration, Instant};

use super::Worker;
use crate::sched::fiber::FiberRecord;
use crate::sched::idle::Waker;
use crate::sched::job::JobRef;
use crate::sched::point::Point;
use crate::sched::pool::Seat;
use crate::sync::Ordering;

/// Looks at its own inbox before each look at the queues of the others.
const POLLS: u32 = 2;

/// After this many looks a searcher lets other threads go first each time: there may be more
/// workers than processors. With few workers they last about as long as that does.
const SPINNING_LOOKS: u32 = 8;

// Who sleeps was counted before (idle.md I11).
const _: () = assert!(SPINNING_LOOKS < Patience::LEAST);

/// How many looks at every queue a worker takes before it sleeps.
///
/// Waking it costs some tens of microseconds, and so should the search: the most looks are a few
/// times that, the least a fraction of it. Which of them pays depends on the program, so the last
/// sleep says: if work came soon, it was not worth sleeping.
pub(super) struct Patience {
    looks: Cell<u32>,
    /// Not to be learnt from clocks: a schedule says who runs.
    is_fixed: bool,
}

impl Patience {
    const MOST: u32 = 200;
    const LEAST: u32 = 32;
    /// A shorter sleep was too short: some ten times what waking costs, since a sleep is also a
    /// loss for those who hand out work and must do the waking.
    const SHORT_SLEEP: Duration = Duration::from_micros(500);

    /// Where a schedule says who runs, one look is as good as many.
    const SCHEDULED: u32 = 2;

    pub(super) fn new(is_scheduled: bool) -> Self {
        let looks = if is_scheduled {
            Self::SCHEDULED
        } else {
            Self::MOST
        };
        Patience {
            looks: Cell::new(looks),
            is_fixed: is_scheduled,
        }
    }

    fn ends_after(&self, looks: u32) -> bool {
        looks >= self.looks.get()
    }

    fn learn(&self, slept: Duration) {
        if self.is_fixed {
            return;
        }
        self.looks.set(if slept < Self::SHORT_SLEEP {
            Self::MOST
        } else {
            (self.looks.get() / 2).max(Self::LEAST)
        });
    }
}

/// What a worker thinks of the work it stole last: whether it was worth the trouble.
///
/// To share a job costs its owner and its thief some half a microsecond. Where all jobs are smaller
/// than that, a thief that asks for more as soon as it has nothing gets them one by one, and both
/// do little else. So it becomes *modest*: it asks less often, and for what there is by then
/// (idle.md I6).
pub(super) struct Appetite {
    /// How many more crumbs than others it has stolen of late.
    crumbs: Cell<u32>,
    /// When the worker last asked another for more.
    asked: Cell<Option<Instant>>,
}

impl Appetite {
    /// What takes less time was not worth stealing.
    const CRUMB: Duration = Duration::from_micros(1);
    /// What takes at least as long shows that not all jobs are crumbs.
    const MEAL: Duration = Duration::from_micros(20);
    /// A modest worker asks this often: there should be a meal by then.
    const PAUSE: Duration = Duration::from_micros(50);
    /// So many crumbs are no accident.
    const CRUMBS_MAX: u32 = 8;

    pub(super) fn new() -> Self {
        Appetite {
            crumbs: Cell::new(0),
            asked: Cell::new(None),
        }
    }

    fn learn(&self, took: Duration) {
        let crumbs = self.crumbs.get();
        self.crumbs.set(if took < Self::CRUMB {
            (crumbs + 1).min(Self::CRUMBS_MAX)
        } else if took < Self::MEAL {
            crumbs.saturating_sub(1)
        } else {
            0
        });
    }

    fn is_modest(&self) -> bool {
        self.crumbs.get() == Self::CRUMBS_MAX
    }

    /// Whether to ask for more now.
    fn asks(&self) -> bool {
        if !self.is_modest() {
            return true;
        }
        let now = Instant::now();
        let is_early = |asked: Instant| now.duration_since(asked) < Self::PAUSE;
        let asks = !self.asked.get().is_some_and(is_early);
        if asks {
            self.asked.set(Some(now));
        }
        asks
    }
}

impl Worker {
    /// Looks for work until there is some, sleeping in between. `true`: the pool stops.
    pub(super) fn search(&self, record: &FiberRecord) -> bool {
        let pool = self.pool();
        self.neglect.forget();
        let mut looks = 0;
        let mut is_counted = false;
        let mut is_stolen = false;
        let job = loop {
            if !is_counted && self.counts_after(looks) {
                pool.idle.start_search();
                is_counted = true;
            }
            if self.polls_find_ready() || pool.is_stopping() || self.is_off_duty() {
                break None;
            }
            let outside = || self.take_own_job().or_else(|| pool.take_injected());
            if let Some(job) = outside() {
                break Some(job);
            }
            if let Some(job) = self.steal() {
                is_stolen = true;
                self.point(Point::Stolen);
                break Some(job);
            }
            if self.takes_fiber() {
                self.point(Point::Stolen);
                break None;
            }
            looks += 1;
            self.point(Point::Look);
            if self.patience.ends_after(looks) {
                debug_assert!(is_counted, "it leaves the searchers");
                looks = 0;
                let start = Instant::now();
                pool.sleep(self);
                self.patience.learn(start.elapsed());
                // Who had to wait for a permit has emptied its inbox (tokens.md N4).
                if self.has_ready() {
                    break None;
                }
            } else if looks > SPINNING_LOOKS {
                std::thread::yield_now();
            }
        };
        if is_counted {
            pool.end_search(self, self.waker(job.is_some()));
        }
        if let Some(job) = job {
            let start = Instant::now();
            self.run_job(job, record);
            let here = record.worker().expect("a worker's fiber");
            if !ptr::eq(here, self) {
                return false;
            }
            if is_stolen {
                self.appetite.learn(start.elapsed());
            }
        }
        pool.is_stopping() && !self.has_begun_work()
    }

    /// What becomes of this worker once it has woken another; `goes_on`: whether it has a job.
    pub(super) fn waker(&self, goes_on: bool) -> Waker {
        // Under a schedule one runs at a time: there is no place to choose.
        match goes_on && !self.has_schedule {
            true => Waker::GoesOn,
            false => Waker::Any,
        }
    }

    /// Whether a searcher is counted as one, after so many looks (idle.md I11).
    fn counts_after(&self, looks: u32) -> bool {
        looks >= SPINNING_LOOKS || self.has_schedule || self.pool().idle.has_sleepers()
    }

    /// Looks some times whether a fiber of its own was woken.
    fn polls_find_ready(&self) -> bool {
        (0..POLLS).any(|poll| {
            if poll > 0 {
                std::hint::spin_loop();
            }
            !self.seat().inbox.is_empty()
        })
    }

    /// Takes a job from another worker, beginning with a random one.
    pub(super) fn steal(&self) -> Option<JobRef> {
        let workers = self.pool().seats().len();
        let random = || self.next_random() as usize % workers;
        let start = self.chosen_victim().unwrap_or_else(random);
        let job = (0..workers)
            .map(|i| (start + i) % workers)
            .filter(|&victim| victim != self.index)
            .find_map(|victim| {
                let seat = self.pool().seat(victim);
                // Most looks find nothing, and a look costs less than a try.
                let job = if seat.stealer.is_empty() {
                    None
                } else {
                    seat.stealer.steal()
                };
                // Read first, as in `ask_for_more`.
                if job.is_some() && !seat.was_stolen_from.load(Ordering::Relaxed) {
                    seat.was_stolen_from.store(true, Ordering::Relaxed);
                }
                // Either it has given its last job, or it has none to see: it should show more.
                if seat.stealer.is_empty() {
                    self.ask_for_more(seat);
                }
                job
            })?;
        self.count(|counters| &counters.steals);
        // It may be much, and others may be hungry: to be shared before a long leaf begins.
        if self.shares_stolen || !self.appetite.is_modest() {
            self.seat().attention.raise();
        }
        Some(job)
    }

    /// Raises the attention of another worker (idle.md I6). Reads first: that worker looks at the
    /// word all the time.
    fn ask_for_more(&self, seat: &Seat) {
        let is_raised = seat.attention.is_raised();
        let is_modest = self.appetite.is_modest();
        // What was asked for before becomes what this one asks for.
        let asks = is_raised || self.appetite.asks();
        if asks && seat.is_modestly_asked.load(Ordering::Relaxed) != is_modest {
            seat.is_modestly_asked.store(is_modest, Ordering::Relaxed);
        }
        if asks && !is_raised {
            seat.attention.raise();
        }
    }

    /// A xorshift: cheap, and good enough to spread thieves.
    fn next_random(&self) -> u32 {
        let mut x = self.random.get();
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.random.set(x);
        x
    }
}
