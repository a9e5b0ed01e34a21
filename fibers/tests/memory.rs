//! What many stacks take of the process's memory and mappings. One test at a time: the figures are the process's.

mod common;

use std::fs;
use std::sync::Mutex;

use common::{SMALL_BYTES, depots, end, waiting};
use dagwood_fibers::StackSettings;

static ALONE: Mutex<()> = Mutex::new(());

/// Memory of the process that is neither file nor shared, in KiB.
fn resident_kib() -> usize {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let number = line.unwrap().trim().trim_end_matches("kB").trim();
    number.parse().unwrap()
}

fn mappings() -> usize {
    let text = fs::read_to_string("/proc/self/maps").unwrap();
    text.lines().count()
}

#[test]
fn w3_more_guarded_stacks_than_mappings() {
    let _alone = ALONE.lock();
    for depot in depots(StackSettings::new(SMALL_BYTES)) {
        if depot.splits_mappings() {
            println!("not tried: this system has no light guards");
            return;
        }
        let mut pool = depot.pool();
        let before = mappings();
        // At the most half of 32-bit addresses.
        let count = 40_000.min(usize::MAX / (4 * SMALL_BYTES));
        let fibers = waiting(&mut pool, count);
        assert!(mappings() <= before + 20, "{before} and {}", mappings());
        assert_eq!(depot.made(), count);
        end(fibers, &mut pool);
    }
}

#[test]
fn memory_above_the_mark_goes_back() {
    let _alone = ALONE.lock();
    if option_env!("XTEST_RUNNER").is_some() {
        println!("not tried: an emulator may keep memory that is given back");
        return;
    }
    for depot in depots(StackSettings::new(SMALL_BYTES)) {
        let mut pool = depot.pool();
        let before = resident_kib();
        let fibers = waiting(&mut pool, 10_000);
        let waiting_kib = resident_kib() - before;
        assert!(waiting_kib > 10_000 * 4, "each has touched a page");
        end(fibers, &mut pool);
        let left_kib = resident_kib().saturating_sub(before);
        // Some 1,024 at the depot, and a few here.
        assert!(
            left_kib < waiting_kib / 5,
            "{left_kib} of {waiting_kib} KiB"
        );
        let fibers = waiting(&mut pool, 10_000);
        // The pool may finish the batch of fresh ones that it had begun.
        assert!(depot.made() < 10_032, "made {}", depot.made());
        end(fibers, &mut pool);
    }
}
