//! Limits: so many jobs at the most are somewhere at once, and who waits for whom is known.

use std::fmt;
use std::ptr::NonNull;

use crate::cx::Cx;
use crate::error::Error;
use crate::locks::wait::{LOCK, begin_wait, check_thread};
use crate::plant;
use crate::sched::fiber::FiberRecord;
use crate::sched::graph::{self, Kind, Name, Subject};
use crate::sched::holder;
use crate::sched::places::Places;
use crate::sync::ThreadBound;

/// Admits so many jobs at once to what is scarce and no core: linkers, licences, memory for large inputs, connections.
///
/// A job is admitted for the time of a closure, [`within`](Self::within), and waits before if the limit is full, which
/// gives its thread back. Places are given on in the order of arrival: nobody overtakes. The closure may ask, fork and wait
/// as anywhere; it may enter the same limit once more, which takes another place.
///
/// It is known who is inside. So if *all* who are inside wait for each other, or for the one that wants to get in
/// (directly, or through mutexes, once-cells, limits, queries, tasks and joins), that is a [deadlock](Error::is_deadlock),
/// and told at once; as long as one of them runs, or waits for something that others can still do, it is none. (A
/// [`Semaphore`](super::Semaphore), whose permits anybody may give back, cannot tell.)
///
/// On the sequential backend, where nothing else runs while a job waits, this goes for threads: a thread waits for a place that
/// another one has. In the sequential build a limit can be used only on the thread that made it; another thread's use panics.
///
/// # Examples
///
/// ```
/// use dagwood::locks::Limit;
///
/// # let executor = dagwood::Executor::builder().workers(4).build()?;
/// # let db = dagwood::Database::new(());
/// let linkers = Limit::new("linker", 2);
/// let linked = executor.run(&db, |cx| {
///     // Eight jobs on all workers; at most two of them link at a time.
///     cx.par_map(0..8, |cx, crate_number| linkers.within(cx, |_| crate_number * 10))
/// })?;
/// assert_eq!(linked.len(), 8);
///
/// // A job that is inside, and wants to get in again, waits for itself.
/// let alone = Limit::new("licence", 1);
/// let twice = executor.run(&db, |cx| alone.within(cx, |cx| alone.checked_within(cx, |_| ()).map(drop)))?;
/// let error = twice.unwrap_err();
/// assert!(error.is_deadlock());
/// assert_eq!(error.to_string(), "deadlock: a job waits for the limit \"licence\" of 1");
/// # Ok::<(), dagwood::Error>(())
/// ```
pub struct Limit {
    places: Places,
    bound: ThreadBound,
}

/// A place of the one who runs this, until it is dropped, in the frame of `within`: who has it is who it was taken for
/// (lock.md L1).
struct Inside<'l> {
    places: &'l Places,
    /// As the places name it. A raw pointer: not `Send`.
    holder: *const FiberRecord,
}

impl Inside<'_> {
    /// A place that was just taken for `holder`.
    fn taken<'l>(holder: &FiberRecord, places: &'l Places) -> Inside<'l> {
        holder.hold();
        Inside { places, holder }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        // SAFETY: a record that holds is not freed (lock.md K1); this has not left its fiber.
        unsafe { &*self.holder }.let_go();
        if !plant::is("kept_place") {
            self.places.give_back(self.holder);
        }
    }
}

impl Limit {
    /// A limit of so many places. Errors and reports call it by this name.
    ///
    /// # Panics
    ///
    /// If there is no place: nobody could ever get in.
    pub fn new(name: impl fmt::Display, places: usize) -> Self {
        assert!(
            places > 0,
            "the limit {name:?} lets nobody in",
            name = name.to_string()
        );
        Limit {
            places: Places::new(format!("the limit \"{name}\" of {places}").into(), places),
            bound: ThreadBound::new(),
        }
    }

    /// Runs `body` inside; the current fiber waits for a place if need be.
    ///
    /// # Panics
    ///
    /// If `body` does; or as [`Cx::get`], where [`checked_within`](Self::checked_within) would give an error.
    pub fn within<'db, D, R>(&self, cx: &Cx<'db, D>, body: impl FnOnce(&Cx<'db, D>) -> R) -> R {
        let inside = cx.undisturbed(|| self.enter(cx).unwrap_or_else(|error| error.raise()));
        let result = body(cx);
        drop(inside);
        result
    }

    /// Runs `body` inside; the current fiber waits for a place if need be.
    ///
    /// # Errors
    ///
    /// All who are inside wait for each other or for this job ([`Error::is_deadlock`]); the waiting work was cancelled
    /// ([`Error::is_cancelled`]); no memory is left to wait ([`Error::is_exhausted`]); or it would wait where nothing waits
    /// ([`Cx::no_suspend`], a destructor that runs during an unwind). If there is room, `body` is run in any case.
    ///
    /// # Panics
    ///
    /// If `body` does.
    pub fn checked_within<'db, D, R>(
        &self,
        cx: &Cx<'db, D>,
        body: impl FnOnce(&Cx<'db, D>) -> R,
    ) -> Result<R, Error> {
        let _inside = self.enter(cx)?;
        Ok(body(cx))
    }

    /// The same without a context: a thread outside blocks, a job's fiber waits.
    ///
    /// # Errors
    ///
    /// As for [`checked_within`](Self::checked_within).
    ///
    /// # Panics
    ///
    /// If `body` does.
    ///
    /// # Examples
    ///
    /// ```
    /// let linkers = dagwood::locks::Limit::new("linker", 2);
    /// let free = linkers.within_blocking(|| linkers.free_places())?;
    /// assert_eq!(free, 1);
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    pub fn within_blocking<R>(&self, body: impl FnOnce() -> R) -> Result<R, Error> {
        let fiber = holder::here();
        let holder = holder::of(fiber);
        let _inside = match self.try_enter(holder) {
            Some(inside) => inside,
            None => self.wait(fiber, holder)?,
        };
        Ok(body())
    }

    /// How many places there are.
    pub fn places(&self) -> usize {
        self.places.count()
    }

    /// How many places are free now. A matter of the schedule: decide nothing by it that others can see.
    pub fn free_places(&self) -> usize {
        self.check();
        self.places.count() - self.places.taken()
    }

    /// How many wait for a place now. A matter of the schedule.
    pub fn waiting(&self) -> usize {
        self.check();
        self.places.waiting()
    }

    fn enter<D>(&self, cx: &Cx<'_, D>) -> Result<Inside<'_>, Error> {
        // Asked once: a thread that ends may have another record each time.
        let holder = holder::of(cx.fiber());
        if let Some(inside) = self.try_enter(holder) {
            return Ok(inside);
        }
        begin_wait(cx);
        self.wait(cx.fiber(), holder)
    }

    fn try_enter(&self, holder: &FiberRecord) -> Option<Inside<'_>> {
        self.check();
        let is_in = self.places.try_enter(holder);
        is_in.then(|| Inside::taken(holder, &self.places))
    }

    #[cold]
    fn wait(&self, fiber: &FiberRecord, holder: &FiberRecord) -> Result<Inside<'_>, Error> {
        // SAFETY: `describe` takes living places.
        let what = unsafe { Subject::new(LIMIT, &self.places) };
        graph::wait_for_place(fiber, holder, &self.places, what)?;
        Ok(Inside::taken(holder, &self.places))
    }

    fn check(&self) {
        check_thread(&self.bound, || self.places.name().to_owned());
    }
}

const LIMIT: &Kind = &Kind {
    describe: Some(describe),
    ..*LOCK
};

/// # Safety
///
/// `places` are living ones.
unsafe fn describe(places: NonNull<()>) -> Name {
    // SAFETY: by contract; the name never changes.
    let places = unsafe { places.cast::<Places>().as_ref() };
    Name {
        kind: "limit",
        text: places.name().to_owned(),
    }
}

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.places.name())
    }
}
