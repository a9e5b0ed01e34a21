//! Functions that are in scope everywhere, as the standard library's prelude has them.

/// In order, for the search.
const FUNCTIONS: [&str; 14] = [
    "Box",
    "Err",
    "None",
    "Ok",
    "Option",
    "Result",
    "Some",
    "String",
    "Vec",
    "align_of",
    "align_of_val",
    "drop",
    "size_of",
    "size_of_val",
];

/// Whether a call of that name needs no import.
pub(super) fn has_function(name: &str) -> bool {
    FUNCTIONS.binary_search(&name).is_ok()
}
