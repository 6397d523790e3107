//! The DNS door: look-ups of the agent.
//!
//! Answers an admitted name with its synthetic address and everything else with NXDOMAIN. Never forwards a question, so
//! there is no tunnel through it. The guard process serves it on sockets planted at 127.0.0.1:53 and [::1]:53.

mod config;
mod enforce;
mod flaw;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod refuse;
mod see;
#[cfg(test)]
mod tests;
mod throttle;

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use creel_guard::{Action, Actor, Deed, Door, Facts, Guard, Resolve, Tenant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

pub use config::{MAX_MESSAGE, Sockets};

use crate::names::Names;
use crate::shutdown::Shutdown;
use config::{BAD_MESSAGES, BAD_REST, MAX_CONNECTIONS, MAX_QUERIES, PAUSE, QUERIES_A_CONNECTION, QUERY_LIMIT};
use flaw::{BadMessage, Kind};
use throttle::Throttle;

/// The DNS door of one jail.
#[derive(Clone)]
pub struct Dns {
    guard: Guard,
    tenant: Tenant,
    names: Arc<Names>,
    /// One turn a question at work, over all sockets.
    turns: Arc<Semaphore>,
    bad: Arc<Throttle>,
}

impl Dns {
    /// The door of `tenant`'s jail, whose names are in `names`.
    #[must_use]
    pub fn new(guard: Guard, tenant: Tenant, names: Arc<Names>) -> Self {
        let bad = Arc::new(Throttle::new(BAD_MESSAGES, BAD_REST));
        Self { guard, tenant, names, turns: Arc::new(Semaphore::new(MAX_QUERIES)), bad }
    }

    /// Answers one message; `None` for what deserves no answer. The record is written before.
    pub async fn answer(&self, message: &[u8]) -> Option<Vec<u8>> {
        let question = match see::question(message) {
            Ok(question) => question,
            Err(bad) => return self.malformed(message, &bad).await,
        };
        let flaw = question.host.as_ref().filter(|host| !self.names.has_room(host)).map(|_| "names-full".to_owned());
        let action = self.action(question.as_resolve());
        let needs = self.guard.needs(&action);
        let siblings = match (&needs.below, &question.host) {
            (Some(suffix), Some(host)) => Some(self.names.others_below(suffix, host)),
            _ => None,
        };
        match self.guard.admit(action, Facts { flaw, siblings, ..Facts::default() }).await {
            Ok(permit) => enforce::answer(permit, &question, &self.names),
            Err(refusal) => refuse::not_approved(&question, &refusal),
        }
    }

    /// Judges and records what is no question, then answers. Whatever the guard says, it never gets an address: a
    /// permit that is dropped says in the ledger that nothing came of it.
    async fn malformed(&self, message: &[u8], bad: &BadMessage) -> Option<Vec<u8>> {
        if !self.bad.admits(bad.kind) {
            return None;
        }
        let facts = Facts { flaw: Some(flaw::FLAW.to_owned()), ..Facts::default() };
        if let Err(refusal) = self.guard.admit(self.action(bad.as_resolve()), facts).await {
            tracing::debug!(rule = %refusal.rule, record = refusal.record, "a DNS message refused");
        }
        refuse::malformed(message, bad)
    }

    fn action(&self, resolve: Resolve) -> Action {
        Action { tenant: self.tenant.clone(), actor: Actor::Agent, door: Door::Dns, deed: Deed::Resolve(resolve) }
    }
}

/// Serves the door until `shutdown`.
pub async fn serve(door: Dns, sockets: Sockets, mut shutdown: Shutdown) {
    let mut loops = JoinSet::new();
    for socket in sockets.udp {
        loops.spawn(serve_udp(Arc::new(door.clone()), Arc::new(socket), shutdown.clone()));
    }
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    for listener in sockets.tcp {
        loops.spawn(serve_tcp(door.clone(), listener, Arc::clone(&connections), shutdown.clone()));
    }
    shutdown.wait().await;
}

async fn serve_udp(door: Arc<Dns>, socket: Arc<UdpSocket>, mut shutdown: Shutdown) {
    let mut at_work = JoinSet::new();
    // One byte more than a message may have, so that a longer one is seen to be longer.
    let mut buffer = vec![0; MAX_MESSAGE + 1];
    while let Ok(turn) = Arc::clone(&door.turns).acquire_owned().await {
        while at_work.try_join_next().is_some() {}
        let received = tokio::select! {
            biased;
            () = shutdown.closing() => break,
            received = socket.recv_from(&mut buffer) => received,
        };
        let (length, peer) = match received {
            Ok(received) => received,
            Err(error) => {
                tracing::warn!(%error, "the DNS socket failed to receive");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let message = buffer.get(..length).unwrap_or_default().to_vec();
        let (door, socket) = (Arc::clone(&door), Arc::clone(&socket));
        let mut work = Box::pin(async move {
            let _turn = turn;
            if let Some(answer) = door.answer(&message).await
                && let Err(error) = socket.send_to(&answer, peer).await
            {
                tracing::debug!(%error, "a DNS answer could not be sent");
            }
        });
        // Most look-ups wait for nobody and are answered here and now; the others go on beside, and the next ones don't wait for them.
        if !ends_at_once(work.as_mut()).await {
            at_work.spawn(work);
        }
    }
    while at_work.join_next().await.is_some() {}
}

/// Takes `work` as far as it goes without waiting; whether that was to its end. A panic ends it and nothing else.
async fn ends_at_once(mut work: Pin<&mut impl Future<Output = ()>>) -> bool {
    poll_fn(|cx| {
        let step = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx).is_ready()));
        Poll::Ready(step.unwrap_or(true))
    })
    .await
}

async fn serve_tcp(door: Dns, listener: TcpListener, connections: Arc<Semaphore>, mut shutdown: Shutdown) {
    let mut at_work = JoinSet::new();
    while let Ok(place) = Arc::clone(&connections).acquire_owned().await {
        while at_work.try_join_next().is_some() {}
        let accepted = tokio::select! {
            biased;
            () = shutdown.closing() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                at_work.spawn(serve_connection(door.clone(), stream, place));
            }
            Err(error) => {
                tracing::warn!(%error, "the DNS listener failed to accept");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    while at_work.join_next().await.is_some() {}
}

async fn serve_connection(door: Dns, mut stream: TcpStream, _place: OwnedSemaphorePermit) {
    for _ in 0..QUERIES_A_CONNECTION {
        let Some(message) = within(QUERY_LIMIT, read_message(&mut stream)).await.flatten() else { return };
        let Ok(_turn) = door.turns.acquire().await else { return };
        let Some(message) = message else {
            door.malformed(&[], &BadMessage::raw(Kind::TooLong, &[])).await;
            return;
        };
        let Some(answer) = door.answer(&message).await else { return };
        let Ok(length) = u16::try_from(answer.len()) else { return };
        let framed = [&length.to_be_bytes(), answer.as_slice()].concat();
        if !matches!(within(QUERY_LIMIT, stream.write_all(&framed)).await, Some(Ok(()))) {
            return;
        }
    }
}

/// A message with its two-byte length in front (RFC 1035, section 4.2.2); `Some(None)` when it is announced too long.
async fn read_message(stream: &mut TcpStream) -> Option<Option<Vec<u8>>> {
    let length = usize::from(stream.read_u16().await.ok()?);
    if length > MAX_MESSAGE {
        return Some(None);
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await.ok()?;
    Some(Some(message))
}

async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    timeout(limit, work).await.ok()
}
