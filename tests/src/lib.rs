//! Support of the conformance suite: every scenario runs on each backend and worker count, under a watchdog.
//!
//! Used by the test files in `tests/` only. Knows the public interface of `dagwood` and nothing behind it.
//!
//! What must not compile stands in [`refused`].

mod bed;
mod child;
mod count;
mod counting;
mod dag;
mod gate;
mod locking;
mod program;
mod random;
pub mod refused;
mod slots;

pub use bed::{Bed, run_in_batches, run_scenario, run_under_seeds};
pub use child::{child_process, is_emulated, limited_child_process, scaled};
pub use count::Count;
pub use counting::Counting;
pub use dag::{Dag, Node, Outcome, Step};
pub use gate::{
    Gated, Meeting, OpenOnDrop, OsGate, at_once_from_tasks, at_once_from_threads, fail_quietly,
    open, panic_text,
};
pub use locking::{has_line, is_deadlock, until};
pub use program::{Answers, Asker, Block, Expected, Op, Program, Storm};
pub use random::Random;
pub use slots::Slots;

/// Makes a module for each scenario, with one test for each backend of this build.
///
/// `pools`: the backends with workers. `all`: these, and sequential. `shared`: the same, but sequential only in builds
/// in which a database may be used by several threads.
///
/// Each pool also runs it under seeds (`Schedule::Seeded`), unless the line says `unseeded` and why.
///
/// The module has the name of the function that it runs, so a test's name begins with its scenario's id.
#[macro_export]
macro_rules! scenarios {
    ($($on:ident $workers:tt $(unseeded $why:literal)?: $name:ident;)+) => {$(
        mod $name {
            /// Known in every build, also where no backend can run it.
            #[allow(dead_code)]
            const BODY: fn(&$crate::Bed) = super::$name;

            #[test]
            #[cfg(feature = "fibers")]
            fn on_fibers() {
                $crate::run_scenario(stringify!($name), dagwood::Backend::Fibers, &$workers, BODY);
            }

            #[test]
            #[cfg(feature = "threads")]
            fn on_threads() {
                $crate::run_scenario(stringify!($name), dagwood::Backend::Threads, &$workers, BODY);
            }

            $crate::scenarios!(@seeds [$($why)?] $workers);

            $crate::scenarios!(@sequential $on $name);
        }
    )+};
    (@seeds [$why:literal] $workers:tt) => {};
    (@seeds [] $workers:tt) => {
        #[test]
        #[cfg(feature = "fibers")]
        fn under_seeds_on_fibers() {
            $crate::run_under_seeds(module_path!(), dagwood::Backend::Fibers, &$workers, BODY);
        }

        #[test]
        #[cfg(feature = "threads")]
        fn under_seeds_on_threads() {
            $crate::run_under_seeds(module_path!(), dagwood::Backend::Threads, &$workers, BODY);
        }
    };
    (@sequential pools $name:ident) => {};
    (@sequential all $name:ident) => {
        #[test]
        fn sequentially() {
            $crate::run_scenario(stringify!($name), dagwood::Backend::Sequential, &[1], BODY);
        }
    };
    (@sequential shared $name:ident) => {
        #[test]
        #[cfg(any(feature = "fibers", feature = "threads"))]
        fn sequentially() {
            $crate::run_scenario(stringify!($name), dagwood::Backend::Sequential, &[1], BODY);
        }
    };
}
