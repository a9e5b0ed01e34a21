//! `par-sum` and kin, as the parent of the twins knows them (`crate::twins`): what they do stands in `benches/rayon-patched`.

use super::{Job, Loaded, Request, Setup};
use crate::failure::Failure;

/// So many operations.
struct Loop(u64);

pub(super) fn load(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    Ok(Box::new(Loop(request.size)))
}

impl Loaded for Loop {
    fn size(&self) -> u64 {
        self.0
    }

    fn ops(&self) -> u64 {
        self.0
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        Err(format!("{} is another program", setup.engine))
    }
}
