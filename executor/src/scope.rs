//! Scopes: spawned closures that may borrow, all of which end before the scope does.

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::Arc;

use crate::cx::Cx;
use crate::error::Error;
use crate::local::{Binding, bind, lookup};
use crate::run::Run;
use crate::sched::graph;
use crate::spawned::{SendPtr, SpawnedJob, TaskCell, make_child, start_or_publish};
use crate::sync::{AtomicUsize, Mutex, Ordering};

/// Where closures that borrow from outside the scope are spawned; made by [`Cx::scope`].
pub struct Scope<'scope, 'env: 'scope, 'db: 'env, D> {
    /// What children run in: not the spawner's own, which may be gone before they start.
    run: SendPtr<Run<'db, D>>,
    locals: SendPtr<Binding>,
    children: Mutex<Vec<Child>>,
    root: Spawner,
    /// Both lifetimes are the caller's own, neither longer nor shorter.
    lifetimes: PhantomData<Exactly<'scope, 'env, 'db, D>>,
}

/// The lifetimes as they are, neither shortened nor lengthened.
type Exactly<'scope, 'env, 'db, D> = (
    fn(&'scope ()) -> &'scope (),
    fn(&'env ()) -> &'env (),
    fn(&'db D) -> &'db D,
);

/// A spawned closure of a scope.
struct Child {
    job: Arc<SpawnedJob>,
    cell: Arc<TaskCell<()>>,
    path: Path,
}

/// A place in the order of spawning: the index at the scope, then the index among that child's own,
/// and so on.
type Path = Vec<usize>;

/// Who spawns into a scope: its body or one of its children.
struct Spawner {
    path: Path,
    spawned: AtomicUsize,
}

impl Spawner {
    fn new(path: Path) -> Self {
        Spawner {
            path,
            spawned: AtomicUsize::new(0),
        }
    }

    fn next_path(&self) -> Path {
        let mut path = self.path.clone();
        path.push(self.spawned.fetch_add(1, Ordering::Relaxed));
        path
    }
}

impl<'scope, 'env, 'db: 'env, D: 'static> Scope<'scope, 'env, 'db, D> {
    /// Starts a closure that ends before the scope does.
    ///
    /// `cx` is the context at hand, of the scope's body, of a child, or of a branch of theirs. On
    /// the sequential backend the child runs to its end right here. With one worker, children start
    /// in the order of spawning once the body has ended (if the body waits before, they start
    /// meanwhile, the last first).
    ///
    /// The child sees the [`FiberLocal`](crate::FiberLocal)s that were bound around the scope, not
    /// those bound inside it.
    ///
    /// # Panics
    ///
    /// If `cx` belongs to another `run` than the scope.
    #[track_caller]
    pub fn spawn<F>(&'scope self, cx: &Cx<'db, D>, body: F)
    where
        F: FnOnce(&Cx<'db, D>) + Send + 'scope,
    {
        assert!(
            ptr::eq(cx.run(), self.run.0),
            "a scope's child was spawned with the `Cx` of another `run`"
        );
        // SAFETY: what this scope is bound to is a `Spawner` (`Cx::scope` and below), which
        // outlives its contexts.
        let spawner = lookup(cx, self.key())
            .map_or(&self.root, |spawner| unsafe { &*spawner.cast::<Spawner>() });
        let path = spawner.next_path();
        let cell = TaskCell::new(false, Location::caller());
        let own = Spawner::new(path.clone());
        let key = SendPtr(self.key());
        let with_spawner = move |cx: &Cx<'db, D>| {
            let key = key;
            bind(cx, key.0, (&raw const own).cast(), body);
        };
        // SAFETY: `'scope`, the run and the bindings around the scope last until `Cx::scope`
        // returns, which waits for the cell of every child on the list.
        let job = unsafe { make_child(self.run, self.locals, &cell, with_spawner) };
        let child = Child {
            job: Arc::clone(&job),
            cell,
            path,
        };
        self.children.lock().push(child);
        start_or_publish(cx, &job);
    }

    fn key(&self) -> *const () {
        ptr::from_ref(self).cast()
    }

    /// Waits for all children, generation by generation in the order of spawning, and gives the
    /// first failure in that order. Children that nobody has started run here.
    fn finish(&self, cx: &Cx<'db, D>) -> Option<Error> {
        let mut failure = None;
        loop {
            let mut children = self.take_generation();
            if children.is_empty() {
                return failure;
            }
            children.sort_by(|a, b| a.path.cmp(&b.path));
            for child in children {
                let fiber = cx.fiber();
                let cycle = if child.job.run_if_first(fiber) {
                    child.cell.cycle_of_waiter(fiber)
                } else {
                    graph::wait_for_child(fiber, &child.cell.awaited)
                };
                let result = child.cell.result().expect("the wait is over");
                failure = failure.or(cycle).or_else(|| result.as_ref().err().cloned());
            }
        }
    }

    /// The children of the oldest generation that is left. All of its members are there: those who
    /// could spawn more of them have ended.
    fn take_generation(&self) -> Vec<Child> {
        let mut children = self.children.lock();
        let depth = children.iter().map(|child| child.path.len()).min();
        let (oldest, younger) = children
            .drain(..)
            .partition(|child| Some(child.path.len()) == depth);
        *children = younger;
        oldest
    }
}

impl<'db, D: 'static> Cx<'db, D> {
    /// Runs a closure that may spawn others which borrow from outside of it, and waits for all of
    /// them.
    ///
    /// # Panics
    ///
    /// If the closure or a child panics, all others still run to their end; then the panic goes on:
    /// the closure's own, else that of the first child in the order of spawning (children of
    /// children come after all children; those that concurrent branches of one child spawn come in
    /// the order of their arrival).
    ///
    /// # Examples
    ///
    /// ```
    /// # let executor = dagwood::Executor::builder().workers(2).build()?;
    /// # let db = dagwood::Database::new(());
    /// fn squares(cx: &dagwood::Cx<'_, ()>) -> [usize; 4] {
    ///     let mut squares = [0; 4];
    ///     cx.scope(|cx, scope| {
    ///         for (i, square) in squares.iter_mut().enumerate() {
    ///             scope.spawn(cx, move |_| *square = i * i);
    ///         }
    ///     });
    ///     squares
    /// }
    /// assert_eq!(executor.run(&db, squares)?, [0, 1, 4, 9]);
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    pub fn scope<'env, F, T>(&self, body: F) -> T
    where
        'db: 'env,
        F: for<'scope> FnOnce(&Cx<'db, D>, &'scope Scope<'scope, 'env, 'db, D>) -> T,
    {
        let scope = Scope {
            run: SendPtr(self.run()),
            locals: SendPtr(self.locals()),
            children: Mutex::new(Vec::new()),
            root: Spawner::new(Path::new()),
            lifetimes: PhantomData,
        };
        let key = ptr::from_ref(&scope).cast();
        let result = catch_unwind(AssertUnwindSafe(|| {
            bind(self, key, (&raw const scope.root).cast(), |cx| {
                body(cx, &scope)
            })
        }));
        let failure = scope.finish(self);
        match (result, failure) {
            (Err(payload), _) => resume_unwind(payload),
            (Ok(_), Some(error)) => error.propagate(),
            (Ok(value), None) => value,
        }
    }
}
