//! The clients: so many at a time, each one request after the other.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use creel_doors::stream::Io;
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::door::TUNNELLED;
use super::naive::dial;
use super::origin::{Ports, believing};
use super::others::Process;
use super::{Failure, HOST};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Tunnel,
    Intercepted1,
    Intercepted2,
    Fresh,
}

impl Kind {
    pub(super) const ALL: [Self; 5] = [Self::Plain, Self::Tunnel, Self::Intercepted1, Self::Intercepted2, Self::Fresh];

    pub(super) fn callers(self) -> &'static [usize] {
        if self == Self::Fresh { &[1] } else { &[1, 32] }
    }

    fn requests(self) -> usize {
        if self == Self::Fresh { 300 } else { 4000 }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain, keep-alive",
            Self::Tunnel => "tunnel, keep-alive within",
            Self::Intercepted1 => "intercepted, HTTP/1.1, keep-alive",
            Self::Intercepted2 => "intercepted, HTTP/2, keep-alive",
            Self::Fresh => "intercepted, a fresh connection a request",
        })
    }
}

/// How long each request took.
pub(super) struct Taken {
    pub(super) each: Vec<Duration>,
}

/// A load that can be run.
#[derive(Clone)]
pub(super) struct Load {
    kind: Kind,
    callers: usize,
    ports: Ports,
    proxy: Option<u16>,
    tls: TlsConnector,
}

/// A connection, whatever it speaks.
enum Sender {
    One(http1::SendRequest<Empty<Bytes>>),
    Many(http2::SendRequest<Empty<Bytes>>),
}

impl Load {
    pub(super) fn new(
        folder: &Path,
        ports: Ports,
        kind: Kind,
        callers: usize,
        proxy: Option<u16>,
    ) -> Result<Self, Failure> {
        // Upstream HTTP/1.1 is spoken; the direct request of the HTTP/2 row is one of it, too.
        let alpn: &[&str] = if kind == Kind::Intercepted2 && proxy.is_some() { &["h2"] } else { &["http/1.1"] };
        let config = believing(folder, &["origin", "door", "naive", "squid"], alpn)?;
        Ok(Self { kind, callers, ports, proxy, tls: TlsConnector::from(Arc::new(config)) })
    }

    /// Once, so that leaves are minted and connections stand.
    pub(super) async fn warm(&self) -> Result<(), Failure> {
        let mut sender = self.open().await?;
        self.ask(&mut sender).await?;
        Ok(())
    }

    pub(super) async fn run(&self) -> Result<Taken, Failure> {
        let mut tasks = Vec::new();
        for _ in 0..self.callers {
            let load = self.clone();
            let count = self.kind.requests() / self.callers;
            tasks.push(tokio::spawn(async move { load.caller(count).await }));
        }
        let mut each = Vec::new();
        for task in tasks {
            each.extend(task.await??);
        }
        Ok(Taken { each })
    }

    async fn caller(&self, count: usize) -> Result<Vec<Duration>, Failure> {
        let mut each = Vec::with_capacity(count);
        let mut kept = None;
        for _ in 0..count {
            let begun = now();
            let (mut sender, used) = match kept.take() {
                Some(sender) => (sender, true),
                None => (self.open().await?, false),
            };
            // Opening is what `Fresh` alone measures.
            let begun = if self.kind == Kind::Fresh { begun } else { now() };
            if let Err(error) = self.ask(&mut sender).await {
                // tinyproxy takes one request a connection.
                if !used {
                    return Err(error);
                }
                sender = self.open().await?;
                self.ask(&mut sender).await?;
            }
            each.push(begun.elapsed());
            if self.kind != Kind::Fresh {
                kept = Some(sender);
            }
        }
        Ok(each)
    }

    async fn open(&self) -> Result<Sender, Failure> {
        let port = if self.kind == Kind::Plain { self.ports.plain } else { self.ports.tls };
        let mut stream = dial(self.proxy.unwrap_or(port)).await?;
        if self.kind == Kind::Plain {
            return one(stream).await;
        }
        if self.proxy.is_some() {
            connect(&mut stream, &format!("{}:{port}", self.name())).await?;
        }
        // In a tunnel the upstream's own certificate is for this name; the door judges the name of the tunnel.
        let stream = self.tls.connect(ServerName::try_from(self.name())?, stream).await?;
        if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return one(stream).await;
        }
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Sender::Many(sender))
    }

    fn name(&self) -> &'static str {
        if self.kind == Kind::Tunnel { TUNNELLED } else { HOST }
    }

    async fn ask(&self, sender: &mut Sender) -> Result<(), Failure> {
        let port = if self.kind == Kind::Plain { self.ports.plain } else { self.ports.tls };
        let whole = self.kind == Kind::Plain && self.proxy.is_some() || matches!(sender, Sender::Many(_));
        let scheme = if self.kind == Kind::Plain { "http" } else { "https" };
        let uri = if whole { format!("{scheme}://{}:{port}/x", self.name()) } else { "/x".to_owned() };
        let mut request = Request::get(uri).body(Empty::new())?;
        let response = match sender {
            Sender::One(sender) => {
                let host = HeaderValue::from_str(&format!("{}:{port}", self.name()))?;
                request.headers_mut().insert(header::HOST, host);
                sender.send_request(request).await?
            }
            Sender::Many(sender) => sender.send_request(request).await?,
        };
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if status == 200 && body.len() == 1024 {
            Ok(())
        } else {
            Err(format!("{status} with {} bytes: {}", body.len(), String::from_utf8_lossy(&body)).into())
        }
    }
}

async fn one(stream: impl Io + 'static) -> Result<Sender, Failure> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(Sender::One(sender))
}

async fn connect(stream: &mut tokio::net::TcpStream, to: &str) -> Result<(), Failure> {
    stream.write_all(format!("CONNECT {to} HTTP/1.1\r\nhost: {to}\r\n\r\n").as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    if head.get(9..12) == Some(b"200") { Ok(()) } else { Err(String::from_utf8_lossy(&head).into_owned().into()) }
}

/// Opens this many intercepted connections, asks once on each, and holds them.
pub(super) async fn hold(
    folder: &Path,
    ports: Ports,
    proxy: &Process,
    count: usize,
) -> Result<Vec<impl Sized>, Failure> {
    let load = Load::new(folder, ports, Kind::Intercepted1, 1, Some(proxy.port))?;
    let mut held = Vec::new();
    for _ in 0..count {
        let mut sender = load.open().await?;
        load.ask(&mut sender).await?;
        held.push(sender);
    }
    Ok(held)
}

#[expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
fn now() -> Instant {
    Instant::now()
}
