//! `creel scan`: what the detectors make of texts, off-line.
//!
//! Owns the commands' words and their lines in and out. It needs no running Creel, sends nothing and stores nothing; the
//! detectors are those of the doors.

use std::process::ExitCode;

use clap::{Args, Subcommand};

mod injection;
mod secrets;

/// Look into texts off-line.
#[derive(Debug, Args)]
pub(crate) struct Scan {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Score texts that may give orders to a model: JSON lines `{id, text, channel}` in, `{id, score, flagged, spans}` out.
    Injection(injection::Injection),
    /// Find secrets: credentials, card and account numbers, seed phrases, and the values of `--known`.
    Secrets(secrets::Secrets),
}

impl Scan {
    pub(crate) fn run(self) -> ExitCode {
        match self.what {
            What::Injection(command) => command.run(),
            What::Secrets(command) => command.run(),
        }
    }
}
