//! Who lives: one warden a state folder, one Creel a tenant.
//!
//! Owns the lock files. A lock is the kernel's (flock(2)): it is free the moment its holder is dead, however it died.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

/// A lock, held until it is dropped or its process dies.
#[derive(Debug)]
pub(crate) struct Held {
    path: PathBuf,
    _file: File,
}

impl Held {
    /// Takes the lock at `path`.
    ///
    /// # Errors
    /// When somebody has it, or the folder can't be written.
    pub(crate) fn take(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self { path: path.to_owned(), _file: file })
    }

    /// Whether nobody has the lock at `path`.
    pub(crate) fn is_free(path: &Path) -> bool {
        Self::take(path).is_ok()
    }

    /// Gives it up and takes its file along, for names that never come back.
    pub(crate) fn remove(self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
