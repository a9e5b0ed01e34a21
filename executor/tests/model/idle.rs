//! idle.md: posters against workers that go to sleep.

use std::sync::Arc;

use loom::thread;

use super::pool::{Found, Pool};
use crate::explore;
use crate::sched::fiber::FiberRecord;
use crate::sched::ready::ReadyList;

/// A worker's thread that does `body`.
fn worker<T: 'static>(
    pool: &Arc<Pool>,
    body: impl FnOnce(&Pool) -> T + 'static,
) -> thread::JoinHandle<T> {
    let pool = Arc::clone(pool);
    thread::spawn(move || body(&pool))
}

fn end<T>(worker: thread::JoinHandle<T>) -> T {
    worker.join().expect("the worker ends")
}

/// I1 and I2: a job is posted while a worker goes to sleep.
#[test]
fn a_job_posted_to_a_sleepy_worker_is_taken() {
    explore(|| {
        let pool = Pool::new(1);
        let sleepy = worker(&pool, |pool| pool.search(0));
        pool.post();
        assert_eq!(end(sleepy), Found::Job);
    });
}

/// I1, I2, I3, I5: two jobs, two workers that each take one: the poster may skip a wake when
/// somebody searches, and the last searcher makes up for it.
#[test]
fn two_jobs_reach_two_workers() {
    explore(|| {
        let pool = Pool::new(2);
        let workers = [0, 1].map(|index| worker(&pool, move |pool| pool.search(index)));
        pool.post();
        pool.post();
        for worker in workers {
            assert_eq!(end(worker), Found::Job);
        }
    });
}

/// I3: two posters see the same sleeper; one of them wakes it, and the counts come out right.
#[test]
fn two_posters_wake_a_sleeper_once() {
    explore(|| {
        let pool = Pool::new(1);
        let sleepy = worker(&pool, |pool| pool.search(0));
        let poster = worker(&pool, Pool::post);
        pool.post();
        assert_eq!(end(sleepy), Found::Job);
        end(poster);
        assert_eq!(pool.idle.hungry(), 0, "nobody searches or sleeps");
    });
}

/// I5: a searcher finds a fiber of its own while a job is posted, whose poster counted on it: the
/// other worker gets the job.
#[test]
fn a_searcher_that_finds_a_fiber_hands_the_job_on() {
    explore(|| {
        let pool = Pool::new(2);
        let fiber = Arc::new(FiberRecord::here());
        // Worker 0 goes on with its fiber for ever: it takes no job afterwards.
        let owner = worker(&pool, |pool| match pool.search(0) {
            Found::Job => pool.stop(),
            found => assert_eq!(found, Found::Fiber),
        });
        let other = worker(&pool, |pool| pool.search(1));
        pool.inbox.push(&fiber);
        pool.idle.fiber_posted(0);
        pool.post();
        end(owner);
        end(other);
    });
}

/// I3, I5: the same with a poster each: the worker that is woken for its fiber is counted as a
/// searcher before it can end its search.
#[test]
fn a_woken_worker_is_counted_before_it_goes_on() {
    explore(|| {
        let pool = Pool::new(2);
        let fiber = Arc::new(FiberRecord::here());
        let owner = worker(&pool, |pool| match pool.search(0) {
            Found::Job => pool.stop(),
            found => assert_eq!(found, Found::Fiber),
        });
        let other = worker(&pool, |pool| pool.search(1));
        let poster = worker(&pool, Pool::post);
        pool.inbox.push(&fiber);
        pool.idle.fiber_posted(0);
        end(owner);
        end(other);
        end(poster);
    });
}

/// I10: a worker searches, and does not run: the other gets the job.
#[test]
fn a_sleeper_takes_the_job_of_who_is_neglected() {
    explore(|| {
        let pool = Pool::new(2);
        pool.idle.start_search();
        let sleepy = worker(&pool, |pool| pool.search(1));
        pool.post_neglected();
        assert_eq!(end(sleepy), Found::Job);
    });
}

/// I12: two that go on post, and the sleeper may be up before its waker lets it go: it is put back in the end, whoever does it
/// (`model/bed.rs` looks).
#[test]
fn who_is_kept_off_is_put_back() {
    explore(|| {
        let pool = Pool::new(1);
        let sleepy = worker(&pool, |pool| (pool.search(0), pool.search(0)));
        let poster = worker(&pool, Pool::post_neglected);
        pool.post_neglected();
        assert_eq!(end(sleepy), (Found::Job, Found::Job));
        end(poster);
    });
}

/// The stop is work for everybody: two workers end, however sleepy.
#[test]
fn a_stop_reaches_all_workers() {
    explore(|| {
        let pool = Pool::new(2);
        let workers = [0, 1].map(|index| worker(&pool, move |pool| pool.search(index)));
        pool.stop();
        for worker in workers {
            assert_eq!(end(worker), Found::Stop);
        }
    });
}

/// I4, I7: a worker that can start no job is woken for its fiber, and nobody counts on it for a
/// job.
#[test]
fn a_blocked_worker_wakes_for_its_fiber_only() {
    explore(|| {
        let pool = Pool::new(2);
        let fiber = Arc::new(FiberRecord::here());
        let blocked = worker(&pool, |pool| {
            pool.block();
            let ready = ReadyList::new();
            assert!(pool.collect(&ready));
        });
        let other = worker(&pool, |pool| pool.search(1));
        pool.post();
        pool.inbox.push(&fiber);
        pool.idle.fiber_posted(0);
        assert_eq!(end(other), Found::Job);
        end(blocked);
    });
}

/// I8, I9: a job is posted while the only worker comes back on duty.
#[test]
fn who_comes_on_duty_takes_the_job() {
    explore(|| {
        let pool = Pool::with_duty(1, Some(0));
        let back = worker(&pool, |pool| {
            pool.sleep_off_duty(0);
            pool.search(0)
        });
        pool.post();
        pool.change_duty(1, 1);
        assert_eq!(end(back), Found::Job);
    });
}

/// I9, I5: a job is posted while one of two searchers goes off duty; the other one takes it then.
#[test]
fn who_goes_off_duty_hands_the_job_on() {
    explore(|| {
        let pool = Pool::with_duty(2, Some(2));
        let stays = worker(&pool, |pool| pool.search(0));
        let leaves = worker(&pool, |pool| pool.search(1));
        pool.change_duty(1, 2);
        pool.post();
        match end(leaves) {
            Found::OffDuty => assert_eq!(end(stays), Found::Job),
            found => {
                assert_eq!(found, Found::Job);
                pool.stop();
                assert_eq!(end(stays), Found::Stop);
            }
        }
    });
}
