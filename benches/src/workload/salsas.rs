//! The peer `salsa`: the same results as tracked functions, under ids that are ready-made (`salsa`) and under pairs of
//! numbers (`salsa-tuple`).
//!
//! Used by the workloads whose operations are hits and misses. Asks for what is known happen inside a query, so that they
//! record a dependency, as in real use; and the handles of threads are kept apart in memory: a call from outside a query
//! writes to a token beside the handle, and two tokens in one cache line would be charged to salsa.

use std::sync::Arc;

use super::ring::{Dense, Hashed, Key, Ring, chain, flow};

/// A database with the ring that its functions read.
#[salsa::db]
#[derive(Clone)]
pub(super) struct Db {
    storage: salsa::Storage<Self>,
    ring: Arc<Ring>,
    /// The ids, by number; empty if they are not used.
    ids: Arc<Vec<Id>>,
}

/// What the functions see of the database.
#[salsa::db]
pub(super) trait Rings: salsa::Database {
    /// The ring.
    fn ring(&self) -> &Ring;
    /// The id of a number.
    fn id(&self, number: u32) -> Id;
}

#[salsa::db]
impl salsa::Database for Db {}

#[salsa::db]
impl Rings for Db {
    fn ring(&self) -> &Ring {
        &self.ring
    }

    fn id(&self, number: u32) -> Id {
        self.ids[number as usize]
    }
}

/// A key with a ready-made id.
#[salsa::input]
pub(super) struct Id {
    #[returns(copy)]
    number: u32,
}

/// A loop over the ring: a query of its own for each run.
#[salsa::input]
pub(super) struct Walk {
    #[returns(copy)]
    rounds: u32,
    #[returns(copy)]
    is_chain: bool,
    #[returns(copy)]
    has_ids: bool,
    /// Only the first key, again and again.
    #[returns(copy)]
    is_hot: bool,
}

#[salsa::tracked(returns(copy))]
pub(super) fn by_id(db: &dyn Rings, id: Id) -> u64 {
    db.ring().next(id.number(db)).into()
}

#[salsa::tracked(returns(copy))]
pub(super) fn by_pair(db: &dyn Rings, high: u32, low: u32) -> u64 {
    db.ring()
        .compute(Hashed(u64::from(high) << 32 | u64::from(low)))
}

/// Asks by the pair that a spread key is made of.
fn get_pair(db: &dyn Rings, Hashed(key): Hashed) -> u64 {
    by_pair(db, (key >> 32) as u32, key as u32)
}

#[salsa::tracked(returns(copy))]
fn walk(db: &dyn Rings, walk: Walk) -> u64 {
    let ring = db.ring();
    let (rounds, asks) = (
        walk.rounds(db),
        u64::from(walk.rounds(db)) * ring.len() as u64,
    );
    match (walk.has_ids(db), walk.is_chain(db)) {
        (true, true) => chain(
            db.id(0),
            asks,
            |value| db.id(value as u32),
            |id| by_id(db, id),
        ),
        (true, false) => {
            let number = |key: Dense| db.id(key.number());
            let ids: Vec<Id> = keys(ring, walk.is_hot(db))
                .into_iter()
                .map(number)
                .collect();
            flow(&ids, rounds, |id| by_id(db, id))
        }
        (false, true) => chain(Hashed::of(0), asks, Hashed::of_value, |key| {
            get_pair(db, key)
        }),
        (false, false) => flow(&keys(ring, walk.is_hot(db)), rounds, |key| {
            get_pair(db, key)
        }),
    }
}

fn keys<K: Key>(ring: &Ring, is_hot: bool) -> Vec<K> {
    let mut keys = ring.keys();
    if is_hot {
        keys.fill(K::of(0));
    }
    keys
}

/// What a walk does.
#[derive(Copy, Clone, Debug)]
pub(super) struct Plan {
    pub(super) rounds: u32,
    pub(super) is_chain: bool,
    pub(super) has_ids: bool,
    pub(super) is_hot: bool,
}

impl Db {
    /// A database with all ids, if they are to be used, and no results.
    pub(super) fn new(ring: &Arc<Ring>, has_ids: bool) -> Self {
        let mut db = Db {
            storage: salsa::Storage::default(),
            ring: Arc::clone(ring),
            ids: Arc::default(),
        };
        if has_ids {
            let ids = (0..ring.len() as u32)
                .map(|number| Id::new(&db, number))
                .collect();
            db.ids = Arc::new(ids);
        }
        db
    }

    /// Asks for keys on so many threads at once, each for its own part, from outside of any query.
    pub(super) fn ask_on<'k, K: Key>(
        &self,
        threads: usize,
        has_ids: bool,
        part: impl Fn(usize) -> &'k [K] + Sync,
    ) -> Vec<u64> {
        let ask = |db: &Db, number: usize| {
            let keys = part(number);
            if has_ids {
                flow(keys, 1, |key| by_id(db, db.id(key.number())))
            } else {
                flow(keys, 1, |key| get_pair(db, Hashed::of(key.number())))
            }
        };
        self.on_handles(threads, ask)
    }

    /// Walks on so many threads at once.
    pub(super) fn walk_on(&self, threads: usize, plan: Plan) -> Vec<u64> {
        let walk_once = |db: &Db| {
            let Plan {
                rounds,
                is_chain,
                has_ids,
                is_hot,
            } = plan;
            walk(db, Walk::new(db, rounds, is_chain, has_ids, is_hot))
        };
        self.on_handles(threads, |db, _| walk_once(db))
    }

    /// Runs `body` on so many threads at once, each with a handle of its own and its number; on the calling one, if it
    /// is one.
    fn on_handles<R: Send>(&self, threads: usize, body: impl Fn(&Db, usize) -> R + Sync) -> Vec<R> {
        if threads == 1 {
            return vec![body(self, 0)];
        }
        let handles = apart(self, threads);
        let body = &body;
        std::thread::scope(|scope| {
            let start =
                |(number, (db, _)): (usize, (Db, Gap))| scope.spawn(move || body(&db, number));
            let threads: Vec<_> = handles.into_iter().enumerate().map(start).collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, R>| match thread.join() {
                Ok(result) => result,
                Err(payload) => std::panic::resume_unwind(payload),
            };
            threads.into_iter().map(join).collect()
        })
    }
}

/// What is allocated between two handles.
type Gap = Box<[u8; 1024]>;

/// Handles whose tokens lie in different cache lines.
fn apart(db: &Db, count: usize) -> Vec<(Db, Gap)> {
    (0..count)
        .map(|_| (db.clone(), Box::new([0; 1024])))
        .collect()
}
