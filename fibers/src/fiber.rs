//! The fiber as its resumer sees it, and the handle by which a body suspends, of whichever mechanism.
//!
//! Used by the scheduler. It knows the two mechanisms only by the one shape of their adapters.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::io;
use std::marker::PhantomData;

use crate::mechanism::{switch, threads};
use crate::pool::{StackPool, Stacks};

/// Why [`Fiber::resume`] came back.
#[must_use]
#[derive(Debug)]
pub enum Resumed {
    /// The body suspended. What it said by [`RawSuspender::suspend`], if the mechanism can carry it; else zero.
    Suspended(usize),
    /// The body returned, or panicked with this payload.
    Finished(Result<(), Box<dyn Any + Send>>),
}

/// A body with a stack of its own, which runs only while somebody waits in [`Fiber::resume`].
///
/// A fiber is neither `Send` nor `Sync`: who made it resumes it. (A scheduler that hands a suspended one to another thread
/// all the same, by unsafe code, answers for what lies on its stack; both mechanisms bear it.) One fiber may resume another
/// from inside its body, provided it made it there.
///
/// # Dropping
///
/// - Not started: the body is dropped with all it captured, and the stack is freed. A capture whose destructor
///   panics here may abort the process.
/// - Finished: the stack is freed. [`Fiber::recycle`] keeps it instead.
/// - Started and not finished: nothing is unwound or freed. The stack is leaked with all that lives on it, and
///   [`leaked`] counts it.
///
/// ```compile_fail,E0277
/// fn is_send<T: Send>() {}
/// is_send::<dagwood_fibers::Fiber>();
/// ```
pub struct Fiber {
    kind: Kind,
    not_send: PhantomData<*mut ()>,
}

// One byte says which, and in an `Option` also that there is none: who resumes fibers looks once.
#[repr(u8)]
enum Kind {
    Switch(switch::Fiber),
    Thread(threads::Fiber),
}

impl Fiber {
    /// A fiber that runs `body` when first resumed, on a stack of `pool` or a new one.
    ///
    /// `body` is `Send` because a fiber may be a thread of its own.
    ///
    /// # Errors
    ///
    /// When the system gives no further stack or thread. `body` is then dropped.
    pub fn new(
        pool: &mut StackPool,
        body: impl FnOnce(&Suspender) + Send + 'static,
    ) -> io::Result<Fiber> {
        let kind = match &mut pool.stacks {
            Stacks::Switch(stacks) => Kind::Switch(switch::Fiber::new(stacks, body)?),
            Stacks::Thread(stacks) => Kind::Thread(threads::Fiber::new(stacks, body)?),
        };
        Ok(Fiber {
            kind,
            not_send: PhantomData,
        })
    }

    /// Runs the fiber until it suspends or ends. Never unwinds on the body's account.
    ///
    /// # Panics
    ///
    /// If the fiber is done.
    #[inline]
    pub fn resume(&mut self) -> Resumed {
        match &mut self.kind {
            Kind::Switch(fiber) => fiber.resume(),
            Kind::Thread(fiber) => fiber.resume(),
        }
    }

    /// Whether the body has ended.
    #[inline]
    pub fn is_done(&self) -> bool {
        match &self.kind {
            Kind::Switch(fiber) => fiber.is_done(),
            Kind::Thread(fiber) => fiber.is_done(),
        }
    }

    /// Gives a finished fiber's stack back to `pool`, for the next fiber.
    ///
    /// A fiber that is not done, or that comes from a pool of another mechanism or stack size, is dropped
    /// instead, as its `Drop` says.
    #[inline]
    pub fn recycle(self, pool: &mut StackPool) {
        match (self.kind, &mut pool.stacks) {
            (Kind::Switch(fiber), Stacks::Switch(stacks)) => fiber.recycle(stacks),
            (Kind::Thread(fiber), Stacks::Thread(stacks)) => fiber.recycle(stacks),
            // Not the pool's kind: dropped with this tuple.
            _ => {}
        }
    }
}

impl fmt::Debug for Fiber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fiber")
            .field("is_done", &self.is_done())
            .finish_non_exhaustive()
    }
}

/// Handed to a body by reference, to suspend the fiber from however deep a call.
///
/// It is neither `Send` nor `Sync`, and lives exactly as long as the body runs: from its first resume until
/// its closure has returned or unwound, over all suspensions in between and always at the same address.
///
/// # Keeping it
///
/// A scheduler, which reaches its fibers through records of its own, keeps a [`RawSuspender`].
///
/// One hole no type can close: a value that lies in a *LIFO-scoped* thread-local (as of `scoped_tls`) stays
/// visible to other fibers of the thread while this one is suspended. Do not put a `Suspender` there.
///
/// ```compile_fail,E0277
/// fn is_sync<T: Sync>() {}
/// is_sync::<dagwood_fibers::Suspender>();
/// ```
///
/// ```compile_fail,E0521
/// use dagwood_fibers::{Fiber, StackPool};
/// fn escapes(pool: &mut StackPool) {
///     let (give, _take) = std::sync::mpsc::channel();
///     let _fiber = Fiber::new(pool, move |suspender| drop(give.send(suspender)));
/// }
/// ```
pub struct Suspender {
    raw: RawSuspender,
    is_suspended: Cell<bool>,
}

impl Suspender {
    /// For the adapter of the stack switch, to lend to a body.
    #[allow(dead_code, reason = "no caller in a build without the mechanism")]
    #[inline]
    pub(crate) fn of_switch(suspender: switch::Suspender) -> Suspender {
        Suspender::new(Link::Switch(suspender))
    }

    /// For the adapter of the threads, to lend to a body.
    #[allow(dead_code, reason = "no caller in a build without the mechanism")]
    pub(crate) fn of_thread(suspender: threads::Suspender) -> Suspender {
        Suspender::new(Link::Thread(suspender))
    }

    #[allow(dead_code, reason = "no caller in a build without a mechanism")]
    #[inline]
    fn new(link: Link) -> Suspender {
        Suspender {
            raw: RawSuspender {
                link,
                not_send: PhantomData,
            },
            is_suspended: Cell::new(false),
        }
    }

    /// What a scheduler keeps of it.
    pub fn raw(&self) -> RawSuspender {
        self.raw
    }

    /// Gives control back to whoever resumed the fiber; returns when it is resumed again.
    ///
    /// # Panics
    ///
    /// If the fiber is already suspended, which safe code cannot bring about but in the way named above.
    #[inline]
    pub fn suspend(&self) {
        assert!(
            !self.is_suspended.replace(true),
            "a suspended fiber was suspended again"
        );
        // SAFETY: an adapter lends a `Suspender` for no longer than the body runs, and the body is not suspended, as
        // was just seen.
        unsafe { self.raw.suspend(0) };
        self.is_suspended.set(false);
    }
}

/// A [`Suspender`] by value, without its lifetime and its check: what a scheduler keeps in its record of a fiber.
///
/// On the way from one fiber to the next each load waits for the one before. So this is one load less; and what
/// the resumer has to know first is best said on the way out, in a register.
#[derive(Copy, Clone)]
pub struct RawSuspender {
    link: Link,
    not_send: PhantomData<*mut ()>,
}

#[derive(Copy, Clone)]
enum Link {
    Switch(switch::Suspender),
    Thread(threads::Suspender),
}

impl RawSuspender {
    /// As [`Suspender::suspend`], with a word for the resumer: a hint, since threads do not carry it.
    ///
    /// # Safety
    ///
    /// The body of *this* fiber is what runs on the current thread: it has started, has not returned, and is not
    /// suspended. And nobody calls [`Suspender::suspend`] of it before this returns.
    #[inline(always)]
    pub unsafe fn suspend(self, word: usize) {
        match self.link {
            // SAFETY: by contract.
            Link::Switch(suspender) => unsafe { suspender.suspend(word) },
            // SAFETY: by contract.
            Link::Thread(suspender) => unsafe { suspender.suspend(word) },
        }
    }
}

/// How many started, unfinished fibers of this process were dropped, and so leaked with their stacks.
pub fn leaked() -> usize {
    switch::leaked() + threads::leaked()
}
