//! The attention word (attention.md): a thief takes the last public job and raises it; the owner
//! shows more, or the wish stands.

use std::sync::Arc;

use loom::thread;

use crate::explore;
use crate::plant::is_planted;
use crate::sched::attention::Attention;
use crate::sched::fiber::FiberRecord;
use crate::sched::ready::Inbox;
use crate::sync::{AtomicUsize, Frame, Ordering};

/// An address in the owner's frame, and the limits of two stacks below it.
const HERE: usize = 1000;
const LIMIT: usize = 100;
const OTHER_LIMIT: usize = 200;

/// A worker's word, and a deque of which only the number of jobs is left.
struct Seat {
    attention: Attention,
    /// Read without an order, as a deque's ends are.
    public: AtomicUsize,
}

impl Seat {
    fn new() -> Arc<Seat> {
        Arc::new(Seat {
            attention: Attention::raised(),
            public: AtomicUsize::new(1),
        })
    }

    /// What a thief does: takes the job, if it is there, and wants more.
    fn steal(&self) {
        if self.public.swap(0, Ordering::Relaxed) == 1 {
            self.attention.raise();
        }
    }

    /// A scheduling point of the owner on a stack with this limit; it has jobs enough.
    fn scheduling_point(&self, limit: usize) {
        if !self.attention.is_due_at(HERE) {
            return;
        }
        if is_planted("attention_late") {
            self.show();
            self.attention.lower(limit);
        } else {
            self.attention.lower(limit);
            self.show();
        }
    }

    /// Shows a job if none is seen.
    fn show(&self) {
        if self.public.load(Ordering::Relaxed) == 0 {
            self.public.store(1, Ordering::Relaxed);
        }
    }

    /// Whether a job is public, or the owner will show one at its next scheduling point.
    fn is_served(&self) -> bool {
        self.public.load(Ordering::Relaxed) == 1 || self.attention.is_due_at(HERE)
    }
}

/// A3.
#[test]
fn a_wish_is_served_or_stands() {
    explore(|| {
        let seat = Seat::new();
        let thief = {
            let seat = Arc::clone(&seat);
            thread::spawn(move || seat.steal())
        };
        seat.scheduling_point(LIMIT);
        thief.join().expect("the thief ends");
        assert!(seat.is_served(), "nobody sees the thief's wish");
    });
}

/// A4: the owner goes to another stack, and has no scheduling point there.
#[test]
fn a_change_of_stacks_loses_no_wish() {
    explore(|| {
        let seat = Seat::new();
        seat.scheduling_point(LIMIT);
        let thief = {
            let seat = Arc::clone(&seat);
            thread::spawn(move || seat.steal())
        };
        if is_planted("attention_limit") {
            if !seat.attention.is_raised() {
                seat.attention.lower(OTHER_LIMIT);
            }
        } else {
            seat.attention.change_stack(OTHER_LIMIT);
        }
        assert!(seat.attention.is_due_at(OTHER_LIMIT - 1), "the limit holds");
        thief.join().expect("the thief ends");
        assert!(seat.is_served(), "nobody sees the thief's wish");
    });
}

/// A6: two wakers, the second of which finds the inbox in use and raises nothing.
#[test]
fn who_becomes_ready_is_seen_or_the_word_stands() {
    explore(|| {
        let seat = Arc::new((Attention::calm(), Inbox::new()));
        let fibers = [(); 2].map(|()| Arc::new(Frame::new(FiberRecord::here())));
        let wakers = fibers.clone().map(|fiber| {
            let seat = Arc::clone(&seat);
            thread::spawn(move || {
                let is_first = seat.1.push(&fiber);
                if is_first && !is_planted("attention_unrung") {
                    seat.0.raise();
                }
            })
        });
        let mut seen = 0;
        if seat.0.is_due_at(HERE) {
            seat.0.lower(LIMIT);
            seat.1.drain(|_| seen += 1);
            if seen > 0 {
                seat.0.raise();
            }
        }
        for waker in wakers {
            waker.join().expect("the waker ends");
        }
        assert!(seat.0.is_due_at(HERE), "nobody sees who is ready");
        seat.1.drain(|_| seen += 1);
        assert_eq!(seen, 2, "each is there once");
        fibers.iter().for_each(|fiber| fiber.leave());
    });
}
