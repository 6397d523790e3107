//! Append, prove, verify, read: the ledger in its first form.
//!
//! One folder per tenant holds append-only segment files of frames with a hash chain (docs/ledger.md). This crate owns
//! their form and the thread that writes them; it decides nothing and knows no async runtime. The guard writes through
//! `guard::Ledger`; the command line reads with [`read`], [`Follow`] and [`verify`].

#![forbid(unsafe_code)]

mod append;
mod clock;
mod error;
mod file_ledger;
mod folder;
mod frame;
mod head;
mod line;
mod queue;
mod read;
mod recover;
mod stored;
mod verify;
mod walk;
mod writer;

pub use error::Error;
pub use file_ledger::{FileLedger, OpenOptions, State};
pub use line::LogLine;
pub use read::{Follow, Lines, find, read};
pub use stored::{Ended, Stored};
pub use verify::{Verification, verify};
