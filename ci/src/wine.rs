//! Windows without Windows: Debian's MinGW links for it, Debian's wine runs what is linked.
//!
//! Used by `foreign.rs`. Wine's own files lie in a folder of ours, below `target`.

use std::fs;
use std::path::Path;
use std::process::Command;

pub(crate) const TRIPLE: &str = "x86_64-pc-windows-gnu";

const COMPILER: &str = "x86_64-w64-mingw32-gcc";

/// Debian's packages: a linker with its libraries, and wine.
pub(crate) const PACKAGES: [&str; 3] = ["gcc-mingw-w64-x86-64-posix", "wine", "wine64"];

/// A library of Windows that std asks for random numbers, and that Debian's wine (8.0) lacks: made of the function of
/// an older library, which wine has.
const MISSING_LIBRARY: &str = "
unsigned char __stdcall SystemFunction036(void *buffer, unsigned long bytes);
__declspec(dllexport) int __stdcall ProcessPrng(unsigned char *buffer, unsigned long long bytes) {
    while (bytes > 0) {
        unsigned long part = bytes < 0x10000 ? (unsigned long)bytes : 0x10000;
        if (!SystemFunction036(buffer, part)) return 0;
        buffer += part;
        bytes -= part;
    }
    return 1;
}
";

/// Tells Cargo how to link and run, and makes what the programs want to find.
///
/// # Errors
///
/// What could not be made.
pub(crate) fn set_up(command: &mut Command) -> Result<(), String> {
    let folder = std::path::absolute("target/wine").map_err(|error| error.to_string())?;
    make_library(&folder).map_err(|why| format!("a library for wine: {why}"))?;
    // Below drive Z wine shows the whole file system.
    let windows_path = format!("Z:{}", folder.display()).replace('/', "\\");
    command
        .env("CARGO_TARGET_DIR", "target/foreign")
        .env("CARGO_BUILD_TARGET", TRIPLE)
        .env("CC_x86_64_pc_windows_gnu", COMPILER)
        .env("AR_x86_64_pc_windows_gnu", "x86_64-w64-mingw32-ar")
        .env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER", COMPILER)
        .env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", "wine")
        // Sizes as under an emulator; but a program in wine starts another by itself.
        .env("XTEST_RUNNER", "")
        .env("WINEPREFIX", folder.join("prefix"))
        .env("WINEPATH", windows_path)
        .env("WINEDEBUG", "-all");
    Ok(())
}

fn make_library(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    let source = folder.join("bcryptprimitives.c");
    fs::write(&source, MISSING_LIBRARY).map_err(|error| error.to_string())?;
    let status = Command::new(COMPILER)
        .args(["-shared", "-O1", "-o"])
        .arg(folder.join("bcryptprimitives.dll"))
        .arg(source)
        .arg("-ladvapi32")
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{COMPILER}: {status}")),
        Err(error) => Err(format!("{COMPILER}: {error}")),
    }
}
