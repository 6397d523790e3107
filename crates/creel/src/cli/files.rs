//! `creel files`: the versions of the files that the agent takes orders from.
//!
//! Owns the command's words. It opens no file of the agent's and none of the versions: the guard does the work and writes the
//! report into a pipe.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::cli::{Where, ask, memory};
use crate::files::FilesTask;
use crate::protocol::ToWarden;

/// Show the versions of the files that the agent takes orders from, and put one back.
#[derive(Debug, Args)]
pub(crate) struct Files {
    #[command(subcommand)]
    task: Task,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// The protected files, and which version of each stands there.
    List {
        /// A JSON line a file.
        #[arg(long)]
        json: bool,
    },
    /// The versions of one, the newest last.
    History {
        /// Its path, from the workspace on or as the jail sees it.
        path: String,
        /// A JSON line a version.
        #[arg(long)]
        json: bool,
    },
    /// Show what a version changed; without one, how what stands there now differs from the last that was accepted. Ends with 1
    /// when they differ.
    Diff {
        /// Its path.
        path: String,
        /// The version.
        #[arg(value_name = "VERSION")]
        number: Option<u64>,
    },
    /// Put a version back, and accept it.
    Restore {
        /// Its path.
        path: String,
        /// The version.
        #[arg(value_name = "VERSION")]
        number: u64,
    },
}

impl Files {
    pub(crate) fn run(self) -> ExitCode {
        let site = self.place.site(None);
        let (task, json) = match self.task {
            Task::List { json } => (FilesTask::List, json),
            Task::History { path, json } => (FilesTask::History { path }, json),
            Task::Diff { path, number } => (FilesTask::Diff { path, version: number }, false),
            Task::Restore { path, number } => (FilesTask::Restore { path, version: number }, false),
        };
        ask::block_on(async {
            let done = memory::reported(&site.warden_socket(), ToWarden::Files { task, json }).await;
            done.and_then(|report| memory::show(report, json)).unwrap_or_else(|code| code)
        })
    }
}
