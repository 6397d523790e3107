//! Two byte streams joined, each direction looked at and counted.
//!
//! Owns what WebSockets and tunnels have in common: back-pressure, half-closes passed on, the end at a deadline, and a
//! new judgement when the rules change. Never reads what it passes: a [`Watch`] or a [`Rewrite`] of the caller's does.

use std::borrow::Cow;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Poll, ready};
use std::time::Duration;

use creel_guard::{Action, BoxFuture, Facts, Obligations, Outcome, Receipt};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf, ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{Sleep, timeout};

use super::{Config, Egress};
use crate::leak::Search;
use crate::stream::Io;

/// Bytes held of one direction, while there are any.
const BUFFER: usize = 16 * 1024;
/// When one side has ended, the other may go on, but not be silent for so long.
const AFTER_END: Duration = Duration::from_secs(60);
/// How long either side may take to hear why it ended.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why no more may pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// As a WebSocket says it (RFC 6455, section 7.4.1).
    pub(super) code: u16,
    pub(super) why: Cow<'static, str>,
}

impl Wrong {
    pub(super) fn malformed(why: impl Into<Cow<'static, str>>) -> Self {
        Self { code: 1002, why: why.into() }
    }

    pub(super) fn too_big(why: impl Into<Cow<'static, str>>) -> Self {
        Self { code: 1009, why: why.into() }
    }

    /// The rules say no.
    pub(super) fn refused(why: impl Into<Cow<'static, str>>) -> Self {
        Self { code: 1008, why: why.into() }
    }

    /// A side went away, or time is over.
    pub(super) fn broke(why: impl Into<Cow<'static, str>>) -> Self {
        Self { code: 1011, why: why.into() }
    }
}

/// Looks at the bytes of one direction before they pass.
pub(super) trait Watch: Send {
    /// How many of them count, or why they may not pass.
    fn look(&mut self, bytes: &[u8]) -> Result<u64, Wrong>;

    /// Whether something of our own could stand behind what was looked at.
    fn is_whole(&self) -> bool;
}

/// Reads the bytes of one direction, and says what passes instead.
pub(super) trait Rewrite: Send {
    /// Puts what passes into the place of `bytes`: how much of it counts, or why nothing more may pass. What is not whole yet is
    /// held.
    fn rewrite<'a>(&'a mut self, bytes: &'a mut Vec<u8>) -> BoxFuture<'a, Result<u64, Wrong>>;

    /// What is held and passes when nothing more comes.
    fn rest(&mut self) -> Vec<u8> {
        Vec::new()
    }
}

/// What is done with the bytes of one direction before they pass.
pub(super) enum Way {
    /// They are looked at, and pass as they are.
    Watched(Box<dyn Watch>),
    /// They are written anew. What passes is whole, so that something of our own can stand behind it.
    Rewritten(Box<dyn Rewrite>),
}

impl Way {
    async fn through(&mut self, bytes: &mut Vec<u8>) -> Result<u64, Wrong> {
        match self {
            Self::Watched(watch) => watch.look(bytes),
            Self::Rewritten(rewrite) => rewrite.rewrite(bytes).await,
        }
    }

    fn rest(&mut self) -> Vec<u8> {
        match self {
            Self::Watched(_) => Vec::new(),
            Self::Rewritten(rewrite) => rewrite.rest(),
        }
    }

    fn is_whole(&self) -> bool {
        match self {
            Self::Watched(watch) => watch.is_whole(),
            Self::Rewritten(_) => true,
        }
    }
}

/// Lets at most so many bytes pass.
#[derive(Debug)]
pub(super) struct AtMost(pub(super) u64);

impl Watch for AtMost {
    fn look(&mut self, bytes: &[u8]) -> Result<u64, Wrong> {
        let length = bytes.len() as u64;
        self.0 = self.0.checked_sub(length).ok_or(Wrong::too_big("more went out than may"))?;
        Ok(length)
    }

    fn is_whole(&self) -> bool {
        false
    }
}

/// Lets nothing pass that must not leave.
pub(super) struct Guarded<W> {
    pub(super) inner: W,
    pub(super) search: Option<Search>,
}

impl<W: Watch> Watch for Guarded<W> {
    fn look(&mut self, bytes: &[u8]) -> Result<u64, Wrong> {
        if let Some(search) = &mut self.search {
            search.push(bytes).map_err(|held| Wrong::refused(held.into_why()))?;
        }
        self.inner.look(bytes)
    }

    fn is_whole(&self) -> bool {
        self.inner.is_whole()
    }
}

/// A code → what the agent and what the upstream are told.
pub(super) type Farewell = fn(u16) -> (Vec<u8>, Vec<u8>);

/// Both directions.
pub(super) struct Splice {
    pub(super) agent: Box<dyn Io>,
    pub(super) upstream: Box<dyn Io>,
    pub(super) up: Way,
    pub(super) down: Way,
    /// What the agent and the upstream are told when it ends before they end it; `None` when there are no words for it. With
    /// words there are no half-closed connections.
    pub(super) farewell: Option<Farewell>,
}

/// What was admitted, to be judged again when the rules change.
pub(super) struct Standing {
    action: Action,
    facts: Facts,
    /// What was in force before it was judged.
    config: watch::Receiver<Arc<Config>>,
    pub(super) deadline: Option<Pin<Box<Sleep>>>,
    pub(super) status: Option<i64>,
}

impl Standing {
    /// What was judged.
    pub(super) fn judged(&self) -> (Action, Facts) {
        (self.action.clone(), self.facts.clone())
    }

    /// To be made before it is judged, so that no change in between is missed.
    pub(super) fn new(door: &Egress, action: &Action, facts: &Facts) -> Self {
        let mut config = door.config.clone();
        config.mark_unchanged();
        Self { action: action.clone(), facts: facts.clone(), config, deadline: None, status: None }
    }
}

/// One direction on its way.
struct Lane {
    who: &'static str,
    way: Way,
    /// What counted so far.
    count: AtomicU64,
    /// Nothing is half written, by us or by who sends.
    clean: AtomicBool,
}

impl Lane {
    fn new(who: &'static str, way: Way) -> Self {
        Self { who, way, count: AtomicU64::new(0), clean: AtomicBool::new(true) }
    }
}

/// Runs until both sides have ended, one broke, or the rules no longer allow it; then settles the receipt.
pub(super) async fn run(door: &Egress, splice: Splice, standing: Standing, receipt: Receipt) {
    let Standing { action, facts, config, mut deadline, status } = standing;
    let Splice { agent, upstream, up, down, farewell } = splice;
    let (mut from_agent, mut to_agent) = tokio::io::split(agent);
    let (mut from_upstream, mut to_upstream) = tokio::io::split(upstream);
    let (mut up, mut down) = (Lane::new("agent", up), Lane::new("upstream", down));
    let ended = {
        let (sent, received) = (&up.count, &down.count);
        let up = pass(&mut from_agent, &mut to_upstream, &mut up.way, Marks::of(up.who, sent, &up.clean));
        let down = pass(&mut from_upstream, &mut to_agent, &mut down.way, Marks::of(down.who, received, &down.clean));
        tokio::select! {
            ended = both(up, sent, down, received, farewell.is_none()) => ended,
            why = revoked(door, config, &action, &facts) => Err(Wrong::refused(why)),
            () = super::enforce::ring(&mut deadline) => Err(Wrong::broke("it was not over by its deadline")),
        }
    };
    let (sent, received) = (up.count.into_inner(), down.count.into_inner());
    let (agent, upstream) = match (&ended, farewell) {
        (Err(wrong), Some(farewell)) => farewell(wrong.code),
        _ => (Vec::new(), Vec::new()),
    };
    receipt.settle(match ended {
        Ok(()) => Outcome::Done { sent, received, status },
        Err(wrong) => Outcome::failed(format!("{}; {sent} bytes had left, {received} had come", wrong.why)),
    });
    let last = async {
        for (clean, to, words) in [(down.clean, &mut to_agent, agent), (up.clean, &mut to_upstream, upstream)] {
            if clean.into_inner() && !words.is_empty() {
                let _ = to.write_all(&words).await;
                let _ = to.flush().await;
            }
            let _ = to.shutdown().await;
        }
    };
    let _ = timeout(FAREWELL, last).await;
}

/// Until both have ended, or one where there are no `halves`. One may go on alone as long as it is not silent.
async fn both(
    up: impl Future<Output = Result<(), Wrong>>,
    sent: &AtomicU64,
    down: impl Future<Output = Result<(), Wrong>>,
    received: &AtomicU64,
    halves: bool,
) -> Result<(), Wrong> {
    let (mut up, mut down) = (std::pin::pin!(up), std::pin::pin!(down));
    tokio::select! {
        ended = up.as_mut() => { ended?; if halves { alone(down, received).await } else { Ok(()) } }
        ended = down.as_mut() => { ended?; if halves { alone(up, sent).await } else { Ok(()) } }
    }
}

async fn alone(mut lane: impl Future<Output = Result<(), Wrong>> + Unpin, count: &AtomicU64) -> Result<(), Wrong> {
    loop {
        let before = count.load(Ordering::Relaxed);
        match timeout(AFTER_END, &mut lane).await {
            Ok(ended) => return ended,
            Err(_) if count.load(Ordering::Relaxed) != before => {}
            // Who does not end after the other's end is cut off: that is an end, too.
            Err(_) => return Ok(()),
        }
    }
}

/// What is known of a lane while it runs.
#[derive(Clone, Copy)]
struct Marks<'a> {
    who: &'static str,
    count: &'a AtomicU64,
    clean: &'a AtomicBool,
}

impl<'a> Marks<'a> {
    fn of(who: &'static str, count: &'a AtomicU64, clean: &'a AtomicBool) -> Self {
        Self { who, count, clean }
    }
}

async fn pass(
    from: &mut ReadHalf<Box<dyn Io>>,
    to: &mut WriteHalf<Box<dyn Io>>,
    way: &mut Way,
    marks: Marks<'_>,
) -> Result<(), Wrong> {
    let Marks { who, count, clean } = marks;
    let stuck = |error: io::Error| Wrong::broke(format!("what the {who} sent could not be passed on: {error}"));
    let mut held = Vec::new();
    loop {
        let read = some(from, &mut held).await;
        read.map_err(|error| Wrong::broke(format!("the {who}'s connection broke: {error}")))?;
        if held.is_empty() {
            // The other side may be gone already.
            let _ = to.write_all(&way.rest()).await;
            let _ = to.shutdown().await;
            return Ok(());
        }
        let through = way.through(&mut held).await;
        let counted = through.map_err(|wrong| Wrong { why: format!("{who}: {}", wrong.why).into(), ..wrong })?;
        count.fetch_add(counted, Ordering::Relaxed);
        clean.store(false, Ordering::Relaxed);
        to.write_all(&held).await.map_err(stuck)?;
        to.flush().await.map_err(stuck)?;
        clean.store(way.is_whole(), Ordering::Relaxed);
        // Bulk keeps its buffer; whoever is about to be silent holds none.
        if held.len() < BUFFER {
            held = Vec::new();
        }
    }
}

/// Reads what there is into `held`; while it waits, nothing is held.
async fn some(from: &mut ReadHalf<Box<dyn Io>>, held: &mut Vec<u8>) -> io::Result<()> {
    held.clear();
    poll_fn(|cx| {
        let mut space = [const { std::mem::MaybeUninit::uninit() }; BUFFER];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut *from).poll_read(cx, &mut buffer))?;
        held.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(()))
    })
    .await
}

/// Completes when the rules have changed and no longer allow it.
async fn revoked(door: &Egress, mut config: watch::Receiver<Arc<Config>>, action: &Action, facts: &Facts) -> String {
    loop {
        if config.changed().await.is_err() {
            // Whoever changes the rules is gone: this guard ends.
            return std::future::pending().await;
        }
        match door.guard.admit(action.clone(), facts.clone()).await {
            Ok(permit) => {
                let (Obligations { inject: _, swaps: _, scrub: _, max_bytes: _, deadline_ms: _ }, receipt) =
                    permit.redeem();
                receipt.settle(Outcome::Done { sent: 0, received: 0, status: None });
            }
            Err(refusal) => return format!("the rules changed, and `{}` ended it", refusal.rule),
        }
    }
}
