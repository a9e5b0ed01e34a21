//! Closures that lie one after another in a chunk of memory: writing, splitting, running.
//!
//! A chunk begins with the number of stretches that it is divided into. Used by `children.rs`.

use std::cell::Cell;
use std::ptr::NonNull;

use crate::cx::Cx;
use crate::sched::fiber::FiberRecord;
use crate::sched::slab::{CHUNK_BYTES, Chunk};
use crate::sync::{AtomicUsize, Ordering};

/// Where the first closure of a chunk lies, behind the counter.
const FIRST: usize = 8;
const _: () = assert!(size_of::<AtomicUsize>() <= FIRST);

/// Larger closures are boxed.
const INLINE_BYTES_MAX: usize = 1024;

/// What is known of a closure in a chunk: it begins with a reference to this.
struct Kind {
    /// Moves the closure at this place out, ends the stretch of the chunk, if one is given, and
    /// calls the closure with the context behind the pointer.
    run: unsafe fn(NonNull<u8>, *const (), Option<NonNull<u8>>),
    /// From this closure to the next, in bytes.
    bytes: usize,
}

/// A closure, as it lies in a chunk.
#[repr(C, align(8))]
struct Placed<F> {
    kind: &'static Kind,
    body: F,
}

impl<F> Placed<F> {
    /// # Safety
    ///
    /// `place` holds a `Placed<F>` that nobody else takes, `cx` is a `Cx<'db, D>` that is alive, and
    /// `chunk` is that of a stretch whose last closure this is.
    unsafe fn run<'db, D: 'db>(place: NonNull<u8>, cx: *const (), chunk: Option<NonNull<u8>>)
    where
        F: FnOnce(&Cx<'db, D>),
    {
        // SAFETY: by contract.
        let placed = unsafe { place.cast::<Self>().read() };
        // SAFETY: by contract.
        let cx = unsafe { &*cx.cast::<Cx<'db, D>>() };
        if let Some(chunk) = chunk {
            // SAFETY: by contract; all closures of the stretch have been moved out.
            unsafe { end_stretch(chunk, cx.fiber()) };
        }
        // Only here, where the closure is out of the chunk (fork.md K5).
        cx.scheduling_point();
        (placed.body)(cx);
    }
}

/// One stretch less; the last gives the chunk to the worker of `fiber`, the current one (fork.md
/// K6).
///
/// # Safety
///
/// `chunk` was written by `OpenChunk`, and nobody reads that stretch of it any more.
unsafe fn end_stretch(chunk: NonNull<u8>, fiber: &FiberRecord) {
    // SAFETY: by contract; the chunk lives while a stretch of it is left.
    let stretches = unsafe { chunk.cast::<AtomicUsize>().as_ref() };
    // Acquire: pairs with the Release of who ended the other stretches, after reading them.
    let is_last =
        stretches.load(Ordering::Acquire) == 1 || stretches.fetch_sub(1, Ordering::AcqRel) == 1;
    if is_last && let Some(worker) = fiber.worker() {
        // SAFETY: it comes from `into_memory` (`OpenChunk::renew`), and no stretch is left.
        worker.give_chunk(unsafe { Chunk::from_memory(chunk) });
    }
}

/// Some closures in a row in one chunk, none of which has started.
#[derive(Copy, Clone)]
pub(crate) struct Stretch {
    chunk: NonNull<u8>,
    /// Where the first lies.
    first: usize,
    count: usize,
}

impl Stretch {
    pub(crate) const EMPTY: Stretch = Stretch {
        chunk: NonNull::dangling(),
        first: 0,
        count: 0,
    };

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn first_place(&self) -> NonNull<u8> {
        // SAFETY: closures lie inside their chunk (`OpenChunk::write`).
        unsafe { self.chunk.add(self.first) }
    }

    /// What is known of the first closure. There is one.
    fn kind(&self) -> &'static Kind {
        // SAFETY: a closure begins with it (`Placed`), and has not been taken.
        unsafe { self.first_place().cast().read() }
    }

    fn stretches(&self) -> &AtomicUsize {
        // SAFETY: written by `OpenChunk::write`; the chunk lives while a stretch of it is left.
        unsafe { self.chunk.cast().as_ref() }
    }

    /// Takes the first closure off.
    #[inline]
    pub(crate) fn take_first(&mut self) -> Option<Child> {
        if self.is_empty() {
            return None;
        }
        let (kind, place) = (self.kind(), self.first_place());
        self.first += kind.bytes;
        self.count -= 1;
        let chunk = self.is_empty().then_some(self.chunk);
        Some(Child { kind, place, chunk })
    }

    /// Takes the last half off, one at least.
    pub(crate) fn split_off_half(&mut self) -> Option<Stretch> {
        if self.is_empty() {
            return None;
        }
        let mut half = *self;
        self.count /= 2;
        for _ in 0..self.count {
            half.first += half.kind().bytes;
        }
        half.count -= self.count;
        if !self.is_empty() {
            // Relaxed: the other stretch is ours until it is passed on.
            self.stretches().fetch_add(1, Ordering::Relaxed);
        }
        Some(half)
    }
}

/// A closure that was taken off its stretch.
#[must_use = "its stretch is ended by running it"]
pub(crate) struct Child {
    kind: &'static Kind,
    place: NonNull<u8>,
    /// The chunk, if this was the last closure of its stretch.
    chunk: Option<NonNull<u8>>,
}

impl Child {
    /// # Safety
    ///
    /// The closure takes a `&Cx<'db, D>`, and what it borrows is alive.
    #[inline]
    pub(crate) unsafe fn run<D>(self, cx: &Cx<'_, D>) {
        let cx = std::ptr::from_ref(cx).cast();
        // SAFETY: by contract, and `take_first` gives each closure, and each end of a stretch, once.
        unsafe { (self.kind.run)(self.place, cx, self.chunk) };
    }
}

/// A chunk that closures are written to.
pub(crate) struct OpenChunk {
    chunk: Cell<NonNull<u8>>,
    /// Where the next closure goes; the end of the chunk, if there is none.
    fill: Cell<usize>,
    count: Cell<usize>,
}

impl OpenChunk {
    pub(crate) const fn new() -> Self {
        OpenChunk {
            chunk: Cell::new(NonNull::dangling()),
            fill: Cell::new(CHUNK_BYTES),
            count: Cell::new(0),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count.get() == 0
    }

    /// Adds a closure that `fiber`, a worker's current one, spawns. Gives what was there, if it does
    /// not fit behind that.
    #[inline]
    pub(crate) fn push<'db, D: 'db, F>(&self, fiber: &FiberRecord, body: F) -> Option<Stretch>
    where
        F: FnOnce(&Cx<'db, D>) + Send,
    {
        if size_of::<Placed<F>>() > INLINE_BYTES_MAX || align_of::<F>() > align_of::<Placed<()>>() {
            let body = Box::new(body);
            self.write(fiber, move |cx: &Cx<'db, D>| body(cx))
        } else {
            self.write(fiber, body)
        }
    }

    #[inline]
    fn write<'db, D: 'db, F>(&self, fiber: &FiberRecord, body: F) -> Option<Stretch>
    where
        F: FnOnce(&Cx<'db, D>) + Send,
    {
        let kind = const {
            &Kind {
                run: Placed::<F>::run::<D>,
                bytes: size_of::<Placed<F>>(),
            }
        };
        let is_full = self.fill.get() + kind.bytes > CHUNK_BYTES;
        let full = if is_full { self.renew(fiber) } else { None };
        // SAFETY: inside the chunk, as was just seen to.
        let place = unsafe { self.chunk.get().add(self.fill.get()) };
        // SAFETY: as above; the chunk is ours, and this part of it is unused; `fill` is a multiple
        // of eight, and so is the address of a chunk.
        unsafe { place.cast().write(Placed { kind, body }) };
        self.fill.set(self.fill.get() + kind.bytes);
        self.count.set(self.count.get() + 1);
        full
    }

    /// Begins a new chunk; gives what was in the old one, if anything was.
    #[cold]
    fn renew(&self, fiber: &FiberRecord) -> Option<Stretch> {
        let old = self.close();
        let worker = fiber.worker().expect("OS threads run children at once");
        let chunk = worker.take_chunk().into_memory();
        // SAFETY: a new chunk, aligned, ours.
        unsafe { chunk.cast().write(AtomicUsize::new(1)) };
        self.chunk.set(chunk);
        self.fill.set(FIRST);
        (!old.is_empty()).then_some(old)
    }

    /// Gives all closures that were written, none perhaps. The next goes into a new chunk.
    pub(crate) fn close(&self) -> Stretch {
        self.fill.set(CHUNK_BYTES);
        Stretch {
            chunk: self.chunk.get(),
            first: FIRST,
            count: self.count.replace(0),
        }
    }
}
