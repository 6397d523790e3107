//! What a prepared runtime says about itself.
//!
//! Owns `manifest.json`: it is written last, and a folder without a right one is no runtime. The check is quick (it reads
//! the files that start everything, not all 60,000); the folder is root's, so this finds accidents and old versions,
//! not root's own doing.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{install, seal};
use crate::{Error, NODE_VERSION, NPM_VERSION, OPENCLAW_VERSION};

const NAME: &str = "manifest.json";
/// Raised when the layout changes, so that old folders are made anew.
const FORMAT: u32 = 1;
const LONGEST: u64 = 64 * 1024;

/// The files that start everything, or say what the rest is.
const KEY_FILES: [&str; 6] = [
    "node/bin/node",
    "node/lib/node_modules/npm/package.json",
    "app/node_modules/.package-lock.json",
    "app/node_modules/openclaw/package.json",
    "app/node_modules/openclaw/openclaw.mjs",
    "app/node_modules/openclaw/dist/entry.js",
];

/// What is in a runtime folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuntimeInfo {
    /// OpenClaw's version.
    pub openclaw: String,
    /// Node's version.
    pub node: String,
    /// npm's version.
    pub npm: String,
    /// SHA-256 over both lock files, hexadecimal.
    pub locks: String,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    runtime: RuntimeInfo,
    /// SHA-256 by path.
    files: BTreeMap<String, String>,
}

fn wanted() -> RuntimeInfo {
    let mut hash = Sha256::new();
    for lock in [install::NODE_LOCK, install::APP_LOCK] {
        hash.update((lock.len() as u64).to_be_bytes());
        hash.update(lock);
    }
    RuntimeInfo {
        openclaw: OPENCLAW_VERSION.to_owned(),
        node: NODE_VERSION.to_owned(),
        npm: NPM_VERSION.to_owned(),
        locks: hex(&hash.finalize()),
    }
}

/// The runtime at `dest`, if it is the one that this Creel wants and whole.
pub(super) fn check(dest: &Path) -> Option<RuntimeInfo> {
    let place = fs::symlink_metadata(dest).ok()?;
    if !place.is_dir() || place.mode() & 0o022 != 0 {
        return None;
    }
    let mut text = Vec::new();
    let file = fs::OpenOptions::new().read(true).open(dest.join(NAME)).ok()?;
    file.take(LONGEST).read_to_end(&mut text).ok()?;
    let found: Manifest = serde_json::from_slice(&text).ok()?;
    let seen = |name: &&str| {
        let path = dest.join(name);
        let known = || found.files.get(*name).filter(|_| is_closed(&path)).cloned();
        Some(((*name).to_owned(), digest(&path).ok().or_else(known)?))
    };
    let files = KEY_FILES.iter().map(seen).collect::<Option<_>>()?;
    let right = Manifest { format: FORMAT, runtime: wanted(), files };
    (found == right).then_some(right.runtime)
}

/// Whether root lets others execute this file and not read it, as it seals Node: a plain user takes root's word for it.
fn is_closed(path: &Path) -> bool {
    let plain = !nix::unistd::geteuid().is_root();
    plain && fs::symlink_metadata(path).is_ok_and(|it| it.is_file() && it.uid() == 0 && it.mode() & 0o444 == 0)
}

/// Writes the manifest of the sealed folder `root`.
pub(super) fn record(root: &Path) -> Result<RuntimeInfo, Error> {
    let manifest = Manifest { format: FORMAT, runtime: wanted(), files: digests(root)? };
    let mut text = serde_json::to_string_pretty(&manifest)
        .map_err(|error| Error::bug(format!("the runtime's manifest can't be written: {error}")))?;
    text.push('\n');
    let path = root.join(NAME);
    fs::write(&path, text).map_err(Error::host(format!("write `{}`", path.display())))?;
    seal::set_mode(&path, 0o644)?;
    Ok(manifest.runtime)
}

fn digests(root: &Path) -> Result<BTreeMap<String, String>, Error> {
    KEY_FILES.iter().map(|name| Ok(((*name).to_owned(), digest(&root.join(name))?))).collect()
}

fn digest(path: &Path) -> Result<String, Error> {
    let act = || format!("read `{}`", path.display());
    let mut file = fs::OpenOptions::new().read(true).open(path).map_err(Error::host(act()))?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0u8; 256 * 1024];
    loop {
        let count = file.read(&mut chunk).map_err(Error::host(act()))?;
        if count == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(chunk.get(..count).unwrap_or_default());
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
