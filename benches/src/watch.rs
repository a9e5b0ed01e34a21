//! Shows how far an analysis in depth has come, and what is waited for, while it runs.
//!
//! Used by `front_end` for `--progress`. A thread of its own reads the counts now and then; the work knows nothing of it.
//! A terminal has a bar; elsewhere there is a line now and then.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use dagwood::{Executor, WaitReport};
use indicatif::{ProgressBar, ProgressStyle};

use crate::rust_source::deep::{Done, Progress};

/// How often it looks.
const EVERY: Duration = Duration::from_millis(100);

/// After so many looks there is a line, where there is no terminal.
const LOOKS_A_LINE: u64 = 10;

/// Does the work, and shows on stderr how far it is; what was done, and how many waits there were, at the end.
pub(crate) fn watched<R>(
    executor: &Executor,
    progress: &Progress,
    files: u64,
    work: impl FnOnce() -> R,
) -> R {
    let bar = ProgressBar::new(files);
    let style = ProgressStyle::with_template("[{elapsed}] {bar:30} {pos}/{len} files, {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let (end, ended) = mpsc::channel::<()>();
    let result = thread::scope(|scope| {
        let bar = &bar;
        scope.spawn(move || {
            let mut looks = 0;
            while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                let done = progress.done();
                let message = message(&done, &executor.waiters());
                looks += 1;
                if bar.is_hidden() && looks % LOOKS_A_LINE == 0 {
                    eprintln!("{}/{files} files, {message}", done.files);
                }
                bar.set_position(done.files);
                bar.set_message(message);
            }
        });
        let result = work();
        drop(end);
        result
    });
    bar.finish_and_clear();
    let done = progress.done();
    eprintln!(
        "{} files, {}; {} waits",
        done.files,
        counts(&done),
        executor.statistics().waits
    );
    result
}

fn counts(done: &Done) -> String {
    let Done {
        items,
        modules,
        pages,
        ..
    } = done;
    format!("{items} items, {modules} modules, {pages} pages")
}

/// What is done, and what is waited for: how many waits there are, and the longest.
fn message(done: &Done, waits: &WaitReport) -> String {
    let mut text = counts(done);
    if let Some(longest) = waits.iter().max_by_key(|waiter| waiter.waiting_for()) {
        let who = longest.queries().first().map_or("a job", String::as_str);
        let count = waits.len();
        text.push_str(&format!(
            "; waits: {count}, as {who} for {}",
            longest.awaited()
        ));
        if let Some(time) = longest.waiting_for() {
            text.push_str(&format!(" ({time:.1?})"));
        }
    }
    text
}

#[cfg(all(test, any(feature = "fibers", feature = "threads")))]
mod tests {
    use dagwood::{Cx, Database, Event, Query};

    use super::*;

    /// Waits for what the data has.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    struct Held;

    impl Query<Event<u32>> for Held {
        type Value = u32;

        fn provide(self, cx: &Cx<'_, Event<u32>>) -> u32 {
            *cx.data().wait(cx)
        }
    }

    #[test]
    fn what_is_done_and_what_is_waited_for_is_said() {
        let done = Done {
            items: 7,
            modules: 2,
            ..Done::default()
        };
        let nobody = message(&done, &WaitReport::default());
        assert_eq!(nobody, "7 items, 2 modules, 0 pages");
        let executor = Executor::builder().workers(1).statistics(true);
        let executor = executor.build().expect("an executor");
        let database = Database::new(Event::new());
        let said = thread::scope(|scope| {
            let ask = || {
                executor.run(&database, |cx| {
                    cx.join(|cx| *cx.get(Held), |cx| *cx.get(Held))
                })
            };
            let asking = scope.spawn(ask);
            let said = loop {
                let waits = executor.waiters();
                let for_held = waits.iter().any(|waiter| waiter.awaited().contains("Held"));
                if for_held {
                    break message(&done, &waits);
                }
                thread::yield_now();
            };
            assert_eq!(database.data().set(3), Ok(()));
            let asked = asking.join().expect("no panic");
            assert_eq!(asked.expect("no failure"), (3, 3));
            said
        });
        assert!(said.contains("2 modules, 0 pages; "), "{said}");
        assert!(
            said.contains("; waits: ") && said.contains(" for "),
            "{said}"
        );
        assert!(said.contains("Held"), "{said}");
        assert!(executor.statistics().waits >= 2);
    }
}
