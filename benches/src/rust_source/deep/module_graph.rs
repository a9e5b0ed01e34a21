//! Which modules of a crate use which, and the cycles among them.
//!
//! Asked by `checks`, `facts` and pages. A module uses another if its code or its imports lead to something declared
//! there.

use dagwood::{Cx, Query};

use super::links::LinksOf;
use crate::rust_source::{
    module_tree::{CrateId, ModulesOf},
    sources::Sources,
};

/// The graph of a crate's modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ModuleGraphOf(pub(crate) CrateId);

/// For each module those that it uses, each with the first place.
#[derive(Default)]
pub(crate) struct ModuleGraph {
    pub(crate) uses: Vec<Vec<Use>>,
    /// Sets of modules that all reach each other, of two at least; each in order, and they by their first.
    pub(crate) cycles: Vec<Vec<u32>>,
}

/// A module that is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Use {
    pub(crate) module: u32,
    pub(crate) offset: u32,
}

impl Query<Sources> for ModuleGraphOf {
    type Value = ModuleGraph;

    fn provide(self, cx: &Cx<'_, Sources>) -> ModuleGraph {
        let modules = cx.get(ModulesOf(self.0)).modules.len() as u32;
        let uses = cx.par_map(0..modules as usize, |cx, module| {
            let module = module as u32;
            let links = cx.get(LinksOf {
                krate: self.0,
                module,
            });
            let mut uses: Vec<Use> = links
                .links
                .iter()
                .filter(|link| !matches!(link.def, super::scopes::Def::Module(_)))
                .filter_map(|link| {
                    let used = link.def.module()?;
                    (used != module).then_some(Use {
                        module: used,
                        offset: link.offset,
                    })
                })
                .collect();
            uses.sort();
            uses.dedup_by_key(|used| used.module);
            uses
        });
        let edges: Vec<Vec<u32>> = uses
            .iter()
            .map(|uses| uses.iter().map(|used| used.module).collect())
            .collect();
        ModuleGraph {
            uses,
            cycles: cycles(&edges),
        }
    }
}

/// Strongly connected sets of two and more, by Tarjan's algorithm with a stack of its own.
pub(crate) fn cycles(edges: &[Vec<u32>]) -> Vec<Vec<u32>> {
    const NEW: u32 = u32::MAX;
    let (mut number, mut low) = (vec![NEW; edges.len()], vec![NEW; edges.len()]);
    let mut is_open = vec![false; edges.len()];
    let (mut open, mut next, mut found) = (Vec::new(), 0, Vec::new());
    for start in 0..edges.len() as u32 {
        let mut path = vec![(start, 0)];
        while let Some((node, edge)) = path.pop() {
            let i = node as usize;
            if edge == 0 {
                if number[i] != NEW {
                    continue;
                }
                (number[i], low[i]) = (next, next);
                next += 1;
                is_open[i] = true;
                open.push(node);
            } else {
                // Back from an edge.
                let to = edges[i][edge - 1] as usize;
                if is_open[to] {
                    low[i] = low[i].min(low[to]);
                }
            }
            if let Some(&to) = edges[i].get(edge) {
                path.push((node, edge + 1));
                if number[to as usize] == NEW {
                    path.push((to, 0));
                }
            } else if low[i] == number[i] {
                let mut set = Vec::new();
                while let Some(member) = open.pop() {
                    is_open[member as usize] = false;
                    set.push(member);
                    if member == node {
                        break;
                    }
                }
                if set.len() > 1 {
                    set.sort_unstable();
                    found.push(set);
                }
            }
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::cycles;

    #[test]
    fn cycles_are_found_whole_and_in_order() {
        // 0 -> 1 -> 2 -> 1, 3 -> 3, 4 <-> 5 -> 0
        let edges = [vec![1], vec![2], vec![1], vec![3], vec![5], vec![4, 0]];
        assert_eq!(cycles(&edges), [vec![1, 2], vec![4, 5]]);
    }

    #[test]
    fn a_long_circle_needs_no_stack() {
        let len = 100_000;
        let edges: Vec<Vec<u32>> = (0..len).map(|i| vec![(i + 1) % len]).collect();
        assert_eq!(cycles(&edges)[0].len(), len as usize);
    }
}
