//! Builds with a pool: the backend is chosen at run time.

use std::ptr;
use std::sync::Arc;
use std::thread::available_parallelism;

use dagwood_fibers::{Faults, Mechanism, StackSettings};

use crate::builder::Builder;
use crate::error::{Error, Reason};
use crate::executor::Backend;
use crate::priority::Priority;
use crate::sched::cancel::{Region, Shut, Signal, Watch};
use crate::sched::pool::{Pool, RunningRun, Settings, Threads};
use crate::sched::stats::{Counters, Statistics};
use crate::schedule::ScheduleLog;
use crate::stacks::{Guards, Stacks};
use crate::timer::Alarm;
use crate::waiters::WaitReport;

/// What an executor runs on.
pub(crate) enum Engine {
    Sequential(Sequential),
    Pool(Workers),
}

/// The caller's thread.
pub(crate) struct Sequential {
    pub(crate) stack_bytes: usize,
    counters: Counters,
    has_statistics: bool,
    shut: Shut,
}

/// A pool of workers.
pub(crate) struct Workers {
    pub(crate) threads: Threads,
    backend: Backend,
    /// Of jobs that another executor's OS thread runs for this one.
    counters: Counters,
}

impl Engine {
    pub(crate) fn new(backend: Backend, builder: &Builder) -> Result<Engine, Error> {
        if backend == Backend::Sequential {
            return Ok(Engine::Sequential(Sequential {
                stack_bytes: builder.stack_bytes,
                counters: Counters::default(),
                has_statistics: builder.has_statistics,
                shut: Shut::new(),
            }));
        }
        Ok(Engine::Pool(Workers {
            threads: Pool::start(&pool_settings(backend, builder)?)?,
            backend,
            counters: Counters::default(),
        }))
    }

    pub(crate) fn backends() -> &'static [Backend] {
        match Mechanism::available() {
            [Mechanism::Switch, Mechanism::Thread] => {
                &[Backend::Fibers, Backend::Threads, Backend::Sequential]
            }
            [Mechanism::Switch] => &[Backend::Fibers, Backend::Sequential],
            [Mechanism::Thread] => &[Backend::Threads, Backend::Sequential],
            _ => &[Backend::Sequential],
        }
    }

    pub(crate) fn backend(&self) -> Backend {
        match self {
            Engine::Sequential(_) => Backend::Sequential,
            Engine::Pool(workers) => workers.backend,
        }
    }

    pub(crate) fn workers(&self) -> usize {
        match self {
            Engine::Sequential(_) => 1,
            Engine::Pool(workers) => workers.threads.pool().seats().len(),
        }
    }

    /// How many workers start jobs.
    pub(crate) fn on_duty(&self) -> usize {
        match self {
            Engine::Sequential(_) => 1,
            Engine::Pool(workers) => workers.threads.pool().on_duty(),
        }
    }

    /// So many start jobs from now on: one at least, and not more than there are.
    pub(crate) fn put_on_duty(&self, count: usize) {
        match self {
            Engine::Sequential(_) => (),
            Engine::Pool(workers) => workers.threads.pool().put_on_duty(count),
        }
    }

    /// A number that no other living engine has.
    pub(crate) fn identity(&self) -> usize {
        match self {
            Engine::Sequential(sequential) => std::ptr::from_ref(sequential).addr(),
            Engine::Pool(workers) => workers.threads.pool().identity(),
        }
    }

    /// Another run begins, and lasts as long as what this gives.
    ///
    /// # Errors
    ///
    /// The executor was shut down.
    pub(crate) fn begin_run(&self) -> Result<Option<RunningRun<'_>>, Error> {
        match self {
            Engine::Sequential(sequential) if sequential.shut.is_set() => {
                Err(Error::cancelled(Reason::Shutdown))
            }
            Engine::Sequential(_) => Ok(None),
            Engine::Pool(workers) => workers.threads.pool().runs().begin().map(Some),
        }
    }

    /// Ends all runs, and begins no more. Gives how many will never end.
    pub(crate) fn shut_down(&self, waits: bool) -> usize {
        match self {
            Engine::Sequential(sequential) => {
                sequential.shut.set();
                0
            }
            Engine::Pool(workers) => workers.threads.pool().shut_down(waits),
        }
    }

    /// Who waits for what now.
    pub(crate) fn waiters(&self) -> WaitReport {
        match self {
            Engine::Sequential(_) => WaitReport::default(),
            Engine::Pool(workers) => workers.threads.pool().waiters(),
        }
    }

    /// What a run is cancelled by, which a job that works for `outer` begins, if that is not null.
    ///
    /// # Safety
    ///
    /// The engine and `outer` outlive the region.
    pub(crate) unsafe fn region(
        &self,
        outer: *const Region,
        signal: Option<Arc<Signal>>,
        priority: Priority,
    ) -> Region {
        let (shut, is_polled) = match self {
            Engine::Sequential(sequential) => (&raw const sequential.shut, true),
            Engine::Pool(workers) => (ptr::from_ref(workers.threads.pool().runs().shut()), false),
        };
        // SAFETY: by contract.
        unsafe { Region::of_run(outer, signal, shut, is_polled, priority) }
    }

    /// Lets a signal tell the workers.
    pub(crate) fn watch<'s>(&self, signal: &'s Signal) -> Option<Watch<'s>> {
        match self {
            Engine::Sequential(_) => None,
            Engine::Pool(workers) => Some(Watch::new(signal, workers.threads.pool().watcher())),
        }
    }

    /// Sees to it that a signal is set in time; who runs sequentially looks itself.
    pub(crate) fn alarm(&self, signal: &Arc<Signal>) -> Option<Alarm> {
        match self {
            Engine::Sequential(_) => None,
            Engine::Pool(_) => Alarm::for_deadline_of(signal),
        }
    }

    pub(crate) fn counters(&self) -> &Counters {
        match self {
            Engine::Sequential(sequential) => &sequential.counters,
            Engine::Pool(workers) => &workers.counters,
        }
    }

    pub(crate) fn has_statistics(&self) -> bool {
        match self {
            Engine::Sequential(sequential) => sequential.has_statistics,
            Engine::Pool(workers) => workers.threads.pool().has_statistics(),
        }
    }

    pub(crate) fn stacks(&self) -> Stacks {
        match self {
            Engine::Sequential(_) => Stacks::default(),
            Engine::Pool(workers) => {
                let pool = workers.threads.pool();
                Stacks {
                    fibers: pool.fibers(),
                    fibers_max: pool.fibers_max(),
                    made: pool.stacks_made(),
                }
            }
        }
    }

    pub(crate) fn schedule_log(&self) -> Option<ScheduleLog> {
        match self {
            Engine::Sequential(_) => None,
            Engine::Pool(workers) => workers.threads.pool().schedule_log(),
        }
    }

    pub(crate) fn statistics(&self) -> Statistics {
        let mut sum = match self {
            Engine::Sequential(_) => Statistics::default(),
            Engine::Pool(workers) => workers.threads.pool().statistics(),
        };
        self.counters().add_to(&mut sum);
        sum
    }
}

/// How the pool of a backend that has one is made.
pub(crate) fn pool_settings(backend: Backend, builder: &Builder) -> Result<Settings, Error> {
    Ok(Settings {
        workers: builder
            .workers
            .unwrap_or_else(|| available_parallelism().map_or(1, usize::from)),
        mechanism: match backend {
            Backend::Threads => Mechanism::Thread,
            _ => Mechanism::Switch,
        },
        stacks: stack_settings(builder)?,
        fibers_max: builder.fibers_max,
        reports_overflows: builder.reports_overflows,
        statistics: builder.has_statistics,
        schedule: builder.schedule.clone().unwrap_or_default(),
        moves_fibers: backend == Backend::Threads || builder.moves_fibers,
        threads_max: builder.threads_max,
        watching: builder.watching.clone(),
        hooks: builder.hooks.clone(),
        jobserver: builder.permits_of().cloned(),
        is_embedded: false,
    })
}

fn stack_settings(builder: &Builder) -> Result<StackSettings, Error> {
    let guards = match builder.guards {
        Some(guards) => guards,
        None => match std::env::var("DAGWOOD_GUARDS") {
            Ok(name) => name.parse()?,
            Err(_) => Guards::Best,
        },
    };
    let guards = match guards {
        Guards::Best => dagwood_fibers::Guards::Best,
        Guards::Light => dagwood_fibers::Guards::Light,
        Guards::Splitting => dagwood_fibers::Guards::Splitting,
    };
    let faults = Faults {
        map_from: builder.faults.map_from,
        guard_from: builder.faults.guard_from,
    };
    Ok(StackSettings::new(builder.stack_bytes)
        .with_guards(guards)
        .with_faults(faults))
}
