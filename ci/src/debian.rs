//! Debian's packages: what a step needs that is no crate.
//!
//! Used by `foreign.rs`. Without the rights to install something it says what is missing.

use std::process::Command;
use std::sync::Mutex;

/// One package manager runs at a time.
static INSTALLING: Mutex<()> = Mutex::new(());

/// Makes sure that these packages are there.
///
/// # Errors
///
/// What is missing and cannot be installed, and why not.
pub(crate) fn install(packages: &[String]) -> Result<(), String> {
    let _alone = INSTALLING.lock().expect("nobody panics");
    let missing: Vec<&str> = packages
        .iter()
        .map(String::as_str)
        .filter(|package| version(package).is_none())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(" ");
    let by_hand = format!("apt-get install --no-install-recommends {missing}");
    if said("id", &["-u"]).as_deref() != Some("0") || said("apt-get", &["--version"]).is_none() {
        return Err(format!(
            "missing, and only root on Debian installs it: {by_hand}"
        ));
    }
    eprintln!("installing {missing}");
    let script = format!("apt-get update -qq && {by_hand} -y -qq >/dev/null");
    let status = Command::new("sh")
        .args(["-c", &script])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        _ => Err(format!("cannot install what is missing: {by_hand}")),
    }
}

/// The version of a package that is installed.
pub(crate) fn version(package: &str) -> Option<String> {
    let format = "${db:Status-Status} ${Version}";
    let told = said("dpkg-query", &["-W", "-f", format, package])?;
    told.strip_prefix("installed ").map(str::to_owned)
}

/// What a command that succeeds prints.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}
