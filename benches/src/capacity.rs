//! The engine `capacity`: what the machine can give, as N independent sequential processes that run at the same time.
//!
//! Used by the rounds like any other engine. The processes start once and wait on a pipe; in each round all get the word
//! at once, each does the whole job, and the round is over when the last one is done. A machine whose cores are shared with
//! others gives less than N times one process, and no scheduler can do better than that.

use std::time::{Duration, Instant};

use crate::cli::Scale;
use crate::engine::Engine;
use crate::measure::whole_ns;
use crate::plan::Subject;
use crate::probe::{self, Errand, Message, Process, Report, unexpected};
use crate::rounds::{Round, Runner};
use crate::trouble::Trouble;
use crate::workload::Workload;

/// N processes, ready.
pub(crate) struct Capacity {
    processes: Vec<Process>,
    limit: Duration,
}

impl Capacity {
    /// Starts `n` processes and waits until each has its input.
    pub(crate) fn start(
        workload: &Workload,
        scale: &Scale,
        n: usize,
        limit: Duration,
    ) -> Result<Self, Trouble> {
        let errand = Errand {
            workload,
            subject: Subject {
                engine: Engine::Sequential,
                workers: 1,
            },
            scale,
            serve: true,
        };
        let mut processes = (0..n)
            .map(|_| Process::start(&errand))
            .collect::<Result<Vec<_>, _>>()?;
        for process in &mut processes {
            process.hear_ready(limit)?;
        }
        Ok(Capacity { processes, limit })
    }
}

impl Runner for Capacity {
    fn run(&mut self) -> Result<Round, Trouble> {
        let start = Instant::now();
        for process in &mut self.processes {
            process.go()?;
        }
        for process in &mut self.processes {
            match process.hear_of_run(self.limit)? {
                Message::Over => {}
                other => return Err(unexpected(other)),
            }
        }
        let wall_ns = whole_ns(start.elapsed());
        let mut reports: Vec<Report> = Vec::with_capacity(self.processes.len());
        for process in &mut self.processes {
            match process.hear_of_run(self.limit)? {
                Message::Done(report) => reports.push(report),
                other => return Err(unexpected(other)),
            }
        }
        let sample = probe::sample(wall_ns, &reports);
        let peak_rss_bytes = reports.iter().map(|report| report.peak_rss_bytes).sum();
        let mut checksums = reports.into_iter().map(|report| report.checksum);
        let checksum = checksums.next().ok_or("no processes")?;
        if let Some(other) = checksums.find(|other| *other != checksum) {
            return Err(format!("two processes answer {checksum} and {other}").into());
        }
        Ok(Round {
            sample,
            checksum,
            peak_rss_bytes,
        })
    }
}
