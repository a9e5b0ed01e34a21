//! For scenarios that end their process.

use std::env;
use std::process::Command;

/// This test program, to run one ignored test of it, through the emulator that `XTEST_RUNNER` names on a foreign
/// architecture.
///
/// That a child failed proves nothing, it may not have started: assert what it says and how it ends.
pub fn child_process(test: &str) -> Command {
    let program = env::current_exe().expect("this program");
    let runner = env::var("XTEST_RUNNER").unwrap_or_default();
    let mut words = runner.split_whitespace();
    let mut command = match words.next() {
        Some(emulator) => {
            let mut command = Command::new(emulator);
            command.args(words).arg(program);
            command
        }
        None => Command::new(program),
    };
    command.args(["--exact", test, "--ignored", "--nocapture"]);
    command
}
