//! One question to a DNS server, over UDP and TCP, TLS or HTTPS.
//!
//! Owns [`Servers`]. Never believes a datagram that does not repeat its question and its random number, and never reads more
//! than one message. [`super::DnsResolver`] asks it.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use creel_guard::{HostName, Target};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, Record, RecordType};
use http::{Method, Request};
use http_body_util::{BodyExt, Limited};
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::stream::{self, Io};
use crate::upstream::{Client, Place, Scheme};

/// Patience with one server; then the next is asked.
const TRY_LIMIT: Duration = Duration::from_secs(3);
/// What a datagram may hold without being cut on its way (RFC 9715).
const PAYLOAD: u16 = 1232;
/// Datagrams that are no answer to our question, before a try counts as lost.
const MAX_STRANGERS: usize = 16;
/// The longest message there is (RFC 1035, section 4.2.2).
const MAX_MESSAGE: usize = 65_535;

/// Whom to ask, and how.
#[derive(Clone, Debug)]
pub struct Servers {
    /// Their addresses, in the order to try; at least one.
    pub addresses: Vec<SocketAddr>,
    /// How.
    pub over: Over,
    /// Opens TLS and HTTPS connections.
    pub client: Client,
}

/// How a server is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    /// UDP, and TCP when the answer does not fit: anyone on the way can read and change it.
    Plain,
    /// DNS over TLS (RFC 7858).
    Tls {
        /// The name that the server's certificate must be for.
        name: HostName,
        /// Roots for it, over and above the host's.
        roots: Vec<CertificateDer<'static>>,
    },
    /// DNS over HTTPS (RFC 8484).
    Https {
        /// The name that the server's certificate must be for.
        name: HostName,
        /// The path of the endpoint.
        path: String,
        /// Roots for it, over and above the host's.
        roots: Vec<CertificateDer<'static>>,
    },
}

/// As it is recorded: how, and whom.
impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.over {
            Over::Tls { name, .. } => write!(f, "tls:{name}"),
            Over::Https { name, path, .. } => write!(f, "https:{name}{path}"),
            Over::Plain => {
                f.write_str("plain:")?;
                for (at, server) in self.addresses.iter().enumerate() {
                    let before = if at == 0 { "" } else { "," };
                    write!(f, "{before}{server}")?;
                }
                Ok(())
            }
        }
    }
}

/// An answer to one question.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) asked: Name,
    /// Whether it repeats the very letters of the question, whose case was random.
    repeated: bool,
    pub(super) code: ResponseCode,
    pub(super) authentic: bool,
    pub(super) answers: Vec<Record>,
}

impl Servers {
    /// Asks one server after the other until one answers.
    pub(super) async fn ask(&self, name: &Name, kind: RecordType) -> io::Result<Reply> {
        let mut last = io::Error::other("there is no resolver to ask");
        for server in &self.addresses {
            let question = Question::new(name, kind)?;
            match timeout(TRY_LIMIT, self.exchange(*server, &question)).await {
                Ok(Ok(reply)) if reply.code == ResponseCode::ServFail || reply.code == ResponseCode::Refused => {
                    last = io::Error::other(format!("the resolver `{server}` answers {}", reply.code));
                }
                Ok(Ok(reply)) => return Ok(reply),
                Ok(Err(error)) => last = error,
                Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, format!("`{server}` did not answer in time")),
            }
        }
        Err(last)
    }

    async fn exchange(&self, server: SocketAddr, question: &Question) -> io::Result<Reply> {
        match &self.over {
            Over::Plain => match datagram(server, question).await? {
                Some(reply) => Ok(reply),
                None => framed(super::super::dial(server).await?, question).await,
            },
            Over::Tls { name, roots } => {
                let io = self.client.open(&place(server, name, roots)).await.map_err(io::Error::other)?;
                framed(io, question).await
            }
            Over::Https { name, path, roots } => {
                let request = Request::builder()
                    .method(Method::POST)
                    .uri(path.as_str())
                    .header("host", name.as_str())
                    .header("content-type", "application/dns-message")
                    .header("accept", "application/dns-message")
                    .header("content-length", question.bytes.len())
                    .body(stream::full(question.bytes.clone()))
                    .map_err(io::Error::other)?;
                let answer = self.client.send_request(&place(server, name, roots), request).await;
                let answer = answer.map_err(io::Error::other)?;
                if answer.status() != http::StatusCode::OK {
                    return Err(io::Error::other(format!("the resolver `{name}` answers {}", answer.status())));
                }
                let body = Limited::new(answer.into_body(), MAX_MESSAGE).collect().await.map_err(io::Error::other)?;
                question.read(&body.to_bytes()).ok_or_else(|| strange(server))
            }
        }
    }
}

fn place(server: SocketAddr, name: &HostName, roots: &[CertificateDer<'static>]) -> Place {
    Place {
        scheme: Scheme::Https,
        to: Target::Host(name.clone()),
        port: server.port(),
        addresses: vec![server.ip()],
        roots: roots.to_vec(),
        identity: None,
    }
}

fn strange(server: SocketAddr) -> io::Error {
    io::Error::other(format!("`{server}` sent what is no answer to the question"))
}

/// `None` when the answer was cut and must be asked for over TCP.
async fn datagram(server: SocketAddr, question: &Question) -> io::Result<Option<Reply>> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    // A port of its own for each question, chosen by the kernel; connected, so that nobody else's datagrams arrive.
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(&question.bytes).await?;
    let mut buffer = vec![0; usize::from(PAYLOAD)];
    for _ in 0..MAX_STRANGERS {
        let length = socket.recv(&mut buffer).await?;
        let bytes = buffer.get(..length).unwrap_or_default();
        if question.is_cut(bytes) {
            return Ok(None);
        }
        match question.read(bytes) {
            Some(reply) if reply.repeated => return Ok(Some(reply)),
            // A guess, or a server that does not keep the case of letters: over TCP it can't be the former.
            Some(_) => return Ok(None),
            None => {}
        }
    }
    Err(strange(server))
}

/// One message with its two-byte length in front.
async fn framed(mut io: impl Io, question: &Question) -> io::Result<Reply> {
    let length = u16::try_from(question.bytes.len()).map_err(io::Error::other)?;
    io.write_all(&[&length.to_be_bytes(), question.bytes.as_slice()].concat()).await?;
    io.flush().await?;
    let length = io.read_u16().await?;
    let mut bytes = vec![0; usize::from(length)];
    io.read_exact(&mut bytes).await?;
    question.read(&bytes).ok_or_else(|| io::Error::other("the resolver sent what is no answer to the question"))
}

struct Question {
    id: u16,
    query: Query,
    bytes: Vec<u8>,
}

impl Question {
    fn new(name: &Name, kind: RecordType) -> io::Result<Self> {
        let mut random = [0; 2];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let id = u16::from_be_bytes(random);
        let query = Query::query(mixed(name)?, kind);
        let mut message = Message::new(id, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        // In a question it asks to be told whether the answer was validated (RFC 6840, section 5.7).
        message.metadata.authentic_data = true;
        message.add_query(query.clone());
        let mut edns = Edns::new();
        edns.set_max_payload(PAYLOAD);
        message.set_edns(edns);
        let bytes = message.to_vec().map_err(io::Error::other)?;
        Ok(Self { id, query, bytes })
    }

    /// The answer, when it is one to this question.
    fn read(&self, bytes: &[u8]) -> Option<Reply> {
        let message = Message::from_vec(bytes).ok()?;
        let [asked] = message.queries.as_slice() else { return None };
        let own = message.metadata.id == self.id
            && message.metadata.message_type == MessageType::Response
            && !message.metadata.truncation
            && asked == &self.query;
        own.then(|| Reply {
            asked: self.query.name().clone(),
            repeated: asked.name().eq_case(self.query.name()),
            code: message.metadata.response_code,
            authentic: message.metadata.authentic_data,
            answers: message.answers,
        })
    }

    /// Whether this is our answer, cut (RFC 1035, section 4.1.1): nothing else in it is looked at.
    fn is_cut(&self, bytes: &[u8]) -> bool {
        let Some(([high, low, flags], _)) = bytes.split_first_chunk::<3>() else { return false };
        u16::from_be_bytes([*high, *low]) == self.id && flags & 0x82 == 0x82
    }
}

/// The name with each letter's case drawn anew: whoever forges an answer must guess it too
/// (draft-vixie-dnsext-dns0x20).
fn mixed(name: &Name) -> io::Result<Name> {
    let text = name.to_ascii();
    let mut random = vec![0; text.len()];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let letters = text.chars().zip(random);
    let mixed: String = letters.map(|(c, coin)| if coin & 1 == 1 { c.to_ascii_uppercase() } else { c }).collect();
    Name::from_ascii(mixed).map_err(io::Error::other)
}
