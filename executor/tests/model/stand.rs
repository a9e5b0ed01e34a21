//! Workers that come to stand (stand.md S2): nobody gives up an ask while a fiber is ready anywhere.

use std::sync::Arc;

use loom::thread;

use crate::explore;
use crate::plant::is_planted;
use crate::sched::fiber::FiberRecord;
use crate::sched::ready::{Inbox, ReadyList};
use crate::sched::standing::Standing;

/// Two workers, the first of which is posted a fiber.
struct Workers {
    standing: Standing,
    inbox: Inbox,
}

impl Workers {
    /// Comes to stand; `false`: would give up an ask.
    fn begin(&self) -> bool {
        self.standing.begin(|| !self.inbox.is_empty())
    }

    /// Stands until the fiber is there, and takes it.
    fn stand(&self) -> bool {
        let is_standing = self.begin();
        while is_standing && self.inbox.is_empty() {
            thread::yield_now();
        }
        let ready = ReadyList::new();
        if is_planted("stand_take_first") {
            self.inbox.drain(|fiber| ready.push(fiber));
        }
        if is_standing {
            self.standing.end();
        }
        self.inbox.drain(|fiber| ready.push(fiber));
        is_standing && ready.pop().is_some()
    }
}

/// S2: a worker posts a fiber to another that comes to stand, and comes to stand itself.
#[test]
fn a_worker_that_has_posted_a_fiber_is_not_the_last() {
    explore(|| {
        let workers = Arc::new(Workers {
            standing: Standing::new(2),
            inbox: Inbox::new(),
        });
        let fiber = Arc::new(FiberRecord::here());
        let owner = {
            let (workers, fiber) = (Arc::clone(&workers), Arc::clone(&fiber));
            thread::spawn(move || {
                let has_resumed = workers.stand();
                drop(fiber);
                has_resumed
            })
        };
        workers.inbox.push(&fiber);
        assert!(workers.begin(), "gave up while a fiber was ready");
        assert!(owner.join().unwrap(), "gave up though a fiber was posted");
    });
}
