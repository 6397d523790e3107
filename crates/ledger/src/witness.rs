//! A witness on another machine (C2SP tlog-witness): what it is sent, and what its answer is worth.
//!
//! Owns the request's and the answer's form, and the files in which the last checkpoint that it vouched for is kept. It
//! connects to nobody. Whoever sends the request believes the answer only by the witness's key.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::error::Error;
use crate::merkle::consistency;
use crate::notary::put;
use crate::note::{Note, VerifierKey};
use crate::shelf::{Shelf, Tree};

/// Where a request goes, below the witness's prefix.
pub const ADD_CHECKPOINT: &str = "/add-checkpoint";

/// A log's last checkpoint on its way to a witness.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Leaves of the checkpoint.
    pub size: u64,
    /// The body of the request.
    pub body: String,
    note: Note,
}

/// The last checkpoint of the ledger in `dir`, with the proof that it extends the one of `old` leaves. None when there is no
/// larger one; `old` is 0 for a witness that knows none.
///
/// # Errors
/// [`Error::Damaged`] when the tiles don't lead there, or the log is smaller than `old`: it was put back to an older copy.
pub fn submission(dir: &Path, old: u64) -> Result<Option<Submission>, Error> {
    let shelf = Shelf::at(dir);
    let Some((note, checkpoint)) = shelf.checkpoint()? else { return Ok(None) };
    let size = checkpoint.size;
    if size < old {
        let why = format!("the witness has seen {old} leaves and the log has {size}: it was put back to an older copy");
        return Err(Error::Damaged { first_bad: size + 1, why });
    }
    if size == old {
        return Ok(None);
    }
    let proof = if old == 0 { Vec::new() } else { consistency(&Tree::new(&shelf, size), old, size)? };
    let proof: String = proof.iter().map(|hash| format!("{}\n", BASE64.encode(hash))).collect();
    Ok(Some(Submission { size, body: format!("old {old}\n{proof}\n{note}"), note }))
}

impl Submission {
    /// The checkpoint with the witness's line of `answer`, and when it saw it, in seconds since 1970. Lines of other keys are
    /// passed over.
    ///
    /// # Errors
    /// When no line is `key`'s signature of this very checkpoint.
    pub fn witnessed(&self, answer: &str, key: &VerifierKey) -> Result<(Note, u64), String> {
        let text = &self.note.text;
        let read = Note::parse(&format!("{text}\n{answer}")).ok_or("the witness's answer is no signature line")?;
        let one = |line| Note { text: text.clone(), signatures: vec![line] };
        let found = read.signatures.into_iter().find_map(|line| {
            let time = key.verifies(&one(line.clone()))?;
            Some((line, time))
        });
        let (line, time) = found.ok_or_else(|| format!("the witness did not sign as `{key}`"))?;
        let mut note = self.note.clone();
        note.signatures.push(line);
        Ok((note, time))
    }
}

/// Keeps what a witness vouched for in `folder`, which is made: [`crate::Remembered::read`] reads it again.
///
/// # Errors
/// What the disk says.
pub fn keep_witnessed(folder: &Path, note: &Note, key: &VerifierKey) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    put(folder, "vkey", format!("{key}\n").as_bytes(), 0o600)?;
    put(folder, "checkpoint", note.to_string().as_bytes(), 0o600)
}

/// Reads the body of a request: the old size, the proof and the note. `None` for what is none. A witness needs it.
#[must_use]
pub fn parse_submission(body: &str) -> Option<crate::Ask> {
    let (head, note) = body.split_once("\n\n")?;
    let mut lines = head.split('\n');
    let old = lines.next()?.strip_prefix("old ")?.parse().ok()?;
    let hash = |line: &str| BASE64.decode(line).ok()?.try_into().ok();
    let proof = lines.map(hash).collect::<Option<Vec<_>>>()?;
    Some(crate::Ask { old, proof, note: note.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::merkle::{Frontier, leaf_hash};
    use crate::note::{Says, SignerKey};

    fn signer(name: &str, says: Says) -> SignerKey {
        SignerKey::from_secret(name, says, &SignerKey::draw().unwrap()).unwrap()
    }

    fn submitted() -> (Submission, SignerKey) {
        let log = signer("creel.test/log", Says::Signed);
        let mut tree = Frontier::default();
        tree.push(leaf_hash(b"a"));
        let text = Checkpoint { origin: "creel.test/log".to_owned(), size: 1, root: tree.root() }.to_string();
        let note = Note { signatures: vec![log.sign(&text, 0)], text };
        (Submission { size: 1, body: format!("old 0\n\n{note}"), note }, signer("witness.test", Says::Witnessed))
    }

    #[test]
    fn a_witnesss_line_counts_for_this_checkpoint_and_key_alone() {
        let (submission, witness) = submitted();
        let line = |key: &SignerKey, text: &str| {
            let note = Note { text: text.to_owned(), signatures: vec![key.sign(text, 77)] };
            note.to_string().split_once("\n\n").unwrap().1.to_owned()
        };
        let good = line(&witness, &submission.note.text);
        let other = line(&signer("witness.test", Says::Witnessed), &submission.note.text);
        let both = format!("{other}{good}");
        for answer in [&good, &both] {
            let (note, time) = submission.witnessed(answer, witness.public()).unwrap();
            assert_eq!((time, note.signatures.len(), witness.public().verifies(&note)), (77, 2, Some(77)));
        }
        let elsewhere = line(&witness, "creel.test/log\n2\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n");
        for answer in ["", "\n", "1\n", &other, &elsewhere, "— witness.test AAAAAAAA\n"] {
            assert!(submission.witnessed(answer, witness.public()).is_err(), "{answer:?}");
        }
    }

    #[test]
    fn a_request_is_read_as_it_was_written() {
        let (submission, _) = submitted();
        let ask = parse_submission(&submission.body).unwrap();
        assert_eq!((ask.old, ask.proof.len(), ask.note), (0, 0, submission.note.to_string()));
        for bad in ["", "old 1\n", "old x\n\nnote", "old 1\nAAAA\n\nnote", "1\n\nnote"] {
            assert!(parse_submission(bad).is_none(), "{bad:?}");
        }
    }
}
