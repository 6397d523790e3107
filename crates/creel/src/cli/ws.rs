//! `creel ws`: how people reach the agent's workspace.
//!
//! Owns the command's words. Nothing here opens a path of the agent's: the warden starts our helper inside the jail, as
//! the agent's own uid, and this end moves bytes between its pipes and the person (HARDENING.md 20).

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::cli::{FINDING, Where, ask, out};
use crate::escape;
use crate::protocol::{FromWarden, InsideTask, ToWarden};

/// Reach the agent's workspace: list, get, put.
#[derive(Debug, Args)]
pub(crate) struct Ws {
    #[command(subcommand)]
    task: Task,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// List a folder of the workspace.
    Ls {
        /// Path below the workspace.
        #[arg(default_value = ".")]
        path: String,
    },
    /// Print a file of the workspace, or save it.
    Get {
        /// Path below the workspace.
        path: String,
        /// Where to save it; without, the bytes go to stdout.
        to: Option<PathBuf>,
    },
    /// Put a file into the workspace.
    Put {
        /// The file here; `-` for stdin.
        from: PathBuf,
        /// Path below the workspace; without, the file's own name.
        path: Option<String>,
    },
}

impl Ws {
    pub(crate) fn run(self) -> ExitCode {
        let site = self.place.site(None);
        ask::block_on(async {
            let link = match ask::connect(&site.warden_socket()) {
                Ok(link) => link,
                Err(code) => return code,
            };
            match work(self.task, &link).await {
                Ok(code) => code,
                Err(error) => out::fail(FINDING, error),
            }
        })
    }
}

async fn work(task: Task, link: &crate::link::Link) -> io::Result<ExitCode> {
    let (task, input, sink) = match task {
        Task::Ls { path } => (InsideTask::List { path }, Input::None, Sink::Listing),
        Task::Get { path, to } => (InsideTask::Get { path }, Input::None, to.map_or(Sink::Stdout, Sink::File)),
        Task::Put { from, path } => {
            let own = from.file_name().map(|name| name.to_string_lossy().into_owned());
            let path = path.or(own.filter(|name| name != "-"));
            let path = path.ok_or_else(|| io::Error::other("say under which name: `creel ws put - NAME`"))?;
            let input = if from.as_os_str() == "-" { Input::Stdin } else { Input::File(open(&from)?) };
            (InsideTask::Put { path }, input, Sink::Listing)
        }
    };
    let (in_read, in_write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let (out_read, out_write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let (err_read, err_write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    link.send(&ToWarden::Inside { task }, &[in_read.as_fd(), out_write.as_fd(), err_write.as_fd()]).await?;
    drop((in_read, out_write, err_write));
    let feed = tokio::task::spawn_blocking(move || feed(input, in_write));
    let drain = tokio::task::spawn_blocking(move || sink.drain(out_read));
    let errors = tokio::task::spawn_blocking(move || read_bounded(err_read));
    let ended = link.recv::<FromWarden>().await?;
    let code = match ended {
        Some((FromWarden::Ended { code }, _)) => code,
        Some((FromWarden::Failed { code, why }, _)) => return Ok(out::fail(code, why)),
        _ => return Ok(ask::lost()),
    };
    let errors = errors.await.unwrap_or_default();
    drain.await.map_err(io::Error::other)??;
    drop(feed);
    if code == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    let said = escape::for_terminal(errors.trim_end());
    Ok(out::fail(FINDING, said.strip_prefix("creel: ").unwrap_or(&said)))
}

#[expect(clippy::disallowed_methods, reason = "this file owns the files that a person hands over")]
fn open(path: &std::path::Path) -> io::Result<File> {
    File::open(path).map_err(|error| io::Error::new(error.kind(), format!("`{}`: {error}", path.display())))
}

enum Input {
    None,
    Stdin,
    File(File),
}

fn feed(input: Input, pipe: OwnedFd) -> io::Result<u64> {
    let mut pipe = File::from(pipe);
    match input {
        Input::None => Ok(0),
        Input::Stdin => io::copy(&mut io::stdin().lock(), &mut pipe),
        Input::File(mut file) => io::copy(&mut file, &mut pipe),
    }
}

enum Sink {
    /// Text for people, escaped, bounded.
    Listing,
    Stdout,
    File(PathBuf),
}

impl Sink {
    fn drain(self, pipe: OwnedFd) -> io::Result<()> {
        match self {
            Self::Listing => {
                out::text(escape::for_terminal(&read_bounded(pipe)));
                Ok(())
            }
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                io::copy(&mut File::from(pipe), &mut stdout)?;
                stdout.flush()
            }
            Self::File(path) => {
                // Written beside it first: a half one is never left under the name.
                let draft = path.with_added_extension("creel-part");
                let written = File::create_new(&draft).and_then(|mut file| io::copy(&mut File::from(pipe), &mut file));
                match written {
                    Ok(_) => std::fs::rename(&draft, &path),
                    Err(error) => {
                        let _ = std::fs::remove_file(&draft);
                        Err(io::Error::new(error.kind(), format!("`{}`: {error}", path.display())))
                    }
                }
            }
        }
    }
}

fn read_bounded(pipe: OwnedFd) -> String {
    let mut bytes = Vec::new();
    let mut file = File::from(pipe);
    let _ = Read::take(&mut file, 4 << 20).read_to_end(&mut bytes);
    let _ = io::copy(&mut file, &mut io::sink());
    String::from_utf8_lossy(&bytes).into_owned()
}
