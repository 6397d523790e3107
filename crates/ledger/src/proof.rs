//! Proofs of inclusion that a person can hand to somebody else (C2SP tlog-proof).
//!
//! Owns the file's form: the leaf itself stands in the line `extra`, then its index, the audit path, and the signed
//! checkpoint. Making one needs the ledger; checking one needs the file and the log's public key.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;
use serde_json::Value;

use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::folder::Folder;
use crate::frame::Kind;
use crate::merkle::{Hash, inclusion, leaf_hash, root_of_inclusion};
use crate::note::{Note, VerifierKey};
use crate::shelf::{Shelf, Tree};
use crate::walk::{Step, Walker};

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// No path in a tree of 2^64 leaves is longer.
const LONGEST_PATH: usize = 64;

/// A leaf with the proof that it is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The leaf, canonical JSON.
    pub leaf: Vec<u8>,
    /// Its place in the log.
    pub index: u64,
    /// The audit path, lowest first.
    pub path: Vec<Hash>,
    /// The signed checkpoint.
    pub checkpoint: Note,
}

/// What a bundle proves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Which log.
    pub origin: String,
    /// Its size when the checkpoint was made.
    pub size: u64,
    /// The leaf's place in it.
    pub index: u64,
    /// The leaf.
    pub leaf: Value,
    /// When a witness whose key was named saw this checkpoint, in seconds since 1970.
    pub witnessed: Option<u64>,
}

impl Bundle {
    /// Reads a bundle; `None` for what is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (head, note) = text.split_once("\n\n")?;
        let mut lines = head.split('\n');
        if lines.next()? != FIRST_LINE {
            return None;
        }
        let leaf = BASE64.decode(lines.next()?.strip_prefix("extra ")?).ok()?;
        let number = lines.next()?.strip_prefix("index ")?;
        let index: u64 = number.parse().ok()?;
        let hash = |line: &str| Hash::try_from(BASE64.decode(line).ok()?).ok();
        let path = lines.map(hash).collect::<Option<Vec<_>>>()?;
        let bundle = Self { leaf, index, path, checkpoint: Note::parse(note)? };
        (bundle.path.len() <= LONGEST_PATH && bundle.to_string() == text).then_some(bundle)
    }

    /// Checks it: the log's signature, the path, the leaf's own number, and the signature of a witness that is named.
    ///
    /// # Errors
    /// What does not fit, in words.
    pub fn check(&self, log: &VerifierKey, witness: Option<&VerifierKey>) -> Result<Checked, String> {
        if log.verifies(&self.checkpoint).is_none() {
            return Err(format!("the checkpoint is not signed by `{log}`"));
        }
        let checkpoint = Checkpoint::parse(&self.checkpoint.text).ok_or("the checkpoint can't be read")?;
        if checkpoint.origin != log.name() {
            return Err(format!("the checkpoint is of the log `{}`", checkpoint.origin));
        }
        let found = root_of_inclusion(&leaf_hash(&self.leaf), self.index, checkpoint.size, &self.path);
        if found != Some(checkpoint.root) {
            return Err("the path does not lead from the leaf to the checkpoint".to_owned());
        }
        let leaf: Value =
            serde_json::from_slice(&self.leaf).map_err(|error| format!("the leaf is no JSON: {error}"))?;
        if leaf.get("@index").and_then(Value::as_u64) != Some(self.index) {
            return Err("the leaf says another place".to_owned());
        }
        // A witness that is named has to be there: who names one does not trust the log alone.
        let seen =
            |key: &VerifierKey| key.verifies(&self.checkpoint).ok_or_else(|| format!("`{key}` did not witness it"));
        let witnessed = witness.map(seen).transpose()?;
        Ok(Checked { origin: checkpoint.origin, size: checkpoint.size, index: self.index, leaf, witnessed })
    }
}

impl std::fmt::Display for Bundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{FIRST_LINE}\nextra {}\nindex {}", BASE64.encode(&self.leaf), self.index)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{}", BASE64.encode(hash)))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

/// Makes the proof of a record's decision, or of how it ended.
///
/// # Errors
/// [`Error::NoLedger`]; [`Error::NotKept`]; [`Error::Unproved`] when there is no such leaf, or no checkpoint names it yet; what is wrong with
/// the ledger.
pub fn prove(dir: &Path, record: u64, outcome: bool) -> Result<Bundle, Error> {
    let folder = Folder::at(dir);
    if !folder.holds_a_ledger() {
        return Err(Error::NoLedger(dir.to_path_buf()));
    }
    let shelf = Shelf::at(dir);
    let unproved = |why: &str| Error::Unproved { record, why: why.to_owned() };
    let Some((note, checkpoint)) = shelf.checkpoint()? else {
        return Err(unproved("nobody signs this ledger's checkpoints"));
    };
    let mut walker = Walker::new(folder)?;
    let (mut index, before) = (walker.position().leaves(), walker.position().records);
    if record <= before {
        return Err(Error::NotKept { record, first: before + 1 });
    }
    let leaf = loop {
        match walker.step()? {
            Step::Frame(frame) if !frame.kind.is_leaf() => continue,
            Step::Frame(frame) if frame.record == record && outcome == (frame.kind == Kind::Settled) => {
                break frame.payload;
            }
            Step::Frame(_) => index += 1,
            Step::End | Step::Cut => return Err(unproved("there is no such record, or it has not ended")),
            Step::Bad(why) => return Err(Error::Damaged { first_bad: walker.position().records + 1, why }),
        }
    };
    if index >= checkpoint.size {
        return Err(unproved("the last checkpoint does not name it yet; try again in a second"));
    }
    let path = inclusion(&Tree::new(&shelf, checkpoint.size), index, checkpoint.size)?;
    let found = root_of_inclusion(&leaf_hash(&leaf), index, checkpoint.size, &path);
    if found != Some(checkpoint.root) {
        return Err(unproved("the tiles do not lead to the checkpoint; `creel ledger verify` says more"));
    }
    Ok(Bundle { leaf, index, path, checkpoint: note })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::{Says, SignerKey};

    fn bundle() -> (Bundle, VerifierKey) {
        let signer = SignerKey::from_secret("creel.test/log", Says::Signed, &SignerKey::draw().unwrap()).unwrap();
        let leaf = br#"{"@index":0}"#.to_vec();
        let checkpoint = Checkpoint { origin: "creel.test/log".to_owned(), size: 1, root: leaf_hash(&leaf) };
        let text = checkpoint.to_string();
        let note = Note { signatures: vec![signer.sign(&text, 0)], text };
        (Bundle { leaf, index: 0, path: vec![], checkpoint: note }, signer.public().clone())
    }

    #[test]
    fn any_changed_byte_is_found() {
        let (bundle, key) = bundle();
        let text = bundle.to_string();
        assert!(Bundle::parse(&text).unwrap().check(&key, None).is_ok());
        for place in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[place] ^= 1;
            let read = String::from_utf8(changed).ok().and_then(|text| Bundle::parse(&text));
            assert!(read.is_none_or(|bundle| bundle.check(&key, None).is_err()), "{place}");
        }
    }

    #[test]
    fn a_leaf_in_another_place_is_refused() {
        let (mut bundle, key) = bundle();
        bundle.leaf = br#"{"@index":1}"#.to_vec();
        assert!(bundle.check(&key, None).unwrap_err().contains("path"));
    }
}
