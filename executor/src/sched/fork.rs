#![doc = include_str!("fork.md")]
//!
//! Used by joins, loops and scopes, and by the workers, which publish. Knows nothing of what it
//! runs.

use std::cell::{Cell, UnsafeCell};
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use super::graph::Awaited;
use super::job::{Job, JobKind, JobRef};

/// Work that a fiber holds, the head of what lies in the frame of the call that forks.
#[repr(C)]
pub(crate) struct Fork {
    job: Job,
    /// Null: it is the oldest. [`PUBLISHED`] once it has left the list for a queue.
    older: Cell<*const Fork>,
    /// Written when the list links it; [`NEWEST`]: there was no newer one then (K9).
    newer: Cell<MaybeUninit<*const Fork>>,
    /// Made when the fork itself is published: nobody waits for what was taken back.
    awaited: UnsafeCell<MaybeUninit<Awaited>>,
}

/// In the place of the older fork: this one is on no list.
const PUBLISHED: *const Fork = ptr::dangling();

/// In the place of the newer fork: there is none.
const NEWEST: *const Fork = ptr::dangling();

impl Fork {
    #[inline]
    pub(crate) const fn new(kind: &'static JobKind) -> Self {
        Fork {
            job: Job::new(kind),
            older: Cell::new(ptr::null()),
            newer: Cell::new(MaybeUninit::uninit()),
            awaited: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    pub(crate) fn job(&self) -> &Job {
        &self.job
    }

    /// Makes it a new one again, once it was taken back.
    pub(crate) fn renew(&self, kind: &'static JobKind) {
        self.job.kind.set(kind);
    }

    /// Says which fork is the next newer one. Whether one was known before.
    fn link(&self, newer: *const Fork) -> bool {
        self.newer.set(MaybeUninit::new(newer));
        let linked = self.job.kind.get().linked;
        linked.inspect(|kind| self.job.kind.set(kind)).is_none()
    }

    /// The next newer fork, as of the last look.
    ///
    /// # Safety
    ///
    /// The fork is [`link`](Self::link)ed.
    unsafe fn newer(&self) -> *const Fork {
        // SAFETY: written by `link`.
        unsafe { self.newer.get().assume_init() }
    }

    /// What to wait for.
    ///
    /// # Safety
    ///
    /// The fork itself was published.
    pub(crate) unsafe fn awaited(&self) -> &Awaited {
        // SAFETY: nobody writes after the publication.
        let awaited = unsafe { &*self.awaited.get() };
        // SAFETY: written by `take_out`, before the publication.
        unsafe { awaited.assume_init_ref() }
    }
}

/// The forks of a fiber that nobody else can see: a list through their frames.
///
/// Forks nest, so the newest is always the first to be taken back; the oldest is the first to be
/// published, or split (K2). Pushing and taking back link one way only; a look for the oldest links
/// the other way what is new since the last look (K9).
pub(crate) struct ForkList {
    newest: Cell<*const Fork>,
    /// As of the last look; [`NEWEST`]: there was none.
    oldest: Cell<*const Fork>,
    /// Whether there may be anything to take among what is linked (K3).
    has_work: Cell<bool>,
}

impl ForkList {
    pub(crate) const fn new() -> Self {
        ForkList {
            newest: Cell::new(ptr::null()),
            oldest: Cell::new(NEWEST),
            has_work: Cell::new(false),
        }
    }

    /// Whether the fiber holds no fork at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.newest.get().is_null()
    }

    /// Adds the newest.
    ///
    /// # Safety
    ///
    /// The fork is new (of a kind made by [`JobKind::of_fork`]) and stays in place until it was
    /// taken back by [`remove`](Self::remove) or, once published, popped or done; and what it runs
    /// is `Send`.
    #[inline]
    pub(crate) unsafe fn push(&self, fork: NonNull<Fork>) {
        let older = self.newest.replace(fork.as_ptr());
        // SAFETY: in place (this function's contract).
        let fork = unsafe { fork.as_ref() };
        debug_assert!(fork.job.kind.get().linked.is_some(), "a fork is pushed new");
        fork.older.set(older);
    }

    /// Takes `fork` back; `false`: it was published. All that is newer was taken back before.
    #[inline]
    pub(crate) fn remove(&self, fork: &Fork) -> bool {
        let older = fork.older.get();
        let is_private = !ptr::eq(older, PUBLISHED);
        if is_private {
            self.newest.set(older);
        }
        is_private
    }

    /// Says that a fork of the list which had nothing to give away has something now.
    #[inline]
    pub(crate) fn note_work(&self) {
        self.has_work.set(true);
    }

    /// Takes the oldest work, for others to see: a fork, or a part of one.
    #[inline]
    pub(crate) fn take_oldest(&self) -> Option<JobRef> {
        if !self.may_have_work() {
            return None;
        }
        self.link_new();
        let oldest = self.find_oldest();
        self.has_work.set(oldest.is_some());
        oldest
    }

    /// Whether there may be anything to take.
    #[inline]
    pub(crate) fn may_have_work(&self) -> bool {
        self.has_new() || self.has_work.get()
    }

    /// Whether anything was pushed since the last look, and is still here.
    #[inline]
    fn has_new(&self) -> bool {
        // SAFETY: null, or on the list and so in place (`push`).
        let newest = unsafe { self.newest.get().as_ref() };
        newest.is_some_and(|newest| newest.job.kind.get().linked.is_some())
    }

    /// Links what was pushed since the last look from the older to the newer (K9).
    fn link_new(&self) {
        let mut newer = NEWEST;
        let mut place = self.newest.get();
        // SAFETY: null, or on the list and so in place (`push`).
        while let Some(fork) = unsafe { place.as_ref() } {
            let was_linked = fork.link(newer);
            if was_linked {
                return;
            }
            newer = place;
            place = fork.older.get();
        }
        self.oldest.set(newer);
    }

    fn find_oldest(&self) -> Option<JobRef> {
        let mut next = self.oldest.get();
        while !ptr::eq(next, NEWEST) {
            let place = NonNull::new(next.cast_mut()).expect("linked by `link_new`");
            // SAFETY: on the list and so in place (`push`).
            let fork = unsafe { place.as_ref() };
            let Some(split) = fork.job.kind.get().split else {
                return Some(self.take_out(place));
            };
            // SAFETY: `split` belongs to the kind of this fork, which is in place.
            if let Some(part) = unsafe { split(place.cast()) } {
                return Some(part);
            }
            // SAFETY: so are all that are older than a linked one (K9), and the walk began with the
            // oldest.
            next = unsafe { fork.newer() };
        }
        None
    }

    /// Takes a linked fork off the list, for a queue.
    fn take_out(&self, place: NonNull<Fork>) -> JobRef {
        // SAFETY: what is on the list is in place (`push`).
        let fork = unsafe { place.as_ref() };
        let older = fork.older.replace(PUBLISHED);
        // SAFETY: `find_oldest` walks over linked forks.
        let newer = unsafe { fork.newer() };
        if ptr::eq(newer, NEWEST) {
            self.newest.set(older);
        } else {
            // SAFETY: on the list, as above.
            unsafe { &*newer }.older.set(older);
        }
        // SAFETY: null, or on the list, as above.
        match unsafe { older.as_ref() } {
            Some(older) => older.newer.set(MaybeUninit::new(newer)),
            None => self.oldest.set(newer),
        }
        // SAFETY: nobody else sees the fork yet.
        let awaited = unsafe { &mut *fork.awaited.get() };
        awaited.write(Awaited::new(ptr::null()));
        // SAFETY: in place until done or popped, and `Send` (`push`); started once, as it left the
        // list and goes to one queue.
        unsafe { JobRef::new(place.cast()) }
    }
}
