//! What the model door adds to a streamed answer: to the first token, and to each event after it.
//!
//! A client asks a provider of the bench's own directly and through the door in turns, in one run; each event of the answer
//! bears the time at which it was sent. The door has everything on: the shipped rules, tools and fences, and a ledger on
//! disk. `make bench` prints medians and 99th percentiles: compare the ratios. It takes no argument.

#[path = "guard/calm.rs"]
mod calm;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use creel::config::Config;
use creel::provider::{Provider, ProviderKind, WireFormat};
use creel_doors::Shutdown;
use creel_doors::model::{self, Base, Format, HttpOrigin, KeyHeader, Model};
use creel_doors::upstream::{Client, SystemResolver, Trust};
use creel_guard::{Guard, NoOneToAsk, Tenant};
use creel_ledger::{FileLedger, OpenOptions};
use creel_policy::Policy;
use creel_secrets::{MemoryBroker, parse_handover};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use zeroize::Zeroizing;

use calm::{Closed, Tokio};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Conversations of each kind, and events of each answer.
const ROUNDS: usize = 60;
const EVENTS: usize = 100;
/// Between two events of an answer.
const BEAT: Duration = Duration::from_millis(1);

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let folder = std::env::temp_dir().join(format!("creel-bench-model-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let done = runtime.block_on(measure(&folder));
    std::fs::remove_dir_all(&folder)?;
    done
}

async fn measure(folder: &Path) -> Result<(), Failure> {
    let begun = now();
    let provider = provider(begun).await?;
    let door = door(folder, provider).await?;
    for (name, turns, grows) in [
        ("a short question", 0, false),
        ("60 KB of conversation, all of it new", 30, false),
        ("60 KB of conversation, a turn later", 30, true),
    ] {
        let (mut direct, mut through) = (Taken::default(), Taken::default());
        for round in 0..ROUNDS {
            let conversation = if grows { "the same".to_owned() } else { format!("number {round}") };
            let request = request(&conversation, turns, round);
            direct.add(ask(provider, "/chat/completions", &request, begun).await?);
            through.add(ask(door, "/v1/chat/completions", &request, begun).await?);
        }
        if grows {
            // The first one was new.
            through.first.remove(0);
        }
        report(name, direct, through)?;
    }
    Ok(())
}

/// How long it took: to the first token, and each event on its way.
#[derive(Default)]
struct Taken {
    first: Vec<f64>,
    events: Vec<f64>,
}

impl Taken {
    fn add(&mut self, other: Self) {
        self.first.extend(other.first);
        self.events.extend(other.events);
    }
}

fn report(name: &str, direct: Taken, through: Taken) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    writeln!(out, "{name}")?;
    for (what, direct, through) in
        [("to the first token", direct.first, through.first), ("an event on its way", direct.events, through.events)]
    {
        let ((p50, p99), (own50, own99)) = (percentiles(direct), percentiles(through));
        writeln!(
            out,
            "  {what:<20} direct p50 {p50:>6.0} us, p99 {p99:>6.0} us; the door adds {:>6.0} us p50, {:>6.0} us p99",
            own50 - p50,
            own99 - p99
        )?;
    }
    Ok(())
}

fn percentiles(mut all: Vec<f64>) -> (f64, f64) {
    all.sort_by(f64::total_cmp);
    let at = |part: f64| all.get(((all.len() as f64 * part) as usize).min(all.len() - 1)).copied().unwrap_or_default();
    (at(0.5), at(0.99))
}

/// A conversation with tools and results of tools, of some 2 KB a turn.
fn request(conversation: &str, turns: usize, round: usize) -> String {
    let prose =
        "The committee met on Tuesday to discuss the budget for the coming year, and moved the vote. ".repeat(18);
    let mut messages = vec![json!({ "role": "system", "content": "You are a helpful assistant with tools." })];
    for turn in 0..turns {
        let id = format!("call_{turn}");
        messages.push(json!({ "role": "user", "content": format!("Read page {turn} of {conversation}.") }));
        let call = json!({ "id": id, "type": "function",
            "function": { "name": "web_fetch", "arguments": format!("{{\"url\":\"https://pages.test/{turn}\"}}") } });
        messages.push(json!({ "role": "assistant", "content": null, "tool_calls": [call] }));
        let result = format!("{conversation}, page {turn}: {prose}");
        messages.push(json!({ "role": "tool", "tool_call_id": id, "content": result }));
        messages.push(json!({ "role": "assistant", "content": "I have read it." }));
    }
    messages.push(json!({ "role": "user", "content": format!("What is {round} and {round}?") }));
    let tools: Vec<Value> = ["web_fetch", "exec", "read", "write"]
        .map(|name| {
            let parameters = json!({ "type": "object", "properties": { "url": { "type": "string" } } });
            json!({ "type": "function", "function": { "name": name, "parameters": parameters } })
        })
        .into();
    json!({ "model": "scripted-1", "stream": true, "messages": messages, "tools": tools }).to_string()
}

/// One streamed answer on a connection of its own.
#[expect(clippy::disallowed_methods, reason = "the client stands in for the agent")]
async fn ask(to: SocketAddr, path: &str, body: &str, begun: Instant) -> Result<Taken, Failure> {
    let mut stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {to}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let sent = now();
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await?;
    let mut lines = BufReader::new(stream).lines();
    let (mut taken, mut said) = (Taken::default(), String::new());
    while let Some(line) = lines.next_line().await? {
        if said.len() < 4096 {
            said.push_str(&line);
        }
        let Some((_, stamp)) = line.split_once("\"content\":\"t=") else { continue };
        let stamp: f64 = stamp.split(';').next().unwrap_or_default().parse()?;
        if taken.first.is_empty() {
            taken.first.push(sent.elapsed().as_secs_f64() * 1e6);
        }
        taken.events.push(begun.elapsed().as_secs_f64() * 1e6 - stamp);
    }
    if taken.events.len() != EVENTS {
        return Err(format!("{} of {EVENTS} events came: {said}", taken.events.len()).into());
    }
    Ok(taken)
}

/// A provider that begins to answer as soon as it has read a request.
async fn provider(begun: Instant) -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, begun));
        }
    });
    Ok(address)
}

async fn answer(stream: TcpStream, begun: Instant) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        if let Some(told) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = told.trim().parse()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let mut stream = stream.into_inner();
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    for _ in 0..EVENTS {
        let stamp = begun.elapsed().as_secs_f64() * 1e6;
        event(&mut stream, &chunk(&json!({ "content": format!("t={stamp:.1};") }), &Value::Null)).await?;
        tokio::time::sleep(BEAT).await;
    }
    event(&mut stream, &chunk(&json!({}), &"stop".into())).await?;
    event(&mut stream, "[DONE]").await?;
    stream.write_all(b"0\r\n\r\n").await?;
    Ok(stream.shutdown().await?)
}

fn chunk(delta: &Value, end: &Value) -> String {
    let choice = json!({ "index": 0, "delta": delta, "finish_reason": end });
    json!({ "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "scripted-1", "choices": [choice] })
        .to_string()
}

async fn event(stream: &mut TcpStream, data: &str) -> std::io::Result<()> {
    let event = format!("data: {data}\n\n");
    stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).await
}

/// The model door of an installation with the defaults, before this provider.
async fn door(folder: &Path, provider: SocketAddr) -> Result<SocketAddr, Failure> {
    let tenant = Tenant::parse("bench")?;
    let place = format!("http://provider.test:{}/v1", provider.port());
    let text = format!(
        "[model]\nprovider = \"openai\"\nmodel = \"scripted-1\"\nbase_url = \"{place}\"\naddress = \"127.0.0.1\"\n"
    );
    let config = Config::again(Path::new("creel.toml"), &text, &[]).map_err(|report| report.to_string())?;
    let kind = Provider {
        kind: ProviderKind::Openai,
        format: WireFormat::OpenaiCompletions,
        model: "scripted-1".to_owned(),
        base_url: Some(place.clone()),
        script: None,
    };
    let policy = Policy::new(config.policy(1, &kind, Vec::new()));
    let ledger = Arc::new(FileLedger::open(&folder.join("ledger"), &tenant, OpenOptions::default())?);
    let guard = Guard::new(Arc::new(policy), ledger, Arc::new(NoOneToAsk), Arc::new(Closed), Arc::new(Tokio), false);
    let origin = HttpOrigin {
        base: Base::parse(&place)?,
        format: Format::OpenAi,
        address: Some(provider.ip()),
        roots: Vec::new(),
        client: Client::new(Trust::new(&[])?),
        resolver: Arc::new(SystemResolver),
    };
    let answers = model::Provider {
        name: kind.kind.name().to_owned(),
        format: Format::OpenAi,
        origin: Arc::new(origin),
        key: KeyHeader::usual(Format::OpenAi),
        models: vec![kind.model.clone()],
    };
    let handed = Zeroizing::new(br#"{"name":"OPENAI_API_KEY","value":"not-a-key-of-anybody"}"#.to_vec());
    let (_keep, configured) = watch::channel(Arc::new(model::Config { providers: vec![answers] }));
    let (_keep_too, judging) = watch::channel(Arc::new(config.judging(&Arc::default())));
    let broker = Arc::new(MemoryBroker::new(parse_handover(handed)?)?);
    let door = Model {
        guard,
        tenant,
        config: configured,
        judging,
        broker,
        masks: None,
        meter: None,
        definitions: None,
        memories: None,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        let (_trigger, shutdown) = Shutdown::pair();
        model::serve(door, vec![listener], shutdown).await;
    });
    Ok(address)
}

#[expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
fn now() -> Instant {
    Instant::now()
}
