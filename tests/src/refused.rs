//! What must not compile, each beside a twin that does, so that it fails for the reason it names.
//!
//! A `Cx` stays with its job: it is not `Send` and not `Sync`.
//!
//! ```compile_fail,E0277
//! fn needs<T: Send>() {}
//! needs::<dagwood::Cx<'static, ()>>();
//! ```
//!
//! ```compile_fail,E0277
//! fn needs<T: Sync>() {}
//! needs::<dagwood::Cx<'static, ()>>();
//! ```
//!
//! ```
//! fn needs<T: Send + Sync>() {}
//! needs::<dagwood::Database<()>>();
//! needs::<dagwood::Executor>();
//! needs::<dagwood::Error>();
//! needs::<dagwood::Task<'static, ()>>();
//! needs::<dagwood::Event<()>>();
//! ```
//!
//! The outer `cx` cannot be used in a branch of a join:
//!
//! ```compile_fail,E0277
//! fn body(cx: &dagwood::Cx<'_, u32>) {
//!     cx.join(|_| (), |_| cx.data());
//! }
//! ```
//!
//! ```
//! fn body(cx: &dagwood::Cx<'_, u32>) {
//!     cx.join(|_| (), |cx| cx.data());
//! }
//! ```
//!
//! nor in a child of a scope:
//!
//! ```compile_fail,E0277
//! fn body(cx: &dagwood::Cx<'_, u32>) {
//!     cx.scope(|_, scope| scope.spawn(cx, |_| drop(cx.data())));
//! }
//! ```
//!
//! ```
//! fn body(cx: &dagwood::Cx<'_, u32>) {
//!     cx.scope(|cx, scope| scope.spawn(cx, |cx| drop(cx.data())));
//! }
//! ```
//!
//! nor in a task:
//!
//! ```compile_fail,E0277
//! fn body<'db>(cx: &'db dagwood::Cx<'db, u32>) {
//!     cx.spawn(|_| drop(cx.data()));
//! }
//! ```
//!
//! ```
//! fn body<'db>(cx: &'db dagwood::Cx<'db, u32>) {
//!     cx.spawn(|cx| drop(cx.data()));
//! }
//! ```
//!
//! nor in an item of a parallel loop:
//!
//! ```compile_fail,E0277
//! fn body(cx: &dagwood::Cx<'_, u32>) {
//!     cx.par_for_each(0..9_usize, |_, _| drop(cx.data()));
//! }
//! ```
//!
//! ```
//! fn body(cx: &dagwood::Cx<'_, u32>) {
//!     cx.par_for_each(0..9_usize, |cx, _| drop(cx.data()));
//! }
//! ```
//!
//! A child of a scope borrows nothing that ends before the scope does:
//!
//! ```compile_fail,E0373
//! fn body(cx: &dagwood::Cx<'_, u32>) {
//!     cx.scope(|cx, scope| {
//!         let inside = 1;
//!         scope.spawn(cx, |_| assert_eq!(inside, 1));
//!     });
//! }
//! ```
//!
//! ```
//! fn body(cx: &dagwood::Cx<'_, u32>) {
//!     let outside = 1;
//!     cx.scope(|cx, scope| {
//!         scope.spawn(cx, |_| assert_eq!(outside, 1));
//!     });
//! }
//! ```
//!
//! and a scope does not leave its call:
//!
//! ```compile_fail,E0521
//! fn body(cx: &dagwood::Cx<'_, u32>) {
//!     let mut kept = None;
//!     cx.scope(|_, scope| kept = Some(scope));
//! }
//! ```
//!
//! ```
//! fn body(cx: &dagwood::Cx<'_, u32>) {
//!     let mut kept = None;
//!     cx.scope(|_, _| kept = Some(1));
//! }
//! ```
//!
//! A task borrows nothing that ends before the database does:
//!
//! ```compile_fail,E0373
//! fn body(cx: &dagwood::Cx<'_, u32>) {
//!     let local = 1;
//!     let task = cx.spawn(|_| assert_eq!(local, 1));
//!     task.wait(cx);
//! }
//! ```
//!
//! ```
//! fn body(cx: &dagwood::Cx<'_, u32>) {
//!     let local = 1;
//!     let task = cx.spawn(move |_| assert_eq!(local, 1));
//!     task.wait(cx);
//! }
//! ```
//!
//! What a query gives is seen by many threads, so it is `Sync`; and `Send`, since any thread may drop it:
//!
//! ```compile_fail,E0277
//! #[derive(Clone, Debug, PartialEq, Eq, Hash)]
//! struct Cellular;
//! impl dagwood::Query<()> for Cellular {
//!     type Value = std::cell::Cell<u32>;
//!     fn provide(self, _: &dagwood::Cx<'_, ()>) -> Self::Value {
//!         Default::default()
//!     }
//! }
//! ```
//!
//! ```compile_fail,E0277
//! #[derive(Clone, Debug, PartialEq, Eq, Hash)]
//! struct Counted;
//! impl dagwood::Query<()> for Counted {
//!     type Value = std::rc::Rc<u32>;
//!     fn provide(self, _: &dagwood::Cx<'_, ()>) -> Self::Value {
//!         Default::default()
//!     }
//! }
//! ```
//!
//! ```
//! #[derive(Clone, Debug, PartialEq, Eq, Hash)]
//! struct Counted;
//! impl dagwood::Query<()> for Counted {
//!     type Value = std::sync::Arc<u32>;
//!     fn provide(self, _: &dagwood::Cx<'_, ()>) -> Self::Value {
//!         Default::default()
//!     }
//! }
//! ```
//!
//! A result does not outlive its database:
//!
//! ```compile_fail,E0505
//! fn body(executor: &dagwood::Executor, db: dagwood::Database<u32>) {
//!     let data = executor.run(&db, |cx| cx.data());
//!     drop(db);
//!     drop(data);
//! }
//! ```
//!
//! ```
//! fn body(executor: &dagwood::Executor, db: dagwood::Database<u32>) {
//!     let data = executor.run(&db, |cx| cx.data());
//!     drop(data);
//!     drop(db);
//! }
//! ```
//!
//! nor does it stay when its database forgets it, nor the steps of a record:
//!
//! ```compile_fail,E0502
//! fn body(mut db: dagwood::Database<u32>, executor: &dagwood::Executor) {
//!     let data = executor.run(&db, |cx| cx.data());
//!     db.forget();
//!     drop(data);
//! }
//! ```
//!
//! ```compile_fail,E0502
//! fn body<Q: dagwood::Query<u32>>(mut db: dagwood::Database<u32>, query: Q) {
//!     let steps = db.record(&query);
//!     db.forget();
//!     drop(steps);
//! }
//! ```
//!
//! ```
//! fn body<Q: dagwood::Query<u32>>(mut db: dagwood::Database<u32>, query: Q) {
//!     let steps = db.record(&query);
//!     drop(steps);
//!     db.forget();
//! }
//! ```
//!
//! A value that is bound to a thread does not leave a branch:
//!
//! ```compile_fail,E0277
//! fn body(cx: &dagwood::Cx<'_, u32>) {
//!     cx.join(|_| (), |_| std::rc::Rc::new(1));
//! }
//! ```
//!
//! ```
//! fn body(cx: &dagwood::Cx<'_, u32>) {
//!     cx.join(|_| (), |_| std::sync::Arc::new(1));
//! }
//! ```
