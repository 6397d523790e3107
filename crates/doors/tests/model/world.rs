//! A model door on a real socket and a provider inside the test.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use creel_doors::definition::{Definition, Definitions};
use creel_doors::model::{self, Base, Config, Format, HttpOrigin, KeyHeader, Model, Origin, Provider};
use creel_doors::shutdown::Trigger;
use creel_doors::stream::Body;
use creel_doors::upstream::{Client, Trust};
use creel_doors::{Error, Shutdown};
use creel_guard::{
    Action, BoxFuture, BreakerState, Breakers, Deed, Drift, Facts, Guard, Inject, Judge, Judgement, Ledger, NoOneToAsk,
    Obligations, RecordId, Refusal, RuleId, Timer, Verdict,
};
use creel_secrets::{MemoryBroker, parse_handover};
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::fakes::{Book, tenant};
use crate::world::{Table, exchange};

pub(crate) const KEY: &str = "sk-canary-0123456789abcdef";

/// Refuses flaws, the tool `forbidden`, and tools that are not defined as they were accepted.
struct Rules {
    owes: Obligations,
}

impl Judge for Rules {
    fn judge(&self, action: &Action, facts: &Facts) -> Judgement {
        let id = |text: String| RuleId::new(Box::leak(text.into_boxed_str()));
        let forbidden = matches!(&action.deed, Deed::Call(call) if call.tool == "forbidden");
        let drift = facts.call.as_ref().and_then(|known| known.definition.as_ref());
        let refused = facts.flaw.clone().or(forbidden.then(|| "no".to_owned())).or(drift.map(|_| "drift".to_owned()));
        let (rule, verdict) = match (refused, &action.deed) {
            (Some(word), _) => {
                let rule = id(format!("{}/{word}", action.door));
                (rule.clone(), Verdict::Deny(Refusal::new(rule, "not here", "not for the agent")))
            }
            (None, Deed::Prompt(_)) => (id("model/allow".to_owned()), Verdict::Allow(self.owes.clone())),
            (None, _) => (id("model/allow".to_owned()), Verdict::Allow(Obligations::default())),
        };
        Judgement { verdict, rule, why: String::new(), generation: 1 }
    }
}

/// What [`Word`] knows.
pub(crate) const WORD: &str = "v3ry-s3cr3t-w0rd";

/// Knows one word.
struct Word;

impl model::Masks for Word {
    fn masked(&self, text: &str) -> Option<String> {
        text.contains(WORD).then(|| text.replace(WORD, "[secret WORD]"))
    }

    fn is_spread(&self, texts: &[&str]) -> bool {
        texts.concat().contains(WORD)
    }
}

/// Speaks against the tools `drifted`, which a request offers, and `elsewhere`, which a catalogue told of.
struct Drifts;

impl Definitions for Drifts {
    fn look(&self, _source: &str, offered: &[Definition<'_>], _whole: bool) -> HashMap<String, Drift> {
        let drifted = offered.iter().filter(|one| one.name == "drifted");
        drifted.map(|one| (one.name.to_owned(), Drift::default())).collect()
    }

    fn standing(&self, tool: &str) -> Option<Drift> {
        (tool == "elsewhere").then(Drift::default)
    }
}

/// What prompts were counted with, `None` where one cost nothing.
#[derive(Default)]
pub(crate) struct Tabs(Mutex<Vec<Option<model::Used>>>);

impl Tabs {
    /// The first that was closed, once it is.
    pub(crate) async fn first(&self) -> Option<model::Used> {
        loop {
            if let Some(used) = self.0.lock().unwrap().first() {
                return used.clone();
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

impl model::Meter for Tabs {
    fn begins(&self, _record: RecordId, _least: &model::Used) {}

    fn ends(&self, _record: RecordId, used: Option<&model::Used>) {
        self.0.lock().unwrap().push(used.cloned());
    }
}

struct Calm;

impl Breakers for Calm {
    fn state(&self, _action: &Action) -> BreakerState {
        BreakerState::Closed
    }
}

impl Timer for Calm {
    fn after(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// What the provider answers.
#[derive(Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: String,
    after: Duration,
    /// The ledger closes before the body comes.
    closing: bool,
    /// The body never ends.
    endless: bool,
}

impl Reply {
    fn new(content_type: &'static str, body: String) -> Self {
        let headers = vec![("content-type", content_type)];
        Self { status: 200, headers, body, after: Duration::ZERO, closing: false, endless: false }
    }

    pub(crate) fn json(value: &Value) -> Self {
        Self::new("application/json", value.to_string())
    }

    pub(crate) fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn after_ms(self, ms: u64) -> Self {
        Self { after: Duration::from_millis(ms), ..self }
    }

    pub(crate) fn closing(self) -> Self {
        Self { closing: true, ..self }
    }

    pub(crate) fn endless(self) -> Self {
        Self { endless: true, ..self }
    }
}

/// A streamed answer.
pub(crate) fn sse(body: &str) -> Reply {
    Reply::new("text/event-stream; charset=utf-8", body.to_owned())
}

/// A provider inside the test.
pub(crate) struct Played {
    reply: Reply,
    book: Arc<Book>,
    got: Mutex<Vec<Request<Bytes>>>,
}

impl Played {
    pub(crate) fn got(&self) -> Vec<Request<Bytes>> {
        self.got.lock().unwrap().clone()
    }
}

impl Origin for Played {
    fn locate(&self) -> BoxFuture<'_, Result<Vec<IpAddr>, Error>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn send(&self, request: Request<Bytes>, _addresses: Vec<IpAddr>) -> BoxFuture<'_, Result<Response<Body>, Error>> {
        self.got.lock().unwrap().push(request);
        Box::pin(async {
            tokio::time::sleep(self.reply.after).await;
            if self.reply.closing {
                self.book.closed.store(true, Ordering::SeqCst);
            }
            // In small pieces, as a network cuts them.
            let pieces: Vec<_> = self
                .reply
                .body
                .as_bytes()
                .chunks(1000)
                .map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece))))
                .collect();
            let pieces = futures_util::stream::iter(pieces);
            let body = if self.reply.endless {
                use futures_util::StreamExt;
                StreamBody::new(pieces.chain(futures_util::stream::pending())).boxed_unsync()
            } else {
                StreamBody::new(pieces).boxed_unsync()
            };
            let mut response = Response::builder().status(self.reply.status);
            for (name, value) in &self.reply.headers {
                response = response.header(*name, *value);
            }
            Ok(response.body(body).unwrap())
        })
    }
}

/// A door and what stands around it.
pub(crate) struct World {
    pub(crate) book: Arc<Book>,
    pub(crate) provider: Arc<Played>,
    pub(crate) tabs: Arc<Tabs>,
    door: SocketAddr,
    _trigger: Trigger,
    _config: watch::Sender<Arc<Config>>,
}

impl World {
    pub(crate) async fn new(reply: Reply) -> Self {
        let inject = Some(Inject { secret: "KEY".to_owned(), skill: None, slot: None });
        Self::owing(reply, Obligations { inject, ..Obligations::default() }).await
    }

    pub(crate) async fn owing(reply: Reply, owes: Obligations) -> Self {
        Self::build(reply, owes, None).await
    }

    pub(crate) async fn with_origin(origin: HttpOrigin) -> Self {
        let inject = Some(Inject { secret: "KEY".to_owned(), skill: None, slot: None });
        let owes = Obligations { inject, ..Obligations::default() };
        Self::build(Reply::json(&json!({})), owes, Some(Arc::new(origin))).await
    }

    async fn build(reply: Reply, owes: Obligations, origin: Option<Arc<dyn Origin>>) -> Self {
        let book = Arc::new(Book::default());
        let provider = Arc::new(Played { reply, book: Arc::clone(&book), got: Mutex::default() });
        let origin = origin.unwrap_or_else(|| Arc::clone(&provider) as Arc<dyn Origin>);
        let serving = |format| Provider {
            name: "played".to_owned(),
            format,
            origin: Arc::clone(&origin),
            key: KeyHeader::usual(format),
            models: vec!["m".to_owned()],
        };
        let config = Config {
            providers: [Format::OpenAi, Format::Anthropic, Format::Responses, Format::Gemini].map(serving).into(),
        };
        let (sender, config) = watch::channel(Arc::new(config));
        let handed = parse_handover(format!("{{\"name\":\"KEY\",\"value\":\"{KEY}\"}}\n").into_bytes().into()).unwrap();
        let ledger = Arc::clone(&book) as Arc<dyn Ledger>;
        let guard =
            Guard::new(Arc::new(Rules { owes }), ledger, Arc::new(NoOneToAsk), Arc::new(Calm), Arc::new(Calm), false);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let door = listener.local_addr().unwrap();
        let (trigger, shutdown) = Shutdown::pair();
        let (_judging, judging) = watch::channel(Arc::default());
        let broker = Arc::new(MemoryBroker::new(handed).unwrap());
        let tabs = Arc::<Tabs>::default();
        tokio::spawn(model::serve(
            Model {
                guard,
                tenant: tenant(),
                config,
                judging,
                broker,
                masks: Some(Arc::new(Word)),
                meter: Some(Arc::clone(&tabs) as _),
                definitions: Some(Arc::new(Drifts)),
                memories: None,
            },
            vec![listener],
            shutdown,
        ));
        Self { book, provider, tabs, door, _trigger: trigger, _config: sender }
    }

    pub(crate) async fn raw(&self, bytes: impl AsRef<[u8]>) -> String {
        exchange(TcpStream::connect(self.door).await.unwrap(), bytes).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> String {
        self.post_with(path, "", body).await
    }

    pub(crate) async fn post_with(&self, path: &str, headers: &str, body: &Value) -> String {
        self.raw(request(path, headers, body)).await
    }

    /// Sends a request and leaves the connection open.
    pub(crate) async fn begin(&self, path: &str, body: &Value) -> TcpStream {
        let mut stream = TcpStream::connect(self.door).await.unwrap();
        stream.write_all(request(path, "", body).as_bytes()).await.unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        stream
    }
}

fn request(path: &str, headers: &str, body: &Value) -> String {
    let body = body.to_string();
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: x\r\n{headers}connection: close\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// The body of an HTTP/1.1 response, chunks joined.
pub(crate) fn body(response: &str) -> String {
    let (head, mut rest) = response.split_once("\r\n\r\n").unwrap();
    if !head.contains("transfer-encoding: chunked") {
        return rest.to_owned();
    }
    let mut out = String::new();
    while let Some((size, tail)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        let (piece, tail) = tail.split_at(size);
        out.push_str(piece);
        rest = tail.strip_prefix("\r\n").unwrap();
    }
    out
}

/// A request in the form of `path` that offers `tools`.
pub(crate) fn ask(path: &str, stream: bool, tools: &[&str]) -> Value {
    let tool = |name: &&str| match path {
        "/v1/chat/completions" => json!({ "type": "function", "function": { "name": name } }),
        "/v1/responses" => json!({ "type": "function", "name": name, "parameters": {} }),
        _ => json!({ "name": name, "input_schema": {} }),
    };
    let tools: Vec<Value> = tools.iter().map(tool).collect();
    if path.starts_with(Format::Gemini.path()) {
        let functions: Vec<Value> = tools.iter().map(|tool| json!({ "name": tool["name"] })).collect();
        return json!({ "contents": [{ "role": "user", "parts": [{ "text": "hi" }] }], "tools": [{ "functionDeclarations": functions }] });
    }
    if path == Format::Responses.path() {
        return json!({ "model": "m", "stream": stream, "input": "hi", "tools": tools });
    }
    json!({ "model": "m", "stream": stream, "messages": [{ "role": "user", "content": "hi" }], "tools": tools })
}

pub(crate) fn text_answer(format: Format) -> Value {
    match format {
        Format::OpenAi => {
            json!({ "choices": [{ "index": 0, "message": { "role": "assistant", "content": "hi" }, "finish_reason": "stop" }] })
        }
        Format::Gemini => {
            json!({ "candidates": [{ "content": { "role": "model", "parts": [{ "text": "hi" }] }, "finishReason": "STOP" }] })
        }
        Format::Responses => {
            let content = json!([{ "type": "output_text", "text": "hi", "annotations": [] }]);
            json!({ "object": "response", "status": "completed", "output": [{ "type": "message", "id": "msg_1", "role": "assistant", "content": content }] })
        }
        Format::Anthropic => {
            json!({ "type": "message", "content": [{ "type": "text", "text": "hi" }], "stop_reason": "end_turn" })
        }
    }
}

/// A streamed answer in OpenAI's form that calls `tools`.
pub(crate) fn openai_call(tools: &[&str]) -> String {
    let chunk = |delta: Value, finish: Value| {
        format!("data: {}\n\n", json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] }))
    };
    let mut out = chunk(json!({ "role": "assistant", "content": "hm" }), Value::Null);
    for (index, name) in tools.iter().enumerate() {
        let function = json!({ "name": name, "arguments": "" });
        let call = json!({ "index": index, "id": format!("c{index}"), "type": "function", "function": function });
        out += &chunk(json!({ "tool_calls": [call] }), Value::Null);
        for piece in ["{\"command\"", ":\"id\"}"] {
            let call = json!({ "index": index, "function": { "arguments": piece } });
            out += &chunk(json!({ "tool_calls": [call] }), Value::Null);
        }
    }
    out + &chunk(json!({}), json!("tool_calls")) + "data: [DONE]\n\n"
}

/// The same in Anthropic's form.
pub(crate) fn anthropic_call(tools: &[&str]) -> String {
    let event = |value: Value| format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap());
    let mut out =
        event(json!({ "type": "message_start", "message": { "content": [], "usage": { "input_tokens": 1 } } }));
    for (index, name) in tools.iter().enumerate() {
        let block = json!({ "type": "tool_use", "id": format!("c{index}"), "name": name, "input": {} });
        out += &event(json!({ "type": "content_block_start", "index": index, "content_block": block }));
        for piece in ["{\"command\"", ":\"id\"}"] {
            let delta = json!({ "type": "input_json_delta", "partial_json": piece });
            out += &event(json!({ "type": "content_block_delta", "index": index, "delta": delta }));
        }
        out += &event(json!({ "type": "content_block_stop", "index": index }));
    }
    out += &event(
        json!({ "type": "message_delta", "delta": { "stop_reason": "tool_use" }, "usage": { "output_tokens": 1 } }),
    );
    out + &event(json!({ "type": "message_stop" }))
}

/// The same in the form of OpenAI Responses.
pub(crate) fn responses_call(tools: &[&str]) -> String {
    let event = |value: Value| format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap());
    let mut out = event(json!({ "type": "response.created", "response": { "id": "resp_1", "output": [] } }));
    let item = |index: usize, name: &str, arguments: &str| json!({ "type": "function_call", "id": format!("fc_{index}"), "call_id": format!("c{index}"), "name": name, "arguments": arguments });
    let whole = "{\"command\":\"id\"}";
    for (index, name) in tools.iter().enumerate() {
        out += &event(
            json!({ "type": "response.output_item.added", "output_index": index, "item": item(index, name, "") }),
        );
        for piece in ["{\"command\"", ":\"id\"}"] {
            out += &event(
                json!({ "type": "response.function_call_arguments.delta", "item_id": format!("fc_{index}"), "output_index": index, "delta": piece }),
            );
        }
        out += &event(
            json!({ "type": "response.output_item.done", "output_index": index, "item": item(index, name, whole) }),
        );
    }
    let output: Vec<Value> = tools.iter().enumerate().map(|(index, name)| item(index, name, whole)).collect();
    let usage = json!({ "input_tokens": 1, "output_tokens": 1 });
    out + &event(
        json!({ "type": "response.completed", "response": { "status": "completed", "output": output, "usage": usage } }),
    )
}

/// The same in Gemini's form.
pub(crate) fn gemini_call(tools: &[&str]) -> String {
    let chunk = |parts: Value, finish: Value| {
        let candidate = json!({ "content": { "role": "model", "parts": parts }, "finishReason": finish });
        format!("data: {}\r\n\r\n", json!({ "candidates": [candidate] }))
    };
    let call = |(at, name): (usize, &&str)| json!({ "functionCall": { "id": format!("c{at}"), "name": name, "args": { "command": "id" } } });
    let calls: Vec<Value> = tools.iter().enumerate().map(call).collect();
    chunk(json!([{ "text": "hm" }]), Value::Null) + &chunk(calls.into(), Value::Null) + &chunk(json!([]), json!("STOP"))
}

/// A plain HTTP provider on a socket, and the requests it got.
pub(crate) async fn http_provider(answer: &Value) -> (HttpOrigin, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let got: Arc<Mutex<Vec<String>>> = Arc::default();
    let (seen, answer) = (Arc::clone(&got), answer.to_string());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = vec![0; 65536];
            let length = stream.read(&mut buffer).await.unwrap();
            seen.lock().unwrap().push(String::from_utf8_lossy(&buffer[..length]).into_owned());
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                answer.len()
            );
            let _ = stream.write_all(format!("{head}{answer}").as_bytes()).await;
        }
        Ok::<(), Infallible>(())
    });
    let resolver = Arc::new(Table::default());
    *resolver.addresses.lock().unwrap() = vec![Ipv4Addr::LOCALHOST.into()];
    let origin = HttpOrigin {
        base: Base::parse(&format!("http://provider.test:{port}/api/v1")).unwrap(),
        format: Format::OpenAi,
        address: None,
        roots: Vec::new(),
        client: Client::new(Trust::new(&[]).unwrap()),
        resolver,
    };
    (origin, got)
}
