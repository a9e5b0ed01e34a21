//! What the attributes of an item mean to a front end that expands nothing.
//!
//! Used by `items`. Decides two things: which file a module is in, and whether names may appear that the text does
//! not show (a derive or attribute macro we know nothing of).

use ra_ap_syntax::{
    AstNode, AstToken, SmolStr, SyntaxKind,
    ast::{self, HasAttrs},
};

/// The attributes of one item, `cfg_attr` looked into.
#[derive(Default)]
pub(super) struct Attributes {
    /// The item is there under a condition only.
    pub(super) is_cfg: bool,
    /// `#[cfg(test)]`
    pub(super) is_test: bool,
    /// Files or folders that `#[path]` names; several where `cfg_attr` chooses.
    pub(super) paths: Vec<SmolStr>,
    /// One of `paths` holds always, so that the usual place does not count.
    pub(super) has_plain_path: bool,
    /// A macro may add names beside the item.
    pub(super) may_generate: bool,
    pub(super) is_macro_export: bool,
}

impl Attributes {
    /// Reads the attributes in front of an item.
    pub(super) fn of(item: &impl HasAttrs) -> Attributes {
        let mut attributes = Attributes::default();
        for attribute in item.attrs() {
            let is_conditional = matches!(attribute.meta(), Some(ast::Meta::CfgAttrMeta(_)));
            for meta in attribute.skip_cfg_attrs() {
                attributes.take(&meta, is_conditional);
            }
        }
        attributes
    }

    fn take(&mut self, meta: &ast::Meta, is_conditional: bool) {
        match meta {
            ast::Meta::CfgMeta(meta) => {
                self.is_cfg = true;
                self.is_test |= meta.syntax().text() == "cfg(test)";
            }
            ast::Meta::CfgAttrMeta(_) => {}
            ast::Meta::UnsafeMeta(_) => {} // `unsafe(no_mangle)` and its like
            ast::Meta::KeyValueMeta(pair) if is_named(pair.path(), "path") => {
                self.paths
                    .extend(pair.expr().and_then(|expr| string(&expr)));
                self.has_plain_path |= !is_conditional;
            }
            ast::Meta::TokenTreeMeta(call) if is_named(call.path(), "derive") => {
                self.may_generate |= call
                    .token_tree()
                    .is_some_and(|tree| !is_plain_derive(&tree));
            }
            meta => {
                let path = match meta {
                    ast::Meta::KeyValueMeta(pair) => pair.path(),
                    ast::Meta::TokenTreeMeta(call) => call.path(),
                    ast::Meta::PathMeta(path) => path.path(),
                    _ => None,
                };
                self.is_macro_export |= is_named(path.clone(), "macro_export");
                self.may_generate |= !is_built_in(path);
            }
        }
    }
}

fn is_named(path: Option<ast::Path>, name: &str) -> bool {
    let name_ref = path.and_then(|path| path.as_single_name_ref());
    name_ref.is_some_and(|name_ref| name_ref.text() == name)
}

fn string(expr: &ast::Expr) -> Option<SmolStr> {
    let token = expr.syntax().first_token()?;
    let string = ast::String::cast(token)?;
    Some(SmolStr::new(string.value().ok()?))
}

/// Derives that implement a trait and do nothing else.
const DERIVES: [&str; 14] = [
    "Clone",
    "Copy",
    "Debug",
    "Default",
    "Eq",
    "Hash",
    "Ord",
    "PartialEq",
    "PartialOrd",
    "Serialize",
    "Deserialize",
    "Error",
    "Display",
    "From",
];

fn is_plain_derive(tree: &ast::TokenTree) -> bool {
    let tokens = tree
        .syntax()
        .children_with_tokens()
        .filter_map(|element| element.into_token());
    // `serde::Serialize`: the segments before a `::` are known only by what they lead to, so take them as they come.
    let mut names = tokens.filter(|token| token.kind() == SyntaxKind::IDENT);
    names.all(|name| {
        DERIVES.contains(&name.text()) || matches!(name.text(), "serde" | "std" | "core" | "fmt")
    })
}

/// Attributes of the language and of tools. In order, for the search.
pub(super) const BUILT_IN: [&str; 55] = [
    "allow",
    "automatically_derived",
    "bench",
    "clippy",
    "cold",
    "collapse_debuginfo",
    "const_trait",
    "coverage",
    "debugger_visualizer",
    "default",
    "deny",
    "deprecated",
    "diagnostic",
    "doc",
    "expect",
    "export_name",
    "feature",
    "forbid",
    "global_allocator",
    "ignore",
    "inline",
    "instruction_set",
    "link",
    "link_name",
    "link_ordinal",
    "link_section",
    "macro_export",
    "macro_use",
    "marker",
    "must_use",
    "naked",
    "no_implicit_prelude",
    "no_link",
    "no_main",
    "no_mangle",
    "no_std",
    "non_exhaustive",
    "optimize",
    "panic_handler",
    "proc_macro",
    "proc_macro_attribute",
    "proc_macro_derive",
    "recursion_limit",
    "repr",
    "rustfmt",
    "rustversion",
    "should_panic",
    "stable",
    "target_feature",
    "test",
    "track_caller",
    "type_length_limit",
    "unstable",
    "used",
    "warn",
];

fn is_built_in(path: Option<ast::Path>) -> bool {
    let first = path
        .and_then(|path| path.first_segment())
        .and_then(|segment| segment.name_ref());
    first.is_some_and(|first| {
        let name = first.text();
        name.starts_with("rustc_") || BUILT_IN.binary_search(&name).is_ok()
    })
}
