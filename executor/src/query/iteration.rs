#![doc = include_str!("cycle.md")]
//!
//! What one iteration keeps, and the order of its steps. Used by `fixpoint.rs`, which begins it, and by `ask.rs` for what
//! providers ask for inside. Knows no type of query ([`Member`]) and no worker.

mod bundles;
mod member;
mod order;
mod plain;
mod plan;
mod rounds;
mod wanted;

use std::cell::{Cell, RefCell};
use std::ptr::{self, NonNull};
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::Query;
use super::ask::record;
use super::slot::{Ready, Slot};
use super::table::Table;
use crate::cx::Cx;
use crate::error::{Error, discard};
use crate::run::{Failure, Run};
use crate::sched::fiber::{FiberRecord, without_runs};
use crate::sched::graph::{Frame, Kind, Role, Subject};
use crate::sched::wait::Waiters;
use crate::sched::wanted::{end_of, told};
use bundles::{Bundles, Read, distinct};
use member::{Member, Typed};
use plain::Plain;
use plan::Walk;
pub(super) use wanted::Want;
pub(crate) use wanted::Wanted;

/// The nodes that are being decided, on one fiber.
pub(crate) struct Iteration<'db, D> {
    nodes: RefCell<Vec<Node<'db, D>>>,
    /// By the addresses of their slots.
    numbers: RefCell<FxHashMap<*const (), u32>>,
    /// Those that were not evaluated yet, or not since they went back to the first round.
    fresh: RefCell<Vec<u32>>,
    /// Of each evaluation under way, the innermost last: whose provisional values it has read.
    reads: RefCell<Vec<Vec<Read>>>,
    bundles: RefCell<Bundles>,
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
    reads: Vec<Read>,
    /// Whom outside of its group it has asked for first in a later round (X4).
    later: Vec<u32>,
    /// Members of its group that read it, or have in a round before.
    readers: Vec<u32>,
    /// Among whose readers it is, in order.
    noted: Vec<Read>,
    /// The tasks that failed in its last evaluation.
    failures: Vec<Failure<'db>>,
    group: u32,
    /// Whether its result is published.
    is_done: bool,
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
            bundles: RefCell::default(),
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
        if slot.is_decided() {
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
                self.plain.forget();
                self.decide_for_others(cx);
                self.plain.forget();
                Ok(())
            }))
        });
        decided.unwrap_or_else(|payload| std::panic::resume_unwind(payload))
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
        self.note_reads(&[Read::node(number)]);
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
    fn end_reads(&self) -> Vec<Read> {
        distinct(self.reads.borrow_mut().pop().expect("it was begun"))
    }

    /// The evaluation under way has read these.
    fn note_reads(&self, reads: &[Read]) {
        if let Some(around) = self.reads.borrow_mut().last_mut() {
            around.extend_from_slice(reads);
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
        self.bundles.borrow_mut().decide(number);
        self.forward(std::mem::take(&mut node.failures));
    }

    fn publish_next(&self, cx: &Cx<'db, D>, number: u32) {
        self.done(number);
        self.member(number).publish_next(cx.fiber());
        self.plain.end_round();
    }

    fn publish(&self, cx: &Cx<'db, D>, group: &[u32]) {
        for number in group {
            self.done(*number);
            self.member(*number).publish(cx.fiber());
        }
    }

    fn fail(&self, cx: &Cx<'db, D>, group: &[u32], error: &Error) {
        self.plain.end_round();
        for number in group {
            self.done(*number);
            self.member(*number).fail(cx.fiber(), error.clone());
        }
    }
}

impl<D> Node<'_, D> {
    /// Whom it needs as far as is known.
    fn needs(&self) -> impl Iterator<Item = Read> {
        let later = self.later.iter().copied().map(Read::node);
        self.reads.iter().copied().chain(later)
    }
}
