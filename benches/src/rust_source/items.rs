//! The items of a file: modules written inline, names, imports, modules in other files, bodies.
//!
//! Asked by `module_tree`, `names`, `resolve`, `bodies` and `report`. A file is lowered by itself, whatever crates it
//! belongs to, by `lowering`; here stands what comes out.

use dagwood::{Cx, Query};
use ra_ap_syntax::SmolStr;
use rowan::GreenNode;

use super::{
    counts::Counts,
    lowering,
    parse::Parse,
    sources::{FileId, Sources},
    uses::Import,
};

/// The items of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ItemsOf(pub(super) FileId);

/// A file, lowered.
#[derive(Default)]
pub(super) struct FileItems {
    /// The file itself, then the modules written inline; parents come before their children.
    pub(super) scopes: Vec<Scope>,
    /// Functions, constants and statics with something to walk, in the order of the text.
    pub(super) bodies: Vec<Body>,
    pub(super) counts: Counts,
}

/// What stands between the braces of one module, or in a file.
#[derive(Default)]
pub(super) struct Scope {
    /// Place in `scopes`; `None` for the file.
    pub(super) parent: Option<u32>,
    /// The inline module's own declaration; `None` for the file.
    pub(super) declaration: Option<ModuleDeclaration>,
    pub(super) names: Vec<Declared>,
    pub(super) imports: Vec<Import>,
    /// `mod name;`
    pub(super) modules: Vec<ModuleDeclaration>,
    /// A macro may add names.
    pub(super) is_open: bool,
}

/// A module, as its parent declares it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ModuleDeclaration {
    pub(super) name: SmolStr,
    pub(super) is_cfg: bool,
    /// `#[cfg(test)]`
    pub(super) is_test: bool,
    pub(super) paths: Vec<SmolStr>,
    pub(super) has_plain_path: bool,
    pub(super) offset: u32,
}

/// A name that is not a module's or an import's.
pub(super) struct Declared {
    pub(super) name: SmolStr,
    pub(super) is_cfg: bool,
    pub(super) kind: DeclaredKind,
}

/// What a name stands for, as far as paths care.
pub(super) enum DeclaredKind {
    /// A function, constant or static: never the front of a path.
    Value,
    /// A type or trait; what lies behind `::` is not looked into.
    Type,
    /// An enum and its variants.
    Enum(Vec<SmolStr>),
    /// `macro_rules!` or `macro`; `true`: exported, so at the root of the crate too.
    Macro(bool),
    ExternCrate,
    /// `extern crate self as name`
    ThisCrate,
}

/// Something with expressions inside.
pub(super) struct Body {
    pub(super) green: GreenNode,
    pub(super) offset: u32,
    /// The scope it stands in.
    pub(super) scope: u32,
}

impl Query<Sources> for ItemsOf {
    type Value = FileItems;

    fn provide(self, cx: &Cx<'_, Sources>) -> FileItems {
        let Some(file) = cx.get(Parse(self.0)).source_file() else {
            // Unreadable: the file may hold any name.
            return FileItems {
                scopes: vec![Scope {
                    is_open: true,
                    ..Scope::default()
                }],
                ..FileItems::default()
            };
        };
        lowering::lower(&file)
    }
}
