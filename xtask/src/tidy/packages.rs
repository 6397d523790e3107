//! What cargo resolved: our crates, their dependencies, everything below.
//!
//! Owns [`Packages`], a small copy of `cargo metadata` for this platform that tests can make up. The rules about arrows
//! and licences read it.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

use super::tree::Tree;

/// A package of the resolved graph.
#[derive(Clone, Debug, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) licence: Option<String>,
    /// Whether it is one of ours.
    pub(crate) ours: bool,
    /// For ours: the text of its manifest.
    pub(crate) manifest: String,
    /// Ids of what it needs to run or to be built.
    pub(crate) needs: BTreeSet<String>,
    /// Ids of what only its tests need.
    pub(crate) tests_need: BTreeSet<String>,
}

/// The resolved graph: id → package.
#[derive(Clone, Debug, Default)]
pub(crate) struct Packages(pub(crate) BTreeMap<String, Package>);

impl Packages {
    /// The workspace's, for the platform that this runs on.
    ///
    /// # Errors
    /// When cargo can't resolve it or `Cargo.lock` is out of date.
    pub(crate) fn of_workspace(tree: &Tree) -> Result<Self, String> {
        let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let options = ["--locked".to_owned(), format!("--filter-platform={platform}")];
        let metadata = MetadataCommand::new().current_dir(tree.root()).other_options(options).exec();
        let metadata = metadata.map_err(|error| format!("cargo metadata failed: {error}"))?;
        let resolve = metadata.resolve.ok_or("cargo metadata gave no graph")?;
        let mut packages = BTreeMap::new();
        for package in metadata.packages {
            let id = package.id.repr.clone();
            let ours = metadata.workspace_members.contains(&package.id);
            let manifest =
                if ours { std::fs::read_to_string(&package.manifest_path).unwrap_or_default() } else { String::new() };
            let found = Package {
                name: package.name.to_string(),
                version: package.version.to_string(),
                licence: package.license,
                ours,
                manifest,
                ..Package::default()
            };
            packages.insert(id, found);
        }
        for node in resolve.nodes {
            let Some(package) = packages.get_mut(&node.id.repr) else { continue };
            for dep in node.deps {
                let for_tests = dep.dep_kinds.iter().all(|kind| kind.kind == DependencyKind::Development);
                let list = if for_tests { &mut package.tests_need } else { &mut package.needs };
                list.insert(dep.pkg.repr);
            }
        }
        let mut packages = Self(packages);
        packages.keep_reachable();
        Ok(packages)
    }

    /// Takes out what cargo lists but nothing of ours reaches, such as what an unused feature would bring.
    fn keep_reachable(&mut self) {
        let mut reached: BTreeSet<String> = BTreeSet::new();
        for (id, package) in self.0.iter().filter(|(_, package)| package.ours) {
            reached.insert(id.clone());
            reached.extend(self.all_needs(package));
            for id in &package.tests_need {
                reached.insert(id.clone());
                reached.extend(self.0.get(id).map(|package| self.all_needs(package)).unwrap_or_default());
            }
        }
        self.0.retain(|id, _| reached.contains(id));
    }

    /// Our own packages.
    pub(crate) fn ours(&self) -> impl Iterator<Item = &Package> {
        self.0.values().filter(|package| package.ours)
    }

    /// The names behind ids.
    pub(crate) fn names<'a>(&'a self, ids: &'a BTreeSet<String>) -> impl Iterator<Item = &'a Package> {
        ids.iter().filter_map(|id| self.0.get(id))
    }

    /// Everything that a package needs to run, however far down.
    pub(crate) fn all_needs(&self, package: &Package) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<String> = package.needs.iter().cloned().collect();
        while let Some(id) = open.pop() {
            if seen.insert(id.clone())
                && let Some(package) = self.0.get(&id)
            {
                open.extend(package.needs.iter().cloned());
            }
        }
        seen
    }
}

/// Made-up packages: `name version`, what they need, what their tests need.
#[cfg(test)]
pub(crate) fn made(list: &[(&str, &[&str], &[&str])]) -> Packages {
    let ids = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let each = list.iter().map(|(id, needs, tests_need)| {
        let (name, version) = id.split_once(' ').unwrap_or((id, "0.1.0"));
        let package = Package {
            name: name.to_owned(),
            version: version.to_owned(),
            licence: Some("MIT".to_owned()),
            ours: name.starts_with("creel") || name == "xtask",
            manifest: "[lints]\nworkspace = true\n".to_owned(),
            needs: ids(needs),
            tests_need: ids(tests_need),
        };
        ((*id).to_owned(), package)
    });
    Packages(each.collect())
}
