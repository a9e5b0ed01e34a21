//! What is counted, and how the counts are added up: plain sums, so that no order shows.

/// Everything that the summary counts, in the order it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Module,
    Function,
    Method,
    UnsafeFunction,
    Struct,
    Enum,
    Union,
    Trait,
    Impl,
    TypeAlias,
    Const,
    Static,
    ExternCrate,
    ExternBlock,
    MacroDefinition,
    MacroCall,
    Asm,
    Use,
    Import,
    Glob,
    Reexport,
    Expression,
    Closure,
    Branch,
    Loop,
    UnsafeBlock,
    CallInBody,
    MacroCallInBody,
    ImportInBody,
}

/// The kinds with the text that stands in the summary.
pub(super) const KINDS: [(Kind, &str); 29] = [
    (Kind::Module, "modules declared"),
    (Kind::Function, "functions"),
    (Kind::Method, "methods"),
    (Kind::UnsafeFunction, "unsafe functions and methods"),
    (Kind::Struct, "structs"),
    (Kind::Enum, "enums"),
    (Kind::Union, "unions"),
    (Kind::Trait, "traits"),
    (Kind::Impl, "impls"),
    (Kind::TypeAlias, "type aliases"),
    (Kind::Const, "constants"),
    (Kind::Static, "statics"),
    (Kind::ExternCrate, "extern crates"),
    (Kind::ExternBlock, "extern blocks"),
    (Kind::MacroDefinition, "macro definitions"),
    (Kind::MacroCall, "macro calls among items"),
    (Kind::Asm, "asm items"),
    (Kind::Use, "use items"),
    (Kind::Import, "imports"),
    (Kind::Glob, "globs"),
    (Kind::Reexport, "re-exports"),
    (Kind::Expression, "expressions"),
    (Kind::Closure, "closures"),
    (Kind::Branch, "branches"),
    (Kind::Loop, "loops"),
    (Kind::UnsafeBlock, "unsafe blocks"),
    (Kind::CallInBody, "calls"),
    (Kind::MacroCallInBody, "macro calls in bodies"),
    (Kind::ImportInBody, "imports in bodies"),
];

/// A number for each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts([u64; KINDS.len()]);

impl Counts {
    pub(super) fn add(&mut self, kind: Kind, more: u64) {
        self.0[kind as usize] += more;
    }

    pub(super) fn add_all(&mut self, other: &Counts) {
        self.0
            .iter_mut()
            .zip(other.0)
            .for_each(|(sum, more)| *sum += more);
    }

    pub(super) fn get(&self, kind: Kind) -> u64 {
        self.0[kind as usize]
    }
}
