//! `creel ledger prove`: a proof to hand to somebody else.
//!
//! Owns the command's words. It reads the ledger's files and prints; it signs nothing.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use creel_ledger::Error;

use super::Which;
use crate::cli::{FINDING, USAGE, out};
use crate::escape::one_line;

/// Write a proof that a record is in the ledger.
#[derive(Debug, Args)]
pub(super) struct Prove {
    /// The record's number, as a refusal or `creel log` shows it (`17` or `creel:record:17`).
    id: String,
    /// Prove how the act ended instead of what was decided.
    #[arg(long)]
    outcome: bool,
    /// Where to write it; without, it is printed.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    which: Which,
}

impl Prove {
    pub(super) fn run(self) -> ExitCode {
        let bare = self.id.strip_prefix("creel:record:").unwrap_or(&self.id);
        let Ok(record) = bare.parse::<u64>() else {
            return out::fail(USAGE, format_args!("`{}` is no record's number", one_line(&self.id)));
        };
        let bundle = match creel_ledger::prove(&self.which.folder(), record, self.outcome) {
            Ok(bundle) => bundle.to_string(),
            Err(error @ (Error::NoLedger(_) | Error::NotKept { .. } | Error::Unproved { .. })) => {
                return out::fail(USAGE, error);
            }
            Err(error) => return out::fail(FINDING, error),
        };
        match self.out {
            None => out::text(bundle),
            Some(path) => match std::fs::write(&path, bundle) {
                Ok(()) => out::note(format_args!("written to `{}`", path.display())),
                Err(error) => return out::fail(1, format_args!("can't write `{}`: {error}", path.display())),
            },
        }
        ExitCode::SUCCESS
    }
}
