//! For scenarios that end their process, or need one of their own.
//!
//! Used by the suite, and by the tests of `fibers`, which include this file. Needs std alone.

use std::env;
use std::ffi::OsString;
use std::process::Command;

/// The environment variable that holds the emulator's command line.
const RUNNER: &str = "XTEST_RUNNER";

/// This test program, to run one test of it, ignored or not, through the emulator that `XTEST_RUNNER` names on a
/// foreign architecture. The test is in the caller's `module_path!()`.
///
/// That a child failed proves nothing, it may not have started: assert what it says and how it ends.
pub fn child_process(module: &str, test: &str) -> Command {
    let mut words = command_line(module, test);
    let mut command = Command::new(words.remove(0));
    command.args(words);
    command
}

/// The same with so many KiB of address space: by the shell, or by the emulator, which would end in an endless loop if it had no
/// memory itself.
pub fn limited_child_process(module: &str, test: &str, address_space_kib: u32) -> Command {
    if is_emulated() {
        let mut command = child_process(module, test);
        command.env("QEMU_RESERVED_VA", format!("{address_space_kib}K"));
        return command;
    }
    let script = format!("ulimit -v {address_space_kib} && exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(script)
        .args(command_line(module, test));
    command
}

/// Whether the tests were built for an emulator, some thirty times slower than the machine.
pub const fn is_emulated() -> bool {
    option_env!("XTEST_RUNNER").is_some()
}

/// A size or a number of rounds: a thirtieth under an emulator.
pub const fn scaled(full: usize) -> usize {
    if is_emulated() { full / 30 } else { full }
}

fn command_line(module: &str, test: &str) -> Vec<OsString> {
    // The first part is the program.
    let test = match module.split_once("::") {
        Some((_, module)) => format!("{module}::{test}"),
        None => test.to_owned(),
    };
    let runner = env::var(RUNNER).unwrap_or_default();
    let program = env::current_exe().expect("this program");
    let options = ["--exact", &test, "--include-ignored", "--nocapture"];
    let emulator = runner.split_whitespace().map(OsString::from);
    let words = emulator.chain([program.into_os_string()]);
    words.chain(options.map(OsString::from)).collect()
}
