//! wait.md: a list of waiters, its closer, and those who call waiters back.

use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::thread;

use crate::explore;
use crate::sched::fiber::FiberRecord;
use crate::sched::wait::{Outcome, WaitList};
use crate::sync::{Frame, Mutex};

/// A slot, reduced to its wait list and its value.
struct Slot {
    list: WaitList,
    value: UnsafeCell<u32>,
}

// SAFETY: loom fails the model if two use the value at once.
unsafe impl Send for Slot {}
// SAFETY: as above.
unsafe impl Sync for Slot {}

impl Slot {
    fn new() -> Arc<Slot> {
        Arc::new(Slot {
            list: WaitList::new(),
            value: UnsafeCell::new(0),
        })
    }

    fn add(&self, more: u32) {
        // SAFETY: loom fails the model if somebody uses it meanwhile.
        self.value.with_mut(|value| unsafe { *value += more });
    }

    fn read(&self) -> u32 {
        // SAFETY: loom fails the model if somebody writes meanwhile.
        self.value.with(|value| unsafe { *value })
    }

    /// Waits until the list is closed or its waiters are called back.
    fn wait(&self) {
        let fiber = FiberRecord::here();
        // SAFETY: `fiber` stays here until it was woken.
        if unsafe { self.list.list(&fiber) }.is_ok() {
            fiber.suspend();
        }
    }

    fn await_value(&self) -> u32 {
        if self.list.outcome().is_none() {
            self.wait();
        }
        assert_eq!(self.list.outcome(), Some(Outcome::READY));
        self.read()
    }
}

/// W1 to W3: two askers and a closer. Each asker sees the value; none hangs, none is woken twice.
#[test]
fn each_waiter_of_a_list_is_woken_once_and_sees_the_value() {
    explore(|| {
        let slot = Slot::new();
        let asker = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || slot.await_value())
        };
        let closer = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || {
                slot.add(7);
                slot.list.close(Outcome::READY).wake();
            })
        };
        assert_eq!(slot.await_value(), 7);
        assert_eq!(asker.join().expect("the asker ends"), 7);
        closer.join().expect("the closer ends");
    });
}

/// W3: the memory of a woken waiter is used again at once, for one that nobody may wake.
#[test]
fn a_woken_waiter_is_touched_no_more() {
    explore(|| {
        let list = Arc::new(WaitList::new());
        let askers = [0, 1].map(|_| {
            let list = Arc::clone(&list);
            thread::spawn(move || {
                let fiber = Frame::new(FiberRecord::here());
                // SAFETY: the record stays here until it was woken.
                if unsafe { list.list(&fiber) }.is_ok() {
                    fiber.suspend();
                }
                fiber.leave_to(FiberRecord::nobody());
                // Kept for whoever comes too late.
                fiber
            })
        });
        list.close(Outcome::READY).wake();
        for asker in askers {
            asker.join().expect("the asker ends");
        }
    });
}

/// W5: an abandoned list is reopened by one of two askers, which then closes it for the other.
#[test]
fn one_asker_reopens_an_abandoned_list() {
    explore(|| {
        let slot = Slot::new();
        let ask = |slot: &Slot| loop {
            match slot.list.outcome() {
                Some(Outcome::EMPTY) if slot.list.reopen() => {
                    // The claim is ours: nobody else writes, and nobody reads before the close.
                    slot.add(1);
                    slot.list.close(Outcome::READY).wake();
                }
                Some(Outcome::READY) => return slot.read(),
                Some(_) => (),
                None => slot.wait(),
            }
        };
        let asker = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || ask(&slot))
        };
        slot.list.close(Outcome::EMPTY).wake();
        assert_eq!(ask(&slot), 1);
        assert_eq!(asker.join().expect("the asker ends"), 1);
    });
}

/// W6: a waiter is called back, under the graph's lock, while the list is closed: it is woken by
/// the one or by the other, and comes back to the list.
#[test]
fn a_waiter_that_is_called_back_lists_itself_again() {
    explore(|| {
        let slot = Slot::new();
        let graph = Arc::new(Mutex::new(()));
        let caller = {
            let slot = Arc::clone(&slot);
            let graph = Arc::clone(&graph);
            thread::spawn(move || {
                let guard = graph.lock();
                let called_back = slot.list.detach();
                drop(guard);
                called_back.wake();
            })
        };
        let closer = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || {
                slot.add(7);
                slot.list.close(Outcome::READY).wake();
            })
        };
        let fiber = FiberRecord::here();
        let list = || {
            let _guard = graph.lock();
            // SAFETY: `fiber` stays here until the list does not take it.
            unsafe { slot.list.list(&fiber) }
        };
        while list().is_ok() {
            fiber.suspend();
        }
        assert_eq!(slot.read(), 7);
        caller.join().expect("the caller ends");
        closer.join().expect("the closer ends");
    });
}
