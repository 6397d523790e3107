//! PID 1 of a jail: starts the agent's programs, reaps them, and reports.
//!
//! Owns the loop between the warden's link and the children. It confines itself first, so that every child has the very
//! same filter, landlock domain and uid; it never runs what the link did not ask for, and ends with the link. The hidden
//! sub-command `creel init` calls it.

pub(crate) mod oom;
pub(crate) mod program;
pub(crate) mod protocol;

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use creel_jail_sys::process::LINK_FD;
use creel_jail_sys::seqpacket::Seq;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{DumpableBehavior, Pid, WaitOptions, set_dumpable_behavior, set_parent_process_death_signal};

use crate::{landlock, seccomp};
use oom::OomScore;
use program::{NotStarted, Program};
use protocol::{Confined, Confinement, InitEvent, InitRequest, recv, send};

/// The hidden sub-command `init`: `fd` is the link to the warden. Returns the exit code; the jail ends with this process.
pub fn init_main(fd: OwnedFd) -> i32 {
    let Ok(seq) = Seq::from_fd(fd) else { return 125 };
    let Some(mut score) = confine(&seq) else { return 125 };
    // an error here means that the link or the signal descriptor is gone: the jail ends
    match serve(&seq, &mut score) {
        Ok(()) => 0,
        Err(_) => 125,
    }
}

/// Has this process confined as the warden says, and tells it how that went; none when it can't go on.
pub(crate) fn confine(seq: &Seq) -> Option<OomScore> {
    match wall_in(seq) {
        // The listener must not stay here: when the porter dies, nothing is to be executed any more.
        Ok((landlock, score, listener)) => {
            send(seq, &Confined::Ready { landlock }, &[listener.as_fd()]).is_ok().then_some(score)
        }
        Err((layer, why)) => {
            let _sent = send(seq, &Confined::Failed { layer: layer.map(str::to_owned), why }, &[]);
            None
        }
    }
}

type Failure = (Option<&'static str>, String);

/// Reads how to be confined and does it. After this, nothing of the host is reachable from here that the agent can't reach.
fn wall_in(seq: &Seq) -> Result<(Option<u32>, OomScore, OwnedFd), Failure> {
    let plain = |error: &dyn std::fmt::Display| (None, error.to_string());
    // only before the next step is the file ours to open
    let score = OomScore::open().map_err(|error| plain(&format!("open its oom_score_adj: {error}")))?;
    // the binary's own file is readable, so the kernel would let the agent look into this process
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| plain(&error))?;
    let (order, _) = recv::<Confinement>(seq).map_err(|error| plain(&error))?.ok_or((None, "no order".to_owned()))?;
    // Only now: an engine that started this process has ended since, and the stage is its parent.
    set_parent_process_death_signal(Some(rustix::process::Signal::KILL)).map_err(|error| plain(&error))?;
    hold_nothing().map_err(|error| plain(&format!("open the jail's /dev/null: {error}")))?;
    let version = match landlock::restrict(&order.walls) {
        Ok(version) => Some(version),
        Err(_) if order.without_landlock => None,
        Err(why) => return Err((Some("landlock"), why)),
    };
    let filters = seccomp::compile(&order.seccomp).map_err(|error| plain(&error))?;
    let listener = filters.install_noticed().map_err(|error| (Some("seccomp"), error.to_string()))?;
    Ok((version, score, listener))
}

/// The jail's own /dev/null three times: an engine may have left descriptors of the host's files there.
fn hold_nothing() -> io::Result<()> {
    creel_jail_sys::process::empty_streams()?;
    creel_jail_sys::process::close_on_exec_from(LINK_FD.unsigned_abs())
}

/// The programs that were asked for, by their pid.
type Children = HashMap<Pid, u64>;

fn serve(seq: &Seq, score: &mut OomScore) -> io::Result<()> {
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGCHLD);
    mask.thread_block()?;
    let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    let mut children = Children::new();
    loop {
        let ready = {
            let mut fds = [PollFd::new(seq, PollFlags::IN), PollFd::new(&signals, PollFlags::IN)];
            rustix::io::retry_on_intr(|| poll(&mut fds, None))?;
            fds.map(|fd| !fd.revents().is_empty())
        };
        let [link, child] = ready;
        if child {
            while signals.read_signal()?.is_some() {}
            reap(seq, &mut children)?;
        }
        if link {
            match recv::<InitRequest>(seq)? {
                Some((request, fds)) => answer(seq, &mut children, score, (request, fds))?,
                None => return Ok(()),
            }
        }
    }
}

fn answer(
    seq: &Seq,
    children: &mut Children,
    score: &mut OomScore,
    (request, fds): (InitRequest, Vec<OwnedFd>),
) -> io::Result<()> {
    match request {
        InitRequest::Spawn { id, argv, env, cwd, tty, leader } => {
            let started = program::stdio(tty, fds).and_then(|(stdio, master)| {
                let pid = Program { path: None, argv, env, cwd, stdio, leader }.start(score)?;
                Ok((pid, master))
            });
            match started {
                Ok((pid, master)) => {
                    children.insert(pid, id);
                    if let Some(master) = master {
                        send(seq, &InitEvent::Tty { id }, &[master.as_fd()])?;
                    }
                    let handle = program::pidfd(pid);
                    let handles: Vec<_> = handle.iter().map(AsFd::as_fd).collect();
                    let number = pid.as_raw_nonzero().get();
                    send(seq, &InitEvent::Started { id, pid: number, host_pid: None }, &handles)
                }
                Err(NotStarted { errno, why }) => {
                    send(seq, &InitEvent::NotStarted { id, errno, why: format!("{why} the program") }, &[])
                }
            }
        }
        InitRequest::Kill { id, signal } => {
            let pid = children.iter().find(|(_, running)| **running == id).map(|(pid, _)| *pid);
            if let (Some(pid), Ok(signal)) = (pid, Signal::try_from(signal)) {
                // it may have ended this instant; its exit is reported either way
                let _sent = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.as_raw_nonzero().get()), signal);
            }
            Ok(())
        }
    }
}

/// Collects every child that has ended, the orphans of the jail too; only those that were asked for are reported.
fn reap(seq: &Seq, children: &mut Children) -> io::Result<()> {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => {
                if let Some(id) = children.remove(&pid) {
                    let (code, signal) = (status.exit_status(), status.terminating_signal());
                    send(seq, &InitEvent::Exited { id, code, signal }, &[])?;
                }
            }
            Ok(None) | Err(rustix::io::Errno::CHILD) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}
