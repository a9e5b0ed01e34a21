//! Jobservers, as those see them who make executors: which one, and what to do at a sudden end.
//!
//! What its permits are stands in `sched/tokens.rs`.

mod client;
mod own;
#[cfg(any(feature = "fibers", feature = "threads"))]
#[path = "make/shared.rs"]
mod shared;
#[cfg(not(any(feature = "fibers", feature = "threads")))]
#[path = "make/shared_none.rs"]
mod shared;

use std::fmt;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use self::client::MakeTokens;
use self::own::{Endless, Simulated};
use self::shared::Shared;
use crate::error::Error;
use crate::sched::token_source::{TokenSource, warn};
use crate::sched::tokens::Tokens;

/// How long a token is kept that nobody needs (tokens.md N8): longer than workers sleep in between, and short for who waits for
/// it elsewhere.
const KEEP: Duration = Duration::from_millis(10);

/// Says how many workers may run at once, in all executors that are [built](crate::Builder::jobserver) with it together: as many as
/// make's jobserver gives tokens for, and one; or so many. A handle: clones are of the same one.
///
/// A process that make has started may run one job: that is its *implicit token*. For each other job at the same time it
/// takes a token from the pipe that make shares with all its recipes, and gives it back. Here a worker that runs needs one, and
/// nothing else does: a fiber that waits gives its worker to others, and causes no traffic. A worker that has nothing
/// to do gives its own up; some hundredths of a second later it is back in the pipe, if nobody here needed it. The implicit token
/// is never given back. Without other tokens everything goes on with one worker at a time.
///
/// The process has one implicit token, so it is to have one jobserver from its environment, and clones of it: two that are made
/// would each let a worker run with it.
///
/// Tokens are given back when the executors are dropped, however their runs ended. A process that ends otherwise, by a signal or by
/// [`std::process::exit`], calls [`give_back`](Self::give_back) before; if it is killed they are lost, and make has fewer jobs
/// from then on.
///
/// A thread that blocks inside a job (in a `std` lock, in a read) keeps its token. So with one token left, a job that blocks its thread until a job of
/// another executor of this jobserver has run waits for ever; [`Executor::run`](crate::Executor::run) inside a job
/// does not: it suspends. Threads outside need no token: while they wait in `run`, the workers run in their place. The sequential
/// backend runs on its caller's thread, with the implicit token, and never asks for another.
///
/// # Examples
///
/// ```
/// use dagwood::{Database, Executor, Jobserver};
///
/// // Two executors that never run more than three jobs together.
/// let jobserver = Jobserver::with_limit(3);
/// let lint = Executor::builder().workers(4).jobserver(&jobserver).build()?;
/// let build = Executor::builder().workers(4).jobserver(&jobserver).build()?;
/// let db = Database::new(());
/// let count = |executor: &Executor| executor.run(&db, |cx| cx.par_map(0..100, |_, i| i).len());
/// assert_eq!(count(&lint)? + count(&build)?, 200);
/// # Ok::<(), dagwood::Error>(())
/// ```
#[derive(Clone)]
pub struct Jobserver {
    shared: Arc<Shared>,
    is_make: bool,
    trouble: Option<Trouble>,
    simulated: Option<Simulated>,
}

/// Why there is no jobserver.
#[derive(Clone, Debug)]
struct Trouble {
    cause: String,
    /// Whether the environment says that there is one.
    is_announced: bool,
}

/// How many tokens went to and fro, so far.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenTraffic {
    /// How often the jobserver was asked for one.
    pub asked: u64,
    /// How many it gave.
    pub taken: u64,
    /// How many were given back.
    pub given_back: u64,
}

impl Jobserver {
    /// The jobserver that make has named in the environment (`CARGO_MAKEFLAGS`, `MAKEFLAGS` or `MFLAGS`), by a pipe or by a
    /// fifo. To be called early, before the program opens files: make names descriptors by number.
    ///
    /// If there is none, or it cannot be used, one warning that says why is written to standard error, and the limit is the
    /// number of processors (see [`from_environment_or`](Self::from_environment_or)).
    pub fn from_environment() -> Self {
        Self::from_environment_or(available_parallelism().map_or(1, usize::from))
    }

    /// The same; if there is none that can be used, so many workers may run at once, at least one. Nothing is opened then, and nothing
    /// is changed that was inherited.
    pub fn from_environment_or(limit: usize) -> Self {
        Self::of_make_or(client::from_environment(), limit)
    }

    /// The same, without a warning where the environment says nothing of a jobserver: for programs that make may have started, or
    /// not.
    pub fn if_announced_or(limit: usize) -> Self {
        let found = client::from_environment();
        match found {
            Err(trouble) if !trouble.is_announced => Self::own(limit, Some(trouble)),
            found => Self::of_make_or(found, limit),
        }
    }

    /// One that the program has connected to itself. If it cannot be asked without blocking (a pipe on another system than Linux, or one made by
    /// [`jobserver::Client::new`]), one warning is written to standard error, the first time, and one worker runs at a time.
    pub fn from_client(client: jobserver::Client) -> Self {
        Self::make(Box::new(MakeTokens::new(client)), usize::MAX, KEEP)
    }

    /// None, but so many workers may run at once, at least one, in all executors that are built with it.
    pub fn with_limit(limit: usize) -> Self {
        Self::own(limit, None)
    }

    fn of_make_or(found: Result<MakeTokens, Trouble>, limit: usize) -> Self {
        match found {
            Ok(tokens) => Self::make(Box::new(tokens), usize::MAX, KEEP),
            Err(trouble) => {
                let instead = format!("at most {} workers run at once", limit.max(1));
                warn(&trouble.cause, &instead);
                Self::own(limit, Some(trouble))
            }
        }
    }

    fn own(limit: usize, trouble: Option<Trouble>) -> Self {
        Jobserver {
            trouble,
            ..Self::make(Box::new(Endless), limit.max(1), Duration::ZERO)
        }
    }

    fn make(source: Box<dyn TokenSource>, limit: usize, keep: Duration) -> Self {
        Jobserver {
            shared: Arc::new(Shared::new(
                Tokens::new(source, limit, keep),
                !keep.is_zero(),
            )),
            is_make: !keep.is_zero(),
            trouble: None,
            simulated: None,
        }
    }

    /// For tests: so many tokens, in a pipe that is none. Those that nobody needs are in it at once.
    #[doc(hidden)]
    pub fn simulated(tokens: usize) -> Self {
        let source = Simulated::new(tokens);
        Jobserver {
            simulated: Some(source.clone()),
            ..Self::make(Box::new(source), usize::MAX, Duration::ZERO)
        }
    }

    /// For tests: how many tokens are in the simulated pipe.
    #[doc(hidden)]
    pub fn tokens_in_pipe(&self) -> usize {
        let pipe = self.simulated.as_ref().expect("a simulated one");
        pipe.change(|tokens| tokens)
    }

    /// For tests: somebody else puts tokens into the simulated pipe, or takes some that are there.
    #[doc(hidden)]
    pub fn change_tokens_in_pipe(&self, change: impl FnOnce(usize) -> usize) {
        let pipe = self.simulated.as_ref().expect("a simulated one");
        pipe.change(change);
        self.tokens().refresh();
    }

    /// From now on no more than so many workers run at once, at least one, whatever the jobserver gives. Who runs
    /// and is one too many stops at the end of its job, or where that waits. Under a
    /// [`Schedule`](crate::Schedule) that chooses, only what runs on the executor may call it.
    pub fn set_limit(&self, limit: usize) {
        self.tokens().set_limit(limit.max(1));
    }

    /// Gives all tokens back that were taken, at once, and takes none any more: the process is about to end. Whatever runs goes on to the
    /// end of its job; then one worker is left.
    ///
    /// It takes a lock, for a moment, and so is not for a signal handler itself, but for a thread that the handler tells: by
    /// writing to a pipe of the program's own, or as the crate `signal-hook` does it. (The library installs no handler.)
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # let signals = std::iter::empty::<i32>();
    /// let jobserver = dagwood::Jobserver::from_environment();
    /// let at_signal = jobserver.clone();
    /// std::thread::spawn(move || {
    ///     // For instance `signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?.forever()`.
    ///     for signal in signals {
    ///         at_signal.give_back();
    ///         std::process::exit(128 + signal);
    ///     }
    /// });
    /// ```
    pub fn give_back(&self) {
        self.tokens().close();
    }

    /// Whether tokens are make's, and not a number of our own.
    pub fn is_connected(&self) -> bool {
        self.is_make
    }

    /// Why there is no jobserver, if one was looked for in vain.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_ref().map(|trouble| trouble.cause.as_str())
    }

    /// How many workers run now, of all executors together.
    pub fn running(&self) -> usize {
        self.tokens().running()
    }

    /// What went to and fro so far.
    pub fn traffic(&self) -> TokenTraffic {
        let traffic = self.tokens().traffic();
        TokenTraffic {
            asked: traffic.asked,
            taken: traffic.taken,
            given_back: traffic.given_back,
        }
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.shared.tokens
    }

    /// An executor begins that shares it.
    ///
    /// # Errors
    ///
    /// The thread that it needs cannot be started.
    pub(crate) fn begin(&self) -> Result<(), Error> {
        self.shared.begin()
    }
}

impl fmt::Debug for Jobserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobserver")
            .field("is_connected", &self.is_connected())
            .field("running", &self.running())
            .field("traffic", &self.traffic())
            .finish_non_exhaustive()
    }
}
