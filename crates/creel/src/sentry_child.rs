//! A jail's sentry, seen from whoever started it.
//!
//! Owns [`SentryChild`]: its start beside the jail's, and what happens when it dies: the jail ends, for nobody would see what is
//! done to its files. It reads nothing of the agent's. `run` keeps one a jail.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use creel_jail::Jail;
use creel_jail::cgroup::Staff;
use creel_jail_sys::pidfd;
use creel_jail_sys::process::spawn_with_link;
use creel_jail_sys::seqpacket::Seq;
use creel_openclaw::layout::{HOME, STATE, WORKSPACE};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};

use crate::link::Link;
use crate::sentry::{Post, Stands};

/// How long it may take until everything was looked at.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long it may hold the jail's file system once the jail is gone.
const LETS_GO: Duration = Duration::from_millis(1500);

/// A running sentry. Dropped, it ends.
#[derive(Debug)]
pub(crate) struct SentryChild {
    child: Child,
    link: Link,
    guards: Option<OwnedFd>,
    theirs: Option<OwnedFd>,
}

impl SentryChild {
    /// Starts it; it watches nothing yet.
    ///
    /// # Errors
    /// When it can't be started.
    pub(crate) fn start(exe: &Path, staff: &Staff) -> io::Result<Self> {
        let (ours, theirs) = Seq::pair()?;
        let (sentrys, guards) = Seq::pair()?;
        let child = spawn_with_link(exe, "sentry", &theirs, staff.entrance()?.as_ref().map(AsFd::as_fd))?;
        Ok(Self { child, link: Link::new(ours)?, guards: Some(guards.into_fd()), theirs: Some(sentrys.into_fd()) })
    }

    /// The guards' end of its link, which is the same for every guard of this jail.
    ///
    /// # Errors
    /// When it was taken before.
    pub(crate) fn take_guards_end(&mut self) -> io::Result<OwnedFd> {
        self.guards.take().ok_or_else(|| io::Error::other("the link to the sentry was taken already"))
    }

    /// Has it watch the jail, in which nothing runs yet. Gives why it sees nothing, if so; else everything was looked at when
    /// this returns, and is on record.
    ///
    /// # Errors
    /// When it does not say so in time.
    pub(crate) async fn post(
        &mut self,
        jail: &Jail,
        protected: Vec<String>,
        bait: Vec<String>,
    ) -> io::Result<Option<String>> {
        let theirs = self.theirs.take().ok_or_else(|| io::Error::other("it stands already"))?;
        let open = |pid: i32, place: &str| {
            // a mount of the jail's, which was made for it: no name of the agent's is on the way
            let path = format!("/proc/{pid}/root{place}");
            rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        };
        let mut places = Vec::new();
        let traps = crate::sentry::bait::by_folder(&bait).into_keys();
        for place in [WORKSPACE, STATE].into_iter().map(str::to_owned).chain(traps).chain([HOME.to_owned()]) {
            places.push(open(jail.pid(), &place)?);
        }
        if let Some(wall) = jail.wall_pid() {
            places.push(open(wall, HOME)?);
        }
        let fds: Vec<_> = [theirs.as_fd(), jail.pidfd()].into_iter().chain(places.iter().map(AsFd::as_fd)).collect();
        self.link.send(&Post { protected, bait }, &fds).await?;
        let ended = pidfd::open(i32::try_from(self.child.id()).map_err(io::Error::other)?)?;
        let first = jail.pidfd().try_clone_to_owned()?;
        std::thread::spawn(move || bind_lives(&ended, &first));
        match tokio::time::timeout(PATIENCE, self.link.recv::<Stands>()).await {
            Ok(Ok(Some((Stands { blind }, _)))) => Ok(blind),
            Ok(Ok(None)) => Err(io::Error::other("the sentry died; the log says why")),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::other("the sentry was not done in time")),
        }
    }

    /// Lets it tell its last and end by itself, once the jail is gone; kills it when that takes longer than `patience`.
    pub(crate) async fn finish(self, patience: Duration) {
        let ended = i32::try_from(self.child.id()).ok().and_then(|pid| pidfd::open(pid).ok());
        if let Some(ended) = ended.and_then(|fd| crate::link::watch(fd).ok()) {
            let _ = tokio::time::timeout(patience, ended.readable()).await;
        }
        drop(self);
    }
}

impl Drop for SentryChild {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Without a sentry there is no jail; and a sentry lets go of the jail's file system soon, for the disk waits for that.
fn bind_lives(sentry: &OwnedFd, first: &OwnedFd) {
    loop {
        let mut both = [PollFd::new(sentry, PollFlags::IN), PollFd::new(first, PollFlags::IN)];
        match rustix::event::poll(&mut both, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                tracing::error!(%error, "a sentry can't be watched, so its jail ends");
                let _ = pidfd::kill(first);
                return;
            }
        }
        let [sentrys_end, jails_end] = both.map(|one| !one.revents().is_empty());
        if jails_end {
            if !pidfd::wait_ended(sentry, LETS_GO).unwrap_or(false) {
                // no such process: it has ended meanwhile
                let _ = pidfd::kill(sentry);
            }
            return;
        }
        if sentrys_end {
            let _ = pidfd::kill(first);
            return;
        }
    }
}
