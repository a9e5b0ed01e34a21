//! Which library a crate means by a name, where that library is in the input.
//!
//! Asked by `deep`. By the manifest: a dependency with a path is what lies there. Another one, or a crate of the standard
//! library, which nobody names, is found if one package alone has its name: versions are not looked at.

use dagwood::{Cx, Query};
use ra_ap_syntax::SmolStr;
use rustc_hash::FxHashMap;

use super::{
    manifest::{Manifest, ManifestOf},
    module_tree::CrateId,
    sources::{PackageId, Sources, join_label},
};

/// The packages with a library, by name; `None` where several have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct PackagesByName;

impl Query<Sources> for PackagesByName {
    type Value = FxHashMap<SmolStr, Option<PackageId>>;

    fn provide(self, cx: &Cx<'_, Sources>) -> Self::Value {
        let mut packages = FxHashMap::default();
        for id in (0..cx.data().tree().packages.len() as u32).map(PackageId) {
            let manifest = cx.get(ManifestOf(id));
            if manifest.library.is_some() {
                packages
                    .entry(manifest.name.clone())
                    .and_modify(|known| *known = None)
                    .or_insert(Some(id));
            }
        }
        packages
    }
}

/// The library that a crate of this package calls so.
pub(super) fn find(cx: &Cx<'_, Sources>, package: PackageId, name: &str) -> Option<CrateId> {
    let manifest = cx.get(ManifestOf(package));
    let dependencies = manifest.dependencies.iter();
    let dependency = dependencies
        .filter(|dependency| dependency.name == name)
        .max_by_key(|dependency| dependency.path.is_some());
    let by_path = || {
        let path = dependency?.path.as_ref()?;
        let directory = join_label(&cx.data().package(package).directory, path)?;
        cx.data().package_at(&directory)
    };
    let by_name = || {
        let name = dependency.map_or(name, |dependency| dependency.package.as_str());
        let packages = cx.get(PackagesByName);
        // A name in code has `_` for `-`.
        let dashed = || packages.get(name.replace('_', "-").as_str());
        *packages.get(name).or_else(dashed)?
    };
    let is_own = |library: &str| library == name && dependency.is_none();
    let package = match &manifest.library {
        Some((library, _)) if is_own(library) => Some(package),
        _ => by_path().or_else(by_name),
    }?;
    let Manifest { library, .. } = cx.get(ManifestOf(package));
    library.as_ref().map(|(_, root)| CrateId(*root))
}
