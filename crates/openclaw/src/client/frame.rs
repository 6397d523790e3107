//! The gateway's frames (protocol version 4): JSON texts, each a request, a response or an event.
//!
//! Owns their reading and writing. What comes in is the agent's: a text that is no frame is an error, a frame of a kind
//! or with a field that we don't know is passed over. It keeps nothing.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Error, error::clip};

/// The version that 2026.9.6 speaks.
pub(super) const PROTOCOL: u32 = 4;

/// What came in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// The gateway waits for `connect`.
    Challenge,
    /// The answer to one of our requests.
    Response {
        /// Which request.
        id: String,
        /// What came of it.
        outcome: Result<Accepted, Rejected>,
    },
    /// News of a run.
    Chat(Chat),
    /// The gateway goes down.
    Shutdown,
    /// Anything else.
    Other,
}

/// What we read of a response that says yes.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Accepted {
    /// The run that `chat.send` started.
    pub(super) run_id: Option<String>,
}

/// A response that says no.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rejected {
    /// Its code, clipped.
    pub(super) code: String,
    /// Its words, clipped.
    pub(super) message: String,
}

/// News of a run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chat {
    pub(super) run_id: String,
    pub(super) state: State,
}

/// How far a run is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    /// A new piece of text.
    Delta(String),
    /// It is over; the text, if it said any.
    Final(Option<String>),
    /// It failed.
    Failed(String),
    /// Someone stopped it.
    Aborted,
    /// Anything else.
    Other,
}

/// Reads a text that the gateway sent.
pub(super) fn parse(text: &str) -> Result<Frame, Error> {
    let strange = |_| Error::agent("sends what is no frame of its protocol");
    let frame: RawFrame = serde_json::from_str(text).map_err(strange)?;
    let RawFrame { kind, id, event, ok, payload, error } = frame;
    match (kind.as_str(), event.as_deref()) {
        ("event", Some("connect.challenge")) => Ok(Frame::Challenge),
        ("event", Some("shutdown")) => Ok(Frame::Shutdown),
        ("event", Some("chat")) => Ok(payload.and_then(|raw| chat(&raw)).map_or(Frame::Other, Frame::Chat)),
        ("res", _) => {
            let Some(id) = id else { return Ok(Frame::Other) };
            let outcome = match (ok, error) {
                (true, _) => Ok(payload.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()),
                (false, error) => Err(rejected(error.unwrap_or_default())),
            };
            Ok(Frame::Response { id, outcome })
        }
        _ => Ok(Frame::Other),
    }
}

#[derive(Deserialize)]
struct RawFrame {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    event: Option<String>,
    #[serde(default)]
    ok: bool,
    #[serde(default)]
    payload: Option<Box<RawValue>>,
    #[serde(default)]
    error: Option<RawRejected>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawRejected {
    code: String,
    message: String,
}

fn rejected(raw: RawRejected) -> Rejected {
    Rejected { code: clip(&raw.code, 60), message: clip(&raw.message, 300) }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawChat {
    run_id: String,
    state: String,
    #[serde(default)]
    delta_text: Option<String>,
    #[serde(default)]
    message: Option<RawMessage>,
    #[serde(default)]
    error_message: Option<String>,
}

#[derive(Deserialize)]
struct RawMessage {
    #[serde(default)]
    content: Content,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
    Strange(serde::de::IgnoredAny),
}

impl Default for Content {
    fn default() -> Self {
        Self::Parts(Vec::new())
    }
}

#[derive(Deserialize)]
struct Part {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    text: String,
}

fn chat(raw: &RawValue) -> Option<Chat> {
    let RawChat { run_id, state, delta_text, message, error_message } = serde_json::from_str(raw.get()).ok()?;
    let state = match state.as_str() {
        "delta" => State::Delta(delta_text.unwrap_or_default()),
        "final" => State::Final(message.map(text_of)),
        "error" => State::Failed(clip(&error_message.unwrap_or_default(), 300)),
        "aborted" => State::Aborted,
        _ => State::Other,
    };
    Some(Chat { run_id, state })
}

fn text_of(message: RawMessage) -> String {
    match message.content {
        Content::Text(text) => text,
        Content::Parts(parts) => {
            let texts: Vec<String> =
                parts.into_iter().filter(|part| part.kind == "text").map(|part| part.text).collect();
            texts.join("\n")
        }
        Content::Strange(_) => String::new(),
    }
}

/// `connect` with the gateway's token. No administrator's scope is asked for: what is said to the agent can't change
/// the gateway.
pub(super) fn connect(id: &str, token: &str) -> Result<String, Error> {
    request(
        id,
        "connect",
        serde_json::json!({
            "minProtocol": PROTOCOL, "maxProtocol": PROTOCOL,
            "client": { "id": "gateway-client", "version": env!("CARGO_PKG_VERSION"), "platform": "linux", "mode": "backend" },
            "role": "operator", "scopes": ["operator.read", "operator.write"], "caps": [],
            "auth": { "token": token },
        }),
    )
}

/// `chat.send`; `key` makes a repeated one harmless.
pub(super) fn send(id: &str, session: &str, text: &str, key: &str) -> Result<String, Error> {
    request(id, "chat.send", serde_json::json!({ "sessionKey": session, "message": text, "idempotencyKey": key }))
}

fn request(id: &str, method: &str, params: serde_json::Value) -> Result<String, Error> {
    #[derive(Serialize)]
    struct Request<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
        id: &'a str,
        method: &'a str,
        params: serde_json::Value,
    }
    serde_json::to_string(&Request { kind: "req", id, method, params })
        .map_err(|error| Error::bug(format!("a request to OpenClaw can't be written: {error}")))
}

#[cfg(test)]
mod tests;
