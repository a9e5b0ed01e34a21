//! `join`: two closures, perhaps at once.

use std::marker::PhantomData;

use dagwood::raw::{Fiber, current};

use crate::registry;

/// Says to a closure of [`join_context`] whether it runs where it was given.
#[derive(Debug)]
pub struct FnContext {
    is_migrated: bool,
    /// Neither `Send` nor `Sync`.
    not_send: PhantomData<*mut ()>,
}

impl FnContext {
    #[inline]
    fn new(is_migrated: bool) -> Self {
        FnContext {
            is_migrated,
            not_send: PhantomData,
        }
    }

    /// Whether another fiber runs the closure than the one that was to: its worker may be the same, or another.
    #[inline]
    pub fn migrated(&self) -> bool {
        self.is_migrated
    }
}

/// Runs both closures, perhaps at once, and gives both results.
///
/// `oper_a` runs first, here. `oper_b` is for whoever is idle; if nobody takes it, it runs here afterwards. Waiting for it
/// suspends the fiber, so nothing else runs on top of this stack. If little stack is left, both go on on another one.
///
/// Called outside of a pool, both run in the global one.
///
/// # Panics
///
/// If one of them panics, after both have ended: with the panic of `oper_a`, if both do.
///
/// # Examples
///
/// ```
/// fn sum(numbers: &[u64]) -> u64 {
///     if let [one] = numbers {
///         return *one;
///     }
///     let (left, right) = numbers.split_at(numbers.len() / 2);
///     let (left, right) = rayon_core::join(|| sum(left), || sum(right));
///     left + right
/// }
/// assert_eq!(sum(&[1, 2, 3, 4, 5]), 15);
/// ```
#[inline]
pub fn join<A, B, RA, RB>(oper_a: A, oper_b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    // SAFETY: it is used in this call only.
    match unsafe { current() } {
        Some(fiber) => fiber.join(oper_a, |_| oper_b()),
        None => registry::in_worker(|fiber, _| fiber.join(oper_a, |_| oper_b())),
    }
}

/// As [`join`], and tells each closure whether it [migrated](FnContext::migrated). Called outside of a pool, both have.
///
/// # Panics
///
/// As [`join`].
///
/// # Examples
///
/// ```
/// let pool = rayon_core::ThreadPoolBuilder::new().num_threads(1).build()?;
/// let migrated = pool.install(|| rayon_core::join_context(|a| a.migrated(), |b| b.migrated()));
/// assert_eq!(migrated, (false, false));
/// # Ok::<(), rayon_core::ThreadPoolBuildError>(())
/// ```
#[inline]
pub fn join_context<A, B, RA, RB>(oper_a: A, oper_b: B) -> (RA, RB)
where
    A: FnOnce(FnContext) -> RA + Send,
    B: FnOnce(FnContext) -> RB + Send,
    RA: Send,
    RB: Send,
{
    // SAFETY: it is used in this call only.
    match unsafe { current() } {
        Some(fiber) => join_on(fiber, false, oper_a, oper_b),
        None => {
            registry::in_worker(|fiber, is_injected| join_on(fiber, is_injected, oper_a, oper_b))
        }
    }
}

#[inline]
fn join_on<A, B, RA, RB>(fiber: Fiber<'_>, is_injected: bool, oper_a: A, oper_b: B) -> (RA, RB)
where
    A: FnOnce(FnContext) -> RA,
    B: FnOnce(FnContext) -> RB + Send,
    RB: Send,
{
    fiber.join(
        || oper_a(FnContext::new(is_injected)),
        |is_elsewhere| oper_b(FnContext::new(is_injected || is_elsewhere)),
    )
}
