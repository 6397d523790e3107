//! The egress door: bytes leaving the jail.
//!
//! Takes connections that the kernel turned round to it, reads the requests on them, has each one judged, and carries
//! the admitted ones out. It never decides, and never resolves or connects before the answer. The guard process serves
//! it on sockets planted inside the jail's network namespace.

mod chunks;
pub mod config;
mod declared;
mod enforce;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod gate;
mod head;
mod headers;
mod meter;
mod refuse;
mod relay;
mod see;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use creel_guard::{Action, Actor, Deed, Door, Facts, Guard, Needs, Send as SendDeed, Target, Tenant};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;

pub use config::{Config, HostPattern, HostSettings};
pub use meter::Meter;
pub use see::Flaw;

use crate::accept;
use crate::ca::Ca;
use crate::names::Names;
use crate::shutdown::Shutdown;
use crate::stream::{Body, Idle, Io};
use crate::upstream::{Client, Place, Resolve, Scheme};
use config::{HANDSHAKE_LIMIT, HEAD_LIMIT, IDLE_LIMIT, MAX_CONNECTIONS};
use enforce::{Admitted, Bodily};
use gate::{Gate, Ruling, Rulings};
use refuse::Ground;
use see::{Aim, Seen};

/// Says where a connection was going before the kernel turned it round (`SO_ORIGINAL_DST`).
pub type OriginalDestination = Arc<dyn Fn(&TcpStream) -> io::Result<SocketAddr> + Send + Sync>;

/// Hyper's buffer: a whole head and some of the body behind it.
const BUFFER: usize = head::MAX_HEAD + 32 * 1024;

/// What the egress door of one jail works with.
#[derive(Clone)]
pub struct Egress {
    /// The one door to pass.
    pub guard: Guard,
    /// Whose jail it is.
    pub tenant: Tenant,
    /// What synthetic addresses stand for.
    pub names: Arc<Names>,
    /// Mints what the agent's TLS clients see.
    pub ca: Arc<Ca>,
    /// Opens connections to upstreams.
    pub client: Client,
    /// Resolves approved names.
    pub resolver: Arc<dyn Resolve>,
    /// What the operator approved; read at each request.
    pub config: watch::Receiver<Arc<Config>>,
    /// Where connections were going.
    pub original: OriginalDestination,
    /// Counts requests by the policy's rates.
    pub meter: Arc<Meter>,
}

/// Serves connections that were turned round to `listeners`, until `shutdown`.
pub async fn serve_transparent(door: Egress, listeners: Vec<TcpListener>, shutdown: Shutdown) {
    let door = Arc::new(door);
    let work = move |stream| Arc::clone(&door).connection(stream);
    accept::serve("egress", listeners, MAX_CONNECTIONS, shutdown, work).await;
}

impl Egress {
    async fn connection(self: Arc<Self>, stream: TcpStream) {
        let Ok(own) = stream.local_addr() else { return };
        // Without an original destination the connection was made to our own socket.
        let origin = (self.original)(&stream).unwrap_or(own);
        let aim = Aim::new(origin, own, &self.names);
        if let Some(flaw) = aim.flaw {
            return self.record(&aim, flaw).await;
        }
        let mut first = [0];
        match timeout(HANDSHAKE_LIMIT, stream.peek(&mut first)).await {
            Ok(Ok(0) | Err(_)) => {
                // A name was approved when it got its address, and clients race connects and drop the losers. A connect
                // to a literal address is an attempt, whatever follows.
                if matches!(aim.to, Target::Address(_)) {
                    self.record(&aim, Flaw::NotHttp).await;
                }
            }
            Ok(Ok(_)) => self.sniffed(aim, first, stream).await,
            Err(_) => self.record(&aim, Flaw::NotHttp).await,
        }
    }

    async fn sniffed(self: Arc<Self>, aim: Aim, first: [u8; 1], stream: TcpStream) {
        // Costs latency only when it fails.
        let _ = stream.set_nodelay(true);
        let stream = Idle::new(stream, IDLE_LIMIT);
        // RFC 8446, section 5.1: a handshake record begins with 22.
        if first == [22] {
            self.tls(aim, stream).await;
        } else {
            self.http(aim, Scheme::Http, stream).await;
        }
    }

    async fn tls(self: Arc<Self>, aim: Aim, stream: Idle<TcpStream>) {
        let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream);
        let start = match timeout(HANDSHAKE_LIMIT, hello).await {
            Ok(Ok(start)) => start,
            Ok(Err(_)) | Err(_) => return self.record(&aim, Flaw::BadTls).await,
        };
        if !aim.agrees_with_sni(start.client_hello().server_name()) {
            return self.record(&aim, Flaw::SniMismatch).await;
        }
        let config = match self.ca.server_config(&aim.to) {
            Ok(config) => config,
            Err(error) => {
                tracing::error!(%error, "no certificate for the agent's client");
                return self.record(&aim, Flaw::BadTls).await;
            }
        };
        match timeout(HANDSHAKE_LIMIT, start.into_stream(config)).await {
            Ok(Ok(stream)) => self.http(aim, Scheme::Https, stream).await,
            Ok(Err(error)) => {
                tracing::debug!(%error, to = %aim.to, "the agent's TLS handshake failed");
                self.record(&aim, Flaw::BadTls).await;
            }
            Err(_) => self.record(&aim, Flaw::BadTls).await,
        }
    }

    async fn http(self: Arc<Self>, aim: Aim, scheme: Scheme, stream: impl Io) {
        let aim = Arc::new(aim);
        let rulings = Rulings::default();
        let gate = Gate::new(stream, rulings.clone());
        let service = service_fn(|request| {
            // Taken here and not in the future: rulings and requests pair up in order.
            let ruling = rulings.next();
            let (door, aim) = (Arc::clone(&self), Arc::clone(&aim));
            async move { Ok::<_, Infallible>(door.request(&aim, scheme, ruling, request).await) }
        });
        let served = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_LIMIT)
            .max_headers(head::MAX_LINES)
            .max_buf_size(BUFFER)
            .serve_connection(TokioIo::new(gate), service)
            .await;
        if let Err(error) = served {
            tracing::debug!(%error, to = %aim.to, "the agent's connection ended");
        }
        if rulings.partial() {
            self.record(&aim, Flaw::BadRequest).await;
        }
    }

    /// One request: seen, judged, carried out or refused.
    async fn request(&self, aim: &Aim, scheme: Scheme, ruling: Ruling, request: Request<Incoming>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let Seen { send, mut flaw, head } =
            see::request(aim, scheme, &parts.method, &parts.uri, &parts.headers, ruling);
        let mut action = self.action(send);
        let needs = if flaw.is_none() { self.guard.needs(&action) } else { Needs::default() };
        let spent = self.meter.count(&needs.rates);
        let siblings = match (&needs.below, &aim.to) {
            (Some(suffix), Target::Host(host)) => Some(self.names.others_below(suffix, host)),
            _ => None,
        };
        let body = match (needs.form, &mut action.deed) {
            (Some(form), Deed::Send(send)) if send.body != Some(0) => {
                send.content = declared::read(form, &send.headers, body).await;
                send.body = send.content.as_ref().map(|content| content.text.len() as u64);
                flaw = send.content.is_none().then_some(Flaw::BadBody);
                send.content.as_ref().map(|content| Bodily::Judged(Arc::clone(&content.text)))
            }
            _ => Some(Bodily::Streamed(body)),
        };
        let (place, ground) = match flaw {
            Some(flaw) => (None, Ground::Flaw(flaw)),
            None => self.place(aim, scheme).await,
        };
        let facts = Facts {
            addresses: place.as_ref().map_or_else(Vec::new, |place| place.addresses.clone()),
            flaw: flaw.map(|flaw| flaw.word().to_owned()),
            spent,
            siblings,
            ..Facts::default()
        };
        let path = match &action.deed {
            Deed::Send(send) => send.path.clone(),
            _ => String::new(),
        };
        let answer = self.guard.admit(action, facts).await;
        // A name below a wildcard that came past the dns door counts from now on.
        let counted = answer.is_err()
            || siblings.is_none()
            || matches!(&aim.to, Target::Host(host) if self.names.assign(host).is_ok());
        match (answer, head, place, body) {
            (Ok(permit), Some(head), Some(place), Some(body)) if flaw.is_none() && counted => {
                let authority = aim.authority(scheme);
                let admitted = Admitted { parts, body, path, head, authority, place };
                enforce::carry_out(&self.client, permit, admitted).await
            }
            (Ok(permit), _, _, _) => enforce::decline(permit),
            (Err(refusal), _, _, _) => refuse::refusal(&refusal, ground),
        }
    }

    /// Where a request would go, and what a refusal would then be about. Only names that the operator approved are
    /// resolved: a name is bytes that leave, too.
    async fn place(&self, aim: &Aim, scheme: Scheme) -> (Option<Place>, Ground) {
        let config = Arc::clone(&self.config.borrow());
        let settings = config.settings(&aim.to, aim.port);
        let addresses = match (&aim.to, settings) {
            (Target::Address(address), _) => vec![*address],
            (Target::Host(_), None) => return (None, Ground::Rule),
            (Target::Host(_), Some(HostSettings { address: Some(pinned), .. })) => vec![*pinned],
            (Target::Host(host), Some(_)) => self.resolver.resolve(host).await.unwrap_or_else(|error| {
                tracing::debug!(%error, %host, "an approved name does not resolve");
                Vec::new()
            }),
        };
        if addresses.is_empty() {
            return (None, Ground::Unresolved);
        }
        let roots = settings.map_or_else(Vec::new, |settings| settings.ca.clone());
        (Some(Place { scheme, to: aim.to.clone(), port: aim.port, addresses, roots }), Ground::Rule)
    }

    /// Records a connection that goes no further. Were it admitted, the dropped permit says that nothing came of it.
    async fn record(&self, aim: &Aim, flaw: Flaw) {
        let facts = Facts { flaw: Some(flaw.word().to_owned()), ..Facts::default() };
        if let Err(refusal) = self.guard.admit(self.action(aim.as_send()), facts).await {
            tracing::debug!(rule = %refusal.rule, record = refusal.record, to = %aim.to, "connection refused");
        }
    }

    fn action(&self, send: SendDeed) -> Action {
        Action { tenant: self.tenant.clone(), actor: Actor::Agent, door: Door::Egress, deed: Deed::Send(send) }
    }
}
