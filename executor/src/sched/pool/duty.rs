//! Which workers start jobs: all with an index below a number that changes at run time. Rules: idle.md I8, I9.
//!
//! Used by workers, before they look for a job, and by who changes the number. Knows nothing of what they do then.

use super::{Pool, Worker};
use crate::plant;
use crate::sched::seeded::Post;
use crate::sync::Ordering;

impl Pool {
    /// How many workers are on duty.
    pub(crate) fn on_duty(&self) -> usize {
        self.on_duty.load(Ordering::Relaxed)
    }

    /// Whether a worker starts no jobs: not while another one stands, since who can make no fiber needs the help of those who
    /// have one (stand.md).
    #[inline]
    pub(crate) fn is_off_duty(&self, worker: usize) -> bool {
        worker >= self.on_duty() && !plant::is("tireless") && !self.is_needed_off_duty()
    }

    #[cold]
    fn is_needed_off_duty(&self) -> bool {
        self.is_stopping() || self.standing.is_any()
    }

    /// So many workers are on duty from now on, whoever says so: under a schedule when that lets it in.
    pub(crate) fn put_on_duty(&self, count: usize) {
        match self.outside(None) {
            None => self.change_duty(count),
            Some(seeded) => self.post_from_outside(seeded, Post::Duty(count)),
        }
    }

    pub(in crate::sched) fn change_duty(&self, count: usize) {
        self.on_duty.store(count, Ordering::Relaxed);
        // Who sleeps and is off duty now, is to be counted no more; who is off duty and should not be, is to search.
        self.wake_each();
        // Who runs has shown jobs to those who were on duty before: it is to look what it should show now.
        if !plant::is("duty_unasked") {
            self.raise_all();
        }
    }

    /// A worker stands: those who are off duty may have to help.
    pub(in crate::sched) fn call_off_duty(&self) {
        if self.on_duty() < self.seats.len() && !plant::is("unhelped") {
            self.wake_each();
        }
    }

    fn wake_each(&self) {
        (0..self.seats.len()).for_each(|worker| {
            self.idle.told(worker);
        });
    }

    /// Lets a worker sleep that is off duty, until it is not, or has a fiber or a job of its own (I8).
    pub(crate) fn sleep_off_duty(&self, sleeper: &Worker) {
        let worker = sleeper.index();
        // What it has shown is for others now.
        self.posting(
            Some(sleeper),
            || (),
            || self.has_jobs() && self.idle.job_posted(),
        );
        self.block_until(sleeper, || !self.is_off_duty(worker));
    }
}
