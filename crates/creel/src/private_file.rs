//! Small files that root alone reads, written whole or not at all.
//!
//! Owns [`write`]. It never changes a file in place: a reader sees the old one or the new one, also after a power cut.

use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Puts `bytes` in the place of what is at `path`, on disk when it returns.
///
/// # Errors
/// When that can't be done; the old file then stays.
#[expect(clippy::disallowed_methods, reason = "a folder is opened to sync the name in it")]
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("new");
    let _ = std::fs::remove_file(&draft);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    path.parent().map_or(Ok(()), |folder| std::fs::File::open(folder)?.sync_all())
}
