//! WebSockets: a handshake of our own on each side, and frames that are read in between.
//!
//! Owns the opening (RFC 6455, section 4; RFC 8441 over HTTP/2) and what passes afterwards. Of the extensions that the
//! agent offers `permessage-deflate` alone is passed on, which Creel can read. Where secrets go, messages are written anew.
//! Called by [`super::Egress::request`].

mod deflate;
mod frames;
mod messages;
mod rewrite;
mod turn;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use creel_guard::{Outcome, Permit};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use ring::rand::{SecureRandom, SystemRandom};

use super::enforce::{self, Admitted, Prepared};
use super::serve::Switches;
use super::splice::{self, Splice, Standing, Way, Wrong};
use super::uses::Uses;
use super::{Egress, headers, minted, secret};
use crate::Error;
use crate::leak::Search;
use crate::stream::{self, Body};
use crate::upstream::Scheme;
use deflate::Deflate;
pub(super) use frames::Sender;
use messages::{Counted, Messages, Searched};
use rewrite::Rewritten;
use turn::{Said, Scrubs};

#[cfg(any(test, fuzzing))]
pub(super) use messages::heard;
#[cfg(any(test, fuzzing))]
pub(super) use rewrite::again;

/// Headers of the opening that are made anew on each side.
const OWN: [header::HeaderName; 4] = [
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_ACCEPT,
    header::SEC_WEBSOCKET_EXTENSIONS,
    header::SEC_WEBSOCKET_VERSION,
];
/// What the accepted key is made with (RFC 6455, section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// As it stands in a URL (RFC 6455, section 3).
pub(super) fn scheme(below: Scheme) -> &'static str {
    match below {
        Scheme::Http => "ws",
        Scheme::Https => "wss",
    }
}

/// Whether a request that says it wants a WebSocket asks for one rightly. Over HTTP/2 it is a `CONNECT` without a key.
pub(super) fn is_asked_for(method: &Method, headers: &HeaderMap) -> bool {
    let one = |name| {
        let mut all = headers.get_all(name).iter();
        all.next().filter(|_| all.next().is_none()).map(HeaderValue::as_bytes)
    };
    if one(header::SEC_WEBSOCKET_VERSION) != Some(b"13") {
        return false;
    }
    match (method, one(header::SEC_WEBSOCKET_KEY)) {
        (&Method::CONNECT, None) => true,
        (&Method::GET, Some(key)) => STANDARD.decode(key).is_ok_and(|key| key.len() == 16),
        _ => false,
    }
}

/// A request for a WebSocket that was judged.
pub(super) struct Asked {
    pub(super) on: OnUpgrade,
    pub(super) admitted: Admitted,
    pub(super) standing: Standing,
}

/// What the agent said in its opening that the answers hang on.
struct Opening {
    over_http2: bool,
    key: Option<HeaderValue>,
    protocols: Vec<String>,
    deflate: Vec<Deflate>,
}

impl Opening {
    fn of(method: &Method, headers: &HeaderMap) -> Self {
        let extensions = headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS).iter();
        let offered = extensions.filter_map(|value| value.to_str().ok()).flat_map(deflate::offers);
        Self {
            over_http2: method == Method::CONNECT,
            key: headers.get(header::SEC_WEBSOCKET_KEY).cloned(),
            protocols: protocols(headers),
            deflate: offered.collect(),
        }
    }
}

/// Opens it upstream, and then towards the agent; what passes goes on when this has answered.
pub(super) async fn open(door: &Arc<Egress>, permit: Permit, asked: Asked, switches: &Switches) -> Response<Body> {
    let (obligations, receipt) = permit.redeem();
    let record = receipt.record();
    let Asked { on, admitted, mut standing } = asked;
    let opening = Opening::of(&admitted.parts.method, &admitted.parts.headers);
    let broker = Arc::clone(&door.broker);
    let prepared = enforce::prepare(broker.as_ref(), record, obligations, admitted).await;
    let prepared = prepared.and_then(|prepared| Ok((prepared, new_key()?)));
    let (Prepared { mut request, place, tally, trailers, mut deadline, max, scrub, used }, key) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return enforce::give_up(receipt, record, &error),
    };
    // Nobody would look for a new credential in what comes back.
    if broker.mints(&used) {
        return enforce::give_up(receipt, record, &minted::withheld("it was asked for as a WebSocket"));
    }
    *request.method_mut() = Method::GET;
    if let Err(error) = to_upstream(request.headers_mut(), &key, &opening.deflate) {
        return enforce::give_up(receipt, record, &error);
    }
    let answer = tokio::select! {
        answer = door.client.switch(&place, request) => answer,
        () = enforce::ring(&mut deadline) => Err(Error::UpstreamSlow("it was not over by its deadline".to_owned())),
    };
    let (mut response, upstream) = match answer {
        Ok((response, Some(upstream))) => (response, upstream),
        // Another answer than a WebSocket is the upstream's to give.
        Ok((response, None)) if scrub => {
            return enforce::relay_clean(broker.as_ref(), response, receipt, tally, deadline).await;
        }
        Ok((response, None)) => return enforce::relay(response, receipt, tally, deadline, trailers),
        Err(error) => return enforce::give_up(receipt, record, &error),
    };
    if scrub && let Err(error) = secret::clean(broker.as_ref(), &mut response).await {
        return enforce::give_up(receipt, record, &error);
    }
    let agreed = match is_agreed_to(response.headers(), &key, &opening) {
        Ok(agreed) => agreed,
        Err(why) => return enforce::give_up(receipt, record, &Error::Upstream(why)),
    };
    let answer = to_agent(response.headers(), &opening, agreed);
    (standing.deadline, standing.status) = (deadline, Some(101));
    let door = Arc::clone(door);
    let search = door.leaks.clone().map(Search::new);
    let uses = scrub.then(|| Uses::new(&door, &standing, place));
    switches.take_over(Box::pin(async move {
        match on.await {
            Ok(agent) => {
                let counts = [Arc::<AtomicU64>::default(), Arc::default()];
                let [sent, received] = counts.clone().map(Counted);
                let (up, down) = ways(agreed, max, uses, Searched { counted: sent, search }, received);
                let agent = Box::new(TokioIo::new(agent));
                splice::run(&door, Splice { agent, upstream, up, down, farewell: Some(farewell) }, standing, receipt)
                    .await;
                let [sent, received] = counts.map(|count| count.load(Ordering::Relaxed));
                tracing::debug!(record = %record, sent, received, "messages of a WebSocket");
            }
            Err(error) => receipt.settle(Outcome::failed(format!("the agent left before it opened: {error}"))),
        }
    }));
    answer
}

/// Messages pass as they are, and are read on their way; or are written anew, so that secrets go into what the agent says and
/// out of what it hears.
fn ways(agreed: Option<Deflate>, max: u64, uses: Option<Uses>, searched: Searched, received: Counted) -> (Way, Way) {
    let deflate = agreed.is_some();
    let Some(uses) = uses else {
        let up = Messages::new(Sender::Client, deflate, max, searched);
        let down = Messages::new(Sender::Server, deflate, u64::MAX, received);
        return (Way::Watched(Box::new(up)), Way::Watched(Box::new(down)));
    };
    let scrubs = Scrubs::new(uses.broker(), received);
    let up = Rewritten::new(Sender::Client, deflate, max, Said::new(uses, searched));
    let down = Rewritten::new(Sender::Server, deflate, u64::MAX, scrubs);
    (Way::Rewritten(Box::new(up)), Way::Rewritten(Box::new(down)))
}

/// Closing frames with this code, for the agent and for the upstream; the latter masked by nothing: it holds no secret
/// (RFC 6455, section 5.3, is about what scripts of others make a browser send).
fn farewell(code: u16) -> (Vec<u8>, Vec<u8>) {
    let [high, low] = code.to_be_bytes();
    (vec![0x88, 2, high, low], vec![0x88, 0x82, 0, 0, 0, 0, high, low])
}

fn new_key() -> Result<String, Error> {
    let mut key = [0; 16];
    SystemRandom::new().fill(&mut key).map_err(|_| Error::Bug("no random bytes".to_owned()))?;
    Ok(STANDARD.encode(key))
}

fn accepted(key: &[u8]) -> String {
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, GUID].concat()))
}

fn to_upstream(headers: &mut HeaderMap, key: &str, deflate: &[Deflate]) -> Result<(), Error> {
    let bug = |error: header::InvalidHeaderValue| Error::Bug(format!("no header of a WebSocket: {error}"));
    for own in &OWN {
        headers.remove(own);
    }
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    headers.insert(header::SEC_WEBSOCKET_KEY, HeaderValue::from_str(key).map_err(bug)?);
    if !deflate.is_empty() {
        let offers: Vec<String> = deflate.iter().map(ToString::to_string).collect();
        headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_str(&offers.join(", ")).map_err(bug)?);
    }
    Ok(())
}

/// The sub-protocols that are offered, or agreed to.
fn protocols(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|one| one.trim().to_owned()).collect()
}

/// Whether the upstream's 101 is an answer to what was asked (RFC 6455, section 4.1), and how messages are compressed.
fn is_agreed_to(headers: &HeaderMap, key: &str, opening: &Opening) -> Result<Option<Deflate>, String> {
    let is = |name, value: &str| {
        headers.get(name).is_some_and(|found| found.as_bytes().eq_ignore_ascii_case(value.as_bytes()))
    };
    if !is(header::UPGRADE, "websocket") {
        return Err("the upstream switched to another protocol".to_owned());
    }
    let accept = accepted(key.as_bytes());
    if headers.get(header::SEC_WEBSOCKET_ACCEPT).is_none_or(|found| found.as_bytes() != accept.as_bytes()) {
        return Err("the upstream's answer belongs to another handshake".to_owned());
    }
    let agreed = protocols(headers);
    if agreed.len() > 1 || agreed.iter().any(|one| !opening.protocols.contains(one)) {
        return Err("the upstream uses a sub-protocol that nobody offered".to_owned());
    }
    let mut extensions = headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS).iter();
    match (extensions.next(), extensions.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => match one.to_str().ok().and_then(|one| deflate::agreed(one, &opening.deflate)) {
            Some(agreed) => Ok(Some(agreed)),
            None => Err("the upstream uses an extension that nobody offered".to_owned()),
        },
        _ => Err("the upstream uses extensions that nobody offered".to_owned()),
    }
}

/// The answer to the agent: the upstream's headers, our own handshake.
fn to_agent(upstream: &HeaderMap, opening: &Opening, agreed: Option<Deflate>) -> Response<Body> {
    let mut response = Response::new(stream::empty());
    let mut passed = upstream.clone();
    headers::to_agent(&mut passed);
    for own in &OWN {
        passed.remove(own);
    }
    passed.remove(header::CONTENT_LENGTH);
    if let Some(Ok(agreed)) = agreed.map(|agreed| HeaderValue::try_from(agreed.to_string())) {
        passed.insert(header::SEC_WEBSOCKET_EXTENSIONS, agreed);
    }
    if !opening.over_http2 {
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        passed.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        passed.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        let accept = opening.key.as_ref().map(|key| accepted(key.as_bytes())).unwrap_or_default();
        if let Ok(accept) = HeaderValue::try_from(accept) {
            passed.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
    }
    *response.headers_mut() = passed;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_standard_is_accepted_as_it_says() {
        // RFC 6455, section 1.3.
        assert_eq!(accepted(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn an_opening_is_asked_for_rightly_or_not_at_all() {
        let asks = |method: Method, lines: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(*name, value.parse().unwrap());
            }
            is_asked_for(&method, &headers)
        };
        let key = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let version = ("sec-websocket-version", "13");
        assert!(asks(Method::GET, &[key, version]) && asks(Method::CONNECT, &[version]));
        assert!(!asks(Method::POST, &[key, version]) && !asks(Method::CONNECT, &[key, version]));
        assert!(!asks(Method::GET, &[version]) && !asks(Method::GET, &[key]));
        assert!(!asks(Method::GET, &[key, key, version]) && !asks(Method::GET, &[key, version, version]));
        assert!(!asks(Method::GET, &[("sec-websocket-key", "eA=="), version]));
        assert!(!asks(Method::GET, &[key, ("sec-websocket-version", "8")]));
    }
}
