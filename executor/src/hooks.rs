//! Hooks of an embedder, around each suspension of a fiber: for thread-locals of its own.
//!
//! Made by the builder, run by workers. Knows no fiber, and nothing of what the hooks do.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// The hooks of an executor, the first given first.
#[derive(Clone, Default)]
pub(crate) struct Hooks(Vec<Arc<dyn Around>>);

/// A pair of hooks.
trait Around: Send + Sync {
    /// Calls one, then `suspend`, which returns when the fiber is back, then the other. `call` runs each of them.
    fn around(&self, call: &dyn Call, suspend: &mut dyn FnMut());
}

/// How a hook is called: where it can do no harm.
pub(crate) trait Call {
    /// Calls `hook`, which was given at `place`, and which returns.
    fn call(&self, place: &'static Location<'static>, hook: &mut dyn FnMut());
}

struct Pair<L, R> {
    leave: L,
    come_back: R,
    place: &'static Location<'static>,
}

impl<T, L, R> Around for Pair<L, R>
where
    L: Fn() -> T + Send + Sync,
    R: Fn(T) + Send + Sync,
{
    fn around(&self, call: &dyn Call, suspend: &mut dyn FnMut()) {
        // What is kept lies here, on the fiber's own stack.
        let mut kept = None;
        call.call(self.place, &mut || kept = Some((self.leave)()));
        suspend();
        call.call(self.place, &mut || {
            kept.take().into_iter().for_each(&self.come_back);
        });
    }
}

impl Hooks {
    /// Adds a pair, which was given at `place`: inside those that are there.
    pub(crate) fn add<T: 'static>(
        &mut self,
        place: &'static Location<'static>,
        leave: impl Fn() -> T + Send + Sync + 'static,
        come_back: impl Fn(T) + Send + Sync + 'static,
    ) {
        self.0.push(Arc::new(Pair {
            leave,
            come_back,
            place,
        }));
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Calls `suspend` with all hooks around it.
    pub(crate) fn around(&self, call: &dyn Call, suspend: &mut dyn FnMut()) {
        around(&self.0, call, suspend);
    }
}

fn around(hooks: &[Arc<dyn Around>], call: &dyn Call, suspend: &mut dyn FnMut()) {
    match hooks.split_first() {
        Some((first, rest)) => first.around(call, &mut || around(rest, call, suspend)),
        None => suspend(),
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hooks").field(&self.0.len()).finish()
    }
}
