//! Removing trees that the agent made.
//!
//! Owns a folder of root's in the volume into which trees are moved and taken apart. It follows no link, and however deep a
//! tree is, it needs two open descriptors and no stack: each folder found inside is moved up beside the others first.
//! `layout` calls it before the agent runs.

use std::ffi::CStr;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, fchown, mkdirat, openat, renameat_with, statat};
use rustix::fs::{Gid, Uid, unlinkat};
use rustix::io::Errno;

use super::layout::{failed, open};
use crate::Error;

const NAME: &str = ".trash";

pub(super) struct Trash {
    folder: OwnedFd,
    next: u64,
}

impl Trash {
    /// Opens the trash of a volume; a start that was stopped may have left something in it.
    pub(super) fn open(root: &OwnedFd) -> Result<Self, Error> {
        match mkdirat(root, NAME, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(failed("make", NAME)(error)),
        }
        let folder = open(root, NAME)?;
        fchown(&folder, Some(Uid::ROOT), Some(Gid::ROOT)).map_err(failed("own", NAME))?;
        Ok(Self { folder, next: 0 })
    }

    /// Moves `name` here, if it is there.
    pub(super) fn take(&mut self, parent: &OwnedFd, name: &str) -> Result<(), Error> {
        match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => self.adopt(parent, name).map_err(failed("move away", name)),
            Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(failed("look at", name)(error)),
        }
    }

    /// Removes all that is here.
    pub(super) fn empty(&mut self) -> Result<(), Error> {
        while self.pass().map_err(failed("empty", NAME))? {}
        Ok(())
    }

    /// One round over what is here; false when nothing was left. Only this process changes the volume meanwhile, and each
    /// round removes a level of every tree, so the rounds end.
    fn pass(&mut self) -> rustix::io::Result<bool> {
        let mut found = false;
        for entry in entries(&self.folder)? {
            found = true;
            if entry.is_folder {
                self.take_apart(&entry.name)?;
            } else {
                unlinkat(&self.folder, &entry.name, AtFlags::empty())?;
            }
        }
        Ok(found)
    }

    fn take_apart(&mut self, name: &CStr) -> rustix::io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = openat(&self.folder, name, flags, Mode::empty())?;
        loop {
            let inside = entries(&folder)?;
            if inside.is_empty() {
                return unlinkat(&self.folder, name, AtFlags::REMOVEDIR);
            }
            for entry in inside {
                if entry.is_folder {
                    self.adopt(&folder, &entry.name)?;
                } else {
                    unlinkat(&folder, &entry.name, AtFlags::empty())?;
                }
            }
        }
    }

    fn adopt(&mut self, parent: &OwnedFd, name: impl rustix::path::Arg + Copy) -> rustix::io::Result<()> {
        loop {
            self.next += 1;
            let here = self.next.to_string();
            match renameat_with(parent, name, &self.folder, here, RenameFlags::NOREPLACE) {
                Err(Errno::EXIST) => {}
                other => return other,
            }
        }
    }
}

struct Entry {
    name: std::ffi::CString,
    is_folder: bool,
}

/// Some of a folder's entries, all if there are fewer than a thousand.
fn entries(folder: &OwnedFd) -> rustix::io::Result<Vec<Entry>> {
    const MOST: usize = 1000;
    let mut found = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        if found.len() == MOST {
            break;
        }
        if [c".", c".."].contains(&entry.file_name()) {
            continue;
        }
        let is_folder = match entry.file_type() {
            FileType::Unknown => {
                let stat = statat(folder, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(stat.st_mode) == FileType::Directory
            }
            known => known == FileType::Directory,
        };
        found.push(Entry { name: entry.file_name().to_owned(), is_folder });
    }
    Ok(found)
}
