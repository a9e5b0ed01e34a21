//! Slots: how many jobs run at once in all processes of a test together.
//!
//! Used by recipes and children. Each slot is a file, and who runs a job holds a lock on one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A job lasts so long: long enough that those that run at once are seen.
const LEAF: Duration = Duration::from_micros(300);

/// A folder of slots.
#[derive(Debug)]
pub struct Slots {
    slots: Vec<PathBuf>,
    is_too_many: AtomicBool,
}

impl Slots {
    /// Makes a folder with so many.
    pub fn make(folder: &Path, count: usize) {
        fs::create_dir_all(folder).expect("a folder for the slots");
        for slot in 0..count {
            fs::write(folder.join(slot.to_string()), "").expect("a slot");
        }
    }

    /// Those of a folder.
    pub fn of(folder: &Path) -> Self {
        let entries = fs::read_dir(folder).expect("the folder of the slots");
        Slots {
            slots: entries.map(|entry| entry.expect("a slot").path()).collect(),
            is_too_many: AtomicBool::new(false),
        }
    }

    /// A job: runs for a while with a slot.
    pub fn leaf(&self) {
        // Who releases one may take another behind the back of who looks: so it looks again.
        let slot = (0..3).find_map(|_| self.slots.iter().find_map(|slot| try_lock(slot)));
        if slot.is_none() {
            self.is_too_many.store(true, Ordering::Relaxed);
        }
        let start = Instant::now();
        while start.elapsed() < LEAF {
            std::hint::spin_loop();
        }
    }

    /// Whether a job has found no slot.
    pub fn were_too_few(&self) -> bool {
        self.is_too_many.load(Ordering::Relaxed)
    }
}

fn try_lock(slot: &Path) -> Option<File> {
    let file = File::open(slot).expect("a slot");
    file.try_lock().ok().map(|()| file)
}
