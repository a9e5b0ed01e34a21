//! The keeper: a thread that asks the source again while somebody wants a permit, and gives spare tokens back (tokens.md N8,
//! N9).

use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::tokens::{ASK, State, Tokens};
use crate::sync::MutexGuard;

/// The longest time that nobody asks: twice as long each time.
const ASK_AT_MOST: Duration = Duration::from_millis(8);

impl Tokens {
    /// Starts the keeper.
    pub(crate) fn start_keeper(self: &Arc<Self>) -> std::io::Result<JoinHandle<()>> {
        let tokens = Arc::clone(self);
        Builder::new()
            .name("dagwood tokens".to_owned())
            .spawn(move || tokens.keep())
    }

    /// The keeper ends.
    pub(crate) fn end_keeper(&self) {
        self.lock().is_over = true;
        self.changed.notify_one();
    }

    fn keep(&self) {
        let mut state = self.lock();
        let mut pause = ASK;
        let mut period = Instant::now();
        while !state.is_over {
            if !state.has_work_for_keeper() {
                self.rest(&mut state);
                (pause, period) = (ASK, Instant::now());
                state.spare_least = state.spare();
                continue;
            }
            let is_asking = !state.wants.is_empty();
            let keep = state.keep;
            let left = keep.saturating_sub(period.elapsed());
            self.changed
                .wait_for(&mut state, if is_asking { pause } else { left });
            if !state.wants.is_empty() {
                pause = if state.ask_again() {
                    ASK
                } else {
                    (2 * pause).min(ASK_AT_MOST)
                };
            }
            if period.elapsed() >= keep {
                for _ in 0..state.spare_least.min(state.spare()) {
                    state.give_one();
                }
                state.spare_least = state.spare();
                period = Instant::now();
            }
        }
    }

    fn rest(&self, state: &mut MutexGuard<'_, State>) {
        state.keeper_rests = true;
        while state.keeper_rests && !state.is_over {
            self.changed.wait(state);
        }
        state.keeper_rests = false;
    }
}

impl State {
    /// Asks the source for those that are listed. Whether it had something.
    fn ask_again(&mut self) -> bool {
        let taken = self.traffic.taken;
        self.ask_again = None;
        self.settle(true);
        // Who was called and kept its permit may have been in time (N6).
        self.call_if_urgent();
        self.traffic.taken > taken
    }
}
