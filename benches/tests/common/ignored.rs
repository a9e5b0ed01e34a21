//! An ignored test of this program, in a child: one that comes to a bad end, which its parent looks at.

use std::process::{Command, Output};

/// Runs the ignored test `name` of this program in a child, to its end.
pub(crate) fn run_ignored(name: &str) -> Output {
    let program = std::env::current_exe().expect("this program");
    Command::new(program)
        .args(["--exact", name, "--ignored", "--nocapture"])
        .output()
        .expect("it starts")
}
