//! Ratios between lanes, always of the same round: what disturbs the machine in a round disturbs both sides.
//!
//! Used by the table and the JSON rows.

use crate::engine::Engine;
use crate::measure::{median, whole_ns};
use crate::rounds::Lane;
use crate::workload::{Measure, Workload};

/// The baseline's lane: that engine with 1 worker, if it ran.
pub(crate) fn baseline<'a>(workload: &Workload, lanes: &'a [Lane]) -> Option<&'a Lane> {
    find(lanes, workload.baseline, 1)
}

/// The ratio of what counts in this workload; below 1 is better.
pub(crate) fn to_baseline(workload: &Workload, lane: &Lane, baseline: &Lane) -> Option<f64> {
    match workload.measure {
        Measure::Wall => time_ratio(lane, baseline),
        Measure::Cpu => median(
            lane.cpu_ns_per_op()
                .zip(baseline.cpu_ns_per_op())
                .map(|(this, base)| this / base),
        ),
    }
}

/// How many times as long as another one a lane takes at least that was stopped; `None` of one that was not.
pub(crate) fn at_least(workload: &Workload, stopped: &Lane, other: &Lane) -> Option<f64> {
    if workload.measure != Measure::Wall {
        return None;
    }
    let limit = stopped.trouble.as_ref()?.at_least()?;
    let least = whole_ns(limit) as f64 / stopped.ops.max(1) as f64;
    Some(least / median(other.ns_per_op())?)
}

/// The median over the rounds of time by operation here over there; below 1 is faster. `None` where either did not run.
fn time_ratio(lane: &Lane, baseline: &Lane) -> Option<f64> {
    median(
        lane.ns_per_op()
            .zip(baseline.ns_per_op())
            .map(|(this, base)| this / base),
    )
}

/// A median, and where that of many more rounds would lie in 95 of 100 cases.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(crate) struct Interval {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

/// The ratio of times with its interval: two of the ordered ratios of the rounds, chosen by their number alone (the rank
/// of the median is binomial).
pub(crate) fn interval(lane: &Lane, baseline: &Lane) -> Option<Interval> {
    let ratios = lane.ns_per_op().zip(baseline.ns_per_op());
    interval_of(ratios.map(|(this, base)| this / base).collect())
}

fn interval_of(mut ratios: Vec<f64>) -> Option<Interval> {
    ratios.sort_by(f64::total_cmp);
    let count = ratios.len();
    let median = median(ratios.iter().copied())?;
    let rank = ((count as f64 - 1.96 * (count as f64).sqrt()) / 2.0)
        .floor()
        .max(0.0) as usize;
    Some(Interval {
        low: ratios[rank],
        median,
        high: ratios[count - 1 - rank],
    })
}

/// What an engine makes of the machine.
#[derive(Debug, PartialEq)]
pub(crate) struct Share {
    /// Median of sequential over engine: how many times faster than one.
    pub(crate) speed_up: f64,
    /// Median of sequential over capacity: what independent processes reach together.
    pub(crate) capacity: f64,
    /// Median of the quotient of both.
    pub(crate) share: f64,
}

/// How much of the capacity the lane's engine gets; `None` where it is not parallel or something needed did not run.
pub(crate) fn share(lane: &Lane, lanes: &[Lane]) -> Option<Share> {
    let subject = lane.subject;
    if !subject.engine.is_parallel() || subject.engine == Engine::Capacity {
        return None;
    }
    let sequential = find(lanes, Engine::Sequential, 1)?;
    let capacity = find(lanes, Engine::Capacity, subject.workers)?;
    Some(Share {
        speed_up: time_ratio(sequential, lane)?,
        capacity: time_ratio(sequential, capacity)?,
        // (sequential / engine) / (sequential / capacity), in which sequential drops out.
        share: time_ratio(capacity, lane)?,
    })
}

/// That engine with so many workers, if it ran.
pub(crate) fn find(lanes: &[Lane], engine: Engine, workers: usize) -> Option<&Lane> {
    lanes
        .iter()
        .find(|lane| lane.subject.engine == engine && lane.subject.workers == workers)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::measure::Sample;
    use crate::plan::Subject;
    use crate::trouble::Trouble;
    use crate::workload::find as workload;

    fn lane(engine: Engine, workers: usize, ops: u64, walls: &[u64]) -> Lane {
        let mut lane = Lane::new(Subject { engine, workers }, ops);
        lane.samples = walls
            .iter()
            .map(|&wall_ns| Sample { wall_ns, cpu_ns: 0 })
            .collect();
        lane
    }

    #[test]
    fn the_interval_takes_in_the_middle_half_of_few_rounds() {
        assert_eq!(interval_of(Vec::new()), None);
        let found = interval_of((1..=25).map(f64::from).collect()).unwrap();
        assert_eq!((found.low, found.median, found.high), (8.0, 13.0, 18.0));
        let found = interval_of(vec![3.0, 1.0]).unwrap();
        assert_eq!((found.low, found.median, found.high), (1.0, 2.0, 3.0));
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        // The medians are 20 and 20, but each round says otherwise.
        let this = lane(Engine::Rayon, 1, 1, &[10, 20, 40]);
        let base = lane(Engine::Calls, 1, 1, &[20, 40, 10]);
        assert_eq!(time_ratio(&this, &base), Some(0.5));
    }

    #[test]
    fn a_baseline_that_did_not_run_gives_no_ratio() {
        let lanes = [
            lane(Engine::Rayon, 1, 1, &[10]),
            lane(Engine::Calls, 1, 1, &[]),
        ];
        let base = baseline(workload("fork-join").unwrap(), &lanes).unwrap();
        assert_eq!(time_ratio(&lanes[0], base), None);
        assert!(baseline(workload("grid-hashed").unwrap(), &lanes).is_none());
    }

    #[test]
    fn who_was_stopped_takes_so_long_at_least() {
        let of = |name, stopped: &_, base: &_| at_least(workload(name).unwrap(), stopped, base);
        let mut stopped = lane(Engine::Salsa, 1, 10, &[]);
        let base = lane(Engine::Tarjan, 1, 10, &[50, 10, 20]);
        assert_eq!(of("closure", &stopped, &base), None);
        stopped.fail(Trouble::Stopped(Duration::from_nanos(500)));
        assert_eq!(of("closure", &stopped, &base), Some(25.0));
        assert_eq!(of("closure", &stopped, &stopped), None);
        assert_eq!(time_ratio(&stopped, &base), None);
        // Of one whose wall time is given it says nothing.
        assert_eq!(of("trickle-100", &stopped, &base), None);
    }

    #[test]
    fn a_workload_of_given_length_is_compared_by_cpu_time() {
        let [mut this, mut base] = [Engine::Rayon, Engine::Plain].map(|e| lane(e, 1, 1, &[50]));
        this.samples[0].cpu_ns = 6;
        base.samples[0].cpu_ns = 2;
        let ratio = |name| to_baseline(workload(name).unwrap(), &this, &base);
        assert_eq!(
            (ratio("trickle-100"), ratio("spawn")),
            (Some(3.0), Some(1.0))
        );
    }

    #[test]
    fn the_share_of_the_capacity_counts_all_processes() {
        let lanes = [
            lane(Engine::Sequential, 1, 10, &[100, 100]),
            lane(Engine::Fibers, 2, 10, &[50, 62]),
            // Two processes do twice the work: 1.6 and 2 times one process.
            lane(Engine::Capacity, 2, 20, &[125, 100]),
        ];
        let share = share(&lanes[1], &lanes).unwrap();
        assert!((share.capacity - 1.8).abs() < 1e-9, "{share:?}");
        assert!((share.share - f64::midpoint(62.5 / 50.0, 50.0 / 62.0)).abs() < 1e-9);
        assert!(super::share(&lanes[0], &lanes).is_none());
    }
}
