//! Support of the conformance suite: every scenario runs on each backend and worker count, under a watchdog.
//!
//! Used by the test files in `tests/` only. Knows the public interface of `dagwood` and nothing behind it.
//!
//! What must not compile stands in [`refused`].

mod bed;
mod child;
mod count;
mod dag;
mod gate;
mod random;
pub mod refused;

pub use bed::{Bed, run_scenario};
pub use child::{child_process, is_emulated, limited_child_process, scaled};
pub use count::Count;
pub use dag::{Dag, Node, Outcome, Step};
pub use gate::{
    Gated, Meeting, OpenOnDrop, OsGate, at_once_from_tasks, at_once_from_threads, fail_quietly,
    open, panic_text,
};
pub use random::Random;

/// Makes a module for each scenario, with one test for each backend of this build.
///
/// `pools`: the backends with workers. `all`: these, and sequential. `shared`: the same, but sequential only in builds
/// in which a database may be used by several threads.
///
/// The module has the name of the function that it runs, so a test's name begins with its scenario's id.
#[macro_export]
macro_rules! scenarios {
    ($($on:ident $workers:tt: $name:ident;)+) => {$(
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

            $crate::scenarios!(@sequential $on $name);
        }
    )+};
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
