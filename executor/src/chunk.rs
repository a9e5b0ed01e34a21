//! Closures that lie one after another in a chunk of memory: writing, splitting, running.
//!
//! A chunk begins with its size and the number of those who hold a part of it: stretches, and the
//! spawner that still writes to it. Used by `children.rs`.

use std::cell::Cell;
use std::ptr::NonNull;

use crate::cx::Cx;
use crate::sched::fiber::FiberRecord;
use crate::sched::slab::{CHUNK_BYTES, Chunk};
use crate::sync::{AtomicUsize, Ordering};

/// What a chunk begins with.
struct Header {
    bytes: usize,
    holders: AtomicUsize,
}

/// Where the first closure of a chunk lies.
const FIRST: usize = 16;
const _: () = assert!(size_of::<Header>() <= FIRST);

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

/// A closure as it is to lie in a chunk, and how many bytes it takes there.
#[inline]
fn place<'db, D: 'db, F>(body: F) -> (Placed<F>, usize)
where
    F: FnOnce(&Cx<'db, D>) + Send,
{
    let kind = const {
        &Kind {
            run: Placed::<F>::run::<D>,
            bytes: size_of::<Placed<F>>(),
        }
    };
    (Placed { kind, body }, kind.bytes)
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
            unsafe { end_hold(chunk, cx.fiber()) };
        }
        // Only here, where the closure is out of the chunk (fork.md K5).
        cx.point_to_end_before();
        (placed.body)(cx);
    }
}

/// One holder less; the last gives the chunk to the worker of `fiber`, the current one (fork.md K6).
///
/// # Safety
///
/// `chunk` was begun by `begin`, and the holder that ends reads it no more.
unsafe fn end_hold(chunk: NonNull<u8>, fiber: &FiberRecord) {
    // SAFETY: by contract; the chunk lives while somebody holds it.
    let header = unsafe { chunk.cast::<Header>().as_ref() };
    // Acquire: pairs with the Release of the other holders, after reading.
    let is_last = header.holders.load(Ordering::Acquire) == 1
        || header.holders.fetch_sub(1, Ordering::AcqRel) == 1;
    if !is_last {
        return;
    }
    // SAFETY: it comes from `into_memory` (`begin`), and nobody holds it.
    let chunk = unsafe { Chunk::from_memory(chunk, header.bytes) };
    if let Some(worker) = fiber.worker() {
        worker.give_chunk(chunk);
    }
}

/// Begins a chunk, with one holder.
fn begin(chunk: Chunk) -> NonNull<u8> {
    let (chunk, bytes) = chunk.into_memory();
    let header = Header {
        bytes,
        holders: AtomicUsize::new(1),
    };
    // SAFETY: ours, aligned, and larger than that.
    unsafe { chunk.cast().write(header) };
    chunk
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

    fn holders(&self) -> &AtomicUsize {
        // SAFETY: written by `begin`; the chunk lives while a stretch of it is left.
        let header = unsafe { self.chunk.cast::<Header>().as_ref() };
        &header.holders
    }

    /// A stretch of one closure, in a chunk of its own.
    pub(crate) fn of<'db, D: 'db, F>(body: F) -> Self
    where
        F: FnOnce(&Cx<'db, D>) + Send,
    {
        // Boxed, so that every closure fits.
        let body = Box::new(body);
        let (placed, bytes) = place(move |cx: &Cx<'db, D>| body(cx));
        let chunk = begin(Chunk::new(FIRST + bytes));
        // SAFETY: inside the chunk.
        let first = unsafe { chunk.add(FIRST) };
        // SAFETY: ours, unused, and aligned, as `FIRST` and chunks are.
        unsafe { first.cast().write(placed) };
        Stretch {
            chunk,
            first: FIRST,
            count: 1,
        }
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
            self.holders().fetch_add(1, Ordering::Relaxed);
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

/// A chunk that closures are written to. [`end`](Self::end) it before it goes.
pub(crate) struct OpenChunk {
    /// Held by this, if there is one.
    chunk: Cell<Option<NonNull<u8>>>,
    /// Where the first closure lies that was not given yet.
    first: Cell<usize>,
    /// Where the next goes.
    fill: Cell<usize>,
    count: Cell<usize>,
}

impl OpenChunk {
    pub(crate) const fn new() -> Self {
        OpenChunk {
            chunk: Cell::new(None),
            first: Cell::new(CHUNK_BYTES),
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
        let (placed, bytes) = place(body);
        let mut full = None;
        let chunk = match self.chunk.get() {
            Some(chunk) if self.fill.get() + bytes <= CHUNK_BYTES => chunk,
            _ => {
                full = self.take_all(fiber);
                self.renew(fiber)
            }
        };
        // SAFETY: inside the chunk, as was just seen to.
        let place = unsafe { chunk.add(self.fill.get()) };
        // SAFETY: as above; this part of the chunk is unused, and only we write to it; `fill` is a
        // multiple of eight, and so is the address of a chunk.
        unsafe { place.cast().write(placed) };
        self.fill.set(self.fill.get() + bytes);
        self.count.set(self.count.get() + 1);
        full
    }

    #[cold]
    fn renew(&self, fiber: &FiberRecord) -> NonNull<u8> {
        let worker = fiber.worker().expect("OS threads run children at once");
        let chunk = begin(worker.take_chunk());
        self.chunk.set(Some(chunk));
        self.first.set(FIRST);
        self.fill.set(FIRST);
        chunk
    }

    /// Gives all closures that were written, none perhaps, and goes on behind them.
    pub(crate) fn take_written(&self) -> Stretch {
        match self.chunk.get() {
            Some(chunk) if !self.is_empty() => {
                let stretch = Stretch {
                    chunk,
                    first: self.first.replace(self.fill.get()),
                    count: self.count.replace(0),
                };
                // Relaxed: the stretch is ours until it is passed on.
                stretch.holders().fetch_add(1, Ordering::Relaxed);
                stretch
            }
            _ => Stretch::EMPTY,
        }
    }

    /// Ends the chunk, on `fiber`, the current one. Gives the closures that were written to it, if
    /// there are any.
    fn take_all(&self, fiber: &FiberRecord) -> Option<Stretch> {
        let chunk = self.chunk.take()?;
        let count = self.count.replace(0);
        if count == 0 {
            // SAFETY: our own hold.
            unsafe { end_hold(chunk, fiber) };
            return None;
        }
        // Our hold goes with it.
        Some(Stretch {
            chunk,
            first: self.first.get(),
            count,
        })
    }

    /// Ends the chunk, from which all closures were taken.
    pub(crate) fn end(&self, fiber: &FiberRecord) {
        let left = self.take_all(fiber);
        debug_assert!(left.is_none(), "closures are left");
    }
}
