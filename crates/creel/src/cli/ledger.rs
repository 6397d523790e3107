//! `creel ledger`: work on the ledger off-line.
//!
//! Owns the command's words and exit codes. It needs no running Creel, no secret key and no network.

mod export;
mod prove;
pub(crate) mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::cli::Where;

/// Work on the ledger off-line.
#[derive(Debug, Args)]
pub(crate) struct LedgerCommand {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Check that no record was changed, removed or slipped in. Exit code 0 whole, 1 tampered with, 4 truncated.
    Verify(verify::Verify),
    /// Write a proof that a record is in the ledger, which anybody with the ledger's public key can check.
    Prove(prove::Prove),
    /// Write records out for other tools, each with how it ended. Exit code 1 when the ledger is damaged.
    Export(export::Export),
}

impl LedgerCommand {
    pub(crate) fn run(self) -> ExitCode {
        match self.task {
            Task::Verify(command) => command.run(),
            Task::Prove(command) => command.run(),
            Task::Export(command) => command.run(),
        }
    }
}

/// Which ledger is meant.
#[derive(Debug, Args)]
pub(in crate::cli) struct Which {
    /// Whose ledger.
    #[arg(long, default_value = "default")]
    tenant: String,
    /// A ledger's folder, instead of a tenant of the installation.
    #[arg(long, value_name = "PATH")]
    ledger: Option<PathBuf>,
    #[command(flatten)]
    place: Where,
}

impl Which {
    pub(in crate::cli) fn folder(&self) -> PathBuf {
        let of_tenant = || self.place.site(None).tenant(&self.tenant).ledger();
        self.ledger.clone().unwrap_or_else(of_tenant)
    }
}
