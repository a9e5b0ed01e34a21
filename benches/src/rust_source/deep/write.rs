//! Writes pages into a directory.
//!
//! Used by `analyse` for `--out`. Folders are made as pages need them; pages are written side by side.

use std::fs;
use std::path::Path;

/// Writes one page below `root`; its path has `/` between its parts, none of which leads out.
pub(super) fn page(root: &Path, path: &str, text: &str) -> Result<(), String> {
    let place = path
        .split('/')
        .fold(root.to_owned(), |place, part| place.join(part));
    let error = |error: std::io::Error| format!("{}: {error}", place.display());
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder).map_err(error)?;
    }
    fs::write(&place, text).map_err(error)
}
