//! Who signs checkpoints, and refuses to sign a fork.
//!
//! Owns a key and the last checkpoint that it signed, on disk before a signature leaves. It believes nobody: each
//! checkpoint comes with a proof that it extends the last one. Runs in a process of its own (`creel notary`), once as the
//! log's signer and once as its witness, so that whoever breaks into the guard can't sign another past.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::checkpoint::Checkpoint;
use crate::merkle::{Hash, empty_root, is_consistent};
use crate::note::{Note, Says, SignatureLine, SignerKey, VerifierKey};

/// A proof for a tree of 2^64 leaves has no more hashes.
const LONGEST_PROOF: usize = 64;

/// A request to sign (the fields of C2SP tlog-witness's `add-checkpoint`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The size that the proof starts from.
    pub old: u64,
    /// The consistency proof.
    pub proof: Vec<Hash>,
    /// The checkpoint: for the signer its text, for a witness the signed note.
    pub note: String,
}

/// Why there is no signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "no", rename_all = "kebab-case")]
pub enum No {
    /// The proof has to start from here.
    #[error("the last one that was signed had {size} leaves")]
    Conflict {
        /// How many leaves the last one had.
        size: u64,
    },
    /// It does not extend what was signed before: never to be signed.
    #[error("refused: {why}")]
    Fork {
        /// What does not fit.
        why: String,
    },
    /// It can't be done now.
    #[error("{why}")]
    Unable {
        /// What went wrong.
        why: String,
    },
}

/// Whoever signs: the notary itself, or a link to its process.
pub trait Countersign: Send {
    /// Signs, or says why not.
    ///
    /// # Errors
    /// [`No`].
    fn countersign(&mut self, ask: &Ask) -> Result<SignatureLine, No>;
}

/// A key, and the last checkpoint that it signed.
#[derive(Debug)]
pub struct Notary {
    folder: PathBuf,
    key: SignerKey,
    origin: String,
    /// Of a witness: the log's key.
    log: Option<VerifierKey>,
    last: (u64, Hash),
}

const KEY: &str = "key";
const VKEY: &str = "vkey";
const LAST: &str = "checkpoint";

impl Notary {
    /// The signer of the log `origin`, at home in `folder`; it draws its key at the first time.
    ///
    /// # Errors
    /// What is wrong with the folder, in words.
    pub fn signer(folder: &Path, origin: &str) -> Result<Self, String> {
        Self::open(folder, origin, origin, Says::Signed, None)
    }

    /// A witness of the name `name` for the log `origin`, whose checkpoints `log` signs.
    ///
    /// # Errors
    /// What is wrong with the folder, in words.
    pub fn witness(folder: &Path, name: &str, origin: &str, log: VerifierKey) -> Result<Self, String> {
        Self::open(folder, name, origin, Says::Witnessed, Some(log))
    }

    fn open(folder: &Path, name: &str, origin: &str, says: Says, log: Option<VerifierKey>) -> Result<Self, String> {
        let told = |what: &str, error: std::io::Error| format!("can't {what} in `{}`: {error}", folder.display());
        fs::create_dir_all(folder).map_err(|error| told("make a place", error))?;
        let secret = match fs::read(folder.join(KEY)) {
            Ok(secret) => secret,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if folder.join(LAST).exists() {
                    return Err(format!(
                        "`{}` has a checkpoint but no key: a new key would forget it",
                        folder.display()
                    ));
                }
                let secret = SignerKey::draw()?;
                put(folder, KEY, &secret, 0o600).map_err(|error| told("keep the key", error))?;
                secret
            }
            Err(error) => return Err(told("read the key", error)),
        };
        let Some(key) = SignerKey::from_secret(name, says, &secret) else {
            return Err(format!("the key in `{}` can't be read", folder.display()));
        };
        let last = match fs::read_to_string(folder.join(LAST)) {
            Ok(note) => {
                let signed = Note::parse(&note).filter(|note| key.public().verifies(note).is_some());
                let checkpoint = signed.and_then(|note| Checkpoint::parse(&note.text));
                let Some(checkpoint) = checkpoint.filter(|checkpoint| checkpoint.origin == origin) else {
                    return Err(format!("the last checkpoint in `{}` is damaged", folder.display()));
                };
                (checkpoint.size, checkpoint.root)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => (0, empty_root()),
            Err(error) => return Err(told("read the last checkpoint", error)),
        };
        let vkey = format!("{}\n", key.public());
        put(folder, VKEY, vkey.as_bytes(), 0o644).map_err(|error| told("keep the public key", error))?;
        Ok(Self { folder: folder.to_owned(), key, origin: origin.to_owned(), log, last })
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> &VerifierKey {
        self.key.public()
    }

    fn judge(&self, ask: &Ask) -> Result<(Checkpoint, String), No> {
        let fork = |why: &str| No::Fork { why: why.to_owned() };
        let (text, vouched) = match &self.log {
            None => (ask.note.clone(), true),
            Some(key) => {
                let note = Note::parse(&ask.note).ok_or_else(|| fork("it is no signed note"))?;
                let vouched = key.verifies(&note).is_some();
                (note.text, vouched)
            }
        };
        let checkpoint = Checkpoint::parse(&text).ok_or_else(|| fork("it is no checkpoint"))?;
        if checkpoint.origin != self.origin || checkpoint.to_string() != text {
            return Err(fork("it is of another log"));
        }
        if !vouched {
            return Err(fork("the log did not sign it"));
        }
        let (size, root) = &self.last;
        if checkpoint.size < *size {
            return Err(fork("it is smaller than one that was signed before"));
        }
        if ask.old != *size {
            return Err(No::Conflict { size: *size });
        }
        let proved = ask.proof.len() <= LONGEST_PROOF
            && is_consistent((*size, root), (checkpoint.size, &checkpoint.root), &ask.proof);
        if proved { Ok((checkpoint, text)) } else { Err(fork("it does not extend the one that was signed before")) }
    }
}

impl Countersign for Notary {
    fn countersign(&mut self, ask: &Ask) -> Result<SignatureLine, No> {
        let (checkpoint, text) = self.judge(ask)?;
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let line = self.key.sign(&text, time);
        let note = Note { text, signatures: vec![line.clone()] };
        // First remembered, then given away.
        put(&self.folder, LAST, note.to_string().as_bytes(), 0o644)
            .map_err(|error| No::Unable { why: format!("the last checkpoint can't be kept: {error}") })?;
        self.last = (checkpoint.size, checkpoint.root);
        Ok(line)
    }
}

/// Puts a file on disk, whole or not at all.
pub(crate) fn put(folder: &Path, name: &str, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    let draft = folder.join(format!("{name}.new"));
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, folder.join(name))?;
    fs::OpenOptions::new().read(true).open(folder)?.sync_all()
}

#[cfg(test)]
mod tests;
