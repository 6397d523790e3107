//! The guard's process, seen from whoever started it.
//!
//! Owns [`GuardChild`]: the child, its message link, and the questions that wait for an answer. It never decides; it
//! asks the guard. The warden keeps one a tenant and starts the next when it dies; `creel jail` keeps one.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use creel_guard::{Action, Outcome, RecordId, Refusal, RuleId};
use creel_jail_sys::seqpacket::Seq;
use tokio::sync::{mpsc, oneshot};

use crate::link::{Link, memory_file};
use crate::notary::{Bench, Office, Seals};
use crate::protocol::{FromGuard, Generation, GuardSetup, ToGuard};

/// How long the guard may take to answer a question of the warden before the answer is No.
const PATIENCE: Duration = Duration::from_secs(15);

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
    /// The tenant's control listener.
    pub(crate) control: OwnedFd,
    /// The planted sockets, in their fixed order.
    pub(crate) planted: Vec<OwnedFd>,
    /// Who signs the ledger.
    pub(crate) bench: Bench,
    /// The token of the gateway that runs, for the next guard.
    pub(crate) token: Option<String>,
}

/// A running guard.
#[derive(Debug)]
pub(crate) struct GuardChild {
    child: Child,
    /// Ends after the child.
    _office: Office,
    link: Arc<Link>,
    pending: Arc<Pending>,
}

#[derive(Debug, Default)]
struct Pending {
    next: std::sync::atomic::AtomicU64,
    admits: Mutex<HashMap<u64, oneshot::Sender<Result<RecordId, Refusal>>>>,
    health: Mutex<HashMap<u64, oneshot::Sender<bool>>>,
    reloads: Mutex<HashMap<u64, oneshot::Sender<Option<String>>>>,
}

impl GuardChild {
    /// Starts guard `number` and waits until all its doors serve.
    ///
    /// # Errors
    /// When it can't be started, says that it can't, or does not answer in time.
    pub(crate) async fn start(exe: &Path, kit: &GuardKit, number: u64, wishes: Wishes) -> io::Result<Self> {
        let (office, links) = Office::open(exe, &kit.bench)?;
        let (ours, theirs) = Seq::pair()?;
        let child = creel_jail_sys::process::spawn_with_link(exe, "guard", &theirs)?;
        drop(theirs);
        let link = Arc::new(Link::new(ours)?);
        let seals = office.seals.clone();
        let mut guard = Self { child, _office: office, link, pending: Arc::default() };
        let started = tokio::time::timeout(PATIENCE, guard.hand_over(kit, seals, links)).await;
        match started.unwrap_or_else(|_| Err(io::Error::other("the guard did not start within 15 s"))) {
            Ok(()) => {}
            Err(error) => {
                guard.kill();
                return Err(error);
            }
        }
        tokio::spawn(listen(Arc::clone(&guard.link), Arc::clone(&guard.pending), number, wishes));
        Ok(guard)
    }

    async fn hand_over(&self, kit: &GuardKit, seals: Seals, links: [OwnedFd; 2]) -> io::Result<()> {
        let setup = memory_file("creel-setup", &serde_json::to_vec(&kit.setup)?)?;
        let secrets = memory_file("creel-secrets", &kit.secrets)?;
        let mut fds: Vec<BorrowedFd<'_>> = vec![setup.as_fd(), secrets.as_fd(), kit.control.as_fd()];
        fds.extend(links.iter().map(AsFd::as_fd));
        fds.extend(kit.planted.iter().map(AsFd::as_fd));
        self.link.send(&ToGuard::Start { seals }, &fds).await?;
        match self.link.recv::<FromGuard>().await? {
            Some((FromGuard::Ready, _)) => Ok(()),
            Some((FromGuard::Failed { why }, _)) => Err(io::Error::other(format!("the guard can't start: {why}"))),
            Some(_) => Err(io::Error::other("the guard spoke out of turn")),
            None => Err(io::Error::other("the guard died while it started; the log says why")),
        }
    }

    /// The process id.
    #[must_use]
    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap_or_default()
    }

    /// May this act of a person or of Creel pass? The ticket settles it.
    ///
    /// # Errors
    /// The refusal; also when the guard does not answer.
    pub(crate) async fn admit(&self, action: Action) -> Result<Ticket, Refusal> {
        let ticket = self.pending.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
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
        let id = self.pending.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
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

    /// Sends the guard a message and descriptors.
    ///
    /// # Errors
    /// When the link is broken.
    pub(crate) async fn tell(&self, message: &ToGuard, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.link.send(message, fds).await
    }

    /// Lets it write its last records and end; kills it when that takes too long.
    pub(crate) async fn finish(mut self) {
        let _ = rustix::net::shutdown(self.link.seq(), rustix::net::Shutdown::Write);
        for _ in 0..100 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.kill();
    }

    /// Kills it at once.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for GuardChild {
    fn drop(&mut self) {
        self.kill();
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
        let message = match link.recv::<FromGuard>().await {
            Ok(Some((message, _fds))) => message,
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
            FromGuard::Reloaded { generation, failed } => {
                if let Some(waiting) = lock(&pending.reloads).remove(&generation) {
                    let _ = waiting.send(failed);
                }
            }
            FromGuard::Connect { id } => {
                let _ = wishes.send((number, GuardWish::Connect { id }));
            }
            FromGuard::Ready | FromGuard::Failed { .. } => {}
        }
    }
    lock(&pending.admits).clear();
    lock(&pending.health).clear();
    lock(&pending.reloads).clear();
    let _ = wishes.send((number, GuardWish::Gone));
}

fn silent() -> Refusal {
    let why = "the guard does not answer";
    Refusal::new(RuleId::new("guard/no-answer"), why, why)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
