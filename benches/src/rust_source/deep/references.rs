//! What the text of an item refers to: paths, with what they are used for; names it binds itself are left out.
//!
//! One query for each item, asked by `links`; `reference_walk` does the work. Knows the syntax of one item and nothing of
//! other items.

use dagwood::{Cx, Query};
use ra_ap_syntax::SmolStr;

use super::{metrics::Metrics, outline::OutlineOf, reference_walk};
use crate::rust_source::{
    sources::{FileId, Sources},
    uses::Import,
};

/// The references of an item, by its place in the file's outline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ReferencesOf {
    pub(crate) file: FileId,
    pub(crate) item: u32,
}

/// What an item refers to.
#[derive(Default)]
pub(crate) struct References {
    pub(crate) paths: Vec<Reference>,
    /// The segments of all paths, one after another.
    pub(crate) segments: Vec<Segment>,
    /// Functions in the order of the text: of the item itself, its members, and what stands inside them.
    pub(crate) functions: Vec<FunctionFacts>,
    /// Names of methods and fields after a dot, and all names in attributes.
    pub(crate) loose: Vec<SmolStr>,
    /// Imports of blocks, and from where to where they hold.
    pub(crate) imports: Vec<(Import, Extent)>,
    /// Names of items inside blocks.
    pub(crate) inner_items: Vec<(SmolStr, Extent)>,
    /// It calls a macro that is not the standard library's, and may declare what the text does not show.
    pub(crate) has_macros: bool,
}

/// From where to where.
pub(crate) type Extent = std::ops::Range<u32>;

/// A path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// Its segments, from and to.
    pub(super) first: u32,
    pub(super) end: u32,
    pub(crate) usage: Usage,
    pub(crate) is_absolute: bool,
    /// The function it stands in.
    pub(crate) function: Option<u32>,
}

/// A segment of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) name: SmolStr,
    pub(crate) offset: u32,
    pub(crate) len: u32,
}

/// What a path is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Usage {
    /// A type in the signature of a function.
    Signature,
    Type,
    Call,
    Value,
    /// A name in a pattern: a constant or variant, or else a new variable.
    Pattern,
    Macro,
    /// Read from the tokens of a macro call.
    Token,
}

/// A function.
pub(crate) struct FunctionFacts {
    pub(crate) name: SmolStr,
    pub(crate) name_offset: u32,
    pub(crate) metrics: Metrics,
    /// The function around it, in the list.
    pub(crate) parent: Option<u32>,
}

impl References {
    /// The segments of a path.
    pub(crate) fn segments_of(&self, reference: &Reference) -> &[Segment] {
        &self.segments[reference.first as usize..reference.end as usize]
    }
}

impl Query<Sources> for ReferencesOf {
    type Value = References;

    fn provide(self, cx: &Cx<'_, Sources>) -> References {
        let item = &cx.get(OutlineOf(self.file)).items[self.item as usize];
        reference_walk::references(&item.green, item.offset)
    }
}
