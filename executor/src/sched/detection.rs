//! What finding cycles needs at each wait: the lock, and that walks are made. Its twin, `detection_none.rs`, is for
//! measuring what that costs.

use crate::sync::GlobalLock;

/// One lock for the edges of the whole process (graph.md G1).
pub(super) static GRAPH: GlobalLock = GlobalLock::new();

/// Whether who adds an edge walks first (G2).
pub(super) const IS_ON: bool = true;
