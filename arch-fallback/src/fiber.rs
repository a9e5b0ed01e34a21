//! The fiber as its resumer sees it, and the handle by which a body suspends.
//!
//! Used by `dagwood-fibers`. It knows no scheduler, and leaves the passing of control to `baton.rs`.

use std::any::Any;
use std::io;
use std::marker::PhantomData;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::baton::{Baton, Body};
use crate::pool::{FiberThread, StackPool};

/// Counts only; orders nothing.
static LEAKED: AtomicUsize = AtomicUsize::new(0);

/// How many started, unfinished fibers of this process were dropped, and so leaked with their threads.
pub fn leaked() -> usize {
    LEAKED.load(Ordering::Relaxed)
}

/// Why [`Fiber::resume`] came back.
#[must_use]
#[derive(Debug)]
pub enum Resumed {
    /// The body called [`Suspender::suspend`].
    Suspended,
    /// The body returned, or panicked with this payload.
    Finished(Result<(), Box<dyn Any + Send>>),
}

/// A body on a thread of its own, which runs only while somebody waits in [`Fiber::resume`].
///
/// # Dropping
///
/// A fiber that has not started drops its body; one that has finished ends its thread and joins it. One that
/// is suspended is *leaked*: its thread sleeps until the process ends, its locals are never dropped, and
/// [`leaked`] counts it.
pub struct Fiber {
    /// `None` only after `recycle` or `drop` took it.
    thread: Option<FiberThread>,
    state: State,
    /// Neither `Send` nor `Sync`, as with a stack switch.
    not_send: PhantomData<*mut ()>,
}

/// The resumer's view of the body.
enum State {
    Unstarted(Body),
    Suspended,
    Done,
}

impl Fiber {
    /// A fiber that runs `body` when first resumed, on a thread of `pool` or a new one.
    ///
    /// # Errors
    ///
    /// When the system gives no further thread. `body` is then dropped.
    pub fn new(
        pool: &mut StackPool,
        body: impl FnOnce(&Suspender) + Send + 'static,
    ) -> io::Result<Fiber> {
        Ok(Fiber {
            thread: Some(pool.take()?),
            state: State::Unstarted(Box::new(body)),
            not_send: PhantomData,
        })
    }

    /// Runs the fiber until it suspends or ends.
    ///
    /// # Panics
    ///
    /// If the fiber is done.
    pub fn resume(&mut self) -> Resumed {
        let thread = self
            .thread
            .as_ref()
            .expect("a fiber has a thread until it is dropped");
        let resumed = match mem::replace(&mut self.state, State::Done) {
            State::Unstarted(body) => thread.baton().start(body),
            State::Suspended => thread.baton().proceed(),
            State::Done => panic!("a finished fiber was resumed"),
        };
        if matches!(resumed, Resumed::Suspended) {
            self.state = State::Suspended;
        }
        resumed
    }

    /// Whether the body has ended.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Gives the thread of a finished fiber back to `pool`. A fiber that is not done, or whose pool had
    /// another stack size, is dropped instead.
    pub fn recycle(mut self, pool: &mut StackPool) {
        if self.is_done()
            && let Some(thread) = self.thread.take()
        {
            pool.put_back(thread);
        }
    }
}

impl Drop for Fiber {
    fn drop(&mut self) {
        if matches!(self.state, State::Suspended) {
            LEAKED.fetch_add(1, Ordering::Relaxed);
            // Its destructor would wait for a thread that never ends.
            mem::forget(self.thread.take());
        }
    }
}

/// Handed to a body, to suspend itself. It can leave neither the body nor its thread.
pub struct Suspender {
    baton: Arc<Baton>,
    /// Neither `Send` nor `Sync`: only the fiber's own thread may suspend it.
    not_send: PhantomData<*mut ()>,
}

impl Suspender {
    pub(crate) fn new(baton: Arc<Baton>) -> Suspender {
        Suspender {
            baton,
            not_send: PhantomData,
        }
    }

    /// Gives control back to whoever resumed the fiber; returns when it is resumed again.
    ///
    /// # Panics
    ///
    /// If this fiber is not the one that runs, which safe code cannot bring about.
    pub fn suspend(&self) {
        self.baton.suspend();
    }
}
