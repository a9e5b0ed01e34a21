//! What a worker does otherwise when a schedule says who runs (seeded.md): the one place where workers know of it.

use super::Worker;
use crate::plant;
use crate::sched::fiber::FiberRecord;
use crate::sched::point::Point;
use crate::sched::seeded::Seeded;

impl Worker {
    #[inline]
    fn seeded(&self) -> Option<&Seeded> {
        if !self.has_schedule {
            return None;
        }
        self.pool().seeded()
    }

    /// A job has ended: whoever polled may have been waiting for it.
    #[inline]
    pub(super) fn job_ended(&self) {
        if let Some(seeded) = self.seeded() {
            seeded.job_ended();
        }
    }

    /// A point at which a schedule, if there is one, lets another worker go on first.
    #[inline]
    pub(in crate::sched) fn point(&self, at: Point) {
        if let Some(seeded) = self.seeded() {
            seeded.point(at, self.index, self.pool());
        }
    }

    /// What is to be awaited was not done; the fiber is not listed yet.
    pub(crate) fn point_before_wait(&self, fiber: &FiberRecord) {
        self.point(Point::Before);
        if plant::is("foreign_job") {
            self.publish_all(fiber);
            let any_job = || self.take_job().or_else(|| self.steal());
            std::iter::from_fn(any_job).for_each(|job| job.run(fiber));
        }
    }

    /// The raised attention word of a schedule, which is never lowered: the point, and then the schedule says how much
    /// is shown, and whether a ready fiber goes first, since no clock says so (attention.md A6).
    pub(super) fn attend_schedule(&self, fiber: &FiberRecord, may_wait: bool) {
        let Some(seeded) = self.seeded() else {
            return;
        };
        seeded.point(Point::Attend, self.index, self.pool());
        if self.workers() == 1 || std::thread::panicking() {
            return;
        }
        let has_ready = may_wait && self.has_ready_fiber() && !plant::is("unlimited_job");
        // The usual first; then nothing, and a ready fiber goes first if there is one; then one job.
        match seeded.way(Point::Share, 3) {
            0 => self.publish_enough(fiber).is_some(),
            1 => has_ready && self.lets_ready_go_first(fiber),
            _ => self.publish_oldest(fiber).is_some(),
        };
    }

    /// At whom a thief begins, if a schedule says.
    pub(super) fn chosen_victim(&self) -> Option<usize> {
        let seeded = self.seeded()?;
        Some(seeded.way(Point::Victim, self.workers()))
    }
}
