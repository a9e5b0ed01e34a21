//! A context for closures that get none: lent by a job, found by the type of its data, gone when the job takes it back.
//!
//! It is kept with the fiber (`FiberRecord::lent`), and `raw/join.rs` hands it on to who takes the second half of a join.

use std::any::{TypeId, type_name};
use std::ptr;

use crate::cx::Cx;
use crate::local::Binding;
use crate::query::record::Recorder;
use crate::run::Run;
use crate::sched::fiber::{FiberRecord, current};
use crate::sched::graph::Frame;

/// What a context is made of, without its types.
#[derive(Copy, Clone)]
pub(super) struct Lent {
    /// Of the data.
    data: TypeId,
    run: *const (),
    locals: *const Binding,
    /// Of the branch that lends.
    recorder: *const Recorder,
    /// The innermost frame of the fiber that it is lent on.
    frame: *const Frame,
}

/// Puts back what was lent before.
struct Restore<'f> {
    fiber: &'f FiberRecord,
    before: *const (),
}

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        self.fiber.lent.set(self.before);
    }
}

fn replace(fiber: &FiberRecord, lent: *const ()) -> Restore<'_> {
    let before = fiber.lent.replace(lent);
    Restore { fiber, before }
}

impl Lent {
    /// What is lent on `fiber`.
    pub(super) fn of(fiber: &FiberRecord) -> Option<&Lent> {
        // SAFETY: null, or lent by a frame of this fiber that has not taken it back (`during`).
        let lent = unsafe { fiber.lent.get().cast::<Lent>().as_ref() };
        lent.filter(|lent| ptr::eq(lent.frame, fiber.frames.get()))
    }

    /// What takes down what the branch that lends asks for.
    pub(super) fn recorder(&self) -> Option<&Recorder> {
        // SAFETY: null, or in the frame of that branch, which is below us or waits for us.
        unsafe { self.recorder.as_ref() }
    }

    /// The same for a branch with a recorder of its own, or none.
    pub(super) fn for_branch(&self, recorder: Option<&Recorder>) -> Lent {
        Lent {
            recorder: recorder.map_or(ptr::null(), ptr::from_ref),
            ..*self
        }
    }

    /// Lends this on `fiber`, the current one, for the time of `body`.
    pub(super) fn during<R>(&self, fiber: &FiberRecord, body: impl FnOnce() -> R) -> R {
        let lent = Lent {
            frame: fiber.frames.get(),
            ..*self
        };
        let _restore = replace(fiber, ptr::from_ref(&lent).cast());
        body()
    }
}

impl<D: 'static> Cx<'_, D> {
    /// Lends this context, for the time of `body`, to closures that get none: those that a `rayon` on dagwood's workers
    /// (the crate `rayon-core` of this repository) runs for `body`. They find it by [`with_current`].
    ///
    /// What branches of joins and parallel iterators ask for so is recorded as if they had been forked here. Closures
    /// that are spawned, into a scope or anywhere, find nothing: use [`Cx::scope`] for them.
    ///
    /// # Examples
    ///
    /// ```
    /// # let executor = dagwood::Executor::builder().workers(2).build()?;
    /// # let db = dagwood::Database::new(vec![1, 2, 3]);
    /// let sum = executor.run(&db, |cx: &dagwood::Cx<'_, Vec<u32>>| {
    ///     // In here: `(0..3).into_par_iter().map(at).sum()`.
    ///     let at = |i: usize| dagwood::with_current::<Vec<u32>, _>(|cx| cx.data()[i]);
    ///     cx.lend(|| (0..3).map(at).sum::<u32>())
    /// })?;
    /// assert_eq!(sum, 6);
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    pub fn lend<R>(&self, body: impl FnOnce() -> R) -> R {
        self.settle_item();
        let lent = Lent {
            data: TypeId::of::<D>(),
            run: ptr::from_ref(self.run()).cast(),
            locals: self.locals(),
            recorder: self.recorder().map_or(ptr::null(), ptr::from_ref),
            frame: ptr::null(),
        };
        lent.during(self.fiber(), body)
    }
}

/// Calls `body` with the context that is [lent](Cx::lend) here. While it runs nothing is: what it calls lends anew.
///
/// # Panics
///
/// If no context is lent here, or one of other data than `D`.
pub fn with_current<D: 'static, R>(body: impl for<'db> FnOnce(&Cx<'db, D>) -> R) -> R {
    // SAFETY: null, or the fiber that runs this, which outlives the call.
    let fiber = unsafe { current().as_ref() };
    let lent = fiber.and_then(|fiber| Some((fiber, *Lent::of(fiber)?)));
    let Some((fiber, lent)) = lent else {
        panic!(
            "no context is lent here: `with_current` is for closures that a patched rayon runs inside `Cx::lend`, \
             and that are not spawned"
        );
    };
    assert!(
        lent.data == TypeId::of::<D>(),
        "the context that is lent here is not one of {}",
        type_name::<D>()
    );
    let run = lent.run.cast::<Run<'_, D>>();
    // SAFETY: of this type: the data's type says so, and `body` takes any lifetime. Run, bindings and recorder outlive
    // what was lent, which outlives this call: it lies in a frame of this fiber, or of one that waits for this one.
    let cx = unsafe { Cx::of_lent(run, fiber, lent.locals, lent.recorder) };
    let _restore = replace(fiber, ptr::null());
    body(&cx)
}
