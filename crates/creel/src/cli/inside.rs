//! `creel inside`, hidden: our helper in the jail.
//!
//! Owns the words that [`crate::inside::argv`] makes. Started by the jail's init alone.

use std::io::{stdin, stdout};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::cli::out;
use crate::files::hand;
use crate::memory::hands::{self, Tops};
use crate::memory::{Area, Place};

/// Our helper in the jail.
#[derive(Debug, Args)]
pub(crate) struct Inside {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// List a folder.
    WsLs { path: String },
    /// Print a file.
    WsGet { path: String },
    /// Write a file from stdin.
    WsPut { path: String },
    /// Hand over the agent's memory.
    Memory,
    /// Hand over one file of it.
    MemoryFile { area: String, path: String },
    /// Put a protected file back from stdin.
    FilesPut { area: String, path: String },
    /// Take away what should not be there.
    FilesRemove { area: String, path: String },
    /// Read and write the workspace, step by step.
    Snapshot,
    /// Print what an attacker finds.
    Probe,
}

impl Inside {
    pub(crate) fn run(self) -> ExitCode {
        let done = match self.task {
            Task::WsLs { path } => crate::inside::list(&path, &mut stdout().lock()),
            Task::WsGet { path } => crate::inside::get(&path, &mut stdout().lock()),
            Task::WsPut { path } => crate::inside::put(&path, &mut stdin().lock()),
            Task::Memory => hands::walk(&Tops::default(), &mut stdin().lock(), &mut stdout().lock()),
            Task::MemoryFile { area, path } => match Area::named(&area) {
                Some(area) => {
                    let top = std::path::Path::new(area.top());
                    hands::one(top, &Place { area, path }, &mut stdin().lock(), &mut stdout().lock()).map(|_| ())
                }
                None => Err(std::io::Error::other("there is no such folder")),
            },
            Task::FilesPut { area, path } => top(&area).and_then(|top| hand::put(top, &path, &mut stdin().lock())),
            Task::FilesRemove { area, path } => top(&area).and_then(|top| hand::remove(top, &path)),
            Task::Snapshot => {
                let top = std::path::Path::new(crate::inside::WORKSPACE);
                crate::snapshot::hand::serve(top, &mut stdin().lock(), &mut stdout().lock())
            }
            Task::Probe => {
                out::json(&crate::probe::look());
                Ok(())
            }
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => out::fail(1, error),
        }
    }
}

fn top(area: &str) -> std::io::Result<&'static std::path::Path> {
    let area = Area::named(area).ok_or_else(|| std::io::Error::other("there is no such folder"))?;
    Ok(std::path::Path::new(area.top()))
}
