//! The thread that sets the signals of deadlines: one for the process, there as long as a deadline is.
//!
//! Knows nothing of runs. (Where runs are sequential nobody else is there to set a signal, and who runs looks at the clock.)

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Reason;
use crate::sched::cancel::Signal;

/// What is to be set when. Two of one time differ by their numbers.
struct Deadlines {
    open: BTreeMap<(Instant, u64), Arc<Signal>>,
    next_number: u64,
    is_running: bool,
}

static DEADLINES: Mutex<Deadlines> = Mutex::new(Deadlines {
    open: BTreeMap::new(),
    next_number: 0,
    is_running: false,
});

/// There is a new deadline.
static CHANGED: Condvar = Condvar::new();

fn lock() -> MutexGuard<'static, Deadlines> {
    DEADLINES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A deadline that has not come, or has; dropping it forgets it.
pub(crate) struct Alarm((Instant, u64));

impl Alarm {
    /// Sets the signal when its time has come. `None`: it has none; or there is no thread, and it is set at once.
    pub(crate) fn for_deadline_of(signal: &Arc<Signal>) -> Option<Alarm> {
        let deadline = signal.deadline()?;
        let mut deadlines = lock();
        if !deadlines.is_running {
            let timer = thread::Builder::new().name("dagwood timer".to_owned());
            if timer.spawn(run).is_err() {
                drop(deadlines);
                // Rather too early than never.
                signal.set(Reason::Deadline);
                return None;
            }
            deadlines.is_running = true;
        }
        let key = (deadline, deadlines.next_number);
        deadlines.next_number += 1;
        deadlines.open.insert(key, Arc::clone(signal));
        CHANGED.notify_one();
        Some(Alarm(key))
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let mut deadlines = lock();
        let signal = deadlines.open.remove(&self.0);
        drop(deadlines);
        drop(signal);
    }
}

/// How long the thread stays when there is no deadline: as long as one may soon come again.
const LINGER: Duration = Duration::from_secs(1);

/// The thread's life: until there has been no deadline for a while.
fn run() {
    let mut deadlines = lock();
    loop {
        let Some(first) = deadlines.open.first_entry() else {
            let waited = CHANGED.wait_timeout(deadlines, LINGER);
            deadlines = waited.unwrap_or_else(PoisonError::into_inner).0;
            if deadlines.open.is_empty() {
                break;
            }
            continue;
        };
        let now = Instant::now();
        let (deadline, _) = *first.key();
        if deadline <= now {
            let signal = first.remove();
            drop(deadlines);
            signal.set(Reason::Deadline);
            deadlines = lock();
        } else {
            let waited = CHANGED.wait_timeout(deadlines, deadline - now);
            deadlines = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
    deadlines.is_running = false;
}
