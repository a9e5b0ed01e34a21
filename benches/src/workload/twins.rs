//! `par-sum` and kin, as the parent of the twins knows them (`crate::twins`): what they do stands in `benches/rayon-patched`.

use super::{Job, Loaded, Request, Setup};
use crate::failure::Failure;

/// What is known of it here.
struct Sizes {
    size: u64,
    ops: u64,
}

/// One operation for each item.
pub(super) fn load(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    let (size, ops) = (request.size, request.size);
    Ok(Box::new(Sizes { size, ops }))
}

/// The joins of fib(size).
pub(super) fn load_joins(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    let size = request.size;
    let (ops, _) = (1..size).fold((0, 0), |(of_n, of_less), _| (1 + of_n + of_less, of_n));
    Ok(Box::new(Sizes { size, ops }))
}

impl Loaded for Sizes {
    fn size(&self) -> u64 {
        self.size
    }

    fn ops(&self) -> u64 {
        self.ops
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        Err(format!("{} is another program", setup.engine))
    }
}
