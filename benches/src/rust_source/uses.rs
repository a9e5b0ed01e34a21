//! Takes a `use` apart into single imports.
//!
//! Used by `items` (for modules) and `bodies` (for blocks). Knows the syntax only; what a path means is `resolve`'s.

use ra_ap_syntax::{
    AstNode, SmolStr,
    ast::{self, HasName, HasVisibility},
};

/// One name, or one glob, that a `use` brings in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Import {
    /// Raw marks (`r#`) taken off; `self`, `super` and `crate` as they stand.
    pub(super) path: Vec<SmolStr>,
    /// Where each segment of the path stands.
    pub(super) places: Vec<u32>,
    /// Begins with `::`.
    pub(super) is_absolute: bool,
    /// The name it is known by here; `None` for a glob and for `as _`.
    pub(super) name: Option<SmolStr>,
    pub(super) is_glob: bool,
    /// Has a visibility: others may import it from here.
    pub(super) is_reexport: bool,
    pub(super) offset: u32,
}

/// All imports of a `use`, in the order of the text; `base` is the offset of the tree the item is in.
pub(super) fn flatten(item: &ast::Use, base: u32) -> Vec<Import> {
    let mut imports = Vec::new();
    let is_reexport = item.visibility().is_some();
    let start = Prefix {
        path: Vec::new(),
        places: Vec::new(),
        base,
        is_absolute: false,
    };
    let mut open: Vec<(ast::UseTree, Prefix)> = item
        .use_tree()
        .map(|tree| (tree, start))
        .into_iter()
        .collect();
    while let Some((tree, mut prefix)) = open.pop() {
        let is_malformed = !prefix.extend(&tree);
        if let Some(list) = tree.use_tree_list() {
            let trees: Vec<_> = list.use_trees().collect();
            open.extend(trees.into_iter().rev().map(|tree| (tree, prefix.clone())));
        } else if !is_malformed {
            let offset = base + u32::from(tree.syntax().text_range().start());
            imports.extend(prefix.finish(&tree, is_reexport, offset));
        }
    }
    imports
}

#[derive(Clone)]
struct Prefix {
    path: Vec<SmolStr>,
    places: Vec<u32>,
    base: u32,
    is_absolute: bool,
}

impl Prefix {
    /// Adds the path of a subtree; false if a segment is missing there.
    fn extend(&mut self, tree: &ast::UseTree) -> bool {
        let is_first = self.path.is_empty();
        let Some(path) = tree.path() else {
            // `use ::{a, b}` and `use ::*`
            self.is_absolute |= is_first && tree.coloncolon_token().is_some();
            return tree.star_token().is_some() || tree.use_tree_list().is_some();
        };
        for segment in path.segments() {
            self.is_absolute |= self.path.is_empty() && segment.coloncolon_token().is_some();
            match segment.name_ref() {
                Some(name) => {
                    self.path.push(plain(name.text()));
                    let place = self.base + u32::from(name.syntax().text_range().start());
                    self.places.push(place);
                }
                None => return false,
            }
        }
        true
    }

    fn finish(mut self, tree: &ast::UseTree, is_reexport: bool, offset: u32) -> Option<Import> {
        let is_glob = tree.star_token().is_some();
        // `a::{self}` is `a`.
        if !is_glob && self.path.len() > 1 && self.path.last()? == "self" {
            self.path.pop();
            self.places.pop();
        }
        let name = match tree.rename() {
            _ if is_glob => None,
            Some(rename) => rename.name().map(|name| plain(name.text())),
            None => Some(self.path.last()?.clone()),
        };
        Some(Import {
            path: self.path,
            places: self.places,
            is_absolute: self.is_absolute,
            name,
            is_glob,
            is_reexport,
            offset,
        })
    }
}

/// A name without the mark of a raw identifier.
pub(super) fn plain(text: &str) -> SmolStr {
    SmolStr::new(text.strip_prefix("r#").unwrap_or(text))
}
