//! Functions, types and macros that are in scope everywhere, as the standard library's prelude has them.

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

/// Types of the language with members of their own, in order.
const PRIMITIVES: [&str; 19] = [
    "bool", "char", "f128", "f16", "f32", "f64", "i128", "i16", "i32", "i64", "i8", "isize", "str",
    "u128", "u16", "u32", "u64", "u8", "usize",
];

/// Whether it is the name of a type that needs no import.
pub(super) fn is_primitive(name: &str) -> bool {
    PRIMITIVES.binary_search(&name).is_ok()
}

/// Macros of the standard library that declare nothing: in order, for the search.
const MACROS: [&str; 36] = [
    "assert",
    "assert_eq",
    "assert_ne",
    "cfg",
    "column",
    "compile_error",
    "concat",
    "dbg",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "env",
    "eprint",
    "eprintln",
    "file",
    "format",
    "format_args",
    "global_asm",
    "include_bytes",
    "include_str",
    "line",
    "matches",
    "module_path",
    "option_env",
    "panic",
    "print",
    "println",
    "stringify",
    "thread_local",
    "todo",
    "try",
    "unimplemented",
    "unreachable",
    "vec",
    "write",
    "writeln",
];

/// Whether a call of that macro declares nothing and uses no name but those it is given.
pub(super) fn has_macro(name: &str) -> bool {
    MACROS.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{FUNCTIONS, MACROS, PRIMITIVES};

    #[test]
    fn lists_are_in_order() {
        assert!(FUNCTIONS.is_sorted() && PRIMITIVES.is_sorted() && MACROS.is_sorted());
    }
}
