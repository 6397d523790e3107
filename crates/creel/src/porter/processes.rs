//! The processes that run a program which was looked at.
//!
//! Owns [`Processes`]: a descriptor of each, what was judged of its program, and how it ended. As many as live are kept. The
//! porter asks it.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};

use creel_doors::exec::Saw;
use creel_jail_sys::pidfd;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};

use super::image::Image;

#[derive(Default)]
pub(super) struct Processes(HashMap<i32, Known>);

struct Known {
    pidfd: OwnedFd,
    record: u64,
    trace: Option<String>,
    /// What was judged; none when it was not to be read.
    image: Option<Image>,
    /// What the kernel started was seen to be that.
    confirmed: bool,
}

impl Processes {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn knows(&self, pid: i32) -> bool {
        self.0.contains_key(&pid)
    }

    /// What was judged of this process, and whether it was seen to run.
    pub(super) fn image(&self, pid: i32) -> Option<(&Image, bool)> {
        let known = self.0.get(&pid)?;
        known.image.as_ref().map(|image| (image, known.confirmed))
    }

    /// It may run this. `started` says that it does already. False when it is gone.
    pub(super) fn runs(
        &mut self,
        pid: i32,
        epoll: &Epoll,
        tokens: u64,
        (record, trace): (u64, Option<String>),
        image: Image,
        started: bool,
    ) -> bool {
        if let Some(known) = self.0.get_mut(&pid) {
            (known.record, known.trace, known.image, known.confirmed) = (record, trace, Some(image), started);
            return true;
        }
        let Ok(pidfd) = pidfd::open(pid) else { return false };
        let event =
            EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLONESHOT, tokens + u64::from(pid.unsigned_abs()));
        if epoll.add(pidfd.as_fd(), event).is_err() {
            return false;
        }
        self.0.insert(pid, Known { pidfd, record, trace, image: Some(image), confirmed: started });
        true
    }

    pub(super) fn confirm(&mut self, pid: i32) {
        if let Some(known) = self.0.get_mut(&pid) {
            known.confirmed = true;
        }
    }

    /// It starts something that nobody could read.
    pub(super) fn forget_image(&mut self, pid: i32) {
        if let Some(known) = self.0.get_mut(&pid) {
            known.image = None;
        }
    }

    /// Something happened to this process: its exit status if it is over, none inside when nobody can tell it.
    pub(super) fn ended(&mut self, pid: i32, epoll: &Epoll, tokens: u64) -> Option<Option<i64>> {
        let known = self.0.get_mut(&pid)?;
        let mut status = pidfd::exit_status(&known.pidfd);
        if let Ok(None) = status {
            if pidfd::pid_of(&known.pidfd).ok().flatten().is_some() {
                // It waits for its parent to collect it, which is seen as a hang-up.
                let event = EpollFlags::EPOLLHUP | EpollFlags::EPOLLONESHOT;
                let mut event = EpollEvent::new(event, tokens + u64::from(pid.unsigned_abs()));
                if epoll.modify(known.pidfd.as_fd(), &mut event).is_ok() {
                    return None;
                }
            }
            // It was collected between the two looks.
            status = pidfd::exit_status(&known.pidfd);
        }
        self.0.remove(&pid);
        Some(status.ok().flatten().map(code))
    }

    /// What a new guard is told of them.
    pub(super) fn lives(&self) -> Vec<Saw> {
        self.0
            .iter()
            .map(|(&pid, known)| Saw::Lives { pid, record: known.record, trace: known.trace.clone() })
            .collect()
    }
}

/// `wait(2)`'s status as a shell says it.
fn code(status: i32) -> i64 {
    match status & 0x7f {
        0 => i64::from(status >> 8 & 0xff),
        signal => i64::from(128 + signal),
    }
}

/// Ends a process whose call waits, so that its number is its own.
pub(super) fn kill(pid: i32) {
    if let Err(error) = pidfd::open(pid).and_then(pidfd::kill) {
        tracing::warn!(%error, pid, "a process could not be ended");
    }
}
