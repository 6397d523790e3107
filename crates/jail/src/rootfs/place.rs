//! Paths below the new root, which no link can lead out of.
//!
//! Owns the openat2 calls: each look-up stays beneath the root and follows no link at all, since a volume from an earlier
//! run holds what the agent wrote (CVE-2019-14271, HARDENING.md 20). It never opens for reading. `rootfs` calls it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dev, FileType, Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::io::{Errno, Result};

/// A tree that is being built.
pub(super) struct Tree {
    root: OwnedFd,
}

impl Tree {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Self { root: rustix::fs::openat(CWD, path, flags, Mode::empty())? })
    }

    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Opens what is at `path`, without following any link.
    pub(super) fn open_at(&self, path: &Path, flags: OFlags) -> Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        rustix::fs::openat2(&self.root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
    }

    /// A handle on what is at `path`, mounts included.
    pub(super) fn find(&self, path: &Path) -> Result<OwnedFd> {
        self.open_at(path, OFlags::PATH)
    }

    /// What is at `path`, if anything.
    pub(super) fn kind(&self, path: &Path) -> Result<Option<FileType>> {
        match self.find(path) {
            Ok(found) => Ok(Some(FileType::from_raw_mode(rustix::fs::fstat(found)?.st_mode))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a mount point with its parents, unless it is there already: a folder, or an empty file.
    pub(super) fn make_point(&self, path: &Path, kind: FileType) -> Result<()> {
        let (parent, name) = self.parent(path)?;
        let made = match kind {
            FileType::Directory => rustix::fs::mkdirat(&parent, &name, Mode::from_raw_mode(0o755)),
            _ => {
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                rustix::fs::openat(&parent, &name, flags, Mode::from_raw_mode(0o444)).map(drop)
            }
        };
        match made {
            Ok(()) => {}
            // a read-only file system answers before it looks
            Err(Errno::EXIST | Errno::ROFS) => {}
            Err(error) => return Err(error),
        }
        let here = self.kind(path)?.ok_or(Errno::NOENT)?;
        if (here == FileType::Directory) == (kind == FileType::Directory) { Ok(()) } else { Err(Errno::NOTDIR) }
    }

    /// Makes a folder with its parents.
    pub(super) fn folder(&self, path: &Path) -> Result<()> {
        self.make_point(path, FileType::Directory)
    }

    /// Makes a symbolic link, in place of what was there.
    pub(super) fn link(&self, path: &Path, target: &Path) -> Result<()> {
        let (parent, name) = self.cleared(path)?;
        rustix::fs::symlinkat(target, &parent, &name)
    }

    /// Makes a file, in place of what was there.
    pub(super) fn file(&self, path: &Path, bytes: &[u8], mode: Mode, owner: u32) -> Result<()> {
        let (parent, name) = self.cleared(path)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&parent, &name, flags, Mode::RUSR | Mode::WUSR)?;
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = rustix::io::write(&file, rest)?;
            rest = rest.get(written..).unwrap_or_default();
        }
        rustix::fs::fchown(&file, Some(Uid::from_raw(owner)), Some(Gid::from_raw(owner)))?;
        rustix::fs::fchmod(&file, mode)
    }

    /// Makes a character device that everybody may use.
    pub(super) fn device(&self, path: &Path, number: Dev) -> Result<()> {
        let (parent, name) = self.parent(path)?;
        let everybody = Mode::from_raw_mode(0o666);
        rustix::fs::mknodat(&parent, &name, FileType::CharacterDevice, everybody, number)?;
        rustix::fs::chmodat(&parent, &name, everybody, AtFlags::empty())
    }

    fn cleared(&self, path: &Path) -> Result<(OwnedFd, PathBuf)> {
        let (parent, name) = self.parent(path)?;
        match rustix::fs::unlinkat(&parent, &name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok((parent, name)),
            Err(error) => Err(error),
        }
    }

    /// The folder above `path`, made if missing, and the last name.
    fn parent(&self, path: &Path) -> Result<(OwnedFd, PathBuf)> {
        let name = path.file_name().map(PathBuf::from).ok_or(Errno::INVAL)?;
        let above = path.parent().unwrap_or(Path::new(""));
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        match self.open_at(above, flags) {
            Err(Errno::NOENT) => {
                self.folder(above)?;
                Ok((self.open_at(above, flags)?, name))
            }
            other => Ok((other?, name)),
        }
    }
}
