//! The words between the warden and a jail's PID 1.
//!
//! Owns the messages and the warden's end of the link. It never blocks and never believes a size: a message is at most
//! 128 KiB and anything that is not understood ends the link. The warden and `init` speak it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use creel_jail_sys::pidfd;
use creel_jail_sys::seqpacket::Seq;
use oci_spec::runtime::LinuxSeccomp;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::landlock::Walls;

/// What the warden asks of PID 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum InitRequest {
    /// Start a program. Three descriptors travel along (stdin, stdout, stderr), none with `tty`.
    Spawn {
        /// The warden's number for it, not in use.
        id: u64,
        /// The program, looked up in the PATH of `env` if it has no slash, and its arguments.
        argv: Vec<String>,
        /// The whole environment.
        env: Vec<(String, String)>,
        /// The working folder.
        cwd: String,
        /// Give it a terminal of its own; the master comes back with [`InitEvent::Tty`].
        tty: bool,
        /// Put it into a session of its own. A terminal always comes with one.
        leader: bool,
    },
    /// Signal a program that was started here and still runs; else nothing happens.
    Kill {
        /// Which.
        id: u64,
        /// `signal(7)`.
        signal: i32,
    },
}

/// What PID 1 reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum InitEvent {
    /// The program runs: `execve` succeeded. A pidfd travels along and becomes `host_pid`.
    Started {
        /// Which.
        id: u64,
        /// Its number in the jail.
        pid: i32,
        /// Its number on the host; none when it has ended already. Filled in by [`InitLink::recv`].
        #[serde(default)]
        host_pid: Option<i32>,
    },
    /// The terminal's master, one descriptor; it comes before `Started`.
    Tty {
        /// Which.
        id: u64,
    },
    /// The program ended, by itself or by a signal.
    Exited {
        /// Which.
        id: u64,
        /// What it said.
        code: Option<i32>,
        /// What killed it.
        signal: Option<i32>,
    },
    /// The program never ran.
    NotStarted {
        /// Which.
        id: u64,
        /// `errno(3)`; ENOENT and EACCES are what a shell calls 127 and 126.
        errno: i32,
        /// What was tried.
        why: String,
    },
}

/// The first message to PID 1: how it and all its children are confined.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Confinement {
    pub(crate) seccomp: LinuxSeccomp,
    pub(crate) walls: Walls,
    /// The operator goes without landlock.
    pub(crate) without_landlock: bool,
}

/// PID 1's answer to it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Confined {
    /// Both walls stand; the landlock version, none if the operator goes without. The listener of its system calls travels
    /// along.
    Ready { landlock: Option<u32> },
    /// PID 1 gives up. The layer, if one is missing, and why.
    Failed { layer: Option<String>, why: String },
}

/// The warden's end of the link to PID 1. Sending and receiving never block.
#[derive(Debug)]
pub struct InitLink {
    seq: Seq,
}

impl InitLink {
    pub(crate) fn new(seq: Seq) -> io::Result<Self> {
        seq.set_nonblocking(true)?;
        Ok(Self { seq })
    }

    /// The same link once more, for a reader of its own.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub fn try_clone(&self) -> io::Result<Self> {
        Self::new(Seq::from_fd(self.seq.as_fd().try_clone_to_owned()?)?)
    }

    /// For polling; readable when an event waits or PID 1 is gone.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.seq.as_fd()
    }

    /// Asks PID 1 for something.
    ///
    /// # Errors
    /// `Gone` when there is no PID 1, or when it has not read for so long that the link is full.
    pub fn send(&self, request: &InitRequest, fds: &[BorrowedFd<'_>]) -> Result<(), Error> {
        send(&self.seq, request, fds).map_err(|error| Error::gone(format!("PID 1 takes no request: {error}")))
    }

    /// The next event with its descriptors; none when nothing waits.
    ///
    /// # Errors
    /// `Gone` when PID 1 has ended or sent what is not understood.
    pub fn recv(&self) -> Result<Option<(InitEvent, Vec<OwnedFd>)>, Error> {
        let (mut event, mut fds) = match recv::<InitEvent>(&self.seq) {
            Ok(Some(message)) => message,
            Ok(None) => return Err(Error::gone("PID 1 has ended")),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(Error::gone(format!("PID 1 sent what is not understood: {error}"))),
        };
        if let InitEvent::Started { host_pid, .. } = &mut event {
            *host_pid = fds.pop().and_then(|fd| pidfd::pid_of(fd).ok().flatten());
        }
        Ok(Some((event, fds)))
    }
}

/// Tells a terminal, by its master, how large its window is.
///
/// # Errors
/// What the kernel says.
pub fn resize_tty(master: impl AsFd, rows: u16, columns: u16) -> io::Result<()> {
    let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    Ok(rustix::termios::tcsetwinsize(master, size)?)
}

/// Sends a message as JSON.
pub(crate) fn send<T: Serialize>(seq: &Seq, message: &T, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    seq.send(&serde_json::to_vec(message)?, fds)
}

/// Receives one; none when the peer is gone.
pub(crate) fn recv<T: for<'de> Deserialize<'de>>(seq: &Seq) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let (bytes, fds) = seq.recv()?;
    if bytes.is_empty() {
        return Ok(None);
    }
    Ok(Some((serde_json::from_slice(&bytes)?, fds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_understood_ends_the_link() {
        let (ours, theirs) = Seq::pair().unwrap();
        let link = InitLink::new(ours).unwrap();
        assert!(link.recv().unwrap().is_none());
        theirs.send(br#"{"started":{"id":1,"pid":2,"extra":3}}"#, &[]).unwrap();
        assert!(matches!(link.recv(), Err(Error::Gone { .. })));
        drop(theirs);
        assert!(matches!(link.recv(), Err(Error::Gone { .. })));
    }

    proptest::proptest! {
        #[test]
        fn no_message_breaks_the_reader(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 1..2048)) {
            let (ours, theirs) = Seq::pair().unwrap();
            let link = InitLink::new(ours).unwrap();
            theirs.send(&bytes, &[]).unwrap();
            // random bytes are no event
            assert!(matches!(link.recv(), Err(Error::Gone { .. })));
        }
    }

    #[test]
    fn a_pidfd_becomes_a_host_pid() {
        let (ours, theirs) = Seq::pair().unwrap();
        let link = InitLink::new(ours).unwrap();
        let me = i32::try_from(std::process::id()).unwrap();
        let fd = pidfd::open(me).unwrap();
        send(&theirs, &InitEvent::Started { id: 1, pid: 7, host_pid: None }, &[fd.as_fd()]).unwrap();
        let (event, fds) = link.recv().unwrap().unwrap();
        assert_eq!(event, InitEvent::Started { id: 1, pid: 7, host_pid: Some(me) });
        assert!(fds.is_empty());
    }
}
