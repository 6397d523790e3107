//! One warden a state folder.
//!
//! Owns the lock file. A second Creel on the same folder is refused, whoever started it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::FlockOperation;

use crate::site::Site;

/// The lock, held until it is dropped or its process dies.
#[derive(Debug)]
pub(crate) struct Held {
    _file: File,
}

impl Held {
    /// Takes the lock of `site`.
    ///
    /// # Errors
    /// When another warden has it, or the folder can't be written.
    pub(crate) fn take(site: &Site) -> io::Result<Self> {
        site.make()?;
        let file = open(site)?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            io::Error::other(format!("another creel runs on `{}`; `creel status` shows it", site.root().display()))
        })?;
        Ok(Self { _file: file })
    }
}

/// Whether nobody holds the lock.
pub(crate) fn is_free(site: &Site) -> bool {
    open(site).is_ok_and(|file| rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok())
}

fn open(site: &Site) -> io::Result<File> {
    let path = site.run().join("warden.lock");
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)
}
