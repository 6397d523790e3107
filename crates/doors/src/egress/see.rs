//! Bytes → [`Send`]: what a request would do.
//!
//! Owns the flaws of this door, each a stable word that `policy` refuses under the rule of that name. Never decides and
//! never touches the network.

use creel_guard::{CleanPath, Headers, Send};
use http::{HeaderMap, Method, Uri};

use super::aim::Aim;
use super::gate::Ruling;
use super::head::{Framing, Head, Switch, Wrong};
use super::websocket;
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
    /// A body that is encoded in a way that can't be undone, where it must be searched.
    PackedBody,
    /// The bytes aim at one of our own sockets or at a local address.
    PlantedSocket,
    /// The TLS server name is not where the connection goes.
    SniMismatch,
    /// A synthetic address that stands for no name.
    UnassignedAddress,
    /// The request wants to become a protocol that has no door.
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
            Self::PackedBody => "packed-body",
            Self::PlantedSocket => "planted-socket",
            Self::SniMismatch => "sni-mismatch",
            Self::UnassignedAddress => "unassigned-address",
            Self::Upgrade => "upgrade",
        }
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
    let switches = head.switch == Switch::WebSocket;
    let flaw = flaw(aim, scheme, method, uri, &head)
        .or((switches && !websocket::is_asked_for(method, headers)).then_some(Flaw::BadRequest));
    let path = uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
    let send = Send {
        scheme: if switches { websocket::scheme(scheme) } else { scheme.name() }.to_owned(),
        to: aim.to.clone(),
        port: aim.port,
        // Over HTTP/2 a WebSocket is asked for by a `CONNECT`, which must not be told from a `GET` by rules.
        method: Some(if switches { Method::GET.to_string() } else { method.to_string() }),
        path: if flaw.is_some() { clipped(path) } else { clean(path) },
        body: match head.framing {
            _ if switches => None,
            Framing::Length(length) => Some(length),
            Framing::Chunked => None,
        },
        headers: Headers::new(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))),
        content: None,
    };
    Seen { send, flaw, head: Some(head) }
}

fn flaw(aim: &Aim, scheme: Scheme, method: &Method, uri: &Uri, head: &Head) -> Option<Flaw> {
    if aim.flaw.is_some() {
        return aim.flaw;
    }
    let websocket = head.switch == Switch::WebSocket;
    if !websocket && (head.switch != Switch::None || method == Method::CONNECT) {
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
            if !aim.agrees_with(authority.as_str(), scheme.default_port()) {
                return Some(Flaw::HostMismatch);
            }
        }
        _ => return Some(Flaw::BadRequest),
    }
    (!aim.agrees_with(&head.host, scheme.default_port())).then_some(Flaw::HostMismatch)
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
