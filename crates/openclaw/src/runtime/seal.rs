//! Makes a folder that a stranger filled root's, and read-only.
//!
//! Owns the rules for what may be in it: folders, plain files with one name, relative links that stay inside. Anything
//! else (a hard link to a file of the host, a device, a link that leads out) ends the preparation. It follows no link.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown};
use std::path::{Component, Path, PathBuf};

use crate::Error;

/// OpenClaw has 60,000 files or so.
const MOST: usize = 500_000;

/// Seals everything beneath `root`, and `root` itself.
pub(super) fn seal(root: &Path) -> Result<(), Error> {
    let mut folders = vec![root.to_path_buf()];
    let mut count = 0usize;
    while let Some(folder) = folders.pop() {
        give(&folder, 0)?;
        set_mode(&folder, 0o755)?;
        let act = || format!("read `{}`", folder.display());
        for entry in fs::read_dir(&folder).map_err(Error::host(act()))? {
            let path = entry.map_err(Error::host(act()))?.path();
            count = count.saturating_add(1);
            if count > MOST {
                return Err(strange(root, "holds more files than any OpenClaw"));
            }
            let meta = fs::symlink_metadata(&path).map_err(Error::host(format!("look at `{}`", path.display())))?;
            if meta.is_dir() {
                folders.push(path);
            } else if meta.is_symlink() {
                check_link(root, &path)?;
                give(&path, 0)?;
            } else if meta.is_file() && meta.nlink() == 1 {
                give(&path, 0)?;
                set_mode(&path, file_mode(root, &path, meta.mode()))?;
            } else {
                return Err(strange(&path, "is neither a folder, a link nor a plain file with one name"));
            }
        }
    }
    Ok(())
}

/// Node can be run, not read: a process of a program that its user can't read is not dumpable (proc(5)).
fn file_mode(root: &Path, path: &Path, mode: u32) -> u32 {
    if path == root.join("node/bin/node") {
        0o111
    } else if mode & 0o111 != 0 {
        0o755
    } else {
        0o644
    }
}

fn check_link(root: &Path, path: &Path) -> Result<(), Error> {
    let target = fs::read_link(path).map_err(Error::host(format!("read the link `{}`", path.display())))?;
    let mut place: PathBuf = path.parent().unwrap_or(root).to_path_buf();
    for part in target.components() {
        match part {
            Component::Normal(name) => place.push(name),
            Component::ParentDir => {
                place.pop();
            }
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return Err(strange(path, "is a link out of the runtime")),
        }
        if !place.starts_with(root) {
            return Err(strange(path, "is a link out of the runtime"));
        }
    }
    Ok(())
}

fn strange(path: &Path, what: &str) -> Error {
    Error::upstream(
        format!("`{}` {what}", path.display()),
        "do not use this runtime; the packages are not what they were",
    )
}

pub(super) fn give(path: &Path, id: u32) -> Result<(), Error> {
    lchown(path, Some(id), Some(id)).map_err(Error::host(format!("change the owner of `{}`", path.display())))
}

pub(super) fn set_mode(path: &Path, mode: u32) -> Result<(), Error> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(Error::host(format!("change the mode of `{}`", path.display())))
}
