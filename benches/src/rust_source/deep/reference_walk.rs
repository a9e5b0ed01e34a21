//! Walks the text of an item, in order, and gathers what it refers to.
//!
//! Used by `references`. Goes through the green tree with an explicit stack, and knows which names are bound where it is
//! (`bound`). A path inside a macro call is read from the tokens, and is a guess (`Usage::Token`).

use ra_ap_syntax::{AstNode, SmolStr, SyntaxKind as Kind, SyntaxNode, ast};
use rowan::{GreenNodeData, NodeOrToken};

use super::{
    bound::Bound,
    metrics::Metrics,
    outline::ItemKind,
    prelude,
    references::{Extent, FunctionFacts, Reference, References, Segment, Usage},
    segments::{name_in, segments_of},
    token_paths,
};
use crate::rust_source::uses::{self, plain};

/// The references of an item that begins at `offset`.
pub(super) fn references(root: &GreenNodeData, offset: u32) -> References {
    let mut walk = Walk::default();
    walk.all(root, offset);
    walk.references
}

/// Where the walk is.
#[derive(Default)]
struct Walk {
    references: References,
    /// Variables that are bound here.
    locals: Bound,
    /// Those of functions around the innermost one, which does not see them.
    hidden: Vec<Bound>,
    /// Parameters of types and constants.
    generics: Bound,
    /// For each statement or condition that is open what it will bind when it ends; `None`: bound at once.
    pending: Vec<Option<Vec<SmolStr>>>,
    functions: Vec<u32>,
    /// From where to where the innermost blocks reach.
    blocks: Vec<Extent>,
    /// How many nodes are open inside which a type belongs to a signature.
    in_signature: u32,
    /// How many modules inside blocks are open.
    in_modules: u32,
    /// The path that comes next is what a call calls.
    is_callee: bool,
    /// Nested depth of what branches and blocks, for the metrics.
    nesting: u32,
}

/// A node that is open.
struct Open<'a> {
    children: rowan::Children<'a>,
    kind: Kind,
    locals: usize,
    generics: usize,
    index: u32,
}

impl Walk {
    fn all(&mut self, root: &GreenNodeData, offset: u32) {
        let mut at = offset;
        let mut open: Vec<Open<'_>> = Vec::new();
        self.enter(None, root, at);
        open.push(self.opened(root));
        while let Some(top) = open.last_mut() {
            match top.children.next() {
                None => {
                    if let Some(node) = open.pop() {
                        self.leave(&node);
                    }
                }
                Some(NodeOrToken::Token(token)) => {
                    self.token(top.kind, Kind::from(token.kind().0));
                    at += u32::from(token.text_len());
                }
                Some(NodeOrToken::Node(node)) => {
                    top.index += 1;
                    let parents = Some((top.kind, top.index));
                    if self.enter(parents, node, at) {
                        let node = self.opened(node);
                        open.push(node);
                    } else {
                        at += u32::from(node.text_len());
                    }
                }
            }
        }
    }

    fn opened<'a>(&self, node: &'a GreenNodeData) -> Open<'a> {
        Open {
            children: node.children(),
            kind: Kind::from(node.kind().0),
            locals: self.locals.len(),
            generics: self.generics.len(),
            index: 0,
        }
    }

    /// Looks at a node; says whether to go inside. `parent`: its kind, and how many nodes of it have come.
    fn enter(&mut self, parent: Option<(Kind, u32)>, node: &GreenNodeData, at: u32) -> bool {
        let kind = Kind::from(node.kind().0);
        let around = parent.map(|(kind, _)| kind);
        let extent = at..at + u32::from(node.text_len());
        match kind {
            Kind::VISIBILITY | Kind::NAME => return false,
            Kind::ATTR => {
                self.references.loose.extend(token_paths::names(node));
                self.references.loose.extend(token_paths::words(node));
                return false;
            }
            Kind::TOKEN_TREE => {
                self.tokens(node, at);
                return false;
            }
            Kind::USE => {
                self.import(node, at, around);
                return false;
            }
            Kind::FN => self.function(node, at, around),
            Kind::PARAM_LIST | Kind::RET_TYPE if around == Some(Kind::FN) => self.in_signature += 1,
            Kind::MODULE => {
                self.inner_item(node);
                self.in_modules += 1;
            }
            Kind::STATIC | Kind::TYPE_ALIAS if around == Some(Kind::EXTERN_ITEM_LIST) => {
                self.inner_item(node)
            }
            Kind::STRUCT
            | Kind::ENUM
            | Kind::CONST
            | Kind::STATIC
            | Kind::TRAIT
            | Kind::UNION
            | Kind::TYPE_ALIAS
            | Kind::MACRO_RULES
                if around == Some(Kind::STMT_LIST) =>
            {
                self.inner_item(node)
            }
            Kind::TYPE_PARAM | Kind::CONST_PARAM => self
                .generics
                .extend(name_in(node, at).map(|(name, _)| name)),
            Kind::LET_STMT | Kind::LET_EXPR | Kind::FOR_EXPR => {
                self.pending.push(Some(Vec::new()));
            }
            Kind::CLOSURE_EXPR | Kind::MATCH_ARM => self.pending.push(None),
            Kind::BLOCK_EXPR => {
                if around == Some(Kind::FOR_EXPR)
                    && let Some(Some(names)) = self.pending.last_mut()
                {
                    let names = std::mem::take(names);
                    self.locals.extend(names);
                }
                self.pending.push(None);
                self.blocks.push(extent);
            }
            Kind::IDENT_PAT => self.pattern(node, at),
            Kind::PATH_EXPR => self.is_callee = parent == Some((Kind::CALL_EXPR, 1)),
            Kind::METHOD_CALL_EXPR | Kind::FIELD_EXPR => self.after_dot(node),
            Kind::PATH if around != Some(Kind::PATH) => self.path(node, at, parent),
            _ => {}
        }
        if let Some(&function) = self.functions.last() {
            let metrics = &mut self.references.functions[function as usize].metrics;
            let is_first = parent.is_some_and(|(_, index)| index == 1);
            self.nesting += u32::from(metrics.enter(kind, self.nesting, is_first));
        }
        true
    }

    fn leave(&mut self, open: &Open<'_>) {
        match open.kind {
            Kind::FN => {
                self.functions.pop();
                self.generics.truncate(open.generics);
                self.locals = self.hidden.pop().unwrap_or_default();
            }
            Kind::PARAM_LIST | Kind::RET_TYPE => {
                self.in_signature = self.in_signature.saturating_sub(1)
            }
            Kind::MODULE => self.in_modules -= 1,
            Kind::LET_STMT | Kind::LET_EXPR => {
                let names = self.pending.pop().flatten();
                match self.pending.last_mut() {
                    // `if let A(x) = b && let C(y) = x`: bound inside a condition that itself binds at its end
                    Some(Some(outer)) if open.kind == Kind::LET_EXPR => {
                        let names = names.unwrap_or_default();
                        self.locals.extend(names.iter().cloned());
                        outer.extend(names);
                    }
                    _ => self.locals.extend(names.unwrap_or_default()),
                }
            }
            Kind::FOR_EXPR | Kind::CLOSURE_EXPR | Kind::MATCH_ARM => {
                self.pending.pop();
                self.locals.truncate(open.locals);
            }
            Kind::BLOCK_EXPR => {
                self.pending.pop();
                self.blocks.pop();
                self.locals.truncate(open.locals);
            }
            Kind::IF_EXPR | Kind::WHILE_EXPR => self.locals.truncate(open.locals),
            _ => {}
        }
        if !self.functions.is_empty() && Metrics::nests(open.kind) {
            self.nesting = self.nesting.saturating_sub(1);
        }
    }

    /// A token outside any macro call: only operators that branch count.
    fn token(&mut self, around: Kind, token: Kind) {
        if around == Kind::BIN_EXPR
            && matches!(token, Kind::AMP2 | Kind::PIPE2)
            && let Some(&function) = self.functions.last()
        {
            self.references.functions[function as usize]
                .metrics
                .branches += 1;
        }
    }

    fn function(&mut self, node: &GreenNodeData, at: u32, around: Option<Kind>) {
        if matches!(around, Some(Kind::STMT_LIST | Kind::EXTERN_ITEM_LIST)) {
            self.inner_item(node);
        }
        self.hidden.push(std::mem::take(&mut self.locals));
        let (name, name_offset) = name_in(node, at).unwrap_or_default();
        let index = self.references.functions.len() as u32;
        let parent = self.functions.last().copied();
        if parent.is_none() {
            self.nesting = 0;
        }
        self.references.functions.push(FunctionFacts {
            name,
            name_offset,
            metrics: Metrics::of_text(node),
            parent,
        });
        self.functions.push(index);
    }

    fn inner_item(&mut self, node: &GreenNodeData) {
        if let (Some((name, _)), Some(block)) = (name_in(node, 0), self.blocks.last()) {
            self.references.inner_items.push((name, block.clone()));
        }
    }

    fn import(&mut self, node: &GreenNodeData, at: u32, around: Option<Kind>) {
        if around.is_none() {
            return; // an item of its own: `links` takes it from the outline
        }
        let Some(block) = self.blocks.last().cloned() else {
            return;
        };
        if self.in_modules > 0 {
            let names = token_paths::names(node);
            self.references.loose.extend(names);
            return;
        }
        let item = ast::Use::cast(SyntaxNode::new_root(node.to_owned()));
        for import in item.iter().flat_map(|item| uses::flatten(item, at)) {
            self.references.imports.push((import, block.clone()));
        }
    }

    fn bind(&mut self, name: SmolStr) {
        match self.pending.last_mut() {
            Some(Some(names)) => names.push(name),
            _ => self.locals.push(name),
        }
    }

    /// Whether the name is a variable for certain: `A` in a pattern may be a constant that is already there.
    fn is_variable(&self, name: &SmolStr) -> bool {
        !name.starts_with(|c: char| c.is_uppercase()) && self.locals.contains(name)
    }

    fn pattern(&mut self, node: &GreenNodeData, at: u32) {
        let Some((name, offset)) = name_in(node, at) else {
            return;
        };
        let is_plain = node.children().count() == 1;
        if is_plain {
            self.single(name.clone(), offset, Usage::Pattern);
        }
        self.bind(name);
    }

    fn after_dot(&mut self, node: &GreenNodeData) {
        let mut nodes = node.children().filter_map(NodeOrToken::into_node);
        let name = nodes.find(|node| node.kind().0 == Kind::NAME_REF as u16);
        let token = name.and_then(|name| name.children().find_map(NodeOrToken::into_token));
        if let Some(token) = token
            && token.kind().0 == Kind::IDENT as u16
        {
            self.references.loose.push(plain(token.text()));
        }
    }

    fn single(&mut self, name: SmolStr, offset: u32, usage: Usage) {
        let len = name.len() as u32;
        self.push(vec![Segment { name, offset, len }], usage, false);
    }

    fn push(&mut self, segments: Vec<Segment>, usage: Usage, is_absolute: bool) {
        // A module inside a block has names of its own, which are not followed: any of them may be meant.
        if self.in_modules > 0 {
            let names = segments.into_iter().map(|segment| segment.name);
            self.references.loose.extend(names);
            return;
        }
        let first = self.references.segments.len() as u32;
        self.references.segments.extend(segments);
        self.references.paths.push(Reference {
            first,
            end: self.references.segments.len() as u32,
            usage,
            is_absolute,
            function: self.functions.last().copied(),
        });
    }

    fn path(&mut self, node: &GreenNodeData, at: u32, parent: Option<(Kind, u32)>) {
        let mut segments = Vec::new();
        let mut is_absolute = false;
        if !segments_of(node, at, &mut segments, &mut is_absolute) {
            return;
        }
        let mut usage = match parent {
            Some((Kind::PATH_TYPE, _)) if self.in_signature > 0 => Usage::Signature,
            Some((Kind::PATH_TYPE, _)) => Usage::Type,
            Some((Kind::MACRO_CALL, _)) => Usage::Macro,
            Some((Kind::PATH_EXPR, _)) if self.is_callee => Usage::Call,
            Some((Kind::RECORD_EXPR | Kind::RECORD_PAT, _)) => Usage::Type,
            Some((Kind::PATH_EXPR | Kind::TUPLE_STRUCT_PAT | Kind::PATH_PAT, _)) => Usage::Value,
            Some((
                Kind::VISIBILITY_INNER
                | Kind::KEY_VALUE_META
                | Kind::PATH_META
                | Kind::TOKEN_TREE_META,
                _,
            )) => {
                return;
            }
            _ => Usage::Type,
        };
        if usage == Usage::Macro {
            let name = segments.last().map(|segment| &segment.name);
            self.references.has_macros |= name.is_some_and(|name| !prelude::has_macro(name));
        } else if self.generics.contains(&segments[0].name) {
            return;
        }
        if let ([only], false) = (&segments[..], is_absolute) {
            let is_value = !matches!(usage, Usage::Type | Usage::Signature | Usage::Macro);
            let is_keyword = matches!(only.name.as_str(), "self" | "Self" | "super" | "crate");
            if is_keyword {
                return;
            }
            if is_value && self.is_variable(&only.name) {
                return;
            }
            if usage == Usage::Call && self.locals.contains(&only.name) {
                usage = Usage::Value; // no call of something missing
            }
        }
        self.push(segments, usage, is_absolute);
    }

    fn tokens(&mut self, node: &GreenNodeData, at: u32) {
        // A macro call may declare functions for the block that it stands in.
        if let Some(block) = self.blocks.last() {
            let declared = token_paths::declarations(node, at).into_iter();
            let functions = declared.filter(|(kind, ..)| *kind == ItemKind::Function);
            let named = functions.map(|(_, name, _)| (name, block.clone()));
            self.references.inner_items.extend(named);
        }
        for (segments, is_absolute) in token_paths::paths(node, at) {
            if segments.len() > 1 || !self.is_variable(&segments[0].name) {
                self.push(segments, Usage::Token, is_absolute);
            }
        }
    }
}
