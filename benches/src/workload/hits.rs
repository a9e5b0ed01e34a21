//! `hit-hashed`, `hit-dense`, their chains, `hit-recorded` and `hot-key`: asks for what is known.
//!
//! Everything is computed before the first timed run. Each worker makes all asks of a run, over the same keys: with two
//! workers a run has twice the asks, and takes as long as with one if they do not disturb each other. The figures are by
//! ask of one worker.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use dagwood::{Backend, Cx, Database, Executor, Query};

use super::memo_engines::{OnMemoEngines, plus};
use super::memos::{Memo, Plain, on_threads};
use super::ring::{Dense, Hashed, Key, Ring, chain, flow};
use super::salsas::{Db, Plan};
use super::{Job, Loaded, Number, Request, Setup};
use crate::engine::Kind;
use crate::failure::Failure;

/// So many asks a worker and run, about.
const ASKS: u64 = 1 << 22;

/// The most rounds: a run over few keys is a short one.
const ROUNDS_MAX: u64 = 1 << 12;

/// In what order keys are asked for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Shape {
    /// Shuffled; asks may overlap.
    Flow,
    /// Each key is the result before.
    Chain,
    /// One key.
    Hot,
}

struct Hits<K> {
    ring: Arc<Ring>,
    keys: Vec<K>,
    rounds: u32,
    shape: Shape,
}

fn load<K: Key>(request: &Request, shape: Shape) -> Result<Box<dyn Loaded>, Failure> {
    Ok(Box::new(hits::<K>(request, shape)?))
}

fn hits<K: Key>(request: &Request, shape: Shape) -> Result<Hits<K>, Failure> {
    let len = u32::try_from(request.size)
        .map_err(|_| Failure::Usage(format!("--size {} is too large", request.size)))?;
    let ring = Arc::new(Ring::new(len));
    let mut keys = ring.keys();
    if shape == Shape::Hot {
        keys.fill(K::of(0));
    }
    Ok(Hits {
        rounds: (ASKS / u64::from(len)).clamp(1, ROUNDS_MAX) as u32,
        ring,
        keys,
        shape,
    })
}

pub(super) fn load_hashed(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    load::<Hashed>(request, Shape::Flow)
}

pub(super) fn load_hashed_chain(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    load::<Hashed>(request, Shape::Chain)
}

pub(super) fn load_dense(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    load::<Dense>(request, Shape::Flow)
}

pub(super) fn load_dense_chain(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    load::<Dense>(request, Shape::Chain)
}

pub(super) fn load_hot(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    load::<Hashed>(request, Shape::Hot)
}

pub(super) fn load_recorded(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    Ok(Box::new(Recorded(hits(request, Shape::Flow)?)))
}

impl<K: Key> Hits<K> {
    fn asks(&self) -> u64 {
        u64::from(self.rounds) * self.keys.len() as u64
    }

    /// The loop that all engines share.
    #[inline]
    fn walk(&self, get: impl FnMut(K) -> u64) -> u64 {
        match self.shape {
            Shape::Chain => chain(K::of(0), self.asks(), K::of_value, get),
            Shape::Flow | Shape::Hot => flow(&self.keys, self.rounds, get),
        }
    }

    fn fill(&self, memo: &impl Memo<K>) {
        for key in self.ring.keys() {
            memo.ask(key, || self.ring.compute(key));
        }
    }
}

impl<K: Key> OnMemoEngines<K> for Hits<K> {
    fn ours(&self, setup: Setup) -> Result<Job<'_>, String> {
        let db = Database::new(Arc::clone(&self.ring));
        fill::<_, K>(&db, &self.keys)?;
        Job::on_executor(setup, None, move |executor| {
            let walk = |cx: &Cx<'_, Arc<Ring>>| self.walk(|key| *cx.get(key));
            executor.run(&db, |cx| agreed(cx.broadcast(|cx, _| walk(cx))))
        })
    }

    fn with_plain(&self) -> Job<'_> {
        let memo = Plain::default();
        self.fill(&memo);
        Job::other(move || agreed(vec![self.walk(|key| memo.get(&key).unwrap_or_default())]))
    }

    fn with_memo<M: Memo<K> + Sync + 'static>(&self, workers: usize) -> Job<'_> {
        let memo = M::default();
        self.fill(&memo);
        Job::other(move || {
            let get = |key| memo.get(&key).unwrap_or_default();
            agreed(on_threads(workers, |_| self.walk(get)))
        })
    }

    fn with_salsa(&self, workers: usize, has_ids: bool) -> Job<'_> {
        let db = Db::new(&self.ring, has_ids);
        db.ask_on(1, has_ids, |_| self.keys.as_slice());
        let plan = Plan {
            rounds: self.rounds,
            is_chain: self.shape == Shape::Chain,
            has_ids,
            is_hot: self.shape == Shape::Hot,
        };
        let offset = self.offset_of_salsa(has_ids);
        Job::other(move || plus(agreed(db.walk_on(workers, plan)), offset))
    }

    fn sum<R: Key>(&self) -> u64 {
        match self.shape {
            Shape::Hot => self.ring.compute(R::of(0)).wrapping_mul(self.asks()),
            _ => self.ring.sum::<R>().wrapping_mul(self.rounds.into()),
        }
    }
}

/// Computes everything, on an executor of its own.
fn fill<D, K>(db: &Database<D>, keys: &[K]) -> Result<(), String>
where
    D: Send + Sync + 'static,
    K: Query<D, Value = u64> + Copy,
{
    let executor = Executor::builder().backend(Backend::Sequential).build();
    let ask = |cx: &Cx<'_, D>| flow(keys, 1, |key| *cx.get(key));
    let filled = executor.and_then(|executor| executor.run(db, ask));
    filled.map(|_| ()).map_err(|error| error.to_string())
}

impl<K: Key> Loaded for Hits<K> {
    fn size(&self) -> u64 {
        self.keys.len() as u64
    }

    fn ops(&self) -> u64 {
        self.asks()
    }

    fn known_checksum(&self) -> Option<String> {
        Some(self.sum::<K>().to_string())
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        self.on(setup)
    }
}

/// What `hit-recorded` reads.
struct Book {
    ring: Arc<Ring>,
    keys: Vec<Hashed>,
    rounds: u32,
}

impl Query<Book> for Hashed {
    type Value = u64;

    fn provide(self, cx: &Cx<'_, Book>) -> u64 {
        cx.data().ring.compute(self)
    }
}

/// One walk of one worker, which records all its asks.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
struct Walk {
    run: u64,
    worker: usize,
}

impl Query<Book> for Walk {
    type Value = u64;

    fn provide(self, cx: &Cx<'_, Book>) -> u64 {
        let book = cx.data();
        flow(&book.keys, book.rounds, |key| *cx.get(key))
    }
}

/// `hit-hashed`, but by a query that records what it asks, as salsa's do anyway.
struct Recorded(Hits<Hashed>);

impl Loaded for Recorded {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn ops(&self) -> u64 {
        self.0.ops()
    }

    fn known_checksum(&self) -> Option<String> {
        self.0.known_checksum()
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        if !matches!(setup.engine.kind(), Kind::Ours(_)) {
            return self.0.job(setup);
        }
        let hits = &self.0;
        let book = Book {
            ring: Arc::clone(&hits.ring),
            keys: hits.keys.clone(),
            rounds: hits.rounds,
        };
        let fresh = Rc::new(RefCell::new(Database::new(book).record_all()));
        let db = Rc::clone(&fresh);
        let mut run = 0;
        let job = Job::on_executor(setup, None, move |executor| {
            run += 1;
            let walk = |cx: &Cx<'_, Book>, worker| *cx.get(Walk { run, worker });
            executor.run(&db.borrow(), |cx| agreed(cx.broadcast(walk)))
        })?;
        // The records of the last run go, and what it recorded is asked for again.
        Ok(job.prepared_by(move || {
            let mut db = fresh.borrow_mut();
            db.forget();
            if let Err(error) = fill(&db, &hits.keys) {
                panic!("{error}");
            }
        }))
    }
}

const LABEL: &str = "sum of the results";

/// The number that all workers found.
fn agreed(sums: Vec<u64>) -> Number {
    assert!(
        sums.iter().all(|sum| *sum == sums[0]),
        "workers differ: {sums:?}"
    );
    Number {
        label: LABEL.to_owned(),
        value: sums[0],
    }
}
