//! Locks that are taken by what a thread keeps, while that is dropped, against an allocator that counts.

use std::cell::RefCell;
use std::sync::Arc;
use std::thread;

use dagwood::Executor;
use dagwood::locks::{Limit, Mutex, RwLock};
use dagwood_tests::{Counting, scaled};

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

struct Locks {
    limit: Limit,
    mutex: Mutex<usize>,
    shared: RwLock<usize>,
}

/// Takes all of them when it is dropped, one in the other.
struct Late(Arc<Locks>);

impl Drop for Late {
    fn drop(&mut self) {
        let locks = &*self.0;
        let nested = || {
            locks.limit.within_blocking(|| {
                let read = locks.shared.read_blocking().expect("nobody writes");
                *locks.mutex.lock_blocking().expect("it is free") += 1 + *read;
            })
        };
        let inside = locks.limit.within_blocking(nested);
        inside
            .expect("there is room")
            .expect("there is room for two");
    }
}

thread_local! {
    static EARLY: RefCell<Option<Late>> = const { RefCell::new(None) };
}

/// What is kept first is dropped last: the thread's own record for what it holds is gone by then.
fn one_thread_ends(locks: &Arc<Locks>) {
    thread::scope(|scope| {
        let ends = scope.spawn(|| {
            EARLY.set(Some(Late(Arc::clone(locks))));
            locks.limit.within_blocking(|| ()).expect("there is room");
        });
        // Joined, so that what it keeps has been dropped, too.
        ends.join().expect("it ends");
    });
}

/// One test: others beside it would be counted, too.
#[test]
fn w10_threads_that_end_leave_nothing() {
    if Executor::backends().len() == 1 {
        // In the sequential build a lock stays on its thread.
        return;
    }
    let locks = Arc::new(Locks {
        limit: Limit::new("tool", 2),
        mutex: Mutex::new(0),
        shared: RwLock::new(0),
    });
    let threads = scaled(400);
    // What is kept for the next time.
    (0..4).for_each(|_| one_thread_ends(&locks));
    let before = ALLOCATOR.live();
    (0..threads).for_each(|_| one_thread_ends(&locks));
    let left = ALLOCATOR.live().saturating_sub(before);
    assert!(left < threads * 64, "{left} bytes of {threads} threads");
    assert_eq!(
        *locks.mutex.lock_blocking().expect("it is free"),
        threads + 4
    );
}
