//! `creel ledger`: work on the ledger off-line.
//!
//! Owns the command's words and exit codes. It needs no running Creel, no key and no network.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::cli::{FINDING, TRUNCATED, Where, log, out};

/// Work on the ledger off-line.
#[derive(Debug, Args)]
pub(crate) struct LedgerCommand {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Check that no record was changed, removed or slipped in. Exit code 0 whole, 1 tampered with, 4 truncated.
    Verify {
        /// A ledger's folder; without, every ledger of the installation.
        path: Option<PathBuf>,
        /// Print `{ok, size, first_bad}`.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Where,
    },
}

impl LedgerCommand {
    pub(crate) fn run(self) -> ExitCode {
        let Task::Verify { path, json, place } = self.task;
        let named = path.is_some();
        let folders = match path {
            Some(path) => Ok(vec![path]),
            None => log::ledgers(&place.site(None), None),
        };
        let folders = match folders {
            Ok(folders) => folders,
            Err(error) => return out::fail(2, error),
        };
        let (mut ok, mut truncated, mut size, mut first_bad, mut where_bad) = (true, false, 0, None, None);
        for folder in folders {
            let found = match creel_ledger::verify(&folder) {
                Ok(found) => found,
                // A jail that never came up has written nothing.
                Err(creel_ledger::Error::NoLedger(_)) if !named => continue,
                // One that can't be read is no reason to pass over the others, and none to call them whole.
                Err(error) if !named => {
                    out::note(format_args!("creel: {error}"));
                    (ok, where_bad) = (false, where_bad.or(Some(folder)));
                    continue;
                }
                Err(error) => return out::fail(2, error),
            };
            size += found.size;
            if !found.ok && first_bad.is_none() {
                (first_bad, where_bad) = (found.first_bad, Some(folder));
            }
            ok &= found.ok;
            truncated |= found.truncated;
        }
        if json {
            out::json(&serde_json::json!({
                "ok": ok, "size": size, "first_bad": first_bad, "truncated": truncated, "path": where_bad,
            }));
        } else {
            out::line(sentence(ok, truncated, size, first_bad, where_bad.as_deref()));
        }
        match (ok, truncated && first_bad.is_none()) {
            (true, _) => ExitCode::SUCCESS,
            (false, true) => ExitCode::from(TRUNCATED),
            (false, false) => ExitCode::from(FINDING),
        }
    }
}

fn sentence(ok: bool, truncated: bool, size: u64, bad: Option<u64>, path: Option<&std::path::Path>) -> String {
    let place = path.map(|path| format!(" in `{}`", path.display())).unwrap_or_default();
    match (ok, bad) {
        (true, _) => format!("whole: {size} records, each bound to the one before"),
        (false, Some(bad)) => format!("TAMPERED WITH{place}: record {bad} is the first that does not fit"),
        (false, None) if truncated => format!("TRUNCATED{place}: records at the end are missing, {size} are left"),
        (false, None) => format!("NOT WHOLE{place}"),
    }
}
