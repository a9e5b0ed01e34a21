//! The links of a file, as its page shows them: in order, none over another.

use dagwood::Cx;

use super::{Site, definition};
use crate::rust_source::{
    deep::links::{Link, LinksOf},
    sources::{FileId, Sources},
};

/// A place in a file and the link, from the top, that it gets.
pub(super) struct Target {
    pub(super) offset: u32,
    pub(super) len: u32,
    pub(super) url: String,
}

/// The links in the crate that the file is shown in.
pub(super) fn links(cx: &Cx<'_, Sources>, site: &Site<'_, '_>, file: FileId) -> Vec<Target> {
    let Some((krate, modules)) = site.homes.get(&file) else {
        return Vec::new();
    };
    let mut links: Vec<&Link> = modules
        .iter()
        .flat_map(|&module| {
            &cx.get(LinksOf {
                krate: *krate,
                module,
            })
            .links
        })
        .collect();
    links.sort_by_key(|link| (link.offset, link.len, link.def));
    let mut end = 0;
    let mut targets = Vec::with_capacity(links.len());
    for link in links {
        if link.offset >= end
            && let Some(url) = definition(cx, *krate, link.def)
        {
            end = link.offset + link.len;
            targets.push(Target {
                offset: link.offset,
                len: link.len,
                url,
            });
        }
    }
    targets
}
