//! The launcher: what OpenClaw executes, whatever program it means.
//!
//! Owns the front side of the inner wall: it hands the command with its streams to the process behind the wall, passes
//! signals on, and ends as the command did. It never runs anything itself and knows no way past the wall; without the other
//! side it fails. The binary calls it when it was executed as [`super::LAUNCHER`].

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use creel_jail_sys::process::{called_as, empty_streams, leave_terminal, reset_signals};
use creel_jail_sys::seqpacket::Seq;
use creel_jail_sys::socket::connect_seqpacket;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{MemfdFlags, memfd_create};

use super::words::{Ask, Command, Told};
use super::{LAUNCHER, SOCKET};
use crate::init::protocol::{recv, send};

/// Variables that tell where OpenClaw's own files are: nothing is there behind the wall.
const KEPT_BACK: [&str; 2] = ["OPENCLAW_STATE_DIR", "OPENCLAW_CONFIG_PATH"];
/// Where the jail's programs are.
const PROGRAMS: [&str; 4] = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"];
/// What a person or OpenClaw may mean for the command.
const PASSED_ON: [Signal; 9] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGCONT,
    Signal::SIGTSTP,
    Signal::SIGWINCH,
];
/// What a shell says of a command that can't be executed, and of one that isn't there.
const CANT: i32 = 126;
const MISSING: i32 = 127;

/// Whether this process was executed in place of another program.
#[must_use]
pub fn is_launcher() -> bool {
    std::env::current_exe().is_ok_and(|path| path == Path::new(LAUNCHER))
}

/// Has the meant program run behind the wall. Returns the exit code, or dies of the signal that the command died of.
#[must_use]
pub fn launch_main() -> i32 {
    match launch() {
        Ok(code) => code,
        Err(error) => {
            complain(&format!("creel: this command can't be started: {error}\n"));
            CANT
        }
    }
}

fn launch() -> io::Result<i32> {
    let tty = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()]
        .into_iter()
        .all(rustix::termios::isatty);
    let command = Command { path: meant()?, argv: arguments()?, env: environment()?, cwd: folder()?, tty };
    let mut mask = SigSet::empty();
    PASSED_ON.into_iter().for_each(|number| mask.add(number));
    mask.thread_block()?;
    let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    if tty {
        // a terminal belongs to one session: ours lets go of it, the command's takes it (ioctl_tty(2))
        let _let_go = leave_terminal(rustix::stdio::stdin());
        // what the kernel sends us for it is not meant for the command
        while signals.read_signal()?.is_some() {}
    }
    let wall = connect_seqpacket(Path::new(SOCKET))?;
    let description = written(&command)?;
    let fds = [description.as_fd(), rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
    send(&wall, &Ask::Start, &fds)?;
    drop(description);
    follow(&wall, &signals, &command)
}

/// The program that the caller meant: the link by which we were executed, or the interpreter of the script that he named.
fn meant() -> io::Result<String> {
    let called = called_as()?;
    let is_program = |path: &Path| PROGRAMS.iter().any(|folder| path.parent() == Some(Path::new(folder)));
    let first = || std::env::args_os().next().map(PathBuf::from);
    let absolute = std::path::absolute(&called)?;
    let path = Some(absolute).filter(|path| is_program(path)).or_else(|| first().filter(|path| is_program(path)));
    match path {
        Some(path) => text(path.into_os_string(), "its path"),
        None => Err(io::Error::other(format!("`{}` is no program of this jail", called.display()))),
    }
}

fn arguments() -> io::Result<Vec<String>> {
    std::env::args_os().map(|argument| text(argument, "an argument")).collect()
}

fn environment() -> io::Result<Vec<(String, String)>> {
    std::env::vars_os()
        .filter(|(name, _)| KEPT_BACK.iter().all(|kept| name != kept))
        .map(|(name, value)| Ok((text(name, "a variable's name")?, text(value, "a variable")?)))
        .collect()
}

fn folder() -> io::Result<String> {
    text(std::env::current_dir()?.into_os_string(), "the working folder")
}

fn text(word: OsString, what: &str) -> io::Result<String> {
    word.into_string().map_err(|_| io::Error::other(format!("{what} is no UTF-8 text")))
}

/// The command as a memory file, rewound.
fn written(command: &Command) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create("creel-command", MemfdFlags::CLOEXEC)?);
    file.write_all(&serde_json::to_vec(command)?)?;
    io::Seek::rewind(&mut file)?;
    Ok(file.into())
}

/// Passes signals on until the command has ended.
fn follow(wall: &Seq, signals: &SignalFd, command: &Command) -> io::Result<i32> {
    loop {
        let (told, signalled) = {
            let mut fds = [PollFd::new(wall, PollFlags::IN), PollFd::new(signals, PollFlags::IN)];
            rustix::io::retry_on_intr(|| poll(&mut fds, None))?;
            let [wall, signals] = fds.map(|fd| !fd.revents().is_empty());
            (wall, signals)
        };
        if told {
            match recv::<Told>(wall)? {
                // The streams are the command's now: whoever is at their other ends sees when it closes them.
                Some((Told::Started, _)) => empty_streams()?,
                Some((Told::NotStarted { errno, why }, _)) => {
                    let error = io::Error::from_raw_os_error(errno);
                    complain(&format!("creel: {why} `{}`: {error}\n", command.path));
                    return Ok(if errno == libc::ENOENT { MISSING } else { CANT });
                }
                Some((Told::Ended { code, signal }, _)) => return Ok(end(code, signal)),
                None => return Err(io::Error::other("nobody starts commands any more")),
            }
        }
        if signalled {
            while let Some(info) = signals.read_signal()? {
                let number = i32::try_from(info.ssi_signo).map_err(io::Error::other)?;
                send(wall, &Ask::Signal { number }, &[])?;
            }
        }
    }
}

/// The command's end as our own.
fn end(code: Option<i32>, signal: Option<i32>) -> i32 {
    let Some(number) = signal else { return code.unwrap_or(CANT) };
    reset_signals();
    if let Ok(signal) = Signal::try_from(number) {
        let _died = nix::sys::signal::raise(signal);
    }
    128 + number
}

fn complain(text: &str) {
    let _written = rustix::io::write(rustix::stdio::stderr(), text.as_bytes());
}
