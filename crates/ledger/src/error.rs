//! What can go wrong, by whose fault.
//!
//! Owns [`Error`]. Its texts are for people at the command line.

use std::io;
use std::path::{Path, PathBuf};

/// Why a ledger can't be opened, written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Operator: there is no ledger here.
    #[error("`{}` holds no ledger; name a tenant's ledger folder or one of its segment files", .0.display())]
    NoLedger(PathBuf),
    /// Operator: another process writes it.
    #[error("another process writes the ledger in `{}`; stop it first", .0.display())]
    Locked(PathBuf),
    /// Operator: it belongs to somebody else.
    #[error("the ledger belongs to tenant `{found}`, not `{wanted}`; give each tenant a folder of its own")]
    OtherTenant {
        /// Whose it is.
        found: String,
        /// Who was named.
        wanted: String,
    },
    /// Host: what was on disk is not what was written.
    #[error("the ledger is damaged at record `{first_bad}`: {why}; keep the folder as evidence and start a new one")]
    Damaged {
        /// The first record that nothing vouches for.
        first_bad: u64,
        /// What is wrong.
        why: String,
    },
    /// Host: records that were on disk are gone.
    #[error(
        "the ledger ends after record `{size}`, but `{promised}` were on disk; keep the folder as evidence and start a new one"
    )]
    Truncated {
        /// How many records are left.
        size: u64,
        /// How many there were when the head was last written.
        promised: u64,
    },
    /// Host: somebody tried to rewrite it: it does not extend what was signed before.
    #[error(
        "the ledger does not go on where its last signed checkpoint ended ({0}); keep the folder as evidence and start a new one"
    )]
    Fork(String),
    /// Operator: the record was there, and retention took it.
    #[error(
        "record `{record}` is not kept: before record `{first}` nothing is; `ledger/pruned` in `creel log` says why"
    )]
    NotKept {
        /// Which one.
        record: u64,
        /// The first that is kept.
        first: u64,
    },
    /// Operator: retention took away what was just being read.
    #[error("what was being read is not kept any more; do it again")]
    Overtaken,
    /// Operator: there is no proof of this record.
    #[error("record `{record}` can't be proved: {why}")]
    Unproved {
        /// Which one.
        record: u64,
        /// Why not.
        why: String,
    },
    /// Host: there is no signature now.
    #[error("the checkpoint was not signed: {0}; it is tried again")]
    Unsigned(String),
    /// Host: a link, a pipe, a folder or a device stands where a file of the ledger belongs.
    #[error("`{}` is no regular file and was not opened; keep the folder as evidence and find out who put it there", .0.display())]
    NotAFile(PathBuf),
    /// Host: a segment goes on behind where the largest one ends.
    #[error("`{}` is longer than a segment can be; keep the folder as evidence and start a new one", .0.display())]
    TooLong(PathBuf),
    /// Host: the file system refused.
    #[error("can't {doing} `{}`: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Operator: whoever takes an export takes no more.
    #[error("the export can't be written: {0}")]
    Output(io::Error),
    /// Host: no room for temporary files.
    #[error("can't keep what an export needs in the folder for temporary files: {0}; name another one in TMPDIR")]
    Spill(io::Error),
    /// Host: no thread for the writer.
    #[error("can't start the ledger's writer: {0}")]
    Thread(io::Error),
    /// Bug: a frame that is in the chain can't be read.
    #[error("record `{record}` can't be read: {why}; it was written by another edition of Creel")]
    Unreadable {
        /// Which one.
        record: u64,
        /// What is wrong.
        why: String,
    },
    /// Bug: a record above the size limit came as far as the writer.
    #[error("a record of `{0}` bytes is too large for the ledger")]
    TooLarge(usize),
}

impl Error {
    /// For `map_err`: the file system refused `doing` something to `path`.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { doing, path, source }
    }
}
