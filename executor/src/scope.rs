//! Scopes: spawned closures that may borrow, all of which end before the scope does.

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;

use crate::children::Children;
use crate::cx::Cx;
use crate::local::lookup;

/// Where closures that borrow from outside the scope are spawned; made by [`Cx::scope`].
pub struct Scope<'scope, 'env: 'scope, 'db: 'env, D> {
    /// Those of the fiber that opened the scope.
    children: Children<'db, D>,
    /// Both lifetimes are the caller's own, neither longer nor shorter.
    lifetimes: PhantomData<Exactly<'scope, 'env, 'db, D>>,
}

/// The lifetimes as they are, neither shortened nor lengthened.
type Exactly<'scope, 'env, 'db, D> = (
    fn(&'scope ()) -> &'scope (),
    fn(&'env ()) -> &'env (),
    fn(&'db D) -> &'db D,
);

impl<'scope, 'env, 'db: 'env, D: 'static> Scope<'scope, 'env, 'db, D> {
    /// Starts a closure that ends before the scope does.
    ///
    /// `cx` is the context at hand, of the scope's body, of a child, or of a branch of theirs. On
    /// the sequential backend the child runs to its end right here. With one worker, children start
    /// in the order of spawning, those that a child spawns right after it, once the body has ended.
    /// (While the body or a child waits, those that are there start in that order; but if it comes
    /// back before all of them have started, and waits again, those of the later wait go first.)
    ///
    /// The child sees the [`FiberLocal`](crate::FiberLocal)s that were bound around the scope, not
    /// those bound inside it.
    ///
    /// # Panics
    ///
    /// If `cx` belongs to another `run` than the scope.
    #[inline]
    pub fn spawn<F>(&'scope self, cx: &Cx<'db, D>, body: F)
    where
        F: FnOnce(&Cx<'db, D>) + Send + 'scope,
    {
        assert!(
            ptr::eq(cx.run(), self.children.plan().run),
            "a scope's child was spawned with the `Cx` of another `run`"
        );
        // SAFETY: what this scope is bound to are `Children` (`Children::with_spawner`), which
        // outlive the contexts that they are bound in.
        let children = lookup(cx, self.children.plan().key)
            .map_or(&self.children, |children| unsafe { &*children.cast() });
        // SAFETY: `'scope` lasts until `Cx::scope` returns, which waits for every child.
        unsafe { children.spawn(cx, body) };
    }
}

impl<'db, D: 'static> Cx<'db, D> {
    /// Runs a closure that may spawn others which borrow from outside of it, and waits for all of
    /// them.
    ///
    /// # Panics
    ///
    /// If the closure or a child panics, all others still run to their end; then the panic goes on:
    /// the closure's own, else that of the first child in program order (what a child spawns
    /// comes right after it; what concurrent branches of one child spawn, in the order of arrival).
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
        // Its address is the scope's identity.
        let key = 0_u8;
        if self.is_deep(&raw const key) {
            return self.deeper(|| self.scope(body));
        }
        self.settle_item();
        let level = self.note_fork();
        let scope = Scope {
            children: Children::of_scope(self, (&raw const key).cast(), level),
            lifetimes: PhantomData,
        };
        let scope = &scope;
        let run = |cx: &Cx<'db, D>| catch_unwind(AssertUnwindSafe(|| body(cx, scope)));
        // SAFETY: the closure does not unwind; `finish` follows; what children borrow lives for
        // `'scope`, which lasts until this returns.
        let result = unsafe { scope.children.with_spawner(self, run) };
        let failure = scope.children.finish(self);
        self.note_join(level);
        match (result, failure) {
            (Err(payload), _) => resume_unwind(payload),
            (Ok(_), Some(error)) => error.propagate(),
            (Ok(value), None) => value,
        }
    }
}
