//! The stage after the birth: connects to the agent's gateway on request, and reaps PID 1.
//!
//! Owns the only way from outside to a port in the jail. It never connects to a listener that is not the named process's
//! own, and never sends or reads a byte over the connection. `stage` calls it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use creel_jail_sys::seqpacket::Seq;
use creel_jail_sys::socket::{Loopback, connect_loopback};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{WaitOptions, waitpid};
use serde::{Deserialize, Serialize};

use super::{Answer, First, Word};
use crate::init::protocol::{recv, send};
use crate::net::{holds_socket, lone_listener};

/// Who must hold the listener, by its pid on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// This process and no other.
    Process(i32),
    /// This process or one that descends from it.
    Tree(i32),
}

/// How long a connection to a loopback port may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Serves the warden until it, PID 1 or the process behind the inner wall is gone; the jail ends with this process.
/// `blind` says that it can't look into processes that root alone may.
pub(super) fn watch(warden: &Seq, first: &First, wall: Option<&First>, blind: bool) -> i32 {
    loop {
        let ready = {
            // without an inner wall PID 1 is watched twice
            let other = &wall.unwrap_or(first).pidfd;
            let mut fds = [warden.as_fd(), first.pidfd.as_fd(), other.as_fd()]
                .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
            if rustix::io::retry_on_intr(|| poll(&mut fds, None)).is_err() {
                return 1;
            }
            fds.map(|fd| !fd.revents().is_empty())
        };
        let [asked, ended, fallen] = ready;
        if fallen && !ended {
            // PID 1 dies with this process (PR_SET_PDEATHSIG)
            return 1;
        }
        if ended {
            let _reaped = waitpid(Some(first.pid), WaitOptions::empty());
            return 0;
        }
        if asked {
            match recv::<Word>(warden) {
                Ok(Some((Word::Connect { port, owner }, _))) => {
                    let (answer, connection) = match connect(port, owner, blind) {
                        Ok(connection) => (Answer::Connected, Some(connection)),
                        Err(why) => (Answer::Refused { why }, None),
                    };
                    let handles: Vec<_> = connection.iter().map(AsFd::as_fd).collect();
                    if send(warden, &answer, &handles).is_err() {
                        return 1;
                    }
                }
                _ => return 0,
            }
        }
    }
}

/// A connection to 127.0.0.1:port, if the listener there belongs to the owner, before and after. Two listeners can't hold
/// the port at once, and a socket's inode is not given again while it lives: the same one twice is the one connected to.
fn connect(port: u16, owner: Owner, blind: bool) -> Result<OwnedFd, String> {
    let text = |error: io::Error| error.to_string();
    let listener = lone_listener(port).map_err(text)?.ok_or("nobody listens there alone")?;
    if !holds(owner, listener.0.inode, blind).map_err(text)? {
        return Err("the listener belongs to another process".to_owned());
    }
    let connection = connect_loopback(Loopback::V4, port, PATIENCE).map_err(text)?;
    if lone_listener(port).map_err(text)?.as_ref() == Some(&listener) {
        Ok(connection)
    } else {
        Err("the listener changed meanwhile".to_owned())
    }
}

fn holds(owner: Owner, inode: u32, blind: bool) -> io::Result<bool> {
    let holds_socket = |pid| match holds_socket(pid, inode) {
        // Nobody but root looks into a program that can't be read, as Node is (ptrace(2), "Ptrace access mode checking").
        Err(error) if blind && error.kind() == io::ErrorKind::PermissionDenied => Ok(true),
        looked => looked,
    };
    match owner {
        Owner::Process(pid) => holds_socket(pid),
        Owner::Tree(pid) => {
            for member in family(pid)? {
                // one that has ended meanwhile holds nothing
                if holds_socket(member).unwrap_or(false) {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}

/// The process and all that descend from it, by one look at /proc.
fn family(pid: i32) -> io::Result<Vec<i32>> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let Some(number) = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let status = std::fs::read_to_string(format!("/proc/{number}/status")).unwrap_or_default();
        if let Some(parent) = field(&status, "PPid:").and_then(|text| text.parse::<i32>().ok()) {
            parents.push((number, parent));
        }
    }
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(&current) = found.get(next) {
        found.extend(parents.iter().filter(|(child, parent)| *parent == current && *child != current).map(|(c, _)| *c));
        next += 1;
    }
    Ok(found)
}

/// A line of /proc/PID/status by its name.
pub(crate) fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}
