//! The scripted model as an HTTP service.
//!
//! Owns [`ScriptedModel`] (a request in, an answer out, no socket needed) and [`serve`] (the same on a listener). It
//! never looks at credentials. The binary wraps it as an origin of the model door; tests serve it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::body::{Body, Chunk};
use crate::conversation::Conversation;
use crate::openai::Stamp;
use crate::reply::{Part, Reply};
use crate::script::Script;
use crate::{anthropic, gemini, helpful, openai, responses};

/// As much as real providers take.
const MAX_BODY_BYTES: usize = 32 << 20;

/// How long a client may take to send its body on a socket of ours.
const BODY_PATIENCE: Duration = Duration::from_secs(60);

/// The model that `GET /v1/models` lists.
const MODEL: &str = "scripted-1";

/// A model provider without a network. Clones share their state.
#[derive(Clone, Debug)]
pub struct ScriptedModel {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    script: Option<Script>,
    answers: AtomicU64,
}

#[derive(Clone, Copy, PartialEq)]
enum Format {
    OpenAi,
    Anthropic,
    Responses,
    Gemini,
}

impl ScriptedModel {
    /// The helpful assistant: obeys `RUN:`, `FETCH:` and `WRITE:` lines of the user, and explains them otherwise.
    #[must_use]
    pub fn helpful() -> Self {
        Self { shared: Arc::new(Shared { script: None, answers: AtomicU64::new(0) }) }
    }

    /// The hijacked one, which follows `script` and believes whatever it reads.
    #[must_use]
    pub fn hijacked(script: Script) -> Self {
        Self { shared: Arc::new(Shared { script: Some(script), answers: AtomicU64::new(0) }) }
    }

    /// Answers one request. Whatever is wrong with it becomes an error of the form that its endpoint speaks.
    #[must_use]
    pub fn respond(&self, request: &Request<Bytes>) -> Response<Body> {
        let path = request.uri().path();
        match (request.method(), path) {
            (&Method::POST, "/v1/chat/completions") => self.complete(Format::OpenAi, request.body()),
            (&Method::POST, "/v1/responses") => self.complete(Format::Responses, request.body()),
            (&Method::POST, path) if gemini::asked(path).is_some() => self.generate(path, request.body()),
            (&Method::POST, "/v1/messages") => self.complete(Format::Anthropic, request.body()),
            (&Method::GET, "/v1/models") if request.headers().contains_key("anthropic-version") => json_response(
                StatusCode::OK,
                &json!({ "data": [{ "type": "model", "id": MODEL, "display_name": MODEL, "created_at": "2026-01-01T00:00:00Z" }],
                    "has_more": false, "first_id": MODEL, "last_id": MODEL }),
            ),
            (&Method::GET, "/v1/models") => json_response(
                StatusCode::OK,
                &json!({ "object": "list", "data": [{ "id": MODEL, "object": "model", "created": 0, "owned_by": "creel" }] }),
            ),
            (_, "/v1/chat/completions" | "/v1/responses" | "/v1/messages" | "/v1/models") => {
                fail(format_of(path), StatusCode::METHOD_NOT_ALLOWED, "another method is needed here")
            }
            _ => fail(format_of(path), StatusCode::NOT_FOUND, "there is no such endpoint"),
        }
    }

    /// Gemini's path names the model, and whether to stream.
    fn generate(&self, path: &str, body: &[u8]) -> Response<Body> {
        let (model, stream) = gemini::asked(path).unwrap_or_default();
        match Conversation::read(body) {
            Ok(talk) => self.answer(Format::Gemini, Conversation { model: model.to_owned(), stream, ..talk }),
            Err(why) => fail(Format::Gemini, StatusCode::BAD_REQUEST, &why),
        }
    }

    fn complete(&self, format: Format, body: &[u8]) -> Response<Body> {
        match Conversation::read(body) {
            Ok(talk) => self.answer(format, talk),
            Err(why) => fail(format, StatusCode::BAD_REQUEST, &why),
        }
    }

    fn answer(&self, format: Format, talk: Conversation) -> Response<Body> {
        let reply = match &self.shared.script {
            None => helpful::answer(&talk),
            Some(script) => script.answer(&talk),
        };
        let stamp = Stamp {
            number: self.shared.answers.fetch_add(1, Ordering::Relaxed) + 1,
            created: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        };
        if talk.stream {
            let chunks = match format {
                Format::OpenAi => openai::streamed(&stamp, &talk, &reply),
                Format::Anthropic => anthropic::streamed(&stamp, &talk, &reply),
                Format::Responses => responses::streamed(&stamp, &talk, &reply),
                Format::Gemini => gemini::streamed(&stamp, &talk, &reply),
            };
            return response(StatusCode::OK, "text/event-stream", Body::streamed(chunks));
        }
        let whole = match format {
            Format::OpenAi => openai::whole(&stamp, &talk, &reply),
            Format::Anthropic => anthropic::whole(&stamp, &talk, &reply),
            Format::Responses => responses::whole(&stamp, &talk, &reply),
            Format::Gemini => gemini::whole(&stamp, &talk, &reply),
        };
        response(StatusCode::OK, "application/json", unstreamed(&reply, &whole))
    }
}

/// A whole answer; a script's delays, raw bytes and hang-ups make it a streamed body.
fn unstreamed(reply: &Reply, whole: &Value) -> Body {
    let mut chunks = Vec::new();
    let mut raw = String::new();
    let mut cut = false;
    for part in &reply.parts {
        match part {
            Part::Text(_) | Part::Call(_) => {}
            Part::Raw(text) => raw.push_str(text),
            Part::Delay(duration) => chunks.push(Chunk::Delay(*duration)),
            Part::HangUp => cut = true,
        }
    }
    let text = if raw.is_empty() { whole.to_string() } else { raw };
    if chunks.is_empty() && !cut {
        return Body::whole(text);
    }
    chunks.push(Chunk::Data(Bytes::from(text)));
    if cut {
        chunks.push(Chunk::HangUp);
    }
    Body::streamed(chunks)
}

fn format_of(path: &str) -> Format {
    match path {
        path if path.starts_with("/v1/messages") => Format::Anthropic,
        path if path.starts_with("/v1beta/") => Format::Gemini,
        _ => Format::OpenAi,
    }
}

fn fail(format: Format, status: StatusCode, why: &str) -> Response<Body> {
    let body = match format {
        Format::OpenAi | Format::Responses => {
            json!({ "error": { "message": why, "type": "invalid_request_error", "param": null, "code": null } })
        }
        Format::Anthropic => json!({ "type": "error", "error": { "type": "invalid_request_error", "message": why } }),
        Format::Gemini => json!({ "error": { "code": status.as_u16(), "message": why, "status": "INVALID_ARGUMENT" } }),
    };
    json_response(status, &body)
}

fn json_response(status: StatusCode, value: &Value) -> Response<Body> {
    response(status, "application/json", Body::whole(value.to_string()))
}

fn response(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Serves `model` on `listener`, HTTP/1.1, until the future is dropped. It checks no credentials: bind it where only its
/// users can reach it.
pub async fn serve(listener: TcpListener, model: ScriptedModel) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors: wait for some to come back.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let model = model.clone();
        connections.spawn(async move {
            let service = service_fn(move |request: Request<hyper::body::Incoming>| answer(model.clone(), request));
            // A client that went away is no fault of ours.
            let _gone =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    model: ScriptedModel,
    request: Request<hyper::body::Incoming>,
) -> Result<Response<Body>, std::convert::Infallible> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, MAX_BODY_BYTES).collect();
    Ok(match tokio::time::timeout(BODY_PATIENCE, body).await {
        Ok(Ok(body)) => model.respond(&Request::from_parts(head, body.to_bytes())),
        Ok(Err(_)) => {
            fail(format_of(head.uri.path()), StatusCode::PAYLOAD_TOO_LARGE, "the body is not readable or too long")
        }
        Err(_) => fail(format_of(head.uri.path()), StatusCode::REQUEST_TIMEOUT, "the body did not come in time"),
    })
}

#[cfg(test)]
#[path = "service/tests.rs"]
mod tests;
