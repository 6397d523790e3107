//! `creel memory`: what the agent remembers, looked through.
//!
//! Owns the command's words. It opens no file of the agent's and none of what was taken out: the guard does the work and
//! writes the report into a pipe. The schedule is the warden's.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::cli::{FINDING, Where, ask, out};
use crate::escape;
use crate::memory::{MemoryTask, Place};
use crate::protocol::{FromWarden, ToWarden};

/// The longest report.
const LONGEST: u64 = 64 << 20;

/// Look through what the agent remembers for secrets and planted orders.
#[derive(Debug, Args)]
pub(crate) struct Memory {
    #[command(subcommand)]
    task: Task,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Look now: memory, notes, histories, logs, databases. Ends with 1 when something was found or could not be read.
    Audit {
        /// Change nothing.
        #[arg(long)]
        report_only: bool,
        /// Print the report as JSON.
        #[arg(long)]
        json: bool,
    },
    /// What was taken out so far.
    List,
    /// Show what a change took out. There may be secrets in it.
    Diff {
        /// The change's id.
        id: String,
    },
    /// Put back what a change took out; it is not taken out again.
    Restore {
        /// The change's id.
        id: String,
    },
}

impl Memory {
    pub(crate) fn run(self) -> ExitCode {
        let site = self.place.site(None);
        ask::block_on(async {
            let socket = site.warden_socket();
            let done = match self.task {
                Task::Audit { report_only, json } => see(&socket, MemoryTask::Audit { report_only }, json).await,
                Task::List => see(&socket, MemoryTask::List, false).await,
                Task::Diff { id } => see(&socket, MemoryTask::Diff { id }, false).await,
                Task::Restore { id } => match work(&socket, MemoryTask::Where { id: id.clone() }, false).await {
                    Ok((0, text)) => match serde_json::from_str::<Place>(&text) {
                        Ok(place) => see(&socket, MemoryTask::Restore { id, place }, false).await,
                        Err(_) => Err(ask::lost()),
                    },
                    Ok((code, _)) => Ok(ExitCode::from(code)),
                    Err(code) => Err(code),
                },
            };
            done.unwrap_or_else(|code| code)
        })
    }
}

async fn see(socket: &std::path::Path, task: MemoryTask, json: bool) -> Result<ExitCode, ExitCode> {
    show(work(socket, task, json).await?, json)
}

async fn work(socket: &std::path::Path, task: MemoryTask, json: bool) -> Result<(u8, String), ExitCode> {
    reported(socket, ToWarden::Memory { task, json }).await
}

/// Prints a report for people, or as it is.
pub(super) fn show((code, text): (u8, String), json: bool) -> Result<ExitCode, ExitCode> {
    out::text(if json { text } else { escape::for_terminal(&text) });
    Ok(ExitCode::from(code))
}

/// The exit code and the report.
pub(super) async fn reported(socket: &std::path::Path, ask: ToWarden) -> Result<(u8, String), ExitCode> {
    let link = ask::connect(socket)?;
    let pipe = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
    let (read, write) = pipe.map_err(|error| out::fail(FINDING, error))?;
    if link.send(&ask, &[write.as_fd()]).await.is_err() {
        return Err(ask::lost());
    }
    drop(write);
    let report = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        let _ = File::from(read).take(LONGEST).read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    });
    match link.recv::<FromWarden>().await {
        Ok(Some((FromWarden::Looked { code, said }, _))) => {
            if !said.is_empty() {
                out::note(format_args!("creel: {}", escape::one_line(&said)));
            }
            Ok((code, report.await.unwrap_or_default()))
        }
        Ok(Some((FromWarden::Failed { code, why }, _))) => Err(out::fail(code, escape::one_line(&why))),
        _ => Err(ask::lost()),
    }
}
