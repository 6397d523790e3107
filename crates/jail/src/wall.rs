//! The inner wall: the agent's gateway in front of it, every command that it starts behind it.
//!
//! Owns the process behind the wall, which starts commands as a second user of the jail in a mount view without the
//! gateway's state, configuration, home and temporary files. It never starts anything in front of the wall and has no more
//! rights than the commands. `creel wall` calls it; the launcher ([`launch`]) is its only client.

pub(crate) mod launch;
pub(crate) mod words;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

use creel_jail_sys::seqpacket::Seq;
use creel_jail_sys::socket::accept_seqpacket;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, WaitOptions};

use crate::init::confine;
use crate::init::oom::OomScore;
use crate::init::program::{NotStarted, Program, Stdio};
use crate::init::protocol::{recv, send};
use words::{Ask, Command, LARGEST_COMMAND, Told};

/// Where the launcher finds this process; in front of the wall only.
pub(crate) const SOCKET: &str = "/run/creel/launch.sock";
/// The launcher's own path. Every program of the jail's PATH is a link to it in front of the wall.
pub(crate) const LAUNCHER: &str = "/creel/launch";
/// Where a command starts whose working folder is not there behind the wall.
const ELSEWHERE: &str = "/workspace";
/// Commands at once. The jail's limit on processes is of the same order; more wait for none and are refused.
const MOST: usize = 512;

/// The hidden sub-command `wall`: the link to the warden, and the launcher's listener. Returns the exit code; the jail ends
/// with this process.
pub fn wall_main(link: OwnedFd, listener: OwnedFd) -> i32 {
    let Ok(seq) = Seq::from_fd(link) else { return 125 };
    let Some(score) = confine(&seq) else { return 125 };
    let serving = Wall { warden: seq, listener, score, commands: HashMap::new(), next: 0 };
    i32::from(serving.serve().is_err()) * 125
}

/// A command and who asked for it.
struct Running {
    launcher: Seq,
    /// None until it runs, and from then on the leader of a session of its own.
    pid: Option<Pid>,
}

struct Wall {
    warden: Seq,
    listener: OwnedFd,
    score: OomScore,
    commands: HashMap<u64, Running>,
    next: u64,
}

impl Wall {
    /// Serves until the warden is gone.
    fn serve(mut self) -> io::Result<()> {
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGCHLD);
        let children = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        DEAF_TO.into_iter().for_each(|number| mask.add(number));
        mask.thread_block()?;
        loop {
            let (warden, waiting, ended, asking) = self.wait(&children)?;
            if warden {
                return Ok(());
            }
            if ended {
                while children.read_signal()?.is_some() {}
                self.reap()?;
            }
            asking.into_iter().for_each(|id| self.answer(id));
            if waiting {
                self.take_in()?;
            }
        }
    }

    fn wait(&self, children: &SignalFd) -> io::Result<(bool, bool, bool, Vec<u64>)> {
        let ids: Vec<u64> = self.commands.keys().copied().collect();
        let mut fds = vec![
            PollFd::new(&self.warden, PollFlags::IN),
            PollFd::new(&self.listener, PollFlags::IN),
            PollFd::new(children, PollFlags::IN),
        ];
        fds.extend(self.commands.values().map(|running| PollFd::new(&running.launcher, PollFlags::IN)));
        rustix::io::retry_on_intr(|| poll(&mut fds, None))?;
        let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
        let mut next = || ready.next().unwrap_or(false);
        let (warden, waiting, ended) = (next(), next(), next());
        let asking = ids.into_iter().filter(|_| next()).collect();
        Ok((warden, waiting, ended, asking))
    }

    /// Takes one launcher in; one too many is sent away by closing its connection.
    fn take_in(&mut self) -> io::Result<()> {
        let Some(launcher) = accept_seqpacket(&self.listener)? else { return Ok(()) };
        if self.commands.len() < MOST && launcher.set_nonblocking(true).is_ok() {
            self.next += 1;
            self.commands.insert(self.next, Running { launcher, pid: None });
        }
        Ok(())
    }

    fn answer(&mut self, id: u64) {
        let Some(running) = self.commands.get_mut(&id) else { return };
        let asked = match recv::<Ask>(&running.launcher) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Ok(Some(asked)) => asked,
            // gone, or not understood: what it started ends with it
            Ok(None) | Err(_) => return self.give_up(id),
        };
        match (asked, running.pid) {
            ((Ask::Start, fds), None) => match start(fds, &mut self.score) {
                Ok(pid) => {
                    running.pid = Some(pid);
                    if send(&running.launcher, &Told::Started, &[]).is_err() {
                        self.give_up(id);
                    }
                }
                Err(NotStarted { errno, why }) => {
                    let _sent = send(&running.launcher, &Told::NotStarted { errno, why: why.to_owned() }, &[]);
                    self.commands.remove(&id);
                }
            },
            ((Ask::Signal { number }, _), Some(pid)) => signal_group(pid, number),
            _ => self.give_up(id),
        }
    }

    /// Forgets a launcher and ends what it started, if that still runs.
    fn give_up(&mut self, id: u64) {
        if let Some(Running { pid: Some(pid), .. }) = self.commands.remove(&id) {
            signal_group(pid, libc::SIGKILL);
        }
    }

    fn reap(&mut self) -> io::Result<()> {
        loop {
            let (pid, status) = match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some(ended)) => ended,
                Ok(None) | Err(rustix::io::Errno::CHILD) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let found = self.commands.iter().find(|(_, running)| running.pid == Some(pid)).map(|(id, _)| *id);
            if let Some(running) = found.and_then(|id| self.commands.remove(&id)) {
                let told = Told::Ended { code: status.exit_status(), signal: status.terminating_signal() };
                let _sent = send(&running.launcher, &told, &[]);
            }
        }
    }
}

/// What commands, which have this process's user, may send it: it is held back, unlike SIGKILL and SIGSTOP.
const DEAF_TO: [Signal; 8] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGTSTP,
];

fn signal_group(leader: Pid, number: i32) {
    if let Ok(signal) = Signal::try_from(number) {
        // it may have ended this instant, which is reported either way
        let _sent = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(leader.as_raw_nonzero().get()), signal);
    }
}

/// Starts what a launcher describes: the description in a memory file, and three descriptors.
fn start(fds: Vec<OwnedFd>, score: &mut OomScore) -> Result<Pid, NotStarted> {
    let not = |errno: i32, why: &'static str| NotStarted { errno, why };
    let [description, input, output, errors] =
        <[OwnedFd; 4]>::try_from(fds).map_err(|_| not(libc::EBADF, "take the descriptors for"))?;
    let mut bytes = Vec::new();
    let read = File::from(description).take(LARGEST_COMMAND).read_to_end(&mut bytes);
    read.map_err(|_| not(libc::EIO, "read the description of"))?;
    let command: Command = serde_json::from_slice(&bytes).map_err(|_| not(libc::EINVAL, "understand"))?;
    let Command { path, argv, env, cwd, tty } = command;
    let stdio = if tty { Stdio::Tty(input) } else { Stdio::Three([input, output, errors]) };
    let cwd = if std::path::Path::new(&cwd).is_dir() { cwd } else { ELSEWHERE.to_owned() };
    Program { path: Some(path), argv, env, cwd, stdio, leader: true }.start(score)
}
