//! What stands in front of an item: visibility, lints that it lets pass, whether something outside may use it.
//!
//! Used by `outline_lowering`. Attributes are read by their words: what might be meant counts as meant.

use ra_ap_syntax::{
    AstNode, SyntaxKind,
    ast::{self, HasAttrs},
};

use super::{
    outline::{Allows, Visibility},
    token_paths,
};

/// Whether an import is for something besides the code: it is there for documentation only, or a macro has its attribute.
pub(super) fn is_special(import: &ast::Use) -> bool {
    import.attrs().any(|attr| {
        let names = token_paths::names(attr.syntax().green());
        match attr.meta() {
            Some(ast::Meta::CfgMeta(_)) => names.iter().any(|name| name == "doc"),
            Some(ast::Meta::CfgAttrMeta(_)) => false,
            _ => {
                let first = names.first().map(|name| name.as_str());
                !matches!(first, Some("doc" | "allow" | "expect"))
            }
        }
    })
}

/// Whether a function may be called by what is not looked at.
pub(super) fn is_exposed(item: &ast::Item) -> bool {
    const EXPOSED: [&str; 12] = [
        "test",
        "bench",
        "no_mangle",
        "export_name",
        "panic_handler",
        "global_allocator",
        "used",
        "proc_macro",
        "rustc_",
        "lang",
        "start",
        "link_section",
    ];
    item.attrs().any(|attr| {
        let text = attr.syntax().text().to_string();
        EXPOSED.iter().any(|word| text.contains(word))
    })
}

impl Visibility {
    /// As it is written.
    pub(super) fn of(visibility: Option<ast::Visibility>) -> Visibility {
        let Some(visibility) = visibility else {
            return Visibility::Private;
        };
        let node = visibility.syntax();
        let has = |kind: SyntaxKind| {
            node.descendants_with_tokens()
                .any(|element| element.kind() == kind)
        };
        if has(SyntaxKind::IN_KW) || has(SyntaxKind::CRATE_KW) {
            Visibility::Crate
        } else if has(SyntaxKind::SUPER_KW) {
            Visibility::Super
        } else if has(SyntaxKind::SELF_KW) {
            Visibility::Private
        } else {
            Visibility::Public
        }
    }
}

impl Allows {
    /// What attributes say.
    pub(super) fn of(attributes: impl Iterator<Item = ast::Attr>) -> Allows {
        let mut allows = Allows::default();
        for attribute in attributes {
            let words = token_paths::names(attribute.syntax().green());
            let has = |word: &str| words.iter().any(|own| own == word);
            if has("allow") || has("expect") {
                words.iter().for_each(|word| allows.allow(word));
            }
        }
        allows
    }

    /// Lets a lint pass, or a group of lints, by the compiler's name.
    pub(crate) fn allow(&mut self, lint: &str) {
        let is_all = matches!(lint, "unused" | "warnings");
        self.dead_code |= is_all || lint == "dead_code";
        self.unused_imports |= is_all || lint == "unused_imports";
        self.too_many_lines |= matches!(lint, "too_many_lines" | "pedantic");
    }

    /// What holds where both hold.
    pub(super) fn with(self, other: Allows) -> Allows {
        Allows {
            dead_code: self.dead_code || other.dead_code,
            unused_imports: self.unused_imports || other.unused_imports,
            too_many_lines: self.too_many_lines || other.too_many_lines,
        }
    }
}
