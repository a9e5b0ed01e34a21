//! lock.md L1 to L3: places, between loom threads that wait as fibers do.

use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::thread;

use crate::explore;
use crate::plant::is_planted;
use crate::sched::fiber::FiberRecord;
use crate::sched::line::Place;
use crate::sched::lock::Entered;
use crate::sched::places::Places;
use crate::sync::Frame;

/// A limit of one, and what is changed inside.
struct Limited {
    places: Places,
    value: UnsafeCell<u32>,
}

// SAFETY: loom fails the model if two use the value at once.
unsafe impl Send for Limited {}
// SAFETY: as above.
unsafe impl Sync for Limited {}

impl Limited {
    fn new() -> Arc<Limited> {
        Arc::new(Limited {
            places: Places::new("a limit".into(), 1),
            value: UnsafeCell::new(0),
        })
    }

    fn add(&self) {
        // SAFETY: loom fails the model if somebody uses it meanwhile.
        self.value.with_mut(|value| unsafe { *value += 1 });
    }

    fn read(&self) -> u32 {
        // SAFETY: loom fails the model if somebody writes meanwhile.
        self.value.with(|value| unsafe { *value })
    }

    /// Adds one inside, as `graph/locking.rs` gets in.
    fn add_within(&self) {
        let fiber = FiberRecord::here();
        if !self.places.try_enter(&fiber) {
            let place = Frame::new(Place::for_holder(&fiber, None, &fiber));
            // SAFETY: it suspends below until it was called.
            let entered = unsafe { self.places.enter(&place) };
            if is_planted("place_uncalled") && entered == Entered::Waits {
                self.add();
            }
            // SAFETY: `fiber` stays until it was woken.
            if entered == Entered::Waits && unsafe { place.list.list(&fiber) }.is_ok() {
                fiber.suspend();
            }
            place.leave();
        }
        self.add();
        self.places.give_back(&fiber);
    }
}

/// L1, L2: three get in once each.
#[test]
fn places_are_given_on() {
    explore(|| {
        let limited = Limited::new();
        let others = [0, 1].map(|_| {
            let limited = Arc::clone(&limited);
            thread::spawn(move || limited.add_within())
        });
        limited.add_within();
        for other in others {
            other.join().expect("it ends");
        }
        assert_eq!(limited.read(), 3);
        assert_eq!(limited.places.taken(), 0);
    });
}

/// L1, L2: as long as one stands in the line, all places are taken, and it is known by whom.
#[test]
fn whoever_sees_one_wait_sees_who_is_inside() {
    explore(|| {
        let limited = Limited::new();
        let (first, second) = (FiberRecord::here(), FiberRecord::here());
        assert!(limited.places.try_enter(&first));
        let place = Place::for_holder(&second, None, &second);
        // SAFETY: it is called below.
        assert_eq!(unsafe { limited.places.enter(&place) }, Entered::Waits);
        let (known, waiter) = (Address(&first), AddressOfPlace(&raw const place));
        let looker = {
            let limited = Arc::clone(&limited);
            thread::spawn(move || {
                let waiter = waiter;
                // SAFETY: it stays until this thread was joined.
                let place = unsafe { &*waiter.0 };
                let holders = limited.places.holders_for(place);
                let holders =
                    holders.map(|holders| Vec::from_iter(holders.into_iter().map(Address)));
                assert!(holders.is_none_or(|holders| holders == [known]));
            })
        };
        limited.places.give_back(&first);
        looker.join().expect("it ends");
        assert!(place.list.outcome().is_some(), "it is called");
        assert!(limited.places.holders_for(&place).is_none());
        limited.places.give_back(&second);
    });
}

/// An address that is only compared with.
#[derive(Copy, Clone, Debug, PartialEq)]
struct Address(*const FiberRecord);

// SAFETY: never followed.
unsafe impl Send for Address {}

/// Where one stands, for another thread.
struct AddressOfPlace(*const Place);

// SAFETY: whoever has it says who keeps the place.
unsafe impl Send for AddressOfPlace {}

/// L3: one steps into the line and leaves it, while the place is given back; another one waits.
#[test]
fn who_leaves_gives_the_place_on() {
    explore(|| {
        let limited = Limited::new();
        let inside = FiberRecord::here();
        assert!(limited.places.try_enter(&inside));
        let hasty = {
            let limited = Arc::clone(&limited);
            thread::spawn(move || {
                let fiber = FiberRecord::here();
                let place = Frame::new(Place::for_holder(&fiber, None, &fiber));
                // SAFETY: it leaves below.
                match unsafe { limited.places.enter(&place) } {
                    Entered::Taken => limited.places.give_back(&fiber),
                    Entered::Waits => {
                        let was_called = place.list.outcome().is_some();
                        if !was_called || !is_planted("place_kept") {
                            limited.places.leave(&place);
                        }
                    }
                }
                place.leave();
            })
        };
        let other = {
            let limited = Arc::clone(&limited);
            thread::spawn(move || limited.add_within())
        };
        limited.places.give_back(&inside);
        hasty.join().expect("it ends");
        other.join().expect("it ends");
        assert_eq!((limited.read(), limited.places.taken()), (1, 0));
    });
}
