//! Connections to upstreams that wait for the next request.
//!
//! Owns [`Pool`]: a connection is used again only for the very place that it was opened for, name, port, scheme, roots
//! and identity, at
//! an address that was judged for this request. One pool belongs to one tenant's doors. It never connects and never sends.
//! Asked by [`super::Client`].

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use creel_guard::Target;
use hyper::client::conn::{http1, http2};
use rustls::pki_types::CertificateDer;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::{Identity, Place, Scheme};
use crate::stream::Body;

/// A connection that waited longer is not used for anything: servers close theirs after 5 to 120 s.
pub(super) const READS_WITHIN: Duration = Duration::from_secs(30);
/// A request with an effect is never sent twice, so it takes no connection that may be closing (Node closes after 5 s).
pub(super) const WRITES_WITHIN: Duration = Duration::from_secs(4);
/// A connection that is not ready for another request by then is given up.
const READY_WITHIN: Duration = Duration::from_secs(5);
/// Idle connections of one tenant; some 20 KiB each.
const MAX_IDLE: usize = 256;
/// To one name and port.
const MAX_IDLE_EACH: usize = 64;
/// Streams of one HTTP/2 connection that are answered at a time; servers allow 100 or more.
const MAX_STREAMS: usize = 100;

/// What a connection was opened for.
#[derive(Debug)]
pub(super) struct Spot {
    scheme: Scheme,
    pub(super) to: Target,
    port: u16,
    roots: Vec<CertificateDer<'static>>,
    identity: Option<Identity>,
    /// Where it went.
    address: IpAddr,
}

impl Spot {
    pub(super) fn new(place: &Place, address: IpAddr) -> Self {
        let Place { scheme, to, port, addresses: _, roots, identity } = place.clone();
        Self { scheme, to, port, roots, identity, address }
    }

    /// Whether a request for `place` may take this connection.
    fn serves(&self, place: &Place) -> bool {
        let Place { scheme, to, port, addresses, roots, identity } = place;
        self.scheme == *scheme
            && self.port == *port
            && self.to == *to
            && addresses.contains(&self.address)
            && self.roots == *roots
            && self.identity == *identity
    }
}

/// Drives a connection; stops it when dropped.
#[derive(Debug)]
pub(super) struct Driver(pub(super) JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A connection on which one request at a time is answered.
#[derive(Debug)]
pub(super) struct Http1 {
    pub(super) spot: Arc<Spot>,
    pub(super) sender: http1::SendRequest<Body>,
    #[expect(dead_code, reason = "held, not read: dropped, it closes the connection")]
    pub(super) driver: Driver,
}

/// A connection on which many are. Each clone is a request under way, but for the pool's own.
#[derive(Clone, Debug)]
pub(super) struct Http2 {
    pub(super) spot: Arc<Spot>,
    pub(super) sender: http2::SendRequest<Body>,
    pub(super) driver: Arc<Driver>,
}

/// Either.
#[derive(Debug)]
pub(super) enum Line {
    Http1(Http1),
    Http2(Http2),
}

#[derive(Debug)]
struct Kept {
    since: Instant,
    line: Line,
}

/// Idle connections, and those of HTTP/2 that are shared.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    places: HashMap<Target, Vec<Kept>>,
    count: usize,
    /// Somebody sees to it that what waits too long is closed.
    tended: bool,
}

impl Pool {
    /// A connection for `place` that waited no longer than `within`.
    pub(super) fn take(&self, place: &Place, within: Duration) -> Option<Line> {
        let now = now();
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Inner { places, count, .. } = &mut *inner;
        let kept = places.get_mut(&place.to)?;
        let before = kept.len();
        kept.retain(Kept::is_open);
        *count -= before - kept.len();
        let fits = |one: &Kept| match &one.line {
            // Once a connection is multiplexed, pings keep it known to be alive.
            Line::Http2(line) => line.spot.serves(place) && Arc::strong_count(&line.driver) <= MAX_STREAMS,
            Line::Http1(line) => {
                line.spot.serves(place) && now.duration_since(one.since) <= within && line.sender.is_ready()
            }
        };
        let at = kept.iter().rposition(fits)?;
        if let Some(Kept { since, line: Line::Http2(line) }) = kept.get_mut(at) {
            *since = now;
            return Some(Line::Http2(line.clone()));
        }
        *count -= 1;
        Some(kept.swap_remove(at).line)
    }

    /// Keeps a connection for later, once it is ready for another request.
    pub(super) fn put(self: &Arc<Self>, line: Line) {
        match line {
            Line::Http1(mut line) if !line.sender.is_ready() => {
                let pool = Arc::clone(self);
                // An answer may be whole before its request is, or its driver may not have noticed yet.
                tokio::spawn(async move {
                    if let Ok(Ok(())) = timeout(READY_WITHIN, line.sender.ready()).await {
                        pool.keep(Line::Http1(line));
                    }
                });
            }
            line => self.keep(line),
        }
    }

    fn keep(self: &Arc<Self>, line: Line) {
        let spot = match &line {
            Line::Http1(line) => &line.spot,
            Line::Http2(line) => &line.spot,
        };
        let to = spot.to.clone();
        let kept = Kept { since: now(), line };
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.is_open() || inner.count >= MAX_IDLE {
            return;
        }
        let place = inner.places.entry(to).or_default();
        if place.len() >= MAX_IDLE_EACH {
            return;
        }
        place.push(kept);
        inner.count += 1;
        if !std::mem::replace(&mut inner.tended, true) {
            tokio::spawn(tend(Arc::downgrade(self)));
        }
    }

    /// Drops what waited too long; false when nothing is left.
    fn sweep(&self) -> bool {
        let now = now();
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for kept in inner.places.values_mut() {
            kept.retain(|one| one.is_open() && (one.is_busy() || now.duration_since(one.since) <= READS_WITHIN));
        }
        inner.places.retain(|_, kept| !kept.is_empty());
        inner.count = inner.places.values().map(Vec::len).sum();
        inner.tended = inner.count > 0;
        inner.tended
    }
}

impl Kept {
    fn is_open(&self) -> bool {
        match &self.line {
            Line::Http1(line) => !line.sender.is_closed(),
            Line::Http2(line) => !line.sender.is_closed(),
        }
    }

    fn is_busy(&self) -> bool {
        matches!(&self.line, Line::Http2(line) if Arc::strong_count(&line.driver) > 1)
    }
}

async fn tend(pool: std::sync::Weak<Pool>) {
    loop {
        tokio::time::sleep(READS_WITHIN / 2).await;
        let Some(pool) = pool.upgrade() else { return };
        if !pool.sweep() {
            return;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this file owns the clock of idle connections")]
fn now() -> Instant {
    Instant::now()
}
