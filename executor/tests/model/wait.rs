//! wait.md: a list of waiters, its closer, and those who call waiters back.

use std::ptr;
use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::thread;

use crate::explore;
use crate::plant::is_planted;
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
            list: WaitList::new(ptr::null()),
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
        let list = Arc::new(WaitList::new(ptr::null()));
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
                Some(Outcome::EMPTY) if slot.list.reopen(ptr::null()) => {
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
                // SAFETY: the lock is held.
                let called_back = unsafe { slot.list.detach() };
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

/// W8: one claims an empty list and closes it, two others wait for it, one of whom is called back. Whoever looks under the
/// graph's lock while it is open and claimed sees who claimed it.
#[test]
fn whoever_looks_at_an_open_list_sees_its_owner() {
    explore(|| {
        let slot = Slot::new();
        slot.list.close(Outcome::EMPTY).wake();
        let graph = Arc::new(Mutex::new(()));
        let owner = Arc::new(FiberRecord::nobody());
        assert!(slot.list.reopen(&*owner));
        let look = |slot: &Slot, owner: &FiberRecord| {
            // SAFETY: the lock is held, and all list themselves by `list_owned`.
            let seen = unsafe { slot.list.owner() };
            assert!(ptr::eq(seen, owner) || slot.list.outcome().is_some());
        };
        let caller = {
            let (slot, graph, owner) = (Arc::clone(&slot), Arc::clone(&graph), Arc::clone(&owner));
            thread::spawn(move || {
                let guard = graph.lock();
                look(&slot, &owner);
                // SAFETY: the lock is held.
                let called_back = unsafe { slot.list.detach() };
                look(&slot, &owner);
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
            if is_planted("wait_owner") {
                // SAFETY: `fiber` stays here until the list does not take it.
                return unsafe { slot.list.list(&fiber) };
            }
            // SAFETY: as above, and the lock is held.
            let listed = unsafe { slot.list.list_owned(&fiber) };
            look(&slot, &owner);
            listed
        };
        while list().is_ok() {
            fiber.suspend();
        }
        assert_eq!(slot.read(), 7);
        caller.join().expect("the caller ends");
        closer.join().expect("the closer ends");
    });
}

/// W8: whoever starts a job says so while another lists itself for it.
#[test]
fn the_owner_is_told_to_those_who_wait_already() {
    explore(|| {
        let slot = Slot::new();
        let graph = Arc::new(Mutex::new(()));
        let starter = {
            let (slot, graph) = (Arc::clone(&slot), Arc::clone(&graph));
            thread::spawn(move || {
                let owner = FiberRecord::nobody();
                if !slot.list.set_owner(&owner) && !is_planted("wait_untold") {
                    let _guard = graph.lock();
                    // SAFETY: the lock is held, and we close.
                    unsafe { slot.list.set_owner_of_waiters(&owner) };
                    slot.list.set_owner(&owner);
                }
                let guard = graph.lock();
                // SAFETY: the lock is held.
                assert!(ptr::eq(unsafe { slot.list.owner() }, &owner));
                drop(guard);
                slot.list.close(Outcome::READY).wake();
            })
        };
        let fiber = FiberRecord::here();
        let listed = {
            let _guard = graph.lock();
            // SAFETY: `fiber` stays here until it was woken, and the lock is held.
            unsafe { slot.list.list_owned(&fiber) }
        };
        if listed.is_ok() {
            fiber.suspend();
        }
        starter.join().expect("the starter ends");
    });
}
