//! The twin of the library's `bed.rs`: in models threads run nowhere in particular.

#[derive(Default)]
pub(crate) struct Bed(());

#[derive(Default)]
pub(crate) struct Stacking(());

impl Bed {
    pub(crate) fn lie_down(&mut self, _: &Stacking) {}

    /// As where it is kept off, so that the lock is taken again.
    pub(crate) fn part(&mut self) -> bool {
        true
    }

    pub(crate) fn let_go(&mut self) {}

    pub(crate) fn get_up(self, _: &Stacking) {}
}
