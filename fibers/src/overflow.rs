//! What happens when a stack overflows: the guard's fault is told in words, and the process dies by its signal.
//!
//! Used by the scheduler, which says what runs, and by `region.rs`, which says where guards are. On Linux only;
//! its twin is `overflow_none.rs`. Knows no query.
//!
//! The handler runs on the thread that faulted, on an alternate stack. A fault elsewhere than in a guard of ours
//! goes to the handler that was there before, untouched: std's, with its own message for its threads' guards, or
//! the embedder's. After a message of ours, too, that one is called: std's lets the process die by the signal.

use std::cell::Cell;
use std::fmt::{self, Write};
use std::io;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use crate::mechanism::system::signal::{self, AlternateStack, Chain, Fault, Stderr};
use crate::mechanism::region::Layout;

/// How long the text that may hang (it may allocate, or lock) may take, in seconds.
const PATIENCE_S: u32 = 2;

/// Says what runs on the calling thread, when its stack has overflowed.
#[derive(Copy, Clone, Debug)]
pub struct Witness {
    /// Names it. Called first, in a signal handler: it must not allocate, lock, panic, nor call foreign code.
    pub name: fn(&mut dyn Write) -> fmt::Result,
    /// The lowest address of the stack that it runs on, as far as is known, else zero. For what is no stack of a pool:
    /// a [`Segment`](crate::Segment). Called as `name` is.
    pub bottom: fn() -> usize,
    /// Says more. Called after the name is out, and may do what it likes: it is cut off after two seconds.
    pub detail: fn(&mut dyn Write) -> fmt::Result,
}

static WITNESS: OnceLock<Witness> = OnceLock::new();

/// From now on an overflow of a stack of this process's pools is reported on stderr, with the words of the first
/// witness, before the process dies by its signal. There is no way back.
///
/// Takes the signals `SIGSEGV` and `SIGBUS`; faults elsewhere go to the handlers that are there now. Does nothing on
/// systems other than Linux.
///
/// # Errors
///
/// The system refuses the handler.
pub fn report_overflows(witness: Witness) -> io::Result<()> {
    static INSTALLED: OnceLock<Result<(), i32>> = OnceLock::new();
    let _ = WITNESS.set(witness);
    let installed = INSTALLED.get_or_init(|| {
        signal::catch_faults(on_fault).map_err(|error| error.raw_os_error().unwrap_or(0))
    });
    installed.map_err(io::Error::from_raw_os_error)
}

thread_local! {
    /// Where this thread's own stack ends: the guard below it is std's or the system's.
    static OWN_LIMIT: Cell<usize> = const { Cell::new(0) };
    /// Whether handlers have room here for more than a name.
    static HAS_FAULT_STACK: Cell<bool> = const { Cell::new(false) };
}

/// For a thread that runs fibers: as long as it lives, the handler has a stack to run on there. Belongs to the
/// thread that made it.
#[derive(Debug)]
pub struct FaultStack {
    _stack: AlternateStack,
}

impl FaultStack {
    /// Gives the calling thread an alternate signal stack, until the value is dropped.
    ///
    /// # Errors
    ///
    /// The system gives no memory for it.
    pub fn install() -> io::Result<FaultStack> {
        let _stack = AlternateStack::install()?;
        HAS_FAULT_STACK.set(true);
        Ok(FaultStack { _stack })
    }
}

impl Drop for FaultStack {
    fn drop(&mut self) {
        HAS_FAULT_STACK.set(false);
    }
}

/// The next overflow of the calling thread's own stack, whose guard is not of our making, is reported with the
/// witness's name for what runs, before the handler that was there deals with it. Needs an alternate stack, which
/// std gives its threads.
pub fn watch_own_stack() {
    if OWN_LIMIT.get() == 0 {
        OWN_LIMIT.set(signal::own_stack_limit().unwrap_or(1));
    }
}

/// Where the slots of a region are: what the handler can read. Never freed, but used again.
struct Entry {
    is_used: AtomicBool,
    /// Zero while it says nothing. Published last and withdrawn first.
    bytes: AtomicUsize,
    start: AtomicUsize,
    slot_bytes: AtomicUsize,
    guard_bytes: AtomicUsize,
    next: *const Entry,
}

// SAFETY: `next` is written before the entry is shared, and points at one that is never freed.
unsafe impl Sync for Entry {}

static ENTRIES: AtomicPtr<Entry> = AtomicPtr::new(ptr::null_mut());

fn entries() -> impl Iterator<Item = &'static Entry> {
    // Acquire: pairs with the Release in `new_entry`.
    let mut next = ENTRIES.load(Ordering::Acquire).cast_const();
    std::iter::from_fn(move || {
        // SAFETY: null or an entry, none of which is ever freed.
        let entry = unsafe { next.as_ref() }?;
        next = entry.next;
        Some(entry)
    })
}

/// A place in the list, new or left by a region that is gone.
fn claim_entry() -> &'static Entry {
    let is_free = |entry: &&Entry| !entry.is_used.swap(true, Ordering::Acquire);
    entries().find(is_free).unwrap_or_else(new_entry)
}

fn new_entry() -> &'static Entry {
    let entry = Box::leak(Box::new(Entry {
        is_used: AtomicBool::new(true),
        bytes: AtomicUsize::new(0),
        start: AtomicUsize::new(0),
        slot_bytes: AtomicUsize::new(0),
        guard_bytes: AtomicUsize::new(0),
        next: ENTRIES.load(Ordering::Acquire),
    }));
    // Release: the entry's fields, to `entries`.
    while let Err(now) = ENTRIES.compare_exchange(
        entry.next.cast_mut(),
        entry,
        Ordering::Release,
        Ordering::Acquire,
    ) {
        entry.next = now;
    }
    entry
}

/// A region whose guards the handler knows.
pub(crate) struct Watch(&'static Entry);

impl Watch {
    pub(crate) fn new(start: usize, bytes: usize, layout: Layout) -> Watch {
        let entry = claim_entry();
        entry.start.store(start, Ordering::Relaxed);
        entry
            .slot_bytes
            .store(layout.slot_bytes, Ordering::Relaxed);
        entry
            .guard_bytes
            .store(layout.guard_bytes, Ordering::Relaxed);
        // Release: pairs with the Acquire in `hit`.
        entry.bytes.store(bytes, Ordering::Release);
        Watch(entry)
    }

    /// The region is about to go.
    pub(crate) fn end(&self) {
        self.0.bytes.store(0, Ordering::Release);
        // Release: pairs with the Acquire in `claim_entry`.
        self.0.is_used.store(false, Ordering::Release);
    }
}

/// The size of the stack whose guard lies at this address, if one does.
fn hit(address: usize) -> Option<usize> {
    entries().find_map(|entry| {
        // Acquire: pairs with the Release in `Watch::new`. A region that a thread runs on stays while it does, so
        // what another thread changes here meanwhile is not about this address.
        let bytes = entry.bytes.load(Ordering::Acquire);
        let offset = address.checked_sub(entry.start.load(Ordering::Relaxed))?;
        let slot_bytes = entry.slot_bytes.load(Ordering::Relaxed);
        let guard_bytes = entry.guard_bytes.load(Ordering::Relaxed);
        let in_slot = offset.checked_rem(slot_bytes)?;
        (offset < bytes && in_slot < guard_bytes).then(|| slot_bytes - guard_bytes)
    })
}

/// A stack, as the handler knows it.
#[derive(Copy, Clone)]
enum Kind {
    /// Of a pool, with so many bytes.
    Fibers(usize),
    /// A segment.
    Further,
    /// The calling thread's own.
    Own,
}

/// Which stack's guard lies at this address, if one's does.
fn kind_of(address: usize) -> Option<Kind> {
    if let Some(stack_bytes) = hit(address) {
        return Some(Kind::Fibers(stack_bytes));
    }
    if hits_own_guard(address) {
        return Some(Kind::Own);
    }
    hits_segments_guard(address).then_some(Kind::Further)
}

/// How far below a segment's end its overflow may hit: a guard is a page, and an end may be rounded to one. (Nothing
/// else lies there: a segment is larger, and so farther away.)
const SEGMENT_GUARD_BYTES: usize = 128 << 10;

fn hits_segments_guard(address: usize) -> bool {
    let bottom = WITNESS.get().map_or(0, |witness| (witness.bottom)());
    (bottom.saturating_sub(SEGMENT_GUARD_BYTES)..bottom).contains(&address)
}

/// How far below its stack's end a thread's own overflow may hit: the usual guards, and what probes of large frames
/// jump over.
const OWN_GUARD_BYTES: usize = 1 << 20;

/// Whether the address is just past the end of the calling thread's own stack.
fn hits_own_guard(address: usize) -> bool {
    let limit = OWN_LIMIT.get();
    // One page above it belongs to the guard on some versions of glibc.
    limit > 1 && (limit.saturating_sub(OWN_GUARD_BYTES)..limit + 4096).contains(&address)
}

/// The handler. Async-signal-safe until the name is out.
fn on_fault(fault: &Fault) -> Chain {
    /// Which thread reports; the others wait for the end.
    static REPORTER: AtomicUsize = AtomicUsize::new(0);
    let Some(kind) = kind_of(fault.address()) else {
        return Chain::Previous;
    };
    let me = signal::thread_number();
    match REPORTER.compare_exchange(0, me, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => (),
        // Whoever was called after the report has returned, and we are here again.
        Err(reporter) if reporter == me => return Chain::Die,
        Err(_) => signal::wait_for_the_end(),
    }
    let _ = say_name(kind, fault.address());
    if HAS_FAULT_STACK.get() {
        signal::with_deadline(PATIENCE_S, || {
            if let Some(witness) = WITNESS.get() {
                let _ = (witness.detail)(&mut Stderr);
            }
        });
    }
    Chain::Previous
}

fn say_name(kind: Kind, address: usize) -> fmt::Result {
    let mut line = Line::new();
    line.write_str("\ndagwood: stack overflow in ")?;
    match WITNESS.get() {
        Some(witness) => (witness.name)(&mut line)?,
        None => line.write_str("a fiber")?,
    }
    match kind {
        Kind::Fibers(bytes) => write!(line, " (its fiber's stack has {bytes} bytes")?,
        Kind::Further => line.write_str(" (on a segment of stack")?,
        Kind::Own => line.write_str(" (on a thread's own stack")?,
    }
    writeln!(line, "; at {address:#x})")
}

/// A line that is written as a whole, or in pieces if it is long.
struct Line {
    bytes: [u8; 512],
    length: usize,
}

impl Line {
    fn new() -> Self {
        Line {
            bytes: [0; 512],
            length: 0,
        }
    }

    fn flush(&mut self) {
        signal::write_stderr(&self.bytes[..self.length]);
        self.length = 0;
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            if self.length == self.bytes.len() {
                self.flush();
            }
            self.bytes[self.length] = byte;
            self.length += 1;
            if byte == b'\n' && self.length > 1 {
                self.flush();
            }
        }
        Ok(())
    }
}
