//! What OpenClaw prints.
//!
//! Owns a bounded copy of its standard output and error, kept in the state folder for whoever looks into a failed
//! start. The bytes are the agent's: they are copied, never read. The warden opens it for each start.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use crate::site::Site;

/// At most so many bytes are kept of each start.
const LIMIT: u64 = 4 << 20;

/// Where it lies.
pub(crate) fn path(site: &Site) -> PathBuf {
    site.root().join("openclaw-output.log")
}

/// The writing end of a pipe whose first bytes end up in the file; what exceeds the bound is thrown away.
///
/// # Errors
/// When the file can't be written.
pub(crate) fn open(site: &Site) -> io::Result<OwnedFd> {
    let file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path(site))?;
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    std::thread::Builder::new().name("openclaw-output".to_owned()).spawn(move || copy(&mut File::from(read), file))?;
    Ok(write)
}

fn copy(from: &mut File, mut to: File) {
    let _ = io::copy(&mut Read::take(&mut *from, LIMIT), &mut to).and_then(|_| to.flush());
    let _ = io::copy(from, &mut io::sink());
}
