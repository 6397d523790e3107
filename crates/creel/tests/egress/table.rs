//! The one table of ways out (EGRESS.md): each row is sent over each transport and protocol that can carry it.
//!
//! Owns [`Row`], [`Ask`], [`Way`] and the check. A refused row leaves a record under its rule's name and no byte at the
//! upstreams; with its rule opened the same request arrives, once.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use creel::config::Config;
use creel_doors::stream::Io;
use creel_guard::{HostName, Judge, Target};
use creel_policy::Policy;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::way::Transport;
pub(crate) use crate::way::Way;
use crate::world::{Origin, PREFACE, World, exchange};

/// Every name that an upstream of these tests has.
const NAMES: &str = "origin.test strict.test api.test a.wild.test inside.test chat.test graph.test rpc.test public.test \
                     ask.test small.test many.test model.test evil.test evil-origin.test origin.test.evil.io xorigin.test \
                     alias.test web.test";

/// What is approved in every row.
const POLICY: &str = r#"
[[egress.allow]]
host = "origin.test"
ports = [{tls}, {plain}]
http = true
websocket = true
address = "127.0.0.1"

[model]
provider = "openai"
base_url = "https://model.test:{tls}/v1"
address = "127.0.0.1"
"#;

/// One way out.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    /// Its number in EGRESS.md.
    pub(crate) number: u8,
    /// What is approved besides `origin.test`.
    pub(crate) policy: &'static str,
    pub(crate) ask: Ask,
    /// The rules that may refuse it: which one speaks first depends on the transport.
    pub(crate) rules: &'static [&'static str],
    pub(crate) open: Open,
}

/// How the same request gets through.
#[derive(Clone, Copy)]
pub(crate) enum Open {
    /// With this approved instead of the row's `policy`.
    By(&'static str),
    /// The same, but only as far as the record: nobody listens there.
    AdmittedBy(&'static str),
    /// In this form.
    As(Ask),
    /// Nothing opens it.
    Never,
}

/// A request.
#[derive(Clone, Copy)]
pub(crate) struct Ask {
    /// Where the client means to go: a name or an address, as it writes it.
    pub(crate) host: &'static str,
    /// Another port than the upstream's.
    pub(crate) port: Option<u16>,
    /// Another server name in the handshake; empty for none.
    pub(crate) sni: Option<&'static str>,
    /// Another `Host`.
    pub(crate) says: Option<&'static str>,
    /// Where the name leads.
    pub(crate) resolves: &'static [&'static str],
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) headers: &'static [(&'static str, &'static str)],
    pub(crate) body: Option<&'static str>,
    /// These bytes instead, in which `{to}` and `{host}` stand for the target's beginning and the authority.
    pub(crate) raw: Option<&'static str>,
    /// These HTTP/2 frames instead, made for an authority.
    pub(crate) frames: Option<fn(&str) -> Vec<u8>>,
    /// Which ways make sense; all that can carry it by default.
    pub(crate) over: &'static [Way],
}

impl Ask {
    pub(crate) const fn new(method: &'static str, host: &'static str, path: &'static str) -> Self {
        Self {
            host,
            port: None,
            sni: None,
            says: None,
            resolves: &[],
            method,
            path,
            headers: &[],
            body: None,
            raw: None,
            frames: None,
            over: &Way::ALL,
        }
    }

    pub(crate) const fn get(host: &'static str, path: &'static str) -> Self {
        Self::new("GET", host, path)
    }

    pub(crate) const fn json(host: &'static str, path: &'static str, body: &'static str) -> Self {
        Self { body: Some(body), headers: &[("content-type", "application/json")], ..Self::new("POST", host, path) }
    }

    pub(crate) const fn raw(bytes: &'static str) -> Self {
        Self { raw: Some(bytes), over: &Way::TEXT, ..Self::get("origin.test", "/") }
    }
}

/// Doors, policy and upstreams.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) tls: Origin,
    pub(crate) plain: Origin,
    policy: Arc<Policy>,
}

impl Stage {
    /// With this approved besides `origin.test`.
    pub(crate) async fn new(policy: &str) -> Self {
        Self::trusting(policy, None, &[]).await
    }

    /// The same, with another authority for all upstreams, and the files that the policy names.
    pub(crate) async fn trusting(
        policy: &str,
        ca: Option<CertificateDer<'static>>,
        files: &[(PathBuf, String)],
    ) -> Self {
        let (tls, plain) = (Origin::with_name(true, NAMES).await, Origin::with_name(false, NAMES).await);
        let (own, model) = POLICY.split_once("[model]").unwrap();
        let (first, rest) = if policy.trim_start().starts_with("[egress]") { (policy, own) } else { (own, policy) };
        let text = format!("{first}{rest}[model]{model}")
            .replace("{tls}", &tls.port.to_string())
            .replace("{plain}", &plain.port.to_string());
        let config =
            Config::again("creel.toml".as_ref(), &text, files).unwrap_or_else(|report| panic!("{report}\n{text}"));
        let provider = config.provider(&|_| true).unwrap();
        let judge = Arc::new(Policy::new(config.policy(1, &provider, vec![[192, 0, 2, 200].into()])));
        let mut hosts = config.egress_door().hosts().to_vec();
        let ca = ca.unwrap_or_else(|| tls.ca.clone());
        hosts.iter_mut().for_each(|host| host.ca = vec![ca.clone()]);
        let world = World::judged_by(Arc::clone(&judge) as Arc<dyn Judge>, Arc::default(), hosts).await;
        Self { world, tls, plain, policy: judge }
    }

    /// Requests that arrived upstream.
    pub(crate) fn arrived(&self) -> usize {
        self.tls.got().len() + self.plain.got().len()
    }

    fn connections(&self) -> usize {
        self.tls.connections() + self.plain.connections()
    }

    fn speaks_of(&self, host: &str) -> Option<HostName> {
        let name = HostName::parse(host).ok()?;
        self.policy.speaks_of(&Target::Host(name.clone())).then_some(name)
    }

    /// Sends it; what came back, or `None` when this way can't carry it.
    pub(crate) async fn send(&self, way: Way, ask: &Ask) -> Option<String> {
        let fits = match (ask.raw, ask.frames) {
            _ if way.is_socket() => {
                ask.raw.is_none() && ask.frames.is_none() && ask.method == "GET" && ask.body.is_none()
            }
            (Some(_), _) => !way.is_http2(),
            (None, Some(_)) => way.is_http2(),
            (None, None) => true,
        };
        if !fits || !ask.over.contains(&way) {
            return None;
        }
        let resolved = ask.resolves.iter().map(|address| address.parse().unwrap()).collect();
        if let Some(name) = self.speaks_of(ask.host) {
            self.world.resolver.named.lock().unwrap().insert(name.to_string(), resolved);
        }
        let port = ask.port.unwrap_or(if way.is_tls() { self.tls.port } else { self.plain.port });
        let authority = format!("{}:{port}", ask.host);
        let stream = match way.transport() {
            Transport::Absolute => TcpStream::connect(self.world.proxy).await.unwrap(),
            Transport::Turned => self.turned(ask.host, port).await?,
            Transport::Connect => match self.connect(&authority).await {
                Ok(stream) => stream,
                Err(answer) => return Some(answer),
            },
        };
        let prefix = match way.transport() {
            Transport::Absolute => format!("http://{authority}"),
            Transport::Turned | Transport::Connect => String::new(),
        };
        let stream: Box<dyn Io> = if way.is_tls() {
            let alpn = if way.is_http2() { "h2" } else { "http/1.1" };
            let Ok(stream) = self.shake(stream, ask, alpn).await else { return Some(String::new()) };
            stream
        } else {
            Box::new(stream)
        };
        match (way.is_http2(), way.is_socket(), ask.frames) {
            (false, false, _) => Some(exchange(stream, ask.bytes(&prefix, &authority)).await),
            (false, true, _) => Some(asked_once(stream, &ask.opening(&prefix, &authority)).await),
            (true, true, _) => extended(stream, ask, &authority).await,
            (true, false, Some(frames)) => {
                let mut stream = stream;
                stream.write_all(&[PREFACE, &frames(&authority)].concat()).await.unwrap();
                // Goes on in the background until the record is there.
                tokio::spawn(exchange(stream, ""));
                Some(String::new())
            }
            (true, false, None) => http2(stream, ask, &authority).await,
        }
    }

    /// A connection that the kernel would have turned round.
    async fn turned(&self, host: &str, port: u16) -> Option<TcpStream> {
        if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Some(self.world.connect_to(SocketAddr::new(address, port)).await);
        }
        match self.speaks_of(host) {
            Some(name) => Some(self.world.connect(name.as_str(), port).await),
            // A name without an address: the client has one from elsewhere. What is no name it can't even look up.
            None if HostName::parse(host).is_ok_and(|name| name.as_str() == host && host.contains('.')) => {
                Some(self.world.connect_to(SocketAddr::new([203, 0, 113, 9].into(), port)).await)
            }
            None => None,
        }
    }

    async fn connect(&self, authority: &str) -> Result<TcpStream, String> {
        let mut stream = TcpStream::connect(self.world.proxy).await.unwrap();
        let ask = format!("CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n\r\n");
        stream.write_all(ask.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => answer.push(byte),
                Err(_) => break,
            }
        }
        let answer = String::from_utf8(answer).unwrap();
        if answer.starts_with("HTTP/1.1 200") { Ok(stream) } else { Err(answer + &exchange(stream, "").await) }
    }

    async fn shake(&self, stream: TcpStream, ask: &Ask, alpn: &str) -> std::io::Result<Box<dyn Io>> {
        // A client that speaks of an address sends no name (RFC 6066, section 3).
        let bare = ask.host.trim_matches(['[', ']']).trim_end_matches('.');
        let sni = match ask.sni {
            Some("") => "192.0.2.1",
            Some(other) => other,
            None => bare,
        };
        self.world.shake_for(stream, sni, &[alpn]).await
    }
}

impl Ask {
    /// The same as the opening of a WebSocket.
    fn opening(&self, prefix: &str, authority: &str) -> Vec<u8> {
        let close = "connection: close\r\n";
        let open = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        String::from_utf8(self.bytes(prefix, authority)).unwrap().replace(close, open).into_bytes()
    }

    fn bytes(&self, prefix: &str, authority: &str) -> Vec<u8> {
        let host = self.says.map_or(authority, |says| says);
        if let Some(raw) = self.raw {
            return raw.replace("{to}", prefix).replace("{host}", host).into_bytes();
        }
        let mut head = format!("{} {prefix}{} HTTP/1.1\r\nhost: {host}\r\n", self.method, self.path);
        for (name, value) in self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if let Some(body) = self.body {
            head += &format!("content-length: {}\r\n", body.len());
        }
        format!("{head}connection: close\r\n\r\n{}", self.body.unwrap_or_default()).into_bytes()
    }
}

/// Sends a request and reads its answer; the connection may stay.
async fn asked_once(mut stream: Box<dyn Io>, bytes: &[u8]) -> String {
    let work = async {
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => answer.push(byte),
                Err(_) => break,
            }
        }
        let head = String::from_utf8(answer).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        head + &String::from_utf8(body).unwrap()
    };
    tokio::time::timeout(Duration::from_secs(20), work).await.expect("the door did not answer")
}

async fn http2(stream: Box<dyn Io>, ask: &Ask, authority: &str) -> Option<String> {
    let host = ask.says.map_or(authority, |says| says);
    let uri = format!("https://{host}{}", ask.path);
    let mut request = Request::builder().version(http::Version::HTTP_2).method(ask.method).uri(uri);
    for (name, value) in ask.headers {
        request = request.header(*name, *value);
    }
    // What this client can't write it can't send; frames made by hand can.
    let request = request.body(Full::<bytes::Bytes>::from(ask.body.unwrap_or_default())).ok()?;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    let answer = tokio::time::timeout(Duration::from_secs(20), sender.send_request(request)).await.unwrap();
    let Ok(response) = answer else { return Some(String::new()) };
    let status = response.status().as_u16();
    let names: String = response.headers().keys().map(|name| format!("{name}: …\r\n")).collect();
    let body = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    Some(format!("HTTP/1.1 {status} \r\n{names}\r\n{}", String::from_utf8_lossy(&body)))
}

/// The opening of a WebSocket over HTTP/2 (RFC 8441, section 4).
async fn extended(stream: Box<dyn Io>, ask: &Ask, authority: &str) -> Option<String> {
    let host = ask.says.map_or(authority, |says| says);
    let uri = format!("https://{host}{}", ask.path);
    let request = Request::connect(uri).version(http::Version::HTTP_2).header("sec-websocket-version", "13");
    let request = ask.headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let mut request = request.body(()).ok()?;
    request.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
    let (client, connection) = h2::client::handshake(stream).await.ok()?;
    tokio::spawn(connection);
    let mut client = client.ready().await.ok()?;
    let wait = async {
        while !client.is_extended_connect_protocol_enabled() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let (answer, _up) = client.send_request(request, false).ok()?;
        let Ok(answer) = answer.await else { return Some(String::new()) };
        let status = answer.status().as_u16();
        let mut body = answer.into_body();
        let mut text = Vec::new();
        while let Some(Ok(piece)) = body.data().await {
            text.extend_from_slice(&piece);
        }
        Some(format!("HTTP/1.1 {status} \r\n\r\n{}", String::from_utf8_lossy(&text)))
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("the door did not answer")
}

/// Sends each row over each way that can carry it, and sees that it stays in and gets out as the row says.
pub(crate) async fn check(rows: &[Row]) {
    for row in rows {
        let stage = Stage::new(row.policy).await;
        let mut carried = 0;
        for way in Way::ALL {
            carried += usize::from(is_refused(&stage, row, way).await);
        }
        assert!(carried > 0, "no way carries {}", row.shown());
        opens(row).await;
    }
}

impl Row {
    fn shown(&self) -> String {
        let Ask { method, host, path, raw, sni, says, .. } = self.ask;
        let what = raw.map_or_else(|| format!("{method} {host}{path}"), |raw| raw.escape_debug().to_string());
        format!("row {}: {what} sni {sni:?} host {says:?}", self.number)
    }

    /// Who connects past the resolver to an address of his own may also be refused for the name that he then says.
    fn accepts(&self, stage: &Stage, way: Way, rule: &str) -> bool {
        let past_resolver = way.is_turned() && stage.speaks_of(self.ask.host).is_none();
        let mismatch = ["egress/sni-mismatch", "egress/host-mismatch"].contains(&rule);
        self.rules.contains(&rule) || (past_resolver && mismatch)
    }
}

/// Whether this way could carry the row at all.
async fn is_refused(stage: &Stage, row: &Row, way: Way) -> bool {
    let shown = format!("{way:?}, {}", row.shown());
    let (before, arrived) = (stage.world.book.rows().len(), stage.arrived());
    let connections = stage.connections();
    let Some(answer) = stage.send(way, &row.ask).await else { return false };
    let denied = |row: &&crate::fakes::Row| row.verdict != "allow";
    let rows = stage.world.book.until(&shown, |rows| rows.iter().skip(before).any(|row| denied(&row))).await;
    let own = rows.get(before..).unwrap_or_default();
    for record in own.iter().filter(denied) {
        assert!(row.accepts(stage, way, &record.rule), "{shown}: refused by {}", record.rule);
    }
    // What opened the way is no request.
    for record in own.iter().filter(|record| !denied(record)) {
        let creel_guard::Deed::Send(send) = &record.action.deed else { panic!("{shown}") };
        assert_eq!(send.method.as_deref(), Some("CONNECT"), "{shown}");
    }
    let statuses: Vec<&str> = answer.split("HTTP/1.1 ").skip(1).filter_map(|rest| rest.get(..3)).collect();
    assert!(statuses.iter().all(|status| !status.starts_with('2')), "{shown}: {answer}");
    assert!(statuses.len() <= 1, "{shown}: the connection goes on: {answer}");
    if let Some(problem) = answer.split_once("\r\n\r\n").map(|(_, body)| body).filter(|body| body.starts_with('{')) {
        let problem: serde_json::Value = serde_json::from_str(problem).unwrap();
        let last = stage.world.book.rows().len();
        assert_eq!(problem["instance"], format!("creel:record:{last}"), "{shown}");
        assert!(problem["next"].as_str().is_some_and(|next| next.contains(&format!("`creel why {last}`"))), "{shown}");
        assert!(problem["rule"].as_str().is_some_and(|rule| row.accepts(stage, way, rule)), "{shown}: {problem}");
    }
    assert_eq!((stage.arrived(), stage.connections()), (arrived, connections), "{shown}: something got out");
    true
}

/// The positive control: opened, it arrives once.
async fn opens(row: &Row) {
    let (policy, ask, arrives) = match row.open {
        Open::By(policy) => (policy, row.ask, true),
        Open::AdmittedBy(policy) => (policy, row.ask, false),
        Open::As(ask) => (row.policy, ask, true),
        Open::Never => return,
    };
    let stage = Stage::new(policy).await;
    let mut carried = 0;
    for way in Way::ANSWERED {
        let (before, arrived) = (stage.world.book.rows().len(), stage.arrived());
        let shown = format!("{way:?}, opened, {}", row.shown());
        if arrives {
            let Some(answer) = stage.send(way, &ask).await else { continue };
            assert!(answer.starts_with("HTTP/1.1 200"), "{shown}: {answer} {:?}", stage.world.book.story());
            assert_eq!(stage.arrived(), arrived + 1, "{shown}");
        } else {
            // Nobody answers there, and nobody waits for it.
            let sent = tokio::time::timeout(Duration::from_millis(300), stage.send(way, &ask)).await;
            if sent.is_ok_and(|answer| answer.is_none()) {
                continue;
            }
            let admitted = |row: &crate::fakes::Row| row.verdict == "allow" && row.rule == "egress/allow-approved";
            stage.world.book.until(&shown, |rows| rows.iter().skip(before).any(admitted)).await;
        }
        carried += 1;
    }
    assert!(carried > 0, "nothing carries the control of {}", row.shown());
}
