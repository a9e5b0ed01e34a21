//! C5, C8 and C10: cycles through joins, scopes and tasks, in every order of events.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use dagwood::{CancelToken, Cx, Database, Event, Query};
use dagwood_tests::{Bed, OpenOnDrop, open, scenarios};

scenarios! {
    all [1, 2, 4]: c5_an_innocent_branch_ends_and_stays;
    pools [1, 2, 4]: c10_left_asks_first;
    pools [1, 2, 4]: c10_right_asks_first;
    all [1, 2, 4]: c10_in_no_order;
    pools [1, 2, 4]: c10_right_member_behind_a_slow_left_branch;
    all [1, 2, 4]: c8_through_a_spawned_task;
    all [1, 2, 4]: c8_through_a_scope;
    all [1, 2, 4]: c8_through_a_parallel_loop;
    all [1, 2, 4]: c8_two_tasks_that_wait_for_each_others_queries;
    all [1, 2, 4]: c8_through_a_grandchild;
    all [1, 2, 4]: c8_through_a_broadcast;
    all [1, 2, 4]: c8_through_a_part_of_a_run;
    all [1, 2, 4]: c8_through_a_cancellable_task;
    all [1, 2, 4]: c8_through_a_task_that_another_waits_for;
}

/// In what order the branches of [`Fork::Root`] ask.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    LeftFirst,
    RightFirst,
    Any,
}

/// Whether the left branch tries to go on after its ask.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    Gets,
    Tries,
    Catches,
}

struct Plan {
    order: Order,
    left: Left,
    left_ends: Event<()>,
    right_asks: Event<()>,
}

/// `Root = join(ask Left, ask Right)`, and both ask `Root`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Fork {
    Left,
    Right,
    Root,
}

impl Query<Plan> for Fork {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, Plan>) -> u32 {
        let plan = cx.data();
        match self {
            Fork::Root => {
                let (left, right) = cx.join(|cx| *cx.get(Fork::Left), |cx| *cx.get(Fork::Right));
                left + right
            }
            Fork::Left => {
                let _ends = OpenOnDrop(&plan.left_ends);
                if plan.order == Order::RightFirst {
                    plan.right_asks.wait(cx);
                }
                match plan.left {
                    Left::Gets => *cx.get(Fork::Root),
                    Left::Tries => cx.try_get(Fork::Root).copied().unwrap_or(1),
                    Left::Catches => {
                        let ask = || cx.try_get(Fork::Root).copied().unwrap_or(1);
                        catch_unwind(AssertUnwindSafe(ask)).unwrap_or(1)
                    }
                }
            }
            Fork::Right => {
                if plan.order == Order::LeftFirst {
                    plan.left_ends.wait(cx);
                }
                open(&plan.right_asks);
                // Not a member: it sees what was decided, and may go on.
                match cx.try_get(Fork::Root) {
                    Ok(value) => *value,
                    Err(error) if error.is_cycle() => 40,
                    Err(_) => 50,
                }
            }
        }
    }
}

fn check_fork(bed: &Bed, order: Order) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(100) {
        for left in [Left::Gets, Left::Tries, Left::Catches] {
            let db = Database::new(Plan {
                order,
                left,
                left_ends: Event::new(),
                right_asks: Event::new(),
            });
            let ask = |cx: &Cx<'_, Plan>, key: Fork| match cx.try_get(key) {
                Ok(value) => value.to_string(),
                Err(error) => error.to_string(),
            };
            let texts = executor.run(&db, |cx| {
                [Fork::Root, Fork::Left, Fork::Right].map(|key| ask(cx, key))
            });
            let cycle = "query cycle: Fork Left -> Fork Root -> Fork Left";
            assert_eq!(texts.expect("errors are held back"), [cycle, cycle, "40"]);
        }
    }
}

fn c10_left_asks_first(bed: &Bed) {
    check_fork(bed, Order::LeftFirst);
}

fn c10_right_asks_first(bed: &Bed) {
    check_fork(bed, Order::RightFirst);
}

fn c10_in_no_order(bed: &Bed) {
    check_fork(bed, Order::Any);
}

/// Gates and counts of the queries below.
#[derive(Default)]
struct Board {
    asks: Event<()>,
    member_ends: Event<()>,
    innocent_runs: AtomicUsize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Way {
    /// `join(ask Member, ask Innocent)`
    Beside,
    /// `join(ask Slow, ask Member)`
    Behind,
    /// Waits for a task that asks for this query.
    Task,
    /// Has a child that asks for this query.
    Scope,
    /// Has an item that asks for this query.
    Loop,
    /// Waits for two tasks, of which each asks for the query of the other's.
    Pair(u8),
    /// Has a child that has one that asks for this query.
    Grandchild,
    /// Asks for this query on each worker.
    Broadcast,
    /// Asks for this query in a part of the run.
    Part,
    /// As `Task`, of a task that could be cancelled.
    Cancellable,
    /// Has a task that asks for this query, and waits in a child for one that waits for that.
    Chain,
}

/// Asks for the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Member(Way);

/// Ends once the member has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Innocent;

/// Ends once the member asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Slow;

impl Query<Board> for Member {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, Board>) -> u32 {
        let _ends = OpenOnDrop(&cx.data().member_ends);
        open(&cx.data().asks);
        *cx.get(self.0)
    }
}

impl Query<Board> for Innocent {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, Board>) -> u32 {
        cx.data().innocent_runs.fetch_add(1, Ordering::SeqCst);
        cx.data().member_ends.wait(cx);
        3
    }
}

impl Query<Board> for Slow {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, Board>) -> u32 {
        cx.data().asks.wait(cx);
        4
    }
}

impl Query<Board> for Way {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, Board>) -> u32 {
        match self {
            Way::Beside => {
                cx.join(|cx| *cx.get(Member(self)), |cx| *cx.get(Innocent))
                    .1
            }
            Way::Behind => cx.join(|cx| *cx.get(Slow), |cx| *cx.get(Member(self))).1,
            Way::Task => *cx.spawn(|cx| *cx.get(Way::Task)).wait(cx),
            Way::Scope => cx.scope(|cx, scope| {
                scope.spawn(cx, |_| ());
                scope.spawn(cx, |cx| {
                    cx.get(Way::Scope);
                });
                1
            }),
            Way::Loop => {
                let item = |cx: &Cx<'_, Board>, item: u32| match item {
                    5 => *cx.get(Way::Loop),
                    _ => item,
                };
                cx.par_map(0..8_u32, item).into_iter().sum()
            }
            Way::Grandchild => cx.scope(|cx, scope| {
                scope.spawn(cx, |cx| {
                    scope.spawn(cx, |cx| {
                        cx.get(Way::Grandchild);
                    });
                });
                1
            }),
            Way::Broadcast => {
                let calls = cx.broadcast(|cx, _| *cx.get(Way::Broadcast));
                calls.into_iter().sum()
            }
            Way::Part => {
                let part = cx.cancellable(&CancelToken::new(), |cx| *cx.get(Way::Part));
                part.expect("not cancelled")
            }
            Way::Cancellable => {
                let task = cx.spawn_cancellable(|cx| *cx.get(Way::Cancellable));
                *task.wait(cx)
            }
            Way::Chain => cx.scope(|cx, scope| {
                scope.spawn(cx, |cx| {
                    let asks = cx.spawn(|cx| *cx.get(Way::Chain));
                    let waits = cx.spawn(move |cx| *asks.wait(cx));
                    waits.wait(cx);
                });
                1
            }),
            Way::Pair(side) => *cx.spawn(move |cx| *cx.get(Way::Pair(1 - side))).wait(cx),
        }
    }
}

/// The text of the cycle that an ask for `way` gives, the same in each of some rounds.
fn cycle_of(bed: &Bed, way: Way) -> String {
    let executor = bed.executor();
    let ask = || {
        let db = Database::new(Board::default());
        let error = executor.run(&db, |cx| *cx.get(way)).expect_err("a cycle");
        assert!(error.is_cycle(), "{error}");
        error.to_string()
    };
    let first = ask();
    for _ in 0..bed.scaled(100) {
        assert_eq!(ask(), first);
    }
    first
}

fn c5_an_innocent_branch_ends_and_stays(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(100) {
        let db = Database::new(Board::default());
        let error = executor.run(&db, |cx| *cx.get(Way::Beside));
        let text = error.expect_err("a cycle").to_string();
        assert_eq!(
            text,
            "query cycle: Member(Beside) -> Way Beside -> Member(Beside)"
        );
        for _ in 0..2 {
            assert_eq!(db.data().innocent_runs.load(Ordering::SeqCst), 1);
            let innocent = executor.run(&db, |cx| *cx.get(Innocent));
            assert_eq!(innocent.expect("it is on no cycle"), 3);
        }
    }
}

fn c10_right_member_behind_a_slow_left_branch(bed: &Bed) {
    let text = cycle_of(bed, Way::Behind);
    assert_eq!(
        text,
        "query cycle: Member(Behind) -> Way Behind -> Member(Behind)"
    );
}

/// The members of a walk, without the places of tasks.
fn walk_of(text: &str) -> Vec<&str> {
    let walk = text.strip_prefix("query cycle: ").expect("a cycle");
    let short = |member: &str| match member.split_once(" at ") {
        Some(("task", _)) => 4,
        _ => member.len(),
    };
    walk.split(" -> ")
        .map(|member| &member[..short(member)])
        .collect()
}

fn c8_through_a_spawned_task(bed: &Bed) {
    let text = cycle_of(bed, Way::Task);
    assert_eq!(walk_of(&text), ["Way Task", "task", "Way Task"]);
}

fn c8_through_a_scope(bed: &Bed) {
    assert_eq!(
        cycle_of(bed, Way::Scope),
        "query cycle: Way Scope -> Way Scope"
    );
}

fn c8_through_a_parallel_loop(bed: &Bed) {
    assert_eq!(
        cycle_of(bed, Way::Loop),
        "query cycle: Way Loop -> Way Loop"
    );
}

fn c8_two_tasks_that_wait_for_each_others_queries(bed: &Bed) {
    for side in 0..2 {
        let text = cycle_of(bed, Way::Pair(side));
        let members = ["Way Pair(0)", "task", "Way Pair(1)", "task", "Way Pair(0)"];
        assert_eq!(walk_of(&text), members);
    }
}

fn c8_through_a_grandchild(bed: &Bed) {
    let text = cycle_of(bed, Way::Grandchild);
    assert_eq!(text, "query cycle: Way Grandchild -> Way Grandchild");
}

fn c8_through_a_broadcast(bed: &Bed) {
    let text = cycle_of(bed, Way::Broadcast);
    assert_eq!(text, "query cycle: Way Broadcast -> Way Broadcast");
}

fn c8_through_a_part_of_a_run(bed: &Bed) {
    let text = cycle_of(bed, Way::Part);
    assert_eq!(text, "query cycle: Way Part -> Way Part");
}

fn c8_through_a_cancellable_task(bed: &Bed) {
    let text = cycle_of(bed, Way::Cancellable);
    assert_eq!(
        walk_of(&text),
        ["Way Cancellable", "task", "Way Cancellable"]
    );
}

fn c8_through_a_task_that_another_waits_for(bed: &Bed) {
    let text = cycle_of(bed, Way::Chain);
    assert!(walk_of(&text).starts_with(&["Way Chain", "task"]), "{text}");
}
