//! `rust-source`: the front end over real Rust source, as a workload; and `rust-deep`, the same in depth.
//!
//! The front end itself is `crate::rust_source`; here is only what the harness needs of it.

use super::job::cannot_run;
use super::{Answer, Job, Loaded, Request, Setup};
use crate::engine::Engine;
use crate::failure::Failure;
use crate::format;
use crate::rust_source::deep::{self, Deep};
use crate::rust_source::{Analysis, Input, analyse};

struct RustSource {
    input: Input,
    size: u64,
    is_deep: bool,
}

/// Finds the source; `--size` counts only where no directory is given.
pub(super) fn load(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    loaded(request, false)
}

/// The same input, for the job in depth.
pub(super) fn load_deep(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    loaded(request, true)
}

fn loaded(request: &Request, is_deep: bool) -> Result<Box<dyn Loaded>, Failure> {
    let lines = usize::try_from(request.size).unwrap_or(usize::MAX);
    let input = Input::discover(request.input.as_deref(), lines)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let size = match request.input {
        Some(_) => input.lines(),
        None => request.size,
    };
    Ok(Box::new(RustSource {
        input,
        size,
        is_deep,
    }))
}

impl Answer for Analysis {
    fn checksum(&self) -> String {
        Analysis::checksum(self)
    }

    fn text(&self) -> String {
        self.render()
    }
}

impl Answer for Deep {
    fn checksum(&self) -> String {
        Deep::checksum(self)
    }

    fn text(&self) -> String {
        self.text.clone()
    }
}

impl Loaded for RustSource {
    fn size(&self) -> u64 {
        self.size
    }

    fn ops(&self) -> u64 {
        self.input.lines()
    }

    fn input_digest(&self) -> Option<&str> {
        Some(self.input.digest())
    }

    fn input_text(&self) -> Option<String> {
        Some(std::format!(
            "{} lines in {} files, {}, digest {}",
            format::count(self.input.lines()),
            format::count(self.input.files() as u64),
            format::bytes(self.input.bytes()),
            self.input.digest()
        ))
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        match setup.engine {
            Engine::Fibers | Engine::Threads | Engine::Sequential if self.is_deep => {
                Job::on_executor(setup, None, move |executor| {
                    let wanted = deep::Wanted::default();
                    deep::analyse(executor, &self.input, &wanted, &deep::Progress::default())
                })
            }
            Engine::Fibers | Engine::Threads | Engine::Sequential => {
                Job::on_executor(setup, None, move |executor| analyse(executor, &self.input))
            }
            other => Err(cannot_run(other)),
        }
    }
}
