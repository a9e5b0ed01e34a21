//! What a worker does otherwise if its pool has hooks: it calls them, on the fiber that leaves its thread, or has come back.
//!
//! A fiber that leaves is listed already for what it waits for, so a hook must not be its code: while a hook runs, what
//! runs is the OS thread, whose record says that it does not wait. So a wait is refused, what forks is done at once, and a
//! lock that is taken is the thread's.

use std::panic::Location;

use super::Worker;
use crate::hooks::Call;
use crate::sched::fiber::{FiberRecord, Left, set_current};
use crate::sched::holder;
use crate::sched::seeded::Seeded;

/// Calls hooks as the OS thread, which has the turn if there is a schedule.
struct AsThread<'s>(Option<&'s Seeded>);

impl Call for AsThread<'_> {
    fn call(&self, place: &'static Location<'static>, hook: &mut dyn FnMut()) {
        let abort = AbortOnUnwind { place };
        let thread = holder::of_thread();
        let fiber = set_current(thread);
        let call = || thread.without_suspending(place, hook);
        match self.0 {
            Some(seeded) => seeded.as_base(call),
            None => call(),
        }
        set_current(fiber);
        std::mem::forget(abort);
    }
}

/// A panic of a hook ends the process: in what state the thread-locals are nobody knows, and the fiber is on its way.
struct AbortOnUnwind {
    place: &'static Location<'static>,
}

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        eprintln!(
            "dagwood: a suspend hook, given at {}, panicked; aborting",
            self.place
        );
        std::process::abort();
    }
}

impl Worker {
    /// Switches to the base as [`switch_to_base`](Self::switch_to_base), with the pool's hooks around it. The
    /// fiber may come back on another worker's thread (moving.md M8): the hooks are the pool's.
    #[cold]
    pub(super) fn switch_with_hooks(&self, record: &FiberRecord, left: Left) {
        let hooks = self.pool().hooks();
        hooks.around(&AsThread(self.pool().seeded()), &mut || {
            self.switch_to_base(record, left);
        });
    }
}
