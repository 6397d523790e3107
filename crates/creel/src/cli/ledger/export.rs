//! `creel ledger export`: records for other tools.
//!
//! Owns the command's words and where the lines go. It reads the ledger's files, beside a running Creel too; it changes
//! nothing.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use creel_ledger::{Error, Form, Range};

use super::Which;
use crate::cli::{FINDING, USAGE, log, out};

/// Write records out for other tools.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// The form.
    #[arg(long, value_enum, default_value = "jsonl")]
    format: Format,
    /// The first record: its number, a day or a moment (`17`, `2026-11-22`, `2026-11-22T10:40:05Z`).
    #[arg(long, value_name = "EDGE")]
    from: Option<String>,
    /// The last record, likewise; it is written too, a day to its end (UTC).
    #[arg(long, value_name = "EDGE")]
    to: Option<String>,
    /// Where to write it; without, it is printed.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    which: Which,
}

/// The forms that there are.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// A JSON object a line: the fields of `creel log --json`, the leaf and its hash.
    Jsonl,
    /// An event of the Open Cybersecurity Schema Framework a line.
    Ocsf,
    /// Comma-separated values.
    Csv,
}

impl Export {
    pub(super) fn run(self) -> ExitCode {
        let range = match Range::parse(self.from.as_deref(), self.to.as_deref()) {
            Ok(range) => range,
            Err(error) => return out::fail(USAGE, error),
        };
        let form = match self.format {
            Format::Jsonl => Form::Jsonl,
            Format::Ocsf => Form::Ocsf,
            Format::Csv => Form::Csv,
        };
        if range.begins_before(creel_ledger::first_kept(&self.which.folder()).unwrap_or(1)) {
            log::tell_beginning(&self.which.folder());
        }
        let written = creel_ledger::Export::new(&self.which.folder(), range)
            .and_then(|export| export.write(form, &mut *self.output().map_err(Error::Output)?));
        match written {
            Ok(_) => ExitCode::SUCCESS,
            // Nobody reads any more (`creel ledger export | head`).
            Err(Error::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Err(error @ Error::NoLedger(_)) => out::fail(USAGE, error),
            Err(error) => out::fail(FINDING, error),
        }
    }

    fn output(&self) -> io::Result<Box<dyn Write>> {
        Ok(match &self.out {
            None => Box::new(BufWriter::new(io::stdout().lock())),
            Some(path) => Box::new(BufWriter::new(create(path)?)),
        })
    }
}

/// Nobody else may read what people and the agent said.
fn create(path: &Path) -> io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}
