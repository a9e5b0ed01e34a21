//! What a file declares, in full: items with names, places, visibilities and members.
//!
//! Asked by everything in depth. `ItemsOf` knows the same scopes under the same numbers and less of each item: it is
//! what the measured workload needs. Lowered by `outline_lowering`, file by file; knows no other file.

use dagwood::{Cx, Query};
use ra_ap_syntax::SmolStr;
use rowan::GreenNode;

use super::{outline_lowering, reasons::Reason};
use crate::rust_source::{
    manifest::ManifestOf,
    parse::Parse,
    sources::{FileId, Sources},
    uses::Import,
};

/// The outline of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OutlineOf(pub(crate) FileId);

/// A file's scopes and items.
#[derive(Default)]
pub(crate) struct Outline {
    /// The file, then the modules written inline, numbered as in `FileItems`.
    pub(crate) scopes: Vec<OutlineScope>,
    /// Of all scopes; parents' before children's.
    pub(crate) items: Vec<Item>,
}

/// What one module declares.
#[derive(Default)]
pub(crate) struct OutlineScope {
    /// Places in `items`.
    pub(crate) items: Vec<u32>,
    pub(crate) imports: Vec<ImportItem>,
    /// Modules, inline or not.
    pub(crate) modules: Vec<ModuleItem>,
    /// All names that macro calls among the items are given.
    pub(crate) given: Vec<SmolStr>,
    /// Paths of the called macros, and all words in the strings they are given: used, but nothing that a call makes.
    pub(crate) mentioned: Vec<SmolStr>,
    /// The macros that are called among the items.
    pub(crate) macro_calls: Vec<SmolStr>,
    /// What a macro among the items may have added, if there is one.
    pub(crate) opening: Option<Reason>,
    pub(crate) allows: Allows,
}

/// `mod name;` or `mod name { .. }`.
#[derive(Clone, Debug)]
pub(crate) struct ModuleItem {
    pub(crate) name: SmolStr,
    pub(crate) visibility: Visibility,
    pub(crate) allows: Allows,
}

/// An import with what stands around it.
#[derive(Clone, Debug)]
pub(crate) struct ImportItem {
    pub(crate) import: Import,
    pub(crate) visibility: Visibility,
    pub(crate) is_cfg: bool,
    pub(crate) allows: Allows,
    /// It may be for something besides the code, as its attributes say.
    pub(crate) is_special: bool,
}

/// Lints that an attribute lets pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allows {
    pub(crate) dead_code: bool,
    pub(crate) unused_imports: bool,
    pub(crate) too_many_lines: bool,
}

/// Who sees an item, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visibility {
    Private,
    Super,
    /// `pub(crate)`, `pub(in path)`
    Crate,
    Public,
}

/// An item.
pub(crate) struct Item {
    pub(crate) kind: ItemKind,
    pub(crate) name: SmolStr,
    /// Where the name stands; for what has none, where it begins.
    pub(crate) name_offset: u32,
    pub(crate) offset: u32,
    pub(crate) visibility: Visibility,
    /// Something outside may call it, or it is run by a harness: `#[test]`, `#[no_mangle]`, an unknown attribute.
    pub(crate) is_exposed: bool,
    /// Written inside a macro call.
    pub(crate) is_in_macro: bool,
    pub(crate) allows: Allows,
    pub(crate) members: Vec<Member>,
    /// For an `impl` the path of its type; for an `extern crate` the crate's own name.
    pub(crate) self_type: Vec<SmolStr>,
    pub(crate) green: GreenNode,
}

/// A variant, a function of an `impl`, a trait or an `extern` block, and so on.
pub(crate) struct Member {
    pub(crate) kind: MemberKind,
    pub(crate) name: SmolStr,
    pub(crate) name_offset: u32,
    pub(crate) visibility: Visibility,
}

/// Kinds of items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ItemKind {
    Function,
    /// With a constructor or not.
    Struct {
        is_value: bool,
    },
    Enum,
    Union,
    Trait,
    TypeAlias,
    Const,
    Static,
    Macro {
        is_exported: bool,
    },
    Impl,
    ExternBlock,
    ExternCrate {
        is_this: bool,
    },
}

/// Kinds of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MemberKind {
    Variant,
    Function,
    Value,
    Type,
}

impl ItemKind {
    /// The keyword, as a reader knows it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            ItemKind::Function => "fn",
            ItemKind::Struct { .. } => "struct",
            ItemKind::Enum => "enum",
            ItemKind::Union => "union",
            ItemKind::Trait => "trait",
            ItemKind::TypeAlias => "type",
            ItemKind::Const => "const",
            ItemKind::Static => "static",
            ItemKind::Macro { .. } => "macro",
            ItemKind::Impl => "impl",
            ItemKind::ExternBlock => "extern",
            ItemKind::ExternCrate { .. } => "extern crate",
        }
    }
}

impl Query<Sources> for OutlineOf {
    type Value = Outline;

    fn provide(self, cx: &Cx<'_, Sources>) -> Outline {
        let Some(file) = cx.get(Parse(self.0)).source_file() else {
            return Outline {
                scopes: vec![OutlineScope {
                    opening: Some(Reason::NotAnalysed),
                    ..OutlineScope::default()
                }],
                ..Outline::default()
            };
        };
        let edition = cx.get(ManifestOf(cx.data().file(self.0).package)).edition;
        outline_lowering::lower(&file, edition)
    }
}
