//! The channel.

use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::cx::Cx;
use crate::error::Error;
use crate::locks::wait::{Thing, begin_wait, check_thread};
use crate::plant;
use crate::sched::fiber::FiberRecord;
use crate::sched::holder;
use crate::sched::line::{Called, Line, Place};
use crate::sync::{Mutex, ThreadBound};

/// A channel that keeps at most `capacity` values: who sends more waits, and who receives from an empty one waits; both give
/// their threads back. With a capacity of none each value is handed over from one to another.
///
/// Both ends can be cloned; each value goes to one receiver. Who waits longest is served first. Nobody is known to
/// be about to send, so a wait is no deadlock that is found; on the sequential backend, on which nothing else runs meanwhile, it is an error.
///
/// In the sequential build a channel can be used only on the thread that made it; another thread's use panics.
///
/// # Examples
///
/// ```
/// # let executor = dagwood::Executor::builder().workers(2).build()?;
/// # let db = dagwood::Database::new(());
/// # if executor.backend() == dagwood::Backend::Sequential { return Ok(()) }
/// let (sender, receiver) = dagwood::locks::channel(2);
/// let sum = executor.run(&db, |cx| {
///     let send = move |cx: &dagwood::Cx<'_, ()>| {
///         for number in 0..10 {
///             sender.send(cx, number).expect("there is a receiver");
///         }
///     };
///     let receive = |cx: &dagwood::Cx<'_, ()>| {
///         let mut sum = 0;
///         while let Some(number) = receiver.recv(cx) {
///             sum += number;
///         }
///         sum
///     };
///     cx.join(send, receive).1
/// })?;
/// assert_eq!(sum, 45);
/// # Ok::<(), dagwood::Error>(())
/// ```
#[track_caller]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let channel = Arc::new(Channel {
        state: Mutex::new(State {
            values: VecDeque::new(),
            senders: 1,
            receivers: 1,
            sending: Line::new(),
            receiving: Line::new(),
        }),
        capacity,
        thing: Thing {
            what: "channel",
            made_at: Location::caller(),
        },
        bound: ThreadBound::new(),
    });
    let sender = Sender(Arc::clone(&channel));
    (sender, Receiver(channel))
}

/// The end of a [`channel`] into which values go. When the last is dropped, receivers get what is left, and then nothing.
pub struct Sender<T>(Arc<Channel<T>>);

/// The end of a [`channel`] from which values come. When the last is dropped, senders get their values back.
pub struct Receiver<T>(Arc<Channel<T>>);

/// The value that was to be sent to a [`channel`] without receivers.
#[derive(Copy, Clone, PartialEq, Eq)]
pub struct SendError<T>(pub T);

struct Channel<T> {
    state: Mutex<State<T>>,
    capacity: usize,
    thing: Thing,
    bound: ThreadBound,
}

struct State<T> {
    values: VecDeque<T>,
    senders: usize,
    receivers: usize,
    /// Their parcels are full; while somebody sends, the channel is.
    sending: Line,
    /// Their parcels are empty; while somebody receives, the channel is.
    receiving: Line,
}

/// What lies beside the place of one who waits: the value to send, or room for the one to receive. Touched under the
/// channel's lock as long as the place is in the line, then by its owner.
type Parcel<T> = UnsafeCell<Option<T>>;

// SAFETY: values go from thread to thread, and are `Send`; all else is under the lock. In the sequential build only the
// thread that made the channel comes beyond `check`.
unsafe impl<T: Send> Send for Channel<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Channel<T> {}

impl<T> State<T> {
    /// The parcel of the first of a line.
    ///
    /// # Safety
    ///
    /// The line is one of the two of this state, which is locked; the parcel is used before that ends.
    unsafe fn first_of<'p>(line: &Line) -> Option<&'p Parcel<T>> {
        let parcel = line.first()?.parcel.cast::<Parcel<T>>();
        // SAFETY: beside a place in the line (`Channel::send`, `recv`).
        Some(unsafe { &*parcel })
    }

    /// The value that comes next, if there is one. Lets the first sender's in.
    fn take(&mut self, called: &mut Called) -> Option<T> {
        // SAFETY: locked: `self` is borrowed.
        let sent = unsafe { Self::first_of(&self.sending) }.and_then(|parcel| {
            // SAFETY: in the line, and locked.
            unsafe { &mut *parcel.get() }.take()
        });
        if let Some(sent) = sent {
            self.values.push_back(sent);
            self.sending.call_first(called);
        }
        self.values.pop_front()
    }

    /// Puts a value in, or gives it to the first receiver, if there is room or one.
    fn put(&mut self, value: T, capacity: usize, called: &mut Called) -> Option<T> {
        // SAFETY: locked: `self` is borrowed.
        if let Some(parcel) = unsafe { Self::first_of(&self.receiving) } {
            // SAFETY: in the line, and locked; it was empty.
            unsafe { *parcel.get() = Some(value) };
            self.receiving.call_first(called);
        } else if self.values.len() < capacity {
            self.values.push_back(value);
        } else {
            return Some(value);
        }
        None
    }
}

impl<T> Channel<T> {
    fn check(&self) {
        check_thread(&self.bound, || self.thing.name());
    }

    /// Sends a value, unless there is no room, or nobody who would receive it.
    fn try_send(&self, value: T) -> Result<(), Unsent<T>> {
        self.check();
        let mut called = Called::nobody();
        let mut state = self.state.lock();
        if state.receivers == 0 {
            return Err(Unsent::Unwanted(value));
        }
        let left = state.put(value, self.capacity, &mut called);
        drop(state);
        called.wake();
        left.map_or(Ok(()), |value| Err(Unsent::Full(value)))
    }

    /// Sends a value for `fiber`, the current one, which waits if there is no room.
    fn send(&self, fiber: &FiberRecord, value: T) -> Result<Result<(), SendError<T>>, Error> {
        self.thing.may_wait(fiber, false)?;
        let mut called = Called::nobody();
        let mut state = self.state.lock();
        if state.receivers == 0 {
            return Ok(Err(SendError(value)));
        }
        let Some(value) = state.put(value, self.capacity, &mut called) else {
            drop(state);
            called.wake();
            return Ok(Ok(()));
        };
        let parcel = Parcel::new(Some(value));
        let place = Place::with_parcel(fiber, (&raw const parcel).cast());
        // SAFETY: below it waits until it is called, or is taken out; so does the parcel.
        unsafe { state.sending.push(&place) };
        drop(state);
        self.thing.wait(fiber, &place, || {
            self.state.lock().sending.remove(&place);
        })?;
        // Nobody took it: there are no receivers any more.
        let left = parcel.into_inner();
        Ok(left.map_or(Ok(()), |value| Err(SendError(value))))
    }

    /// Sends a value; if there is no room, the current fiber, which `fiber` gives once it comes to that, waits.
    fn send_or_wait<'f>(
        &self,
        value: T,
        fiber: impl FnOnce() -> &'f FiberRecord,
    ) -> Result<Result<(), SendError<T>>, Error> {
        match self.try_send(value) {
            Ok(()) => Ok(Ok(())),
            Err(Unsent::Unwanted(value)) => Ok(Err(SendError(value))),
            Err(Unsent::Full(value)) => self.send(fiber(), value),
        }
    }

    /// The next value, if it is there.
    fn try_recv(&self) -> Result<T, IsClosed> {
        self.check();
        let mut called = Called::nobody();
        let mut state = self.state.lock();
        let value = state.take(&mut called);
        let is_closed = IsClosed(state.senders == 0);
        drop(state);
        called.wake();
        value.ok_or(is_closed)
    }

    /// The next value, for which `fiber`, the current one, waits; `None`: there are no senders any more.
    fn recv(&self, fiber: &FiberRecord) -> Result<Option<T>, Error> {
        self.thing.may_wait(fiber, false)?;
        let mut called = Called::nobody();
        let mut state = self.state.lock();
        let value = state.take(&mut called);
        if value.is_some() || state.senders == 0 {
            drop(state);
            called.wake();
            return Ok(value);
        }
        let parcel = Parcel::new(None);
        let place = Place::with_parcel(fiber, (&raw const parcel).cast());
        // SAFETY: below it waits until it is called, or is taken out; so does the parcel.
        unsafe { state.receiving.push(&place) };
        drop(state);
        let waited = self.thing.wait(fiber, &place, || {
            self.state.lock().receiving.remove(&place);
        });
        // What was handed over just then is not lost: the error comes again at the next wait.
        match (parcel.into_inner(), waited) {
            (None, Err(error)) => Err(error),
            (value, _) => Ok(value),
        }
    }

    /// The next value; if there is none, the current fiber, which `fiber` gives once it comes to that, waits.
    fn recv_or_wait<'f>(
        &self,
        fiber: impl FnOnce() -> &'f FiberRecord,
    ) -> Result<Option<T>, Error> {
        match self.try_recv() {
            Ok(value) => Ok(Some(value)),
            Err(IsClosed(true)) => Ok(None),
            Err(IsClosed(false)) => self.recv(fiber()),
        }
    }
}

/// A value that was not sent.
enum Unsent<T> {
    Full(T),
    /// There are no receivers.
    Unwanted(T),
}

/// Whether there are no senders any more.
struct IsClosed(bool);

impl<T> Sender<T> {
    /// Sends a value; the current fiber waits if the channel is full.
    ///
    /// # Errors
    ///
    /// There are no receivers any more: gives the value back.
    ///
    /// # Panics
    ///
    /// As [`Cx::get`], where [`checked_send`](Self::checked_send) would give an error.
    pub fn send<D>(&self, cx: &Cx<'_, D>, value: T) -> Result<(), SendError<T>> {
        cx.undisturbed(|| {
            let sent = self.checked_send(cx, value);
            sent.unwrap_or_else(|error| error.raise())
        })
    }

    /// Sends a value; the current fiber waits if the channel is full.
    ///
    /// # Errors
    ///
    /// Outside: the waiting work was cancelled ([`Error::is_cancelled`]); no memory is left to wait ([`Error::is_exhausted`]); it would wait in
    /// a destructor that runs during an unwind; or nothing else runs (the sequential backend: [`Error::is_deadlock`]). The value is
    /// dropped then, if nobody has taken it. Inside: there are no receivers any more.
    pub fn checked_send<D>(
        &self,
        cx: &Cx<'_, D>,
        value: T,
    ) -> Result<Result<(), SendError<T>>, Error> {
        self.0.send_or_wait(value, || {
            begin_wait(cx);
            cx.fiber()
        })
    }

    /// The same without a context: a thread outside blocks, a job's fiber waits.
    ///
    /// # Errors
    ///
    /// As for [`checked_send`](Self::checked_send).
    pub fn send_blocking(&self, value: T) -> Result<Result<(), SendError<T>>, Error> {
        self.0.send_or_wait(value, holder::here)
    }

    /// Sends a value if there is room, or one who waits for it. A matter of the schedule: decide nothing by it that others can see.
    ///
    /// # Errors
    ///
    /// Gives the value back if not, or if there are no receivers any more.
    pub fn try_send(&self, value: T) -> Result<(), T> {
        self.0.try_send(value).map_err(|unsent| match unsent {
            Unsent::Full(value) | Unsent::Unwanted(value) => value,
        })
    }
}

impl<T> Receiver<T> {
    /// The next value; the current fiber waits for it if need be. `None`: there are no values, and no senders any more.
    ///
    /// # Panics
    ///
    /// As [`Cx::get`], where [`checked_recv`](Self::checked_recv) would give an error.
    pub fn recv<D>(&self, cx: &Cx<'_, D>) -> Option<T> {
        cx.undisturbed(|| self.checked_recv(cx).unwrap_or_else(|error| error.raise()))
    }

    /// The next value; the current fiber waits for it if need be. `None`: there are no values, and no senders any more.
    ///
    /// # Errors
    ///
    /// As for [`Sender::checked_send`].
    pub fn checked_recv<D>(&self, cx: &Cx<'_, D>) -> Result<Option<T>, Error> {
        self.0.recv_or_wait(|| {
            begin_wait(cx);
            cx.fiber()
        })
    }

    /// The same without a context: a thread outside blocks, a job's fiber waits.
    ///
    /// # Errors
    ///
    /// As for [`Sender::checked_send`].
    pub fn recv_blocking(&self) -> Result<Option<T>, Error> {
        self.0.recv_or_wait(holder::here)
    }

    /// The next value, if it is there. A matter of the schedule: decide nothing by it that others can see.
    pub fn try_recv(&self) -> Option<T> {
        self.0.try_recv().ok()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.check();
        self.0.state.lock().senders += 1;
        Sender(Arc::clone(&self.0))
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.0.check();
        self.0.state.lock().receivers += 1;
        Receiver(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.check();
        let mut called = Called::nobody();
        let mut state = self.0.state.lock();
        state.senders -= 1;
        if state.senders == 0 && !plant::is("open_channel") {
            state.receiving.call_all(&mut called);
        }
        drop(state);
        called.wake();
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.0.check();
        let mut called = Called::nobody();
        let mut state = self.0.state.lock();
        state.receivers -= 1;
        let mut left = VecDeque::new();
        if state.receivers == 0 {
            state.sending.call_all(&mut called);
            std::mem::swap(&mut left, &mut state.values);
        }
        drop(state);
        called.wake();
        // The user's code, without the lock.
        drop(left);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a sender of {}", self.0.thing.name())
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a receiver of {}", self.0.thing.name())
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendError(..)")
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the channel has no receivers any more")
    }
}

impl<T> std::error::Error for SendError<T> {}
