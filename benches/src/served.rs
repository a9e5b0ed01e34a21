//! An engine whose timed rounds run in a child process too, because it may hang.
//!
//! Used by the rounds like any other engine. The child starts at the beginning of a turn and is
//! ended with it, so that no thread of its own runs while another engine has its turn: forte's
//! heartbeat alone takes a tenth of a core, work or no work. The child takes the time itself: the
//! way through the pipe is not in it.

use std::time::Duration;

use crate::cli::Scale;
use crate::plan::Subject;
use crate::probe::{Errand, Message, Process, Report, unexpected};
use crate::rounds::{Round, Runner};
use crate::trouble::Trouble;
use crate::workload::Workload;

/// A process that has just started finds neither caches nor memory as it leaves them; the engines
/// of the harness's own process have run often.
const RUNS_TO_GET_WARM: u32 = 2;

/// One engine in a process of its own.
pub(crate) struct Served<'a> {
    errand: Errand<'a>,
    limit: Duration,
    process: Option<Process>,
}

impl<'a> Served<'a> {
    /// Nothing runs yet. A child that is silent for longer than `limit` is killed.
    pub(crate) fn new(
        workload: &'a Workload,
        scale: &'a Scale,
        subject: Subject,
        limit: Duration,
    ) -> Self {
        Served {
            errand: Errand {
                workload,
                subject,
                scale,
                serve: true,
            },
            limit,
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
        self.process = None;
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
