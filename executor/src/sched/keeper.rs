//! The keeper: a thread that asks the source again while somebody wants a permit, and gives spare tokens back (tokens.md N8,
//! N9).

use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use super::tokens::{State, Tokens};
use crate::sync::MutexGuard;

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
        let mut period = Instant::now();
        while !state.is_over {
            if !state.has_work_for_keeper() {
                self.rest(&mut state);
                period = Instant::now();
                state.spare_least = state.spare();
                continue;
            }
            let left = state.keep.saturating_sub(period.elapsed());
            let pause = match state.lacks_token() {
                true => state.until_asked(),
                false => left,
            };
            self.changed.wait_for(&mut state, pause);
            if state.lacks_token() {
                state.settle(true);
            }
            if period.elapsed() >= state.keep {
                for _ in 0..state.spare_least.min(state.spare()) {
                    state.give_one();
                }
                state.spare_least = state.spare();
                period = Instant::now();
            }
            self.done(state);
            state = self.lock();
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
