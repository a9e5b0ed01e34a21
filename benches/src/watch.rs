//! Shows how far an analysis in depth has come, and what is waited for, while it runs.
//!
//! Used by `front_end` for `--progress`. A thread of its own reads the counts now and then; the work knows nothing of it.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use dagwood::Executor;
use indicatif::{ProgressBar, ProgressStyle};

use crate::rust_source::deep::Progress;

/// How often it looks.
const EVERY: Duration = Duration::from_millis(100);

/// Does the work, and shows on stderr how far it is, if that is a terminal; else says what was done at the end.
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
            while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                bar.set_position(progress.done().files);
                bar.set_message(message(executor, progress));
            }
        });
        let result = work();
        drop(end);
        result
    });
    bar.finish_and_clear();
    let done = progress.done();
    eprintln!(
        "{} files, {} items, {} modules, {} pages",
        done.files, done.items, done.modules, done.pages
    );
    result
}

fn message(executor: &Executor, progress: &Progress) -> String {
    let done = progress.done();
    let waits = executor.waiters().to_string();
    // The first line is a heading or the first wait: enough to see where it hangs.
    let wait = waits.lines().next().unwrap_or_default();
    let mut text = format!(
        "{} items, {} modules, {} pages",
        done.items, done.modules, done.pages
    );
    if !wait.is_empty() {
        text.push_str("; ");
        text.push_str(wait);
    }
    text
}
