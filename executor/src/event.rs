//! Events: a value that is set once, from anywhere, and awaited by any number of fibers.

use std::borrow::Cow;
use std::cell::UnsafeCell;
use std::fmt;
use std::panic::Location;
use std::ptr::{self, NonNull};

use crate::cx::Cx;
use crate::error::Error;
use crate::plant;
use crate::sched::graph::{self, Awaited, Kind, Name, Role, Subject};
use crate::sched::wait::Outcome;
use crate::sync::{AtomicBool, Ordering, ThreadBound};

/// A value that is set once, by any thread, and that any number of jobs may wait for.
///
/// Nobody is known to be about to set an event, so a wait for one that never comes is not an error
/// on the parallel backends: it lasts. The sequential backend, on which nothing else runs while a
/// job waits, tells it at once.
///
/// In the sequential build an event can be used only on the thread that made it; another thread's
/// use panics.
///
/// # Examples
///
/// ```
/// # let executor = dagwood::Executor::builder().workers(2).build()?;
/// # let db = dagwood::Database::new(());
/// use dagwood::Event;
///
/// let answer = Event::named("the answer");
/// let sum = executor.run(&db, |cx| {
///     cx.join(|_| answer.set(42), |cx| answer.wait(cx) + 1).1
/// })?;
/// assert_eq!(sum, 43);
/// # Ok::<(), dagwood::Error>(())
/// ```
pub struct Event<T> {
    awaited: Awaited,
    is_taken: AtomicBool,
    /// Written by who took the event, before the close.
    value: UnsafeCell<Option<T>>,
    name: Cow<'static, str>,
    bound: ThreadBound,
}

// SAFETY: the value is written once, before the close, and only read after it.
unsafe impl<T: Send> Send for Event<T> {}
// SAFETY: as above; readers on several threads share `&T`, and any thread may give the `T`.
unsafe impl<T: Send + Sync> Sync for Event<T> {}

impl<T> Event<T> {
    /// An event that is not set. In errors it is named by the place of this call.
    #[track_caller]
    pub fn new() -> Self {
        Self::named(format!("the event made at {}", Location::caller()))
    }

    /// An event that is not set, named for errors.
    pub fn named(name: impl Into<Cow<'static, str>>) -> Self {
        Event {
            awaited: Awaited::new(ptr::null()),
            is_taken: AtomicBool::new(false),
            value: UnsafeCell::new(None),
            name: name.into(),
            bound: ThreadBound::new(),
        }
    }

    /// Sets the event and wakes all who wait.
    ///
    /// # Errors
    ///
    /// Gives the value back if the event was set before.
    pub fn set(&self, value: T) -> Result<(), T> {
        self.check();
        // Relaxed: the close publishes.
        if self.is_taken.swap(true, Ordering::Relaxed) {
            return Err(value);
        }
        // SAFETY: we took the event, so nobody else writes; nobody reads before the close.
        let write = || unsafe { *self.value.get() = Some(value) };
        let close = || self.awaited.list.close(Outcome::READY).wake();
        if plant::is("late_publication") {
            close();
            write();
        } else {
            write();
            close();
        }
        Ok(())
    }

    /// The value, if the event is set. A matter of the schedule: decide nothing by it that others
    /// can see.
    pub fn get(&self) -> Option<&T> {
        self.check();
        self.awaited.list.outcome()?;
        // SAFETY: closed: nobody writes any more.
        unsafe { &*self.value.get() }.as_ref()
    }

    /// The value; the current fiber waits for it if need be.
    ///
    /// # Panics
    ///
    /// As [`Cx::get`], where [`try_wait`](Self::try_wait) would give an error.
    pub fn wait<D>(&self, cx: &Cx<'_, D>) -> &T {
        cx.undisturbed(|| self.try_wait(cx).unwrap_or_else(|error| error.raise()))
    }

    /// The value; the current fiber waits for it if need be.
    ///
    /// # Errors
    ///
    /// On the sequential backend: the event is not set ([`Error::is_deadlock`]). Elsewhere: no memory is left to wait
    /// ([`Error::is_exhausted`]), or the waiting work was cancelled ([`Error::is_cancelled`]).
    pub fn try_wait<D>(&self, cx: &Cx<'_, D>) -> Result<&T, Error> {
        if let Some(value) = self.get() {
            return Ok(value);
        }
        if !cx.can_others_run() {
            return Err(Error::never_set(self.name.clone().into_owned()));
        }
        cx.settle_item();
        if let Some(iteration) = cx.run().iteration() {
            iteration.may_wait();
        }
        graph::wait_without_edge(cx.fiber(), &self.awaited, self.subject())?;
        Ok(self.get().expect("the wait is over"))
    }

    const EVENT: &'static Kind = &Kind {
        role: Role::Wait,
        query: None,
        describe: Some(Self::describe),
        decide: None,
        is_provisional: None,
        abandon: None,
    };

    /// What a wait for it is called.
    fn subject(&self) -> Subject {
        // SAFETY: `describe` takes a living event of this type.
        unsafe { Subject::new(Self::EVENT, self) }
    }

    /// # Safety
    ///
    /// `event` is a living one of this type.
    unsafe fn describe(event: NonNull<()>) -> Name {
        // SAFETY: by contract; the name never changes.
        let event = unsafe { event.cast::<Self>().as_ref() };
        Name {
            kind: "event",
            text: event.name.clone().into_owned(),
        }
    }

    fn check(&self) {
        assert!(
            self.bound.is_here(),
            "{} belongs to another thread (sequential build)",
            self.name
        );
    }
}

impl<T> Default for Event<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for Event<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("name", &self.name)
            .field("value", &self.get())
            .finish()
    }
}
