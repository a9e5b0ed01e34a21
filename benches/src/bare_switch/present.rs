//! The round trip, where there is a switch.

use corosensei::{Coroutine, CoroutineResult, Yielder};

/// Resumes another stack that often, which yields each time, and gives the number of its yields.
pub(crate) const ROUND_TRIPS: Option<fn(u64) -> u64> = Some(round_trips);

fn round_trips(count: u64) -> u64 {
    let mut other = Coroutine::new(move |yielder: &Yielder<(), ()>, ()| {
        let mut yields = 0;
        for _ in 0..count {
            yields += 1;
            yielder.suspend(());
        }
        yields
    });
    loop {
        if let CoroutineResult::Return(yields) = other.resume(()) {
            return yields;
        }
    }
}
