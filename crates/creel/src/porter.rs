//! The porter: looks at what a process of the jail is about to execute, and has the guard judge it.
//!
//! Owns the process that serves the jail's listeners: it reads arguments out of the waiting process, asks, lets go on or
//! refuses, and tells how processes ended. It never decides, reads bounded pieces alone, and of root's rights it keeps those to
//! look and to kill. `run` starts one a jail; when it dies nothing is executed any more, and the jail is ended.

mod image;
mod look;
pub(crate) mod memory;
mod processes;
mod tally;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Duration;

use creel_doors::exec::{Answer, Saw, Sight};
use creel_jail::{EXECUTES, OPENS_NETLINK, SETS_UP, refused_call};
use creel_jail_sys::notify::{Listener, Notice};
use creel_jail_sys::seqpacket::Seq;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use image::Image;
use look::Looked;
use processes::Processes;
use tally::Tally;

use crate::pace::Pace;

/// `creel porter`, hidden: the link to whoever started it is at the agreed descriptor.
pub(crate) fn main() -> ExitCode {
    crate::logging::start("warn");
    match Porter::begin().and_then(|mut porter| porter.serve()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the porter ends, and nothing is executed in its jail any more");
            ExitCode::FAILURE
        }
    }
}

/// What an event is about: the warden, the guard, a listener by its place, or a process by its number.
const WARDEN: u64 = 0;
const GUARD: u64 = 1;
const LISTENERS: u64 = 2;
const PROCESSES: u64 = 1 << 32;

/// How soon what could not be sent is tried again.
const AGAIN: Duration = Duration::from_millis(5);
/// How long a call waits for an answer: above what a person gets to answer and the guard to write it down. Whoever hears
/// nothing by then may not run.
const LONGEST: Duration = Duration::from_secs(330);
/// Questions that the guard has not answered yet; more are kept back, with their processes.
const MOST_ASKED: usize = 1024;
/// Netlink sockets of a jail, give or take those that its threads ask for at the same moment. Each may hold some 200 KiB of the
/// kernel's memory, which is counted nowhere. A program opens one to list addresses, and closes it.
const MOST_NETLINK: u64 = 256;
/// Programs at once, for a build starts some thousand within seconds; and a second from then on.
const BURST: f64 = 4000.0;
const A_SECOND: f64 = 1000.0;
/// How often those that wait are looked through.
const SWEPT: Duration = Duration::from_secs(1);

/// A call that waits for the guard's answer.
struct Waiting {
    listener: usize,
    notice: u64,
    sight: Sight,
    image: Image,
    /// The program has started; what is asked about is what the kernel made of its arguments.
    started: bool,
    /// The guard was asked.
    asked: bool,
    since: Duration,
}

struct Porter {
    epoll: Epoll,
    guard: Seq,
    _warden: Seq,
    listeners: Vec<Option<Listener>>,
    next: u64,
    waiting: HashMap<u64, Waiting>,
    /// How many of them the guard was asked about.
    asked: usize,
    /// Questions that are not asked yet, for there were too many at once.
    parked: VecDeque<u64>,
    pace: Pace,
    out: VecDeque<Vec<u8>>,
    processes: Processes,
    tally: Tally,
    swept: Duration,
}

impl Porter {
    /// Takes what whoever started it hands over, and gives up what it does not need.
    fn begin() -> io::Result<Self> {
        let warden = Seq::from_fd(creel_jail_sys::process::inherited(creel_jail_sys::process::LINK_FD)?)?;
        let (_, fds) = warden.recv()?;
        let mut fds = fds.into_iter();
        let guard = Seq::from_fd(fds.next().ok_or_else(|| io::Error::other("no link to a guard came"))?)?;
        guard.set_nonblocking(true)?;
        let listeners: Vec<_> = fds.map(|fd| Some(Listener::new(fd))).collect();
        creel_jail::confine_porter().map_err(io::Error::other)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(warden.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, WARDEN))?;
        epoll.add(guard.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, GUARD))?;
        for (token, listener) in (LISTENERS..).zip(listeners.iter().flatten()) {
            epoll.add(listener.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, token))?;
        }
        Ok(Self {
            epoll,
            guard,
            _warden: warden,
            listeners,
            next: 1,
            waiting: HashMap::new(),
            asked: 0,
            parked: VecDeque::new(),
            pace: Pace::new(BURST, A_SECOND, look::now()),
            out: VecDeque::new(),
            processes: Processes::default(),
            tally: Tally::new(look::now()),
            swept: look::now(),
        })
    }

    /// Serves until the jail or whoever started it is gone.
    fn serve(&mut self) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); 64];
        loop {
            let found = match self.epoll.wait(&mut events, self.patience()) {
                Ok(found) => found,
                Err(nix::errno::Errno::EINTR) => 0,
                Err(error) => return Err(error.into()),
            };
            for event in events.iter().take(found) {
                match event.data() {
                    WARDEN => return Ok(()),
                    GUARD => self.hear()?,
                    token if token >= PROCESSES => self.ended(token - PROCESSES),
                    token => self.listen(usize::try_from(token - LISTENERS).unwrap_or(usize::MAX), event.events()),
                }
            }
            self.unpark();
            self.sweep(look::now());
            let over = self.listeners.iter().all(Option::is_none);
            for saw in if over { self.tally.rest() } else { self.tally.due(look::now()) } {
                self.tell(&saw);
            }
            self.flush()?;
            if over && self.processes.is_empty() && self.out.is_empty() {
                return Ok(());
            }
        }
    }

    fn patience(&self) -> EpollTimeout {
        let now = look::now();
        let again = (!self.out.is_empty()).then_some(AGAIN);
        let parked = (!self.parked.is_empty() && self.asked < MOST_ASKED).then(|| self.pace.wait(now));
        let sweep = (!self.waiting.is_empty()).then_some(SWEPT);
        let soonest = [again, parked, sweep, self.tally.wait(now)].into_iter().flatten().min();
        // rounded up, so that it is due then
        let ms = |wait: Duration| u16::try_from(wait.as_millis() + 1).unwrap_or(u16::MAX);
        soonest.map_or(EpollTimeout::NONE, |wait| EpollTimeout::from(ms(wait)))
    }

    /// A call waits at this listener, or nobody is left who could make one.
    fn listen(&mut self, place: usize, events: EpollFlags) {
        let Some(Some(listener)) = self.listeners.get(place) else { return };
        if !events.contains(EpollFlags::EPOLLIN) {
            let _gone = self.epoll.delete(listener.as_fd());
            if let Some(slot) = self.listeners.get_mut(place) {
                *slot = None;
            }
            return;
        }
        let Ok(Some(notice)) = listener.next() else { return };
        if EXECUTES.contains(&notice.call) {
            self.executes(place, &notice);
        } else if notice.call == SETS_UP.0 {
            self.sets_up(place, &notice);
        } else if notice.call == OPENS_NETLINK.0 {
            if look::netlink_sockets(notice.thread).is_some_and(|open| open < MOST_NETLINK) {
                self.go_on(place, notice.id);
            } else {
                self.not_done(place, &notice, libc::EMFILE, "socket");
            }
        } else {
            self.not_done(place, &notice, libc::EPERM, refused_call(notice.call).unwrap_or("?"));
        }
    }

    /// Refuses a call, and has that recorded.
    fn not_done(&mut self, place: usize, notice: &Notice, errno: i32, call: &'static str) {
        self.refuse(place, notice.id, errno);
        let saw = self.tally.tried(notice.thread, call, look::now());
        saw.iter().for_each(|saw| self.tell(saw));
    }

    /// A process asks the kernel to execute something.
    fn executes(&mut self, place: usize, notice: &Notice) {
        match look::at_exec(notice, &self.processes) {
            // The thread is gone, so its call is.
            Looked::Gone => self.refuse(place, notice.id, libc::EPERM),
            // What isn't there is said at once: it could be there a moment later, and then nobody would have looked.
            Looked::Fails(errno) => self.refuse(place, notice.id, errno),
            // A plain user may not look into some of his own processes. The image is judged when it stands.
            Looked::Closed { pid } => {
                self.processes.forget_image(pid);
                self.go_on(place, notice.id);
            }
            Looked::Seen { sight, image } => {
                self.ask(Waiting {
                    listener: place,
                    notice: notice.id,
                    sight,
                    image,
                    started: false,
                    asked: false,
                    since: look::now(),
                });
            }
        }
    }

    /// A program that has just started sets itself up: what the kernel made of its arguments is compared.
    fn sets_up(&mut self, place: usize, notice: &Notice) {
        match image::compare(notice, &self.processes) {
            image::Compared::Same { pid } => {
                self.processes.confirm(pid);
                self.go_on(place, notice.id);
            }
            image::Compared::Gone => self.refuse(place, notice.id, libc::EPERM),
            image::Compared::Other { sight, image } => {
                self.ask(Waiting {
                    listener: place,
                    notice: notice.id,
                    sight,
                    image,
                    started: true,
                    asked: false,
                    since: look::now(),
                });
            }
        }
    }

    fn ask(&mut self, waiting: Waiting) {
        if !self.is_waiting(waiting.listener, waiting.notice) {
            return;
        }
        self.next += 1;
        let id = self.next;
        self.waiting.insert(id, waiting);
        self.parked.push_back(id);
        self.unpark();
    }

    /// Asks as many questions as the pace allows: more wait, and their processes with them.
    fn unpark(&mut self) {
        while let Some(id) = self.parked.front().copied() {
            if self.asked >= MOST_ASKED || !self.pace.take(look::now()) {
                return;
            }
            self.parked.pop_front();
            if let Some(waiting) = self.waiting.get_mut(&id) {
                waiting.asked = true;
                self.asked += 1;
                let saw = Saw::Exec { id, sight: waiting.sight.clone() };
                self.tell(&saw);
            }
        }
    }

    /// Reads all that the guard has to say.
    fn hear(&mut self) -> io::Result<()> {
        loop {
            let bytes = match self.guard.recv() {
                Ok((bytes, _)) => bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            if bytes.is_empty() {
                return Err(io::Error::other("the link to the guard is closed"));
            }
            match serde_json::from_slice(&bytes)? {
                Answer::Here => self.repeat(),
                Answer::Run { id, record, trace } => self.may_run(id, record, trace),
                Answer::Refuse { id } => self.may_not_run(id),
            }
        }
    }

    /// For a guard that has just begun: what lives, and what waits.
    fn repeat(&mut self) {
        self.out.clear();
        self.processes.lives().into_iter().for_each(|saw| self.tell(&saw));
        let mut asked: Vec<u64> = self.waiting.iter().filter(|(_, waiting)| waiting.asked).map(|(id, _)| *id).collect();
        asked.sort_unstable();
        for id in asked {
            if let Some(waiting) = self.waiting.get(&id) {
                let saw = Saw::Exec { id, sight: waiting.sight.clone() };
                self.tell(&saw);
            }
        }
    }

    fn take(&mut self, id: u64) -> Option<Waiting> {
        let waiting = self.waiting.remove(&id)?;
        self.asked -= usize::from(waiting.asked);
        Some(waiting)
    }

    fn may_run(&mut self, id: u64, record: u64, trace: Option<String>) {
        let Some(Waiting { listener, notice, sight, image, started, .. }) = self.take(id) else { return };
        let known = self.processes.runs(sight.pid, &self.epoll, PROCESSES, (record, trace), image, started);
        self.go_on(listener, notice);
        if !known {
            self.tell(&Saw::Ended { pid: sight.pid, status: None });
        }
    }

    fn may_not_run(&mut self, id: u64) {
        let Some(Waiting { listener, notice, sight, started, .. }) = self.take(id) else { return };
        // While its call waits the number is still this process's.
        if started && self.is_waiting(listener, notice) {
            processes::kill(sight.pid);
        }
        self.refuse(listener, notice, libc::EPERM);
    }

    /// Refuses what has waited too long, and forgets what was not asked yet and waits no more: its process was ended.
    fn sweep(&mut self, now: Duration) {
        if now.saturating_sub(self.swept) < SWEPT {
            return;
        }
        self.swept = now;
        let is_over = |waiting: &Waiting| {
            now.saturating_sub(waiting.since) > LONGEST
                || (!waiting.asked && !self.is_waiting(waiting.listener, waiting.notice))
        };
        let over: Vec<u64> = self.waiting.iter().filter(|(_, waiting)| is_over(waiting)).map(|(id, _)| *id).collect();
        for id in over {
            self.may_not_run(id);
        }
    }

    fn ended(&mut self, pid: u64) {
        let Ok(pid) = i32::try_from(pid) else { return };
        if let Some(status) = self.processes.ended(pid, &self.epoll, PROCESSES) {
            for saw in self.tally.of(pid) {
                self.tell(&saw);
            }
            self.tell(&Saw::Ended { pid, status });
        }
    }

    fn is_waiting(&self, place: usize, notice: u64) -> bool {
        matches!(self.listeners.get(place), Some(Some(listener)) if listener.is_waiting(notice))
    }

    // A call that has gone can't be answered, which is all right in both.
    fn go_on(&self, place: usize, notice: u64) {
        if let Some(Some(listener)) = self.listeners.get(place) {
            let _gone = listener.go_on(notice);
        }
    }

    fn refuse(&self, place: usize, notice: u64, errno: i32) {
        if let Some(Some(listener)) = self.listeners.get(place) {
            let _gone = listener.refuse(notice, errno);
        }
    }

    fn tell(&mut self, saw: &Saw) {
        match serde_json::to_vec(saw) {
            Ok(bytes) => self.out.push_back(bytes),
            Err(error) => tracing::error!(%error, "something can't be told"),
        }
    }

    /// Sends what the guard takes at once.
    fn flush(&mut self) -> io::Result<()> {
        while let Some(bytes) = self.out.front() {
            match self.guard.send(bytes, &[]) {
                Ok(()) => drop(self.out.pop_front()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
