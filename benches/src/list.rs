//! The command `list`: workloads, engines, and which engine can run what.

use std::io::{self, Write};
use std::process::ExitCode;

use comfy_table::Cell;

use crate::engine::Engine;
use crate::failure::Failure;
use crate::table::{mark, plain_table};
use crate::workload;

/// Prints the tables.
pub(crate) fn list() -> Result<ExitCode, Failure> {
    let mut out = io::stdout().lock();
    let mut workloads = plain_table();
    workloads.set_header(["workload", "what it is"]);
    let mut scales = plain_table();
    scales.set_header(["workload", "--size means", "default", "unit", "baseline"]);
    let mut engines = plain_table();
    engines.set_header(["engine", "what it is"]);
    let mut matrix = plain_table();
    matrix.set_header(
        ["workload"]
            .into_iter()
            .chain(Engine::ALL.iter().map(|engine| engine.name())),
    );
    for workload in workload::ALL {
        workloads.add_row([workload.name, workload.about]);
        scales.add_row([
            workload.name,
            workload.size_means,
            &workload.default_size.to_string(),
            workload.unit,
            workload.baseline.name(),
        ]);
        let marks = Engine::ALL
            .iter()
            .map(|engine| mark(workload.engines.contains(engine)));
        matrix.add_row([Cell::new(workload.name)].into_iter().chain(marks));
    }
    for engine in Engine::ALL {
        let absent = if engine.is_compiled_in() {
            ""
        } else {
            " (not in this build)"
        };
        engines.add_row([
            engine.name().to_owned(),
            format!("{}{absent}", engine.about()),
        ]);
    }
    let tables = [workloads, scales, engines, matrix];
    let texts: Vec<_> = tables.iter().map(|table| table.trim_fmt()).collect();
    writeln!(out, "{}", texts.join("\n\n"))?;
    Ok(ExitCode::SUCCESS)
}
