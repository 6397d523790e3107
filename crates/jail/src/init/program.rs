//! Starts one program in the jail.
//!
//! Owns what happens between fork and execve. It never starts anything with a descriptor, a signal mask or a variable
//! that the request does not name. `init` calls it.

use std::convert::Infallible;
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;

use creel_jail_sys::process::{Fork, close_on_exec_from, exit_now, reset_signals};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, chdir, ioctl_tiocsctty, setsid};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::oom::OomScore;

/// A program as the request describes it, with its descriptors.
pub(crate) struct Program {
    /// The file to execute; by default the first of `argv` along the PATH.
    pub(crate) path: Option<String>,
    pub(crate) argv: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) cwd: String,
    pub(crate) stdio: Stdio,
    pub(crate) leader: bool,
}

/// Where a program reads and writes.
pub(crate) enum Stdio {
    Three([OwnedFd; 3]),
    /// The slave of a terminal.
    Tty(OwnedFd),
}

/// Why a program did not start.
pub(crate) struct NotStarted {
    pub(crate) errno: i32,
    pub(crate) why: &'static str,
}

/// The steps that can fail in the child, as one byte on the pipe.
const STEPS: [&str; 5] =
    ["exec", "set up standard streams for", "take the terminal for", "enter the working folder of", "fork"];

/// A terminal of the jail's own devpts: master and slave.
pub(super) fn open_tty() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let master =
        rustix::fs::openat(CWD, "/dev/pts/ptmx", OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    unlockpt(&master)?;
    let slave = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    Ok((master, slave))
}

impl Program {
    /// Starts it and waits until `execve` has succeeded or failed.
    pub(crate) fn start(self, score: &mut OomScore) -> Result<Pid, NotStarted> {
        let not_forked =
            |error: io::Error| NotStarted { errno: error.raw_os_error().unwrap_or(libc::EIO), why: "fork" };
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| not_forked(error.into()))?;
        match score.fork().map_err(not_forked)? {
            Fork::Child => {
                drop(reader);
                let Err((step, errno)) = self.become_it();
                let [a, b, c, d] = errno.raw_os_error().to_ne_bytes();
                // if even this fails, the parent sees the pipe end and later the exit code
                let _written = rustix::io::write(&writer, &[step, a, b, c, d]);
                exit_now(127)
            }
            Fork::Parent(pid) => {
                drop(writer);
                drop(self);
                let mut report = [0_u8; 5];
                match rustix::io::retry_on_intr(|| rustix::io::read(&reader, &mut report)) {
                    Ok(0) => Ok(pid),
                    _ => {
                        let _reaped = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
                        let [step, a, b, c, d] = report;
                        let why = STEPS.get(usize::from(step)).copied().unwrap_or("start");
                        Err(NotStarted { errno: i32::from_ne_bytes([a, b, c, d]), why })
                    }
                }
            }
        }
    }

    /// In the child: never returns but with the step that failed.
    fn become_it(self) -> Result<Infallible, (u8, Errno)> {
        let step = |number: u8| move |error: Errno| (number, error);
        reset_signals();
        if self.leader || matches!(self.stdio, Stdio::Tty(_)) {
            setsid().map_err(step(2))?;
        }
        match &self.stdio {
            Stdio::Three([input, output, errors]) => {
                // each was received by SCM_RIGHTS after 0, 1 and 2 were open, so no number is overwritten too early
                dup2_stdin(input).map_err(step(1))?;
                dup2_stdout(output).map_err(step(1))?;
                dup2_stderr(errors).map_err(step(1))?;
            }
            Stdio::Tty(slave) => {
                ioctl_tiocsctty(slave).map_err(step(2))?;
                dup2_stdin(slave).map_err(step(2))?;
                dup2_stdout(slave).map_err(step(2))?;
                dup2_stderr(slave).map_err(step(2))?;
            }
        }
        close_on_exec_from(3).map_err(|error| (1, Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
        chdir(self.cwd.as_str()).map_err(step(3))?;
        let errno = execute(self.path.as_ref().or(self.argv.first()), &self.argv, &self.env);
        Err((0, errno))
    }
}

/// Executes the program in place of this process, along the PATH of its environment as `execvp(3)` does: the first that
/// can be executed, EACCES if one was found but can't be, else ENOENT.
fn execute(name: Option<&String>, argv: &[String], env: &[(String, String)]) -> Errno {
    let Some(name) = name.filter(|name| !name.is_empty()) else { return Errno::NOENT };
    let c = |text: String| CString::new(text).map_err(|_| Errno::INVAL);
    let arguments: Result<Vec<CString>, Errno> = argv.iter().cloned().map(c).collect();
    let variables: Result<Vec<CString>, Errno> = env.iter().map(|(key, value)| c(format!("{key}={value}"))).collect();
    let (Ok(arguments), Ok(variables)) = (arguments, variables) else { return Errno::INVAL };
    let path = env.iter().find(|(key, _)| key == "PATH").map_or("/usr/bin:/bin", |(_, value)| value.as_str());
    let candidates: Vec<String> = if name.contains('/') {
        vec![name.clone()]
    } else {
        path.split(':').filter(|folder| folder.starts_with('/')).map(|folder| format!("{folder}/{name}")).collect()
    };
    let mut found = Errno::NOENT;
    for candidate in candidates {
        let Ok(candidate) = c(candidate) else { return Errno::INVAL };
        let Err(error) = nix::unistd::execve(&candidate, &arguments, &variables);
        match Errno::from_raw_os_error(error as i32) {
            Errno::NOENT | Errno::NOTDIR => {}
            Errno::ACCESS => found = Errno::ACCESS,
            other => return other,
        }
    }
    found
}

/// A pidfd of the program, for the warden, which sees other numbers.
pub(super) fn pidfd(pid: Pid) -> Option<OwnedFd> {
    creel_jail_sys::pidfd::open(pid.as_raw_nonzero().get()).ok()
}

/// What belongs to a request: three descriptors, or a terminal of which the master is returned.
pub(super) fn stdio(tty: bool, fds: Vec<OwnedFd>) -> Result<(Stdio, Option<OwnedFd>), NotStarted> {
    if tty {
        let (master, slave) =
            open_tty().map_err(|error| NotStarted { errno: error.raw_os_error(), why: "open a terminal for" })?;
        return Ok((Stdio::Tty(slave), Some(master)));
    }
    match <[OwnedFd; 3]>::try_from(fds) {
        Ok(three) => Ok((Stdio::Three(three), None)),
        Err(_) => Err(NotStarted { errno: libc::EBADF, why: "take the descriptors for" }),
    }
}
