//! The threads that fibers run on: made on demand, kept when a fiber has finished, joined at the end.
//!
//! Used by `fiber.rs`. It knows nothing of a body but that it is called.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, Builder, JoinHandle};

use crate::baton::Baton;
use crate::fiber::Suspender;

/// How many idle threads a pool keeps. Each costs some ten KiB, and a new one about as much time as
/// ten switches.
const IDLE_MAX: usize = 64;

/// Threads of one stack size, reused last in, first out. At most 64 idle ones are kept; others end.
///
/// One worker uses a pool at a time; it may move to another thread in between. Dropping it ends its idle
/// threads and joins them.
pub struct StackPool {
    stack_bytes: usize,
    created: usize,
    /// How many of them it has ended.
    ended: usize,
    /// How many it has at the most (`limit_threads`).
    threads_max: usize,
    idle: Vec<FiberThread>,
}

impl StackPool {
    /// An empty pool; its threads will have stacks of at least `stack_bytes` bytes. The system may have a
    /// larger minimum.
    pub fn new(stack_bytes: usize) -> StackPool {
        StackPool {
            stack_bytes,
            created: 0,
            ended: 0,
            threads_max: usize::MAX,
            idle: Vec::new(),
        }
    }

    /// The stack size asked for, in bytes.
    pub fn stack_bytes(&self) -> usize {
        self.stack_bytes
    }

    /// How many threads this pool has made so far.
    pub fn created(&self) -> usize {
        self.created
    }

    /// How many idle threads wait in the pool.
    pub fn cached(&self) -> usize {
        self.idle.len()
    }

    /// For tests of exhaustion: no further thread is made while the pool has `max`, as if the system
    /// refused.
    #[doc(hidden)]
    pub fn limit_threads(&mut self, max: usize) {
        self.threads_max = max;
    }

    /// An idle thread, the one that came back last, or a new one.
    pub(crate) fn take(&mut self) -> io::Result<FiberThread> {
        if let Some(thread) = self.idle.pop() {
            return Ok(thread);
        }
        if self.created.saturating_sub(self.ended) >= self.threads_max {
            let message = "no further thread (a limit that a test has set)";
            return Err(io::Error::new(io::ErrorKind::WouldBlock, message));
        }
        let thread = FiberThread::spawn(self.stack_bytes)?;
        self.created += 1;
        Ok(thread)
    }

    /// Keeps an idle thread for the next fiber, or ends it: if there are enough, or if it belongs to
    /// pools of another size.
    pub(crate) fn put_back(&mut self, thread: FiberThread) {
        if thread.stack_bytes != self.stack_bytes {
            return;
        }
        if self.idle.len() < IDLE_MAX {
            self.idle.push(thread);
        } else {
            self.ended += 1;
        }
    }
}

impl Drop for StackPool {
    fn drop(&mut self) {
        // All are told before the first is waited for.
        for thread in &self.idle {
            thread.baton.end();
        }
    }
}

/// One thread that runs bodies one after another, called as the one that made it. Dropping it ends the thread, which must be idle.
pub(crate) struct FiberThread {
    baton: Arc<Baton>,
    stack_bytes: usize,
    /// `None` only while it is dropped.
    handle: Option<JoinHandle<()>>,
}

impl FiberThread {
    fn spawn(stack_bytes: usize) -> io::Result<FiberThread> {
        let baton = Arc::new(Baton::new());
        let maker = thread::current();
        let handle = Builder::new()
            .name(maker.name().unwrap_or("dagwood-fiber").to_owned())
            .stack_size(stack_bytes)
            .spawn({
                let baton = Arc::clone(&baton);
                move || run_bodies(baton)
            })?;
        Ok(FiberThread {
            baton,
            stack_bytes,
            handle: Some(handle),
        })
    }

    pub(crate) fn baton(&self) -> &Baton {
        &self.baton
    }
}

impl Drop for FiberThread {
    fn drop(&mut self) {
        self.baton.end();
        if let Some(handle) = self.handle.take() {
            // An error would be a panic of `run_bodies` itself, or of a thread-local's destructor; a
            // destructor has nobody to tell.
            let _ = handle.join();
        }
    }
}

/// The thread's main function.
fn run_bodies(baton: Arc<Baton>) {
    let suspender = Suspender::new(Arc::clone(&baton));
    while let Some(body) = baton.next_body() {
        let result = catch_unwind(AssertUnwindSafe(|| body(&suspender)));
        baton.finish(result);
    }
}
