//! Forked jobs that lie in a frame, and the list of those that a fiber keeps to itself.
//!
//! The list is what makes a fork nearly free: a few stores into the frame, nothing shared. Knows
//! nothing of what it runs.

use std::cell::{Cell, UnsafeCell};
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use super::fiber::FiberRecord;
use super::graph::{Awaited, Kind};
use super::job::{Job, JobRef};

/// A forked job, the head of what lies in the frame of the fork.
#[repr(C)]
pub(crate) struct Fork {
    job: Job,
    older: Cell<*const Fork>,
    newer: Cell<*const Fork>,
    /// Made when the job is published: nobody waits for a job that was taken back.
    awaited: UnsafeCell<MaybeUninit<Awaited>>,
}

impl Fork {
    /// A fork that `run` starts if it is published, given its address.
    #[inline]
    pub(crate) const fn new(run: unsafe fn(NonNull<Job>, &FiberRecord)) -> Self {
        Fork {
            job: Job::new(run),
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
    /// The fork was published.
    pub(crate) unsafe fn awaited(&self) -> &Awaited {
        // SAFETY: nobody writes after the publication.
        let awaited = unsafe { &*self.awaited.get() };
        // SAFETY: written by `take_oldest`, which publishes.
        unsafe { awaited.assume_init_ref() }
    }
}

/// The forks of a fiber that nobody else can see: a list through their frames, with a head of its
/// own.
///
/// Forks nest, so the newest is always the first to be taken back; the oldest is the first to be
/// published.
pub(crate) struct ForkList {
    /// Its `newer` is the oldest fork. Its address is taken by the first `push`: the list must not
    /// move after that.
    head: Fork,
    /// The head, if the list is empty; null before the first `push`.
    newest: Cell<*const Fork>,
}

/// The head of a list is no job.
unsafe fn never(_: NonNull<Job>, _: &FiberRecord) {
    unreachable!("the head of a list is not published");
}

impl ForkList {
    pub(crate) const fn new() -> Self {
        ForkList {
            head: Fork::new(never),
            newest: Cell::new(ptr::null()),
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
        // SAFETY: in place (this function's contract).
        unsafe { fork.as_ref() }.older.set(older);
        // SAFETY: the head, or on the list and so in place.
        unsafe { &*older }.newer.set(fork.as_ptr());
    }

    /// Takes `fork` back; `false`: it was published. All that is newer was taken back before.
    #[inline]
    pub(crate) fn remove(&self, fork: &Fork) -> bool {
        // If it was published, so were all older ones, and the list is empty.
        let is_private = ptr::eq(self.newest.get(), fork);
        if is_private {
            self.newest.set(fork.older.get());
        }
        is_private
    }

    /// Takes the oldest, for others to see.
    pub(crate) fn take_oldest(&self) -> Option<JobRef> {
        let newest = self.newest.get();
        if newest.is_null() || ptr::eq(newest, &raw const self.head) {
            return None;
        }
        let oldest = NonNull::new(self.head.newer.get().cast_mut()).expect("linked by `push`");
        // SAFETY: what is on the list is in place (`push`).
        let fork = unsafe { oldest.as_ref() };
        if ptr::eq(newest, fork) {
            self.newest.set(&raw const self.head);
        } else {
            let newer = fork.newer.get();
            self.head.newer.set(newer);
            // SAFETY: as above: `newer` is on the list, since `fork` is not the newest.
            unsafe { &*newer }.older.set(&raw const self.head);
        }
        // SAFETY: nobody else sees the fork yet.
        let awaited = unsafe { &mut *fork.awaited.get() };
        awaited.write(Awaited::new(Kind::UNNAMED, ptr::null()));
        // SAFETY: in place until done or popped, and `Send` (`push`); started once, as it left the
        // list and goes to one queue.
        Some(unsafe { JobRef::new(oldest.cast()) })
    }
}
