//! Finds the deadlocks in which some threads are blocked and all others idle.
//!
//! rustc's pool counts a thread out when it goes to sleep; stock rayon-core tells nobody. So a
//! thread of ours asks, when threads are blocked and nothing has moved for a while. It sends a
//! probe to each thread, then one to the pool as a whole, then one to each thread again. A thread
//! comes to its own probes only between jobs, and to one of the pool only after it has found every
//! deque empty. If all that are not blocked have answered and nothing has moved in between (a job
//! that began, a join that returned, a thread that blocked or was released), then in the middle
//! nobody ran and there was nothing to run: nobody ever will. The clock decides when to ask, not
//! what the answer is.
//!
//! Used by the engine, which keeps it as long as its threads. It must not know the memo's slots.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use rayon_core::ThreadPool;

use super::Provide;
use super::memo::Memo;

/// How long nothing moves before anybody asks, and how long an answer may take.
const PATIENCE: Duration = Duration::from_millis(50);

/// The monitor's thread; it ends after this is dropped.
pub(super) struct Monitor {
    _stop: Sender<()>,
}

impl Monitor {
    /// Starts it.
    pub(super) fn start<K: Provide>(
        pool: Arc<ThreadPool>,
        memo: Arc<Memo<K>>,
    ) -> Result<Self, String> {
        let (stop, stopped) = mpsc::channel();
        let watch = move || {
            let mut before = memo.census.progress();
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(PATIENCE) {
                let now = memo.census.progress();
                if now == before && now.blocked > 0 && nobody_can_run(&pool, &memo) {
                    let idle = memo.census.threads() - now.blocked;
                    let blocked = now.blocked;
                    memo.census.judge(&format!(
                        "blocked threads: {blocked}, and the other {idle} have nothing to do"
                    ));
                }
                before = now;
            }
        };
        thread::Builder::new()
            .name("monitor".to_owned())
            .spawn(watch)
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        Ok(Monitor { _stop: stop })
    }
}

fn nobody_can_run<K: Provide>(pool: &ThreadPool, memo: &Memo<K>) -> bool {
    let before = memo.census.progress();
    let others = memo.census.threads() - before.blocked;
    all_answer(pool, others)
        && one_answers(pool)
        && all_answer(pool, others)
        && memo.census.progress() == before
}

/// Whether so many threads come to a probe of their own. Those that are blocked come to it when it
/// means nothing any more.
fn all_answer(pool: &ThreadPool, threads: usize) -> bool {
    let (sender, answers) = mpsc::channel();
    pool.spawn_broadcast(move |_| {
        // Nobody listens to those who come late.
        let _ = sender.send(());
    });
    (0..threads).all(|_| answers.recv_timeout(PATIENCE).is_ok())
}

/// Whether some thread comes to a probe that is sent to the pool as a whole.
fn one_answers(pool: &ThreadPool) -> bool {
    let (sender, answer) = mpsc::channel();
    pool.spawn(move || {
        let _ = sender.send(());
    });
    answer.recv_timeout(PATIENCE).is_ok()
}
