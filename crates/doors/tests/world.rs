//! An egress door on a real socket, a real TLS origin, and a client that trusts the tenant's CA.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use creel_doors::Shutdown;
use creel_doors::ca::Ca;
use creel_doors::egress::{self, Config, Egress, HostPattern, HostSettings};
use creel_doors::leak::Leaks;
use creel_doors::names::Names;
use creel_doors::shutdown::Trigger;
use creel_doors::stream::Io;
use creel_doors::upstream::{Client, Resolve, Trust};
use creel_guard::{BoxFuture, Guard, HostName, Judge, Mode};
use creel_secrets::{Broker, MemoryBroker, parse_handover};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::fakes::{Book, Rules, Swap, guard_by, tenant};

/// What an origin got.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: usize,
    /// The body's first KiB.
    pub(crate) text: String,
}

/// An upstream, TLS or plain.
pub(crate) struct Origin {
    pub(crate) port: u16,
    pub(crate) ca: CertificateDer<'static>,
    pub(crate) got: Arc<Mutex<Vec<Got>>>,
    pub(crate) connections: Arc<AtomicUsize>,
}

impl Origin {
    pub(crate) async fn new(tls: bool) -> Self {
        Self::with_name(tls, "origin.test").await
    }

    pub(crate) async fn with_name(tls: bool, name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (ca, config) = certificate(name);
        let origin =
            Self { port: listener.local_addr().unwrap().port(), ca, got: Arc::default(), connections: Arc::default() };
        let (got, connections) = (Arc::clone(&origin.got), Arc::clone(&origin.connections));
        let acceptor = tokio_rustls::TlsAcceptor::from(config);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (got, acceptor) = (Arc::clone(&got), acceptor.clone());
                tokio::spawn(async move {
                    let io: Box<dyn Io> = if tls {
                        let Ok(stream) = acceptor.accept(stream).await else { return };
                        Box::new(stream)
                    } else {
                        Box::new(stream)
                    };
                    let service = service_fn(|request| answer(request, Arc::clone(&got)));
                    let _ =
                        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(io), service).await;
                });
            }
        });
        origin
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

async fn answer(request: Request<Incoming>, got: Arc<Mutex<Vec<Got>>>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (parts, mut body) = request.into_parts();
    let (mut length, mut text) = (0, Vec::new());
    while let Some(frame) = body.frame().await {
        let data = frame?.into_data().unwrap_or_default();
        length += data.len();
        text.extend(data.iter().take(1024 - text.len().min(1024)));
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = format!("{} {}", parts.method, parts.uri);
    got.lock().unwrap().push(Got { line, headers: parts.headers, body: length, text });
    if parts.uri.path() == "/never" {
        std::future::pending::<()>().await;
    }
    if parts.uri.path() == "/echo" {
        let got = got.lock().unwrap().last().unwrap().headers.clone();
        let all: Vec<&str> = got.values().filter_map(|value| value.to_str().ok()).collect();
        let encoding = parts.uri.query().unwrap_or("identity");
        let echoed = Response::builder().header("x-echo", all.join(" ")).header("content-encoding", encoding);
        return Ok(echoed.body(Full::new(Bytes::from(all.join("\n")))).unwrap());
    }
    if parts.uri.path() == "/token" {
        let (status, body) = match parts.uri.query() {
            Some("denied") => (400, r#"{"error":"invalid_grant"}"#.to_owned()),
            Some("form") => (200, format!("access_token={MINTED}&token_type=bearer")),
            Some("long") => (200, format!(r#"{{"access_token":"{MINTED}","x":"{}"}}"#, "x".repeat(65 * 1024))),
            Some("number") => (200, r#"{"access_token":7}"#.to_owned()),
            Some("none") => (200, r#"{"active": true}"#.to_owned()),
            Some("twice") => (200, format!(r#"{{"access_token":"{MINTED}","access_token":null}}"#)),
            Some("short") => (200, r#"{"access_token":"s3cret"}"#.to_owned()),
            Some("later") => (401, format!(r#"{{"access_token":"{MINTED}"}}"#)),
            _ => (200, format!(r#"{{"access_token":"{MINTED}","expires_in":3600}}"#)),
        };
        return Ok(Response::builder().status(status).body(Full::new(body.into())).unwrap());
    }
    let size = parts.uri.query().and_then(|size| size.parse().ok()).unwrap_or(5);
    let response = Response::builder()
        .header("alt-svc", "h3=\":443\"")
        .header("keep-alive", "timeout=5")
        .header("set-cookie", "a=1")
        .header("set-cookie", "b=2")
        .body(Full::new(Bytes::from(vec![b'o'; size])));
    Ok(response.unwrap())
}

/// A new authority, and a server's configuration with a certificate of its for these names.
pub(crate) fn certificate(name: &str) -> (CertificateDer<'static>, Arc<ServerConfig>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let leaf_key = KeyPair::generate().unwrap();
    let names: Vec<String> = name.split(' ').map(str::to_owned).collect();
    let leaf = CertificateParams::new(names).unwrap().signed_by(&leaf_key, &issuer).unwrap();
    let private = PrivateKeyDer::Pkcs8(leaf_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], private)
        .unwrap();
    (ca.der().clone(), Arc::new(config))
}

/// Answers from a table and counts.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) addresses: Mutex<Vec<IpAddr>>,
    /// Where single names lead instead.
    pub(crate) named: Mutex<HashMap<String, Vec<IpAddr>>>,
    pub(crate) asked: AtomicUsize,
}

impl Resolve for Table {
    fn resolve<'a>(&'a self, host: &'a HostName) -> BoxFuture<'a, std::io::Result<Vec<IpAddr>>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let named = self.named.lock().unwrap().get(host.as_str()).cloned();
        Box::pin(std::future::ready(Ok(named.unwrap_or_else(|| self.addresses.lock().unwrap().clone()))))
    }
}

/// The secret named `token`.
pub(crate) const TOKEN: &str = "t0ken/that+the=agent-never-sees";

/// What the agent sees instead.
pub(crate) const STAND_IN: &str = "plac3:h0lder_that-the.agent=sees";

/// The secret named `cloud`, a key of AWS.
pub(crate) const AWS_KEY: &str = "AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// What the agent sees instead, in two variables.
pub(crate) const AWS_STAND_IN: &str = "AKIAQ3PLACEH0LDER123:0aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789abc";

/// A door and what stands around it.
pub(crate) struct World {
    #[allow(dead_code, reason = "tests of the binary, which share this file, ask it")]
    pub(crate) guard: Guard,
    pub(crate) book: Arc<Book>,
    pub(crate) rules: Arc<Swap>,
    pub(crate) names: Arc<Names>,
    pub(crate) resolver: Arc<Table>,
    pub(crate) config: watch::Sender<Arc<Config>>,
    pub(crate) ca: Arc<Ca>,
    destination: Arc<Mutex<SocketAddr>>,
    /// Where what was turned round arrives.
    pub(crate) door: SocketAddr,
    /// The explicit proxy.
    pub(crate) proxy: SocketAddr,
    folder: PathBuf,
    _trigger: Trigger,
}

impl World {
    /// A door that judges by `rules` and reaches `hosts`.
    pub(crate) async fn new(rules: Rules, hosts: Vec<HostSettings>) -> Self {
        let rules = Arc::new(Swap(Mutex::new(rules)));
        Self::judged_by(Arc::clone(&rules) as Arc<dyn Judge>, rules, hosts).await
    }

    /// A door that judges by `judge` (`rules` are what a test may exchange).
    pub(crate) async fn judged_by(judge: Arc<dyn Judge>, rules: Arc<Swap>, hosts: Vec<HostSettings>) -> Self {
        Self::searching(judge, rules, hosts, None).await
    }

    /// The same, that looks for what must not leave.
    pub(crate) async fn searching(
        judge: Arc<dyn Judge>,
        rules: Arc<Swap>,
        hosts: Vec<HostSettings>,
        leaks: Option<Arc<dyn Leaks>>,
    ) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::SeqCst);
        let folder = std::env::temp_dir().join(format!("creel-doors-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let ca = Arc::new(Ca::open(&folder, &tenant()).unwrap());
        let book = Arc::new(Book::default());
        let names = Arc::new(Names::new(Box::new(|_| Ok(()))));
        let resolver = Arc::new(Table::default());
        let (config, receiver) = watch::channel(Arc::new(Config::new(hosts)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let door = listener.local_addr().unwrap();
        let destination = Arc::new(Mutex::new(door));
        let original = Arc::clone(&destination);
        let guard = guard_by(judge, &book);
        let egress = Egress {
            guard: guard.clone(),
            tenant: tenant(),
            names: Arc::clone(&names),
            ca: Arc::clone(&ca),
            client: Client::new(Trust::new(&[]).unwrap()),
            resolver: Arc::clone(&resolver) as Arc<dyn Resolve>,
            config: receiver,
            original: Arc::new(move |_| Ok(*original.lock().unwrap())),
            meter: Arc::default(),
            broker: broker(),
            leaks,
        };
        let (trigger, shutdown) = Shutdown::pair();
        let to_proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = to_proxy.local_addr().unwrap();
        tokio::spawn(egress::serve_explicit(egress.clone(), vec![to_proxy], shutdown.clone()));
        tokio::spawn(egress::serve_transparent(egress, vec![listener], shutdown));
        Self { guard, book, rules, names, resolver, config, ca, destination, door, proxy, folder, _trigger: trigger }
    }

    /// A door that reaches `origin` under the name `origin.test`, pinned.
    pub(crate) async fn reaching(origin: &Origin) -> Self {
        Self::new(approving("origin.test"), vec![pinned("origin.test", origin)]).await
    }

    /// A connection that the kernel would have turned round on its way to `address`.
    pub(crate) async fn connect_to(&self, address: SocketAddr) -> TcpStream {
        *self.destination.lock().unwrap() = address;
        TcpStream::connect(self.door).await.unwrap()
    }

    /// The same, on its way to the name that stands for an approved host.
    pub(crate) async fn connect(&self, host: &str, port: u16) -> TcpStream {
        let (v4, _) = self.names.assign(&HostName::parse(host).unwrap()).unwrap();
        self.connect_to(SocketAddr::new(v4.into(), port)).await
    }

    /// A TLS connection to `host` that says `sni`.
    pub(crate) async fn tls(&self, host: &str, port: u16, sni: &str) -> std::io::Result<Box<dyn Io>> {
        let stream = self.connect(host, port).await;
        self.shake(stream, sni).await
    }

    /// The client's half of a TLS handshake that trusts the tenant's CA alone.
    pub(crate) async fn shake(&self, stream: impl Io + 'static, sni: &str) -> std::io::Result<Box<dyn Io>> {
        self.shake_for(stream, sni, &["http/1.1"]).await
    }

    /// The same, offering these protocols.
    pub(crate) async fn shake_for(
        &self,
        stream: impl Io + 'static,
        sni: &str,
        alpn: &[&str],
    ) -> std::io::Result<Box<dyn Io>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.certificate().clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|one| one.as_bytes().to_vec()).collect();
        let name = ServerName::try_from(sni.to_owned()).unwrap();
        Ok(Box::new(tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await?))
    }

    /// Sends `bytes` over TLS to `origin.test` and reads until the door closes.
    pub(crate) async fn https(&self, port: u16, bytes: impl AsRef<[u8]>) -> String {
        let stream = self.tls("origin.test", port, "origin.test").await.unwrap();
        exchange(stream, bytes).await
    }
}

/// The secret named `client`, whose use mints the one named `access`; what the agent sees of both, and what is minted.
pub(crate) const CLIENT: &str = "client-s3cret-0123456789";
pub(crate) const CLIENT_STAND_IN: &str = "cli3nt-h0lder-that-the-agent-sees";
pub(crate) const ACCESS_STAND_IN: &str = "acc3ss-h0lder-that-the-agent-sees";
pub(crate) const MINTED: &str = "m1nted-9876543210-abcdef";

/// Holds the one secret of [`crate::fakes::owes_a_secret`].
fn broker() -> Arc<dyn Broker> {
    let unborn = creel_secrets::unborn().unwrap();
    let lines = [("token", TOKEN), ("cloud", AWS_KEY), ("client", CLIENT), ("access", &unborn)];
    let lines: String = lines.map(|(name, value)| format!("{{\"name\":\"{name}\",\"value\":\"{value}\"}}\n")).concat();
    let broker = MemoryBroker::new(parse_handover(lines.into_bytes().into()).unwrap()).unwrap();
    let stand_in = |name: &str, skill: Option<&str>, value: &str| creel_secrets::Placeholder {
        secret: creel_secrets::SecretName::parse(name).unwrap(),
        skill: skill.map(str::to_owned),
        value: value.to_owned(),
    };
    let all = vec![
        stand_in("token", Some("crm"), STAND_IN),
        stand_in("cloud", None, AWS_STAND_IN),
        stand_in("client", Some("crm"), CLIENT_STAND_IN),
        stand_in("access", None, ACCESS_STAND_IN),
    ];
    let name = |name| creel_secrets::SecretName::parse(name).unwrap();
    let mint = creel_secrets::Mint { by: name("client"), at: "/access_token".to_owned(), name: name("access") };
    Arc::new(broker.with_placeholders(all).with_mints(vec![mint]))
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Writes, then reads to the end. Fails after 20 s; a reset counts as an end.
pub(crate) async fn exchange(mut stream: impl Io, bytes: impl AsRef<[u8]>) -> String {
    let work = async {
        let _ = stream.write_all(bytes.as_ref()).await;
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut buffer).await {
            answer.extend_from_slice(&buffer[..length]);
        }
        String::from_utf8_lossy(&answer).into_owned()
    };
    tokio::time::timeout(Duration::from_secs(20), work).await.expect("the door kept the connection open")
}

pub(crate) fn approving(host: &str) -> Rules {
    Rules { approved: vec![host.to_owned()], ..Rules::default() }
}

pub(crate) fn pinned(host: &str, origin: &Origin) -> HostSettings {
    settings(host, origin.port, origin.ca.clone())
}

/// `host` with this port on this machine, vouched for by `ca`.
pub(crate) fn settings(host: &str, port: u16, ca: CertificateDer<'static>) -> HostSettings {
    HostSettings {
        pattern: HostPattern::parse(host).unwrap(),
        ports: vec![port],
        address: Some(Ipv4Addr::LOCALHOST.into()),
        ca: vec![ca],
        identity: None,
        mode: Mode::Http,
    }
}

/// A request for `origin.test` that ends its connection.
pub(crate) fn get(path: &str, port: u16) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: origin.test:{port}\r\nconnection: close\r\n\r\n")
}

/// A frame (RFC 9113, section 4.1).
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// What a client says first, and settings that change nothing.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// HPACK: `:method GET`, `:scheme https`, `:path` and `:authority` as literals (RFC 7541).
pub(crate) fn head(path: &str, authority: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x87];
    for (index, value) in [(0x04, path), (0x01, authority)] {
        block.extend([index, u8::try_from(value.len()).unwrap()]);
        block.extend(value.as_bytes());
    }
    block
}
