#![doc = include_str!("cycle.md")]
//!
//! What one iteration keeps, and the order of its steps. Used by `fixpoint.rs`, which begins it, and by `ask.rs` for what
//! providers ask for inside. Knows no type of query ([`Member`]) and no worker.

mod member;
mod plain;
mod plan;

use std::cell::{Cell, RefCell};
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::Query;
use super::ask::record;
use super::slot::{Ready, Slot};
use super::table::Table;
use crate::cx::Cx;
use crate::error::{Error, Reason, discard};
use crate::run::{Failure, Run};
use crate::sched::cancel::{Region, Signal, UNWINDS};
use crate::sched::fiber::{FiberRecord, without_runs};
use crate::sched::graph::{Frame, Kind, Role, Subject};
use crate::sched::wait::Waiters;
use crate::sched::wanted::{end_of, told};
use member::{Member, Typed};
use plain::Plain;
use plan::{Graph, Walk};

/// The nodes that are being decided, on one fiber.
pub(crate) struct Iteration<'db, D> {
    nodes: RefCell<Vec<Node<'db, D>>>,
    /// By the addresses of their slots.
    numbers: RefCell<FxHashMap<*const (), u32>>,
    /// Those that were not evaluated yet, or not since they went back to the first round.
    fresh: RefCell<Vec<u32>>,
    /// Of each evaluation under way, the innermost last: whose provisional values it has read.
    reads: RefCell<Vec<Vec<u32>>>,
    plain: Plain,
    /// In what order they are decided.
    walk: RefCell<Walk>,
    /// The last number of a group.
    groups: Cell<u32>,
    /// Whether what is decided is wanted by others only (X1).
    is_for_others: Cell<bool>,
    /// Whether it would have had to wait for them.
    has_given_up: Cell<bool>,
    /// The run that has asked.
    run: *const Run<'db, D>,
    gate: &'db Slot<()>,
    /// The fiber that has the gate's claim, and waits for this iteration.
    outer: *const FiberRecord,
}

/// The gate as long as an iteration has it.
const GATE: &Kind = &Kind {
    role: Role::Work,
    query: None,
    describe: None,
    decide: None,
    is_provisional: None,
    abandon: Some(abandon_gate),
};

/// # Safety
///
/// `gate` is a `Slot<()>` that an iteration has claimed and that goes no further.
unsafe fn abandon_gate(gate: NonNull<()>) -> Waiters {
    // SAFETY: by contract.
    let gate = unsafe { gate.cast::<Slot<()>>().as_ref() };
    // SAFETY: by contract.
    unsafe { gate.abandon() }
}

/// A query that asks for a fixpoint.
struct Node<'db, D> {
    member: Rc<dyn Member<'db, D> + 'db>,
    /// Whose provisional values its last evaluation has read, in the order of the program.
    reads: Vec<u32>,
    /// Whom outside of its group it has asked for first in a later round (X4).
    later: Vec<u32>,
    /// Members of its group that read it, or have in a round before.
    readers: Vec<u32>,
    /// Among whose readers it is, in order.
    noted: Vec<u32>,
    /// The tasks that failed in its last evaluation.
    failures: Vec<Failure<'db>>,
    group: u32,
    /// Whether its result is published.
    is_done: bool,
}

/// What one who waits for the gate wants.
pub(crate) struct Wanted<D> {
    table: *const (),
    slot: *const (),
    /// Makes it a node, of a database that has table and slot, unless it is decided.
    node: for<'i, 'db> unsafe fn(&'i Iteration<'db, D>, *const (), *const ()) -> Option<u32>,
    /// Set when nobody waits for it any more, or who does is told to end.
    end: Arc<Signal>,
}

/// Who waits for the gate wants something as long as this is there.
pub(super) struct Want(Arc<Signal>);

impl Want {
    /// For work of this region.
    pub(super) fn of(region: &Region) -> Self {
        Want(Arc::new(Signal::on_behalf_of(region)))
    }
}

impl Drop for Want {
    fn drop(&mut self) {
        self.0.set(Reason::Dropped);
    }
}

// SAFETY: tables and slots are `Sync`, and live as long as their database, which has this.
unsafe impl<D> Send for Wanted<D> {}

impl<D: 'static> Wanted<D> {
    pub(super) fn new<Q: Query<D>>(
        table: &Table<Q, D>,
        slot: &Slot<Q::Value>,
        want: &Want,
    ) -> Self {
        /// # Safety
        ///
        /// Table and slot are of these types, and live for `'db`.
        unsafe fn node<'db, Q: Query<D>, D: 'static>(
            iteration: &Iteration<'db, D>,
            table: *const (),
            slot: *const (),
        ) -> Option<u32> {
            // SAFETY: by contract.
            let table: &'db Table<Q, D> = unsafe { &*table.cast() };
            // SAFETY: by contract.
            let known: &'db Slot<Q::Value> = unsafe { &*slot.cast() };
            if known.is_ready() || known.is_failed() {
                return None;
            }
            // SAFETY: a slot of this table, which somebody has asked for.
            Some(iteration.node(table, known, || unsafe { table.key_of(slot) }))
        }
        Wanted {
            table: ptr::from_ref(table).cast(),
            slot: ptr::from_ref(slot).cast(),
            node: node::<Q, D>,
            end: Arc::clone(&want.0),
        }
    }

    /// # Safety
    ///
    /// The iteration is of the database that this was made for.
    unsafe fn node(&self, iteration: &Iteration<'_, D>) -> Option<u32> {
        // SAFETY: by contract: the pointers are those of `new`, with the function for their types.
        unsafe { (self.node)(iteration, self.table, self.slot) }
    }
}

/// Gives the gate back to the fiber outside, however the iteration ends.
struct Inside<'i>(&'i Slot<()>, *const FiberRecord);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        // SAFETY: it waits for the iteration (`Iteration::outer`).
        self.0.awaited().set_owner(unsafe { &*self.1 });
    }
}

/// What came of a step of a group.
#[derive(PartialEq, Eq)]
enum Step {
    /// Goes on; or it is decided.
    On,
    /// It needs what is not decided yet, or it is no group.
    Blocked,
}

/// Who needs whom: what an iteration walks.
struct Needs<'i, 'db, D> {
    iteration: &'i Iteration<'db, D>,
    cx: &'i Cx<'db, D>,
}

impl<D: 'static> Graph for Needs<'_, '_, D> {
    type Error = Error;

    fn len(&self) -> usize {
        self.iteration.nodes.borrow().len()
    }

    fn edges(&self, node: u32) -> Vec<u32> {
        let nodes = self.iteration.nodes.borrow();
        nodes[node as usize].needs().collect()
    }

    fn is_decided(&self, node: u32) -> bool {
        self.iteration.is_done(node)
    }

    fn settle(&self, component: &[u32]) -> Result<bool, Error> {
        self.iteration.number_group(component);
        let step = self.iteration.settle(self.cx, component)?;
        if step == Step::Blocked {
            // What is new has its needs, too, before it is walked.
            self.iteration.discover(self.cx)?;
        }
        Ok(step == Step::On)
    }
}

impl<'db, D: 'static> Iteration<'db, D> {
    /// The run outlives it.
    pub(super) fn new(
        gate: &'db Slot<()>,
        run: *const Run<'db, D>,
        outer: *const FiberRecord,
    ) -> Self {
        Iteration {
            nodes: RefCell::default(),
            numbers: RefCell::default(),
            fresh: RefCell::default(),
            reads: RefCell::default(),
            plain: Plain::default(),
            walk: RefCell::default(),
            groups: Cell::new(0),
            is_for_others: Cell::new(false),
            has_given_up: Cell::new(false),
            run,
            gate,
            outer,
        }
    }

    /// Tasks that failed in an evaluation that counts: if nobody has asked for them, the run that has asked fails.
    fn forward(&self, failures: Vec<Failure<'db>>) {
        // SAFETY: outlives the iteration (`new`).
        let run = unsafe { &*self.run };
        failures
            .into_iter()
            .for_each(|failure| run.task_failed(failure));
    }

    /// Takes back the tasks that failed after the first `count`. They are told to the run that wants what they are of, so
    /// for others it cannot be decided here.
    fn failures_since(&self, cx: &Cx<'db, D>, count: usize) -> Vec<Failure<'db>> {
        let failures = cx.run().failures_since(count);
        if self.is_for_others.get() && !failures.is_empty() {
            self.has_given_up.set(true);
        }
        failures
    }

    /// Publishes the result of a query, and those of all that it needs. `cx` is of a run of this iteration's own.
    ///
    /// # Errors
    ///
    /// A failure of the moment: some may be left undecided.
    pub(super) fn decide<Q: Query<D>>(
        &self,
        cx: &Cx<'db, D>,
        table: &'db Table<Q, D>,
        slot: &'db Slot<Q::Value>,
        key: &Q,
    ) -> Result<(), Error> {
        if slot.is_ready() || slot.is_failed() {
            return Ok(());
        }
        self.gate.awaited().set_owner(cx.fiber());
        let _inside = Inside(self.gate, self.outer);
        // SAFETY: the kind's function takes such a slot, which the iteration has claimed.
        let subject = unsafe { Subject::new(GATE, self.gate) };
        let (decided, _) = Frame::enter_as(cx.fiber(), self.gate.awaited(), subject, || {
            // In a frame that must not unwind.
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let root = self.node(table, slot, || key.clone());
                self.decide_all(cx, root)?;
                self.decide_for_others(cx);
                Ok(())
            }))
        });
        decided.unwrap_or_else(|payload| std::panic::resume_unwind(payload))
    }

    /// Decides what those who wait for the gate want, as long as that needs no wait, so that not each of them comes in
    /// turn (X1).
    fn decide_for_others(&self, cx: &Cx<'db, D>) {
        let wanted = std::mem::take(&mut *cx.database().wanted().lock());
        if !UNWINDS {
            // What cannot be unwound would have to wait.
            return;
        }
        self.is_for_others.set(true);
        for wanted in wanted {
            if wanted.end.reason().is_some() {
                continue;
            }
            let decide = |cx: &Cx<'db, D>| {
                // SAFETY: of this database.
                let root = unsafe { wanted.node(self) };
                root.map_or(Ok(()), |root| self.decide_all(cx, root))
            };
            // What goes wrong goes wrong for who wants it; and it ends when that one goes.
            let decided = || cx.part(&wanted.end, decide);
            let tried = std::panic::catch_unwind(std::panic::AssertUnwindSafe(decided));
            if !matches!(tried, Ok(Ok(Ok(())))) {
                without_runs(|| discard(tried));
                return;
            }
        }
    }

    /// What a provider reads of a query that is not decided: what the round before gave.
    pub(super) fn read<Q: Query<D>>(
        &self,
        cx: &Cx<'db, D>,
        table: &'db Table<Q, D>,
        slot: &'db Slot<Q::Value>,
        key: Q,
    ) -> Result<Ready<'db, Q::Value>, Error> {
        let number = self.node(table, slot, || key);
        self.note_reads(&[number]);
        record(cx, table, slot);
        let provisional = self.nodes.borrow()[number as usize].member.provisional();
        // SAFETY: that of a node which is not done, of the type of its slot; it stays as it is while a provider runs, and
        // a provider cannot keep what it read (X7).
        let provisional = unsafe { &*provisional.cast::<Slot<Q::Value>>() };
        Ok(provisional.ready().expect("always ready"))
    }

    /// The number of a query's node, which is made if need be. Runs user code (`initial`).
    fn node<Q: Query<D>>(
        &self,
        table: &'db Table<Q, D>,
        slot: &'db Slot<Q::Value>,
        key: impl FnOnce() -> Q,
    ) -> u32 {
        let place: *const () = ptr::from_ref(slot).cast();
        if let Some(number) = self.numbers.borrow().get(&place) {
            return *number;
        }
        let member = Rc::new(Typed::new(table, slot, key()));
        let mut nodes = self.nodes.borrow_mut();
        let number = u32::try_from(nodes.len()).expect("fewer than 2^32 queries at once");
        nodes.push(Node {
            member,
            reads: Vec::new(),
            later: Vec::new(),
            readers: Vec::new(),
            noted: Vec::new(),
            failures: Vec::new(),
            group: 0,
            is_done: false,
        });
        self.numbers.borrow_mut().insert(place, number);
        self.fresh.borrow_mut().push(number);
        number
    }

    fn begin_reads(&self) {
        self.reads.borrow_mut().push(Vec::new());
    }

    /// What was read since the beginning, in the order of the program, each once.
    fn end_reads(&self) -> Vec<u32> {
        let mut reads = self.reads.borrow_mut().pop().expect("it was begun");
        if reads.len() > 1 {
            let mut known = FxHashSet::default();
            reads.retain(|read| known.insert(*read));
        }
        reads
    }

    /// The evaluation under way has read these.
    fn note_reads(&self, numbers: &[u32]) {
        if let Some(reads) = self.reads.borrow_mut().last_mut() {
            reads.extend_from_slice(numbers);
        }
    }

    fn member(&self, number: u32) -> Rc<dyn Member<'db, D> + 'db> {
        Rc::clone(&self.nodes.borrow()[number as usize].member)
    }

    /// Runs a node's provider.
    fn evaluate(&self, cx: &Cx<'db, D>, number: u32) -> Result<(), Error> {
        if let Some(error) = end_of(cx.fiber()) {
            return Err(told(cx.fiber(), error));
        }
        let member = self.member(number);
        self.begin_reads();
        let before = cx.run().failure_count();
        let evaluated = member.evaluate(cx);
        let reads = self.end_reads();
        let failures = self.failures_since(cx, before);
        let old = {
            let node = &mut self.nodes.borrow_mut()[number as usize];
            node.reads = reads;
            std::mem::replace(&mut node.failures, failures)
        };
        without_runs(|| discard(old));
        if self.has_given_up() {
            return Err(Error::cut());
        }
        evaluated
    }

    fn is_done(&self, number: u32) -> bool {
        self.nodes.borrow()[number as usize].is_done
    }

    /// The result of a node is published, or about to be.
    fn done(&self, number: u32) {
        let node = &mut self.nodes.borrow_mut()[number as usize];
        node.is_done = true;
        self.forward(std::mem::take(&mut node.failures));
    }

    /// Decides all that the root needs, and the root (X3).
    fn decide_all(&self, cx: &Cx<'db, D>, root: u32) -> Result<(), Error> {
        self.discover(cx)?;
        if self.is_done(root) {
            return Ok(());
        }
        let mut walk = self.walk.take();
        let needs = Needs {
            iteration: self,
            cx,
        };
        walk.from(root, &needs)?;
        // Only now: after an error nothing more is decided.
        self.walk.replace(walk);
        Ok(())
    }

    /// Evaluates what is new, and what that asks for, against first values (X2).
    fn discover(&self, cx: &Cx<'db, D>) -> Result<(), Error> {
        loop {
            let Some(number) = self.fresh.borrow_mut().pop() else {
                return Ok(());
            };
            self.evaluate(cx, number)?;
            if self.nodes.borrow()[number as usize].reads.is_empty() {
                self.publish_next(cx, number);
            }
        }
    }

    fn number_group(&self, members: &[u32]) {
        let group = self.groups.get() + 1;
        self.groups.set(group);
        let mut nodes = self.nodes.borrow_mut();
        for member in members {
            nodes[*member as usize].group = group;
        }
    }

    /// Whether a member needs something that is undecided and of another group.
    fn is_blocked(&self, group: &[u32]) -> bool {
        let nodes = self.nodes.borrow();
        group.iter().any(|member| {
            let member = &nodes[*member as usize];
            member.needs().any(|need| {
                let need = &nodes[need as usize];
                !need.is_done && need.group != member.group
            })
        })
    }

    /// Decides a set all of whose outer needs are decided, if it proves to be a group (X3).
    fn settle(&self, cx: &Cx<'db, D>, group: &[u32]) -> Result<Step, Error> {
        if self.refresh(cx, group)? == Step::Blocked {
            return Ok(Step::Blocked);
        }
        if let [alone] = group {
            let is_cycle = self.nodes.borrow()[*alone as usize]
                .needs()
                .any(|need| need == *alone);
            if !is_cycle {
                self.publish_next(cx, *alone);
                return Ok(Step::On);
            }
        }
        self.iterate(cx, group)
    }

    /// Evaluates those members again that have read a first value of what is decided now. Blocked: it is another group.
    fn refresh(&self, cx: &Cx<'db, D>, group: &[u32]) -> Result<Step, Error> {
        let is_stale = |member: &&u32| {
            let nodes = self.nodes.borrow();
            let mut reads = nodes[**member as usize].reads.iter();
            reads.any(|read| nodes[*read as usize].is_done)
        };
        let stale: Vec<u32> = group.iter().filter(is_stale).copied().collect();
        for member in &stale {
            self.evaluate(cx, *member)?;
        }
        if stale.is_empty() {
            return Ok(Step::On);
        }
        if self.is_blocked(group) || !self.is_connected(group) {
            return Ok(Step::Blocked);
        }
        Ok(Step::On)
    }

    /// Whether all members of a group need each other.
    fn is_connected(&self, group: &[u32]) -> bool {
        if group.len() == 1 {
            return true;
        }
        let place: FxHashMap<u32, u32> = group.iter().copied().zip(0..).collect();
        let nodes = self.nodes.borrow();
        let sets = plan::components(group.len(), 0, |node| {
            let needs = nodes[group[node as usize] as usize].needs();
            needs.filter_map(|need| place.get(&need).copied()).collect()
        });
        sets.len() == 1 && sets[0].len() == group.len()
    }

    /// Rounds (X4), of which the first has been evaluated.
    fn iterate(&self, cx: &Cx<'db, D>, group: &[u32]) -> Result<Step, Error> {
        self.index_readers(group);
        let rounds_max = group
            .iter()
            .map(|number| self.member(*number).rounds_max())
            .min();
        let mut evaluated = group.to_vec();
        for _ in 0..rounds_max.unwrap_or(0) {
            if let Some(error) = self.failure(&evaluated) {
                self.fail(cx, group, &error);
                return Ok(Step::On);
            }
            let advances = |number: &u32| self.member(*number).advance();
            let changed: Vec<u32> = evaluated.into_iter().filter(advances).collect();
            self.plain.forget();
            if changed.is_empty() {
                self.publish(cx, group);
                return Ok(Step::On);
            }
            evaluated = self.readers_of(&changed);
            if self.evaluate_round(cx, &evaluated)? == Step::Blocked {
                self.restart(group);
                return Ok(Step::Blocked);
            }
        }
        let error = Error::diverged(rounds_max.unwrap_or(0), self.names(group));
        self.fail(cx, group, &error);
        Ok(Step::On)
    }

    /// Notes who reads whom in the group.
    fn index_readers(&self, group: &[u32]) {
        let mut nodes = self.nodes.borrow_mut();
        for member in group {
            nodes[*member as usize].readers.clear();
        }
        for member in group {
            let reads = nodes[*member as usize].reads.clone();
            for read in &reads {
                nodes[*read as usize].readers.push(*member);
            }
            let noted = &mut nodes[*member as usize].noted;
            *noted = reads;
            noted.sort_unstable();
        }
    }

    /// Who reads any of these, each once, in the order of their numbers.
    fn readers_of(&self, changed: &[u32]) -> Vec<u32> {
        let nodes = self.nodes.borrow();
        let readers = |number: &u32| nodes[*number as usize].readers.iter().copied();
        let mut readers: Vec<u32> = changed.iter().flat_map(readers).collect();
        readers.sort_unstable();
        readers.dedup();
        readers
    }

    /// Evaluates these members of a group. Blocked: one needs what is undecided and of another group.
    fn evaluate_round(&self, cx: &Cx<'db, D>, numbers: &[u32]) -> Result<Step, Error> {
        let mut step = Step::On;
        for number in numbers {
            self.evaluate(cx, *number)?;
            let nodes = &mut *self.nodes.borrow_mut();
            let node = &nodes[*number as usize];
            let is_new = |read: &&u32| node.noted.binary_search(read).is_err();
            let new: Vec<u32> = node.reads.iter().filter(is_new).copied().collect();
            let group = node.group;
            let is_inside = |read: &&u32| nodes[**read as usize].group == group;
            // What it asked for after the first one outside, whose first value it has read, it may not need at all.
            if let Some(outside) = new.iter().find(|read| !is_inside(read)) {
                nodes[*number as usize].later.push(*outside);
                step = Step::Blocked;
                continue;
            }
            for read in &new {
                nodes[*read as usize].readers.push(*number);
            }
            if !new.is_empty() {
                let noted = &mut nodes[*number as usize].noted;
                noted.extend(new);
                noted.sort_unstable();
            }
        }
        Ok(step)
    }

    /// Goes back to first values: with what it was found to need, the group may be a part of a larger one.
    fn restart(&self, group: &[u32]) {
        self.plain.forget();
        for number in group {
            self.member(*number).restart();
            self.fresh.borrow_mut().push(*number);
        }
    }

    /// The failure of the round, if there was one: that of the member with the smallest name.
    fn failure(&self, evaluated: &[u32]) -> Option<Error> {
        let failed = |number: &u32| {
            let member = self.member(*number);
            member.failure().map(|error| (member.name(), error))
        };
        let failures = without_runs(|| evaluated.iter().filter_map(failed).collect::<Vec<_>>());
        let first = failures.into_iter().min_by(|a, b| a.0.cmp(&b.0));
        first.map(|(_, error)| error)
    }

    /// What the members are called, in order.
    fn names(&self, group: &[u32]) -> Vec<String> {
        let name = |number: &u32| self.member(*number).name();
        let mut names = without_runs(|| group.iter().map(name).collect::<Vec<_>>());
        names.sort();
        names.into_iter().map(|name| name.text).collect()
    }

    fn publish_next(&self, cx: &Cx<'db, D>, number: u32) {
        self.done(number);
        self.member(number).publish_next(cx.fiber());
        self.plain.forget();
    }

    fn publish(&self, cx: &Cx<'db, D>, group: &[u32]) {
        for number in group {
            self.done(*number);
            self.member(*number).publish(cx.fiber());
        }
    }

    fn fail(&self, cx: &Cx<'db, D>, group: &[u32], error: &Error) {
        self.plain.forget();
        for number in group {
            self.done(*number);
            self.member(*number).fail(cx.fiber(), error.clone());
        }
    }
}

impl<D> Iteration<'_, D> {
    /// Must be called before a wait for others: unwinds, if nobody who could be waited for is to be.
    pub(crate) fn may_wait(&self) {
        if self.is_for_others.get() {
            self.has_given_up.set(true);
            Error::cut().raise();
        }
    }

    /// Whether a wait was not to be: what comes of providers now does not count.
    fn has_given_up(&self) -> bool {
        self.has_given_up.get()
    }
}

impl<D> Node<'_, D> {
    /// Whom it needs as far as is known.
    fn needs(&self) -> impl Iterator<Item = u32> {
        self.reads.iter().chain(&self.later).copied()
    }
}
