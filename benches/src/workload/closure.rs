//! `closure`: how many nodes of a graph with large cycles each node reaches, by queries that ask for a fixpoint.
//!
//! Each node is a query whose value is the set of what it reaches, from the sets of those that it asks for. The same by
//! `salsa`, whose queries iterate, too, with the same sets; and by Tarjan's algorithm and unions of sets, component by
//! component (`tarjan`), which says what is right.

mod graph;
mod theirs;

use std::sync::Arc;

use dagwood::{Cx, Database, Executor, Fixpoint, Query, Storage};

use super::job::cannot_run;
use super::{Job, Loaded, Number, Request, Setup};
use crate::engine::Engine;
use crate::failure::Failure;
use graph::{Graph, Set};

struct Closure {
    graph: Arc<Graph>,
}

/// What a node reaches.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
struct Reached(u32);

impl Query<Arc<Graph>> for Reached {
    type Value = Set;
    const STORAGE: Storage<Self> = Storage::Dense {
        index: |key| key.0 as usize,
        key: |index| Reached(index as u32),
    };
    const FIXPOINT: Option<Fixpoint<Self, Set>> = Some(Fixpoint::new(|_| Set::default()));

    fn provide(self, cx: &Cx<'_, Arc<Graph>>) -> Set {
        let ask = |node| cx.get(Reached(node));
        cx.data().reached(self.0, ask)
    }
}

fn ours(executor: &Executor, graph: &Arc<Graph>) -> Result<u64, dagwood::Error> {
    let db = Database::new(Arc::clone(graph));
    executor.run(&db, |cx| {
        let nodes = 0..graph.len() as u32;
        let sizes = cx.par_map(nodes, |cx, node| cx.get(Reached(node)).len());
        Graph::sum(sizes.into_iter())
    })
}

/// Makes the graph of that many nodes.
pub(super) fn load(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    let size = usize::try_from(request.size)
        .map_err(|_| Failure::Usage(format!("--size {} is too large", request.size)))?;
    let graph = Arc::new(Graph::new(size));
    Ok(Box::new(Closure { graph }))
}

impl Loaded for Closure {
    fn size(&self) -> u64 {
        self.graph.len() as u64
    }

    fn ops(&self) -> u64 {
        self.graph.len() as u64
    }

    fn known_checksum(&self) -> Option<String> {
        let (sizes, _) = self.graph.sizes_by_components();
        Some(Graph::sum(sizes.into_iter()).to_string())
    }

    fn input_text(&self) -> Option<String> {
        let (_, largest) = self.graph.sizes_by_components();
        Some(format!(
            "{} nodes, {} edges, the largest strongly connected set {largest}",
            self.graph.len(),
            self.graph.edge_count()
        ))
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        let graph = &self.graph;
        let answer = move |value| Number {
            label: format!("closures of {} nodes", graph.len()),
            value,
        };
        match setup.engine {
            Engine::Fibers | Engine::Threads | Engine::Sequential => {
                Job::on_executor(setup, None, move |executor| {
                    ours(executor, graph).map(answer)
                })
            }
            Engine::Salsa => Ok(Job::other(move || answer(theirs::sum(graph)))),
            Engine::Tarjan => Ok(Job::other(move || {
                let (sizes, _) = graph.sizes_by_components();
                answer(Graph::sum(sizes.into_iter()))
            })),
            other => Err(cannot_run(other)),
        }
    }
}
