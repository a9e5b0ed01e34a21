//! A part of a job that works on another database: the same fiber, another [`Run`](crate::run::Run).

use std::panic::resume_unwind;

use crate::cx::Cx;
use crate::query::database::Database;

impl<'db, D> Cx<'db, D> {
    /// Runs a part of this job on another database, on the same executor and fiber: for a library that keeps a database of
    /// its own, or a provider that needs what another one knows. (A [`run`](crate::Executor::run) inside a job of the same
    /// executor is an error.)
    ///
    /// `body` asks, forks, waits and spawns as anywhere; tasks that it spawns have ended when this returns. One that failed
    /// and that nobody has asked for by then is, as elsewhere, a failure of the [run](crate::Executor::run): a query of the
    /// other database may have spawned it, which is computed for whoever comes first. What is bound by a
    /// [`FiberLocal`](crate::FiberLocal) is seen inside, and what cancels this job cancels `body`. A query that asks for
    /// itself through several databases is a cycle like any other, and an error for fixpoints too: an iteration stays in
    /// its database. (If fixpoint queries of two databases ask for each other in both directions, which of them are members
    /// hangs on the one that is asked first: keep to one direction there.) What is asked of the other database is not part
    /// of the [records](Database::record_all) of this one: its results are to this one like its data, and must not change.
    ///
    /// # Panics
    ///
    /// If `body` does. In the sequential build, if the database belongs to another thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use dagwood::{Cx, Database, Executor, Query};
    ///
    /// /// How often a word stands in the dictionary, a database that many projects share.
    /// #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    /// struct Count(&'static str);
    ///
    /// impl Query<Vec<&'static str>> for Count {
    ///     type Value = usize;
    ///     fn provide(self, cx: &Cx<'_, Vec<&'static str>>) -> usize {
    ///         cx.data().iter().filter(|word| **word == self.0).count()
    ///     }
    /// }
    ///
    /// struct Project<'d> { dictionary: &'d Database<Vec<&'static str>> }
    ///
    /// let executor = Executor::builder().workers(2).build()?;
    /// static WORDS: std::sync::OnceLock<Database<Vec<&'static str>>> = std::sync::OnceLock::new();
    /// let dictionary = WORDS.get_or_init(|| Database::new(vec!["a", "b", "a"]));
    /// # if dagwood::Executor::backends().len() == 1 { return Ok(()) }
    /// let project = Database::new(Project { dictionary });
    /// let count = executor.run(&project, |cx| {
    ///     cx.with_database(cx.data().dictionary, |cx| *cx.get(Count("a")))
    /// })?;
    /// assert_eq!(count, 2);
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    pub fn with_database<'other, E, R>(
        &self,
        database: &'other Database<E>,
        body: impl FnOnce(&Cx<'other, E>) -> R,
    ) -> R
    where
        E: Send + Sync + 'static,
    {
        database.check_thread();
        let fiber = self.fiber();
        self.settle_item();
        if let Some(iteration) = self.run().iteration() {
            iteration.may_wait();
        }
        // SAFETY: this job's run outlives the call.
        let run = unsafe { self.run().beside(database) };
        let around = fiber.enter_region(run.region());
        // SAFETY: this job's fiber, the run and the bindings outlive the call.
        let cx = unsafe { Cx::new(&raw const run, fiber, self.locals()) };
        let result = run.root_beside(self.run(), &cx, body);
        fiber.enter_region(around);
        result.unwrap_or_else(|payload| resume_unwind(payload))
    }
}
