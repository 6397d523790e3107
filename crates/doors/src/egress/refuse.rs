//! A refusal in the words of whom it is for: `application/problem+json` (RFC 9457), a gRPC status, or text for git.
//!
//! Owns the answers of this door that are not an upstream's. They name the rule and what to do next, and never what the
//! ledger keeps. Called by [`super::enforce`].

mod voice;

use creel_guard::{RecordId, Refusal};
use http::{HeaderValue, Response, StatusCode, header};
use hyper::ext::ReasonPhrase;
use serde::Serialize;

use super::see::Flaw;
use crate::Error;
use crate::stream::{self, Body};
pub(super) use voice::Voice;

#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    next: &'a str,
    /// `detail` and `next` once more, where npm and other clients look for a text to show.
    error: String,
}

/// Why an answer is a refusal, as far as its status goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    /// What the door found wrong with the bytes.
    Flaw(Flaw),
    /// A proxy request that names two places (RFC 9112, section 3.2.2).
    TwoPlaces,
    /// A rule, and nothing else.
    Rule,
    /// An approved name had no address.
    Unresolved,
}

/// Renders a refusal for whoever speaks like this. What can't be read, or may not stay open, closes the connection.
pub(super) fn refusal(refusal: &Refusal, ground: Ground, voice: Voice) -> Response<Body> {
    let status = match ground {
        Ground::TwoPlaces | Ground::Flaw(Flaw::BadBody | Flaw::BadRequest | Flaw::NotHttp | Flaw::Upgrade) => {
            StatusCode::BAD_REQUEST
        }
        Ground::Flaw(Flaw::PackedBody) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Ground::Flaw(Flaw::HostMismatch | Flaw::SniMismatch) => StatusCode::MISDIRECTED_REQUEST,
        Ground::Flaw(Flaw::BadTls | Flaw::PlantedSocket | Flaw::UnassignedAddress) => StatusCode::FORBIDDEN,
        // The ledger's own trouble passes; what a rule says stays.
        _ if refusal.record == 0 => StatusCode::SERVICE_UNAVAILABLE,
        Ground::Unresolved => StatusCode::BAD_GATEWAY,
        Ground::Rule => by_rule(refusal.rule.as_str()),
    };
    let next = match refusal.record {
        0 => "don't retry; if this is needed for the task, ask the operator to approve it".to_owned(),
        record => format!(
            "don't retry; if the task needs it, ask your operator: `creel why {record}` says what would allow it"
        ),
    };
    let problem = Problem {
        r#type: "creel:refusal",
        title: "refused by Creel",
        status: status.as_u16(),
        detail: &refusal.to_agent,
        instance: (refusal.record != 0).then(|| format!("creel:record:{}", refusal.record)),
        rule: Some(refusal.rule.as_str()),
        next: &next,
        error: format!("{}; {next}", refusal.to_agent),
    };
    let close = matches!(ground, Ground::Flaw(_) | Ground::TwoPlaces);
    let mut response = match voice {
        Voice::Problem => render(status, &problem, close),
        Voice::Grpc => voice::grpc(status, &problem.error),
        Voice::Text => voice::text(status, &problem.error, close),
    };
    // What clients print who show nothing else of an answer, such as Python's to a refused `CONNECT`.
    if let Ok(phrase) = ReasonPhrase::try_from(format!("refused by Creel: {}", refusal.rule)) {
        response.extensions_mut().insert(phrase);
    }
    if matches!(ground, Ground::Flaw(Flaw::BadRequest | Flaw::NotHttp)) {
        response.extensions_mut().insert(Malformed);
    }
    response
}

/// An answer without a word: what should not have been admitted goes no further.
pub(super) fn closed() -> Response<Body> {
    let mut response = Response::new(stream::empty());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Marks the answer to what could not be read: over HTTP/2 its stream is reset instead (RFC 9113, section 8.1.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct Malformed;

/// The status that says most about a rule's No (RFC 9110, section 15.5).
fn by_rule(rule: &str) -> StatusCode {
    match rule {
        "egress/deny-unclear-path" | "egress/deny-method-override" => StatusCode::BAD_REQUEST,
        "egress/deny-body-size" => StatusCode::PAYLOAD_TOO_LARGE,
        "egress/deny-content-type" => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "egress/deny-rate" => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::FORBIDDEN,
    }
}

/// Renders an admitted act that could not be carried out.
pub(super) fn failure(error: &Error, record: RecordId) -> Response<Body> {
    let (status, detail) = match error {
        Error::UpstreamSlow(why) => (StatusCode::GATEWAY_TIMEOUT, why.as_str()),
        Error::Upstream(why) => (StatusCode::BAD_GATEWAY, why.as_str()),
        Error::Agent(why) => (StatusCode::BAD_REQUEST, why.as_str()),
        Error::AgentTooMuch(why) => (StatusCode::PAYLOAD_TOO_LARGE, why.as_str()),
        Error::Operator(_) | Error::Host { .. } | Error::Bug(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "Creel could not carry it out; the operator can read why in the ledger")
        }
    };
    let problem = Problem {
        r#type: "creel:upstream",
        title: "admitted by Creel, but it failed",
        status: status.as_u16(),
        detail,
        instance: Some(format!("creel:record:{record}")),
        rule: None,
        next: "try again later",
        error: detail.to_owned(),
    };
    render(status, &problem, matches!(error, Error::Agent(_) | Error::AgentTooMuch(_)))
}

fn render(status: StatusCode, problem: &Problem<'_>, close: bool) -> Response<Body> {
    let body = serde_json::to_vec(problem).unwrap_or_default();
    let mut response = Response::new(stream::full(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if close {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
