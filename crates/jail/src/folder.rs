//! Folders of ours on the host, into which nobody else can put anything.
//!
//! Owns the check that a folder belongs to root and is writable by nobody else, and whole-file reads and writes beneath it,
//! without following links. It never looks at paths that the agent can touch. `slot` and `volume` call it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::Error;

/// A folder that root alone can write.
#[derive(Debug)]
pub(crate) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// Opens an existing folder.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        Self::open_at(CWD.as_fd(), path, path)
    }

    fn open_at(parent: impl AsFd, name: &Path, path: &Path) -> Result<Self, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(parent, name, flags, Mode::empty()).map_err(failed("open", path))?;
        let stat = rustix::fs::fstat(&fd).map_err(failed("look at", path))?;
        if stat.st_uid != 0 || stat.st_mode & 0o022 != 0 {
            return Err(Error::unfit(
                format!("`{}` can be written by others than root", path.display()),
                "give it to root with mode 0755 or less",
            ));
        }
        Ok(Self { fd, path: path.to_owned() })
    }

    /// Opens the folder `name` in this one, made with mode 0700 if it isn't there.
    pub(crate) fn subfolder(&self, name: &str) -> Result<Self, Error> {
        let path = self.path.join(name);
        match rustix::fs::mkdirat(&self.fd, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(failed("make", &path)(error)),
        }
        Self::open_at(&self.fd, Path::new(name), &path)
    }

    /// Opens the regular file `name`, with `more` flags; a new one has mode 0600.
    pub(crate) fn file(&self, name: &str, more: OFlags) -> Result<File, Error> {
        let path = self.path.join(name);
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | more;
        let fd = rustix::fs::openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR).map_err(failed("open", &path))?;
        let stat = rustix::fs::fstat(&fd).map_err(failed("look at", &path))?;
        if !is_private_file(&stat) {
            return Err(Error::unfit(
                format!("`{}` is not a regular file of root's with mode 0600", path.display()),
                "move it away if you did not put it there",
            ));
        }
        Ok(File::from(fd))
    }

    /// Opens a new, empty file that has no name and gets none.
    pub(crate) fn unnamed(&self) -> Result<File, Error> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let next = "keep the folder on ext4, xfs or another file system that knows O_TMPFILE";
        let fd = rustix::fs::openat(&self.fd, ".", flags, Mode::RUSR | Mode::WUSR)
            .map_err(Error::host(format!("make a file without a name in `{}`", self.path.display()), next))?;
        Ok(File::from(fd))
    }

    /// The whole of a small file; None if it isn't there, an error if it is longer than `most` bytes.
    pub(crate) fn read(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, Error> {
        let path = self.path.join(name);
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(failed("look at", &path)(error)),
            Ok(_) => {}
        }
        let mut bytes = Vec::new();
        let mut file = self.file(name, OFlags::empty())?.take(most + 1);
        file.read_to_end(&mut bytes).map_err(failed("read", &path))?;
        if bytes.len() as u64 > most {
            return Err(Error::unfit(format!("`{}` is too long", path.display()), "restore it from a backup"));
        }
        Ok(Some(bytes))
    }

    /// Replaces a file by one with this content, whole or not at all, also over a power cut. The caller holds a lock.
    pub(crate) fn replace(&self, name: &str, content: &[u8]) -> Result<(), Error> {
        let path = self.path.join(name);
        let new = format!("{name}.new");
        let mut file = self.file(&new, OFlags::CREATE | OFlags::TRUNC)?;
        file.write_all(content).and_then(|()| file.sync_all()).map_err(failed("write", &path))?;
        rustix::fs::renameat(&self.fd, &new, &self.fd, name).map_err(failed("replace", &path))?;
        self.sync()
    }

    /// Writes a small file anew, which may be lost or cut by a power cut. The caller holds a lock.
    pub(crate) fn overwrite(&self, name: &str, content: &[u8]) -> Result<(), Error> {
        let mut file = self.file(name, OFlags::CREATE | OFlags::TRUNC)?;
        file.write_all(content).map_err(failed("write", &self.path.join(name)))
    }

    /// Makes renames and removals in this folder last.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        rustix::fs::fsync(&self.fd).map_err(failed("sync", &self.path))
    }

    /// Removes a file; one that isn't there is fine.
    pub(crate) fn remove(&self, name: &str) -> Result<(), Error> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(failed("remove", &self.path.join(name))(error)),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Locks an open file for this process alone; false if another holds it. The lock ends with the last copy of the
/// descriptor.
pub(crate) fn try_lock(file: &File, path: &Path) -> Result<bool, Error> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(failed("lock", path)(error)),
    }
}

fn is_private_file(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_uid == 0 && stat.st_mode & 0o7777 == 0o600
}

fn failed<E: Into<std::io::Error>>(verb: &str, path: &Path) -> impl FnOnce(E) -> Error {
    Error::host(format!("{verb} `{}`", path.display()), "check the folder and run Creel as root")
}
