//! One timed run, and the small arithmetic on samples.
//!
//! Used by `run`, by the rounds of a comparison and by the child process. It must not know which engine it times.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;

use crate::trouble::Trouble;
use crate::workload::{Answer, Job};

/// What one run of a whole job took.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Wall time.
    pub(crate) wall_ns: u64,
    /// CPU time of all threads of the process.
    pub(crate) cpu_ns: u64,
}

/// What one run took and found, or why it did not.
pub(crate) type Outcome = Result<(Sample, Box<dyn Answer>), Trouble>;

/// Runs the job once. A panic of it is an error like any other: one engine must not take the others down.
pub(crate) fn timed(job: &mut Job<'_>) -> Outcome {
    job.prepare();
    let cpu = ProcessTime::now();
    let wall = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| job.run()));
    let sample = Sample {
        wall_ns: whole_ns(wall.elapsed()),
        cpu_ns: whole_ns(cpu.elapsed()),
    };
    match outcome {
        Ok(Ok(answer)) => Ok((sample, answer)),
        Ok(Err(trouble)) => Err(trouble),
        Err(payload) => Err(format!("panicked: {}", panic_text(&*payload)).into()),
    }
}

/// A duration in nanoseconds; 584 years are enough.
pub(crate) fn whole_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The middle value, or the mean of the two middle ones; `None` of nothing.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = values[values.len() / 2 - 1];
    Some(f64::midpoint(lower, upper))
}

fn panic_text(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "(no text)"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Number;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([]), None);
        assert_eq!(median([3.0]), Some(3.0));
        assert_eq!(median([5.0, 1.0, 3.0]), Some(3.0));
        assert_eq!(median([4.0, 1.0, 3.0, 100.0]), Some(3.5));
    }

    #[test]
    fn a_panic_is_an_error_with_its_text() {
        let mut job = Job::other(|| -> Number { panic!("on {}", "purpose") });
        let Err(trouble) = timed(&mut job) else {
            panic!("no error")
        };
        assert_eq!(trouble, Trouble::from("panicked: on purpose"));
    }
}
