//! The protocols under test: the library's own files, with fibers that are loom threads.

#[path = "../../src/sched/attention.rs"]
pub(crate) mod attention;
#[path = "fiber.rs"]
pub(crate) mod fiber;
#[path = "../../src/sched/idle.rs"]
pub(crate) mod idle;
#[path = "../../src/sched/latch.rs"]
pub(crate) mod latch;
#[path = "../../src/sched/line.rs"]
pub(crate) mod line;
#[path = "../../src/sched/lock.rs"]
pub(crate) mod lock;
#[path = "../../src/sched/permits.rs"]
pub(crate) mod permits;
#[path = "../../src/sched/posted.rs"]
pub(crate) mod posted;
#[path = "../../src/sched/ready.rs"]
pub(crate) mod ready;
#[path = "../../src/sched/rest.rs"]
pub(crate) mod rest;
#[path = "../../src/sched/stance.rs"]
pub(crate) mod stance;
#[path = "../../src/sched/standing.rs"]
pub(crate) mod standing;
#[path = "../../src/sched/wait.rs"]
pub(crate) mod wait;
