//! A bug that a sanitizer must find: what shows that it can (`ci`, step `asan`).

mod common;

use std::env;
use std::hint::black_box;

use common::{each_mechanism, expect_returned};
use dagwood_fibers::Fiber;

/// Does nothing unless it is asked to.
#[test]
fn a_stack_buffer_overflows_if_told_to() {
    let Ok(plant) = env::var("DAGWOOD_PLANT") else {
        return;
    };
    assert_eq!(plant, "stack_buffer");
    each_mechanism(|_, pool| {
        let mut fiber = Fiber::new(pool, |suspender| {
            let mut buffer = black_box([1_u8; 32]);
            suspender.suspend();
            let past_the_end = black_box(buffer.as_mut_ptr()).wrapping_add(black_box(32));
            // SAFETY: none: this is the bug. It hits the red zone that the sanitizer keeps behind the buffer.
            unsafe { past_the_end.write(2) };
            black_box(&buffer);
        })
        .unwrap();
        drop(fiber.resume());
        expect_returned(&mut fiber);
    });
}
