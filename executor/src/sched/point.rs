//! The points at which a turn may pass, and the other choices: named where they are, in `seeded.rs` and its twin alike.

/// Where a choice is made.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// A scheduling point of a job: a miss, a join, a loop item, a spawn.
    Attend,
    /// What is to be awaited was not done; the fiber is not listed yet.
    Before,
    /// The fiber is listed, and still on its stack.
    Listed,
    /// A job or a fiber was pushed where others find it; who sleeps was not woken yet.
    Posted,
    /// The same, and who sleeps was woken.
    Woken,
    /// A published job is about to be taken back.
    TakeBack,
    /// A look for work found nothing.
    Look,
    /// A job was stolen, and has not begun.
    Stolen,
    /// The worker is counted as a sleeper, and has not looked once more.
    Sleepy,
    /// The worker sleeps, or has begun: somebody else goes on.
    Rest,
    /// A fiber yields, and no other is ready.
    Yield,
    /// A worker stands (stand.md), or tries to.
    Stand,
    /// How many jobs are shown.
    Share,
    /// At whom a thief begins.
    Victim,
    /// Whether something from outside is let in.
    Outside,
}

impl Point {
    /// What it is in a log.
    pub(in crate::sched) fn letter(self) -> u8 {
        match self {
            Point::Attend => b'a',
            Point::Before => b'b',
            Point::Listed => b'w',
            Point::Posted => b'p',
            Point::Woken => b'q',
            Point::TakeBack => b't',
            Point::Look => b'l',
            Point::Stolen => b's',
            Point::Sleepy => b'z',
            Point::Rest => b'r',
            Point::Yield => b'y',
            Point::Stand => b'd',
            Point::Share => b'h',
            Point::Victim => b'v',
            Point::Outside => crate::schedule::OUTSIDE,
        }
    }

    /// Whether who comes here may come again and again, until somebody else has done something.
    pub(in crate::sched) fn is_poll(self) -> bool {
        matches!(self, Point::Look | Point::Yield | Point::Stand)
    }
}
