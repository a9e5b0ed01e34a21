//! Which backends a build has, by features and target, and how an executor is asked for.

use dagwood::{Backend, Database, Executor};

/// What each feature set says. Targets of which the suite knows neither that they have a switch nor that they have not
/// are not judged.
#[test]
fn backends_are_those_of_the_features() {
    let has_switch = cfg!(any(
        target_arch = "x86_64",
        target_arch = "x86",
        target_arch = "aarch64",
        target_arch = "arm",
        target_arch = "riscv64"
    ));
    let has_none = cfg!(any(target_arch = "s390x", target_arch = "sparc64"));
    let (fibers, threads) = (cfg!(feature = "fibers"), cfg!(feature = "threads"));
    let expected: &[Backend] = match (fibers, threads) {
        (false, false) => &[Backend::Sequential],
        _ if has_none => &[Backend::Threads, Backend::Sequential],
        _ if !has_switch => return,
        (true, true) => &[Backend::Fibers, Backend::Threads, Backend::Sequential],
        (true, false) => &[Backend::Fibers, Backend::Sequential],
        (false, true) => &[Backend::Threads, Backend::Sequential],
    };
    assert_eq!(Executor::backends(), expected);
}

#[test]
fn backends_that_are_not_compiled_in_are_an_error_that_names_them() {
    for backend in [Backend::Fibers, Backend::Threads, Backend::Sequential] {
        let built = Executor::builder().workers(2).backend(backend).build();
        if Executor::backends().contains(&backend) {
            let executor = built.expect("it is compiled in");
            assert_eq!(executor.backend(), backend);
            let workers = if backend == Backend::Sequential { 1 } else { 2 };
            assert_eq!(executor.workers(), workers);
        } else {
            let text = built.expect_err("it is not compiled in").to_string();
            let start = format!("the {backend} backend is not part of this build, which has: ");
            assert!(text.starts_with(&start), "{text}");
            for here in Executor::backends() {
                assert!(text.contains(&here.to_string()), "{text}");
            }
        }
    }
}

#[test]
fn backends_are_chosen_by_default_as_the_first() {
    let executor = Executor::builder().build().expect("can be made");
    assert_eq!(executor.backend(), Executor::backends()[0]);
    assert_eq!(
        executor
            .run(&Database::new(4), |cx| cx.data() + 1)
            .expect("a value"),
        5
    );
}

#[test]
fn backends_have_names_that_can_be_read_back() {
    for backend in [Backend::Fibers, Backend::Threads, Backend::Sequential] {
        assert_eq!(
            backend.to_string().parse::<Backend>().expect("a name"),
            backend
        );
    }
    let text = "coroutines"
        .parse::<Backend>()
        .expect_err("no name")
        .to_string();
    assert!(text.contains("\"coroutines\""), "{text}");
    assert!(text.contains("fibers, threads or sequential"), "{text}");
}

#[test]
fn workers_of_zero_are_an_error() {
    for backend in Executor::backends() {
        let built = Executor::builder().backend(*backend).workers(0).build();
        let text = built.expect_err("nobody would work").to_string();
        assert!(text.contains("at least one worker"), "{text}");
    }
}

#[test]
fn max_fibers_below_the_workers_is_an_error() {
    for backend in Executor::backends() {
        if *backend != Backend::Sequential {
            let built = Executor::builder()
                .backend(*backend)
                .workers(3)
                .max_fibers(2)
                .build();
            let text = built.expect_err("a worker has no fiber").to_string();
            assert!(text.contains("max_fibers"), "{text}");
        }
    }
}
