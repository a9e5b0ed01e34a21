//! What the blocks of an item declare and import, by name and by where it holds.
//!
//! Used by `finder`, which asks for each path: a look takes no longer where a function has thousands of items.

use ra_ap_syntax::SmolStr;
use rustc_hash::FxHashMap;

use super::references::{Extent, References};
use crate::rust_source::uses::Import;

/// The names of an item's blocks.
pub(super) struct Blocks<'a> {
    items: FxHashMap<&'a SmolStr, Vec<&'a Extent>>,
    /// In the order of the text.
    imports: FxHashMap<&'a SmolStr, Vec<&'a (Import, Extent)>>,
    globs: Vec<&'a Extent>,
}

impl<'a> Blocks<'a> {
    pub(super) fn of(references: &'a References) -> Blocks<'a> {
        let mut blocks = Blocks {
            items: FxHashMap::default(),
            imports: FxHashMap::default(),
            globs: Vec::new(),
        };
        for (name, extent) in &references.inner_items {
            blocks.items.entry(name).or_default().push(extent);
        }
        for import in &references.imports {
            if let Some(name) = &import.0.name {
                blocks.imports.entry(name).or_default().push(import);
            }
            if import.0.is_glob {
                blocks.globs.push(&import.1);
            }
        }
        blocks
    }

    /// Whether a block around this place declares an item of that name.
    pub(super) fn declare(&self, name: &SmolStr, at: u32) -> bool {
        let extents = self.items.get(name).into_iter().flatten();
        extents.into_iter().any(|extent| extent.contains(&at))
    }

    /// The last import of that name in a block around this place.
    pub(super) fn import(&self, name: &SmolStr, at: u32) -> Option<&'a Import> {
        let imports = self.imports.get(name).into_iter().flatten().rev();
        imports
            .into_iter()
            .find(|(_, extent)| extent.contains(&at))
            .map(|(import, _)| import)
    }

    /// Whether a block around this place imports by a glob.
    pub(super) fn has_globs(&self, at: u32) -> bool {
        self.globs.iter().any(|extent| extent.contains(&at))
    }
}
