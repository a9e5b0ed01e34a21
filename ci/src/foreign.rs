//! Cargo for other machines: std built from source, programs run by the emulator. Also with ThreadSanitizer on this
//! one, which wants a std of its own, too.
//!
//! Used by `steps.rs`. Everything comes from Debian's packages and Cargo's registry. The emulator is named to Cargo
//! and to tests that start themselves (`XTEST_RUNNER`), since the system may not know how to start a foreign program.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;

use crate::{debian, wine};

/// Where Debian's Cargo and compiler lie; what `rustup` has installed comes before them in `PATH`.
const CARGO: &str = "/usr/bin/cargo";
const RUSTC: &str = "/usr/bin/rustc";

/// What comes with the compiler: itself, Cargo, and the source of std, all of one version.
const RUST_PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// How long one call may take, in seconds.
const TIME_LIMIT_S: &str = "1800";

/// The machine that a call of Cargo is for.
#[derive(Copy, Clone)]
pub(crate) enum Machine {
    /// This one, with the toolchain at hand.
    Here,
    /// Another, to build and run for.
    Foreign(&'static Foreign),
    /// Another, whose Rust code is only checked.
    Checked(&'static str),
    /// Windows on x86-64, to build for and to run in wine.
    Wine,
    /// This one (x86-64 Linux), all of it built for ThreadSanitizer.
    ThreadSanitizer,
    /// This one, with a browser.
    Browser,
    /// This one (x86-64 Linux), with valgrind.
    Valgrind,
}

/// A machine that Debian has a C compiler and library for.
pub(crate) struct Foreign {
    /// The architecture, as the compiler's and the steps' name has it.
    pub(crate) name: &'static str,
    pub(crate) triple: &'static str,
    /// Debian's name for it.
    debian: &'static str,
    /// The emulator's name for it; none where this machine runs its programs itself.
    emulator: Option<&'static str>,
}

const fn foreign(
    name: &'static str,
    triple: &'static str,
    debian: &'static str,
    emulator: Option<&'static str>,
) -> Foreign {
    Foreign {
        name,
        triple,
        debian,
        emulator,
    }
}

/// Targets without a switch of stacks, run on every submission.
pub(crate) const WITHOUT_SWITCH: [Foreign; 2] = [
    foreign("s390x", "s390x-unknown-linux-gnu", "s390x", Some("s390x")),
    foreign(
        "sparc64",
        "sparc64-unknown-linux-gnu",
        "sparc64",
        Some("sparc64"),
    ),
];

/// Targets with one, run when the step is named. i686 hangs under the emulator.
pub(crate) const WITH_SWITCH: [Foreign; 5] = [
    foreign(
        "powerpc64",
        "powerpc64-unknown-linux-gnu",
        "ppc64",
        Some("ppc64"),
    ),
    foreign(
        "aarch64",
        "aarch64-unknown-linux-gnu",
        "arm64",
        Some("aarch64"),
    ),
    foreign(
        "riscv64",
        "riscv64gc-unknown-linux-gnu",
        "riscv64",
        Some("riscv64"),
    ),
    foreign(
        "powerpc64le",
        "powerpc64le-unknown-linux-gnu",
        "ppc64el",
        Some("ppc64le"),
    ),
    foreign("i686", "i686-unknown-linux-gnu", "i386", None),
];

/// Targets for which the libraries are compiled only: with fibers, but for the last, which has the sequential build.
pub(crate) const CHECKED: [&str; 3] = [
    "x86_64-pc-windows-gnu",
    "aarch64-apple-darwin",
    "wasm32-unknown-unknown",
];

impl Foreign {
    fn packages(&self) -> Vec<String> {
        let compiler = format!("gcc-{}-linux-gnu", self.name);
        let library = format!("libc6-dev-{}-cross", self.debian);
        let run = match self.emulator {
            Some(_) => &["qemu-user-static"][..],
            None => &["libc6-i386", "lib32gcc-s1"],
        };
        let named = [compiler, library].into_iter();
        named
            .chain(run.iter().map(|&name| name.to_owned()))
            .collect()
    }

    fn command(&self) -> Result<Command, String> {
        let mut command = debians_cargo(&self.packages())?;
        let tool = |name: &str| format!("{}-linux-gnu-{name}", self.name);
        let (lower, upper) = (self.triple.replace('-', "_"), variable(self.triple));
        command
            // Its own: Cargo builds for one at a time in a folder.
            .env("CARGO_TARGET_DIR", format!("target/foreign/{}", self.name))
            .env("CARGO_BUILD_TARGET", self.triple)
            .env(format!("CARGO_TARGET_{upper}_LINKER"), tool("gcc"))
            .env(format!("CC_{lower}"), tool("gcc"))
            .env(format!("AR_{lower}"), tool("ar"));
        if let Some(emulator) = self.emulator {
            let runner = format!("qemu-{emulator}-static -L /usr/{}-linux-gnu", self.name);
            command
                .env(format!("CARGO_TARGET_{upper}_RUNNER"), &runner)
                .env("XTEST_RUNNER", &runner);
        }
        Ok(command)
    }
}

/// The part of a target's name in Cargo's variables.
fn variable(triple: &str) -> String {
    triple.replace('-', "_").to_uppercase()
}

/// What is built once is optimised a little: emulated, plain std takes five times as long. The tests are not: building them
/// so takes longer than they run.
const OPTIMISED: [&str; 4] = ["*", "dagwood", "dagwood-fibers", "dagwood-arch-fallback"];

/// Debian's Cargo, which builds std with all else.
fn debians_cargo(packages: &[String]) -> Result<Command, String> {
    let rust = RUST_PACKAGES.map(str::to_owned);
    debian::install(&[&rust[..], packages].concat())?;
    let versions = ["rustc-web", "rust-web-src"].map(debian::version);
    if versions[0] != versions[1] {
        return Err(format!(
            "the compiler and the source of std differ: {versions:?}"
        ));
    }
    let mut command = Command::new("timeout");
    command
        .args([TIME_LIMIT_S, CARGO, "-Zbuild-std"])
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("RUSTFLAGS")
        .env("RUSTC", RUSTC)
        // For -Zbuild-std, and for corosensei on powerpc64le.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_PROFILE_DEV_DEBUG", "0");
    for package in OPTIMISED {
        let level = format!("profile.dev.package.\"{package}\".opt-level=1");
        command.args(["--config", &level]);
    }
    Ok(command)
}

/// Nothing is linked or assembled, so no C compiler for the target is needed: build scripts are given one that does
/// nothing.
fn checking(triple: &str) -> Result<Command, String> {
    // std's own import libraries are made by a tool of the target's.
    let needed: &[&str] = match triple {
        "x86_64-pc-windows-gnu" => &["binutils-mingw-w64-x86-64"],
        _ => &[],
    };
    let needed: Vec<String> = needed.iter().map(|&name| name.to_owned()).collect();
    let mut command = debians_cargo(&needed)?;
    let lower = triple.replace('-', "_");
    command
        .env("CARGO_TARGET_DIR", "target/foreign")
        .env("CARGO_BUILD_TARGET", triple)
        .env(format!("CC_{lower}"), "true")
        .env(format!("AR_{lower}"), "true")
        .env("SDKROOT", "/");
    Ok(command)
}

/// Debian's compiler has no runtime of the sanitizer; that of the toolchain at hand does, if it is as new. It must
/// come before the libraries.
fn thread_sanitizer() -> Result<Command, String> {
    let triple = "x86_64-unknown-linux-gnu";
    let mut command = debians_cargo(&[])?;
    let runtime = sanitizer_runtime(triple)?;
    let runtime = runtime.display();
    let before = format!("-Zpre-link-args=-Wl,--whole-archive,{runtime},--no-whole-archive");
    command
        .env("CARGO_TARGET_DIR", "target/tsan")
        // Sizes as under an emulator, in depth above all: the sanitizer's own call stack is short. Programs start each other
        // by themselves.
        .env("XTEST_RUNNER", "")
        .env("CARGO_BUILD_TARGET", triple)
        .env(
            "RUSTFLAGS",
            format!(
                "-Zsanitizer=thread -Zexternal-clangrt {before} -Clink-arg=-Wl,--export-dynamic"
            ),
        )
        .env(
            "TSAN_OPTIONS",
            concat!(
                "halt_on_error=1:suppressions=",
                env!("CARGO_MANIFEST_DIR"),
                "/tsan.supp"
            ),
        );
    Ok(command)
}

fn sanitizer_runtime(triple: &str) -> Result<PathBuf, String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", triple])
        .output();
    let output = output.map_err(|error| error.to_string())?;
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let is_runtime = |path: &PathBuf| path.to_string_lossy().ends_with("_rt.tsan.a");
    std::fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(is_runtime)
        .ok_or_else(|| format!("no runtime of ThreadSanitizer in {}", folder.display()))
}

impl Machine {
    /// Whether commands for both are made in order, one after another.
    pub(crate) fn is(self, other: Machine) -> bool {
        self.to_string() == other.to_string()
    }

    /// Cargo for this machine, still without arguments.
    ///
    /// # Errors
    ///
    /// What is missing.
    pub(crate) fn cargo(self) -> Result<Command, String> {
        match self {
            Machine::Valgrind => {
                debian::install(&["valgrind".to_owned()])?;
                Machine::Here.cargo()
            }
            Machine::Browser => {
                debian::install(&["chromium".to_owned()])?;
                Machine::Here.cargo()
            }
            Machine::Here => {
                let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
                Ok(Command::new(cargo))
            }
            Machine::Foreign(foreign) => foreign.command(),
            Machine::Checked(triple) => checking(triple),
            Machine::Wine => {
                let mut command = debians_cargo(&wine::PACKAGES.map(str::to_owned))?;
                wine::set_up(&mut command)?;
                Ok(command)
            }
            Machine::ThreadSanitizer => thread_sanitizer(),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Machine::Here | Machine::Browser | Machine::Valgrind => Ok(()),
            Machine::Foreign(foreign) => write!(f, "[for {}] ", foreign.triple),
            Machine::Checked(triple) => write!(f, "[for {triple}] "),
            Machine::Wine => write!(f, "[for {}, in wine] ", wine::TRIPLE),
            Machine::ThreadSanitizer => write!(f, "[with ThreadSanitizer] "),
        }
    }
}
