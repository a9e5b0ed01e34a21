//! The twin of the library's `bed.rs`: in models threads run nowhere in particular.

#[derive(Default)]
pub(crate) struct Bed(());

#[derive(Default)]
pub(crate) struct Stacking(());

impl Bed {
    pub(crate) fn lie_down(&mut self) {}

    pub(crate) fn part(&mut self, _: &Stacking) {}

    pub(crate) fn get_up(self, _: &Stacking) {}
}
