//! J1 to J3: workers under a jobserver, of which a counter plays the part.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use dagwood::locks::Mutex;
use dagwood::{Backend, Cx, Database, Event, Executor, Jobserver, Query};
use dagwood_tests::{
    Bed, OsGate, child_process, fail_quietly, is_emulated, open, panic_text, scenarios,
};

scenarios! {
    all [8, 2, 1]: j1_without_tokens_all_goes_on_with_one_worker;
    all [8, 4, 2]: j2_never_more_run_than_there_are_tokens;
    all [4, 2]: j2_all_tokens_come_back_however_a_run_ends;
    pools [4, 2, 1]: j2_executors_share_their_tokens;
    pools [4, 2] unseeded "they meet as threads": j2_exactly_so_many_run_whatever_the_tokens_say;
    pools [4, 2]: j2_who_goes_off_duty_gives_its_token_back;
    pools [4, 2]: j3_tokens_that_go_and_come_in_mid_run;
    pools [2, 4]: j3_who_holds_a_lock_goes_before_new_jobs;
    pools [2, 4]: j3_who_holds_a_lock_goes_before_one_that_yields;
    pools [2, 4, 1]: j3_executors_take_turns_with_one_token;
    pools [2, 4] unseeded "who is outside begins while others run": j3_new_jobs_have_their_turn_beside_begun_work;
    pools [2, 3] unseeded "one waits for another as threads": j3_a_job_left_behind_is_begun_by_one_that_yields;
    pools [32] unseeded "clocks tell turns": j3_a_turn_is_more_than_a_look;
    pools [2, 1] unseeded "each has a schedule of its own": j3_a_report_tells_who_waits_for_a_permit;
}

fn executor(bed: &Bed, jobserver: &Jobserver) -> Executor {
    let builder = bed.builder().jobserver(jobserver);
    builder.build().expect("an executor can be made")
}

/// How many run at once.
#[derive(Default)]
struct Running {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Running {
    /// Runs for so long that others have time to begin.
    fn leaf(&self) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        // Once: each may take milliseconds where others are busy.
        thread::yield_now();
        self.now.fetch_sub(1, Ordering::SeqCst);
    }

    fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

/// W3 with leaves: `count` tasks, all but the last of which wait for what that sets.
fn more_waiters_than_workers(cx: &Cx<'_, ()>, count: usize, running: &Running) {
    let event = Event::new();
    cx.scope(|cx, scope| {
        for _ in 1..count {
            scope.spawn(cx, |cx| {
                running.leaf();
                event.wait(cx);
                running.leaf();
            });
        }
        scope.spawn(cx, |_| {
            running.leaf();
            open(&event);
        });
    });
}

/// The same in an order in which nobody waits for what comes later.
fn leaves(bed: &Bed, executor: &Executor, running: &Running) {
    let run = executor.run(&Database::new(()), |cx| {
        if bed.is_sequential() {
            cx.par_for_each(0..24, |_, _| running.leaf());
        } else {
            more_waiters_than_workers(cx, bed.at_most_seeded(12, 24), running);
        }
    });
    run.expect("it ends");
}

fn j1_without_tokens_all_goes_on_with_one_worker(bed: &Bed) {
    let jobserver = Jobserver::simulated(0);
    let running = Running::default();
    let executor = executor(bed, &jobserver);
    for _ in 0..2 {
        leaves(bed, &executor, &running);
        // Who has nothing to do gives its permit back, and the implicit token stays.
        while jobserver.running() > 0 {
            thread::yield_now();
        }
    }
    drop(executor);
    let traffic = jobserver.traffic();
    assert_eq!((traffic.taken, traffic.given_back), (0, 0));
    assert_eq!(running.most(), 1);
    assert_eq!(jobserver.tokens_in_pipe(), 0);
}

fn j2_never_more_run_than_there_are_tokens(bed: &Bed) {
    let jobserver = Jobserver::simulated(3);
    let running = Running::default();
    let executor = executor(bed, &jobserver);
    for _ in 0..bed.scaled(12) {
        leaves(bed, &executor, &running);
    }
    assert!(running.most() <= 4, "{} at once", running.most());
    drop(executor);
    assert_eq!(jobserver.tokens_in_pipe(), 3);
}

/// Asks itself.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
struct Circle(u32);

impl Query<()> for Circle {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, ()>) -> u32 {
        let (other, _) = cx.join(|cx| *cx.get(Circle(1 - self.0)), |_| thread::yield_now());
        other
    }
}

fn j2_all_tokens_come_back_however_a_run_ends(bed: &Bed) {
    let jobserver = Jobserver::simulated(3);
    for end in bed.cases(0..4) {
        let running = Running::default();
        let executor = executor(bed, &jobserver);
        leaves(bed, &executor, &running);
        let db = Database::new(());
        match end {
            0 => {
                let run = executor.run(&db, |cx| *cx.get(Circle(0)));
                assert!(run.expect_err("a cycle").to_string().contains("Circle"));
            }
            1 => {
                let panics = |cx: &Cx<'_, ()>| {
                    cx.par_for_each(0..8, |_, item| {
                        if item == 3 {
                            fail_quietly("on purpose");
                        }
                    });
                };
                let run = catch_unwind(AssertUnwindSafe(|| executor.run(&db, panics)));
                assert_eq!(panic_text(run.expect_err("a panic")), "on purpose");
            }
            2 => {
                executor.shutdown();
            }
            _ => (),
        }
        drop(executor);
        assert_eq!(jobserver.tokens_in_pipe(), 3, "end {end}");
        assert_eq!(jobserver.running(), 0);
        let traffic = jobserver.traffic();
        assert_eq!(traffic.taken, traffic.given_back);
    }
}

fn j2_executors_share_their_tokens(bed: &Bed) {
    let jobserver = Jobserver::with_limit(2);
    let running = Running::default();
    let executors = [0, 1, 2].map(|_| executor(bed, &jobserver));
    thread::scope(|scope| {
        for executor in &executors {
            scope.spawn(|| {
                for _ in 0..bed.scaled(8) {
                    leaves(bed, executor, &running);
                }
            });
        }
    });
    drop(executors);
    assert!(running.most() <= 2, "{} at once", running.most());
    assert_eq!(jobserver.running(), 0);
}

fn j2_exactly_so_many_run_whatever_the_tokens_say(bed: &Bed) {
    let jobserver = Jobserver::simulated(0);
    let exactly = bed.builder().workers_exactly(bed.workers());
    let builders = [
        exactly.clone().jobserver(&jobserver),
        bed.builder()
            .jobserver(&jobserver)
            .workers_exactly(bed.workers()),
    ];
    for builder in builders {
        let executor = builder.build().expect("an executor can be made");
        let all = Barrier::new(bed.workers());
        let run = executor.run(&Database::new(()), |cx| {
            cx.broadcast(|_, _| {
                all.wait();
                assert_eq!(jobserver.running(), 0);
            });
        });
        run.expect("it ends");
    }
    assert_eq!(jobserver.traffic().asked, 0);
}

fn j2_who_goes_off_duty_gives_its_token_back(bed: &Bed) {
    let jobserver = Jobserver::simulated(3);
    let executor = executor(bed, &jobserver);
    for count in [1, bed.workers(), 1] {
        executor.set_workers(count).expect("so many there are");
        let run = executor.run(&Database::new(()), |cx| cx.broadcast(|_, _| ()).len());
        assert_eq!(run.expect("it ends"), bed.workers());
        let running = Running::default();
        leaves(bed, &executor, &running);
        assert!(running.most() <= count.min(4), "{} at once", running.most());
    }
    drop(executor);
    assert_eq!(jobserver.tokens_in_pipe(), 3);
}

fn j3_tokens_that_go_and_come_in_mid_run(bed: &Bed) {
    let jobserver = Jobserver::simulated(3);
    let executor = executor(bed, &jobserver);
    let sum = Mutex::new(0);
    let items = bed.at_most_seeded(30, bed.at_most_on_threads(60, 1_000));
    let run = executor.run(&Database::new(()), |cx| {
        cx.par_for_each(0..items, |cx, item| {
            match item % 8 {
                // Somebody else takes what is there; the rest go at the ends of their jobs.
                1 => {
                    jobserver.change_tokens_in_pipe(|_| 0);
                    jobserver.set_limit(1);
                }
                5 => {
                    jobserver.set_limit(usize::MAX);
                    jobserver.change_tokens_in_pipe(|tokens| (tokens + 1).min(3));
                }
                _ => (),
            }
            let event = Event::new();
            let mut sum = sum.lock(cx);
            cx.join(|cx| event.wait(cx), |_| open(&event));
            cx.yield_now();
            *sum += item;
        });
    });
    run.expect("it ends");
    drop(executor);
    assert_eq!(sum.into_inner(), items * (items - 1) / 2);
    assert_eq!(jobserver.running(), 0);
}

/// A fiber of the second worker holds a lock when that worker loses its permit, and is ready then; `rest` is what the first one does
/// until it has ended.
fn with_a_lock_on_another_worker(
    bed: &Bed,
    rest: impl for<'db> Fn(&Cx<'db, ()>, &'db AtomicBool) + Sync,
) {
    let jobserver = Jobserver::with_limit(2);
    let executor = executor(bed, &jobserver);
    let (lock, is_over) = (Mutex::new(()), AtomicBool::new(false));
    let (held, go) = (Event::new(), Event::new());
    let db = Database::new(());
    let run = executor.run(&db, |cx| {
        cx.broadcast(|cx, worker| match worker {
            1 => {
                let guard = lock.lock(cx);
                open(&held);
                go.wait(cx);
                drop(guard);
                is_over.store(true, Ordering::SeqCst);
            }
            0 => {
                held.wait(cx);
                jobserver.set_limit(1);
                while jobserver.running() > 1 {
                    cx.yield_now();
                }
                // Nobody is called any more.
                (0..3).for_each(|_| cx.yield_now());
                open(&go);
                rest(cx, &is_over);
            }
            _ => (),
        });
    });
    run.expect("it ends");
    assert!(is_over.into_inner());
}

fn chain<'db>(cx: &Cx<'db, ()>, is_over: &'db AtomicBool) {
    if !is_over.load(Ordering::SeqCst) {
        cx.spawn(move |cx| chain(cx, is_over));
    }
}

fn j3_who_holds_a_lock_goes_before_new_jobs(bed: &Bed) {
    // One job after another on this worker.
    with_a_lock_on_another_worker(bed, chain);
}

fn j3_who_holds_a_lock_goes_before_one_that_yields(bed: &Bed) {
    with_a_lock_on_another_worker(bed, |cx, is_over| {
        while !is_over.load(Ordering::SeqCst) {
            cx.yield_now();
        }
    });
}

fn j3_executors_take_turns_with_one_token(bed: &Bed) {
    let jobserver = Jobserver::with_limit(1);
    let executors = [0, 1].map(|_| executor(bed, &jobserver));
    let begun = [0, 1].map(|_| AtomicBool::new(false));
    thread::scope(|scope| {
        for (me, executor) in executors.iter().enumerate() {
            let begun = &begun;
            scope.spawn(move || {
                let run = executor.run(&Database::new(()), |cx| {
                    begun[me].store(true, Ordering::SeqCst);
                    while !begun[1 - me].load(Ordering::SeqCst) {
                        cx.yield_now();
                    }
                });
                run.expect("it ends");
            });
        }
    });
}

/// All workers of one executor have begun work that lasts until another executor's job has run.
fn j3_new_jobs_have_their_turn_beside_begun_work(bed: &Bed) {
    let jobserver = Jobserver::with_limit(1);
    let [polls, new] = [0, 1].map(|_| executor(bed, &jobserver));
    let (begun, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let polling = scope.spawn(|| {
            polls.run(&Database::new(()), |cx| {
                cx.broadcast(|cx, _| {
                    begun.fetch_add(1, Ordering::SeqCst);
                    while !is_over.load(Ordering::SeqCst) {
                        cx.yield_now();
                    }
                });
            })
        });
        while begun.load(Ordering::SeqCst) < bed.workers() {
            thread::yield_now();
        }
        let run = new.run(&Database::new(()), |_| {
            is_over.store(true, Ordering::SeqCst);
        });
        run.expect("it ends");
        polling.join().expect("no panic").expect("it ends");
    });
}

/// A worker loses its permit when it has shown a job that nobody has begun, and the one that goes on only yields.
fn j3_a_job_left_behind_is_begun_by_one_that_yields(bed: &Bed) {
    let jobserver = Jobserver::with_limit(2);
    let executor = executor(bed, &jobserver);
    let (begun, go, is_over) = (OsGate::new(), OsGate::new(), AtomicBool::new(false));
    let run = executor.run(&Database::new(()), |cx| {
        cx.broadcast(|cx, worker| match worker {
            1 => {
                begun.open();
                go.pass();
                let event = Event::new();
                cx.scope(|cx, scope| {
                    scope.spawn(cx, |_| {
                        is_over.store(true, Ordering::SeqCst);
                        open(&event);
                    });
                    // Its permit is one too many by now, so it is given up here.
                    event.wait(cx);
                });
            }
            0 => {
                begun.pass();
                jobserver.set_limit(1);
                go.open();
                while jobserver.running() > 1 {
                    thread::yield_now();
                }
                while !is_over.load(Ordering::SeqCst) {
                    cx.yield_now();
                }
            }
            _ => (),
        });
    });
    run.expect("it ends");
}

/// Who has got a permit for begun work goes on for a while, though others have waited for longer.
fn j3_a_turn_is_more_than_a_look(bed: &Bed) {
    if bed.backend() == Backend::Threads || is_emulated() {
        // There a look may take as long as a turn.
        return;
    }
    const TURNS: usize = 200;
    let executor = executor(bed, &Jobserver::with_limit(1));
    let [last, turns, looks, short] = [const { AtomicUsize::new(0) }; 4];
    let run = executor.run(&Database::new(()), |cx| {
        cx.broadcast(|cx, worker| {
            while turns.load(Ordering::SeqCst) < TURNS {
                if last.swap(worker, Ordering::SeqCst) != worker {
                    turns.fetch_add(1, Ordering::SeqCst);
                    let is_short = looks.swap(0, Ordering::SeqCst) <= 2;
                    short.fetch_add(usize::from(is_short), Ordering::SeqCst);
                }
                looks.fetch_add(1, Ordering::SeqCst);
                cx.yield_now();
            }
        });
    });
    run.expect("it ends");
    let short = short.into_inner();
    assert!(short < TURNS / 3, "{short} of {TURNS} turns are short");
}

fn j3_a_report_tells_who_waits_for_a_permit(bed: &Bed) {
    let jobserver = Jobserver::with_limit(1);
    let [long, waits] = [0, 1].map(|_| executor(bed, &jobserver));
    let (begun, go) = (OsGate::new(), OsGate::new());
    thread::scope(|scope| {
        let runs = scope.spawn(|| {
            long.run(&Database::new(()), |_| {
                begun.open();
                go.pass();
            })
        });
        begun.pass();
        let waiting = scope.spawn(|| waits.run(&Database::new(()), |_| ()));
        let report = waits.waiters();
        let silent = report.silent_workers();
        assert_eq!(silent.len(), bed.workers(), "{report}");
        assert!(silent.iter().all(|one| one.waits_for_permit()), "{report}");
        let text = report.to_string();
        assert!(text.contains("worker 0 waits for a permit"), "{text}");
        // Who runs has one.
        let busy = long.waiters();
        let with_permit = |report: &dagwood::WaitReport| {
            let silent = report.silent_workers().iter();
            silent.filter(|one| !one.waits_for_permit()).count()
        };
        assert_eq!(with_permit(&busy), 1, "{busy}");
        go.open();
        for run in [runs, waiting] {
            run.join().expect("no panic").expect("it ends");
        }
    });
}

/// Whether all threads of this process that are named so sleep, and there are so many at least (on the threads backend each fiber
/// is one).
fn sleep_all(name: &str, count: usize) -> bool {
    let threads = fs::read_dir("/proc/self/task").expect("Linux has it");
    let state = |thread: fs::DirEntry| {
        let stat = fs::read_to_string(thread.path().join("stat")).ok()?;
        let (named, rest) = stat.split_once('(')?.1.rsplit_once(") ")?;
        named.starts_with(name).then(|| rest.starts_with('S'))
    };
    let states = threads.filter_map(|thread| state(thread.expect("a thread")));
    let states: Vec<bool> = states.collect();
    states.len() >= count && states.iter().all(|sleeps| *sleeps)
}

#[test]
#[ignore = "in a child"]
fn waits_for_a_permit() {
    let jobserver = Jobserver::with_limit(1);
    let executor = || Executor::builder().workers(2).jobserver(&jobserver).build();
    let [long, waits] = [executor(), executor()].map(|executor| executor.expect("can be made"));
    let (begun, go) = (OsGate::new(), OsGate::new());
    thread::scope(|scope| {
        scope.spawn(|| {
            let run = long.run(&Database::new(()), |_| {
                // It blocks its thread, and so keeps its permit.
                begun.open();
                go.pass();
            });
            run.expect("it ends");
        });
        begun.pass();
        let run = || waits.run(&Database::new(()), |_| ()).expect("it ends");
        let runs = thread::Builder::new().name("dagwood run".to_owned());
        runs.spawn_scoped(scope, run).expect("a thread");
        // Four workers, and who waits for the run: who looks again and again is not seen asleep each time.
        let mut in_a_row = 0;
        for _ in 0..100_000 {
            in_a_row = if sleep_all("dagwood", 5) {
                in_a_row + 1
            } else {
                0
            };
            if in_a_row == 200 {
                println!("it has waited");
                break;
            }
            thread::yield_now();
        }
        go.open();
    });
}

#[test]
fn j3_who_waits_for_a_permit_sleeps() {
    let tells_of_threads = Path::new("/proc/self/task").exists() && !is_emulated();
    if !tells_of_threads || Executor::backends() == [Backend::Sequential] {
        return;
    }
    let run = child_process(module_path!(), "waits_for_a_permit").output();
    let run = run.expect("a child can be started");
    let said = String::from_utf8_lossy(&[run.stdout, run.stderr].concat()).into_owned();
    assert!(said.contains("it has waited"), "{said}");
}
