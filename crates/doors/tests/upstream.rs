//! The way to upstreams: connections kept and never shared, HTTP/2, trailers, streams without an end.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use creel_doors::egress::HostSettings;
use creel_guard::Outcome;
use http::{HeaderMap, Method, Request, Response, Version};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::fakes::Row;
use crate::world::{Origin, World, approving, certificate, exchange, get, pinned, settings};

type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

type Head = (Version, Method, String, HeaderMap);

/// An upstream that speaks what the client chooses.
struct Modern {
    settings: HostSettings,
    port: u16,
    connections: Arc<AtomicUsize>,
    /// Version, method, URI and headers of each request.
    got: Arc<Mutex<Vec<Head>>>,
    /// Bytes that `/events` made so far, and how many such streams were dropped.
    made: Arc<AtomicU64>,
    dropped: Arc<AtomicUsize>,
}

struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Modern {
    async fn new(alpn: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (ca, config) = certificate("origin.test");
        let mut config = (*config).clone();
        config.alpn_protocols = alpn.iter().map(|one| one.as_bytes().to_vec()).collect();
        let origin = Self {
            settings: settings("origin.test", port, ca),
            port,
            connections: Arc::default(),
            got: Arc::default(),
            made: Arc::default(),
            dropped: Arc::default(),
        };
        let (connections, got) = (Arc::clone(&origin.connections), Arc::clone(&origin.got));
        let (made, dropped) = (Arc::clone(&origin.made), Arc::clone(&origin.dropped));
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (acceptor, got) = (acceptor.clone(), Arc::clone(&got));
                let (made, dropped) = (Arc::clone(&made), Arc::clone(&dropped));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    let service = service_fn(move |request: Request<Incoming>| {
                        let (head, body) = request.into_parts();
                        got.lock().unwrap().push((head.version, head.method, head.uri.to_string(), head.headers));
                        let response = match head.uri.path() {
                            "/echo" => echo(body),
                            "/events" => events(Arc::clone(&made), Dropped(Arc::clone(&dropped))),
                            _ => Response::new(Full::from("hello").boxed_unsync()),
                        };
                        async move { Ok::<_, Infallible>(response) }
                    });
                    let io = TokioIo::new(stream);
                    if is_http2 {
                        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                            .serve_connection(io, service)
                            .await;
                    } else {
                        let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
                    }
                });
            }
        });
        origin
    }

    async fn world(&self) -> World {
        World::new(approving("origin.test"), vec![self.settings.clone()]).await
    }
}

/// Each piece of the body as it comes, and trailers as gRPC has them.
fn echo(body: Incoming) -> Response<Body> {
    let pieces = futures_util::stream::unfold(Some(body), |body| async {
        let mut body = body?;
        match body.frame().await {
            Some(Ok(frame)) => Some((Ok::<_, Infallible>(Frame::data(frame.into_data().unwrap())), Some(body))),
            _ => {
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", "0".parse().unwrap());
                Some((Ok(Frame::trailers(trailers)), None))
            }
        }
    });
    let mut response = Response::new(StreamBody::new(pieces).boxed_unsync());
    response.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    response
}

fn events(made: Arc<AtomicU64>, dropped: Dropped) -> Response<Body> {
    let pieces = futures_util::stream::repeat_with(move || {
        let _ = &dropped;
        let event = Bytes::from(format!("data: {}\n\n", "x".repeat(4000)));
        made.fetch_add(event.len() as u64, Ordering::SeqCst);
        Ok::<_, Infallible>(Frame::data(event))
    });
    let mut response = Response::new(StreamBody::new(pieces).boxed_unsync());
    response.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
    response
}

fn settled(rows: &[Row]) -> bool {
    !rows.is_empty() && rows.iter().all(|row| row.verdict == "deny" || row.outcome.is_some())
}

async fn http2(world: &World, port: u16) -> h2::client::SendRequest<Bytes> {
    let stream = world.connect("origin.test", port).await;
    let stream = world.shake_for(stream, "origin.test", &["h2"]).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    client.ready().await.unwrap()
}

async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), work).await.unwrap_or_else(|_| panic!("{what} within 20 s"))
}

#[tokio::test]
async fn one_connection_upstream_serves_many_requests_and_none_of_another_name() {
    let origin = Origin::new(false).await;
    let hosts = ["a.test", "b.test"];
    let rules = crate::fakes::Rules { approved: hosts.map(str::to_owned).to_vec(), ..Default::default() };
    let world = World::new(rules, hosts.map(|host| pinned(host, &origin)).to_vec()).await;
    let ask = async |host: &str, line: &str| {
        let stream = world.connect(host, origin.port).await;
        let request = format!("{line} HTTP/1.1\r\nhost: {host}:{}\r\nconnection: close\r\n\r\n", origin.port);
        let answer = exchange(stream, request).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        // The connection is back before the outcome is written.
        world.book.until("settled", settled).await;
    };
    for line in ["GET /1", "HEAD /2", "POST /3", "GET /4?300000", "GET /5"] {
        ask("a.test", line).await;
    }
    let one = origin.connections();
    assert!(one <= 2, "{one} connections for five requests, one after the other");
    ask("b.test", "GET /6").await;
    assert_eq!(origin.connections(), one + 1, "another name at the same address gets its own");
    let hosts: Vec<String> = origin.got().iter().map(|got| got.headers["host"].to_str().unwrap().to_owned()).collect();
    assert_eq!(hosts.iter().filter(|host| host.starts_with("a.")).count(), 5);
}

#[tokio::test]
async fn a_kept_connection_to_an_address_that_is_no_longer_judged_is_not_used() {
    let origin = Origin::new(false).await;
    let unpinned = HostSettings { address: None, ..pinned("origin.test", &origin) };
    let world = World::new(approving("origin.test"), vec![unpinned]).await;
    *world.resolver.addresses.lock().unwrap() = vec![Ipv4Addr::LOCALHOST.into()];
    let ask = async || exchange(world.connect("origin.test", origin.port).await, get("/", origin.port)).await;
    assert!(ask().await.starts_with("HTTP/1.1 200"));
    // Nobody listens there.
    *world.resolver.addresses.lock().unwrap() = vec!["127.0.0.77".parse().unwrap()];
    assert!(ask().await.starts_with("HTTP/1.1 502"));
    assert_eq!(origin.got().len(), 1);
}

/// Answers one request a connection, says that it stays open, and hangs up when the next one comes.
async fn fickle() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let lines = Arc::<Mutex<Vec<String>>>::default();
    let seen = Arc::clone(&lines);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let seen = Arc::clone(&seen);
            tokio::spawn(async move {
                for turn in 0..2 {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(stream.read_u8().await?);
                    }
                    let line = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
                    seen.lock().unwrap().push(line);
                    if turn == 0 {
                        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await?;
                    }
                }
                std::io::Result::Ok(())
            });
        }
    });
    (port, lines)
}

#[tokio::test]
async fn a_read_is_asked_again_when_its_connection_was_gone_and_nothing_else_is() {
    let (port, lines) = fickle().await;
    let (ca, _) = certificate("origin.test");
    let world = World::new(approving("origin.test"), vec![settings("origin.test", port, ca)]).await;
    let ask = async |method: &str, path: &str| {
        let body = if method == "POST" { "content-length: 0\r\n" } else { "" };
        let head = format!("{method} {path} HTTP/1.1\r\nhost: origin.test:{port}\r\nconnection: close\r\n{body}\r\n");
        let answer = exchange(world.connect("origin.test", port).await, head).await;
        world.book.until("settled", settled).await;
        // The connection is kept a moment later.
        tokio::time::sleep(Duration::from_millis(50)).await;
        answer
    };
    assert!(ask("GET", "/1").await.starts_with("HTTP/1.1 200"));
    assert!(ask("GET", "/2").await.starts_with("HTTP/1.1 200"));
    assert!(ask("POST", "/3").await.starts_with("HTTP/1.1 502"));
    assert!(ask("POST", "/4").await.starts_with("HTTP/1.1 200"));
    let seen = lines.lock().unwrap().clone();
    assert_eq!(seen.iter().filter(|line| line.starts_with("GET /2")).count(), 2, "{seen:?}");
    assert_eq!(seen.iter().filter(|line| line.starts_with("POST /3")).count(), 1, "{seen:?}");
}

#[tokio::test]
async fn an_upstream_of_http2_gets_all_over_few_connections() {
    let origin = Modern::new(&["h2", "http/1.1"]).await;
    let world = origin.world().await;
    let own = format!("https://origin.test:{}", origin.port);
    let answer = world.https(origin.port, get("/first", origin.port)).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("hello"), "{answer}");
    assert_eq!(origin.connections.load(Ordering::SeqCst), 1);
    let client = http2(&world, origin.port).await;
    let asked = (0..30).map(|n| {
        let (mut client, uri) = (client.clone(), format!("{own}/{n}"));
        async move {
            let request = Request::get(uri).version(Version::HTTP_2).header("te", "trailers").body(()).unwrap();
            let (answer, _) = client.send_request(request, true).unwrap();
            let mut body = answer.await.unwrap().into_body();
            body.data().await.unwrap().unwrap()
        }
    });
    let answers = soon("thirty answers", futures_util::future::join_all(asked)).await;
    assert!(answers.iter().all(|answer| answer == "hello") && answers.len() == 30);
    assert_eq!(origin.connections.load(Ordering::SeqCst), 1, "streams share it");
    let got = origin.got.lock().unwrap().clone();
    for (version, method, uri, headers) in &got {
        assert_eq!((*version, method), (Version::HTTP_2, &Method::GET));
        assert!(uri.starts_with(&format!("{own}/")), "{uri}");
        assert!(!headers.contains_key("host") && !headers.contains_key("connection"), "{headers:?}");
    }
    assert_eq!(got.iter().filter(|got| got.3.contains_key("te")).count(), 30, "who asks for trailers may have them");
}

#[tokio::test]
async fn grpc_streams_both_ways_and_its_trailers_arrive() {
    for alpn in [&["h2"][..], &["http/1.1"]] {
        let origin = Modern::new(alpn).await;
        let world = origin.world().await;
        let mut client = http2(&world, origin.port).await;
        let request = Request::post(format!("https://origin.test:{}/echo", origin.port))
            .version(Version::HTTP_2)
            .header("te", "trailers")
            .header("content-type", "application/grpc");
        let (answer, mut up) = client.send_request(request.body(()).unwrap(), false).unwrap();
        up.send_data(Bytes::from_static(b"one"), false).unwrap();
        let answer = soon("an answer before the end of the request", answer).await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/grpc");
        let mut body = answer.into_body();
        assert_eq!(soon("the first message", body.data()).await.unwrap().unwrap(), "one");
        up.send_data(Bytes::from_static(b"two"), false).unwrap();
        assert_eq!(soon("the second message", body.data()).await.unwrap().unwrap(), "two");
        up.send_data(Bytes::new(), true).unwrap();
        while let Some(piece) = soon("the end", body.data()).await {
            assert!(piece.unwrap().is_empty());
        }
        let trailers = soon("trailers", body.trailers()).await.unwrap();
        if alpn == ["h2"] {
            assert_eq!(trailers.unwrap()["grpc-status"], "0");
        }
        let rows = world.book.until("settled", settled).await;
        assert_eq!(rows[0].outcome, Some(Outcome::Done { sent: 6, received: 6, status: Some(200) }));
    }
}

#[tokio::test]
async fn a_stream_without_end_waits_for_its_reader_and_ends_with_him() {
    for (alpn, agent) in
        [(&["h2"][..], "h2"), (&["http/1.1"], "http/1.1"), (&["h2"], "http/1.1"), (&["http/1.1"], "h2")]
    {
        let origin = Modern::new(alpn).await;
        let world = origin.world().await;
        let port = origin.port;
        let mut held: Vec<Box<dyn std::any::Any>> = Vec::new();
        if agent == "h2" {
            let mut client = http2(&world, port).await;
            let request = Request::get(format!("https://origin.test:{port}/events")).version(Version::HTTP_2);
            let (answer, up) = client.send_request(request.body(()).unwrap(), true).unwrap();
            let mut body = soon("an answer", answer).await.unwrap().into_body();
            assert!(soon("an event", body.data()).await.unwrap().unwrap().starts_with(b"data: x"));
            held.extend([Box::new(body) as Box<dyn std::any::Any>, Box::new(up), Box::new(client)]);
        } else {
            let mut stream = world.tls("origin.test", port, "origin.test").await.unwrap();
            stream.write_all(get("/events", port).as_bytes()).await.unwrap();
            let mut first = [0; 200];
            soon("an answer", stream.read_exact(&mut first)).await.unwrap();
            held.push(Box::new(stream));
        }
        // It is made no further when nobody reads: buffers of two TLS connections and of the kernel's sockets fill up.
        let mut before = 0;
        soon("a standstill", async {
            loop {
                tokio::time::sleep(Duration::from_millis(300)).await;
                let now = origin.made.load(Ordering::SeqCst);
                if now == before {
                    break;
                }
                before = now;
            }
        })
        .await;
        assert!(before < 32 << 20, "{alpn:?} {agent}: {before} bytes without a reader");
        drop(held);
        soon("the end upstream", async {
            while origin.dropped.load(Ordering::SeqCst) == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        let rows = world.book.until("settled", settled).await;
        assert!(!matches!(rows[0].outcome, Some(Outcome::Done { .. })), "{rows:?}");
    }
}
