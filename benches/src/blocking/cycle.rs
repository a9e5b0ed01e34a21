//! The search for a cycle among blocked queries, as rustc's: depth first, from each query that is
//! waited for to those that cannot end before it.
//!
//! Used by the census, when nobody can go on. It must not know why.

use std::fmt::Debug;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::active::{Active, Waiter};

/// A cycle among the blocked queries, in words.
pub(super) fn among<K: Debug>(waiters: &[Arc<Waiter<K>>]) -> Option<String> {
    let mut search = Search {
        waiters,
        seen: FxHashMap::default(),
    };
    let walk = waiters.iter().find_map(|waiter| search.from(&waiter.on))?;
    // Each is followed by one that needs it: backwards, by one that it needs.
    let backwards = walk.iter().rev().chain(walk.last());
    let names: Vec<_> = backwards.map(|query| format!("{:?}", query.key)).collect();
    Some(format!("a cycle of queries: {}", names.join(" asks ")))
}

struct Search<'a, K> {
    waiters: &'a [Arc<Waiter<K>>],
    seen: FxHashMap<*const Active<K>, Seen>,
}

#[derive(Copy, Clone, PartialEq)]
enum Seen {
    OnPath,
    Done,
}

/// A query on the path, and those after it that have not been looked at.
struct Step<K> {
    query: Arc<Active<K>>,
    rest: Vec<Arc<Active<K>>>,
}

impl<K> Search<'_, K> {
    /// The cycle into which the way from `first` leads. A loop, since callers nest by the thousand.
    fn from(&mut self, first: &Arc<Active<K>>) -> Option<Vec<Arc<Active<K>>>> {
        let mut path: Vec<Step<K>> = Vec::new();
        let mut next = Some(Arc::clone(first));
        loop {
            if let Some(query) = next.take() {
                match self.seen.get(&Arc::as_ptr(&query)) {
                    Some(Seen::Done) => {}
                    Some(Seen::OnPath) => {
                        let is_start = |step: &Step<K>| Arc::ptr_eq(&step.query, &query);
                        let start = path.iter().position(is_start)?;
                        return Some(path.drain(start..).map(|step| step.query).collect());
                    }
                    None => {
                        self.seen.insert(Arc::as_ptr(&query), Seen::OnPath);
                        let rest = self.dependents(&query);
                        path.push(Step { query, rest });
                    }
                }
            }
            let step = path.last_mut()?;
            next = step.rest.pop();
            if next.is_none() {
                self.seen.insert(Arc::as_ptr(&step.query), Seen::Done);
                path.pop();
            }
        }
    }

    /// Who cannot end before the query does: its caller, and who waits for it.
    fn dependents(&self, query: &Arc<Active<K>>) -> Vec<Arc<Active<K>>> {
        let waiting = (self.waiters.iter())
            .filter(|waiter| Arc::ptr_eq(&waiter.on, query))
            .filter_map(|waiter| waiter.query.clone());
        query.parent.iter().cloned().chain(waiting).collect()
    }
}
