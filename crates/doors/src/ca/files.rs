//! Where a CA is kept.
//!
//! Owns the two files of a CA. The key is readable by its owner alone and is written before the certificate, so that a
//! certificate without its key can't exist. Called by [`super::Ca::open`].

use std::fs::{OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::Lasts;
use crate::Error;

const KEY: &str = "ca.key";
const CERTIFICATE: &str = "ca.pem";

/// What a folder holds.
pub(super) struct Kept {
    pub(super) key: String,
    pub(super) certificate: String,
}

/// Reads a CA; `None` when there is no certificate yet.
pub(super) fn read(folder: &Path) -> Result<Option<Kept>, Error> {
    let certificate = match std::fs::read_to_string(folder.join(CERTIFICATE)) {
        Ok(certificate) => certificate,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(host("read", folder, CERTIFICATE, error)),
    };
    let key = std::fs::read_to_string(folder.join(KEY)).map_err(|error| host("read", folder, KEY, error))?;
    Ok(Some(Kept { key, certificate }))
}

/// Writes a CA, key first.
pub(super) fn write(folder: &Path, key: &str, certificate: &str, lasts: Lasts) -> Result<(), Error> {
    for (name, text, mode) in [(KEY, key, 0o600), (CERTIFICATE, certificate, 0o644)] {
        replace(folder, name, (text, mode), lasts).map_err(|error| host("write", folder, name, error))?;
    }
    Ok(())
}

/// All of the new text or nothing of it.
fn replace(folder: &Path, name: &str, (text, mode): (&str, u32), lasts: Lasts) -> io::Result<()> {
    let fresh = folder.join(format!("{name}.new"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&fresh)?;
    // A file left by a crash keeps its mode on `open`.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(text.as_bytes())?;
    if lasts == Lasts::Longer {
        file.sync_all()?;
    }
    std::fs::rename(&fresh, folder.join(name))
}

fn host(verb: &str, folder: &Path, name: &str, source: io::Error) -> Error {
    Error::host(format!("can't {verb} `{}`", folder.join(name).display()), source)
}
