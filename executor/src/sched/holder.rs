//! Who holds a lock, as the lock's word names it (lock.md K1): a fiber's record, or that of an OS thread that is on no fiber.
//!
//! Used by locks. What a word may still name is never freed.

use std::cell::Cell;
use std::ptr;

use super::fiber::FiberRecord;
use super::graph;

thread_local! {
    /// The record of this OS thread, for locks that it takes outside of fibers; null before the first. On the heap:
    /// a leaked guard outlives the thread. It needs no drop, so it is there as long as the thread runs any code.
    static RECORD: Cell<*const FiberRecord> = const { Cell::new(ptr::null()) };

    static AT_END: FreesRecord = const { FreesRecord };

    /// For a record that is made, or held, when the first one is gone: what else a thread keeps may take locks when
    /// it is dropped.
    static AT_LATE_END: FreesRecord = const { FreesRecord };
}

/// Frees the record of its thread, unless locks name that.
struct FreesRecord;

impl FreesRecord {
    /// To be done when the thread's locals are dropped. If even the later one has been by now, the record stays for good.
    fn watch() {
        let _ = AT_END
            .try_with(|_| ())
            .or_else(|_| AT_LATE_END.try_with(|_| ()));
    }
}

impl Drop for FreesRecord {
    fn drop(&mut self) {
        let record = RECORD.get();
        // SAFETY: null, or made by `make`, and freed here alone.
        let Some(known) = (unsafe { record.as_ref() }) else {
            return;
        };
        if known.locks_held() > 0 {
            return FreesRecord::watch();
        }
        RECORD.set(ptr::null());
        // SAFETY: made from a box; no lock names it, and nobody walks to it while the graph's lock is held.
        graph::retire(|| unsafe { Box::from_raw(record.cast_mut()) });
    }
}

fn make() -> *const FiberRecord {
    Box::into_raw(Box::new(FiberRecord::of_thread()))
}

/// That of the calling OS thread. Never inlined: the thread-local's address must not be kept over a switch.
#[inline(never)]
pub(crate) fn of_thread<'a>() -> &'a FiberRecord {
    let known = known_of_thread();
    let record = match known.is_null() {
        true => begin(),
        false => known,
    };
    // SAFETY: alive as long as this thread runs its own code.
    unsafe { &*record }
}

#[cold]
fn begin() -> *const FiberRecord {
    let record = make();
    RECORD.set(record);
    FreesRecord::watch();
    record
}

/// The same, if there is one; null else.
#[inline(never)]
fn known_of_thread() -> *const FiberRecord {
    RECORD.get()
}

/// Who holds what `fiber`, the current one, takes.
#[inline]
pub(crate) fn of(fiber: &FiberRecord) -> &FiberRecord {
    if fiber.has_worker() {
        fiber
    } else {
        of_nested(fiber)
    }
}

#[cold]
fn of_nested(fiber: &FiberRecord) -> &FiberRecord {
    let outermost = fiber.outermost();
    match outermost.worker() {
        Some(_) => outermost,
        None => of_thread(),
    }
}

/// The same, if it holds anything: an OS thread that has held nothing has no record.
pub(super) fn known_of(fiber: &FiberRecord) -> Option<&FiberRecord> {
    let outermost = fiber.outermost();
    match outermost.has_worker() {
        true => Some(outermost),
        // SAFETY: null, or alive as long as this thread runs its own code.
        false => unsafe { known_of_thread().as_ref() },
    }
}

/// The current fiber, or the record of the calling OS thread if it is on none.
pub(crate) fn here<'a>() -> &'a FiberRecord {
    // SAFETY: null, or the fiber that runs this, which outlives the call.
    let current = unsafe { super::fiber::current().as_ref() };
    current.unwrap_or_else(of_thread)
}

/// The record by which the OS thread of `fiber`, the current one, holds locks, if it is another one.
pub(super) fn beside(fiber: &FiberRecord) -> Option<&FiberRecord> {
    if fiber.is_on_worker() {
        return None;
    }
    // SAFETY: null, or alive as long as this thread runs its own code.
    let known = unsafe { known_of_thread().as_ref() };
    known.filter(|known| !ptr::eq(*known, fiber))
}
