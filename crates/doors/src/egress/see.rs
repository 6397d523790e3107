//! Bytes → [`Send`]: where a connection aims, and what a request on it would do.
//!
//! Owns the flaws of this door, each a stable word that `policy` refuses under the rule of that name. Never decides and
//! never touches the network.

use std::net::{IpAddr, SocketAddr};

use creel_guard::{CleanPath, Headers, HostName, Send, Target};
use http::{HeaderMap, Method, Uri};

use super::gate::Ruling;
use super::head::{Framing, Head, Wrong};
use crate::names::{Meaning, Names};
use crate::upstream::Scheme;

/// So many bytes (and the rest of a character) of the path are recorded of a request that has a flaw. One without is
/// judged by the whole path, which the longest request line bounds.
const MAX_FLAWED_PATH: usize = 2048;

/// What a door found wrong with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// A body that a rule must read, and that can't be read in one way.
    BadBody,
    /// A request that is malformed, ambiguous or too long.
    BadRequest,
    /// The TLS handshake failed.
    BadTls,
    /// The request's host is not where the connection goes.
    HostMismatch,
    /// Neither TLS nor HTTP.
    NotHttp,
    /// The connection was made to one of our own sockets or to a local address.
    PlantedSocket,
    /// The TLS server name is not where the connection goes.
    SniMismatch,
    /// A synthetic address that stands for no name.
    UnassignedAddress,
    /// The request wants to become another protocol.
    Upgrade,
}

impl Flaw {
    /// The stable word for [`creel_guard::Facts::flaw`].
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::BadBody => "bad-body",
            Self::BadRequest => "bad-request",
            Self::BadTls => "bad-tls",
            Self::HostMismatch => "host-mismatch",
            Self::NotHttp => "not-http",
            Self::PlantedSocket => "planted-socket",
            Self::SniMismatch => "sni-mismatch",
            Self::UnassignedAddress => "unassigned-address",
            Self::Upgrade => "upgrade",
        }
    }
}

/// Where a connection aims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Aim {
    pub(super) to: Target,
    pub(super) port: u16,
    pub(super) flaw: Option<Flaw>,
}

impl Aim {
    /// Reads the address that the agent connected to. `own` is the address of our socket that took the connection.
    pub(super) fn new(origin: SocketAddr, own: SocketAddr, names: &Names) -> Self {
        let address = origin.ip().to_canonical();
        let local = address.is_loopback() || address.is_unspecified() || origin == own;
        let (to, flaw) = match names.meaning(address) {
            _ if local => (Target::Address(address), Some(Flaw::PlantedSocket)),
            Meaning::Name(host) => (Target::Host(host), None),
            Meaning::Literal => (Target::Address(address), None),
            Meaning::Unassigned => (Target::Address(address), Some(Flaw::UnassignedAddress)),
        };
        Self { to, port: origin.port(), flaw }
    }

    /// The act of a connection on which no request could be read.
    pub(super) fn as_send(&self) -> Send {
        Send::connection(self.to.clone(), self.port)
    }

    /// Whether a TLS server name agrees with where the connection goes. A literal address has none (RFC 6066, section 3).
    pub(super) fn agrees_with_sni(&self, sni: Option<&str>) -> bool {
        match (&self.to, sni) {
            (Target::Host(host), Some(sni)) => HostName::parse(sni).is_ok_and(|sni| sni == *host),
            (Target::Address(_), None) => true,
            (Target::Host(_), None) | (Target::Address(_), Some(_)) => false,
        }
    }

    /// Whether a `host[:port]` of the agent's names where the connection goes.
    fn agrees_with(&self, authority: &str, scheme: Scheme) -> bool {
        let (host, port) = match authority.rsplit_once(':') {
            // `[::1]` has colons of its own.
            Some((host, port)) if !port.contains(']') => (host, digits(port)),
            _ => (authority, Some(scheme.default_port())),
        };
        let same = match &self.to {
            Target::Host(name) => HostName::parse(host).is_ok_and(|host| host == *name),
            Target::Address(IpAddr::V4(address)) => host.parse() == Ok(*address),
            Target::Address(IpAddr::V6(address)) => host
                .strip_prefix('[')
                .and_then(|host| host.strip_suffix(']'))
                .is_some_and(|host| host.parse() == Ok(*address)),
        };
        same && port == Some(self.port)
    }

    /// The authority that is sent upstream: ours, in its canonical form.
    pub(super) fn authority(&self, scheme: Scheme) -> String {
        if self.port == scheme.default_port() { self.to.to_string() } else { format!("{}:{}", self.to, self.port) }
    }
}

/// A request, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) send: Send,
    pub(super) flaw: Option<Flaw>,
    /// What the request says about its body; `None` when it could not be read.
    pub(super) head: Option<Head>,
}

/// Reads a request that came on a connection to `aim`.
pub(super) fn request(
    aim: &Aim,
    scheme: Scheme,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    ruling: Ruling,
) -> Seen {
    let head = match ruling {
        Ok(head) => head,
        Err(Wrong::NotHttp) => return Seen { send: aim.as_send(), flaw: Some(Flaw::NotHttp), head: None },
        Err(Wrong::Malformed(why)) => {
            tracing::debug!(why, "a request was malformed");
            return Seen { send: aim.as_send(), flaw: Some(Flaw::BadRequest), head: None };
        }
    };
    let flaw = flaw(aim, scheme, method, uri, &head);
    let path = uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
    let send = Send {
        scheme: scheme.name().to_owned(),
        to: aim.to.clone(),
        port: aim.port,
        method: Some(method.to_string()),
        path: if flaw.is_some() { clipped(path) } else { clean(path) },
        body: match head.framing {
            Framing::Length(length) => Some(length),
            Framing::Chunked => None,
        },
        headers: Headers::new(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))),
        content: None,
    };
    Seen { send, flaw, head: Some(head) }
}

fn flaw(aim: &Aim, scheme: Scheme, method: &Method, uri: &Uri, head: &Head) -> Option<Flaw> {
    if head.upgrade || method == Method::CONNECT {
        return Some(Flaw::Upgrade);
    }
    let path = uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
    if !(path.starts_with('/') || path == "*" && method == Method::OPTIONS) {
        return Some(Flaw::BadRequest);
    }
    match (uri.scheme_str(), uri.authority()) {
        (None, None) => {}
        (Some(_), Some(authority)) if authority.as_str().contains('@') => return Some(Flaw::BadRequest),
        // Absolute form (RFC 9112, section 3.2.2): only when it says what the connection says.
        (Some(said), Some(authority)) if said == scheme.name() => {
            if !aim.agrees_with(authority.as_str(), scheme) {
                return Some(Flaw::HostMismatch);
            }
        }
        _ => return Some(Flaw::BadRequest),
    }
    (!aim.agrees_with(&head.host, scheme)).then_some(Flaw::HostMismatch)
}

/// The one form of a path, judged and sent; as it came when it has none, and then a rule refuses it.
fn clean(path: &str) -> String {
    CleanPath::parse(path).map_or_else(|_| path.to_owned(), CleanPath::into_string)
}

/// A path of which only the record needs to know: what has a flaw goes nowhere.
fn clipped(path: &str) -> String {
    match path.char_indices().map(|(at, _)| at).find(|at| *at >= MAX_FLAWED_PATH) {
        Some(end) => format!("{}…", path.get(..end).unwrap_or_default()),
        None => path.to_owned(),
    }
}

/// A port as digits alone: `parse` would take `+443`.
fn digits(text: &str) -> Option<u16> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}
