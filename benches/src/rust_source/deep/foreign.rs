//! What is known of other crates: which imported names are certainly no traits.
//!
//! Used by `checks`: an import of a trait is used by each call of its methods, so one that may be a trait is never said
//! to be unused.

use ra_ap_syntax::SmolStr;

/// Types of the standard library that are often imported. In order, for the search.
const TYPES: [&str; 40] = [
    "Arc",
    "AtomicBool",
    "AtomicPtr",
    "AtomicU32",
    "AtomicU64",
    "AtomicUsize",
    "BTreeMap",
    "BTreeSet",
    "BinaryHeap",
    "BufReader",
    "BufWriter",
    "CStr",
    "CString",
    "Cell",
    "Condvar",
    "Cow",
    "Cursor",
    "Duration",
    "File",
    "HashMap",
    "HashSet",
    "Instant",
    "ManuallyDrop",
    "MaybeUninit",
    "Mutex",
    "NonNull",
    "OnceCell",
    "OnceLock",
    "OsStr",
    "OsString",
    "Path",
    "PathBuf",
    "PhantomData",
    "Pin",
    "Rc",
    "RefCell",
    "RwLock",
    "SystemTime",
    "UnsafeCell",
    "VecDeque",
];

/// Whether this name of another crate is a module or type of the standard library.
pub(super) fn is_no_trait(name: &SmolStr, path: &[SmolStr]) -> bool {
    let is_std = matches!(
        path.first().map(SmolStr::as_str),
        Some("std" | "core" | "alloc")
    );
    let original = path.last().map_or(name.as_str(), SmolStr::as_str);
    let is_module = original.starts_with(|first: char| first.is_lowercase()) && path.len() > 1;
    is_std && (is_module || TYPES.binary_search(&original).is_ok())
}

#[cfg(test)]
mod tests {
    use super::TYPES;

    #[test]
    fn types_are_in_order() {
        assert!(TYPES.is_sorted());
    }
}
