//! The plan of a comparison: which engine runs with how many workers.
//!
//! Used by `run` and `compare`, before anything is measured, so that a wrong request costs nothing. It measures nothing.

use crate::engine::{self, Engine, Kind};
use crate::failure::Failure;
use crate::jobserver;
use crate::twins;
use crate::workload::Workload;

/// An engine with a number of workers: one row.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    /// The engine.
    pub(crate) engine: Engine,
    /// The number of its workers, 1 for engines that have no workers.
    pub(crate) workers: usize,
}

/// The rows of one workload, each once, in the order of the engines. `engines` without a value means all but `capacity`.
pub(crate) fn subjects(
    workload: &Workload,
    engines: Option<&[Engine]>,
    workers: &[usize],
) -> Result<Vec<Subject>, Failure> {
    let engines: Vec<Engine> = match engines {
        Some(named) => named.to_vec(),
        None => workload
            .compiled_in()
            .filter(|engine| !matches!(engine.kind(), Kind::Machine))
            .collect(),
    };
    for &engine in &engines {
        check(workload, engine)?;
    }
    if engines.contains(&Engine::Capacity) && !engines.contains(&Engine::Sequential) {
        return Err(Failure::Usage(
            "capacity is measured against sequential: name both in --engines".to_owned(),
        ));
    }
    let mut subjects = Vec::new();
    for engine in engines {
        let one = [1];
        let workers = if engine.is_parallel() { workers } else { &one };
        for &workers in workers {
            let workers = jobserver::allowed(engine, workers);
            let subject = Subject { engine, workers };
            if !subjects.contains(&subject) {
                subjects.push(subject);
            }
        }
    }
    Ok(subjects)
}

/// Whether this build can run the workload on the engine; if not, the message names the engines that can.
pub(crate) fn check(workload: &Workload, engine: Engine) -> Result<(), Failure> {
    let able: Vec<_> = workload.compiled_in().collect();
    if able.contains(&engine) {
        return Ok(());
    }
    let why = match engine.kind() {
        Kind::OtherBuild if engine == Engine::FibersOnContext => {
            format!("{engine} runs in `compare mechanisms` only, which builds it")
        }
        Kind::OtherBuild if twins::ENGINES.contains(&engine) => {
            format!("{engine} runs in `compare par-sum` and the like only, which build it")
        }
        Kind::OtherBuild => format!("{engine} runs in `compare vintage` only, which builds it"),
        _ if engine.is_compiled_in() => format!("{engine} cannot run {}", workload.name),
        _ => format!(
            "{engine} is not compiled into this build (it was built without --features {engine})"
        ),
    };
    Err(Failure::Usage(format!(
        "{why}; engines for {}: {}",
        workload.name,
        engine::names(&able)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::find;

    fn pairs(subjects: &[Subject]) -> Vec<(&'static str, usize)> {
        subjects
            .iter()
            .map(|subject| (subject.engine.name(), subject.workers))
            .collect()
    }

    #[test]
    fn single_threaded_engines_have_one_row() {
        let engines = [Engine::Calls, Engine::Rayon, Engine::Sequential];
        let rows = subjects(find("fork-join").unwrap(), Some(&engines), &[1, 4]).unwrap();
        assert_eq!(
            pairs(&rows),
            [("calls", 1), ("rayon", 1), ("rayon", 4), ("sequential", 1)]
        );
    }

    #[test]
    fn what_is_named_twice_has_one_row() {
        let engines = [Engine::Chili, Engine::Calls, Engine::Chili];
        let rows = subjects(find("fork-join").unwrap(), Some(&engines), &[2, 2]).unwrap();
        assert_eq!(pairs(&rows), [("chili", 2), ("calls", 1)]);
    }

    #[test]
    fn by_default_everybody_but_capacity_runs() {
        let workload = find("fork-join").unwrap();
        let rows = subjects(workload, None, &[1]).unwrap();
        let able: Vec<_> = workload
            .compiled_in()
            .filter(|&engine| engine != Engine::Capacity)
            .map(|engine| (engine.name(), 1))
            .collect();
        assert_eq!(pairs(&rows), able);
    }

    #[test]
    fn an_engine_that_cannot_is_refused_with_those_that_can() {
        let failure = subjects(find("shared").unwrap(), Some(&[Engine::Rayon]), &[1]).unwrap_err();
        assert_eq!(failure.exit_code(), 2);
        let text = failure.to_string();
        assert!(text.contains("rayon cannot run shared"), "{text}");
        assert!(text.contains("sequential"), "{text}");
    }

    #[test]
    fn capacity_wants_its_measure() {
        let engines = [Engine::Capacity];
        let failure = subjects(find("shared").unwrap(), Some(&engines), &[2]).unwrap_err();
        assert!(failure.to_string().contains("sequential"));
    }
}
