//! A jail's porter, seen from whoever started it.
//!
//! Owns [`PorterChild`]: its start with the jail's listeners, and what happens when it dies: the jail ends, for nothing could be
//! executed in it any more. It reads nothing of the agent's. `run` keeps one a jail.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use creel_jail::cgroup::Staff;
use creel_jail_sys::process::spawn_with_link;
use creel_jail_sys::seqpacket::Seq;

/// A running porter. Dropped, it ends.
#[derive(Debug)]
pub(crate) struct PorterChild {
    child: Child,
    link: Seq,
}

impl PorterChild {
    /// Starts it on these listeners; `first` is the jail's PID 1. Gives the guards' end of its link, which is the same for every
    /// guard of this jail.
    ///
    /// # Errors
    /// When it can't be started.
    pub(crate) fn start(
        exe: &Path,
        staff: &Staff,
        listeners: &[OwnedFd],
        first: BorrowedFd<'_>,
    ) -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = Seq::pair()?;
        let (porters, guards) = Seq::pair()?;
        let child = spawn_with_link(exe, "porter", &theirs, staff.entrance()?.as_ref().map(AsFd::as_fd))?;
        let mut fds = vec![porters.as_fd()];
        fds.extend(listeners.iter().map(AsFd::as_fd));
        let porter = Self { child, link: ours };
        porter.link.send(b"serve", &fds)?;
        let ended = creel_jail_sys::pidfd::open(i32::try_from(porter.child.id()).map_err(io::Error::other)?)?;
        let (ended, first) = (crate::link::watch(ended)?, first.try_clone_to_owned()?);
        tokio::spawn(async move {
            let _ = ended.readable().await;
            // no such process: the jail ended first, as it should
            let _ = creel_jail_sys::pidfd::kill(&first);
        });
        Ok((porter, guards.into_fd()))
    }

    /// Lets it tell its last and end by itself, once the jail is gone; kills it when that takes longer than `patience`.
    pub(crate) async fn finish(self, patience: Duration) {
        let ended = i32::try_from(self.child.id()).ok().and_then(|pid| creel_jail_sys::pidfd::open(pid).ok());
        if let Some(ended) = ended.and_then(|fd| crate::link::watch(fd).ok()) {
            let _ = tokio::time::timeout(patience, ended.readable()).await;
        }
        drop(self);
    }
}

impl Drop for PorterChild {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
