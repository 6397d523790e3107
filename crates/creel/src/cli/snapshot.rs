//! `creel snapshot`: the workspace as it was.
//!
//! Owns the command's words. It opens no file of the agent's and nothing of the store: the guard does the work and writes the
//! report into a pipe. The schedule is the guard's.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::cli::{Where, ask, memory};
use crate::protocol::ToWarden;
use crate::snapshot::SnapshotTask;

/// Keep the agent's workspace as it is, show what was kept, and put it back.
#[derive(Debug, Args)]
pub(crate) struct Snapshot {
    #[command(subcommand)]
    task: Task,
    /// Print JSON, a line each.
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Take one now.
    Take {
        /// What to call it: one with a name stays until `creel snapshot rm`.
        #[arg(long, value_parser = name)]
        name: Option<String>,
    },
    /// Which there are, the oldest first.
    List,
    /// What lies in one; of a single file its text.
    Show {
        /// The snapshot's number.
        number: u64,
        /// A path below the workspace.
        path: Option<String>,
    },
    /// What changed since one was taken, or between two. Ends with 1 when something did.
    Diff {
        /// The older one's number.
        number: u64,
        /// The other's; without, the workspace as it is now.
        other: Option<u64>,
        /// Below this path of the workspace alone.
        #[arg(long)]
        path: Option<String>,
        /// Also what changed within text files: between two snapshots (`creel snapshot take` makes one of now).
        #[arg(long, requires = "other")]
        text: bool,
    },
    /// Make the workspace as it was, or what lay at a path. What lies there now is kept as another snapshot first. Files that
    /// the agent takes orders from stay under `[files] protect`; `creel files restore` accepts a version of one. Ends with 1
    /// when something is not as it was.
    Restore {
        /// The snapshot's number.
        number: u64,
        /// A path below the workspace.
        path: Option<String>,
    },
    /// Forget one.
    Rm {
        /// The snapshot's number.
        number: u64,
    },
}

fn name(text: &str) -> Result<String, String> {
    let fits = !text.trim().is_empty() && text.chars().count() <= 100 && !text.chars().any(char::is_control);
    if fits { Ok(text.trim().to_owned()) } else { Err("a name is one line of 1 to 100 characters".to_owned()) }
}

impl Snapshot {
    pub(crate) fn run(self) -> ExitCode {
        let Self { task, json, place } = self;
        let site = place.site(None);
        let task = match task {
            Task::Take { name } => SnapshotTask::Take { name },
            Task::List => SnapshotTask::List,
            Task::Show { number, path } => SnapshotTask::Show { number, path },
            Task::Diff { number, other, path, text } => SnapshotTask::Diff { number, other, path, text },
            Task::Restore { number, path } => SnapshotTask::Restore { number, path },
            Task::Rm { number } => SnapshotTask::Remove { number },
        };
        ask::block_on(async {
            let done = memory::reported(&site.warden_socket(), ToWarden::Snapshot { task, json }).await;
            done.and_then(|report| memory::show(report, json)).unwrap_or_else(|code| code)
        })
    }
}
