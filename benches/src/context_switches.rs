//! The voluntary context switches of this process's threads.
//!
//! Used by the workload `idle`. Linux keeps the figures in `/proc`; elsewhere there are none.

use std::collections::BTreeSet;
use std::fs;
use std::io;

const TASKS: &str = "/proc/self/task";

/// Threads of this process, by their ids.
pub(crate) type Threads = BTreeSet<String>;

/// All threads that there are now, or why the system does not tell.
pub(crate) fn threads() -> Result<Threads, String> {
    let ids = || -> io::Result<Threads> {
        fs::read_dir(TASKS)?
            .map(|task| Ok(task?.file_name().to_string_lossy().into_owned()))
            .collect()
    };
    ids().map_err(|error| format!("{TASKS}: {error}: context switches are counted on Linux only"))
}

/// How often all of these threads together have given up their cores of their own accord.
pub(crate) fn voluntary(threads: &Threads) -> Result<u64, String> {
    threads.iter().map(|id| voluntary_of(id)).sum()
}

fn voluntary_of(id: &str) -> Result<u64, String> {
    let place = format!("{TASKS}/{id}/status");
    let status = fs::read_to_string(&place).map_err(|error| format!("{place}: {error}"))?;
    parse(&status).ok_or_else(|| format!("{place} counts no context switches"))
}

fn parse(status: &str) -> Option<u64> {
    let count = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
    count.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figure_is_found_among_the_others() {
        let status = "Name:\tx\nnonvoluntary_ctxt_switches:\t9\nvoluntary_ctxt_switches:\t17\n";
        assert_eq!(parse(status), Some(17));
        assert_eq!(parse("nonvoluntary_ctxt_switches:\t9\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_that_waits_is_counted() {
        let own = |_: &()| {
            let id = fs::read_link("/proc/thread-self").unwrap();
            Threads::from([id.file_name().unwrap().to_string_lossy().into_owned()])
        };
        let me = own(&());
        assert!(me.is_subset(&threads().unwrap()));
        let before = voluntary(&me).unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        // Nobody sends: the wait blocks until its time is over.
        let _ = receiver.recv_timeout(std::time::Duration::from_millis(5));
        drop::<std::sync::mpsc::Sender<()>>(sender);
        assert!(voluntary(&me).unwrap() > before);
    }
}
