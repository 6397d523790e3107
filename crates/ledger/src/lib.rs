//! Append, prove, verify, read: the ledger, a transparency log.
//!
//! One folder per tenant holds a log of C2SP tlog-tiles with signed checkpoints, and the segments that are written ahead of
//! it (docs/ledger.md). This crate owns their form and the threads that write them; it decides nothing and knows no async
//! runtime. The guard writes through `guard::Ledger`; the command line reads with [`read`], [`Follow`], [`verify`] and
//! [`prove`].

#![forbid(unsafe_code)]

mod account;
mod append;
mod canonical;
mod checkpoint;
mod clock;
mod error;
mod export;
mod file_ledger;
mod folder;
mod frame;
mod grow;
mod head;
mod line;
mod merkle;
mod notary;
mod note;
mod proof;
mod publish;
mod queue;
mod read;
mod recover;
mod replica;
mod retain;
mod shelf;
mod stored;
mod tail;
mod tile;
mod verify;
mod walk;
mod witness;
mod writer;

pub use checkpoint::Checkpoint;
pub use error::Error;
pub use export::{Export, Form, NoEdge, Range};
pub use file_ledger::{FileLedger, OpenOptions, State};
pub use line::LogLine;
pub use merkle::{
    Frontier, Hash, Nodes, consistency, empty_root, inclusion, is_consistent, leaf_hash, node_hash, root,
    root_of_inclusion,
};
pub use notary::{Ask, Countersign, No, Notary};
pub use note::{Note, Says, SignatureLine, SignerKey, VerifierKey};
pub use proof::{Bundle, Checked, prove};
pub use publish::{Notaries, Published};
pub use read::{Decisions, Follow, Lines, decisions, find, first_kept, read};
pub use replica::{CHECKPOINT, Lacking, agrees, edge, lacking, replicated};
pub use retain::Keep;
pub use stored::{Beside, Ended, Stored};
pub use tail::Tail;
pub use tile::LARGEST_ENTRY;
pub use verify::{Gone, Remembered, Trust, Verification, verify, verify_with};
pub use witness::{ADD_CHECKPOINT, Submission, keep_witnessed, parse_submission, submission};
