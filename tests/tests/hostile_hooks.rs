//! X3 for the hooks around a suspension, at a place where a review found them wrong.

use std::sync::{Arc, Mutex as OsMutex, Weak};

use dagwood::{Database, Event, Executor};
use dagwood_tests::{Bed, open, scenarios};

scenarios! {
    pools [2, 1]: x3_a_hook_may_ask_its_own_executor;
}

/// Under a schedule a hook has the turn of its worker: it must not wait until nobody has it.
fn x3_a_hook_may_ask_its_own_executor(bed: &Bed) {
    let own = Arc::new(OsMutex::new(None::<Executor>));
    let known: Weak<_> = Arc::downgrade(&own);
    let leave = move || {
        let Some(own) = known.upgrade() else { return };
        // A copy: others come here meanwhile.
        let executor = own.lock().expect("not poisoned").clone();
        if let Some(executor) = executor {
            let _ = (executor.schedule_log(), executor.statistics());
            executor.set_workers(1).expect("so many there are");
            executor.set_workers(executor.workers()).expect("all");
        }
    };
    let builder = bed.builder().suspend_hooks(leave, |()| ());
    let executor = builder.build().expect("an executor can be made");
    *own.lock().expect("not poisoned") = Some(executor.clone());
    let run = executor.run(&Database::new(()), |cx| {
        cx.par_for_each(0..bed.scaled(100), |cx, _| {
            let event = Event::new();
            cx.join(|cx| event.wait(cx), |_| open(&event));
        });
    });
    run.expect("it ends");
}
