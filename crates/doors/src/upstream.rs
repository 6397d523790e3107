//! The way out: resolving, connecting, TLS and one HTTP/1.1 exchange with an upstream.
//!
//! Owns the only `TcpStream::connect` of this crate. It never decides and never resolves while connecting: it goes to
//! the addresses that were judged and to no other. The egress and model doors call it, permit in hand.

mod abrupt;
mod exchange;
mod identity;
mod pinned;
mod resolve;
mod trust;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use creel_guard::Target;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub use exchange::Streamed;
pub(crate) use exchange::chain;
pub use identity::Identity;
pub use resolve::{DnsResolver, Over, Resolve, Resolved, Servers, SystemResolver};
pub use trust::{Trust, read_pem};

use crate::Error;
use crate::stream::{Body, Idle, Io};

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

/// Where a request goes. `addresses` are the ones that were judged: nothing else is connected to.
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

/// Opens connections to upstreams.
#[derive(Clone, Debug)]
pub struct Client {
    trust: Arc<Trust>,
}

impl Client {
    /// A client that trusts `trust`'s roots.
    #[must_use]
    pub fn new(trust: Trust) -> Self {
        Self { trust: Arc::new(trust) }
    }

    /// Connects to a judged address of `place`, over TLS if its scheme says so. Offers ALPN `http/1.1` alone.
    ///
    /// # Errors
    /// [`Error::Upstream`] or [`Error::UpstreamSlow`] when no address answers or the certificate doesn't verify.
    pub async fn open(&self, place: &Place) -> Result<Box<dyn Io>, Error> {
        let tcp = connect(place).await?;
        // Small requests must not wait for Nagle; an error here costs latency only.
        let _ = tcp.set_nodelay(true);
        let tcp = Box::new(Idle::new(tcp, IDLE_LIMIT));
        match place.scheme {
            Scheme::Http => Ok(tcp),
            Scheme::Https => self.secure(place, tcp, &[b"http/1.1"]).await,
        }
    }

    /// Makes a connection to `place` one over TLS, the certificate verified for its name. Offers these protocols.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) async fn secure(&self, place: &Place, io: Box<dyn Io>, alpn: &[&[u8]]) -> Result<Box<dyn Io>, Error> {
        let connector =
            tokio_rustls::TlsConnector::from(self.trust.client_config(&place.roots, place.identity.as_ref(), alpn)?);
        match timeout(HANDSHAKE_LIMIT, connector.connect(server_name(&place.to)?, io)).await {
            Ok(Ok(tls)) => Ok(Box::new(abrupt::Abrupt(tls))),
            Ok(Err(error)) => Err(Error::Upstream(format!("the TLS handshake with `{}` failed: {error}", place.to))),
            Err(_) => Err(Error::UpstreamSlow(format!("`{}` did not finish the TLS handshake in time", place.to))),
        }
    }

    /// Sends one request over a connection of its own and returns when the response's head is there. The URI must be in
    /// origin form; `Host` and framing headers are the caller's and hyper's. The response's body keeps the connection
    /// alive and drops it when it is dropped.
    ///
    /// # Errors
    /// [`Error::Upstream`] or [`Error::UpstreamSlow`].
    pub async fn send_request(
        &self,
        place: &Place,
        request: http::Request<Body>,
    ) -> Result<http::Response<Streamed>, Error> {
        let io = self.open(place).await?;
        exchange::exchange(io, place, request).await
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
        let mut response = self.send_request(place, request).await?;
        if response.status() != http::StatusCode::SWITCHING_PROTOCOLS {
            return Ok((response, None));
        }
        let upgraded = hyper::upgrade::on(&mut response).await;
        let upgraded = upgraded.map_err(|error| exchange::broken(place, &error))?;
        Ok((response, Some(Box::new(TokioIo::new(upgraded)))))
    }
}

/// The name that the upstream's certificate must be for.
fn server_name(to: &Target) -> Result<ServerName<'static>, Error> {
    match to {
        Target::Host(host) => ServerName::try_from(host.as_str().to_owned())
            .map_err(|_| Error::Upstream(format!("`{host}` can't be the name of a TLS server"))),
        Target::Address(address) => Ok(ServerName::IpAddress((*address).into())),
    }
}

async fn connect(place: &Place) -> Result<TcpStream, Error> {
    let attempts = async {
        let mut last = Error::Bug(format!("no address of `{}` was judged", place.to));
        for address in &place.addresses {
            match timeout(CONNECT_LIMIT_EACH, dial(SocketAddr::new(*address, place.port))).await {
                Ok(Ok(tcp)) => return Ok(tcp),
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
