//! The steps of the gate: each a name, why it is there, and the commands.

use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use crate::commands;
use crate::line::Line;
use crate::rayon_crates;

/// One step of the gate.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    /// Whether it runs only when it is named.
    pub(crate) is_extra: bool,
    about: &'static str,
    commands: fn() -> Vec<Line>,
}

/// All steps, the quick ones first.
pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "format",
        is_extra: false,
        about: "rustfmt has nothing to change",
        commands: commands::format,
    },
    Step {
        name: "clippy",
        is_extra: false,
        about: "clippy has nothing to say, for each feature set; the builds to compare with compile",
        commands: commands::clippy,
    },
    Step {
        name: "docs",
        is_extra: false,
        about: "rustdoc has nothing to say, private items and links included",
        commands: commands::docs,
    },
    Step {
        name: "test",
        is_extra: false,
        about: "README's test command",
        commands: commands::test,
    },
    Step {
        name: "models",
        is_extra: false,
        about: "the loom models pass, and each planted bug breaks its models",
        commands: commands::models,
    },
    Step {
        name: "abort",
        is_extra: false,
        about: "cancellation in a program in which nothing unwinds",
        commands: commands::abort,
    },
    Step {
        name: "features",
        is_extra: false,
        about: "the suite, for each feature set",
        commands: commands::features,
    },
    Step {
        name: "release",
        is_extra: false,
        about: "the conformance suite, optimised",
        commands: commands::release,
    },
    Step {
        name: "seeds",
        is_extra: false,
        about: "the conformance suite under 20 seeds, and planted bugs that seeds must find",
        commands: commands::seeds,
    },
    Step {
        name: "scale",
        is_extra: false,
        about: "the large sizes: D1 in full, ten thousand blocked threads, results by the million, 10,000 random programs",
        commands: commands::scale,
    },
    Step {
        name: "examples",
        is_extra: false,
        about: "each example runs, on each backend",
        commands: commands::examples,
    },
    Step {
        name: "harness",
        is_extra: false,
        about: "each workload runs on each engine, with one checksum",
        commands: commands::harness,
    },
    Step {
        name: "make",
        is_extra: false,
        about: "recipes under GNU make 4.3 (a pipe) and 4.4 (a fifo): no job too many, and all tokens back",
        commands: commands::make,
    },
    Step {
        name: "pages",
        is_extra: true,
        about: "the pages of rust-source are drawn by a browser, light and dark, and their search finds",
        commands: commands::pages,
    },
    Step {
        name: "instructions",
        is_extra: true,
        about: "what hits, misses and the parallel build cost, counted by valgrind (x86-64)",
        commands: commands::instructions,
    },
    Step {
        name: "many-seeds",
        is_extra: true,
        about: "the conformance suite under 1,000 seeds",
        commands: commands::many_seeds,
    },
    Step {
        name: "moving",
        is_extra: true,
        about: "the suite with fibers that may move between workers, also with fat LTO",
        commands: commands::moving,
    },
    Step {
        name: "plants",
        is_extra: true,
        about: "each scenario fails on a build with a bug planted in it",
        commands: commands::plants,
    },
    Step {
        name: "fifty",
        is_extra: true,
        about: "the conformance suite, optimised, fifty times in a row",
        commands: commands::fifty,
    },
    Step {
        name: "asan",
        is_extra: false,
        about: "the suite of the stacks under AddressSanitizer (x86-64 Linux), and a bug that it must find",
        commands: commands::asan,
    },
    Step {
        name: "tsan",
        is_extra: false,
        about: "the suite on threads under ThreadSanitizer (x86-64 Linux), and a race that it must find",
        commands: commands::tsan,
    },
    Step {
        name: "targets",
        is_extra: false,
        about: "the libraries compile for Windows and macOS, the sequential build for WebAssembly",
        commands: commands::targets,
    },
    Step {
        name: "rayon",
        is_extra: true,
        about: "rayon's and rayon-core's own tests on the crate rayon-core, on fibers and on threads",
        commands: commands::rayon,
    },
    Step {
        name: "rayon-crates",
        is_extra: true,
        about: "tests of crates that use rayon on the crate rayon-core, on fibers and on threads",
        commands: rayon_crates::lines,
    },
    Step {
        name: "context",
        is_extra: true,
        about: "the suite on the switch of the crate `context`",
        commands: commands::context,
    },
    Step {
        name: "foreign",
        is_extra: false,
        about: "the suite on threads on s390x and sparc64, emulated",
        commands: commands::foreign,
    },
    Step {
        name: "checksum",
        is_extra: true,
        about: "rust-source prints on s390x, emulated, what it prints here",
        commands: commands::checksum,
    },
    Step {
        name: "emulated",
        is_extra: true,
        about: "the suite on powerpc64, aarch64, riscv64 and powerpc64le, emulated, and on i686",
        commands: commands::emulated,
    },
    Step {
        name: "windows",
        is_extra: true,
        about: "the suite on Windows, of which Debian's wine plays the part",
        commands: commands::windows,
    },
    Step {
        name: "large",
        is_extra: true,
        about: "the largest sizes: 100,000 and a million that wait (some 6 GiB), C3 10,000 times, 100,000 random programs",
        commands: commands::large,
    },
];

impl Step {
    /// Prints what the step does.
    pub(crate) fn describe(&self) {
        let extra = if self.is_extra { " (extra)" } else { "" };
        println!("{}{extra}: {}", self.name, self.about);
        for line in (self.commands)() {
            println!("    {line}");
        }
    }

    /// Runs the step's commands, those of two series side by side: compilers and emulators hardly use a second core. Gives
    /// one that failed.
    pub(crate) fn run(&self) -> Result<(), String> {
        let start = Instant::now();
        let lines = (self.commands)();
        let series = lines.chunk_by(|one, next| next.follows(one));
        let series = Mutex::new(series);
        let next = || series.lock().expect("nobody panics").next();
        let work = || std::iter::from_fn(next).try_for_each(|lines| self.run_lines(lines));
        let [one, other] = thread::scope(|scope| {
            [scope.spawn(work), scope.spawn(work)].map(|side| side.join().expect("no panic"))
        });
        one.and(other)?;
        eprintln!("[{}] passed in {} s", self.name, start.elapsed().as_secs());
        Ok(())
    }

    fn run_lines(&self, lines: &[Line]) -> Result<(), String> {
        for line in lines {
            eprintln!("\n[{}] {line}", self.name);
            line.run().map_err(|why| format!("{line} ({why})"))?;
        }
        Ok(())
    }
}
