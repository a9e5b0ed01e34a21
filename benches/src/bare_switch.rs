//! The baseline of `switch`: a bare round trip between two stacks.
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
