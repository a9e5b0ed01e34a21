//! From the tree of a file to its items.
//!
//! Used by `items`. Only item lists are walked; bodies stay green subtrees for `bodies`. Knows one file and no other.

use ra_ap_syntax::{
    AstNode, SmolStr, SyntaxNode,
    ast::{self, HasModuleItem, HasName},
};

use super::{
    attributes::Attributes,
    counts::Kind,
    items::{Body, Declared, DeclaredKind, FileItems, ModuleDeclaration, Scope},
    macro_modules,
    uses::{self, Import, plain},
};

/// Lowers a file; the modules inside are done from a list, so depth costs no stack.
pub(super) fn lower(file: &ast::SourceFile) -> FileItems {
    let mut lowering = Lowering {
        items: FileItems::default(),
        open: Vec::new(),
    };
    lowering.items.scopes.push(Scope::default());
    file.items().for_each(|item| lowering.item(0, item));
    while let Some((scope, list)) = lowering.open.pop() {
        list.items().for_each(|item| lowering.item(scope, item));
    }
    lowering.items.bodies.sort_by_key(|body| body.offset);
    lowering.items
}

struct Lowering {
    items: FileItems,
    /// Inline modules still to be done.
    open: Vec<(u32, ast::ItemList)>,
}

impl Lowering {
    fn item(&mut self, scope: u32, item: ast::Item) {
        let attributes = Attributes::of(&item);
        self.scope(scope).is_open |= attributes.may_generate;
        if let Some((name, declared, kind)) = declared(&item, &attributes) {
            self.items.counts.add(kind, 1);
            self.declare(scope, name, &attributes, declared);
        }
        match &item {
            ast::Item::Fn(function) => self.function(scope, function, &attributes, Kind::Function),
            ast::Item::Module(module) => self.module(scope, module, attributes),
            ast::Item::Use(item) => self.import(scope, item),
            ast::Item::Impl(item) => {
                self.items.counts.add(Kind::Impl, 1);
                self.members(scope, item.assoc_item_list());
            }
            ast::Item::Trait(item) => self.members(scope, item.assoc_item_list()),
            ast::Item::Const(_) | ast::Item::Static(_) => self.body(scope, item.syntax()),
            ast::Item::MacroCall(call) => self.macro_call(scope, call),
            ast::Item::ExternCrate(item) => self.extern_crate(scope, item, &attributes),
            ast::Item::ExternBlock(block) => self.extern_block(scope, block),
            ast::Item::AsmExpr(_) => self.items.counts.add(Kind::Asm, 1),
            ast::Item::Struct(_)
            | ast::Item::Enum(_)
            | ast::Item::Union(_)
            | ast::Item::TypeAlias(_)
            | ast::Item::MacroRules(_)
            | ast::Item::MacroDef(_) => {}
        }
    }

    fn scope(&mut self, scope: u32) -> &mut Scope {
        &mut self.items.scopes[scope as usize]
    }

    fn declare(
        &mut self,
        scope: u32,
        name: Option<ast::Name>,
        attributes: &Attributes,
        kind: DeclaredKind,
    ) {
        if let Some(name) = name {
            let (name, is_cfg) = (plain(name.text()), attributes.is_cfg);
            self.scope(scope)
                .names
                .push(Declared { name, is_cfg, kind });
        }
    }

    fn function(&mut self, scope: u32, function: &ast::Fn, attributes: &Attributes, kind: Kind) {
        self.items.counts.add(kind, 1);
        self.items.counts.add(
            Kind::UnsafeFunction,
            u64::from(function.unsafe_token().is_some()),
        );
        if kind == Kind::Function {
            self.declare(scope, function.name(), attributes, DeclaredKind::Value);
        }
        if function.body().is_some() {
            self.body(scope, function.syntax());
        }
    }

    fn members(&mut self, scope: u32, list: Option<ast::AssocItemList>) {
        for member in list.into_iter().flat_map(|list| list.assoc_items()) {
            match member {
                ast::AssocItem::Fn(function) => {
                    self.function(scope, &function, &Attributes::default(), Kind::Method);
                }
                ast::AssocItem::Const(item) => self.body(scope, item.syntax()),
                ast::AssocItem::MacroCall(_) | ast::AssocItem::TypeAlias(_) => {}
            }
        }
    }

    fn body(&mut self, scope: u32, node: &SyntaxNode) {
        let offset = u32::from(node.text_range().start());
        self.items.bodies.push(Body {
            green: node.green().to_owned(),
            offset,
            scope,
        });
    }

    fn module(&mut self, scope: u32, module: &ast::Module, attributes: Attributes) {
        self.items.counts.add(Kind::Module, 1);
        let Some(name) = module.name() else { return };
        let declaration = ModuleDeclaration {
            name: plain(name.text()),
            is_cfg: attributes.is_cfg,
            is_test: attributes.is_test,
            paths: attributes.paths,
            has_plain_path: attributes.has_plain_path,
            offset: u32::from(name.syntax().text_range().start()),
        };
        match module.item_list() {
            None => self.scope(scope).modules.push(declaration),
            Some(list) => {
                self.open.push((self.items.scopes.len() as u32, list));
                self.items.scopes.push(Scope {
                    parent: Some(scope),
                    declaration: Some(declaration),
                    ..Scope::default()
                });
            }
        }
    }

    fn import(&mut self, scope: u32, item: &ast::Use) {
        let imports = uses::flatten(item, 0);
        let count =
            |test: fn(&Import) -> bool| imports.iter().filter(|import| test(import)).count() as u64;
        self.items.counts.add(Kind::Use, 1);
        self.items.counts.add(Kind::Import, imports.len() as u64);
        self.items
            .counts
            .add(Kind::Glob, count(|import| import.is_glob));
        self.items
            .counts
            .add(Kind::Reexport, count(|import| import.is_reexport));
        self.scope(scope).imports.extend(imports);
    }

    fn macro_call(&mut self, scope: u32, call: &ast::MacroCall) {
        self.items.counts.add(Kind::MacroCall, 1);
        self.scope(scope).is_open = true;
        if let Some(tree) = call.token_tree() {
            let base = u32::from(tree.syntax().text_range().start());
            let modules = macro_modules::declarations(tree.syntax().green(), base);
            self.scope(scope).modules.extend(modules);
        }
    }

    fn extern_crate(&mut self, scope: u32, item: &ast::ExternCrate, attributes: &Attributes) {
        self.items.counts.add(Kind::ExternCrate, 1);
        if let Some(name_ref) = item.name_ref() {
            let is_this = name_ref.self_token().is_some();
            let kind = if is_this {
                DeclaredKind::ThisCrate
            } else {
                DeclaredKind::ExternCrate
            };
            match item.rename() {
                Some(rename) => self.declare(scope, rename.name(), attributes, kind),
                None => self.scope(scope).names.push(Declared {
                    name: plain(name_ref.text()),
                    is_cfg: attributes.is_cfg,
                    kind,
                }),
            }
        }
    }

    fn extern_block(&mut self, scope: u32, block: &ast::ExternBlock) {
        self.items.counts.add(Kind::ExternBlock, 1);
        for item in block
            .extern_item_list()
            .into_iter()
            .flat_map(|list| list.extern_items())
        {
            let none = Attributes::default();
            match item {
                ast::ExternItem::Fn(item) => self.function(scope, &item, &none, Kind::Function),
                ast::ExternItem::Static(item) => {
                    self.declare(scope, item.name(), &none, DeclaredKind::Value)
                }
                ast::ExternItem::TypeAlias(item) => {
                    self.declare(scope, item.name(), &none, DeclaredKind::Type)
                }
                ast::ExternItem::MacroCall(_) => self.scope(scope).is_open = true,
            }
        }
    }
}

/// The name an item declares, what it stands for, and what it counts as; functions, modules and imports have their
/// own ways.
fn declared(
    item: &ast::Item,
    attributes: &Attributes,
) -> Option<(Option<ast::Name>, DeclaredKind, Kind)> {
    use DeclaredKind::{Macro, Type, Value};
    Some(match item {
        ast::Item::Struct(item) => (item.name(), Type, Kind::Struct),
        ast::Item::Enum(item) => (item.name(), DeclaredKind::Enum(variants(item)), Kind::Enum),
        ast::Item::Union(item) => (item.name(), Type, Kind::Union),
        ast::Item::Trait(item) => (item.name(), Type, Kind::Trait),
        ast::Item::TypeAlias(item) => (item.name(), Type, Kind::TypeAlias),
        ast::Item::Const(item) => (item.name(), Value, Kind::Const),
        ast::Item::Static(item) => (item.name(), Value, Kind::Static),
        ast::Item::MacroRules(item) => (
            item.name(),
            Macro(attributes.is_macro_export),
            Kind::MacroDefinition,
        ),
        ast::Item::MacroDef(item) => (item.name(), Macro(false), Kind::MacroDefinition),
        _ => return None,
    })
}

fn variants(item: &ast::Enum) -> Vec<SmolStr> {
    let variants = item
        .variant_list()
        .into_iter()
        .flat_map(|list| list.variants());
    variants
        .filter_map(|variant| Some(plain(variant.name()?.text())))
        .collect()
}
