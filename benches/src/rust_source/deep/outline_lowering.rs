//! From the tree of a file to its outline.
//!
//! Used by `outline`. Inline modules get the numbers that `lowering` gives them: both go through the same lists in the
//! same order. What stands in a macro call among the items is taken as items where it reads as such (`cfg_if!`).

use ra_ap_parser::Edition;
use ra_ap_syntax::{
    AstNode, SourceFile, SyntaxKind, SyntaxNode,
    ast::{self, HasAttrs, HasModuleItem, HasName, HasVisibility},
};

use rowan::GreenNode;
use rustc_hash::FxHashSet;

use super::{
    item_marks, item_shape,
    outline::{Allows, ImportItem, Item, ItemKind, ModuleItem, Outline, OutlineScope, Visibility},
    reasons::Reason,
    token_paths,
};
use crate::rust_source::{
    attributes::Attributes,
    parse::parse,
    uses::{self, plain},
};

/// Lowers a file.
pub(super) fn lower(file: &SourceFile, edition: Edition) -> Outline {
    let mut lowering = Lowering {
        outline: Outline::default(),
        open: Vec::new(),
        edition,
        base: 0,
        depth_in_macros: 0,
    };
    lowering.outline.scopes.push(OutlineScope {
        allows: Allows::of(file.attrs()),
        ..OutlineScope::default()
    });
    file.items().for_each(|item| lowering.item(0, item));
    while let Some((scope, list)) = lowering.open.pop() {
        list.items().for_each(|item| lowering.item(scope, item));
    }
    lowering.outline
}

struct Lowering {
    outline: Outline,
    open: Vec<(u32, ast::ItemList)>,
    edition: Edition,
    /// What is to be added to an offset in the tree at hand.
    base: u32,
    depth_in_macros: u32,
}

/// Macro calls inside macro calls: enough for any that we know.
const MACRO_DEPTH_MAX: u32 = 8;

impl Lowering {
    fn item(&mut self, scope: u32, item: ast::Item) {
        let attributes = Attributes::of(&item);
        if attributes.may_generate {
            self.opened(scope, Reason::Macro);
        }
        match &item {
            ast::Item::Module(module) => self.module(scope, module),
            ast::Item::Use(item) => self.import(scope, item, &attributes),
            ast::Item::MacroCall(call) => self.macro_call(scope, call),
            ast::Item::AsmExpr(_) => {}
            _ => self.named(scope, &item, &attributes),
        }
    }

    fn opened(&mut self, scope: u32, reason: Reason) {
        let opening = &mut self.outline.scopes[scope as usize].opening;
        // A build script says more than a macro.
        *opening = (*opening).max(Some(reason));
    }

    fn module(&mut self, scope: u32, module: &ast::Module) {
        let Some(name) = module.name() else { return };
        let visibility = Visibility::of(module.visibility());
        let allows = Allows::of(module.attrs());
        let name = plain(name.text());
        let modules = &mut self.outline.scopes[scope as usize].modules;
        modules.push(ModuleItem {
            name,
            visibility,
            allows,
        });
        let Some(list) = module.item_list() else {
            return;
        };
        if self.depth_in_macros > 0 {
            return; // `ItemsOf` has no number for it
        }
        let inner = list.syntax().children().filter_map(ast::Attr::cast);
        let allows = Allows::of(inner);
        self.open.push((self.outline.scopes.len() as u32, list));
        self.outline.scopes.push(OutlineScope {
            allows,
            ..OutlineScope::default()
        });
    }

    fn import(&mut self, scope: u32, item: &ast::Use, attributes: &Attributes) {
        let visibility = Visibility::of(item.visibility());
        let allows = Allows::of(item.attrs());
        let is_special = item_marks::is_special(item) || self.depth_in_macros > 0;
        for import in uses::flatten(item, self.base) {
            self.outline.scopes[scope as usize]
                .imports
                .push(ImportItem {
                    import,
                    visibility,
                    is_cfg: attributes.is_cfg || self.depth_in_macros > 0,
                    allows,
                    is_special,
                });
        }
    }

    fn named(&mut self, scope: u32, item: &ast::Item, attributes: &Attributes) {
        let Some((kind, name, visibility)) = item_shape::kind_of(item, attributes) else {
            return;
        };
        let node = item.syntax();
        let range = node.text_range();
        let offset = self.base + u32::from(range.start());
        let name_offset = name.as_ref().map_or(offset, |name| {
            self.base + u32::from(name.syntax().text_range().start())
        });
        let name = match item {
            ast::Item::ExternCrate(item) if name.is_none() => item
                .name_ref()
                .map(|name| plain(name.text()))
                .unwrap_or_default(),
            _ => name.map(|name| plain(name.text())).unwrap_or_default(),
        };
        let self_type = match item {
            ast::Item::Impl(item) => item
                .self_ty()
                .map(|ty| item_shape::type_path(&ty))
                .unwrap_or_default(),
            ast::Item::ExternCrate(item) => {
                let name = item.name_ref().map(|name| plain(name.text()));
                name.into_iter().collect()
            }
            _ => Vec::new(),
        };
        let index = self.outline.items.len() as u32;
        let is_exposed = attributes.may_generate || item_marks::is_exposed(item);
        self.outline.items.push(Item {
            kind,
            name,
            name_offset,
            offset,
            visibility: Visibility::of(visibility),
            is_exposed,
            is_in_macro: self.depth_in_macros > 0,
            allows: Allows::of(item.attrs()),
            members: item_shape::members(item, self.base),
            self_type,
            green: node.green().to_owned(),
        });
        self.outline.scopes[scope as usize].items.push(index);
    }

    /// What stands inside, where it reads as items: all of it, or the groups in braces directly inside.
    fn macro_call(&mut self, scope: u32, call: &ast::MacroCall) {
        let mut path = Vec::new();
        if let Some(called) = call.path() {
            let names = called.segments().filter_map(|segment| segment.name_ref());
            path.extend(names.map(|name| plain(name.text())));
        }
        let own = &mut self.outline.scopes[scope as usize];
        own.macro_calls.extend(path.last().cloned());
        own.mentioned.extend(path);
        let Some(tree) = call.token_tree() else {
            self.opened(scope, Reason::Macro);
            return;
        };
        let green = tree.syntax().green();
        let outer = &mut self.outline.scopes[scope as usize];
        outer.given.extend(token_paths::names(green));
        outer.mentioned.extend(token_paths::words(green));
        let text = tree.syntax().text().to_string();
        let is_built = text.contains("OUT_DIR");
        self.opened(
            scope,
            if is_built {
                Reason::BuildScript
            } else {
                Reason::Macro
            },
        );
        if self.depth_in_macros < MACRO_DEPTH_MAX && !is_built {
            self.groups(scope, tree.syntax(), &text);
        }
    }

    fn groups(&mut self, scope: u32, tree: &SyntaxNode, text: &str) {
        let start = u32::from(tree.text_range().start());
        let before = self.outline.items.len();
        if self.items_in(scope, start, text) {
            // A macro may make constants of an enum's variants.
            self.declared_in(scope, tree, before, |kind| kind == ItemKind::Const);
            return;
        }
        self.declared_in(scope, tree, before, |_| true);
        for group in tree.children().filter_map(ast::TokenTree::cast) {
            if group.l_curly_token().is_some() {
                let range = group.syntax().text_range();
                let (from, to) = (
                    u32::from(range.start()) - start,
                    u32::from(range.end()) - start,
                );
                self.items_in(
                    scope,
                    u32::from(range.start()),
                    &text[from as usize..to as usize],
                );
            }
        }
    }

    /// Names that the tokens of a macro call seem to declare (`STRUCT!{struct S { .. }}`): there for those who look for
    /// them, and never judged.
    fn declared_in(
        &mut self,
        scope: u32,
        tree: &SyntaxNode,
        before: usize,
        is_wanted: fn(ItemKind) -> bool,
    ) {
        let base = self.base + u32::from(tree.text_range().start());
        // Items that were read from the same tokens.
        let items = self.outline.items[before..].iter();
        let known: FxHashSet<u32> = items.map(|item| item.name_offset).collect();
        for (kind, name, name_offset) in token_paths::declarations(tree.green(), base) {
            if !is_wanted(kind) || known.contains(&name_offset) {
                continue;
            }
            let index = self.outline.items.len() as u32;
            self.outline.items.push(Item {
                kind,
                name,
                name_offset,
                offset: name_offset,
                visibility: Visibility::Public,
                is_exposed: true,
                is_in_macro: true,
                allows: Allows::default(),
                members: Vec::new(),
                self_type: Vec::new(),
                green: GreenNode::new(rowan::SyntaxKind(SyntaxKind::MACRO_ITEMS.into()), []),
            });
            self.outline.scopes[scope as usize].items.push(index);
        }
    }

    /// Takes the text of a group, delimiters included, as items, if it can be read so.
    fn items_in(&mut self, scope: u32, start: u32, text: &str) -> bool {
        let Some(inner) = text
            .get(1..text.len().saturating_sub(1))
            .filter(|inner| !inner.trim().is_empty())
        else {
            return false;
        };
        let parsed = parse(inner, self.edition);
        let Some(file) = parsed.source_file().filter(|_| parsed.errors.is_empty()) else {
            return false;
        };
        let base = std::mem::replace(&mut self.base, 0);
        self.base = base + start + 1;
        self.depth_in_macros += 1;
        file.items().for_each(|item| self.item(scope, item));
        self.depth_in_macros -= 1;
        self.base = base;
        true
    }
}
