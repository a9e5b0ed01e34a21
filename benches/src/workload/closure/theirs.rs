//! `closure` on `salsa`, by its fixpoint iteration.
//!
//! Used by `closure.rs`. Apart from it since salsa's macros make items of their own.

use std::sync::Arc;

use super::graph::{Graph, Set};

/// Its queries call each other as deep as the graph goes.
const STACK_BYTES: usize = 4 << 30;

/// A database with the graph.
#[salsa::db]
#[derive(Clone)]
struct Db {
    storage: salsa::Storage<Self>,
    graph: Arc<Graph>,
    /// The ids of the nodes.
    ids: Arc<Vec<Id>>,
}

#[salsa::db]
trait Graphs: salsa::Database {
    fn graph(&self) -> &Graph;
    fn id(&self, node: u32) -> Id;
}

#[salsa::db]
impl salsa::Database for Db {}

#[salsa::db]
impl Graphs for Db {
    fn graph(&self) -> &Graph {
        &self.graph
    }

    fn id(&self, node: u32) -> Id {
        self.ids[node as usize]
    }
}

/// A node with a ready-made id.
#[salsa::input]
struct Id {
    #[returns(copy)]
    node: u32,
}

#[salsa::tracked(returns(ref), cycle_initial = nothing)]
fn reached(db: &dyn Graphs, id: Id) -> Set {
    let ask = |node| reached(db, db.id(node));
    db.graph().reached(id.node(db), ask)
}

fn nothing(_: &dyn Graphs, _: salsa::Id, _: Id) -> Set {
    Set::default()
}

/// The sum over all nodes, on a thread with a stack that is deep enough.
pub(super) fn sum(graph: &Arc<Graph>) -> u64 {
    let graph = Arc::clone(graph);
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    let thread = thread.spawn(move || {
        let mut db = Db {
            storage: salsa::Storage::default(),
            graph,
            ids: Arc::default(),
        };
        let nodes = 0..db.graph.len() as u32;
        db.ids = Arc::new(nodes.clone().map(|node| Id::new(&db, node)).collect());
        Graph::sum(nodes.map(|node| reached(&db, db.id(node)).len()))
    });
    let thread = thread.expect("a thread can be started");
    match thread.join() {
        Ok(sum) => sum,
        Err(payload) => std::panic::resume_unwind(payload),
    }
}
