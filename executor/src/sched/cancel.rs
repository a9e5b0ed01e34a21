#![doc = include_str!("cancel.md")]
//!
//! Who may be asked to stop, and whether it was: read at scheduling points and before waits. Knows no query and no worker.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::error::Reason;
use crate::priority::Priority;

/// Whether a cancelled fiber can be unwound. If not, only the `try_` forms end early.
pub(crate) const UNWINDS: bool = cfg!(panic = "unwind");

/// What runs work that can be cancelled.
pub(crate) trait Interrupt: Send + Sync {
    /// Makes each of its fibers look, at its next scheduling point, and those that wait (cancel.md X2).
    fn interrupt(&self);
}

/// What a token and its clones share: whether it is set, and whom to tell. (Real atomics in every build, as `Arc`'s are:
/// a token may come from another thread.)
pub(crate) struct Signal {
    /// Zero, or the number of a [`Reason`].
    reason: AtomicU8,
    deadline: Option<Instant>,
    watchers: Mutex<Vec<Arc<dyn Interrupt>>>,
    /// It counts as set if one of these is.
    others: Vec<Arc<Signal>>,
}

impl Signal {
    pub(crate) fn new(deadline: Option<Instant>) -> Self {
        Signal {
            reason: AtomicU8::new(0),
            deadline,
            watchers: Mutex::new(Vec::new()),
            others: Vec::new(),
        }
    }

    /// One that counts as set, too, if a token of `region` is: for work that is done for that one elsewhere. Watchers are
    /// not told then: that work must look.
    pub(crate) fn on_behalf_of(region: &Region) -> Self {
        Signal {
            others: region.tokens(),
            ..Signal::new(None)
        }
    }

    /// Whether it was set, no matter what it counts as.
    #[inline]
    fn is_set_itself(&self) -> bool {
        // Acquire: as in `reason`.
        self.reason.load(Ordering::Acquire) != 0
    }

    #[inline]
    pub(crate) fn reason(&self) -> Option<Reason> {
        // Acquire: pairs with the AcqRel in `set`.
        match self.reason.load(Ordering::Acquire) {
            0 => self.others.iter().find_map(|other| other.reason()),
            1 => Some(Reason::Request),
            2 => Some(Reason::Deadline),
            3 => Some(Reason::Dropped),
            _ => Some(Reason::Shutdown),
        }
    }

    /// Sets it, if it is not set, and tells everybody (X1).
    pub(crate) fn set(&self, reason: Reason) {
        let is_first =
            self.reason
                .compare_exchange(0, reason as u8, Ordering::AcqRel, Ordering::Acquire);
        if is_first.is_err() {
            return;
        }
        let watchers = self.watchers().clone();
        watchers.iter().for_each(|watcher| watcher.interrupt());
    }

    /// When it sets itself.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Sets it if its time has come: for who has no timer.
    fn look_at_clock(&self) {
        if self
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
        {
            self.set(Reason::Deadline);
        }
        self.others.iter().for_each(|other| other.look_at_clock());
    }

    fn watchers(&self) -> std::sync::MutexGuard<'_, Vec<Arc<dyn Interrupt>>> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Someone is told by a signal as long as this lives.
pub(crate) struct Watch<'s> {
    signal: &'s Signal,
    watcher: Arc<dyn Interrupt>,
}

impl<'s> Watch<'s> {
    pub(crate) fn new(signal: &'s Signal, watcher: Arc<dyn Interrupt>) -> Self {
        signal.watchers().push(Arc::clone(&watcher));
        Watch { signal, watcher }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let mut watchers = self.signal.watchers();
        let place = watchers
            .iter()
            .position(|other| Arc::ptr_eq(other, &self.watcher));
        let watcher = place.map(|place| watchers.swap_remove(place));
        drop(watchers);
        drop(watcher);
    }
}

/// What an executor's runs are told, and tell, at its end.
pub(crate) struct Shut {
    /// Set when no run is to begin. It tells those who run what its runs wait for.
    signal: Signal,
    /// How many runs will never end.
    stuck: AtomicUsize,
}

impl Shut {
    pub(crate) fn new() -> Self {
        Shut {
            signal: Signal::new(None),
            stuck: AtomicUsize::new(0),
        }
    }

    /// No run is to begin, and those that are are to end.
    pub(crate) fn set(&self) {
        self.signal.set(Reason::Shutdown);
    }

    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        // Its signal has no others.
        self.signal.is_set_itself()
    }

    pub(crate) fn stuck(&self) -> usize {
        self.stuck.load(Ordering::Acquire)
    }
}

/// The brake of what nothing stops.
pub(crate) static NEVER: AtomicU8 = AtomicU8::new(0);

/// The brake of what may be stopped by several.
static PERHAPS: AtomicU8 = AtomicU8::new(1);

/// Work that is cancelled as a whole: a run, or a part of one. It lies in the frame of a call that outlives the work.
pub(crate) struct Region {
    /// What it is part of, or null.
    around: *const Region,
    /// Of a run inside a job of another executor: what that works for, or null.
    outer: *const Region,
    signal: Option<Arc<Signal>>,
    /// Whether the executor shuts down; null if it is a part.
    shut: *const Shut,
    /// Points to a byte that is zero as long as it certainly goes on, and outlives it: where nothing but a shutdown can stop
    /// it, that one's own, which is what most yields look at.
    brake: *const AtomicU8,
    /// Whether nobody raises the attention word of who runs it: it is raised all the time then (X5).
    is_polled: bool,
    /// Of the whole run.
    priority: Priority,
    /// Of a whole run: whether a fiber of it refuses to end.
    is_stuck: AtomicBool,
}

impl Region {
    /// That of a run, which a job of another executor may have begun: that one works for `outer`.
    ///
    /// # Safety
    ///
    /// `shut` outlives the region, and so does `outer`, or it is null.
    pub(crate) unsafe fn of_run(
        outer: *const Region,
        signal: Option<Arc<Signal>>,
        shut: *const Shut,
        is_polled: bool,
        priority: Priority,
    ) -> Self {
        Region {
            priority,
            around: ptr::null(),
            outer,
            brake: if signal.is_none() && outer.is_null() {
                // SAFETY: by contract.
                unsafe { &raw const (*shut).signal.reason }
            } else {
                &raw const PERHAPS
            },
            signal,
            shut,
            is_polled,
            is_stuck: AtomicBool::new(false),
        }
    }

    /// A part of this one.
    ///
    /// # Safety
    ///
    /// This one outlives the part.
    pub(crate) unsafe fn part(&self, signal: Arc<Signal>) -> Self {
        Region {
            priority: self.priority,
            around: self,
            outer: ptr::null(),
            signal: Some(signal),
            shut: ptr::null(),
            brake: &raw const PERHAPS,
            is_polled: self.is_polled,
            is_stuck: AtomicBool::new(false),
        }
    }

    /// What a part of this one's jobs works for that has a [`Run`](crate::run::Run) of its own, and no reason of its own.
    ///
    /// # Safety
    ///
    /// This one outlives it.
    pub(crate) unsafe fn beside(&self) -> Self {
        Region {
            is_polled: self.is_polled(),
            // SAFETY: by contract.
            ..unsafe { self.inside() }
        }
    }

    /// What an iteration on a fiber of this one works for: it stops when this one does (X9).
    ///
    /// # Safety
    ///
    /// This one outlives it.
    pub(crate) unsafe fn inside(&self) -> Self {
        Region {
            priority: self.priority,
            around: self,
            outer: ptr::null(),
            signal: None,
            shut: ptr::null(),
            brake: self.brake,
            is_polled: true,
            is_stuck: AtomicBool::new(false),
        }
    }

    /// How urgent its run is.
    pub(crate) fn priority(&self) -> Priority {
        self.priority
    }

    fn around(&self) -> Option<&Region> {
        // SAFETY: null, or outlives this one (`part`).
        unsafe { self.around.as_ref() }
    }

    fn outer(&self) -> Option<&Region> {
        // SAFETY: null, or outlives this one (`of_run`).
        unsafe { self.outer.as_ref() }
    }

    /// All that tells it, and the runs inside it, to stop.
    pub(crate) fn signals(&self) -> Vec<&Signal> {
        // SAFETY: null, or outlives this (`of_run`).
        let shut = unsafe { self.shut.as_ref() }.map(|shut| &shut.signal);
        let mut signals: Vec<_> = self.signal.as_deref().into_iter().chain(shut).collect();
        for further in [self.around(), self.outer()].into_iter().flatten() {
            signals.extend(further.signals());
        }
        signals
    }

    /// The tokens that tell it to stop.
    fn tokens(&self) -> Vec<Arc<Signal>> {
        let mut tokens: Vec<_> = self.signal.iter().cloned().collect();
        for further in [self.around(), self.outer()].into_iter().flatten() {
            tokens.extend(further.tokens());
        }
        tokens
    }

    /// A byte that is zero as long as it certainly goes on, and outlives it.
    pub(crate) fn brake(&self) -> *const AtomicU8 {
        self.brake
    }

    /// Why its work is to stop, if it is. Once there is a reason it stays. (None while its [`brake`](Self::brake) is zero:
    /// who asks often looks at that first.)
    #[cold]
    pub(crate) fn reason(&self) -> Option<Reason> {
        self.own_reason()
            .or_else(|| self.around().and_then(Region::reason))
            .or_else(|| self.outer().and_then(Region::reason))
    }

    #[inline]
    fn is_shut(&self) -> bool {
        // SAFETY: null, or outlives this (`of_run`).
        unsafe { self.shut.as_ref() }.is_some_and(Shut::is_set)
    }

    /// As [`reason`](Self::reason), but not for what is around it.
    pub(crate) fn own_reason(&self) -> Option<Reason> {
        if self.is_shut() {
            return Some(Reason::Shutdown);
        }
        let signal = self.signal.as_ref()?;
        if self.is_polled {
            signal.look_at_clock();
        }
        signal.reason()
    }

    /// Whether it may be cancelled by more than a shutdown.
    pub(crate) fn has_signal(&self) -> bool {
        let has_signal = |further: Option<&Region>| further.is_some_and(Region::has_signal);
        self.signal.is_some() || has_signal(self.around()) || has_signal(self.outer())
    }

    /// Whether its pool may be interrupted for it by more than the pool's own shutdown, which asks again.
    pub(crate) fn is_interruptible(&self) -> bool {
        self.has_signal() || !self.outer.is_null()
    }

    /// Whether nobody raises attention for it.
    pub(crate) fn is_polled(&self) -> bool {
        let is_inside = self.signal.is_none() && !self.around.is_null();
        self.is_polled && (is_inside || self.has_signal())
    }

    /// A fiber with work of its run refuses to end: the run will never.
    pub(crate) fn note_stuck(&self) {
        if let Some(around) = self.around() {
            return around.note_stuck();
        }
        if let Some(outer) = self.outer() {
            outer.note_stuck();
        }
        // SAFETY: outlives this (`of_run`).
        let shut = unsafe { self.shut.as_ref() };
        if let Some(shut) = shut.filter(|_| !self.is_stuck.swap(true, Ordering::AcqRel)) {
            shut.stuck.fetch_add(1, Ordering::AcqRel);
        }
    }
}
