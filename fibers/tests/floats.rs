//! Floating point across switches: values live on, results are the same, and what becomes of the control state.
//!
//! Rust code runs in the default floating-point environment, and whoever changes it (assembly, a foreign function)
//! puts it back before Rust code goes on, a suspension included. So what a switch does with a changed one can be seen
//! by breaking that rule only, as `control` does, with assembly alone in between. It is pinned here so that a change
//! of it is noticed:
//!
//! - corosensei: the control state belongs to the thread; a switch leaves it as it is.
//! - `context` on x86, x86-64 and 32-bit PowerPC: it belongs to the stack; each begins with its maker's.
//!   Elsewhere it belongs to the thread.
//! - threads: each has its own.

mod common;

use std::hint::black_box;

use common::{each_mechanism, expect_returned, expect_suspended};
use dagwood_fibers::{Fiber, Suspender};

/// More numbers in flight than any target has registers that a call keeps.
const COUNT: usize = 20;

/// Keeps `COUNT` numbers of its own over each suspension.
#[inline(never)]
fn keeps(seed: f64, mut between: impl FnMut(usize)) -> [f64; COUNT] {
    // Single variables, since an array would lie in memory.
    let of = |index: f64| black_box(seed) * 100.0 + index;
    let (mut a, mut b, mut c, mut d, mut e) = (of(0.0), of(1.0), of(2.0), of(3.0), of(4.0));
    let (mut f, mut g, mut h, mut i, mut j) = (of(5.0), of(6.0), of(7.0), of(8.0), of(9.0));
    let (mut k, mut l, mut m, mut n, mut o) = (of(10.0), of(11.0), of(12.0), of(13.0), of(14.0));
    let (mut p, mut q, mut r, mut s, mut t) = (of(15.0), of(16.0), of(17.0), of(18.0), of(19.0));
    for round in 0..3 {
        between(round);
        (a, b, c, d, e) = (a + 0.5, b + 0.5, c + 0.5, d + 0.5, e + 0.5);
        (f, g, h, i, j) = (f + 0.5, g + 0.5, h + 0.5, i + 0.5, j + 0.5);
        (k, l, m, n, o) = (k + 0.5, l + 0.5, m + 0.5, n + 0.5, o + 0.5);
        (p, q, r, s, t) = (p + 0.5, q + 0.5, r + 0.5, s + 0.5, t + 0.5);
    }
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t]
}

fn expected(seed: f64) -> [f64; COUNT] {
    let mut index = 0.0;
    [(); COUNT].map(|()| {
        index += 1.0;
        seed * 100.0 + index - 1.0 + 1.5
    })
}

#[test]
fn numbers_live_over_switches_on_both_sides() {
    each_mechanism(|_, pool| {
        let fiber = |seed: f64| {
            move |suspender: &Suspender| {
                assert_eq!(keeps(seed, |_| suspender.suspend()), expected(seed));
            }
        };
        let mut first = Fiber::new(pool, fiber(1.0)).unwrap();
        let mut second = Fiber::new(pool, fiber(2.0)).unwrap();
        let own = keeps(3.0, |_| {
            expect_suspended(&mut first);
            expect_suspended(&mut second);
        });
        assert_eq!(own, expected(3.0));
        expect_returned(&mut first);
        expect_returned(&mut second);
    });
}

#[test]
fn vectors_live_over_switches_on_both_sides() {
    /// Loops that a compiler makes vectors of; four arrays live over each suspension.
    #[inline(never)]
    fn keeps(seed: u32, mut between: impl FnMut()) -> u32 {
        let of = |lane: u32| [0, 1, 2, 3].map(|index| black_box(seed) * 100 + lane * 10 + index);
        let mut lanes = [of(0), of(1), of(2), of(3)];
        for _ in 0..3 {
            between();
            for lane in &mut lanes {
                for word in lane {
                    *word += 1;
                }
            }
        }
        lanes.as_flattened().iter().sum()
    }
    let expected = |seed: u32| 16 * (seed * 100 + 3) + 4 * (10 + 20 + 30) + 4 * 6;
    each_mechanism(|_, pool| {
        let mut fiber = Fiber::new(pool, move |suspender| {
            assert_eq!(keeps(1, || suspender.suspend()), expected(1));
        })
        .unwrap();
        assert_eq!(keeps(2, || expect_suspended(&mut fiber)), expected(2));
        expect_returned(&mut fiber);
    });
}

#[test]
fn results_are_the_same_on_a_fiber() {
    fn rounded() -> [u64; 4] {
        let (one, three) = (black_box(1.0_f64), black_box(3.0_f64));
        let tiny = black_box(f64::MIN_POSITIVE);
        [one / three, -one / three, tiny / three, three.sqrt()].map(f64::to_bits)
    }
    let plain = rounded();
    each_mechanism(|_, pool| {
        let mut fiber = Fiber::new(pool, move |suspender| {
            assert_eq!(rounded(), plain);
            suspender.suspend();
            assert_eq!(rounded(), plain);
        })
        .unwrap();
        expect_suspended(&mut fiber);
        assert_eq!(rounded(), plain);
        expect_returned(&mut fiber);
        assert_eq!(rounded(), plain);
    });
}

#[cfg(any(
    target_arch = "x86_64",
    all(target_arch = "x86", target_feature = "sse"),
    target_arch = "aarch64"
))]
mod control {
    use std::arch::asm;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use dagwood_fibers::{Fiber, Mechanism};

    use super::common::{each_mechanism, expect_returned, expect_suspended};

    /// Rounding towards zero.
    #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
    const TRUNCATING: u64 = 0x6000;
    #[cfg(target_arch = "aarch64")]
    const TRUNCATING: u64 = 0xc0_0000;

    /// The bits of the control word that say how to round.
    #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
    fn rounding() -> u64 {
        let mut word = 0_u32;
        // SAFETY: stores the control word into `word`.
        unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut word, options(nostack, preserves_flags)) };
        u64::from(word) & TRUNCATING
    }

    #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
    fn set_rounding(bits: u64) {
        let mut word = 0_u32;
        // SAFETY: stores the control word into `word`.
        unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut word, options(nostack, preserves_flags)) };
        let bits = u32::try_from(bits).expect("bits of a word");
        let word = (word & !u32::try_from(TRUNCATING).expect("bits of a word")) | bits;
        // SAFETY: a valid control word; no floating-point operation is made until it is put back.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const word, options(nostack, preserves_flags)) };
    }

    #[cfg(target_arch = "aarch64")]
    fn rounding() -> u64 {
        let word: u64;
        // SAFETY: reads the control word.
        unsafe { asm!("mrs {}, fpcr", out(reg) word, options(nostack, preserves_flags)) };
        word & TRUNCATING
    }

    #[cfg(target_arch = "aarch64")]
    fn set_rounding(bits: u64) {
        let word: u64;
        // SAFETY: reads the control word.
        unsafe { asm!("mrs {}, fpcr", out(reg) word, options(nostack, preserves_flags)) };
        let word = (word & !TRUNCATING) | bits;
        // SAFETY: a valid control word; no floating-point operation is made until it is put back.
        unsafe { asm!("msr fpcr, {}", in(reg) word, options(nostack, preserves_flags)) };
    }

    #[test]
    fn the_control_state_is_the_threads_or_the_stacks() {
        let is_of_stack =
            Mechanism::switch_crate() == Some("context") && !cfg!(target_arch = "aarch64");
        each_mechanism(|mechanism, pool| {
            let seen = Arc::new([const { AtomicU64::new(u64::MAX) }; 2]);
            let in_fiber = Arc::clone(&seen);
            let mut fiber = Fiber::new(pool, move |suspender| {
                in_fiber[0].store(rounding(), Ordering::Relaxed);
                set_rounding(TRUNCATING);
                suspender.suspend();
                in_fiber[1].store(rounding(), Ordering::Relaxed);
                set_rounding(0);
            })
            .unwrap();
            expect_suspended(&mut fiber);
            let after = rounding();
            set_rounding(0);
            expect_returned(&mut fiber);
            let left = rounding();
            set_rounding(0);
            let [first, second] = [0, 1].map(|index: usize| seen[index].load(Ordering::Relaxed));
            let expected = if mechanism == Mechanism::Switch && !is_of_stack {
                [0, TRUNCATING, 0, 0]
            } else {
                [0, 0, TRUNCATING, 0]
            };
            assert_eq!([first, after, second, left], expected, "{mechanism:?}");
        });
    }
}
