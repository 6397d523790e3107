//! Three ways in, one way on: connections that were turned round, `CONNECT`, and absolute URIs.
//!
//! Owns what a connection is made of: who says where it goes, TLS, and the HTTP/1.1 or HTTP/2 server on it. Never judges:
//! each request goes to [`Egress::request`], whichever way it came. Called for each accepted connection.

use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};

use creel_guard::{Facts, Mode, Obligations, Outcome, Target};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;

use super::aim::Aim;
use super::config::{HANDSHAKE_LIMIT, HEAD_LIMIT, IDLE_LIMIT};
use super::gate::{Gate, Ruling, Rulings};
use super::head::{self, Switch, Wrong};
use super::http2::{self, Resets, Watched};
use super::refuse::{self, Ground, Malformed, Voice};
use super::{Egress, Flaw, enforce, tunnel};
use crate::stream::{self, Body, Idle, Io, Prefixed};
use crate::upstream::Scheme;

/// Hyper's buffer: a whole head and some of the body behind it.
const BUFFER: usize = head::MAX_HEAD + 32 * 1024;
/// Streams at a time on one HTTP/2 connection (RFC 9113, section 6.5.2, asks for no fewer than 100).
const MAX_STREAMS: u32 = 100;
/// Streams that the agent reset before they were served, and those that we reset: beyond them the connection ends.
const MAX_RESETS: usize = 32;
/// What the agent may send ahead on one stream, and on all of a connection.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// Work that a boxed future does.
pub(super) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Who says where the requests of a connection go.
#[derive(Clone, Debug)]
enum Via {
    /// The connection itself, or the `CONNECT` that opened it.
    Connection(Arc<Aim>, Scheme),
    /// Each request: the explicit proxy. Holds our own socket.
    Requests(Arc<Aim>),
}

/// A request as it came, and where it says that it goes.
pub(super) struct Asked {
    pub(super) aim: Arc<Aim>,
    pub(super) scheme: Scheme,
    pub(super) ruling: Ruling,
    /// It came to the explicit proxy.
    pub(super) explicit: bool,
    /// How it leaves HTTP, should it want to.
    pub(super) switches: Switches,
}

impl Via {
    fn aim(&self) -> &Arc<Aim> {
        match self {
            Self::Connection(aim, _) | Self::Requests(aim) => aim,
        }
    }

    fn asked(&self, door: &Egress, request: &Request<Incoming>, ruling: Ruling, switches: Switches) -> Asked {
        let own = match self {
            Self::Connection(aim, scheme) => {
                return Asked { aim: Arc::clone(aim), scheme: *scheme, ruling, explicit: false, switches };
            }
            Self::Requests(own) => own,
        };
        let uri = request.uri();
        let scheme = if uri.scheme_str() == Some("https") { Scheme::Https } else { Scheme::Http };
        let left_out = match (request.method(), uri.scheme_str()) {
            (&Method::CONNECT, None) => Some(None),
            (_, Some("http" | "https")) => Some(Some(scheme.default_port())),
            _ => None,
        };
        let named = match (left_out, uri.authority()) {
            (Some(left_out), Some(authority)) => Aim::named(authority.as_str(), left_out, &door.names),
            _ => None,
        };
        let Some(aim) = named else {
            let wrong = ruling.and(Err(Wrong::Malformed("the request names no place that a proxy could go to")));
            return Asked { aim: Arc::clone(own), scheme, ruling: wrong, explicit: true, switches };
        };
        Asked { aim: Arc::new(aim), scheme, ruling, explicit: true, switches }
    }
}

/// Where a `CONNECT` leaves what goes on when its answer is written.
#[derive(Clone, Default)]
pub(super) struct Later(Arc<Mutex<Option<Work>>>);

impl Later {
    fn put(&self, work: Work) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(work);
    }

    fn take(&self) -> Option<Work> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// How a request leaves HTTP.
#[derive(Clone)]
pub(super) enum Switches {
    /// With its connection, once the answer is written.
    Http1(Later, Rulings),
    /// With its stream.
    Http2,
}

impl Switches {
    /// `work` goes on with what the request came on.
    pub(super) fn take_over(&self, work: Work) {
        match self {
            Self::Http1(later, rulings) => {
                later.put(work);
                rulings.open();
            }
            // It ends with the connection, whose streams then break.
            Self::Http2 => drop(tokio::spawn(work)),
        }
    }
}

impl Egress {
    /// A connection that the kernel turned round.
    pub(super) async fn turned_round(self: Arc<Self>, stream: TcpStream) {
        let Ok(own) = stream.local_addr() else { return };
        // Without an original destination the connection was made to our own socket.
        let origin = (self.original)(&stream).unwrap_or(own);
        let aim = Aim::new(origin, own, &self.names);
        self.arrived(Arc::new(aim), watched(stream)).await;
    }

    /// A connection to the explicit proxy.
    pub(super) async fn to_proxy(self: Arc<Self>, stream: TcpStream) {
        let Ok(own) = stream.local_addr() else { return };
        self.http1(Via::Requests(Arc::new(Aim::own(own))), watched(stream)).await;
    }

    /// Bytes for `aim`: TLS, or HTTP as it stands. Boxed, since what a `CONNECT` opened comes here again.
    fn arrived(self: Arc<Self>, aim: Arc<Aim>, mut stream: Box<dyn Io>) -> Work {
        Box::pin(async move {
            if let Some(flaw) = aim.flaw {
                return self.record(&aim, flaw).await;
            }
            let mode = self.mode(&aim);
            if mode != Mode::Http {
                return tunnel::serve(self, aim, mode, stream).await;
            }
            let mut first = [0];
            match timeout(HANDSHAKE_LIMIT, stream.read(&mut first)).await {
                Ok(Ok(0) | Err(_)) => {
                    // A name was approved when it got its address, and clients race connects and drop the losers. A
                    // connect to a literal address is an attempt, whatever follows.
                    if matches!(aim.to, Target::Address(_)) {
                        self.record(&aim, Flaw::NotHttp).await;
                    }
                }
                Ok(Ok(_)) => {
                    let stream: Box<dyn Io> = Box::new(Prefixed::new(first.to_vec().into(), stream));
                    // RFC 8446, section 5.1: a handshake record begins with 22.
                    if first == [22] {
                        self.tls(aim, stream).await;
                    } else {
                        self.http1(Via::Connection(aim, Scheme::Http), stream).await;
                    }
                }
                Err(_) => self.record(&aim, Flaw::NotHttp).await,
            }
        })
    }

    async fn tls(self: Arc<Self>, aim: Arc<Aim>, stream: Box<dyn Io>) {
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
            Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
                self.http2(aim, Box::new(stream)).await;
            }
            Ok(Ok(stream)) => self.http1(Via::Connection(aim, Scheme::Https), Box::new(stream)).await,
            Ok(Err(error)) => {
                tracing::debug!(%error, to = %aim.to, "the agent's TLS handshake failed");
                self.record(&aim, Flaw::BadTls).await;
            }
            Err(_) => self.record(&aim, Flaw::BadTls).await,
        }
    }

    async fn http1(self: Arc<Self>, via: Via, stream: Box<dyn Io>) {
        let rulings = Rulings::default();
        let gate = Gate::new(stream, rulings.clone());
        let later = Later::default();
        let service = service_fn(|request: Request<Incoming>| {
            // Taken here and not in the future: rulings and requests pair up in order.
            let switches = Switches::Http1(later.clone(), rulings.clone());
            let asked = via.asked(&self, &request, rulings.next(), switches);
            let door = Arc::clone(&self);
            async move {
                let switch = asked.ruling.as_ref().map_or(Switch::None, |head| head.switch);
                let mut response = if asked.explicit && switch == Switch::Connect {
                    door.connect(asked, request).await
                } else {
                    door.request(asked, request).await
                };
                if switch == Switch::WebSocket && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                    // What came behind the request is held and never read.
                    response.headers_mut().insert(http::header::CONNECTION, CLOSE);
                }
                Ok::<_, Infallible>(response)
            }
        });
        let served = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_LIMIT)
            .max_headers(head::MAX_LINES)
            .max_buf_size(BUFFER)
            .serve_connection(TokioIo::new(gate), service)
            .with_upgrades()
            .await;
        if let Err(error) = served {
            tracing::debug!(%error, to = %via.aim().to, "the agent's connection ended");
        }
        if let Some(work) = later.take() {
            work.await;
        } else if rulings.partial() {
            self.record(via.aim(), Flaw::BadRequest).await;
        }
    }

    async fn http2(self: Arc<Self>, aim: Arc<Aim>, stream: Box<dyn Io>) {
        let resets = Arc::new(Resets::default());
        let watched = Watched::new(stream, Arc::clone(&resets));
        let via = Via::Connection(Arc::clone(&aim), Scheme::Https);
        let (door, ours) = (Arc::clone(&self), Arc::clone(&resets));
        let service = service_fn(move |request: Request<Incoming>| {
            let asked = via.asked(&door, &request, http2::ruling(&request), Switches::Http2);
            let (door, ours) = (Arc::clone(&door), Arc::clone(&ours));
            async move {
                let mut response = door.request(asked, request).await;
                if response.extensions().get::<Malformed>().is_some() {
                    ours.expect();
                    return Err(h2::Error::from(h2::Reason::PROTOCOL_ERROR));
                }
                response.headers_mut().remove(http::header::CONNECTION);
                Ok(response)
            }
        });
        let mut served = pin!(
            hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .max_concurrent_streams(MAX_STREAMS)
                .max_pending_accept_reset_streams(MAX_RESETS)
                .max_local_error_reset_streams(MAX_RESETS)
                .max_header_list_size(u32::try_from(head::MAX_HEAD).unwrap_or(u32::MAX))
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .max_send_buf_size(64 * 1024)
                .enable_connect_protocol()
                .serve_connection(TokioIo::new(watched), service)
        );
        let ended = loop {
            let found = tokio::select! {
                ended = served.as_mut() => break ended,
                found = resets.found() => found,
            };
            self.malformed(&aim, found).await;
        };
        if let Err(error) = ended {
            tracing::debug!(%error, to = %aim.to, "the agent's connection ended");
        }
        self.malformed(&aim, resets.take()).await;
    }

    /// Records requests that the HTTP/2 server refused before they were any.
    async fn malformed(&self, aim: &Aim, count: usize) {
        for _ in 0..count {
            self.record(aim, Flaw::BadRequest).await;
        }
    }

    /// A `CONNECT` to the explicit proxy: it opens nothing itself, what comes on it is judged as if it had been turned round.
    async fn connect(self: &Arc<Self>, asked: Asked, mut request: Request<Incoming>) -> Response<Body> {
        let aim = asked.aim;
        let host = asked.ruling.map(|head| head.host).unwrap_or_default();
        // The port may be left out here: clients do.
        let agrees = host.is_empty() || aim.agrees_with(&host, aim.port);
        let flaw = aim.flaw.or((!agrees).then_some(Flaw::HostMismatch));
        let mut send = aim.as_send();
        send.method = Some(Method::CONNECT.to_string());
        let action = self.action(send);
        let siblings = self.siblings(&self.guard.needs(&action), &aim.to);
        let word = flaw.map(|flaw| flaw.word().to_owned());
        let facts = Facts { flaw: word, siblings, ..Facts::default() };
        let permit = match self.guard.admit(action, facts).await {
            Ok(permit) if flaw.is_none() && self.counted(siblings, &aim.to) => permit,
            Ok(permit) => return enforce::decline(permit),
            Err(refusal) => {
                let ground = match flaw {
                    Some(Flaw::HostMismatch) => Ground::TwoPlaces,
                    Some(flaw) => Ground::Flaw(flaw),
                    None => Ground::Rule,
                };
                let mut response = refuse::refusal(&refusal, ground, Voice::Problem);
                // What the client sent behind the request is held and never read.
                response.headers_mut().insert(http::header::CONNECTION, CLOSE);
                return response;
            }
        };
        let (obligations, receipt) = permit.redeem();
        // Nothing leaves by it, which meets any bound on bytes and time.
        let Obligations { inject, swaps, scrub: _, max_bytes: _, deadline_ms: _ } = obligations;
        if inject.is_some() || !swaps.is_empty() {
            receipt.settle(Outcome::failed("a CONNECT has no place for a secret"));
            return refuse::closed();
        }
        receipt.settle(Outcome::Done { sent: 0, received: 0, status: Some(200) });
        let (door, on) = (Arc::clone(self), hyper::upgrade::on(&mut request));
        asked.switches.take_over(Box::pin(async move {
            if let Ok(upgraded) = on.await {
                door.arrived(aim, Box::new(TokioIo::new(upgraded))).await;
            }
        }));
        Response::new(stream::empty())
    }
}

fn watched(stream: TcpStream) -> Box<dyn Io> {
    // Costs latency only when it fails.
    let _ = stream.set_nodelay(true);
    Box::new(Idle::new(stream, IDLE_LIMIT))
}
