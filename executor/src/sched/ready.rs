//! The ready queue of a worker: fibers that were woken and wait for their owner. Rules: wait.md W4,
//! idle.md I4.

use std::cell::Cell;
use std::ptr::{self, NonNull};

use super::fiber::FiberRecord;
use super::levels::{LEVELS, Passes};
use super::wait::link;
use crate::sync::{AtomicPtr, AtomicUsize, Mutex, Ordering};

/// A list of fibers through their records, first come first. Aligned, so that what its holder has
/// before it, for others to read, is not on the same cache line.
#[repr(align(64))]
pub(crate) struct ReadyList {
    first: Cell<*const FiberRecord>,
    last: Cell<*const FiberRecord>,
}

impl ReadyList {
    pub(crate) const fn new() -> Self {
        ReadyList {
            first: Cell::new(ptr::null()),
            last: Cell::new(ptr::null()),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.get().is_null()
    }

    /// Adds a fiber that was just woken and is on no list.
    pub(crate) fn push(&self, fiber: &FiberRecord) {
        link(fiber, ptr::null());
        let last = self.last.replace(fiber);
        // SAFETY: a listed fiber is suspended until its owner takes it off, so its record is alive.
        match unsafe { last.as_ref() } {
            Some(last) => last.next.set(fiber),
            None => self.first.set(fiber),
        }
    }

    /// The next, or null.
    #[inline]
    pub(crate) fn first(&self) -> *const FiberRecord {
        self.first.get()
    }

    /// Takes the next off.
    #[inline]
    pub(crate) fn pop(&self) -> Option<NonNull<FiberRecord>> {
        let first = NonNull::new(self.first.get().cast_mut())?;
        self.take_off(first);
        Some(first)
    }

    /// Takes `first` off, which is known to be the next.
    #[inline]
    pub(crate) fn take_off(&self, first: NonNull<FiberRecord>) {
        debug_assert!(ptr::eq(first.as_ptr(), self.first.get()), "not the next");
        // SAFETY: as in `push`.
        let next = unsafe { first.as_ref() }.next.get();
        self.first.set(next);
        if next.is_null() {
            self.last.set(ptr::null());
        }
    }
}

// SAFETY: those on it are suspended, and belong to who has the list.
unsafe impl Send for ReadyList {}

/// The ready fibers of a worker that any worker may resume (moving.md M3).
pub(crate) struct SharedReady {
    lines: Mutex<Lines>,
    /// How many there are. Read without the lock and without an order: what orders it is the idle protocol.
    count: AtomicUsize,
}

/// A line for each level.
struct Lines {
    lists: [ReadyList; LEVELS],
    passes: Passes,
}

impl SharedReady {
    pub(crate) fn new() -> Self {
        SharedReady {
            lines: Mutex::new(Lines {
                lists: std::array::from_fn(|_| ReadyList::new()),
                passes: Passes::default(),
            }),
            count: AtomicUsize::new(0),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    /// Adds a fiber that was woken, has left its stack, and is on no list.
    pub(crate) fn push(&self, fiber: &FiberRecord) {
        let lines = self.lines.lock();
        lines.lists[fiber.priority().level()].push(fiber);
        let count = self.count.load(Ordering::Relaxed) + 1;
        self.count.store(count, Ordering::Relaxed);
    }

    /// Takes the next off: the caller owns it from now on.
    pub(crate) fn pop(&self) -> Option<NonNull<FiberRecord>> {
        if self.is_empty() {
            return None;
        }
        let mut lines = self.lines.lock();
        let has = std::array::from_fn(|level| !lines.lists[level].is_empty());
        let level = lines.passes.next(has)?;
        let next = lines.lists[level].pop()?;
        let count = self.count.load(Ordering::Relaxed) - 1;
        self.count.store(count, Ordering::Relaxed);
        Some(next)
    }

    /// Calls `see` with each of them; none is resumed meanwhile.
    pub(crate) fn each(&self, mut see: impl FnMut(&FiberRecord)) {
        let lines = self.lines.lock();
        for list in &lines.lists {
            let mut next = list.first();
            // SAFETY: a listed fiber is suspended until it is taken off, so its record is alive.
            while let Some(fiber) = unsafe { next.as_ref() } {
                see(fiber);
                next = fiber.next.get();
            }
        }
    }
}

/// In an inbox's word: the bell was rung (moving.md M3). The rest is an address.
const RUNG: usize = 1;

/// The inbox of a ready queue, for everybody but the owner: a stack that the owner takes whole.
pub(crate) struct Inbox(AtomicPtr<FiberRecord>);

fn newest_in(word: *mut FiberRecord) -> *mut FiberRecord {
    word.map_addr(|address| address & !RUNG)
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Inbox(AtomicPtr::new(ptr::null_mut()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed).is_null()
    }

    /// Whether there is more than a bell that was rung.
    pub(crate) fn has_fibers(&self) -> bool {
        !newest_in(self.0.load(Ordering::Relaxed)).is_null()
    }

    /// Tells the owner to look at what it shares. Whether it had nothing to look at before.
    pub(crate) fn ring(&self) -> bool {
        let mut head = self.0.load(Ordering::Relaxed);
        loop {
            // Release: pairs with the Acquire in `drain`. Also if it was rung before: what was shared since is seen.
            let rung = head.map_addr(|address| address | RUNG);
            match self
                .0
                .compare_exchange_weak(head, rung, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => return head.is_null(),
                Err(now) => head = now,
            }
        }
    }

    /// Adds a fiber that was just woken and is on no list. Whether the owner had nothing to look at before.
    pub(crate) fn push(&self, fiber: &FiberRecord) -> bool {
        let mut head = self.0.load(Ordering::Relaxed);
        loop {
            link(fiber, newest_in(head));
            let rung = head.addr() & RUNG;
            let fiber_ptr = ptr::from_ref(fiber).cast_mut();
            let fiber_ptr = fiber_ptr.map_addr(|address| address | rung);
            // Release: pairs with the Acquire in `drain`: the link, and all that the waker
            // wrote.
            match self.0.compare_exchange_weak(
                head,
                fiber_ptr,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return head.is_null(),
                Err(now) => head = now,
            }
        }
    }

    /// Those that are there now.
    ///
    /// # Safety
    ///
    /// As long as the iterator lives, nobody drains it.
    pub(crate) unsafe fn fibers(&self) -> impl Iterator<Item = &FiberRecord> {
        // Acquire: pairs with the Release in `push`.
        let mut next: *const FiberRecord = newest_in(self.0.load(Ordering::Acquire));
        std::iter::from_fn(move || {
            // SAFETY: a fiber in the inbox is alive, and its link is not changed, until it is drained (contract).
            let fiber = unsafe { next.as_ref() }?;
            next = fiber.next.get();
            Some(fiber)
        })
    }

    /// Gives all fibers to the owner, oldest first. Whether the bell was rung.
    #[inline]
    pub(crate) fn drain(&self, give: impl FnMut(&FiberRecord)) -> bool {
        !self.is_empty() && self.give_all(give)
    }

    #[cold]
    fn give_all(&self, mut give: impl FnMut(&FiberRecord)) -> bool {
        // Acquire: pairs with the Release in `push` and `ring`.
        let word = self.0.swap(ptr::null_mut(), Ordering::Acquire);
        let mut rest: *const FiberRecord = newest_in(word);
        let mut oldest_first: *const FiberRecord = ptr::null();
        // SAFETY: as in `ReadyList::push`; the swap made the chain ours.
        while let Some(fiber) = unsafe { rest.as_ref() } {
            rest = fiber.next.get();
            link(fiber, oldest_first);
            oldest_first = fiber;
        }
        // SAFETY: as above.
        while let Some(fiber) = unsafe { oldest_first.as_ref() } {
            oldest_first = fiber.next.get();
            give(fiber);
        }
        word.addr() & RUNG != 0
    }
}
