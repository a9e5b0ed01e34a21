//! A run of this program in a process of its own, from the parent's side: start it, hear it, and be rid of it in time.
//!
//! Used by `compare` for the untimed runs, by `served` and by `capacity`. The child's side is `child`. Whatever the child
//! does, crash, hang or talk nonsense, the parent gets a text and goes on, and no process is left behind.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::cli::Scale;
use crate::jobserver;
use crate::measure::Sample;
use crate::other_build;
use crate::plan::Subject;
use crate::trouble::Trouble;
use crate::workload::{Counters, Workload};

/// What a child says, one JSON value a line.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Message {
    /// It has its input, and waits for the word or begins.
    Ready,
    /// The run is over, and the clock may stop; what came of it follows.
    Over,
    /// What came of a run.
    Done(Report),
    /// It cannot.
    Failed(String),
    /// The run would never have ended; what was found instead.
    Hung(String),
}

/// One run in a child.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The answer's checksum.
    pub(crate) checksum: String,
    /// Wall time of the run, by the child's clock.
    pub(crate) wall_ns: u64,
    /// CPU time of the run.
    pub(crate) cpu_ns: u64,
    /// The process's peak memory so far.
    pub(crate) peak_rss_bytes: Option<u64>,
    /// What our executor counted.
    pub(crate) counters: Option<Counters>,
}

/// What a child is to run.
pub(crate) struct Errand<'a> {
    /// The workload.
    pub(crate) workload: &'a Workload,
    /// Engine and workers.
    pub(crate) subject: Subject,
    /// Size and input, as on our own command line.
    pub(crate) scale: &'a Scale,
    /// Whether it runs once for each word (and without counters), or just once.
    pub(crate) serve: bool,
}

/// A child at work; dropping it ends it.
pub(crate) struct Process {
    child: Child,
    words: Option<ChildStdin>,
    messages: Receiver<String>,
    errors: Receiver<String>,
    /// Whether its engine may hang.
    may_hang: bool,
}

/// One untimed run in a child: the peak memory, the counters, and whether the engine works at all.
pub(crate) fn once(errand: &Errand<'_>, limit: Duration) -> Result<Report, Trouble> {
    let mut process = Process::start(errand)?;
    process.hear_ready(limit)?;
    match process.hear_of_run(limit)? {
        Message::Done(report) => Ok(report),
        other => Err(unexpected(other)),
    }
}

/// No message when one was due.
fn silent_for(limit: Duration) -> Trouble {
    Trouble::Hung(format!("no answer within {} s: killed", limit.as_secs()))
}

/// A message instead of the one that was due.
pub(crate) fn unexpected(message: Message) -> Trouble {
    match message {
        Message::Failed(text) => Trouble::Failed(text),
        Message::Hung(text) => Trouble::Hung(text),
        other => Trouble::Failed(format!("the child says {other:?} at the wrong time")),
    }
}

impl Report {
    /// What the run took, by the child's clocks.
    pub(crate) fn sample(&self) -> Sample {
        Sample {
            wall_ns: self.wall_ns,
            cpu_ns: self.cpu_ns,
        }
    }
}

impl Process {
    /// Starts this program again for the errand.
    pub(crate) fn start(errand: &Errand<'_>) -> Result<Self, String> {
        let cannot = |error| format!("cannot start a child process: {error}");
        let mut child = command(errand).map_err(cannot)?.spawn().map_err(cannot)?;
        let words = child.stdin.take();
        let (sender, messages) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        let (sender, errors) = mpsc::channel();
        if let Some(mut stderr) = child.stderr.take() {
            thread::spawn(move || {
                let mut text = Vec::new();
                let _ = stderr.read_to_end(&mut text);
                let _ = sender.send(String::from_utf8_lossy(&text).into_owned());
            });
        }
        Ok(Process {
            child,
            words,
            messages,
            errors,
            may_hang: errand.subject.engine.may_hang(),
        })
    }

    /// Gives the word for one run.
    pub(crate) fn go(&mut self) -> Result<(), String> {
        let words = self.words.as_mut().ok_or("the child has no stdin")?;
        words
            .write_all(b"go\n")
            .map_err(|error| format!("the child does not listen: {error}"))
    }

    /// Waits until the child has its input; after an error it is gone.
    pub(crate) fn hear_ready(&mut self, limit: Duration) -> Result<(), Trouble> {
        match self.hear(limit)? {
            Some(Message::Ready) => Ok(()),
            Some(other) => Err(unexpected(other)),
            None => Err(silent_for(limit)),
        }
    }

    /// What the child says of the run that it is in; after an error it is gone. Of an engine that does not hang, silence
    /// means that the run takes longer.
    pub(crate) fn hear_of_run(&mut self, limit: Duration) -> Result<Message, Trouble> {
        self.hear(limit)?.ok_or_else(|| match self.may_hang {
            true => silent_for(limit),
            false => Trouble::Stopped(limit),
        })
    }

    /// The child's next message; `None` if it was silent for so long, and is gone now.
    fn hear(&mut self, limit: Duration) -> Result<Option<Message>, Trouble> {
        match self.messages.recv_timeout(limit) {
            Ok(line) => serde_json::from_str(&line)
                .map(Some)
                .map_err(|_| format!("the child says something strange: {line}").into()),
            Err(RecvTimeoutError::Timeout) => {
                self.end();
                Ok(None)
            }
            Err(RecvTimeoutError::Disconnected) => Err(self.last_words().into()),
        }
    }

    /// Why a child that fell silent did so.
    fn last_words(&mut self) -> String {
        let status = match self.status_soon() {
            Some(status) => format!("the child ended early ({status})"),
            None => {
                self.end();
                "the child closed its output and went on: killed".to_owned()
            }
        };
        let errors = self.errors.recv_timeout(Duration::from_secs(1));
        match errors.map(|text| first_line(&text)) {
            Ok(Some(line)) => format!("{status}: {line}"),
            _ => status,
        }
    }

    /// The exit status of a child that has closed its output, and so is all but gone.
    fn status_soon(&mut self) -> Option<ExitStatus> {
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(None) => thread::sleep(Duration::from_millis(2)),
                Ok(status) => return status,
                Err(_) => return None,
            }
        }
        None
    }

    fn end(&mut self) {
        // Both fail only where the child is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

fn command(errand: &Errand<'_>) -> std::io::Result<Command> {
    let (program, engine) = match other_build::home(errand.subject.engine) {
        Some((build, engine)) => (build.program()?, engine),
        None => (std::env::current_exe()?, errand.subject.engine),
    };
    let mut command = Command::new(program);
    command
        .args(["__child", errand.workload.name])
        .args(["--engine", engine.name()])
        .args(["--workers", &errand.subject.workers.to_string()]);
    if let Some(size) = errand.scale.size.or(other_build::size(errand.workload)) {
        command.args(["--size", &size.to_string()]);
    }
    if let Some(input) = &errand.scale.input {
        command.arg("--input").arg(input);
    }
    if jobserver::is_exact() {
        command.arg("--exactly");
    }
    if errand.serve {
        command.arg("--serve").stdin(Stdio::piped());
    } else {
        command.stdin(Stdio::null());
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(command)
}

/// The first line that says something; a panic's message stands after a line that names the thread.
fn first_line(text: &str) -> Option<String> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next()?;
    match lines.next() {
        Some(second) if first.contains("panicked at") => Some(format!("{first} {second}")),
        _ => Some(first.to_owned()),
    }
}

/// The sample of a round in which children ran: their wall time is the parent's, their CPU time their own.
pub(crate) fn sample(wall_ns: u64, reports: &[Report]) -> Sample {
    Sample {
        wall_ns,
        cpu_ns: reports.iter().map(|report| report.cpu_ns).sum(),
    }
}
