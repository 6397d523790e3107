//! The guard's side of its link to the warden.
//!
//! Owns [`Desk`]: it answers the warden's questions (may this act of a person pass? is OpenClaw ready?) and lends the
//! doors what only the warden can get, a stream into the jail. It never acts on what the agent sends. The guard process
//! runs it; when the link breaks, the process ends.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use creel_guard::{Action, Facts, Guard, Receipt, RecordId, Refusal, Taint};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::alerts::Alerts;
use super::secrets::Secrets;
use super::snapshots::Snapshots;
use super::watch::Quarantine;
use crate::config::{Config, Event, Live};
use crate::files::FilesTask;
use crate::files::versions::Shelf;
use crate::link::{Link, memory_file, read_memory_file};
use crate::memory::MemoryTask;
use crate::memory::auditor::Auditor;
use crate::protocol::{FromGuard, Sheet, ToGuard};
use crate::snapshot::SnapshotTask;

/// How long the warden may take to hand over a stream into the jail.
const PATIENCE: Duration = Duration::from_secs(10);

/// The link to the warden and what waits on it.
pub(crate) struct Desk {
    link: Link,
    guard: Guard,
    start: Config,
    live: Live,
    retires: AtomicBool,
    token: Mutex<String>,
    next: AtomicU64,
    streams: Mutex<HashMap<u64, oneshot::Sender<Result<OwnedFd, String>>>>,
    holds: Mutex<HashMap<u64, oneshot::Sender<Result<bool, String>>>>,
    receipts: Mutex<HashMap<u64, Receipt>>,
    keepers: Keepers,
    put_backs: Mutex<HashMap<u64, oneshot::Sender<Result<(), String>>>>,
    lent: Mutex<HashMap<u64, oneshot::Sender<Result<Ends, String>>>>,
}

/// What a helper writes, and what it reads.
type Ends = [OwnedFd; 2];

/// Whom the desk hands what it is asked for.
pub(crate) struct Keepers {
    pub(super) auditor: Arc<Auditor>,
    pub(super) alerts: Arc<Alerts>,
    pub(super) shelf: Arc<Shelf>,
    pub(super) snapshots: Arc<Snapshots>,
    pub(super) secrets: Secrets,
}

impl Desk {
    pub(crate) fn new(link: Link, guard: Guard, start: Config, live: Live, keepers: Keepers) -> Arc<Self> {
        Arc::new(Self {
            link,
            guard,
            start,
            live,
            retires: AtomicBool::new(false),
            token: Mutex::default(),
            next: AtomicU64::new(1),
            streams: Mutex::default(),
            holds: Mutex::default(),
            receipts: Mutex::default(),
            keepers,
            put_backs: Mutex::default(),
            lent: Mutex::default(),
        })
    }

    /// Tells the warden that all doors serve, then answers it until the link breaks.
    pub(crate) async fn serve(self: Arc<Self>) -> io::Result<()> {
        self.link.send(&FromGuard::Ready, &[]).await?;
        while let Some((message, fds)) = self.link.recv::<ToGuard>().await? {
            if let ToGuard::Retire = message {
                self.retires.store(true, Ordering::Relaxed);
                return Ok(());
            }
            Arc::clone(&self).hear(message, fds);
        }
        // Acts of people that nobody settled any more are abandoned by the drop of their receipts.
        lock(&self.receipts).clear();
        Ok(())
    }

    /// Whether the next guard waits for this one's end.
    pub(crate) fn retires(&self) -> bool {
        self.retires.load(Ordering::Relaxed)
    }

    fn hear(self: Arc<Self>, message: ToGuard, mut fds: Vec<OwnedFd>) {
        match message {
            ToGuard::Admit { ticket, action } => {
                tokio::spawn(async move {
                    let answer = self.admit(ticket, *action).await;
                    let _ = self.link.send(&FromGuard::Admitted { ticket, answer }, &[]).await;
                });
            }
            ToGuard::Settle { ticket, outcome } => {
                if let Some(receipt) = lock(&self.receipts).remove(&ticket) {
                    receipt.settle(outcome);
                }
            }
            ToGuard::Connected { id, failed } => {
                let stream = match (fds.pop(), failed) {
                    (Some(fd), None) => Ok(fd),
                    (_, why) => Err(why.unwrap_or_else(|| "no stream came".to_owned())),
                };
                if let Some(waiting) = lock(&self.streams).remove(&id) {
                    let _ = waiting.send(stream);
                }
            }
            ToGuard::Held { id, answer } => {
                if let Some(waiting) = lock(&self.holds).remove(&id) {
                    let _ = waiting.send(answer);
                }
            }
            ToGuard::Health { id } => {
                tokio::spawn(async move {
                    let ready = match fds.pop() {
                        Some(fd) => is_ready(fd).await,
                        None => false,
                    };
                    let _ = self.link.send(&FromGuard::Health { id, ready }, &[]).await;
                });
            }
            ToGuard::Reload { generation } => {
                // in this very order: the last that was asked for is the one that stays
                let failed = self.reload(generation, fds.pop()).err();
                tokio::spawn(async move {
                    let _ = self.link.send(&FromGuard::Reloaded { generation, failed }, &[]).await;
                });
            }
            ToGuard::Memory { id, task, json } => {
                tokio::spawn(async move { self.look_after_memory(id, task, json, fds).await });
            }
            ToGuard::Overdue { text } => self.keepers.alerts.raise(Event::Overdue, text, None),
            ToGuard::Secrets { id } => self.take_secrets(id, fds.pop()),
            ToGuard::Files { id, task, json } => {
                tokio::spawn(async move { self.look_at_files(id, task, json, fds).await });
            }
            ToGuard::Snapshot { id, task, json } => {
                tokio::spawn(async move { self.look_at_snapshots(id, task, json, fds).await });
            }
            ToGuard::Lent { id, failed } => self.was_lent(id, failed, fds),
            ToGuard::PutBackEnded { id, failed } => self.was_put_back(id, failed),
            ToGuard::Token { token } => *lock(&self.token) = token,
            ToGuard::Prepare { along: _ } | ToGuard::Seal { seals: _ } | ToGuard::Serve | ToGuard::Retire => {
                tracing::warn!("whoever started us spoke out of turn");
            }
        }
    }

    /// All of the new rules, or none of them.
    fn reload(&self, generation: u64, sheet: Option<OwnedFd>) -> Result<(), String> {
        let fd = sheet.ok_or("no rules came")?;
        let bytes = read_memory_file(fd, super::LONGEST_SETUP).map_err(|error| error.to_string())?;
        let sheet = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        let config = in_force(&self.start, &sheet)?;
        self.live.replace(&config, generation);
        Ok(())
    }

    async fn admit(&self, ticket: u64, action: Action) -> Result<RecordId, Refusal> {
        let permit = self.guard.admit(action, person_facts()).await?;
        let (obligations, receipt) = permit.redeem();
        let creel_guard::Obligations { inject, swaps, scrub: _, max_bytes, deadline_ms } = obligations;
        if inject.is_some() || !swaps.is_empty() || max_bytes.is_some() || deadline_ms.is_some() {
            let why = "the policy put an obligation on an act of a person, which nobody can carry out";
            receipt.settle(creel_guard::Outcome::failed(why));
            return Err(Refusal::new(creel_guard::RuleId::new("control/obligation"), why, why));
        }
        let record = receipt.record();
        lock(&self.receipts).insert(ticket, receipt);
        Ok(record)
    }

    /// Has the warden freeze the agent's processes for this quarantine, or let them go on; whether all of them do by now.
    pub(crate) async fn hold(&self, why: Option<Quarantine>) -> Result<bool, String> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        lock(&self.holds).insert(id, sender);
        let sent = self.link.send(&FromGuard::Hold { id, why }, &[]).await;
        let answer = match sent {
            Ok(()) => tokio::time::timeout(PATIENCE, receiver).await,
            Err(error) => return Err(format!("the warden can't be asked: {error}")),
        };
        lock(&self.holds).remove(&id);
        match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err("the warden did not answer in time".to_owned()),
        }
    }

    async fn look_after_memory(&self, id: u64, task: MemoryTask, json: bool, fds: Vec<OwnedFd>) {
        let Keepers { auditor, alerts, .. } = &self.keepers;
        let (code, said) = super::memory::look_after(auditor, alerts, task, json, fds).await;
        let _ = self.link.send(&FromGuard::Looked { id, code, said }, &[]).await;
    }

    fn take_secrets(self: Arc<Self>, id: u64, secrets: Option<OwnedFd>) {
        // in this very order: the last that came is the one that stays
        let (code, said) = match self.exchange_secrets(secrets) {
            Ok(()) => (0, String::new()),
            Err(why) => (1, why),
        };
        tokio::spawn(async move {
            let _ = self.link.send(&FromGuard::Looked { id, code, said }, &[]).await;
        });
    }

    /// Takes new values over, all of them or none.
    fn exchange_secrets(&self, secrets: Option<OwnedFd>) -> Result<(), String> {
        let fd = secrets.ok_or("no values came")?;
        let bytes = read_memory_file(fd, super::LONGEST_SETUP).map_err(|error| error.to_string())?;
        self.keepers.secrets.exchange(Zeroizing::new(bytes))
    }

    async fn look_at_files(&self, id: u64, task: FilesTask, json: bool, fds: Vec<OwnedFd>) {
        let (code, said) = super::files::look_after(&self.keepers.shelf, self, task, json, fds).await;
        let _ = self.link.send(&FromGuard::Looked { id, code, said }, &[]).await;
    }

    async fn look_at_snapshots(&self, id: u64, task: SnapshotTask, json: bool, fds: Vec<OwnedFd>) {
        let (code, said) = Arc::clone(&self.keepers.snapshots).look_after(task, json, fds).await;
        let _ = self.link.send(&FromGuard::Looked { id, code, said }, &[]).await;
    }

    fn was_lent(&self, id: u64, failed: Option<String>, fds: Vec<OwnedFd>) {
        let ends = fds.try_into().map_err(|_| failed.unwrap_or_else(|| "no helper came".to_owned()));
        if let Some(waiting) = lock(&self.lent).remove(&id) {
            let _ = waiting.send(ends);
        }
    }

    fn was_put_back(&self, id: u64, failed: Option<String>) {
        if let Some(waiting) = lock(&self.put_backs).remove(&id) {
            let _ = waiting.send(failed.map_or(Ok(()), Err));
        }
    }

    /// Has the warden's helper put a protected file back, or take it away.
    ///
    /// # Errors
    /// Why it was not done.
    pub(crate) async fn put_back(&self, path: &str, content: Option<Vec<u8>>) -> Result<(), String> {
        let place =
            crate::files::place(path).ok_or_else(|| format!("{path} is in no place that files are put back in"))?;
        let file = content.map(|content| memory_file("creel-version", &content)).transpose();
        let file = file.map_err(|error| format!("no memory file: {error}"))?;
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        lock(&self.put_backs).insert(id, sender);
        let fds: Vec<_> = file.iter().map(AsFd::as_fd).collect();
        let answer = match self.link.send(&FromGuard::PutBack { id, place }, &fds).await {
            Ok(()) => tokio::time::timeout(PATIENCE, receiver).await,
            Err(error) => return Err(format!("the warden can't be asked: {error}")),
        };
        lock(&self.put_backs).remove(&id);
        match answer {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err("the warden said nothing".to_owned()),
            Err(_) => Err("the helper in the jail was not done in time".to_owned()),
        }
    }

    /// The helper in the jail that reads and writes the workspace, lent by the warden: what it writes and what it reads, and what
    /// to give it back by.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) async fn hands(&self) -> Result<(u64, Ends), String> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        lock(&self.lent).insert(id, sender);
        let answer = match self.link.send(&FromGuard::Hands { id }, &[]).await {
            Ok(()) => tokio::time::timeout(PATIENCE, receiver).await,
            Err(error) => return Err(format!("the warden can't be asked: {error}")),
        };
        lock(&self.lent).remove(&id);
        match answer {
            Ok(Ok(ends)) => Ok((id, ends?)),
            Ok(Err(_)) | Err(_) => Err("the warden did not lend a helper in time".to_owned()),
        }
    }

    /// Gives it back.
    pub(crate) async fn give_hands_back(&self, id: u64) {
        let _ = self.link.send(&FromGuard::HandsBack { id }, &[]).await;
    }

    /// A stream to the agent's gateway, handed over by the warden, and the gateway's token.
    pub(crate) async fn gateway(&self) -> Result<(tokio::net::TcpStream, String), String> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        lock(&self.streams).insert(id, sender);
        let sent = self.link.send(&FromGuard::Connect { id }, &[]).await;
        let answer = match sent {
            Ok(()) => tokio::time::timeout(PATIENCE, receiver).await,
            Err(error) => return Err(format!("the warden can't be asked: {error}")),
        };
        lock(&self.streams).remove(&id);
        let fd = match answer {
            Ok(Ok(stream)) => stream?,
            Ok(Err(_)) | Err(_) => return Err("the warden did not hand over a stream in time".to_owned()),
        };
        let stream = stream_of(fd).map_err(|error| format!("the stream can't be used: {error}"))?;
        Ok((stream, lock(&self.token).clone()))
    }
}

/// What `sheet` makes of a Creel that was started with `start`.
pub(super) fn in_force(start: &Config, sheet: &Sheet) -> Result<Config, String> {
    let Sheet { text, cas } = sheet;
    let fresh = Config::again(start.name(), text, &cas.0).map_err(|report| report.to_string())?;
    let config = start.with_rules_of(fresh).0;
    // what is told where changes with the next start only
    config.own_answers().map_or(Ok(config), Err)
}

/// What is known when a person acts: nothing untrusted took part.
pub(crate) fn person_facts() -> Facts {
    Facts { taint: Taint::Clean, ..Facts::default() }
}

async fn is_ready(fd: OwnedFd) -> bool {
    match stream_of(fd) {
        Ok(stream) => creel_openclaw::client::ready(stream).await.unwrap_or(false),
        Err(_) => false,
    }
}

fn stream_of(fd: OwnedFd) -> io::Result<tokio::net::TcpStream> {
    let stream = std::net::TcpStream::from(fd);
    stream.set_nonblocking(true)?;
    tokio::net::TcpStream::from_std(stream)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
