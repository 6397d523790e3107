//! `creel init-config`: a commented creel.toml to start from.
//!
//! Owns the command's words; the text comes from the table of settings. It never overwrites a file.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::cli::{USAGE, out};

/// Write a commented creel.toml.
#[derive(Debug, Args)]
pub(crate) struct InitConfig {
    /// Where to write it; `-` prints it.
    #[arg(default_value = "creel.toml")]
    path: PathBuf,
}

impl InitConfig {
    pub(crate) fn run(self) -> ExitCode {
        let text = crate::config::sample();
        if self.path.as_os_str() == "-" {
            out::text(text);
            return ExitCode::SUCCESS;
        }
        let written = std::fs::File::create_new(&self.path).and_then(|mut file| file.write_all(text.as_bytes()));
        match written {
            Ok(()) => {
                out::note(format_args!("wrote `{0}`; next: `creel up --config {0}`", self.path.display()));
                ExitCode::SUCCESS
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                out::fail(USAGE, format_args!("`{}` exists; name another file", self.path.display()))
            }
            Err(error) => out::fail(USAGE, format_args!("`{}`: {error}", self.path.display())),
        }
    }
}
