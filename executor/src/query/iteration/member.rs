//! One query of an iteration: its values so far, and how its provider is run.
//!
//! Used by the iteration, which knows no type of query and sees a [`Member`]. Rules: cycle.md.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};

use crate::cx::Cx;
use crate::error::{Error, discard};
use crate::query::record::{Record, Recorder};
use crate::query::slot::Slot;
use crate::query::table::{Table, name_of};
use crate::query::{Fixpoint, Query};
use crate::sched::fiber::{FiberRecord, without_runs};
use crate::sched::graph::{Frame, Kind, Name, Role, Subject};

/// A query of whatever type. What it does to values may run user code, and may panic then.
pub(super) trait Member<'db, D> {
    /// The slot, of the query's own value type, that holds what a round before gave.
    fn provisional(&self) -> *const ();

    /// Runs the provider and keeps what it gives as the next value.
    ///
    /// # Errors
    ///
    /// A failure of the moment: the iteration cannot go on.
    fn evaluate(&self, cx: &Cx<'db, D>) -> Result<(), Error>;

    /// Why there is no next value, if there is none.
    fn failure(&self) -> Option<Error>;

    /// Takes the next value in the place of the present one; whether it is another.
    fn advance(&self) -> bool;

    /// Goes back to the first value.
    fn restart(&self);

    /// Publishes what the last evaluation gave, a value or a failure.
    fn publish_next(&self, fiber: &FiberRecord);

    /// Publishes the present value, which the last evaluation has confirmed.
    fn publish(&self, fiber: &FiberRecord);

    /// Publishes a failure.
    fn fail(&self, fiber: &FiberRecord, error: Error);

    /// What it is called. Runs user code (`Debug`).
    fn name(&self) -> Name;

    /// After how many rounds it must have come to its end.
    fn rounds_max(&self) -> u32;
}

/// A query of this type.
pub(super) struct Typed<'db, Q: Query<D>, D: 'static> {
    table: &'db Table<Q, D>,
    slot: &'db Slot<Q::Value>,
    key: Q,
    fixpoint: Fixpoint<Q, Q::Value>,
    /// Made by `Box::into_raw`; null once it is published. Always ready.
    provisional: Cell<*mut Slot<Q::Value>>,
    next: RefCell<Option<Result<Q::Value, Error>>>,
    /// What the last evaluation asked for, if the database records.
    record: RefCell<Option<Option<Box<Record>>>>,
}

impl<'db, Q: Query<D>, D: 'static> Typed<'db, Q, D> {
    const KIND: &'static Kind = &Kind {
        role: Role::Work,
        query: Some(std::any::type_name::<Q>),
        describe: Some(Self::describe),
        // The iteration decides it.
        decide: None,
        is_provisional: Some(Self::is_provisional),
        // It has no claim.
        abandon: None,
    };

    /// Runs user code (`initial`).
    pub(super) fn new(table: &'db Table<Q, D>, slot: &'db Slot<Q::Value>, key: Q) -> Self {
        let fixpoint = Q::FIXPOINT.expect("only types that ask for it are iterated");
        let first = (fixpoint.initial)(&key);
        Typed {
            table,
            slot,
            key,
            fixpoint,
            provisional: Cell::new(boxed(first)),
            next: RefCell::new(None),
            record: RefCell::new(None),
        }
    }

    /// # Safety
    ///
    /// `member` is a living one of this type.
    unsafe fn describe(member: NonNull<()>) -> Name {
        // SAFETY: by contract.
        name_of(&unsafe { member.cast::<Self>().as_ref() }.key)
    }

    /// # Safety
    ///
    /// None.
    unsafe fn is_provisional(_: NonNull<()>) -> bool {
        true
    }

    fn present(&self) -> &Q::Value {
        // SAFETY: not published yet, and replaced by `put` only, when nobody reads.
        let slot = unsafe { &*self.provisional.get() };
        slot.ready().expect("always ready").value()
    }

    /// Puts a slot, or null, in the place of the present one, which nobody reads any more. The old value is dropped.
    fn put(&self, slot: *mut Slot<Q::Value>) {
        let old = self.provisional.replace(slot);
        if !old.is_null() {
            // SAFETY: made by `Box::into_raw`, and dropped once: it was just taken out.
            drop(unsafe { Box::from_raw(old) });
        }
    }

    /// The claim of the real slot: nobody else keeps it longer than a moment.
    fn claim(&self, fiber: &FiberRecord) {
        while !self.slot.claim(fiber) {
            std::thread::yield_now();
        }
    }

    fn complete(&self, fiber: &FiberRecord, value: Q::Value) {
        let record = self.record.take();
        if matches!(record, Some(Some(_))) {
            self.table.note_box();
        }
        self.claim(fiber);
        // SAFETY: the claim is ours.
        let _ = unsafe { self.slot.complete(value, record.flatten()) };
    }
}

/// A slot of its own with a value.
pub(super) fn boxed<V>(value: V) -> *mut Slot<V> {
    let slot = Box::new(Slot::claimed(ptr::null()));
    // SAFETY: nobody else knows of it.
    let _ = unsafe { slot.complete(value, None) };
    Box::into_raw(slot)
}

impl<'db, Q: Query<D>, D: 'static> Member<'db, D> for Typed<'db, Q, D> {
    fn provisional(&self) -> *const () {
        self.provisional.get().cast_const().cast()
    }

    fn evaluate(&self, cx: &Cx<'db, D>) -> Result<(), Error> {
        cx.count(|counters| &counters.queries);
        let recorder = cx.database().is_recording().then(Recorder::new);
        // SAFETY: the kind's functions take a living `Typed` of this type.
        let subject = unsafe { Subject::new(Self::KIND, self) };
        let (result, cycle) = Frame::enter_as(cx.fiber(), self.slot.awaited(), subject, || {
            catch_unwind(AssertUnwindSafe(|| {
                let cx = cx.in_provider(recorder.as_ref());
                self.key.clone().provide(&cx)
            }))
        });
        let next = match (cycle, result) {
            (Some(cycle), result) => {
                without_runs(|| discard(result));
                Err(cycle)
            }
            (None, Ok(value)) => Ok(value),
            (None, Err(payload)) => Err(Error::from_payload(payload)),
        };
        let next = match next {
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => Err(error.in_query(without_runs(|| self.name()).text)),
            Ok(value) => Ok(value),
        };
        self.record.replace(recorder.map(Recorder::finish));
        let old = self.next.replace(Some(next));
        drop(old);
        Ok(())
    }

    fn failure(&self) -> Option<Error> {
        let next = self.next.borrow();
        next.as_ref().and_then(|next| next.as_ref().err().cloned())
    }

    fn advance(&self) -> bool {
        let next = self.next.take().expect("it was evaluated");
        let next = next.expect("a failure ends the group");
        let is_other = !(self.fixpoint.is_same)(self.present(), &next);
        if is_other {
            self.put(boxed(next));
        }
        is_other
    }

    fn restart(&self) {
        self.put(boxed((self.fixpoint.initial)(&self.key)));
        drop(self.next.take());
    }

    fn publish_next(&self, fiber: &FiberRecord) {
        match self.next.take().expect("it was evaluated") {
            Ok(value) => self.complete(fiber, value),
            Err(error) => self.fail(fiber, error),
        }
        self.put(ptr::null_mut());
    }

    fn publish(&self, fiber: &FiberRecord) {
        let slot = self.provisional.replace(ptr::null_mut());
        // SAFETY: made by `Box::into_raw`, taken out once, and nobody reads it any more.
        let slot = unsafe { Box::from_raw(slot) };
        self.complete(fiber, slot.into_value());
    }

    fn fail(&self, fiber: &FiberRecord, error: Error) {
        self.table.note_box();
        self.claim(fiber);
        // SAFETY: the claim is ours.
        unsafe { self.slot.fail(error) }.wake();
    }

    fn name(&self) -> Name {
        name_of(&self.key)
    }

    fn rounds_max(&self) -> u32 {
        self.fixpoint.rounds_max
    }
}

impl<Q: Query<D>, D: 'static> Drop for Typed<'_, Q, D> {
    fn drop(&mut self) {
        self.put(ptr::null_mut());
    }
}
