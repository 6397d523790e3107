//! The model door: prompts on their way out, tool calls on their way in.
//!
//! Takes requests of the wire formats that it knows on sockets planted in the jail, reads them against allow-lists, has each one
//! judged, sends the admitted ones to the provider with our key, and has every tool call in the answer judged before the
//! agent receives it. It never decides, and nothing passes that it can't read. The guard process serves it.

mod admit;
mod call;
pub mod config;
mod context;
mod definitions;
mod enforce;
mod flaw;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod headers;
mod items;
mod lookout;
pub mod mask;
mod memories;
mod meter;
pub mod origin;
mod parts;
mod refuse;
mod relay;
pub mod said;
mod see;
mod separate;
mod sse;
mod stream;
pub(crate) mod strict;
mod usage;
mod whole;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use creel_guard::{Deed, Facts, Guard, Prompt, Send as SendDeed, Target, Tenant};
use creel_secrets::Broker;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

pub use config::{Config, Format, Judging, KeyHeader, Provider};
pub use flaw::FlawKind;
pub use mask::Masks;
pub use memories::Memories;
pub use meter::{Meter, Used};
pub use origin::{Base, HttpOrigin, Origin};
pub use said::Said;

use crate::accept;
use crate::definition::Definitions;
use crate::shutdown::Shutdown;
use crate::stream::{Body, full};
use admit::Admission;
use config::{BODY_BUDGET_MIB, BODY_LIMIT, HEAD_LIMIT, MAX_BODY_BYTES, MAX_CONNECTIONS};
use context::Ground;
use enforce::Admitted;
use flaw::Flaw;
use see::{Aim, Endpoint, Rework};
use separate::Separation;

/// Hyper's buffer for a request's head (and a piece of its body).
const BUFFER: usize = 64 * 1024;
/// How long a prompt is held while an alarm keeps the doors shut; the agent stands still meanwhile.
const HELD: Duration = Duration::from_secs(3600);
/// Lines of a request's head: OpenClaw sends some twenty.
const HEAD_LINES: usize = 100;
/// How much of an unknown path is recorded.
const MAX_PATH_CHARS: usize = 512;

/// What the model door of one jail works with.
#[derive(Clone)]
pub struct Model {
    /// The one door to pass.
    pub guard: Guard,
    /// Whose jail it is.
    pub tenant: Tenant,
    /// Who answers prompts; read at each request.
    pub config: watch::Receiver<Arc<Config>>,
    /// What calls are judged by; read at each request.
    pub judging: watch::Receiver<Arc<Judging>>,
    /// Fills the key's header.
    pub broker: Arc<dyn Broker>,
    /// Knows what no provider may see; none where nothing is known.
    pub masks: Option<Arc<dyn Masks>>,
    /// Counts what prompts are paid for; none where nobody does.
    pub meter: Option<Arc<dyn Meter>>,
    /// Remembers how tools are defined; none where nobody does.
    pub definitions: Option<Arc<dyn Definitions>>,
    /// Knows what stands in the agent's memory; none where nobody does.
    pub memories: Option<Arc<dyn Memories>>,
}

/// Serves `listeners` until `shutdown`.
pub async fn serve(door: Model, listeners: Vec<TcpListener>, shutdown: Shutdown) {
    let fence = match Separation::new() {
        Ok(fence) => Arc::new(fence),
        Err(error) => return tracing::error!(%error, "the model door stays shut: there is no randomness for its fence"),
    };
    let door = Arc::new(Open {
        admission: Admission {
            guard: door.guard.clone(),
            tenant: door.tenant.clone(),
            sign: None,
            claimed_trace: None,
            ground: None,
        },
        fence,
        door,
        bodies: Semaphore::new(BODY_BUDGET_MIB as usize),
    });
    let work = move |stream| Arc::clone(&door).connection(stream);
    accept::serve("model", listeners, MAX_CONNECTIONS, shutdown, work).await;
}

/// The door at work.
struct Open {
    door: Model,
    admission: Admission,
    /// Keeps data apart from orders.
    fence: Arc<Separation>,
    /// MiB of request bodies that may be in memory.
    bodies: Semaphore,
}

/// A request that was read, and what its calls are judged by.
type Looked = (see::Seen, Option<Arc<Mutex<Ground>>>);

/// Why a body is not at hand.
enum Unread {
    TooLong,
    /// It broke off or came too slowly: there is nobody to answer, or nothing to judge.
    Broken,
}

impl Open {
    async fn connection(self: Arc<Self>, stream: TcpStream) {
        let Ok(own) = stream.local_addr() else { return };
        // Deltas are small and must not wait; an error here costs latency only.
        let _ = stream.set_nodelay(true);
        let service = service_fn(|request| {
            let door = Arc::clone(&self);
            async move { Ok::<_, Infallible>(door.request(own, request).await) }
        });
        let served = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_LIMIT)
            .max_headers(HEAD_LINES)
            .max_buf_size(BUFFER)
            .serve_connection(TokioIo::new(stream), service)
            .await;
        if let Err(error) = served {
            tracing::debug!(%error, "a connection to the model door ended");
        }
    }

    async fn request(&self, own: SocketAddr, request: Request<Incoming>) -> Response<Body> {
        match see::endpoint(request.method(), request.uri(), request.headers()) {
            Ok(Endpoint::Generate(aim)) => self.generate(aim, request).await,
            Ok(Endpoint::Models(format)) => self.models(format),
            Err(flaw) => self.stray(own, &request, flaw).await,
        }
    }

    /// A request for no endpoint of this door.
    async fn stray(&self, own: SocketAddr, request: &Request<Incoming>, flaw: Flaw) -> Response<Body> {
        let send = SendDeed {
            scheme: "http".to_owned(),
            method: Some(request.method().as_str().chars().take(32).collect()),
            // A query may hold a key: it is not written down.
            path: request.uri().path().chars().take(MAX_PATH_CHARS).collect(),
            body: hyper::body::Body::size_hint(request.body()).exact(),
            ..SendDeed::connection(Target::Address(own.ip()), own.port())
        };
        let format = see::guess(request.uri(), request.headers());
        match self.admission.ask(Deed::Send(send), admit::facts(Some(&flaw))).await {
            Ok(permit) => enforce::decline(format, permit),
            Err(refusal) => refuse::refusal(format, &refusal, Some(&flaw)),
        }
    }

    /// The models that the operator named. Answered here: nothing leaves, and the provider's own list stays unseen.
    fn models(&self, format: Format) -> Response<Body> {
        let config = Arc::clone(&self.door.config.borrow());
        // The two formats of OpenAI share this endpoint.
        let other = (format == Format::OpenAi).then(|| config.provider(Format::Responses)).flatten();
        let provider = config.provider(format).or(other);
        let models = provider.map(|provider| provider.models.as_slice()).unwrap_or_default();
        let list = match format {
            Format::OpenAi | Format::Responses => {
                let entry = |id| json!({ "id": id, "object": "model", "created": 0, "owned_by": "creel" });
                json!({ "object": "list", "data": models.iter().map(entry).collect::<Vec<_>>() })
            }
            Format::Gemini => {
                let entry = |id: &String| {
                    let methods = ["generateContent", "streamGenerateContent"];
                    json!({ "name": format!("models/{id}"), "displayName": id, "supportedGenerationMethods": methods })
                };
                json!({ "models": models.iter().map(entry).collect::<Vec<_>>() })
            }
            Format::Anthropic => {
                let entry =
                    |id| json!({ "type": "model", "id": id, "display_name": id, "created_at": "1970-01-01T00:00:00Z" });
                json!({ "data": models.iter().map(entry).collect::<Vec<_>>(), "has_more": false,
                    "first_id": models.first(), "last_id": models.last() })
            }
        };
        let mut response = Response::new(full(list.to_string()));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }

    /// One prompt: seen, judged, carried out or refused.
    async fn generate(&self, aim: Aim, request: Request<Incoming>) -> Response<Body> {
        let format = aim.format;
        let config = Arc::clone(&self.door.config.borrow());
        let Some(provider) = config.provider(format) else {
            let flaw = FlawKind::UnknownEndpoint.at("no provider is configured for this format");
            return self.refuse(format, Deed::Prompt(see::prompt(&aim, "", &[])), flaw).await;
        };
        let (head, body) = request.into_parts();
        let declared = hyper::body::Body::size_hint(&body);
        let declared = declared.upper().unwrap_or(MAX_BODY_BYTES as u64).max(declared.lower());
        let mut prompt = see::prompt(&aim, &provider.name, &[]);
        prompt.bytes = declared;
        let too_long = || FlawKind::TooLarge.at(format!("the body is longer than {} MiB", MAX_BODY_BYTES >> 20));
        if declared > MAX_BODY_BYTES as u64 {
            return self.refuse(format, Deed::Prompt(prompt), too_long()).await;
        }
        // Never more permits than there are: 32 MiB of 64.
        let share = u32::try_from(declared >> 20).unwrap_or(BODY_BUDGET_MIB - 1) + 1;
        let Ok(share) = self.bodies.acquire_many(share).await else { return broken() };
        let (seen, ground) = match read(body).await {
            Ok(bytes) => match self.see(aim, &provider.name, bytes).await {
                Some(seen) => seen,
                None => {
                    let flaw = FlawKind::BadRequest.at("reading it failed");
                    return self.refuse(format, Deed::Prompt(prompt), flaw).await;
                }
            },
            Err(Unread::TooLong) => return self.refuse(format, Deed::Prompt(prompt), too_long()).await,
            Err(Unread::Broken) => return broken(),
        };
        let reading = match seen.reading {
            Ok(reading) => reading,
            Err(flaw) => return self.refuse(format, Deed::Prompt(seen.prompt), flaw).await,
        };
        self.calm().await;
        drop(share);
        self.send(provider, seen.prompt, (reading, ground), head.headers).await
    }

    /// A prompt that was read: judged, carried out or refused.
    async fn send(
        &self,
        provider: &Provider,
        prompt: Prompt,
        (mut reading, ground): (see::Reading, Option<Arc<Mutex<Ground>>>),
        headers: HeaderMap,
    ) -> Response<Body> {
        let addresses = provider.origin.locate().await.unwrap_or_else(|error| {
            tracing::warn!(%error, provider = provider.name, "a model provider can't be located");
            Vec::new()
        });
        let rewrites = std::mem::take(&mut reading.found.rewrites);
        let admission =
            Admission { ground, ..self.admission.of(reading.found.sign.take(), headers::claimed_trace(&headers)) };
        let facts =
            Facts { addresses: addresses.clone(), rewrites, sign: admission.sign.clone(), ..admit::facts(None) };
        let model = prompt.model.clone();
        match admission.ask(Deed::Prompt(prompt), facts).await {
            Err(refusal) => refuse::refusal(provider.format, &refusal, None),
            Ok(permit) => {
                admission.prepare();
                let admitted = Admitted {
                    provider: provider.clone(),
                    reading,
                    addresses,
                    headers,
                    broker: Arc::clone(&self.door.broker),
                    meter: self.door.meter.clone(),
                    model,
                    admission,
                };
                enforce::carry_out(permit, admitted).await
            }
        }
    }

    /// While an alarm keeps the doors shut a prompt is held; one that waits for longer is refused.
    async fn calm(&self) {
        if let Some(masks) = &self.door.masks {
            let _calm = timeout(HELD, masks.calm()).await;
        }
    }

    /// Reads a body and keeps data apart in it, beside the connections: a long one takes a while.
    async fn see(&self, aim: Aim, provider: &str, bytes: Bytes) -> Option<Looked> {
        let (fence, provider) = (Arc::clone(&self.fence), provider.to_owned());
        let judging = Arc::clone(&self.door.judging.borrow());
        let (masks, definitions) = (self.door.masks.clone(), self.door.definitions.clone());
        let memories = self.door.memories.clone();
        let work = move || {
            let rework = Rework {
                masks: masks.as_deref(),
                fence: Some(&fence),
                definitions: definitions.as_deref(),
                memories: memories.as_deref(),
            };
            let mut seen = see::body(&aim, &provider, &bytes, rework);
            let ground = seen.reading.as_mut().ok().map(|reading| {
                let (heard, drifts) = (std::mem::take(&mut reading.heard), std::mem::take(&mut reading.drifts));
                Arc::new(Mutex::new(Ground::of(&judging, heard).among(drifts, definitions)))
            });
            (seen, ground)
        };
        tokio::task::spawn_blocking(work).await.ok()
    }

    /// Has a flawed request recorded and refused.
    async fn refuse(&self, format: Format, deed: Deed, flaw: Flaw) -> Response<Body> {
        match self.admission.ask(deed, admit::facts(Some(&flaw))).await {
            Ok(permit) => enforce::decline(format, permit),
            Err(refusal) => refuse::refusal(format, &refusal, Some(&flaw)),
        }
    }
}

async fn read(body: Incoming) -> Result<Bytes, Unread> {
    match timeout(BODY_LIMIT, Limited::new(body, MAX_BODY_BYTES).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Unread::TooLong),
        Ok(Err(_)) | Err(_) => Err(Unread::Broken),
    }
}

fn broken() -> Response<Body> {
    let mut response = Response::new(full("the request's body did not come\n"));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
