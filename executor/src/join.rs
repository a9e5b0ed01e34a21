//! `join`: two closures, perhaps at once, each with a context. How, says `half.rs`; here stand what calls them, and what is
//! recorded of them.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;

use crate::cx::Cx;
use crate::error::Error;
use crate::half::{self, Joiner};
use crate::plant;
use crate::query::record::Branches;
use crate::sched::fiber::FiberRecord;
use crate::sync::Mutex;

impl<'db, D, B, RB> Joiner<B, RB> for Cx<'db, D>
where
    B: FnOnce(&Cx<'db, D>) -> RB,
{
    #[inline]
    fn fiber(&self) -> &FiberRecord {
        self.fiber()
    }

    fn attend_unless_deep_or_ended<T>(&self, here: *const T) -> bool {
        self.attend_unless_deep_or_ended(here, true)
    }

    fn attend(&self) {
        self.attend(false);
    }

    fn end(&self) -> Option<Error> {
        self.end()
    }

    fn is_ending(&self) -> bool {
        self.is_ending()
    }

    fn settle(&self) {
        self.settle_item();
    }

    #[inline]
    fn call_here(&self, body: B) -> RB {
        body(self)
    }

    unsafe fn call_elsewhere(joiner: *const Self, fiber: &FiberRecord, body: B) -> RB {
        // SAFETY: alive, as the join waits; what we read of it does not change.
        let (run, locals, _) = unsafe { Cx::shared_parts(joiner) };
        let locals = if plant::is("lost_locals") {
            ptr::null()
        } else {
            locals
        };
        // SAFETY: the current fiber; run and bindings outlive the join that waits for us.
        let cx = unsafe { Cx::new(run, fiber, locals) };
        body(&cx)
    }

    unsafe fn giver(joiner: *const Self) -> *const FiberRecord {
        // SAFETY: alive, as the join waits; what we read of it does not change.
        let (_, _, giver) = unsafe { Cx::shared_parts(joiner) };
        giver
    }
}

/// What a join tells the record of its query; at last, also by a panic, that it has ended.
struct Notes<'c, 'db, D> {
    cx: &'c Cx<'db, D>,
    level: usize,
    /// What the second branch asked for, if it ran elsewhere.
    elsewhere: Mutex<Branches>,
}

impl<D> Drop for Notes<'_, '_, D> {
    fn drop(&mut self) {
        let branches = self.elsewhere.lock().take();
        self.cx.note_branches(self.level, branches);
        self.cx.note_join(self.level);
    }
}

impl<'db, D> Cx<'db, D> {
    /// Runs both closures, perhaps at the same time, and gives both results.
    ///
    /// `a` runs here and now. `b` may be taken by another worker; if none does, it runs here
    /// afterwards. On the sequential backend, and with one worker as long as `a` does not wait, the
    /// order is `a`, `b`.
    ///
    /// # Panics
    ///
    /// If one of them panics, the other still runs to its end; then the panic goes on, that of `a`
    /// if both panic. If there is no memory for more stack where little is left, neither runs, and the
    /// provider or `run` around it fails with an error that [is
    /// exhausted](crate::Error::is_exhausted).
    ///
    /// # Examples
    ///
    /// ```
    /// # let executor = dagwood::Executor::builder().workers(2).build()?;
    /// # let db = dagwood::Database::new(vec![1, 2, 3, 4]);
    /// fn sum(cx: &dagwood::Cx<'_, Vec<u64>>, from: usize, to: usize) -> u64 {
    ///     if to - from == 1 {
    ///         return cx.data()[from];
    ///     }
    ///     let middle = from.midpoint(to);
    ///     let (left, right) = cx.join(|cx| sum(cx, from, middle), |cx| sum(cx, middle, to));
    ///     left + right
    /// }
    /// assert_eq!(executor.run(&db, |cx| sum(cx, 0, 4))?, 10);
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    #[inline]
    pub fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce(&Cx<'db, D>) -> RA + Send,
        B: FnOnce(&Cx<'db, D>) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        if self.recorder().is_some() {
            return self.join_recorded(a, b);
        }
        half::join(self, || a(self), b)
    }

    /// The same where asks are recorded: apart, so that the other way costs one compare more only.
    #[cold]
    #[inline(never)]
    fn join_recorded<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce(&Cx<'db, D>) -> RA + Send,
        B: FnOnce(&Cx<'db, D>) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        let notes = Notes {
            cx: self,
            level: self.note_fork(),
            elsewhere: Mutex::new(None),
        };
        let (level, elsewhere) = (notes.level, &notes.elsewhere);
        let second = move |cx: &Cx<'db, D>| {
            // Who takes the half makes a context without a recorder for it.
            if cx.recorder().is_some() {
                cx.note_branch(level);
                return b(cx);
            }
            let (result, branches) =
                cx.with_recorder(true, |cx| catch_unwind(AssertUnwindSafe(|| b(cx))));
            *elsewhere.lock() = branches;
            result.unwrap_or_else(|payload| resume_unwind(payload))
        };
        half::join(self, || a(self), second)
    }
}
