#![doc = include_str!("fork.md")]
//!
//! Used by joins, loops and scopes, and by the workers, which publish. Knows nothing of what it
//! runs.

use std::cell::{Cell, UnsafeCell};
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use super::fiber::FiberRecord;
use super::graph::Awaited;
use super::job::{Job, JobKind, JobRef};

/// Work that a fiber holds, the head of what lies in the frame of the call that forks.
#[repr(C)]
pub(crate) struct Fork {
    job: Job,
    older: Cell<*const Fork>,
    newer: Cell<*const Fork>,
    /// Made when the fork itself is published: nobody waits for what was taken back.
    awaited: UnsafeCell<MaybeUninit<Awaited>>,
}

impl Fork {
    #[inline]
    pub(crate) const fn new(kind: &'static JobKind) -> Self {
        Fork {
            job: Job::new(kind),
            older: Cell::new(ptr::null()),
            newer: Cell::new(ptr::null()),
            awaited: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    pub(crate) fn job(&self) -> &Job {
        &self.job
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

/// The forks of a fiber that nobody else can see: a list through their frames, with a head of its
/// own.
///
/// Forks nest, so the newest is always the first to be taken back; the oldest is the first to be
/// published, or split (K2).
#[repr(align(64))]
pub(crate) struct ForkList {
    /// Its `newer` is the oldest fork. Its address is taken by the first `push`: the list must not
    /// move after that.
    head: Fork,
    /// The head, if the list is empty; null before the first `push`.
    newest: Cell<*const Fork>,
    /// Whether there may be anything to take (K3).
    has_work: Cell<bool>,
}

/// What the head of a list, and a fork that only gives parts away, are started with.
pub(crate) unsafe fn never(_: NonNull<Job>, _: &FiberRecord) {
    unreachable!("this is never published");
}

const HEAD: &JobKind = &JobKind {
    start: never,
    split: None,
};

impl ForkList {
    pub(crate) const fn new() -> Self {
        ForkList {
            head: Fork::new(HEAD),
            newest: Cell::new(ptr::null()),
            has_work: Cell::new(false),
        }
    }

    /// Adds the newest.
    ///
    /// # Safety
    ///
    /// The fork stays in place until it was taken back by [`remove`](Self::remove) or, once
    /// published, popped or done; what it runs is `Send`; and the list does not move any more.
    #[inline]
    pub(crate) unsafe fn push(&self, fork: NonNull<Fork>) {
        let mut older = self.newest.get();
        if older.is_null() {
            older = &raw const self.head;
        }
        self.newest.set(fork.as_ptr());
        self.has_work.set(true);
        // SAFETY: in place (this function's contract).
        unsafe { fork.as_ref() }.older.set(older);
        // SAFETY: the head, or on the list and so in place.
        unsafe { &*older }.newer.set(fork.as_ptr());
    }

    /// Takes `fork` back; `false`: it was published. All that is newer was taken back before.
    #[inline]
    pub(crate) fn remove(&self, fork: &Fork) -> bool {
        // What was published is not on the list any more.
        let is_private = ptr::eq(self.newest.get(), fork);
        if is_private {
            self.newest.set(fork.older.get());
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
        if !self.has_work.get() {
            return None;
        }
        let oldest = self.find_oldest();
        self.has_work.set(oldest.is_some());
        oldest
    }

    fn find_oldest(&self) -> Option<JobRef> {
        let newest = self.newest.get();
        let mut last: *const Fork = &raw const self.head;
        while !ptr::eq(newest, last) {
            // SAFETY: the head, or on the list and so in place (`push`).
            let next = unsafe { &*last }.newer.get();
            let fork = NonNull::new(next.cast_mut()).expect("linked by `push`");
            // SAFETY: as above.
            let Some(split) = unsafe { fork.as_ref() }.job.kind.split else {
                return Some(self.take_out(fork));
            };
            // SAFETY: `split` belongs to the kind of this fork, which is in place.
            if let Some(part) = unsafe { split(fork.cast()) } {
                return Some(part);
            }
            last = next;
        }
        None
    }

    fn take_out(&self, place: NonNull<Fork>) -> JobRef {
        // SAFETY: what is on the list is in place (`push`).
        let fork = unsafe { place.as_ref() };
        let older = fork.older.get();
        if ptr::eq(self.newest.get(), fork) {
            self.newest.set(older);
        } else {
            let newer = fork.newer.get();
            // SAFETY: the head, or on the list, as above.
            unsafe { &*older }.newer.set(newer);
            // SAFETY: on the list, since `fork` is not the newest.
            unsafe { &*newer }.older.set(older);
        }
        // SAFETY: nobody else sees the fork yet.
        let awaited = unsafe { &mut *fork.awaited.get() };
        awaited.write(Awaited::new(ptr::null()));
        // SAFETY: in place until done or popped, and `Send` (`push`); started once, as it left the
        // list and goes to one queue.
        unsafe { JobRef::new(place.cast()) }
    }
}
