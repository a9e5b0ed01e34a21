//! What is said of a fiber whose stack has overflowed: which query runs on it.
//!
//! Called by the signal handler of `dagwood-fibers`, on the thread that runs the fiber.

use std::fmt::{self, Write};

use dagwood_fibers::{Witness, report_overflows};

use super::fiber::{FiberRecord, current, without_runs};
use super::graph::Frame;
use super::room::reserve_bytes;
use crate::error::Error;
use crate::plant;

/// How many of the queries on the fiber are printed with their keys.
const DETAILED_MAX: usize = 8;

const WITNESS: Witness = Witness {
    name,
    bottom,
    detail,
};

/// From now on overflows are reported.
///
/// # Errors
///
/// The system refuses the handler.
pub(crate) fn install() -> Result<(), Error> {
    if plant::is("silent_overflow") {
        return Ok(());
    }
    report_overflows(WITNESS)
        .map_err(|error| Error::setup(format!("overflows cannot be reported: {error}")))
}

/// The fiber that runs on the calling thread.
fn here<'a>() -> Option<&'a FiberRecord> {
    // SAFETY: null, or the fiber that runs on this thread, which stands still in the handler.
    unsafe { current().as_ref() }
}

/// The names of query types are static, and frames are links on the stack: nothing is allocated.
fn name(out: &mut dyn Write) -> fmt::Result {
    let Some(fiber) = here() else {
        return out.write_str("no job");
    };
    let mut names = Frame::all_of(fiber).filter_map(|frame| frame.kind().query);
    match names.next() {
        Some(name) => {
            write!(out, "query {}", name())?;
            match names.count() {
                0 => Ok(()),
                others => write!(out, ", with {others} more below it on its stack"),
            }
        }
        None => out.write_str("a job that is no query"),
    }
}

/// Right on a segment, which is as large as the record says (room.rs).
fn bottom() -> usize {
    here().map_or(0, |fiber| {
        fiber
            .limit()
            .saturating_sub(reserve_bytes(fiber.segment_bytes()))
    })
}

/// The keys, which are users' code.
fn detail(out: &mut dyn Write) -> fmt::Result {
    let Some(fiber) = here() else {
        return Ok(());
    };
    let named = Frame::all_of(fiber).filter(|frame| frame.kind().query.is_some());
    for (place, frame) in named.take(DETAILED_MAX).enumerate() {
        let Some(name) = without_runs(|| frame.name()) else {
            continue;
        };
        let word = if place == 0 {
            "overflowed in"
        } else {
            "asked by"
        };
        writeln!(out, "dagwood: {word} {}", name.text)?;
    }
    writeln!(
        out,
        "dagwood: a query that recurses deeply needs larger stacks (`Builder::stack_bytes`)"
    )
}
