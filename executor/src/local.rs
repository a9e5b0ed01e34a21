//! Values bound for the time of a call, seen by what runs inside it on whatever worker: a list
//! through the frames.

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ptr;

use crate::cx::Cx;

/// A link of the list of what is bound: it lies in the frame of the call that binds.
pub(crate) struct Binding {
    outer: *const Binding,
    key: *const (),
    value: *const (),
}

/// Runs `body` in a context in which `key` is bound to `value`.
pub(crate) fn bind<'db, D, R>(
    cx: &Cx<'db, D>,
    key: *const (),
    value: *const (),
    body: impl FnOnce(&Cx<'db, D>) -> R,
) -> R {
    let binding = Binding {
        outer: cx.locals(),
        key,
        value,
    };
    body(&cx.with_locals(&raw const binding))
}

/// The innermost value that `key` is bound to.
pub(crate) fn lookup<D>(cx: &Cx<'_, D>, key: *const ()) -> Option<*const ()> {
    let mut next = cx.locals();
    // SAFETY: a binding outlives every context that leads to it: the call that binds waits for all
    // it forks.
    while let Some(binding) = unsafe { next.as_ref() } {
        if ptr::eq(binding.key, key) {
            return Some(binding.value);
        }
        next = binding.outer;
    }
    None
}

/// A value that belongs to the running piece of work rather than to a thread.
///
/// Bound for the time of a closure by [`scope`](Self::scope), it is seen by that closure and by all
/// that it forks with `join`, `scope` and the parallel loops, on whatever worker they run and
/// however often they wait. It is not seen by *providers* (a query's result must not depend on who
/// asks) nor by spawned tasks (which may outlive it).
///
/// Use it where a `thread_local!` would be set around a call: a fiber that waits inside such a call
/// leaves its thread to other fibers, which would see (and reset) the thread-local.
///
/// # Examples
///
/// ```
/// use dagwood::{Database, Executor, FiberLocal};
///
/// static DEPTH: FiberLocal<u32> = FiberLocal::new();
///
/// let executor = Executor::builder().workers(2).build()?;
/// let depths = executor.run(&Database::new(()), |cx| {
///     DEPTH.scope(cx, 1, |cx| {
///         cx.join(|cx| DEPTH.scope(cx, 2, |cx| DEPTH.get(cx).copied()), |cx| DEPTH.get(cx).copied())
///     })
/// })?;
/// assert_eq!(depths, (Some(2), Some(1)));
/// # Ok::<(), dagwood::Error>(())
/// ```
#[derive(Debug)]
pub struct FiberLocal<T> {
    /// The address is the identity: not zero-sized, and a cell, so that two constants are never
    /// merged into one. Never touched.
    _address: UnsafeCell<u8>,
    value: PhantomData<fn(T) -> T>,
}

// SAFETY: the cell is never touched, and values are not kept here.
unsafe impl<T> Sync for FiberLocal<T> {}

impl<T: Sync> FiberLocal<T> {
    /// A local that is bound to nothing.
    pub const fn new() -> Self {
        FiberLocal {
            _address: UnsafeCell::new(0),
            value: PhantomData,
        }
    }

    /// Runs `body` with this local bound to `value`, which is dropped afterwards.
    pub fn scope<'db, D, R>(
        &self,
        cx: &Cx<'db, D>,
        value: T,
        body: impl FnOnce(&Cx<'db, D>) -> R,
    ) -> R {
        bind(
            cx,
            ptr::from_ref(self).cast(),
            (&raw const value).cast(),
            body,
        )
    }

    /// The innermost value that this local is bound to.
    pub fn get<'c, D>(&self, cx: &'c Cx<'_, D>) -> Option<&'c T> {
        let value = lookup(cx, ptr::from_ref(self).cast())?;
        // SAFETY: bound by `scope` of this very local (its address is its own while it is borrowed
        // there), so it is a `T`, and it lives as long as the contexts inside that call, of which
        // `cx` is one.
        Some(unsafe { &*value.cast::<T>() })
    }
}

impl<T: Sync> Default for FiberLocal<T> {
    fn default() -> Self {
        Self::new()
    }
}
