//! The twin of the library's `bed.rs`: threads run nowhere in particular here, but who was kept off anything must be put back.

use crate::plant::is_planted;

#[derive(Default)]
pub(crate) struct Bed {
    has_sleeper: bool,
    is_kept_off: bool,
}

pub(crate) struct Stacking(());

impl Stacking {
    pub(crate) fn new() -> Self {
        Stacking(())
    }

    pub(crate) fn seen() -> Self {
        Stacking(())
    }
}

impl Bed {
    pub(crate) fn lie_down(&mut self, _: &Stacking) {
        assert!(!self.is_kept_off, "put back when it got up");
        self.has_sleeper = true;
    }

    pub(crate) fn part(&mut self, _: &Stacking) -> bool {
        self.is_kept_off = self.has_sleeper;
        self.is_kept_off
    }

    pub(crate) fn let_go(&mut self) {
        self.is_kept_off = false;
    }

    pub(crate) fn get_up(mut self, _: &Stacking) {
        if !is_planted("idle_bed") {
            self.let_go();
        }
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        assert!(!self.is_kept_off || std::thread::panicking(), "put back");
    }
}
