//! J2, J4, J5: under GNU make itself, by a pipe and by a fifo; and with what is no jobserver.
//!
//! Those that need make are ignored: the gate's step `make` installs two versions, builds the recipes, and runs them.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use dagwood::{Database, Executor, Jobserver};
use dagwood_tests::{Bed, Slots, child_process, is_emulated, scenarios};

scenarios! {
    all [4] unseeded "in children": j4_what_is_no_jobserver_is_named_once;
    all [4] unseeded "in children": j4_a_warning_that_nobody_hears_ends_nothing;
    all [4] unseeded "in children": j4_a_pipe_that_does_not_block_is_used_and_left_so;
    all [4] unseeded "in children": w11_six_processes_run_no_more_jobs_than_they_have_tokens;
    all [4] unseeded "in children": j5_tokens_come_back_by_pipe_and_by_fifo;
}

/// Where Cargo puts this build's programs.
fn built() -> PathBuf {
    let here = env::current_exe().expect("this program");
    let folder = here.ancestors().nth(2).expect("it lies in `deps`");
    folder.to_owned()
}

/// Runs a goal of the Makefile with so many jobs, on each backend; gives what was said.
fn make(make: &str, jobs: usize, goal: &str) -> String {
    let mut all = String::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for backend in Executor::backends() {
        let name = format!("slots-{goal}-{jobs}-{backend}-{}", std::process::id());
        let slots = env::temp_dir().join(name);
        Slots::make(&slots, jobs);
        let variable = |name: &str, value: &Path| format!("{name}={}", value.display());
        let run = Command::new(make)
            .args(["--no-print-directory", "-k", &format!("-j{jobs}"), "-f"])
            .arg(root.join("make/Makefile"))
            .arg(goal)
            .arg(variable("RECIPE", &built().join("examples/recipe")))
            .arg(variable("DAGWOOD", &built().join("dagwood")))
            .arg(variable("SLOTS", &slots))
            .arg(format!("BACKEND={backend}"))
            .env_remove("MAKEFLAGS")
            .env_remove("MAKELEVEL")
            .env("RUST_BACKTRACE", "0")
            .output()
            .expect("make can be started");
        let said = [run.stdout, run.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        println!("{make} -j{jobs} {goal} on {backend}:\n{said}");
        // What make says at its end of tokens that did not come back.
        assert!(!said.contains("INTERNAL"), "tokens are missing:\n{said}");
        assert!(!said.contains("ended otherwise"), "{said}");
        assert!(!said.contains("warning"), "{said}");
        assert!(run.status.success(), "{}:\n{said}", run.status);
        fs::remove_dir_all(&slots).expect("the slots are ours");
        all.push_str(&said);
    }
    all
}

/// The version by pipe, and the one by fifo.
fn makes() -> [String; 2] {
    ["DAGWOOD_MAKE_PIPE", "DAGWOOD_MAKE_FIFO"].map(|name| {
        env::var(name).unwrap_or_else(|_| {
            panic!("{name} names no GNU make: `cargo run -p dagwood-ci -- make` does")
        })
    })
}

#[test]
#[ignore = "needs GNU make: the gate's step `make`"]
fn j5_recipes_share_tokens_and_give_them_back_however_they_end() {
    for (one, is_fifo) in makes().iter().zip([false, true]) {
        for jobs in [2, 4] {
            let said = make(one, jobs, "compete");
            assert!(said.contains("--jobserver-auth="), "{said}");
            assert_eq!(said.contains("--jobserver-auth=fifo:"), is_fifo, "{said}");
        }
    }
}

#[test]
#[ignore = "needs GNU make: the gate's step `make`"]
fn j2_a_signal_gives_all_tokens_back() {
    for one in makes() {
        for jobs in [2, 4] {
            make(&one, jobs, "signals");
        }
    }
}

/// What stands in the environment of a child, and a word of its warning.
const TROUBLES: &[(&str, &str)] = &[
    ("", "no environment variable"),
    ("-j4", "there is no `--jobserver-fds=`"),
    ("-j4 --jobserver-auth=", "cannot parse"),
    ("-j4 --jobserver-auth=three,4", "cannot parse"),
    ("-j4 --jobserver-auth=-2,-2", "is negative"),
    (
        "-j4 --jobserver-auth=913,914",
        "cannot open file descriptor 913",
    ),
    (
        "-j4 --jobserver-auth=fifo:/nowhere/at/all",
        "cannot open path",
    ),
    (
        concat!(
            "-j4 --jobserver-auth=fifo:",
            env!("CARGO_MANIFEST_DIR"),
            "/Cargo.toml"
        ),
        "/Cargo.toml is a file, and no fifo",
    ),
];

/// The descriptors of this process, and their flags.
fn descriptors() -> BTreeMap<String, String> {
    let entries = fs::read_dir("/proc/self/fdinfo").expect("Linux has it");
    let names = entries.map(|entry| entry.expect("one").file_name().into_string().expect("text"));
    names
        .filter_map(|name| Some((name.clone(), flags_of(&name)?)))
        .collect()
}

fn flags_of(descriptor: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}")).ok()?;
    let line = text.lines().find(|line| line.starts_with("flags:"))?;
    Some(line.to_owned())
}

#[test]
#[ignore = "in a child"]
fn runs_with_what_the_environment_says() {
    let before = descriptors();
    let jobserver = Jobserver::from_environment_or(2);
    assert_eq!(
        descriptors(),
        before,
        "no pipe is made, and no flag changed"
    );
    assert!(!jobserver.is_connected());
    let executor = executor_of_child(&jobserver);
    let run = executor.run(&Database::new(()), |cx| cx.par_map(0..100, |_, i| i).len());
    assert_eq!(run.expect("it ends"), 100);
    println!("it has run");
}

/// Which backend a child runs on.
const BACKEND: &str = "DAGWOOD_TEST_BACKEND";

fn executor_of_child(jobserver: &Jobserver) -> Executor {
    let named = env::var(BACKEND).expect("the parent says it");
    let backends = &mut Executor::backends().iter().copied();
    let backend = backends.find(|backend| backend.to_string() == named);
    let builder = Executor::builder().workers(4).jobserver(jobserver);
    let builder = builder.backend(backend.expect("the parent has it, too"));
    builder.build().expect("an executor can be made")
}

/// A test of this file in a child, with nothing of a jobserver in its environment.
fn child(bed: &Bed, test: &str) -> Command {
    let mut child = child_process(module_path!(), test);
    for name in ["CARGO_MAKEFLAGS", "MAKEFLAGS", "MFLAGS"] {
        child.env_remove(name);
    }
    child.env(BACKEND, bed.backend().to_string());
    child
}

fn said_by(child: &mut Command) -> String {
    let run = child.output().expect("a child can be started");
    let said = String::from_utf8_lossy(&[run.stdout, run.stderr].concat()).into_owned();
    assert!(run.status.success(), "{}\n{said}", run.status);
    said
}

/// What a child with these flags says.
fn said_with(test: &str, flags: &str, bed: &Bed) -> String {
    let mut child = child(bed, test);
    if !flags.is_empty() {
        child.env("MAKEFLAGS", flags);
    }
    said_by(&mut child)
}

/// Whether descriptors are told of in `/proc`, and are the program's own and not an emulator's.
fn has_own_descriptors() -> bool {
    Path::new("/proc/self/fdinfo").exists() && !is_emulated()
}

fn j4_what_is_no_jobserver_is_named_once(bed: &Bed) {
    if !has_own_descriptors() {
        return;
    }
    for (flags, words) in TROUBLES {
        let said = said_with("runs_with_what_the_environment_says", flags, bed);
        assert!(said.contains("it has run"), "{flags}: {said}");
        assert!(said.contains(words), "{words}? {flags}: {said}");
        let warnings = said.matches("warning: no jobserver").count();
        assert_eq!(warnings, 1, "warnings: {flags}: {said}");
    }
}

fn j4_a_warning_that_nobody_hears_ends_nothing(bed: &Bed) {
    if !has_own_descriptors() {
        return;
    }
    let mut child = child(bed, "runs_with_what_the_environment_says");
    child.env("MAKEFLAGS", "-j4 --jobserver-auth=913,914");
    // As under `make 2>&1 | head`.
    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    let run = child
        .stderr(writer)
        .output()
        .expect("a child can be started");
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(
        run.status.success() && said.contains("it has run"),
        "{}: {said}",
        run.status
    );
}

/// Those of the descriptors that the environment names, if it names a pipe by them.
fn flags_of_pipe() -> Vec<Option<String>> {
    let said = ["CARGO_MAKEFLAGS", "MAKEFLAGS"]
        .iter()
        .find_map(|name| env::var(name).ok());
    let said = said.expect("the parent says it");
    let (_, pipe) = said.rsplit_once("--jobserver-auth=").expect("a jobserver");
    pipe.split(',').map(flags_of).collect()
}

#[test]
#[ignore = "in a child"]
fn runs_with_tokens() {
    let before = flags_of_pipe();
    let jobserver = Jobserver::from_environment();
    assert!(jobserver.is_connected(), "{:?}", jobserver.trouble());
    let executor = executor_of_child(&jobserver);
    // A quarter at a time: in between all sleep.
    for _ in 0..4 {
        let run = executor.run(&Database::new(()), |cx| {
            cx.par_for_each(0..64, |_, _| (0..9).for_each(|_| thread::yield_now()));
        });
        run.expect("it ends");
    }
    drop(executor);
    assert_eq!(flags_of_pipe(), before, "no flag changed");
    let traffic = jobserver.traffic();
    assert_eq!(jobserver.running(), 0);
    println!("it has run: {traffic:?}");
}

/// make's part is played by a pipe, and by a fifo, with three tokens.
fn j5_tokens_come_back_by_pipe_and_by_fifo(bed: &Bed) {
    if !has_own_descriptors() {
        return;
    }
    let client = jobserver::Client::new(3).expect("a pipe");
    let mut child = child(bed, "runs_with_tokens");
    client.configure_make(&mut child);
    let said = said_by(&mut child);
    assert!(said.contains("it has run"), "{said}");
    let left = client.available().expect("a pipe");
    assert_eq!(left, 3, "tokens in the pipe: {said}");

    runs_with_fifo(bed, &mut fs::OpenOptions::new(), |child, path, _| {
        let path = path.display();
        child.env("MAKEFLAGS", format!("-j4 --jobserver-auth=fifo:{path}"));
    });
}

/// make's pipe may be one that does not block, a property that all who have inherited it share.
fn j4_a_pipe_that_does_not_block_is_used_and_left_so(bed: &Bed) {
    /// `O_NONBLOCK` on Linux, where descriptors are told of (but for MIPS and SPARC, which the suite sees emulated).
    const DOES_NOT_BLOCK: i32 = 0o4000;
    if !has_own_descriptors() {
        return;
    }
    let mut options = fs::OpenOptions::new();
    runs_with_fifo(
        bed,
        options.custom_flags(DOES_NOT_BLOCK),
        |child, _, pipe| {
            child.stdin(pipe.try_clone().expect("another descriptor"));
            child.env("MAKEFLAGS", "-j4 --jobserver-auth=0,0");
        },
    );
}

/// A child shares three tokens in a fifo that is opened so.
fn runs_with_fifo(
    bed: &Bed,
    options: &mut fs::OpenOptions,
    tell: impl FnOnce(&mut Command, &Path, &fs::File),
) {
    let thread = thread::current();
    let name = thread.name().unwrap_or_default().replace(' ', "-");
    let fifo = env::temp_dir().join(format!("fifo-{}-{name}", std::process::id()));
    let made = Command::new("mkfifo").arg(&fifo).status().expect("mkfifo");
    assert!(made.success());
    let mut pipe = options.read(true).write(true).open(&fifo).expect("a fifo");
    pipe.write_all(b"+a-").expect("three tokens");
    let mut child = child(bed, "runs_with_tokens");
    tell(&mut child, &fifo, &pipe);
    let said = said_by(&mut child);
    // One more, so that the read ends.
    pipe.write_all(b"!").expect("there is room");
    let mut left = [0; 16];
    let count = pipe.read(&mut left).expect("at least one");
    // Each as it was, in any order.
    left[..count].sort_unstable();
    assert_eq!(&left[..count], b"!+-a", "tokens in the fifo: {said}");
    fs::remove_file(&fifo).expect("it is ours");
}

/// Where the slots of a child are.
const SLOTS: &str = "DAGWOOD_TEST_SLOTS";

#[test]
#[ignore = "in a child"]
fn runs_with_slots() {
    let slots = Slots::of(Path::new(&env::var_os(SLOTS).expect("the parent says it")));
    let jobserver = Jobserver::from_environment();
    let executor = executor_of_child(&jobserver);
    let run = executor.run(&Database::new(()), |cx| {
        cx.par_for_each(0..60, |_, _| slots.leaf());
    });
    run.expect("it ends");
    assert!(!slots.were_too_few(), "more jobs than tokens");
}

/// Six processes of four workers each, of which two may run, as two recipes of one make.
fn w11_six_processes_run_no_more_jobs_than_they_have_tokens(bed: &Bed) {
    if !has_own_descriptors() {
        return;
    }
    let jobs = 2;
    let name = format!("slots-{}-{}", std::process::id(), bed.backend());
    let slots = env::temp_dir().join(name);
    Slots::make(&slots, jobs);
    let client = jobserver::Client::new(jobs).expect("a pipe");
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let token = client.acquire().expect("a token");
                let mut child = child(bed, "runs_with_slots");
                client.configure(&mut child);
                said_by(child.env(SLOTS, &slots));
                drop(token);
            });
        }
    });
    let left = client.available().expect("a pipe");
    assert_eq!(left, jobs, "tokens in the pipe");
    fs::remove_dir_all(&slots).expect("the slots are ours");
}
