//! The database: a user's data and the tables of all its queries.

use std::ptr;

use super::Query;
use super::iteration::Wanted;
use super::record::{Asked, Steps};
use super::slot::Slot;
use super::table::{Measured, Table};
use super::types::Types;
use crate::plant;
use crate::sched::crowd::Crowd;
use crate::sync::{Mutex, ThreadBound};

/// What queries read (`D`), and all their results so far.
///
/// Results live as long as the database and are handed out by reference. Any number of executors
/// may run on one database at once; each query is still computed once.
///
/// In the sequential build (neither `fibers` nor `threads`) a database can be used only on the
/// thread that made it.
///
/// # How results end
///
/// Keys and values are dropped with the database, or when it [forgets](Self::forget) them, by the
/// thread that does that, in no order that means anything. Where none of a query type's keys and
/// values has a destructor, no time is spent on them. Values that hold each other in a long chain
/// (each an `Arc` of the result before it, say) need a `Drop` that does not recur, as a linked list
/// does anywhere. If a destructor panics, that panic goes on, and what was not dropped yet stays in
/// memory.
///
/// On Linux large tables of hashed keys leave their memory to those of the process's next databases:
/// at most 128 MiB (16 MiB with addresses of 32 bits). The system may take it back when it is short
/// of memory; it counts where addresses are limited.
///
/// # Examples
///
/// ```
/// let db = dagwood::Database::new(vec!["a", "b"]);
/// assert_eq!(db.data().len(), 2);
/// ```
#[repr(C)]
pub struct Database<D> {
    /// First, so that it is where the database is: a hit looks there.
    types: Types<D>,
    data: D,
    /// Whether each query records what it asks.
    is_recording: bool,
    /// Claimed while an iteration is under way: one at a time (cycle.md X1).
    gate: Slot<()>,
    /// What those who wait for the gate want.
    wanted: Mutex<Vec<Wanted<D>>>,
    /// Those who wait for the gate.
    crowd: Crowd,
    pub(crate) bound: ThreadBound,
}

/// The memory that the results of one query type take; from [`Database::memory`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueryMemory {
    /// The name of the type.
    pub query: &'static str,
    /// How many results are ready.
    pub ready: usize,
    /// The bytes that its tables take, with the keys and values in them, places for more, and
    /// records; without what keys, values and errors own on the heap. (Of places for
    /// more the system gives memory when they are used.)
    pub bytes: usize,
}

impl QueryMemory {
    /// The bytes for each ready result; `None` if there is none.
    pub fn bytes_per_result(&self) -> Option<f64> {
        (self.ready > 0).then(|| self.bytes as f64 / self.ready as f64)
    }
}

impl<D> Database<D> {
    /// A database without results.
    pub fn new(data: D) -> Self {
        Database {
            data,
            types: Types::new(),
            is_recording: false,
            gate: Slot::empty(),
            wanted: Mutex::new(Vec::new()),
            crowd: Crowd::new(),
            bound: ThreadBound::new(),
        }
    }

    /// The same database, without results so far, in which each query records what it asks for, to
    /// be read by [`record`](Self::record). An ask then costs a few nanoseconds more, and 16 bytes
    /// for as long as the result is there.
    pub fn record_all(mut self) -> Self {
        self.forget();
        self.is_recording = true;
        self
    }

    /// Forgets all results.
    pub fn forget(&mut self) {
        if plant::is("kept_results") {
            return;
        }
        *self.wanted.lock() = Vec::new();
        self.types.free();
    }

    /// The user's data.
    pub fn data(&self) -> &D {
        &self.data
    }

    /// Forgets the results and gives the data back, for instance to change it and to make a new
    /// database.
    pub fn into_data(mut self) -> D {
        self.forget();
        // SAFETY: `self` is forgotten below, so the data is moved out once.
        let data = unsafe { ptr::read(&raw const self.data) };
        std::mem::forget(self);
        data
    }

    /// What the results take, by query type, the largest first. Counts them: takes a while in a
    /// large database. What is being computed meanwhile may be counted or not.
    ///
    /// # Examples
    ///
    /// ```
    /// # use dagwood::{Cx, Database, Executor, Query};
    /// #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    /// struct Square(u64);
    ///
    /// impl Query<()> for Square {
    ///     type Value = u64;
    ///     fn provide(self, _: &Cx<'_, ()>) -> u64 {
    ///         self.0 * self.0
    ///     }
    /// }
    ///
    /// let executor = Executor::builder().workers(1).build()?;
    /// let db = Database::new(());
    /// executor.run(&db, |cx| (0..1000).for_each(|i| assert_eq!(*cx.get(Square(i)), i * i)))?;
    /// let memory = db.memory();
    /// assert_eq!(memory[0].ready, 1000);
    /// assert!(memory[0].bytes_per_result().unwrap() < 200.0);
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// In the sequential build: if the database belongs to another thread.
    pub fn memory(&self) -> Vec<QueryMemory> {
        self.check_thread();
        let measured = self.types.heads().map(|head| {
            // SAFETY: the head of a living table.
            let Measured {
                query,
                ready,
                bytes,
            } = unsafe { (head.measure)(head) };
            QueryMemory {
                query,
                ready,
                bytes,
            }
        });
        let mut memory: Vec<QueryMemory> = measured.collect();
        memory.sort_by(|a, b| b.bytes.cmp(&a.bytes).then(a.query.cmp(b.query)));
        memory
    }

    pub(crate) fn check_thread(&self) {
        assert!(
            self.bound.is_here(),
            "the sequential build uses a database only on the thread that made it"
        );
    }

    /// What no other living database has: the address of a field that is the library's own. (That of the database may
    /// be its data's, too.)
    pub(crate) fn identity(&self) -> usize {
        ptr::from_ref(&self.types).addr()
    }

    /// Those who wait for the gate.
    pub(super) fn crowd(&self) -> &Crowd {
        &self.crowd
    }

    /// What those who wait for the gate want.
    pub(super) fn wanted(&self) -> &Mutex<Vec<Wanted<D>>> {
        &self.wanted
    }

    /// Whose claim an iteration has.
    pub(super) fn gate(&self) -> &Slot<()> {
        &self.gate
    }

    /// Whether queries record what they ask.
    pub(crate) fn is_recording(&self) -> bool {
        self.is_recording
    }
}

impl<D: 'static> Database<D> {
    /// The table of a query type. One load, one compare, when few types share the list.
    #[inline]
    pub(crate) fn table<Q: Query<D>>(&self) -> &Table<Q, D> {
        self.types.table()
    }

    /// What the provider of a query asked for, in program order; `None` if the query is not ready,
    /// or was not recorded ([`record_all`](Self::record_all)).
    ///
    /// The order, and which asks stand in which branch, is a function of the program: the same for
    /// every backend, worker count and schedule ([`Step`](crate::Step) has the details).
    ///
    /// # Examples
    ///
    /// ```
    /// # use dagwood::{Cx, Database, Executor, Query, Step};
    /// #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    /// struct Leaf(u32);
    /// #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    /// struct Top;
    ///
    /// impl Query<()> for Leaf {
    ///     type Value = u32;
    ///     fn provide(self, _: &Cx<'_, ()>) -> u32 { self.0 }
    /// }
    /// impl Query<()> for Top {
    ///     type Value = u32;
    ///     fn provide(self, cx: &Cx<'_, ()>) -> u32 {
    ///         let (a, b) = cx.join(|cx| *cx.get(Leaf(1)), |cx| *cx.get(Leaf(2)));
    ///         a + b + *cx.get(Leaf(3))
    ///     }
    /// }
    ///
    /// let db = Database::new(()).record_all();
    /// Executor::builder().workers(2).build()?.run(&db, |cx| *cx.get(Top))?;
    /// let steps = db.record(&Top).unwrap();
    /// assert_eq!(format!("{steps:?}"), "[{[Leaf(1)] | [Leaf(2)]}, Leaf(3)]");
    /// # let Step::Ask(last) = &steps[1] else { panic!() };
    /// assert_eq!(last.key::<Leaf>(), Some(Leaf(3)));
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// In the sequential build: if the database belongs to another thread.
    pub fn record<Q: Query<D>>(&self, query: &Q) -> Option<Steps<'_, D>> {
        self.check_thread();
        let table = self.types.known_table::<Q>()?;
        let slot = table.find(Table::place(query), query)?;
        if !self.is_recording || !slot.is_ready() {
            return None;
        }
        Some(Asked::steps_of(self, slot.record()))
    }
}

impl<D: std::fmt::Debug> std::fmt::Debug for Database<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("data", &self.data)
            .finish_non_exhaustive()
    }
}
