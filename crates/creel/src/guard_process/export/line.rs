//! What carries records to a place.
//!
//! Owns [`Wire`], one for each kind of place, and what each may call delivered: an answer of OTLP's says so; syslog has none,
//! so what was written on a connection counts once it has lived on for a while. Never reads the ledger.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use creel_doors::stream::Io;
use creel_doors::upstream::{self, Client, Scheme};
use creel_guard::{RecordId, Tenant};
use creel_ledger::LogLine;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UdpSocket, UnixDatagram, UnixStream};
use tokio::time::Instant;

use super::form;
use crate::clock::now;
use crate::guard_process::post::Post;

/// How long a connection must have lived on before what was written on it counts as delivered.
const LIVED: Duration = Duration::from_secs(5);
/// How long a write may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What carries records.
pub(super) enum Wire {
    /// OTLP over HTTP.
    Otlp {
        post: Box<Post>,
        /// What the use of a secret is accounted to.
        record: RecordId,
    },
    /// Syslog over a stream.
    Stream {
        io: Box<dyn Io>,
        /// Up to which line was written when, the oldest first; bounded, for neighbours are joined.
        written: VecDeque<(Instant, u64)>,
    },
    /// Syslog in datagrams.
    Datagram(UdpSocket),
    /// Syslog of this machine.
    Local(UnixDatagram),
}

impl Wire {
    pub(super) async fn stream(post: &Post) -> Result<Self, String> {
        let io = post.means.client.stream(&reachable(post).await?).await.map_err(|error| error.to_string())?;
        Ok(Self::Stream { io, written: VecDeque::new() })
    }

    pub(super) async fn datagram(post: &Post) -> Result<Self, String> {
        let place = reachable(post).await?;
        Ok(Self::Datagram(Client::datagram(&place).await.map_err(|error| error.to_string())?))
    }

    /// Datagrams where the socket takes them, else a stream.
    pub(super) async fn local(path: &Path) -> Result<Self, String> {
        let told = |error: std::io::Error| format!("`{}`: {error}", path.display());
        let socket = UnixDatagram::unbound().map_err(told)?;
        match socket.connect(path) {
            Ok(()) => Ok(Self::Local(socket)),
            // EPROTOTYPE: it is one for streams (connect(2))
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::PROTOTYPE.raw_os_error()) => {
                let io = UnixStream::connect(path).await.map_err(told)?;
                Ok(Self::Stream { io: Box::new(io), written: VecDeque::new() })
            }
            Err(error) => Err(told(error)),
        }
    }

    /// Sends `lines`, of which `last` is the number of the last. The number up to which all is delivered, when that is known
    /// to have grown.
    pub(super) async fn send(&mut self, lines: &[LogLine], last: u64, tenant: &Tenant) -> Result<Option<u64>, String> {
        match self {
            Self::Otlp { post, record } => {
                post.send(form::otlp(lines, tenant), "", *record).await?;
                Ok(Some(last))
            }
            Self::Stream { io, written } => {
                let mut bytes = Vec::new();
                for line in lines {
                    let message = form::syslog(line);
                    // octet counting: RFC 6587, section 3.4.1; RFC 5425, section 4.3
                    bytes.extend_from_slice(format!("{} ", message.len()).as_bytes());
                    bytes.extend_from_slice(&message);
                }
                is_alive(io).await?;
                let write = async {
                    io.write_all(&bytes).await?;
                    io.flush().await
                };
                let done = tokio::time::timeout(PATIENCE, write).await;
                done.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())).map_err(broke)?;
                written.push_back((now(), last));
                Ok(settled(written))
            }
            Self::Datagram(socket) => {
                for line in lines {
                    socket.send(&form::syslog(line)).await.map_err(broke)?;
                }
                Ok(Some(last))
            }
            Self::Local(socket) => {
                for line in lines {
                    let sent = tokio::time::timeout(PATIENCE, socket.send(&form::syslog(line))).await;
                    sent.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())).map_err(broke)?;
                }
                Ok(Some(last))
            }
        }
    }

    /// Nothing is new: what of what was written is delivered by now?
    pub(super) async fn idle(&mut self) -> Result<Option<u64>, String> {
        let Self::Stream { io, written } = self else { return Ok(None) };
        is_alive(io).await?;
        Ok(settled(written))
    }
}

/// Where the place is, every address judged.
async fn reachable(post: &Post) -> Result<upstream::Place, String> {
    let url = &post.place.url;
    Ok(upstream::Place {
        scheme: if url.tls { Scheme::Https } else { Scheme::Http },
        to: url.host.clone(),
        port: url.port,
        addresses: post.addresses().await?,
        roots: post.place.ca.as_ref().map(|ca| ca.certificates.clone()).unwrap_or_default(),
        identity: None,
    })
}

/// A collector says nothing; one that has closed its end takes nothing more.
async fn is_alive(io: &mut Box<dyn Io>) -> Result<(), String> {
    let mut drain = [0; 1024];
    loop {
        match futures_util::FutureExt::now_or_never(io.read(&mut drain)) {
            None => return Ok(()),
            Some(Ok(0)) => return Err("it closed the connection".to_owned()),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(broke(error)),
        }
    }
}

/// The last line that was written long enough ago.
fn settled(written: &mut VecDeque<(Instant, u64)>) -> Option<u64> {
    let mut safe = None;
    while let Some((at, last)) = written.front().copied()
        && now() - at > LIVED
    {
        written.pop_front();
        safe = Some(last);
    }
    // A batch a moment for five seconds; more are joined to the youngest.
    while written.len() > 4_096 {
        written.pop_front();
    }
    safe
}

fn broke(error: std::io::Error) -> String {
    format!("the connection broke: {error}")
}
