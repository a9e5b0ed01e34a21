//! How a pool's threads are started: by us, or by a spawn handler.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;

use dagwood::raw::Member;

use super::Registry;

/// A thread to be, for a [spawn handler](crate::ThreadPoolBuilder::spawn_handler): it calls [`run`](Self::run) on it.
pub struct ThreadBuilder {
    name: Option<String>,
    stack_size: Option<usize>,
    index: usize,
    registry: Arc<Registry>,
    member: Member,
}

impl ThreadBuilder {
    pub(super) fn new(
        name: Option<String>,
        stack_size: Option<usize>,
        index: usize,
        registry: Arc<Registry>,
        member: Member,
    ) -> Self {
        ThreadBuilder {
            name,
            stack_size,
            index,
            registry,
            member,
        }
    }

    /// Which worker of the pool it is, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// What [`ThreadPoolBuilder::thread_name`](crate::ThreadPoolBuilder::thread_name) gave for it.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// What [`ThreadPoolBuilder::stack_size`](crate::ThreadPoolBuilder::stack_size) said, in bytes. The stacks on which
    /// jobs run have this size already; the thread itself needs little.
    pub fn stack_size(&self) -> Option<usize> {
        self.stack_size
    }

    /// Works, on the calling thread, until the pool has been dropped and all that was spawned has ended.
    pub fn run(self) {
        assert!(
            !super::is_in_a_job(),
            "a job cannot be the thread of a worker"
        );
        self.member.run();
        self.registry.stopped.count_down();
    }
}

impl fmt::Debug for ThreadBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadBuilder")
            .field("index", &self.index)
            .field("name", &self.name)
            .field("stack_size", &self.stack_size)
            .finish_non_exhaustive()
    }
}

/// Starts threads. Public by name only: it stands in a bound.
pub trait ThreadSpawn {
    /// Starts a thread that calls `thread.run()`.
    ///
    /// # Errors
    ///
    /// There is none to be had.
    fn spawn(&mut self, thread: ThreadBuilder) -> io::Result<()>;
}

/// Starts plain threads.
#[derive(Debug, Default)]
pub struct DefaultSpawn;

impl ThreadSpawn for DefaultSpawn {
    fn spawn(&mut self, thread: ThreadBuilder) -> io::Result<()> {
        let mut builder = thread::Builder::new();
        if let Some(name) = thread.name() {
            builder = builder.name(name.to_owned());
        }
        builder.spawn(|| thread.run())?;
        Ok(())
    }
}

/// Asks a spawn handler.
#[derive(Debug)]
pub struct CustomSpawn<F>(F);

impl<F> CustomSpawn<F> {
    pub(crate) fn new(spawn: F) -> Self {
        CustomSpawn(spawn)
    }
}

impl<F> ThreadSpawn for CustomSpawn<F>
where
    F: FnMut(ThreadBuilder) -> io::Result<()>,
{
    fn spawn(&mut self, thread: ThreadBuilder) -> io::Result<()> {
        (self.0)(thread)
    }
}
