//! The signals that end a program: a thread hears of them, since what is to be done takes a lock.

use std::thread;

use dagwood::Jobserver;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// When a signal comes that ends the process, all tokens go back before it does.
pub(crate) fn give_back_at_the_end(jobserver: Jobserver) {
    let mut signals = match Signals::new([SIGHUP, SIGINT, SIGTERM]) {
        Ok(signals) => signals,
        Err(error) => return eprintln!("warning: tokens are lost if a signal ends this: {error}"),
    };
    thread::spawn(move || {
        for signal in signals.forever() {
            jobserver.give_back();
            // Ends the process as the signal does.
            let _ = emulate_default_handler(signal);
        }
    });
}
