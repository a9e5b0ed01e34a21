//! What the syntax of an item says of it: kind, name, members, the type of an `impl`.
//!
//! Used by `outline_lowering`. Knows one item and no other.

use ra_ap_syntax::{
    AstNode, SmolStr,
    ast::{self, HasName, HasVisibility},
};

use super::outline::{ItemKind, Member, MemberKind, Visibility};
use crate::rust_source::{attributes::Attributes, uses::plain};

/// Kind, name and visibility.
pub(super) type Kinded = (ItemKind, Option<ast::Name>, Option<ast::Visibility>);

/// What an item is; `None` for modules, imports and macro calls.
pub(super) fn kind_of(item: &ast::Item, attributes: &Attributes) -> Option<Kinded> {
    Some(match item {
        ast::Item::Fn(item) => (ItemKind::Function, item.name(), item.visibility()),
        ast::Item::Struct(item) => {
            let is_value = !matches!(item.kind(), ast::StructKind::Record(_));
            let kind = ItemKind::Struct { is_value };
            (kind, item.name(), item.visibility())
        }
        ast::Item::Enum(item) => (ItemKind::Enum, item.name(), item.visibility()),
        ast::Item::Union(item) => (ItemKind::Union, item.name(), item.visibility()),
        ast::Item::Trait(item) => (ItemKind::Trait, item.name(), item.visibility()),
        ast::Item::TypeAlias(item) => (ItemKind::TypeAlias, item.name(), item.visibility()),
        ast::Item::Const(item) => (ItemKind::Const, item.name(), item.visibility()),
        ast::Item::Static(item) => (ItemKind::Static, item.name(), item.visibility()),
        ast::Item::MacroRules(item) => {
            let is_exported = attributes.is_macro_export;
            (ItemKind::Macro { is_exported }, item.name(), None)
        }
        ast::Item::MacroDef(item) => {
            let kind = ItemKind::Macro { is_exported: false };
            (kind, item.name(), item.visibility())
        }
        ast::Item::Impl(_) => (ItemKind::Impl, None, None),
        ast::Item::ExternBlock(_) => (ItemKind::ExternBlock, None, None),
        ast::Item::ExternCrate(item) => {
            let is_this = item.name_ref()?.self_token().is_some();
            let name = item.rename().and_then(|rename| rename.name());
            (ItemKind::ExternCrate { is_this }, name, item.visibility())
        }
        _ => return None,
    })
}

/// The members of an item of a file that begins at `base`.
pub(super) fn members(item: &ast::Item, base: u32) -> Vec<Member> {
    let member = |kind, name: Option<ast::Name>, visibility| {
        let name = name?;
        Some(Member {
            kind,
            name: plain(name.text()),
            name_offset: base + u32::from(name.syntax().text_range().start()),
            visibility: Visibility::of(visibility),
        })
    };
    let associated = |list: Option<ast::AssocItemList>| -> Vec<Member> {
        let items = list.into_iter().flat_map(|list| list.assoc_items());
        items
            .filter_map(|item| match item {
                ast::AssocItem::Fn(f) => member(MemberKind::Function, f.name(), f.visibility()),
                ast::AssocItem::Const(c) => member(MemberKind::Value, c.name(), c.visibility()),
                ast::AssocItem::TypeAlias(t) => member(MemberKind::Type, t.name(), t.visibility()),
                ast::AssocItem::MacroCall(_) => None,
            })
            .collect()
    };
    match item {
        ast::Item::Enum(item) => {
            let variants = item
                .variant_list()
                .into_iter()
                .flat_map(|list| list.variants());
            variants
                .filter_map(|v| member(MemberKind::Variant, v.name(), v.visibility()))
                .collect()
        }
        ast::Item::Impl(item) => associated(item.assoc_item_list()),
        ast::Item::Trait(item) => associated(item.assoc_item_list()),
        ast::Item::ExternBlock(block) => {
            let items = block
                .extern_item_list()
                .into_iter()
                .flat_map(|list| list.extern_items());
            items
                .filter_map(|item| match item {
                    ast::ExternItem::Fn(f) => {
                        member(MemberKind::Function, f.name(), f.visibility())
                    }
                    ast::ExternItem::Static(s) => {
                        member(MemberKind::Value, s.name(), s.visibility())
                    }
                    ast::ExternItem::TypeAlias(t) => {
                        member(MemberKind::Type, t.name(), t.visibility())
                    }
                    ast::ExternItem::MacroCall(_) => None,
                })
                .collect()
        }
        _ => Vec::new(),
    }
}

/// The path of a type that is nothing but a path; empty otherwise.
pub(super) fn type_path(ty: &ast::Type) -> Vec<SmolStr> {
    let ast::Type::PathType(path) = ty else {
        return Vec::new();
    };
    let Some(path) = path.path() else {
        return Vec::new();
    };
    let names: Option<Vec<_>> = path
        .segments()
        .map(|segment| segment.name_ref().map(|name| plain(name.text())))
        .collect();
    names.unwrap_or_default()
}
