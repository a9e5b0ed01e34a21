//! Locks and other things to wait for: a job that waits gives its thread back, as in a wait for a query.
//!
//! | to | use |
//! | --- | --- |
//! | change a value, one at a time | [`Mutex`] |
//! | change a value, or read it many at a time | [`RwLock`] |
//! | make a value once | [`OnceCell`] |
//! | do something so many at a time | [`Limit`], or, if others may give back what one has taken, [`Semaphore`] |
//! | wait until a value under a mutex is as wanted | [`Condvar`] |
//! | go on when so many have come | [`Barrier`] |
//! | hand values over, so many at a time | [`channel()`] |
//!
//! Each wait takes the [`Cx`](crate::Cx) of the job, and comes in two forms: one that unwinds the job where it cannot wait
//! (as [`Cx::get`](crate::Cx::get)), and one, `checked_`, that gives the [`Error`](crate::Error). Threads outside an
//! executor, and code without a context, use the `_blocking` form: on a thread outside it blocks, on a job's fiber it
//! suspends that.
//!
//! *Who is next.* Of a mutex and a once-cell whoever waits longest is called when it is given back; but whoever comes first
//! takes it, so that it does not stand idle while the one that was called waits for its thread. Who was called in vain four
//! times is the next for certain. All others serve in the order of arrival: nobody overtakes.
//!
//! *Deadlocks.* A circle of waits with a [`Mutex`], a [`OnceCell`] or a [`Limit`] on it is found when it closes, through
//! joins, tasks, queries and threads outside: one wait on it ends with an error that [is a
//! deadlock](crate::Error::is_deadlock). (Of a limit all who are inside must wait so: each of them could let the next one
//! in.) It is not recovered from, and a query that ends with it is not remembered, for the schedule decides whether there
//! is one. (A provider that handles it, from a `checked_` form, and gives a value has decided what its value is.)
//!
//! *Locks and results.* What a query reads under a lock is seen by no record, and which job comes first is the
//! schedule's choice: keep in locks what no result shows (caches, pools, counters), or what is the same in any order.

mod barrier;
mod channel;
mod condvar;
mod limit;
mod mutex;
mod once_cell;
mod rwlock;
mod semaphore;
mod wait;

pub use barrier::Barrier;
pub use channel::{Receiver, SendError, Sender, channel};
pub use condvar::Condvar;
pub use limit::Limit;
pub use mutex::{Mutex, MutexGuard};
pub use once_cell::OnceCell;
pub use rwlock::{ReadGuard, RwLock, WriteGuard};
pub use semaphore::{Semaphore, SemaphorePermit};
