//! The way out: resolving, connecting, TLS and HTTP exchanges with upstreams, over connections that are kept.
//!
//! Owns the only `TcpStream::connect` of this crate. It never decides and never resolves while connecting: it goes to
//! the addresses that were judged and to no other. The egress and model doors call it, permit in hand.

mod abrupt;
mod exchange;
mod identity;
mod pinned;
mod pool;
mod resolve;
mod trust;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use creel_guard::Target;
use http::Method;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

pub use exchange::Streamed;
pub(crate) use exchange::chain;
pub use identity::Identity;
pub use resolve::{DnsResolver, Over, Resolve, Resolved, Servers, SystemResolver};
pub use trust::{Trust, read_pem};

use crate::Error;
use crate::stream::{Body, Idle, Io};
use abrupt::Abrupt;
use exchange::Failed;
use pool::{Line, Pool, Spot};

/// A TCP connect that takes longer has failed for any client's purposes; all addresses together.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// One address of several may take so long before the next is tried.
const CONNECT_LIMIT_EACH: Duration = Duration::from_secs(4);
/// A TLS handshake that takes longer has failed.
pub const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// No byte either way for so long means a dead upstream. Models think for minutes before the first byte.
pub const IDLE_LIMIT: Duration = Duration::from_secs(300);

/// `http` or `https`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain: anyone on the way can read and change it.
    Http,
    /// Over TLS, certificate verified for the target's name.
    Https,
}

impl Scheme {
    /// As it stands in a URL.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that a URL leaves out (RFC 9110, section 4.2).
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Where a request goes. Whatever makes a place another one, a connection is not shared across (`pool`). `addresses` are the ones that were judged: nothing else is connected to.
#[derive(Clone, Debug)]
pub struct Place {
    /// Plain or TLS.
    pub scheme: Scheme,
    /// The name (or literal address) that the certificate must be for and that `Host` says.
    pub to: Target,
    /// The port.
    pub port: u16,
    /// Every address that was judged, in the order to try.
    pub addresses: Vec<IpAddr>,
    /// Roots for this place, over and above the host's.
    pub roots: Vec<CertificateDer<'static>>,
    /// Whom Creel shows itself as, where it is asked.
    pub identity: Option<Identity>,
}

/// Opens connections to upstreams, and keeps them for one tenant.
#[derive(Clone, Debug)]
pub struct Client {
    trust: Arc<Trust>,
    pool: Arc<Pool>,
}

/// What an HTTPS upstream may choose from.
const HTTP: &[&[u8]] = &[b"h2", b"http/1.1"];
/// What one may that is asked to change the protocol.
const HTTP1: &[&[u8]] = &[b"http/1.1"];

impl Client {
    /// A client that trusts `trust`'s roots.
    #[must_use]
    pub fn new(trust: Trust) -> Self {
        Self { trust: Arc::new(trust), pool: Arc::default() }
    }

    /// Connects to a judged address of `place`, over TLS if its scheme says so. Offers ALPN `http/1.1` alone.
    ///
    /// # Errors
    /// [`Error::Upstream`] or [`Error::UpstreamSlow`] when no address answers or the certificate doesn't verify.
    pub async fn open(&self, place: &Place) -> Result<Box<dyn Io>, Error> {
        Ok(self.reach(place, HTTP1).await?.0)
    }

    /// The same for another protocol than HTTP, which may be silent for as long as it likes.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn stream(&self, place: &Place) -> Result<Box<dyn Io>, Error> {
        let (tcp, _) = first_that_answers(place).await?;
        match place.scheme {
            Scheme::Http => Ok(Box::new(tcp)),
            Scheme::Https => Ok(Box::new(self.shake(place, tcp, &[]).await?)),
        }
    }

    /// A socket for datagrams to the first judged address of `place`.
    ///
    /// # Errors
    /// [`Error::Upstream`] when there is none.
    pub async fn datagram(place: &Place) -> Result<UdpSocket, Error> {
        let failed = |error: std::io::Error| Error::Upstream(format!("can't send to `{}`: {error}", place.to));
        let to =
            place.addresses.first().ok_or_else(|| Error::Bug(format!("no address of `{}` was judged", place.to)))?;
        let any: SocketAddr =
            if to.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
        let socket = UdpSocket::bind(any).await.map_err(failed)?;
        socket.connect(SocketAddr::new(*to, place.port)).await.map_err(failed)?;
        Ok(socket)
    }

    /// Makes a connection to `place` one over TLS, the certificate verified for its name. Offers these protocols.
    ///
    /// # Errors
    /// [`Error::Upstream`] or [`Error::UpstreamSlow`] when the certificate doesn't verify or the upstream is too slow.
    pub(crate) async fn secure(&self, place: &Place, io: Box<dyn Io>, alpn: &[&[u8]]) -> Result<Box<dyn Io>, Error> {
        Ok(Box::new(Abrupt(self.shake(place, io, alpn).await?)))
    }

    async fn shake<S: Io>(&self, place: &Place, io: S, alpn: &[&[u8]]) -> Result<TlsStream<S>, Error> {
        let connector =
            tokio_rustls::TlsConnector::from(self.trust.client_config(&place.roots, place.identity.as_ref(), alpn)?);
        match timeout(HANDSHAKE_LIMIT, connector.connect(server_name(&place.to)?, io)).await {
            Ok(Ok(tls)) => Ok(tls),
            Ok(Err(error)) => Err(Error::Upstream(format!("the TLS handshake with `{}` failed: {error}", place.to))),
            Err(_) => Err(Error::UpstreamSlow(format!("`{}` did not finish the TLS handshake in time", place.to))),
        }
    }

    /// A connection over TLS if the scheme says so, where it went, and whether HTTP/2 was agreed on.
    async fn reach(&self, place: &Place, alpn: &[&[u8]]) -> Result<(Box<dyn Io>, IpAddr, bool), Error> {
        let (tcp, address) = connect(place).await?;
        match place.scheme {
            Scheme::Http => Ok((Box::new(tcp), address, false)),
            Scheme::Https => {
                let tls = self.shake(place, tcp, alpn).await?;
                let is_http2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
                Ok((Box::new(Abrupt(tls)), address, is_http2))
            }
        }
    }

    /// Sends one request, over a connection that waits for one or a fresh one, and returns when the response's head is
    /// there. The URI must be in origin form; `Host` and framing headers are the caller's and hyper's. The response's body
    /// holds its connection; dropped before its end it closes it, or resets its stream.
    ///
    /// A request is sent again only when it was never begun, or when it is a mere read without a body and its connection
    /// turned out to be gone.
    ///
    /// # Errors
    /// [`Error::Upstream`] or [`Error::UpstreamSlow`].
    pub async fn send_request(
        &self,
        place: &Place,
        mut request: http::Request<Body>,
    ) -> Result<http::Response<Streamed>, Error> {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS)
            && http_body::Body::is_end_stream(request.body());
        let within = if is_read { pool::READS_WITHIN } else { pool::WRITES_WITHIN };
        while let Some(line) = self.pool.take(place, within) {
            let again = is_read.then(|| copied(&request));
            match exchange::send(line, place, request, &self.pool).await {
                Ok(response) => return Ok(response),
                Err(Failed::Unsent(unsent)) => request = *unsent,
                Err(Failed::Broken(error)) => return Err(error),
                Err(Failed::Gone(error)) => request = again.ok_or(error)?,
            }
        }
        let (io, address, is_http2) = self.reach(place, HTTP).await?;
        let spot = Spot::new(place, address);
        let line = exchange::line(io, spot, is_http2).await?;
        if let Line::Http2(line) = &line {
            self.pool.put(Line::Http2(line.clone()));
        }
        exchange::send(line, place, request, &self.pool).await.map_err(|failed| match failed {
            Failed::Unsent(_) => Error::Upstream(format!("`{}` closed the connection at once", place.to)),
            Failed::Gone(error) | Failed::Broken(error) => error,
        })
    }

    /// Sends a request that asks for another protocol. With the answer comes the connection, when the upstream agreed:
    /// it is no longer HTTP.
    ///
    /// # Errors
    /// As [`Self::send_request`].
    pub async fn switch(
        &self,
        place: &Place,
        request: http::Request<Body>,
    ) -> Result<(http::Response<Streamed>, Option<Box<dyn Io>>), Error> {
        let (io, ..) = self.reach(place, HTTP1).await?;
        let mut response = exchange::alone(io, place, request).await?;
        if response.status() != http::StatusCode::SWITCHING_PROTOCOLS {
            return Ok((response, None));
        }
        let upgraded = hyper::upgrade::on(&mut response).await;
        let upgraded = upgraded.map_err(|error| exchange::broken(place, &error))?;
        Ok((response, Some(Box::new(TokioIo::new(upgraded)))))
    }
}

/// The head of a request that has no body.
fn copied(request: &http::Request<Body>) -> http::Request<Body> {
    let mut copy = http::Request::new(crate::stream::empty());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    copy
}

/// The name that the upstream's certificate must be for.
fn server_name(to: &Target) -> Result<ServerName<'static>, Error> {
    match to {
        Target::Host(host) => ServerName::try_from(host.as_str().to_owned())
            .map_err(|_| Error::Upstream(format!("`{host}` can't be the name of a TLS server"))),
        Target::Address(address) => Ok(ServerName::IpAddress((*address).into())),
    }
}

async fn connect(place: &Place) -> Result<(Idle<TcpStream>, IpAddr), Error> {
    let (tcp, address) = first_that_answers(place).await?;
    Ok((Idle::new(tcp, IDLE_LIMIT), address))
}

async fn first_that_answers(place: &Place) -> Result<(TcpStream, IpAddr), Error> {
    let attempts = async {
        let mut last = Error::Bug(format!("no address of `{}` was judged", place.to));
        for address in &place.addresses {
            match timeout(CONNECT_LIMIT_EACH, dial(SocketAddr::new(*address, place.port))).await {
                Ok(Ok(tcp)) => {
                    // Small requests must not wait for Nagle; an error here costs latency only.
                    let _ = tcp.set_nodelay(true);
                    return Ok((tcp, *address));
                }
                Ok(Err(error)) => last = Error::Upstream(format!("can't connect to `{}`: {error}", place.to)),
                Err(_) => last = slow_connect(place),
            }
        }
        Err(last)
    };
    timeout(CONNECT_LIMIT, attempts).await.unwrap_or_else(|_| Err(slow_connect(place)))
}

fn slow_connect(place: &Place) -> Error {
    Error::UpstreamSlow(format!("`{}` did not answer on port `{}` in time", place.to, place.port))
}

#[expect(clippy::disallowed_methods, reason = "the one place where bytes leave: callers hold a permit")]
async fn dial(address: SocketAddr) -> std::io::Result<TcpStream> {
    TcpStream::connect(address).await
}
