//! The guard's process, seen from whoever started it.
//!
//! Owns [`GuardChild`]: the child, its message link, and the questions that wait for an answer. It never decides; it
//! asks the guard. The warden keeps one a tenant and starts the next when it dies; `creel jail` keeps one.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use creel_guard::{Action, Outcome, RecordId, Refusal, RuleId};
use creel_jail::cgroup::Staff;
use creel_jail_sys::process::spawn_with_link;
use creel_jail_sys::seqpacket::Seq;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use tokio::sync::{mpsc, oneshot};

use crate::files::FilesTask;
use crate::guard_process::watch::Quarantine;
use crate::link::{Link, memory_file};
use crate::memory::{MemoryTask, Place};
use crate::notary::{Bench, Office, Unsworn};
use crate::protocol::{FromGuard, Generation, GuardSetup, ToGuard};
use crate::reception::Reception;
use crate::snapshot::SnapshotTask;

/// How long a memory audit may take.
const MEMORY_PATIENCE: Duration = Duration::from_secs(600);

/// How long it may take to show a version of a file, or to put it back.
const FILES_PATIENCE: Duration = Duration::from_secs(60);

/// How long it may take to take a snapshot, or to put one back: a little more than the guard waits for its helper.
const SNAPSHOT_PATIENCE: Duration = Duration::from_secs(45 * 60);

/// How long the guard may take to answer a question of the warden before the answer is No.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long a guard that retires may take: what is under way gets two seconds, the last records the rest.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How long OpenClaw may take to say whether it is ready; the warden's other work waits meanwhile.
const HEALTH_PATIENCE: Duration = Duration::from_secs(4);

/// What the guard wants of whoever started it, or its end.
#[derive(Debug)]
pub(crate) enum GuardWish {
    /// A stream to the gateway, to be answered by `Connected { id }`.
    Connect {
        /// The question's id.
        id: u64,
    },
    /// The agent's processes held for this quarantine, or let go on, to be answered by `Held { id }`.
    Hold {
        /// The wish's id.
        id: u64,
        /// Why.
        why: Option<Quarantine>,
    },
    /// A protected file put back with this content, or taken away; to be answered by `PutBackEnded { id }`.
    PutBack {
        /// The question's id.
        id: u64,
        /// Which file.
        place: Place,
        /// A memory file; none when there should be no file.
        content: Option<OwnedFd>,
    },
    /// The helper that reads and writes the workspace, to be answered by `Lent { id }`.
    Hands {
        /// The question's id.
        id: u64,
    },
    /// That helper is not needed any more.
    HandsBack {
        /// The question's id.
        id: u64,
    },
    /// The link broke: the process is dead or dying.
    Gone,
}

/// Where wishes go, each with the number of the guard that has it.
pub(crate) type Wishes = mpsc::UnboundedSender<(u64, GuardWish)>;

/// Everything a guard is started with; kept, so that the next one gets the very same sockets.
#[derive(Debug)]
pub(crate) struct GuardKit {
    /// What it is built from.
    pub(crate) setup: GuardSetup,
    /// JSON lines of `{name, value}`.
    pub(crate) secrets: zeroize::Zeroizing<Vec<u8>>,
    /// Where people reach it.
    pub(crate) reception: Reception,
    /// The planted sockets, in their fixed order.
    pub(crate) planted: Vec<OwnedFd>,
    /// Who signs the ledger.
    pub(crate) bench: Bench,
    /// The control group that guard and notaries are in.
    pub(crate) staff: Staff,
    /// The certificate that the jail trusts, PEM.
    pub(crate) authority: String,
    /// The token of the gateway that runs, for the next guard.
    pub(crate) token: Option<String>,
}

impl GuardKit {
    /// What is there before the jail is.
    pub(crate) fn new(
        setup: GuardSetup,
        secrets: zeroize::Zeroizing<Vec<u8>>,
        reception: Reception,
        bench: Bench,
        staff: Staff,
    ) -> Self {
        Self { setup, secrets, reception, planted: Vec::new(), bench, staff, authority: String::new(), token: None }
    }
}

/// A running guard.
#[derive(Debug)]
pub(crate) struct GuardChild {
    processes: Processes,
    link: Arc<Link>,
    pending: Arc<Pending>,
}

#[derive(Debug, Default)]
struct Pending {
    next: std::sync::atomic::AtomicU64,
    admits: Mutex<HashMap<u64, oneshot::Sender<Result<RecordId, Refusal>>>>,
    health: Mutex<HashMap<u64, oneshot::Sender<bool>>>,
    reloads: Mutex<HashMap<u64, oneshot::Sender<Option<String>>>>,
    looks: Mutex<HashMap<u64, oneshot::Sender<(u8, String)>>>,
}

/// A guard that gets ready while its jail is built: no door is open, nothing can reach it. Dropped, it ends.
#[derive(Debug)]
pub(crate) struct Preparing {
    guard: Processes,
    link: Arc<Seq>,
    authority: oneshot::Receiver<io::Result<String>>,
    sealed: oneshot::Receiver<io::Result<()>>,
    exe: PathBuf,
    group: Option<OwnedFd>,
    gate: std::sync::mpsc::Sender<Unsworn>,
}

/// A guard's process with its notaries', which end after it.
#[derive(Debug)]
struct Processes {
    child: Child,
    office: Option<Office>,
}

impl Drop for Processes {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        drop(self.office.take());
    }
}

impl Preparing {
    /// Starts the guard, on a thread that lives as long as it, and does not wait for it. The ledger is left alone until
    /// [`Preparing::unlock`]: one guard at a time writes.
    ///
    /// # Errors
    /// When it can't be started.
    pub(crate) fn start(exe: &Path, kit: &GuardKit) -> io::Result<Self> {
        let (ours, theirs) = Seq::pair()?;
        let group = kit.staff.entrance()?;
        let child = spawn_with_link(exe, "guard", &theirs, group.as_ref().map(AsFd::as_fd))?;
        let guard = Processes { child, office: None };
        drop(theirs);
        set_socket_timeout(ours.as_fd(), Timeout::Recv, Some(PATIENCE))?;
        set_socket_timeout(ours.as_fd(), Timeout::Send, Some(PATIENCE))?;
        let setup = memory_file("creel-setup", &serde_json::to_vec(&kit.setup)?)?;
        let secrets = memory_file("creel-secrets", &kit.secrets)?;
        let (along, sockets) = kit.reception.along();
        let fds: Vec<_> = [setup.as_fd(), secrets.as_fd()].into_iter().chain(sockets).collect();
        ours.send(&serde_json::to_vec(&ToGuard::Prepare { along })?, &fds)?;
        let (link, bench) = (Arc::new(ours), kit.bench.clone());
        let (tell_authority, authority) = oneshot::channel();
        let (tell_sealed, sealed) = oneshot::channel();
        let (gate, opened) = std::sync::mpsc::channel::<Unsworn>();
        // Messages alone: the processes live as long as the thread that started them.
        let talk = Arc::clone(&link);
        std::thread::spawn(move || {
            // The notaries get ready beside the guard.
            let sworn = std::thread::spawn(move || {
                let unsworn = opened.recv().map_err(|_| io::Error::other("it is not needed any more"))?;
                unsworn.swear(&bench)
            });
            let _ = tell_authority.send(authority_of(&talk));
            let sworn = sworn.join().unwrap_or_else(|_| Err(io::Error::other("a thread failed")));
            let sealed = sworn.and_then(|(seals, links)| {
                let links = links.each_ref().map(AsFd::as_fd);
                talk.send(&serde_json::to_vec(&ToGuard::Seal { seals })?, &links)
            });
            // Whoever hears of it has the link to itself.
            drop(talk);
            let _ = tell_sealed.send(sealed);
        });
        Ok(Self { guard, link, authority, sealed, exe: exe.to_owned(), group, gate })
    }

    /// The tenant's authority, once the guard is confined.
    ///
    /// # Errors
    /// Why the guard can't start.
    pub(crate) async fn authority(&mut self) -> io::Result<String> {
        (&mut self.authority).await.unwrap_or_else(|_| Err(died()))
    }

    /// No other guard of this tenant writes: starts its notaries, on the same thread as it, and has it open the ledger.
    ///
    /// # Errors
    /// When one can't be started.
    pub(crate) fn unlock(&mut self) -> io::Result<()> {
        let (office, unsworn) = Office::open(&self.exe, self.group.as_ref().map(AsFd::as_fd))?;
        self.guard.office = Some(office);
        self.gate.send(unsworn).map_err(|_| died())
    }

    /// Hands it the planted sockets and waits until all its doors serve.
    ///
    /// # Errors
    /// When it says that it can't, or does not answer in time.
    pub(crate) async fn serve(mut self, planted: &[OwnedFd], number: u64, wishes: Wishes) -> io::Result<GuardChild> {
        (&mut self.sealed).await.unwrap_or_else(|_| Err(died()))?;
        let Self { guard, link, .. } = self;
        let seq = Arc::into_inner(link).ok_or_else(|| io::Error::other("the guard's link is in use"))?;
        let link = Arc::new(Link::new(seq)?);
        let fds: Vec<_> = planted.iter().map(AsFd::as_fd).collect();
        let ready = async {
            link.send(&ToGuard::Serve, &fds).await?;
            match link.recv::<FromGuard>().await? {
                Some((FromGuard::Ready, _)) => Ok(()),
                Some((other, _)) => Err(unready(other)),
                None => Err(died()),
            }
        };
        let started = tokio::time::timeout(PATIENCE, ready).await;
        started.unwrap_or_else(|_| Err(io::Error::other("the guard did not start within 15 s")))?;
        let guard = GuardChild { processes: guard, link, pending: Arc::default() };
        tokio::spawn(listen(Arc::clone(&guard.link), Arc::clone(&guard.pending), number, wishes));
        Ok(guard)
    }
}

fn authority_of(link: &Seq) -> io::Result<String> {
    let (bytes, _) = link.recv()?;
    if bytes.is_empty() {
        return Err(died());
    }
    match serde_json::from_slice(&bytes)? {
        FromGuard::Prepared { authority } => Ok(authority),
        other => Err(unready(other)),
    }
}

fn died() -> io::Error {
    io::Error::other("the guard died while it started; the log says why")
}

fn unready(word: FromGuard) -> io::Error {
    match word {
        FromGuard::Failed { why } => io::Error::other(format!("the guard can't start: {why}")),
        _ => io::Error::other("the guard spoke out of turn"),
    }
}

impl GuardChild {
    /// Starts guard `number` and waits until all its doors serve.
    ///
    /// # Errors
    /// When it can't be started, says that it can't, or does not answer in time.
    pub(crate) async fn start(exe: &Path, kit: &GuardKit, number: u64, wishes: Wishes) -> io::Result<Self> {
        let mut preparing = Preparing::start(exe, kit)?;
        preparing.unlock()?;
        preparing.authority().await?;
        preparing.serve(&kit.planted, number, wishes).await
    }

    /// The process id.
    #[must_use]
    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.processes.child.id()).unwrap_or_default()
    }

    /// May this act of a person or of Creel pass? The ticket settles it.
    ///
    /// # Errors
    /// The refusal; also when the guard does not answer.
    pub(crate) async fn admit(&self, action: Action) -> Result<Ticket, Refusal> {
        let ticket = self.next();
        let (sender, receiver) = oneshot::channel();
        lock(&self.pending.admits).insert(ticket, sender);
        let sent = self.link.send(&ToGuard::Admit { ticket, action: Box::new(action) }, &[]).await;
        let answer = match sent {
            Ok(()) => tokio::time::timeout(PATIENCE, receiver).await,
            Err(_) => return Err(silent()),
        };
        lock(&self.pending.admits).remove(&ticket);
        match answer {
            Ok(Ok(Ok(_record))) => Ok(Ticket { number: ticket, link: Arc::clone(&self.link) }),
            Ok(Ok(Err(refusal))) => Err(refusal),
            Ok(Err(_)) | Err(_) => Err(silent()),
        }
    }

    /// Lets the guard ask OpenClaw over `stream` whether it is ready. `false` when nobody answers.
    pub(crate) async fn is_ready(&self, stream: OwnedFd) -> bool {
        let id = self.next();
        let (sender, receiver) = oneshot::channel();
        lock(&self.pending.health).insert(id, sender);
        let sent = self.link.send(&ToGuard::Health { id }, &[stream.as_fd()]).await;
        let answer = match sent {
            Ok(()) => tokio::time::timeout(HEALTH_PATIENCE, receiver).await,
            Err(_) => return false,
        };
        lock(&self.pending.health).remove(&id);
        matches!(answer, Ok(Ok(true)))
    }

    /// Has it judge by these rules from now on.
    ///
    /// # Errors
    /// Why the old rules stay, or that it is not known which of them it judges by.
    pub(crate) async fn reload(&self, rules: &Generation) -> Result<(), Stayed> {
        let Generation { number, sheet } = rules;
        let bytes = serde_json::to_vec(sheet).map_err(|error| Stayed::Told(error.to_string()))?;
        let sheet = memory_file("creel-rules", &bytes).map_err(|error| Stayed::Told(error.to_string()))?;
        let (sender, receiver) = oneshot::channel();
        lock(&self.pending.reloads).insert(*number, sender);
        let sent = self.link.send(&ToGuard::Reload { generation: *number }, &[sheet.as_fd()]).await;
        let answer = match sent {
            Ok(()) => tokio::time::timeout(PATIENCE, receiver).await,
            Err(_) => return Err(Stayed::Unknown),
        };
        lock(&self.pending.reloads).remove(number);
        match answer {
            Ok(Ok(None)) => Ok(()),
            Ok(Ok(Some(why))) => Err(Stayed::Told(why)),
            Ok(Err(_)) | Err(_) => Err(Stayed::Unknown),
        }
    }

    /// Has the guard look after what the agent remembers, with the descriptors that [`ToGuard::Memory`] names. Ends, whatever
    /// becomes of the guard, with an exit code and one line.
    pub(crate) fn memory(
        &self,
        task: MemoryTask,
        json: bool,
        fds: Vec<OwnedFd>,
    ) -> impl Future<Output = (u8, String)> + use<> {
        let id = self.next();
        self.look(MEMORY_PATIENCE, id, ToGuard::Memory { id, task, json }, fds)
    }

    /// The same for the versions of protected files, with a pipe for the report.
    pub(crate) fn files(
        &self,
        task: FilesTask,
        json: bool,
        fds: Vec<OwnedFd>,
    ) -> impl Future<Output = (u8, String)> + use<> {
        let id = self.next();
        self.look(FILES_PATIENCE, id, ToGuard::Files { id, task, json }, fds)
    }

    /// The same for the snapshots of the workspace.
    pub(crate) fn snapshot(
        &self,
        task: SnapshotTask,
        json: bool,
        fds: Vec<OwnedFd>,
    ) -> impl Future<Output = (u8, String)> + use<> {
        let id = self.next();
        self.look(SNAPSHOT_PATIENCE, id, ToGuard::Snapshot { id, task, json }, fds)
    }

    /// Has it work with these values, a hand-over of all secrets. An exit code, and why not if not.
    pub(crate) async fn exchange_secrets(&self, secrets: &[u8]) -> (u8, String) {
        let id = self.next();
        match memory_file("creel-secrets", secrets) {
            Ok(file) => self.look(PATIENCE, id, ToGuard::Secrets { id }, vec![file]).await,
            Err(error) => (1, format!("no memory file: {error}")),
        }
    }

    fn next(&self) -> u64 {
        self.pending.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    }

    fn look(
        &self,
        patience: Duration,
        id: u64,
        message: ToGuard,
        fds: Vec<OwnedFd>,
    ) -> impl Future<Output = (u8, String)> + use<> {
        let (sender, receiver) = oneshot::channel();
        lock(&self.pending.looks).insert(id, sender);
        let (link, pending) = (Arc::clone(&self.link), Arc::clone(&self.pending));
        async move {
            let sent = link.send(&message, &crate::run::borrow(&fds)).await;
            drop(fds);
            let answer = match sent {
                Ok(()) => tokio::time::timeout(patience, receiver).await,
                Err(error) => Ok(Ok((1, format!("the guard can't be asked: {error}")))),
            };
            lock(&pending.looks).remove(&id);
            match answer {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => (1, "the guard ended before it was done".to_owned()),
                Err(_) => (1, "the guard was not done in time".to_owned()),
            }
        }
    }

    /// Sends the guard a message and descriptors.
    ///
    /// # Errors
    /// When the link is broken.
    pub(crate) async fn tell(&self, message: &ToGuard, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.link.send(message, fds).await
    }

    /// Has it close its doors and write its last records.
    pub(crate) fn say_goodbye(&self) {
        let _ = rustix::net::shutdown(self.link.seq(), rustix::net::Shutdown::Write);
    }

    /// Has it give its place to the next guard, and waits for its end.
    pub(crate) async fn retire(self) {
        let _ = self.link.send(&ToGuard::Retire, &[]).await;
        self.finish(LAST_WORDS).await;
    }

    /// Closes it down and waits for its end; kills it when that takes longer than `patience`.
    pub(crate) async fn finish(mut self, patience: Duration) {
        self.say_goodbye();
        let ended = creel_jail_sys::pidfd::open(self.pid()).and_then(crate::link::watch);
        if let Ok(ended) = ended {
            let _ = tokio::time::timeout(patience, ended.readable()).await;
        }
        self.kill();
    }

    /// Kills it at once.
    pub(crate) fn kill(&mut self) {
        let _ = self.processes.child.kill();
        let _ = self.processes.child.wait();
    }
}

/// Why a guard may judge by its old rules still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stayed {
    /// It said so.
    Told(String),
    /// It did not answer.
    Unknown,
}

/// An admitted act of a person or of Creel, to be settled when it is over.
#[derive(Debug)]
#[must_use = "a ticket that is never settled leaves its record open"]
pub(crate) struct Ticket {
    number: u64,
    link: Arc<Link>,
}

impl Ticket {
    /// Records how the act ended. A guard that died in between recorded it as abandoned already.
    pub(crate) async fn settle(self, outcome: Outcome) {
        if let Err(error) = self.link.send(&ToGuard::Settle { ticket: self.number, outcome }, &[]).await {
            tracing::warn!(%error, "an outcome could not be handed to the guard");
        }
    }
}

async fn listen(link: Arc<Link>, pending: Arc<Pending>, number: u64, wishes: Wishes) {
    loop {
        let (message, fds) = match link.recv::<FromGuard>().await {
            Ok(Some(message)) => message,
            Ok(None) => break,
            Err(error) => {
                tracing::error!(%error, "the link to the guard broke");
                break;
            }
        };
        match message {
            FromGuard::Admitted { ticket, answer } => {
                if let Some(waiting) = lock(&pending.admits).remove(&ticket) {
                    let _ = waiting.send(answer);
                }
            }
            FromGuard::Health { id, ready } => {
                if let Some(waiting) = lock(&pending.health).remove(&id) {
                    let _ = waiting.send(ready);
                }
            }
            FromGuard::PutBack { id, place } => {
                let _ = wishes.send((number, GuardWish::PutBack { id, place, content: fds.into_iter().next() }));
            }
            FromGuard::Hands { id } => {
                let _ = wishes.send((number, GuardWish::Hands { id }));
            }
            FromGuard::HandsBack { id } => {
                let _ = wishes.send((number, GuardWish::HandsBack { id }));
            }
            FromGuard::Looked { id, code, said } => {
                if let Some(waiting) = lock(&pending.looks).remove(&id) {
                    let _ = waiting.send((code, said));
                }
            }
            FromGuard::Reloaded { generation, failed } => {
                if let Some(waiting) = lock(&pending.reloads).remove(&generation) {
                    let _ = waiting.send(failed);
                }
            }
            FromGuard::Connect { id } => {
                let _ = wishes.send((number, GuardWish::Connect { id }));
            }
            FromGuard::Hold { id, why } => {
                let _ = wishes.send((number, GuardWish::Hold { id, why }));
            }
            FromGuard::Prepared { .. } | FromGuard::Ready | FromGuard::Failed { .. } => {}
        }
    }
    lock(&pending.admits).clear();
    lock(&pending.health).clear();
    lock(&pending.reloads).clear();
    lock(&pending.looks).clear();
    let _ = wishes.send((number, GuardWish::Gone));
}

fn silent() -> Refusal {
    let why = "the guard does not answer";
    Refusal::new(RuleId::new("guard/no-answer"), why, why)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
