//! S2 and F1 for scopes: children in program order, those of a child right after it, at any width the same failure.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use dagwood::{Cx, Database, Event, Executor, Scope};
use dagwood_tests::{Bed, Random, fail_quietly, open, panic_text, scenarios};

scenarios! {
    all [1]: s2_children_depth_first;
    pools [1]: s2_children_while_the_body_waits_for_one;
    pools [1]: s2_children_while_a_child_waits_for_a_later_one;
    all [1, 2, 3, 8]: f1_the_first_failure_of_a_tree;
}

/// What has begun, in that order.
#[derive(Default)]
struct Log(Mutex<Vec<usize>>);

impl Log {
    fn note(&self, number: usize) {
        self.0.lock().expect("no panic under it").push(number);
    }

    fn take(&self) -> Vec<usize> {
        std::mem::take(&mut self.0.lock().expect("no panic under it"))
    }
}

type LogScope<'scope, 'env, 'db> = &'scope Scope<'scope, 'env, 'db, Log>;

/// What the body of a scope and its children note.
fn noted(bed: &Bed, body: for<'s, 'd> fn(&Cx<'d, Log>, LogScope<'s, '_, 'd>)) -> Vec<usize> {
    let db = Database::new(Log::default());
    let run = bed
        .executor()
        .run(&db, |cx| cx.scope(|cx, scope| body(cx, scope)));
    run.expect("nothing fails");
    db.data().take()
}

/// Notes its number, spawns `depth` levels of three each below it; numbers are those of program order.
fn family<'scope, 'db>(
    cx: &Cx<'db, Log>,
    scope: LogScope<'scope, '_, 'db>,
    number: usize,
    depth: usize,
) {
    cx.data().note(number);
    let below = (0..depth).fold(0, |size, _| size * 3 + 1);
    for child in 0..if depth > 0 { 3 } else { 0 } {
        let number = number + 1 + child * below;
        scope.spawn(cx, move |cx| family(cx, scope, number, depth - 1));
    }
}

fn s2_children_depth_first(bed: &Bed) {
    let noted = noted(bed, |cx, scope| family(cx, scope, 0, 7));
    assert_eq!(noted, Vec::from_iter(0..3280));
}

/// Suspends, where there is somebody to go on.
fn wait_briefly<D>(cx: &Cx<'_, D>, is_sequential: bool) {
    let event = Event::new();
    if !is_sequential {
        cx.join(|cx| *event.wait(cx), |_| open(&event));
    }
}

fn s2_children_while_the_body_waits_for_one(bed: &Bed) {
    for awaited in [0, 1, 39, 77] {
        let db = Database::new(Log::default());
        let event = Event::new();
        let run = bed.executor().run(&db, |cx| {
            cx.scope(|cx, scope| {
                let event = &event;
                let spawn = |child: usize| {
                    scope.spawn(cx, move |cx| {
                        family(cx, scope, child * 4, 1);
                        if child == awaited {
                            open(event);
                        }
                    });
                };
                (0..80).for_each(spawn);
                event.wait(cx);
                (80..100).for_each(spawn);
            });
        });
        run.expect("nothing fails");
        let log = db.data().take();
        // While the body waits children start in order; those it spawns afterwards come after them.
        assert_eq!(log, Vec::from_iter(0..400), "awaited {awaited}");
    }
}

fn s2_children_while_a_child_waits_for_a_later_one(bed: &Bed) {
    let db = Database::new(Log::default());
    let event = Event::new();
    let run = bed.executor().run(&db, |cx| {
        cx.scope(|cx, scope| {
            let event = &event;
            for child in 0..60 {
                scope.spawn(cx, move |cx| {
                    family(cx, scope, child * 13, 2);
                    match child {
                        9 => {
                            event.wait(cx);
                        }
                        33 => open(event),
                        _ => (),
                    }
                });
            }
        });
    });
    run.expect("nothing fails");
    assert_eq!(db.data().take(), Vec::from_iter(0..780));
}

/// A child: what it does and whom it spawns.
struct Member {
    below: Vec<Member>,
    /// Where, among those it spawns, it waits, and where it spawns the rest from an inner scope or loop.
    wait_at: usize,
    inner_at: usize,
    fails: bool,
    number: usize,
}

fn member(random: &mut Random, depth: usize, fails_in: usize, numbers: &mut usize) -> Member {
    *numbers += 1;
    let number = *numbers;
    let count = if depth == 0 { 0 } else { random.below(7) };
    let below: Vec<Member> = (0..count)
        .map(|_| member(random, depth - 1, fails_in, numbers))
        .collect();
    Member {
        below,
        wait_at: random.below(12),
        inner_at: random.below(12),
        fails: random.below(fails_in) == 0,
        number,
    }
}

/// How a tree is run.
struct Walk {
    ran: AtomicUsize,
    is_sequential: bool,
}

fn walk<'scope, 'db>(
    cx: &Cx<'db, ()>,
    scope: &'scope Scope<'scope, '_, 'db, ()>,
    member: &'scope Member,
    how: &'scope Walk,
) {
    how.ran.fetch_add(1, Ordering::Relaxed);
    for (place, child) in member.below.iter().enumerate() {
        if place == member.wait_at {
            wait_briefly(cx, how.is_sequential);
        }
        if place == member.inner_at {
            // One of its own, which may fail, after all it has spawned; it is done when this goes on.
            cx.scope(|cx, inner| inner.spawn(cx, move |cx| walk(cx, inner, child, how)));
        } else {
            scope.spawn(cx, move |cx| walk(cx, scope, child, how));
        }
    }
    if member.fails {
        fail_quietly(&format!("child {}", member.number));
    }
}

/// The message of the first failure, and how many ran.
fn first_failure(executor: &Executor, root: &Member, is_sequential: bool) -> (String, usize) {
    let how = Walk {
        ran: AtomicUsize::new(0),
        is_sequential,
    };
    let run = || {
        executor.run(&Database::new(()), |cx| {
            cx.scope(|cx, scope| walk(cx, scope, root, &how));
        })
    };
    let text = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(run) => run.map_or_else(|error| error.to_string(), |()| "none".to_owned()),
        Err(payload) => panic_text(payload),
    };
    (text, how.ran.into_inner())
}

/// The same in plain words: a member's own failure comes before those of whom it spawned, and those before later ones.
fn first_failure_expected(member: &Member, ran: &mut usize) -> Option<usize> {
    *ran += 1;
    let mut own = None;
    let mut of_children = None;
    for (place, child) in member.below.iter().enumerate() {
        let failure = first_failure_expected(child, ran);
        if place == member.inner_at {
            own = failure;
            if own.is_some() {
                break;
            }
        } else {
            of_children = of_children.or(failure);
        }
    }
    own = own.or(member.fails.then_some(member.number));
    own.or(of_children)
}

fn f1_the_first_failure_of_a_tree(bed: &Bed) {
    let executor = bed.executor();
    let mut failed = 0;
    let numbers = bed.numbers(300);
    let trees = numbers.clone().count();
    for seed in numbers {
        let mut random = Random::new(seed);
        let fails_in = [5, 30, 200][seed as usize % 3];
        let root = member(&mut random, 4, fails_in, &mut 0);
        let mut ran = 0;
        let failure = first_failure_expected(&root, &mut ran);
        failed += usize::from(failure.is_some());
        let text = failure.map_or_else(|| "none".to_owned(), |child| format!("child {child}"));
        for _ in 0..bed.scaled(3) {
            let found = first_failure(&executor, &root, bed.is_sequential());
            assert_eq!(found, (text.clone(), ran), "seed {seed}");
        }
    }
    assert!(
        failed * 3 > trees || bed.is_seeded(),
        "only {failed} of {trees} trees fail"
    );
}
