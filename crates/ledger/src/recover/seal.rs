//! Puts a ledger of the first form aside.
//!
//! Owns the folder `before-1` and the way there: checked first, linked, and only then unlinked, so that a crash at any
//! point loses nothing and the next opening goes on. Nothing in it is ever changed again. Called before a ledger is opened.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::{damaged, found_head, replay_all};
use crate::error::Error;
use crate::folder::{self, ASIDE, Folder};
use crate::frame::{FIRST_MAGIC, hex};
use crate::stored::SEALED_END;

/// Puts what is here of the first form aside.
pub(super) fn first_form(folder: &Folder, tenant: &str) -> Result<(), Error> {
    let (aside, draft) = (folder.path().join(ASIDE), folder.path().join("before-1.new"));
    if !aside.exists() {
        if !is_first_form(folder)? {
            return Ok(());
        }
        check(folder, tenant)?;
        let linked = link_all(folder.path(), &draft).and_then(|()| fs::rename(&draft, &aside));
        linked.and_then(|()| folder.sync()).map_err(Error::io("put aside", folder.path()))?;
    }
    unlink_all(folder.path(), &aside).map_err(Error::io("put aside", folder.path()))
}

/// What the new ledger's first record is to bind of the old one; `None` when there is none.
pub(super) fn binding(folder: &Folder, tenant: &str) -> Result<Option<String>, Error> {
    let aside = folder.path().join(ASIDE);
    if aside.exists() { check(&Folder::at(&aside), tenant).map(Some) } else { Ok(None) }
}

fn is_first_form(folder: &Folder) -> Result<bool, Error> {
    use std::os::unix::fs::FileExt as _;
    let path = folder.segment_path(1);
    let Some(file) = folder::open_to_read(&path)? else { return Ok(false) };
    let mut magic = [0; 4];
    let read = file.read_at(&mut magic, 0).map_err(Error::io("read", &path))?;
    Ok(read == magic.len() && magic == FIRST_MAGIC)
}

/// Whatever would have kept it closed before keeps it closed now.
fn check(folder: &Folder, tenant: &str) -> Result<String, Error> {
    let head = found_head(folder)?.ok_or_else(|| damaged(0, "the sealed ledger has no head"))?;
    let (walker, cut) = replay_all(folder, &head, 0, &mut |_, _| Ok(()))?;
    match walker.tenant() {
        Some(found) if found != tenant => {
            Err(Error::OtherTenant { found: found.to_owned(), wanted: tenant.to_owned() })
        }
        _ => {
            let at = walker.position();
            let torn = if cut { "; a write behind them was torn by a crash" } else { "" };
            Ok(format!(
                "an earlier ledger of {} records is sealed in `{ASIDE}`, {SEALED_END}{}{torn}",
                at.records,
                hex(&at.chain)
            ))
        }
    }
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let segment = path.extension().is_some_and(|end| end == "seg");
        if segment || path.file_name().is_some_and(|name| name == "head") {
            found.push(path);
        }
    }
    Ok(found)
}

fn link_all(folder: &Path, draft: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(draft) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    for path in files(folder)? {
        let to = draft.join(path.file_name().unwrap_or_default());
        match fs::hard_link(&path, &to) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    fs::OpenOptions::new().read(true).open(draft)?.sync_all()
}

/// Takes away what stands in both places.
fn unlink_all(folder: &Path, aside: &Path) -> io::Result<()> {
    for path in files(aside)? {
        let here = folder.join(path.file_name().unwrap_or_default());
        let sealed = fs::symlink_metadata(&path)?;
        match fs::symlink_metadata(&here) {
            Ok(found) if (found.dev(), found.ino()) == (sealed.dev(), sealed.ino()) => fs::remove_file(&here)?,
            _ => {}
        }
    }
    Ok(())
}
