//! The sentry: is told by the kernel what is done to the agent's files, and tells the guard.
//!
//! Owns the process that watches a jail's file system from outside. Of root's rights it keeps the one to read, and what it reads
//! is names and protected files, each bounded. It never decides and writes nothing. What has no answer of the guard's is told
//! again. `run` starts one a jail; when it dies the jail is ended, for nobody would see what is done there.

pub(crate) mod bait;
mod bursts;
mod outbox;
pub(crate) mod places;
mod protected;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::time::Duration;

use creel_doors::files::{Answer, Counts};
use creel_jail_sys::fanotify::{Event, Group, Place, events};
use creel_jail_sys::seqpacket::Seq;
use creel_policy::PathGlob;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use serde::{Deserialize, Serialize};

use crate::clock::monotonic as now;
use crate::pace::Pace;
use bait::Bait;
use bursts::{Bursts, Deed, Who};
use outbox::{Item, Outbox};
use places::{Places, text};
use protected::Protected;

/// The first message to the sentry. Descriptors: the link to the guards, the jail's first process, the
/// workspace, the state, the folders with bait, the homes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Post {
    /// Patterns of protected files, as paths of the jail.
    pub(crate) protected: Vec<String>,
    /// Files with bait.
    pub(crate) bait: Vec<String>,
}

/// Its answer, once everything was looked at and is on record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Stands {
    /// Why nothing is seen here; none when it is.
    pub(crate) blind: Option<String>,
}

/// `creel sentry`, hidden: the link to whoever started it is at the agreed descriptor.
pub(crate) fn main() -> ExitCode {
    crate::logging::start("warn");
    match Sentry::begin().and_then(|mut sentry| sentry.serve()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the sentry ends, and its jail with it");
            ExitCode::FAILURE
        }
    }
}

const WARDEN: u64 = 0;
const GUARD: u64 = 1;
const FIRST: u64 = 2;
const FILES: u64 = 3;

/// Folders at once, and a second from then on: more are counted together for longer.
const BURST: f64 = 512.0;
const A_SECOND: f64 = 64.0;
/// How soon what could not be sent is tried again.
const AGAIN: Duration = Duration::from_millis(5);
/// How often protected files are looked at for changes that no event told, and how often they are all read.
const LOOK: Duration = Duration::from_secs(10);
const READ: Duration = Duration::from_secs(300);
/// After a folder was put in another's place, at most so often.
const SOON: Duration = Duration::from_millis(250);
/// How long the last may take to be told once the jail is gone.
const LAST: Duration = Duration::from_millis(1200);
/// Bytes of events that are read at once, and how often in a row.
const READ_AT_ONCE: usize = 256 << 10;
const READS: usize = 64;

/// What is watched, for as long as the jail lives: its file system is held by it.
struct Watched {
    group: Group,
    places: Places,
    bait: Bait,
}

struct Sentry {
    epoll: Epoll,
    warden: Seq,
    first: OwnedFd,
    own: i32,
    post: Option<Watched>,
    blind: Option<String>,
    protected: Protected,
    bursts: Bursts,
    pace: Pace,
    outbox: Outbox,
    buffer: Vec<u8>,
    /// When the next looks are due.
    look: Duration,
    read: Duration,
    looked: Duration,
    stands: bool,
    over: Option<Duration>,
}

impl Sentry {
    /// Takes what whoever started it hands over, begins to watch, and gives up what it does not need.
    fn begin() -> io::Result<Self> {
        let warden = Seq::from_fd(creel_jail_sys::process::inherited(creel_jail_sys::process::LINK_FD)?)?;
        let (order, fds) = warden.recv()?;
        let Post { protected, bait } = serde_json::from_slice(&order)?;
        let globs =
            protected.iter().map(|text| PathGlob::parse(text)).collect::<Result<_, _>>().map_err(io::Error::other)?;
        let mut fds = fds.into_iter();
        let mut next = || fds.next().ok_or_else(|| io::Error::other("a descriptor is missing"));
        let (guard, first, workspace, state) = (Seq::from_fd(next()?)?, next()?, next()?, next()?);
        let traps = bait::by_folder(&bait).iter().map(|_| next()).collect::<io::Result<Vec<_>>>()?;
        guard.set_nonblocking(true)?;
        let places = Places::new(workspace, state, fds.collect());
        // What it is told must not wait longer than the queue lasts; a plain user can't, and sees nothing anyway.
        let _ = rustix::process::setpriority_process(None, -10);
        let watching = Group::new().and_then(|group| {
            group.watch_file_system(places.any())?;
            let bait = Bait::watch(&group, &bait, traps);
            Ok((group, bait.map_err(|error| io::Error::other(format!("files with bait: {error}")))?))
        });
        creel_jail::confine_sentry().map_err(io::Error::other)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        for (fd, token) in [(warden.as_fd(), WARDEN), (guard.as_fd(), GUARD), (first.as_fd(), FIRST)] {
            epoll.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, token))?;
        }
        let (post, blind) = match watching {
            Ok((group, bait)) => {
                epoll.add(group.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, FILES))?;
                (Some(Watched { group, places, bait }), None)
            }
            Err(error) => (None, Some(format!("fanotify: {error}"))),
        };
        Ok(Self {
            epoll,
            warden,
            first,
            own: i32::try_from(std::process::id()).unwrap_or_default(),
            post,
            blind,
            protected: Protected::new(globs),
            bursts: Bursts::default(),
            pace: Pace::new(BURST, A_SECOND, now()),
            outbox: Outbox::new(guard),
            buffer: vec![0; READ_AT_ONCE],
            look: Duration::MAX,
            read: Duration::MAX,
            looked: Duration::ZERO,
            stands: false,
            over: None,
        })
    }

    /// Serves until the jail or whoever started it is gone.
    fn serve(&mut self) -> io::Result<()> {
        let mut found = [EpollEvent::empty(); 8];
        loop {
            let count = match self.epoll.wait(&mut found, self.patience()) {
                Ok(count) => count,
                Err(nix::errno::Errno::EINTR) => 0,
                Err(error) => return Err(error.into()),
            };
            for event in found.iter().take(count) {
                match event.data() {
                    WARDEN => return Ok(()),
                    GUARD => self.hear()?,
                    FIRST => self.end()?,
                    _ => self.take(READS)?,
                }
            }
            self.tell_what_is_due(now());
            self.outbox.send(self.post.as_ref().map(|post| &post.places), &mut self.protected)?;
            match self.over {
                Some(over) if self.outbox.is_empty() || now() > over + LAST => return Ok(()),
                _ => {}
            }
        }
    }

    fn patience(&self) -> EpollTimeout {
        let now = now();
        let until = |due: Duration| (due != Duration::MAX).then(|| due.saturating_sub(now));
        let bursts = self.bursts.wait(now).filter(|_| self.outbox.has_room());
        // what waits for the pace alone is due, and must not be looked at all the time
        let bursts = bursts.map(|wait| if wait.is_zero() { self.pace.wait(now).max(AGAIN) } else { wait });
        let again = self.outbox.waits().then_some(AGAIN);
        let over = self.over.map(|over| (over + LAST).saturating_sub(now));
        let looks = [until(self.look), until(self.read)];
        let soonest = [bursts, again, over].into_iter().chain(looks).flatten().min();
        // rounded up, so that it is due then
        let ms = |wait: Duration| u16::try_from(wait.as_millis() + 1).unwrap_or(u16::MAX);
        soonest.map_or(EpollTimeout::NONE, |wait| EpollTimeout::from(ms(wait)))
    }

    /// Reads what happened, at most so many times in a row.
    fn take(&mut self, reads: usize) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        for _ in 0..reads {
            let Some(post) = &self.post else { break };
            let read = post.group.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            for event in events(buffer.get(..read).unwrap_or_default()) {
                self.happened(&event);
            }
        }
        self.buffer = buffer;
        Ok(())
    }

    fn happened(&mut self, event: &Event<'_>) {
        if event.is_overflow() {
            self.outbox.push(Item::Lost);
            self.read = now();
            return;
        }
        if event.pid == self.own {
            return;
        }
        if let (Some(from), Some(to)) = (event.from, event.to) {
            return self.renamed(event, from, to);
        }
        if event.opened() && self.tempted(event) {
            return;
        }
        let Some(path) = event.place.and_then(|place| self.path(place)) else { return };
        if event.is_folder() {
            self.folder_changed(&path);
        }
        let one = |happened: bool| u64::from(happened);
        let counts = Counts {
            created: one(event.created()),
            written: one(event.closed()),
            renamed: 0,
            deleted: one(event.deleted()),
            opened: one(event.opened()),
        };
        self.count(Deed { path, counts, writing: event.written(), from: String::new() }, event);
    }

    /// Whether a file with bait was opened; it is told within a moment.
    fn tempted(&mut self, event: &Event<'_>) -> bool {
        let path = self.post.as_ref().zip(event.place).and_then(|(post, place)| post.bait.path(place));
        let Some(path) = path else { return false };
        let counts = Counts { opened: 1, ..Counts::default() };
        let deed = Deed { path, counts, ..Deed::default() };
        self.bursts.count_bait(deed, event.pid, now(), || Who { pid: event.pid, parent: parent_of(event.pid) });
        true
    }

    fn renamed(&mut self, event: &Event<'_>, from: Place<'_>, to: Place<'_>) {
        let (from, to) = (self.path(from), self.path(to));
        if event.is_folder() {
            if let Some(post) = &mut self.post {
                post.places.forget_names();
            }
            from.iter().chain(&to).for_each(|path| self.folder_changed(path));
        }
        let folder = |path: &str| path.rsplit_once('/').map(|(folder, _)| folder.to_owned());
        let moved = from.as_deref().and_then(folder) != to.as_deref().and_then(folder);
        if let Some(path) = &from
            && (moved || self.protected.covers(path))
        {
            let counts = Counts { deleted: 1, ..Counts::default() };
            self.count(Deed { path: path.clone(), counts, ..Deed::default() }, event);
        }
        if let Some(path) = to {
            let counts = Counts { renamed: 1, ..Counts::default() };
            self.count(Deed { path, counts, writing: false, from: from.unwrap_or_default() }, event);
        }
    }

    fn count(&mut self, deed: Deed, event: &Event<'_>) {
        let (pid, now) = (event.pid, now());
        let who = || Who { pid, parent: parent_of(pid) };
        // of a folder among protected files what lies in it is told, file by file
        if self.protected.covers(&deed.path) && (!event.is_folder() || self.protected.names(&deed.path)) {
            self.count_protected(deed, pid, now, who);
            return;
        }
        let alias = event.file.and_then(|file| self.protected.alias(&file.to_owned(), &deed.path));
        if let Some(path) = alias {
            self.count_protected(Deed { path, ..deed.clone() }, pid, now, who);
        }
        if deed.counts.changes() > 0 || deed.writing {
            self.bursts.count(deed, pid, now, who);
        }
    }

    fn count_protected(&mut self, deed: Deed, pid: i32, now: Duration, who: impl FnOnce() -> Who) {
        if !self.bursts.count_protected(deed, pid, now, who) {
            self.read = self.read.min(now + LOOK);
        }
    }

    /// What lies in a folder that was made, renamed or deleted was told by no event.
    fn folder_changed(&mut self, path: &str) {
        if self.protected.reaches(path) || self.protected.covers(path) {
            self.look = self.look.min(now().max(self.looked + SOON));
        }
    }

    fn path(&mut self, place: Place<'_>) -> Option<String> {
        let folder = self.post.as_mut()?.places.folder(place.folder.to_owned())?;
        let name = text(place.name);
        Some(match name.as_str() {
            "." | "" => folder.to_string(),
            // of a folder that is gone nothing is known but that
            _ if &*folder == "/**" => format!("/**/{name}"),
            _ => format!("{folder}/{name}"),
        })
    }

    fn tell_what_is_due(&mut self, now: Duration) {
        let over = self.over.is_some();
        let later = if over { now + READ } else { now };
        while self.outbox.has_room() || over {
            let Some(touched) = self.bursts.protected(later, 1).pop() else { break };
            self.outbox.push(Item::protected(touched));
        }
        while self.outbox.has_room() || over {
            if self.bursts.wait(later) != Some(Duration::ZERO) || !(over || self.pace.take(now)) {
                break;
            }
            let Some(touched) = self.bursts.folders(later, 1).pop() else { break };
            self.outbox.push(Item::plain(touched));
        }
        if now >= self.read && self.outbox.has_room() {
            self.look_over(true, now);
        } else if now >= self.look && self.outbox.has_room() {
            self.look_over(false, now);
        }
    }

    /// Looks at every protected file; reads those that are others than before, or all of them.
    fn look_over(&mut self, all: bool, now: Duration) {
        let Some(post) = &self.post else { return };
        let walk = self.protected.walk(&post.places, &post.group);
        if all {
            self.outbox.push(Item::LookBegins);
            walk.found.iter().for_each(|path| self.outbox.push(Item::found(path)));
            self.outbox.push(Item::LookEnds { whole: walk.whole });
        } else {
            // what an event told already is told with who did it
            let found = walk.found.iter().filter(|path| !self.bursts.is_pending(path));
            let other = found.filter(|path| self.protected.is_other(path, &post.places));
            other.for_each(|path| self.outbox.push(Item::found(path)));
        }
        if walk.whole {
            self.protected.vanished(&walk).iter().for_each(|path| self.outbox.push(Item::found(path)));
        }
        self.looked = now;
        self.look = now + LOOK;
        if all {
            self.read = now + READ;
        }
    }

    /// Reads all that the guard has to say.
    fn hear(&mut self) -> io::Result<()> {
        while let Some(answer) = self.outbox.hear()? {
            match answer {
                Answer::Here => {
                    self.outbox.again();
                    match &self.blind {
                        Some(why) => self.outbox.push(Item::Blind { why: why.clone() }),
                        None => self.read = now(),
                    }
                }
                Answer::Recorded { id } => {
                    let ended = self.outbox.recorded(id);
                    if ended && !self.stands {
                        self.stands = true;
                        let stands = serde_json::to_vec(&Stands { blind: self.blind.clone() })?;
                        self.warden.send(&stands, &[])?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The jail is gone: what is left to know is read now, for its file system must be let go.
    fn end(&mut self) -> io::Result<()> {
        if self.over.is_some() {
            return Ok(());
        }
        self.epoll.delete(&self.first)?;
        self.take(usize::MAX)?;
        self.over = Some(now());
        self.look_over(false, now());
        self.tell_what_is_due(now());
        if let Some(post) = self.post.take() {
            self.outbox.read_ahead(&post.places, &mut self.protected);
            self.epoll.delete(&post.group)?;
        }
        Ok(())
    }
}

/// The process that started this one, while it lives: `proc_pid_stat(5)`.
fn parent_of(pid: i32) -> i32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    after_name.split_whitespace().nth(1).and_then(|field| field.parse().ok()).unwrap_or(0)
}
