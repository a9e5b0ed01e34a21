//! Runs the built `dagwood` for the integration tests.

use std::process::{Command, Output};

use serde_json::Value;

/// The exit code of a process that ended by itself, and what it wrote.
pub(crate) struct Finished {
    /// The exit code.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Finished {
    /// The JSON rows on stdout, which must hold nothing else.
    #[allow(dead_code, reason = "not every test file looks at rows")]
    pub(crate) fn rows(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
            .collect()
    }
}

/// Runs `dagwood` with these arguments, separated by spaces.
pub(crate) fn dagwood(line: &str) -> Finished {
    dagwood_with_child(line, "")
}

/// The same, with children that misbehave: `ENGINE:HOW`.
pub(crate) fn dagwood_with_child(line: &str, how: &str) -> Finished {
    let output: Output = Command::new(env!("CARGO_BIN_EXE_dagwood"))
        .args(line.split_whitespace())
        .env("DAGWOOD_TEST_CHILD", how)
        .output()
        .expect("dagwood starts");
    Finished {
        code: output.status.code().expect("dagwood ends by itself"),
        stdout: String::from_utf8(output.stdout).expect("stdout is text"),
        stderr: String::from_utf8(output.stderr).expect("stderr is text"),
    }
}

/// The row of that engine and number of workers.
#[allow(dead_code, reason = "not every test file looks at rows")]
pub(crate) fn row<'a>(rows: &'a [Value], engine: &str, workers: u64) -> &'a Value {
    rows.iter()
        .find(|row| row["engine"] == engine && row["workers"] == workers)
        .unwrap_or_else(|| panic!("no row of {engine} with {workers} workers"))
}
