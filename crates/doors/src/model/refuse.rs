//! Refusals and failures in the model formats.
//!
//! Owns their wire form: an error body for a prompt, a text in the place of a refused call, an error event in a stream.
//! Never adds anything to what the agent may read but what it sent itself. Called by the door, `enforce` and `relay`.

use bytes::Bytes;
use creel_guard::{RecordId, Refusal};
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::config::Format;
use super::flaw::Flaw;
use crate::Error;
use crate::stream::{self, Body};

/// Renders a refused request.
pub(super) fn refusal(format: Format, refusal: &Refusal, flaw: Option<&Flaw>) -> Response<Body> {
    let detail = flaw.map_or_else(String::new, |flaw| format!(": {}", flaw.detail));
    let text = format!("refused by Creel (`{}`{}): {}{detail}", refusal.rule, record(refusal), refusal.to_agent);
    let status = match flaw {
        Some(flaw) => flaw.kind.status(),
        // An open breaker says nothing of the key, for whose sake OpenClaw turns from a provider for minutes after a 403, and
        // does not pass by itself, as what it tries again for after a 503.
        None if refusal.rule.as_str() == "guard/breaker-open" => StatusCode::BAD_REQUEST,
        // Client libraries try again after a 503, and the ledger's trouble passes.
        None if refusal.record == 0 => StatusCode::SERVICE_UNAVAILABLE,
        None => StatusCode::FORBIDDEN,
    };
    render(format, status, &text, refusal.rule.as_str(), flaw.is_some())
}

/// Renders an admitted request that could not be carried out.
pub(super) fn failure(format: Format, error: &Error, id: RecordId) -> Response<Body> {
    let (status, why) = match error {
        Error::UpstreamSlow(why) => (StatusCode::GATEWAY_TIMEOUT, why.as_str()),
        Error::Upstream(why) => (StatusCode::BAD_GATEWAY, why.as_str()),
        Error::Agent(why) => (StatusCode::BAD_REQUEST, why.as_str()),
        Error::AgentTooMuch(why) => (StatusCode::PAYLOAD_TOO_LARGE, why.as_str()),
        Error::Operator(_) | Error::Host { .. } | Error::Bug(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "Creel could not carry it out; the operator can read why in the ledger")
        }
    };
    let text = format!("admitted by Creel, but it failed (record {id}): {why}");
    render(format, status, &text, "creel_failure", false)
}

/// The text that stands in a refused call's place.
pub(super) fn call_text(tool: &str, refusal: &Refusal, flaw: Option<&Flaw>) -> String {
    let tool: String = tool.chars().take(64).collect();
    let detail = flaw.map_or_else(String::new, |flaw| format!(": {}", flaw.detail));
    format!(
        "(Creel refused the call of `{}` under `{}`{}: {}{detail}. The call was not made.)",
        plain(&tool),
        refusal.rule,
        record(refusal),
        refusal.to_agent
    )
}

/// OpenClaw obeys `[[…]]` and `MEDIA:` in a model's text (HARDENING 3): text of ours that quotes others holds neither.
fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/')).collect()
}

/// An event that ends a stream that can't go on.
pub(super) fn error_event(format: Format, why: &str) -> Bytes {
    let text = format!("Creel stopped this answer: {why}");
    let body = body(format, &text, "api_error", ("creel_stopped", StatusCode::INTERNAL_SERVER_ERROR));
    Bytes::from(match format {
        Format::OpenAi | Format::Gemini => format!("data: {body}\n\n"),
        Format::Anthropic => format!("event: error\ndata: {body}\n\n"),
        Format::Responses => {
            // In a stream this format's errors are flat.
            let error = json!({ "type": "error", "code": "creel_stopped", "message": text, "param": null });
            format!("event: error\ndata: {error}\n\n")
        }
    })
}

/// A sign of life while an answer is held.
pub(super) fn keep_alive(format: Format) -> Bytes {
    Bytes::from_static(match format {
        Format::OpenAi | Format::Responses | Format::Gemini => b": keepalive\n\n",
        Format::Anthropic => b"event: ping\ndata: {\"type\": \"ping\"}\n\n",
    })
}

fn record(refusal: &Refusal) -> String {
    if refusal.record == 0 { String::new() } else { format!(", record {}", refusal.record) }
}

fn body(format: Format, text: &str, kind: &str, (code, status): (&str, StatusCode)) -> Value {
    match format {
        Format::OpenAi | Format::Responses => {
            json!({ "error": { "message": text, "type": kind, "param": null, "code": code } })
        }
        Format::Anthropic => json!({ "type": "error", "error": { "type": kind, "message": text } }),
        Format::Gemini => {
            json!({ "error": { "code": status.as_u16(), "message": text, "status": canonical(status) } })
        }
    }
}

/// The name that Google's API has for a status (google.rpc.Code).
fn canonical(status: StatusCode) -> &'static str {
    match status {
        StatusCode::FORBIDDEN => "PERMISSION_DENIED",
        StatusCode::NOT_FOUND => "NOT_FOUND",
        StatusCode::SERVICE_UNAVAILABLE => "UNAVAILABLE",
        StatusCode::GATEWAY_TIMEOUT => "DEADLINE_EXCEEDED",
        status if status.is_client_error() => "INVALID_ARGUMENT",
        _ => "INTERNAL",
    }
}

fn render(format: Format, status: StatusCode, text: &str, code: &str, close: bool) -> Response<Body> {
    let kind = match status {
        StatusCode::FORBIDDEN => "permission_error",
        status if status.is_client_error() => "invalid_request_error",
        _ => "api_error",
    };
    let mut response = Response::new(stream::full(body(format, text, kind, (code, status)).to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if close {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
