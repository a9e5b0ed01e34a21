//! Names and places of definitions, for those who show them.

use dagwood::Cx;

use super::{
    outline::{Item, Member, OutlineOf},
    scopes::Def,
};
use crate::rust_source::{
    module_tree::{CrateId, ModuleTree, ModulesOf},
    parse::LineIndex,
    sources::{FileId, Sources},
};

/// The path of a module: `crate::a::b`.
pub(crate) fn module_path(tree: &ModuleTree, module: u32) -> String {
    let around =
        std::iter::successors(Some(module), |&module| tree.modules[module as usize].parent);
    let mut names: Vec<&str> = around
        .map(|module| tree.modules[module as usize].name.as_str())
        .collect();
    names.reverse();
    names.join("::")
}

/// An item with its file.
pub(crate) fn item<'db>(
    cx: &Cx<'db, Sources>,
    krate: CrateId,
    module: u32,
    index: u32,
) -> (FileId, &'db Item) {
    let file = cx.get(ModulesOf(krate)).modules[module as usize].file;
    (file, &cx.get(OutlineOf(file)).items[index as usize])
}

/// The member that a definition is, if it is one, with its item.
pub(crate) fn member<'db>(
    cx: &Cx<'db, Sources>,
    krate: CrateId,
    def: Def,
) -> Option<(&'db Item, &'db Member)> {
    let Def::Member(module, index, member) = def else {
        return None;
    };
    let item = item(cx, krate, module, index).1;
    Some((item, &item.members[member as usize]))
}

/// The path of a definition: `crate::a::Type::f`.
pub(crate) fn path(cx: &Cx<'_, Sources>, krate: CrateId, def: Def) -> String {
    let tree = cx.get(ModulesOf(krate));
    match def {
        Def::Module(module) => module_path(tree, module),
        Def::Item(module, index) => {
            let item = item(cx, krate, module, index).1;
            format!("{}::{}", module_path(tree, module), item_name(item))
        }
        Def::Member(module, ..) => match member(cx, krate, def) {
            Some((item, member)) => format!(
                "{}::{}::{}",
                module_path(tree, module),
                item_name(item),
                member.name
            ),
            None => module_path(tree, module),
        },
        Def::Foreign => "another crate".to_owned(),
    }
}

/// The name of an item; that of an `impl` is its type's.
pub(crate) fn item_name(item: &Item) -> String {
    match item.self_type.last() {
        Some(name) => name.to_string(),
        None if item.name.is_empty() => format!("<{}>", item.kind.word()),
        None => item.name.to_string(),
    }
}

/// File and offset of the name of a definition.
pub(crate) fn place(cx: &Cx<'_, Sources>, krate: CrateId, def: Def) -> Option<(FileId, u32)> {
    match def {
        Def::Module(module) => {
            let module = &cx.get(ModulesOf(krate)).modules[module as usize];
            let scope = &cx
                .get(crate::rust_source::items::ItemsOf(module.file))
                .scopes[module.scope as usize];
            let offset = scope.declaration.as_ref().map_or(0, |d| d.offset);
            Some((module.file, offset))
        }
        Def::Item(module, index) => {
            let (file, item) = item(cx, krate, module, index);
            Some((file, item.name_offset))
        }
        Def::Member(module, index, member) => {
            let (file, item) = item(cx, krate, module, index);
            Some((file, item.members[member as usize].name_offset))
        }
        Def::Foreign => None,
    }
}

/// Line and column, from 1.
pub(crate) fn position(cx: &Cx<'_, Sources>, file: FileId, offset: u32) -> (u32, u32) {
    cx.get(LineIndex(file)).position(offset)
}
