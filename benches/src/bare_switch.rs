//! The baselines of `switch`: a bare round trip between two stacks, by corosensei called directly, and by what
//! `dagwood-fibers` makes of the crate `context`.
//!
//! Used by the engine `corosensei`, which exists where the library compiles. The condition stands
//! here and in Cargo.toml, as it does in `fibers/`; a test compares them.

cfg_select! {
    all(any(unix, windows), any(target_arch = "x86_64", target_arch = "x86", all(not(windows), any(target_arch = "aarch64", all(target_arch = "arm", not(target_vendor = "apple")), target_arch = "riscv64", target_arch = "riscv32", target_arch = "loongarch64", all(target_arch = "powerpc64", target_endian = "little"))))) => {
        mod present;
        pub(crate) use present::ROUND_TRIPS;
    }
    _ => {
        mod absent;
        pub(crate) use absent::ROUND_TRIPS;
    }
}

use std::hint::black_box;

use dagwood_fibers::{Fiber, Mechanism, Resumed, StackPool};

/// Whether this build switches by the crate `context`.
pub(crate) fn has_context() -> bool {
    Mechanism::switch_crate() == Some("context")
}

/// The same round trips by a fiber of `dagwood-fibers`. With `apart` it has first divided by zero, so that its
/// floating-point state has a flag that its resumer's lacks; where a switch keeps one for each stack (`context` on x86), each
/// then writes it anew.
///
/// # Errors
///
/// There is no switch, or no stack.
pub(crate) fn round_trips_by_contract(count: u64, apart: bool) -> std::io::Result<u64> {
    let mut pool = StackPool::new(Mechanism::Switch, 256 << 10)?;
    let mut other = Fiber::new(&mut pool, move |suspender| {
        if apart {
            black_box(black_box(1.0_f64) / black_box(0.0));
        }
        for _ in 0..count {
            suspender.suspend();
        }
    })?;
    let mut yields = 0;
    while let Resumed::Suspended(_) = other.resume() {
        yields += 1;
    }
    Ok(yields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_trip_is_counted() {
        if let Some(round_trips) = ROUND_TRIPS {
            assert_eq!(round_trips(1000), 1000);
        }
    }

    #[test]
    fn each_round_trip_of_the_contract_is_counted() {
        let has_switch = Mechanism::switch_crate().is_some();
        for apart in [false, true] {
            let counted = round_trips_by_contract(1000, apart).ok();
            assert_eq!(counted, has_switch.then_some(1000));
        }
    }

    #[test]
    fn the_manifests_name_the_same_targets() {
        let condition = include_str!("bare_switch.rs")
            .lines()
            .find_map(|line| line.trim().strip_suffix(" => {")?.strip_prefix("all("))
            .map(|rest| format!("[target.'cfg(all({rest})'.dependencies]\ncorosensei = "))
            .expect("the arm of the switch");
        for manifest in [
            include_str!("../Cargo.toml"),
            include_str!("../../fibers/Cargo.toml"),
        ] {
            assert!(manifest.contains(&condition), "{condition}");
        }
    }
}
