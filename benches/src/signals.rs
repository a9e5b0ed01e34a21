//! The signals that end a program: a thread hears of them, since what is to be done takes a lock.

use std::fs;
use std::thread;

use dagwood::Jobserver;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// When a signal comes that ends the process, all tokens go back before it does. One that was to be ignored when the program was
/// started (`nohup`, a shell's `&`) still is.
pub(crate) fn give_back_at_the_end(jobserver: Jobserver) {
    let ignored = ignored();
    let heard = [SIGHUP, SIGINT, SIGTERM];
    let heard = heard
        .iter()
        .filter(|&&signal| ignored & 1 << (signal - 1) == 0);
    let mut signals = match Signals::new(heard) {
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

/// The signals that are ignored, a bit for each, where the system says so in a file (Linux): the lowest is the first's.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}
