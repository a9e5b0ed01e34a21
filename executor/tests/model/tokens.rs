//! tokens.md: workers that share one permit.

use std::sync::Arc;
use std::time::Duration;

use loom::thread;

use crate::explore;
use crate::plant::is_planted;
use crate::sched::idle::{Idle, Waker};
use crate::sched::token_source::TokenSource;
use crate::sched::tokens::{Called, Tokens, Workers};
use crate::sync::{AtomicUsize, Ordering};

/// There is but the implicit token.
struct Empty;

impl TokenSource for Empty {
    fn take(&mut self) -> Result<bool, String> {
        Ok(false)
    }

    fn give_back(&mut self) {
        panic!("the implicit token is given back");
    }
}

/// Two workers, whose jobs are a number, as `pool/permit.rs` has them.
struct Pool {
    idle: Idle,
    jobs: AtomicUsize,
    has_permit: [AtomicUsize; 2],
    is_refused: [AtomicUsize; 2],
    is_stopping: AtomicUsize,
    calls: AtomicUsize,
}

impl Workers for Pool {
    fn grant(&self, worker: usize) {
        self.has_permit[worker].store(1, Ordering::Relaxed);
        if !is_planted("tokens_untold") {
            self.idle.told(worker);
        }
    }

    fn refuse(&self, worker: usize) {
        self.is_refused[worker].store(1, Ordering::Relaxed);
        self.idle.told(worker);
    }

    fn has_permit(&self, worker: usize) -> bool {
        self.has_permit[worker].load(Ordering::Relaxed) == 1
    }

    fn has_work_for(&self, _: usize) -> bool {
        self.has_jobs()
    }

    fn call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }
}

impl Pool {
    fn has_jobs(&self) -> bool {
        self.jobs.load(Ordering::Relaxed) > 0
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed) == 1
    }

    fn take(&self) -> bool {
        let less = |jobs: usize| jobs.checked_sub(1);
        let mut jobs = self.jobs.load(Ordering::Relaxed);
        while let Some(left) = less(jobs) {
            let taken =
                self.jobs
                    .compare_exchange(jobs, left, Ordering::Relaxed, Ordering::Relaxed);
            match taken {
                Ok(_) => return true,
                Err(now) => jobs = now,
            }
        }
        false
    }

    fn end_search(&self) {
        self.idle.end_search(Waker::Any, || self.has_jobs());
    }
}

/// The pool, the permits that it shares, and who they are.
struct Shared {
    pool: Arc<Pool>,
    tokens: Tokens,
}

impl Pool {
    fn new(jobs: usize) -> Arc<Pool> {
        let zeros = || [AtomicUsize::new(0), AtomicUsize::new(0)];
        Arc::new(Pool {
            idle: Idle::new(2),
            jobs: AtomicUsize::new(jobs),
            has_permit: zeros(),
            is_refused: zeros(),
            is_stopping: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
        })
    }
}

impl Shared {
    fn new(jobs: usize) -> Arc<Shared> {
        let pool = Pool::new(jobs);
        let tokens = Tokens::new(Box::new(Empty), usize::MAX, Duration::ZERO);
        tokens.join(0, Arc::clone(&pool) as Arc<dyn Workers>);
        Arc::new(Shared { pool, tokens })
    }

    /// A second pool that shares the permit.
    fn beside(&self, jobs: usize) -> Arc<Pool> {
        let other = Pool::new(jobs);
        self.tokens.join(1, Arc::clone(&other) as Arc<dyn Workers>);
        other
    }

    /// Goes on with a permit (N1), or when the pool stops. `is_begun`: whether it wants it for work that only it can do.
    fn obtain(&self, worker: usize, is_begun: bool) {
        let pool = &self.pool;
        while !pool.has_permit(worker) && !pool.is_stopping() {
            pool.is_refused[worker].store(0, Ordering::Relaxed);
            if !is_begun && !pool.has_jobs() {
                pool.idle.start_search();
                self.sleep(worker);
                pool.end_search();
            } else if self.tokens.want(0, worker, is_begun) {
                pool.has_permit[worker].store(1, Ordering::Relaxed);
            } else {
                let is_over = || {
                    let is_over = pool.has_permit(worker)
                        || pool.is_refused[worker].load(Ordering::Relaxed) == 1
                        || pool.is_stopping();
                    is_over && !is_planted("tokens_look")
                };
                pool.idle
                    .block(worker, is_over, |wake, guard| wake.wait(guard));
            }
        }
    }

    fn give_back(&self, worker: usize) -> bool {
        if !self.pool.has_permit(worker) {
            return false;
        }
        self.pool.has_permit[worker].store(0, Ordering::Relaxed);
        self.tokens.give_back(0);
        true
    }

    /// Sleeps until there is a job, or the pool stops; gives its permit back once it is counted.
    fn sleep(&self, worker: usize) {
        let is_work_there = || self.pool.has_jobs() || self.pool.is_stopping();
        self.pool.idle.sleep(worker, is_work_there, |wake, guard| {
            // Here without the sleeper's lock in the library; nobody wakes this worker through the permits meanwhile.
            if !self.give_back(worker) {
                wake.wait(guard);
            }
        });
    }

    /// Searches, with a permit, until it has taken a job, or the pool stops.
    fn search(&self, worker: usize) -> bool {
        let pool = &self.pool;
        self.obtain(worker, false);
        pool.idle.start_search();
        let is_taken = loop {
            if pool.is_stopping() {
                break false;
            }
            if pool.take() {
                break true;
            }
            self.sleep(worker);
            if pool.has_permit(worker) {
                continue;
            }
            if is_planted("tokens_searcher") {
                self.obtain(worker, false);
                continue;
            }
            pool.end_search();
            self.obtain(worker, false);
            pool.idle.start_search();
        };
        pool.end_search();
        is_taken
    }
}

/// N3, N5: one worker wants a permit while the other one gives the only one back.
#[test]
fn a_permit_given_back_reaches_who_wants_it() {
    explore(|| {
        let shared = Shared::new(0);
        let waits = Arc::clone(&shared);
        assert!(shared.tokens.want(0, 0, true));
        let waits = thread::spawn(move || waits.obtain(1, true));
        shared.tokens.give_back(0);
        waits.join().expect("it gets the permit");
        assert!(shared.pool.has_permit(1));
        assert_eq!(shared.tokens.running(), 1);
    });
}

/// N1, N3, N4: two jobs are posted to two workers with one permit: each is taken, by whomever.
#[test]
fn a_posted_job_is_taken_with_one_permit() {
    explore(|| {
        let shared = Shared::new(0);
        let begin = |worker: usize| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let is_taken = shared.search(worker);
                // The job makes no other, and its worker ends with it.
                shared.give_back(worker);
                is_taken
            })
        };
        let workers = [begin(0), begin(1)];
        for _ in 0..2 {
            let jobs = shared.pool.jobs.load(Ordering::Relaxed);
            let mut seen = jobs;
            while let Err(now) = shared.pool.jobs.compare_exchange(
                seen,
                seen + 1,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                seen = now;
            }
            shared.pool.idle.job_posted();
        }
        for worker in workers {
            assert!(worker.join().expect("it ends"));
        }
        assert_eq!(shared.tokens.running(), 0);
    });
}

/// N6: the last worker of an executor that runs passes its permit on to another executor: who is listed there without a job is
/// sent to sleep, where it is woken for the next one.
#[test]
fn who_is_listed_is_not_forgotten_when_the_last_one_passes_its_permit_on() {
    explore(|| {
        let shared = Shared::new(1);
        let other = shared.beside(0);
        assert!(shared.tokens.want(0, 0, true));
        assert!(!shared.tokens.want(0, 1, false));
        // The one that runs takes the job.
        assert!(shared.pool.take());
        assert!(!shared.tokens.want(1, 0, true));
        assert_eq!(shared.tokens.heed(0, 0, false, None), Called::Passed);
        assert!(other.has_permit(0));
        assert_eq!(shared.pool.is_refused[1].load(Ordering::Relaxed), 1);
        shared.tokens.leave(0);
        shared.tokens.leave(1);
    });
}

/// N6: a worker that has nothing to do passes its permit on at once, though its turn is not over: it would only look again.
#[test]
fn who_has_nothing_to_do_passes_its_permit_on_at_once() {
    for jobs in [0, 1] {
        explore(move || {
            let shared = Shared::new(jobs);
            shared.beside(1);
            assert!(shared.tokens.want(0, 0, true));
            assert!(!shared.tokens.want(1, 0, false));
            let called = shared.tokens.heed(0, 0, false, Some(Duration::ZERO));
            assert_eq!(called, [Called::Passed, Called::Soon][jobs]);
            shared.tokens.leave(0);
            shared.tokens.leave(1);
        });
    }
}

/// N6: who gets a permit while others have begun work, too, is called, though it may have heard the last call without one.
#[test]
fn who_gets_a_permit_is_called_for_those_that_wait() {
    explore(|| {
        let shared = Shared::new(1);
        shared.beside(0);
        assert!(shared.tokens.want(0, 0, true));
        assert!(!shared.tokens.want(0, 1, true));
        assert!(!shared.tokens.want(1, 0, true));
        let before = shared.pool.calls.load(Ordering::Relaxed);
        shared.tokens.give_back(0);
        assert!(shared.pool.has_permit(1));
        assert!(shared.pool.calls.load(Ordering::Relaxed) > before);
        shared.tokens.leave(0);
        shared.tokens.leave(1);
    });
}

/// N6: the last worker of an executor that ran stops, and its permit goes to another executor: who is listed here is called for if there is
/// a job, and else sent to sleep, where it is woken for the next one.
#[test]
fn who_is_listed_is_not_forgotten_when_the_last_one_stops() {
    for jobs in [0, 1] {
        explore(move || {
            let shared = Shared::new(jobs);
            let other = shared.beside(1);
            assert!(shared.tokens.want(0, 0, true));
            assert!(!shared.tokens.want(1, 0, false));
            assert!(!shared.tokens.want(0, 1, false));
            let before = other.calls.load(Ordering::Relaxed);
            shared.tokens.give_back(0);
            assert!(other.has_permit(0));
            let is_refused = shared.pool.is_refused[1].load(Ordering::Relaxed) == 1;
            let is_called = other.calls.load(Ordering::Relaxed) > before;
            assert_eq!((is_refused, is_called), (jobs == 0, jobs == 1));
            // Who was granted it gives it back.
            shared.tokens.leave(0);
            shared.tokens.leave(1);
        });
    }
}
