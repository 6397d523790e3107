//! Permit in hand: carries a request out.
//!
//! Owns the way from a redeemed permit to a settled receipt. It goes to the addresses that were judged, meets every
//! obligation or refuses, and streams both bodies. Called by [`super::Egress`] once per admitted request.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use creel_guard::{Content, Inject, Obligations, Outcome, Permit, Receipt, RecordId};
use creel_secrets::Broker;
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::config::MAX_BODY;
use super::head::{Framing, Head};
use super::relay::{Fault, Outgoing, Relayed, ResponseBody, Tally};
use super::secret::{Filler, Scrubbed};
use super::{aws, headers, minted, refuse, secret};
use crate::Error;
use crate::leak::{self, Leaks, Search};
use crate::stream::{self, Body};
use crate::upstream::{Client, Place};

/// A request that was judged, and where it goes.
pub(super) struct Admitted {
    pub(super) parts: Parts,
    pub(super) body: Bodily,
    /// The path and query that were judged: these are sent.
    pub(super) path: String,
    pub(super) head: Head,
    /// What `Host` says upstream.
    pub(super) authority: String,
    pub(super) place: Place,
    pub(super) leaks: Option<Arc<dyn Leaks>>,
}

/// What goes out behind the head.
pub(super) enum Bodily {
    /// The agent's own body, as it comes.
    Streamed(Incoming),
    /// What was judged.
    Judged(Content),
    /// All of the agent's own, because its digest is signed.
    Held(Bytes),
}

impl Bodily {
    /// How long it is, where all of it is there.
    fn length(&self) -> Option<u64> {
        match self {
            Self::Streamed(_) => None,
            Self::Judged(content) => Some(content.text.len() as u64),
            Self::Held(bytes) => Some(bytes.len() as u64),
        }
    }
}

/// Carries it out. The response's body settles the receipt when it ends.
pub(super) async fn carry_out(
    client: &Client,
    broker: &dyn Broker,
    permit: Permit,
    admitted: Admitted,
) -> Response<Body> {
    let (obligations, receipt) = permit.redeem();
    let record = receipt.record();
    let prepared = prepare(broker, record, obligations, admitted).await;
    let Prepared { request, place, tally, trailers, mut deadline, max: _, scrub, used } = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return give_up(receipt, record, &error),
    };
    let answer = tokio::select! {
        answer = client.send_request(&place, request) => answer,
        () = ring(&mut deadline) => Err(Error::UpstreamSlow("it was not over by its deadline".to_owned())),
    };
    match answer {
        Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            give_up(receipt, record, &Error::Upstream("the upstream switched protocols unasked".to_owned()))
        }
        Ok(response) if broker.mints(&used) => {
            let exchanged = tokio::select! {
                exchanged = minted::exchange(broker, &used, response) => exchanged,
                () = ring(&mut deadline) => Err(Error::UpstreamSlow("it was not over by its deadline".to_owned())),
            };
            match exchanged {
                Ok(response) => relay_clean(broker, response, receipt, tally, deadline).await,
                Err(error) => give_up(receipt, record, &error),
            }
        }
        Ok(response) if scrub => relay_clean(broker, response, receipt, tally, deadline).await,
        Ok(response) => relay(response, receipt, tally, deadline, trailers),
        Err(error) => give_up(receipt, record, &tally.fault().map_or(error, Fault::into_error)),
    }
}

/// A permit for what this door found flawed, or for nowhere to go: policy must refuse both, so it is never carried out.
pub(super) fn decline(permit: Permit) -> Response<Body> {
    let record = permit.record();
    let (_, receipt) = permit.redeem();
    give_up(receipt, record, &Error::Bug("a request that can't be carried out was admitted".to_owned()))
}

pub(super) fn give_up(receipt: Receipt, record: RecordId, error: &Error) -> Response<Body> {
    receipt.settle(Outcome::failed(error.to_string()));
    refuse::failure(error, record)
}

/// A request that meets what was owed.
pub(super) struct Prepared {
    pub(super) request: Request<Body>,
    pub(super) place: Place,
    pub(super) tally: Arc<Tally>,
    /// The agent can take trailers.
    pub(super) trailers: bool,
    pub(super) deadline: Option<Pin<Box<Sleep>>>,
    /// Bytes that may go out.
    pub(super) max: u64,
    /// The answer must not bring back a secret.
    pub(super) scrub: bool,
    /// The secrets that go out in it: those whose placeholders stood there, and the one that the rules fill in.
    pub(super) used: Vec<Inject>,
}

pub(super) async fn prepare(
    broker: &dyn Broker,
    record: RecordId,
    obligations: Obligations,
    admitted: Admitted,
) -> Result<Prepared, Error> {
    let tally = Arc::new(Tally::default());
    let Obligations { inject, swaps, scrub, max_bytes, deadline_ms } = obligations;
    let Admitted { mut parts, mut body, mut path, mut head, authority, place, leaks } = admitted;
    let fill = Filler { broker, record, place: &place };
    for swap in &swaps {
        fill.beyond_headers(swap, &mut path, &mut body).await?;
    }
    let mut signs = None;
    if let Some(signer) = aws::signer(&swaps) {
        let search = search(leaks.clone(), &parts.headers)?;
        let (payload, held) = aws::payload(&mut parts.headers, body, search).await?;
        (signs, body) = (Some((signer, payload)), held);
    }
    if let Some(length) = body.length() {
        (head.framing, head.length_declared) = (Framing::Length(length), head.length_declared || length > 0);
    }
    let max = max_bytes.unwrap_or(MAX_BODY).min(MAX_BODY);
    if matches!(head.framing, Framing::Length(length) if length > max) {
        return Err(Error::AgentTooMuch(format!("at most `{max}` bytes may go out in this request")));
    }
    let body = match (body, head.framing) {
        (Bodily::Judged(content), _) => {
            tally.count(content.text.len() as u64);
            stream::full(content.text.as_bytes().to_vec())
        }
        (Bodily::Held(bytes), _) => {
            tally.count(bytes.len() as u64);
            stream::full(bytes)
        }
        (Bodily::Streamed(_), Framing::Length(0)) => stream::empty(),
        (Bodily::Streamed(incoming), _) => {
            let search = search(leaks, &parts.headers)?;
            Outgoing::new(incoming, max, Arc::clone(&tally), search).boxed_unsync()
        }
    };
    let trailers = parts.version == Version::HTTP_2;
    let wanted = trailers && parts.headers.get(header::TE).is_some_and(|te| te.as_bytes() == b"trailers");
    let mut outgoing = Request::new(body);
    // Origin form: what was judged, and nothing else of the target.
    *outgoing.uri_mut() = path.parse().map_err(|error| Error::Bug(format!("the path can't be sent: {error}")))?;
    *outgoing.method_mut() = parts.method;
    *outgoing.version_mut() = Version::HTTP_11;
    *outgoing.headers_mut() = headers::to_upstream(parts.headers, &authority, &head)?;
    if wanted {
        // gRPC servers insist on it; over HTTP/1.1 it is dropped again.
        outgoing.headers_mut().insert(header::TE, HeaderValue::from_static("trailers"));
    }
    let used: Vec<Inject> = swaps.iter().chain(&inject).cloned().collect();
    for secret in &used {
        fill.header(secret, outgoing.headers_mut()).await?;
    }
    let scrub = scrub || !used.is_empty();
    if scrub {
        secret::ask_plainly(outgoing.headers_mut());
    }
    if let Some((signer, payload)) = signs {
        aws::sign(&fill, signer, &payload, &mut outgoing).await?;
    }
    Ok(Prepared { request: outgoing, place, tally, trailers, deadline: alarm(deadline_ms), max, scrub, used })
}

/// Looks for what must not leave in a body that is encoded as these headers say.
fn search(leaks: Option<Arc<dyn Leaks>>, headers: &http::HeaderMap) -> Result<Option<Search>, Error> {
    let Some(leaks) = leaks else { return Ok(None) };
    let unread = || Error::Bug("a body that can't be searched was admitted".to_owned());
    Ok(Some(Search::coded(leaks, &leak::codings(headers).ok_or_else(unread)?)))
}

pub(super) fn relay<B: ResponseBody>(
    response: Response<B>,
    receipt: Receipt,
    tally: Arc<Tally>,
    deadline: Option<Pin<Box<Sleep>>>,
    trailers: bool,
) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    headers::to_agent(&mut parts.headers);
    parts.version = Version::HTTP_11;
    let body = Relayed::new(body, receipt, tally, parts.status.as_u16(), deadline, trailers);
    Response::from_parts(parts, body.boxed_unsync())
}

/// The same, and no secret comes back in it.
pub(super) async fn relay_clean<B: ResponseBody>(
    broker: &dyn Broker,
    mut response: Response<B>,
    receipt: Receipt,
    tally: Arc<Tally>,
    deadline: Option<Pin<Box<Sleep>>>,
) -> Response<Body> {
    if let Err(error) = secret::clean(broker, &mut response).await {
        let record = receipt.record();
        return give_up(receipt, record, &error);
    }
    let relayed = relay(response, receipt, tally, deadline, false);
    relayed.map(|body| Scrubbed::new(body, broker.scrubber()).boxed_unsync())
}

/// The deadline that was owed.
pub(super) fn alarm(deadline_ms: Option<u64>) -> Option<Pin<Box<Sleep>>> {
    deadline_ms.map(|limit| Box::pin(tokio::time::sleep(Duration::from_millis(limit))))
}

/// Completes at the deadline; never without one.
pub(super) async fn ring(deadline: &mut Option<Pin<Box<Sleep>>>) {
    match deadline {
        Some(deadline) => deadline.await,
        None => std::future::pending().await,
    }
}
