//! Permits: a number, and a line of those for whom it is too small. Rules: lock.md P1, P2.
//!
//! Used by the public semaphores, which suspend. Knows nobody who has some.

use std::ptr;

use super::fiber::FiberRecord;
use super::line::{Called, Line, Place};
use super::lock::Entered;
use crate::sync::{AtomicUsize, Mutex, Ordering};

/// The mark of a word: somebody waits (P1). The rest, halved, is the number of permits.
const QUEUED: usize = 1;

/// So many there can be.
pub(crate) const PERMITS_MAX: usize = usize::MAX >> 1;

/// Where somebody stands who waits for permits.
pub(crate) enum Standing {
    /// It was called, or will be as soon as those have left who do not wait any more.
    GoesOn,
    /// Nobody who waits stands before it.
    First,
    /// Somebody who waits stands before it: the first of them.
    Behind(*const FiberRecord),
}

/// Permits that are there, and those who wait for some.
pub(crate) struct Permits {
    word: AtomicUsize,
    line: Mutex<Line>,
}

impl Permits {
    /// So many, at most [`PERMITS_MAX`].
    pub(crate) fn new(count: usize) -> Self {
        Permits {
            word: AtomicUsize::new(sum(count, 0) << 1),
            line: Mutex::new(Line::new()),
        }
    }

    /// How many are there now.
    pub(crate) fn count(&self) -> usize {
        self.word.load(Ordering::Relaxed) >> 1
    }

    /// Takes so many, if they are there and nobody waits (P1).
    #[inline]
    pub(crate) fn try_take(&self, count: usize) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & QUEUED == 0 && word >> 1 >= count {
            // Acquire: pairs with the Release of `give_back`.
            match self.word.compare_exchange(
                word,
                word - (count << 1),
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Takes as many as `place` wants, or puts it into the line.
    ///
    /// # Safety
    ///
    /// `place` is in no line, and stays where it is until it is called, which hands it what it wants, or has
    /// [left](Self::leave).
    pub(crate) unsafe fn enter(&self, place: &Place) -> Entered {
        let mut line = self.line.lock();
        loop {
            if self.try_take(place.amount) {
                return Entered::Taken;
            }
            let word = self.word.load(Ordering::Relaxed);
            if word & QUEUED != 0 || word >> 1 < place.amount && self.mark(word) {
                // SAFETY: by contract.
                unsafe { line.push(place) };
                return Entered::Waits;
            }
        }
    }

    /// Says that somebody waits. The line's lock is held.
    fn mark(&self, word: usize) -> bool {
        // Relaxed: whoever finds the mark takes the line's lock.
        self.word
            .compare_exchange(word, word | QUEUED, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// Gives so many back, to whoever waits for them (P2).
    ///
    /// # Panics
    ///
    /// If there are too many then.
    #[inline]
    pub(crate) fn give_back(&self, count: usize) {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & QUEUED == 0 {
            let more = sum(word >> 1, count) << 1;
            // Release: pairs with the Acquire of `try_take`.
            match self
                .word
                .compare_exchange(word, more, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
        self.hand_over(count);
    }

    /// Adds so many, and hands over what is there to the first in the line, as long as it is enough.
    #[cold]
    fn hand_over(&self, more: usize) {
        let mut called = Called::nobody();
        let mut line = self.line.lock();
        let mut count = loop {
            let word = self.word.load(Ordering::Relaxed);
            let now = sum(word >> 1, more) << 1 | word & QUEUED;
            // Release: as in `give_back`. Acquire: pairs with that of others who gave some back, on whose behalf those who
            // are called go on, too.
            if self
                .word
                .compare_exchange(word, now, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
            {
                if now & QUEUED == 0 {
                    return;
                }
                break now >> 1;
            }
        };
        while let Some(wanted) = line.first().map(|first| first.amount)
            && wanted <= count
        {
            count -= wanted;
            line.call_first(&mut called);
        }
        let mark = usize::from(!line.is_empty()) * QUEUED;
        // Release: as above. With the mark it changes under the line's lock alone (P1).
        self.word.store(count << 1 | mark, Ordering::Release);
        drop(line);
        called.wake();
    }

    /// Where `place` stands, beside those in front of it of whom `waits` says that they do: the others are about to leave.
    /// `waits` may look at them; they do not leave meanwhile.
    pub(crate) fn standing(
        &self,
        place: &Place,
        waits: impl Fn(*const FiberRecord) -> bool,
    ) -> Standing {
        let line = self.line.lock();
        if !line.has(place) {
            return Standing::GoesOn;
        }
        let before = line.places().take_while(|other| !ptr::eq(*other, place));
        let mut before = before.map(|other| other.fiber);
        match before.find(|fiber| waits(*fiber)) {
            Some(first) => Standing::Behind(first),
            None if place.amount <= self.count() => Standing::GoesOn,
            None => Standing::First,
        }
    }

    /// Does something with `place`, if it is in the line.
    pub(crate) fn with_place<R>(&self, place: &Place, body: impl FnOnce(&Place) -> R) -> Option<R> {
        let line = self.line.lock();
        line.has(place).then(|| body(place))
    }

    /// Leaves the line with nothing (P2).
    pub(crate) fn leave(&self, place: &Place) {
        let mut line = self.line.lock();
        let was_called = !line.remove(place);
        drop(line);
        // There may be enough for who stood behind it.
        self.hand_over(if was_called { place.amount } else { 0 });
    }
}

fn sum(count: usize, more: usize) -> usize {
    let sum = count.checked_add(more);
    sum.filter(|sum| *sum <= PERMITS_MAX)
        .expect("a semaphore has at most half as many permits as there are numbers")
}
