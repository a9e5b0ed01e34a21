//! One engine's timed rounds, in a child process of its own.
//!
//! Used by the rounds. So an engine can hang or crash without the others, and its time does not depend on which others
//! there are: what one left in the allocator made another nearly twice as fast. The child stays for all rounds, but where
//! it would do something between its turns: then it starts with a turn and ends with it (forte's heartbeat alone takes a
//! tenth of a core, work or no work). The child takes the time itself: the way through the pipe is not in it.

use std::time::Duration;

use crate::cli::Scale;
use crate::plan::Subject;
use crate::probe::{Errand, Message, Process, Report, unexpected};
use crate::rounds::{Round, Runner};
use crate::trouble::Trouble;
use crate::workload::Workload;

/// A process that has just started finds neither caches nor memory as it leaves them.
const RUNS_TO_GET_WARM: u32 = 2;

/// One engine in a process of its own.
pub(crate) struct Served<'a> {
    errand: Errand<'a>,
    limit: Duration,
    stays: bool,
    process: Option<Process>,
}

impl<'a> Served<'a> {
    /// Nothing runs yet. A child that is silent for longer than `limit` is killed; `stays`: it does nothing between turns.
    pub(crate) fn new(
        workload: &'a Workload,
        scale: &'a Scale,
        subject: Subject,
        limit: Duration,
        stays: bool,
    ) -> Self {
        Served {
            errand: Errand {
                workload,
                subject,
                scale,
                serve: true,
            },
            limit,
            stays,
            process: None,
        }
    }

    /// A process with its input, and warm.
    fn ready(&self) -> Result<Process, Trouble> {
        let mut process = Process::start(&self.errand)?;
        process.hear_ready(self.limit)?;
        for _ in 0..RUNS_TO_GET_WARM {
            run_once(&mut process, self.limit)?;
        }
        Ok(process)
    }
}

impl Runner for Served<'_> {
    fn run(&mut self) -> Result<Round, Trouble> {
        if self.process.is_none() {
            self.process = Some(self.ready()?);
        }
        let process = self.process.as_mut().ok_or("the child is gone")?;
        let report = run_once(process, self.limit)?;
        Ok(Round {
            sample: report.sample(),
            checksum: report.checksum,
            peak_rss_bytes: report.peak_rss_bytes,
        })
    }

    fn rest(&mut self) {
        if !self.stays {
            self.process = None;
        }
    }
}

fn run_once(process: &mut Process, limit: Duration) -> Result<Report, Trouble> {
    process.go()?;
    match process.hear_of_run(limit)? {
        Message::Over => {}
        other => return Err(unexpected(other)),
    }
    match process.hear_of_run(limit)? {
        Message::Done(report) => Ok(report),
        other => Err(unexpected(other)),
    }
}
