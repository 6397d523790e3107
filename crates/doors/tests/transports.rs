//! One decision, whichever way the bytes come: turned round, by `CONNECT`, with an absolute URI, in HTTP/2 frames.

use std::time::Duration;

use bytes::Bytes;
use creel_guard::Outcome;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{Origin, PREFACE, World, exchange, frame, get, head};

/// A stream that a `CONNECT` to `authority` opened, or the answer that it got instead.
async fn connect(world: &World, authority: &str, more: &str) -> Result<TcpStream, String> {
    let mut stream = TcpStream::connect(world.proxy).await.unwrap();
    let ask = format!("CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n{more}\r\n");
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => answer.push(byte),
            Err(_) => break,
        }
    }
    let answer = String::from_utf8(answer).unwrap();
    if answer.starts_with("HTTP/1.1 200") {
        return Ok(stream);
    }
    Err(answer + &exchange(stream, "").await)
}

/// Sends one request over HTTP/2 on `stream`: its status, or the reset's code.
async fn over_http2(
    stream: impl creel_doors::stream::Io + 'static,
    request: Request<Full<Bytes>>,
) -> Result<StatusCode, String> {
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let answer = tokio::time::timeout(Duration::from_secs(20), sender.send_request(request)).await.unwrap();
    let response = answer.map_err(|error| format!("{error:?}"))?;
    let status = response.status();
    response.into_body().collect().await.map_err(|error| format!("{error:?}"))?;
    Ok(status)
}

fn h2(uri: &str) -> http::request::Builder {
    Request::builder().version(http::Version::HTTP_2).uri(uri)
}

fn nothing() -> Full<Bytes> {
    Full::default()
}

#[tokio::test]
async fn a_connect_opens_a_way_on_which_each_request_is_judged() {
    let origin = Origin::new(true).await;
    let world = World::reaching(&origin).await;
    let authority = format!("origin.test:{}", origin.port);
    let stream = connect(&world, &authority, "proxy-authorization: basic eA==\r\n").await.unwrap();
    let tls = world.shake(stream, "origin.test").await.unwrap();
    let other = "GET /no HTTP/1.1\r\nhost: other.test\r\n\r\n";
    let one = format!("GET /a HTTP/1.1\r\nhost: {authority}\r\n\r\n");
    let answer = exchange(tls, format!("{one}{other}")).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("HTTP/1.1 421"), "{answer}");
    assert_eq!(world.book.story(), ["allow egress/allow", "allow egress/allow", "deny egress/host-mismatch"]);
    assert_eq!(origin.got().iter().map(|got| got.line.as_str()).collect::<Vec<_>>(), ["GET /a"]);
    // The name in the handshake must be the one of the CONNECT, and what comes must be TLS or HTTP (EGRESS.md 10 and 13).
    let stream = connect(&world, &authority, "").await.unwrap();
    assert!(world.shake(stream, "other.test").await.is_err());
    world.book.until("recorded", |rows| rows.last().is_some_and(|row| row.rule == "egress/sni-mismatch")).await;
    let stream = connect(&world, &authority, "").await.unwrap();
    exchange(stream, "SSH-2.0-x\r\n").await;
    assert_eq!(world.book.story().last().unwrap(), "deny egress/not-http");
    // Python's way of asking.
    let mut stream = TcpStream::connect(world.proxy).await.unwrap();
    stream.write_all(format!("CONNECT {authority} HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert!(head.ends_with(b"200"), "{}", head.escape_ascii());
    assert_eq!(origin.got().len(), 1);
}

#[tokio::test]
async fn what_the_proxy_may_not_open_is_refused_under_its_rule() {
    let origin = Origin::new(true).await;
    let world = World::reaching(&origin).await;
    let port = origin.port;
    for (authority, status, rule) in [
        ("evil.test:443", 403, "not-approved"),
        ("evil-origin.test:443", 403, "not-approved"),
        ("1.1.1.1:443", 403, "not-approved"),
        ("[2001:db8::1]:443", 403, "not-approved"),
        ("169.254.169.254:80", 403, "not-approved"),
        ("2852039166:80", 403, "not-approved"),
        ("0251.0376.0251.0376:80", 403, "not-approved"),
        ("0xA9FEA9FE:80", 403, "not-approved"),
        ("[::ffff:169.254.169.254]:80", 403, "not-approved"),
        ("127.0.0.1:443", 403, "planted-socket"),
        ("127.1:443", 403, "planted-socket"),
        ("0.0.0.0:443", 403, "planted-socket"),
        ("[::1]:443", 403, "planted-socket"),
        ("localhost:443", 403, "planted-socket"),
        ("198.18.7.7:443", 403, "unassigned-address"),
        ("origin.test", 400, "bad-request"),
        ("origin.test:0", 400, "bad-request"),
        ("me@origin.test:443", 400, "bad-request"),
        ("origin..test:443", 400, "bad-request"),
        ("or_igin.test:443", 400, "bad-request"),
        ("/x", 400, "bad-request"),
    ] {
        let answer = connect(&world, authority, "").await.unwrap_err();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{authority}: {answer}");
        assert!(answer.contains(&format!("egress/{rule}")), "{authority}: {answer}");
        assert_eq!(world.book.story().last().unwrap(), &format!("deny egress/{rule}"), "{authority}");
    }
    let count = world.book.rows().len();
    for body in ["content-length: 5\r\n", "transfer-encoding: chunked\r\n", "upgrade: websocket\r\n"] {
        let answer = connect(&world, &format!("origin.test:{port}"), body).await.unwrap_err();
        assert!(answer.starts_with("HTTP/1.1 400"), "{body}: {answer}");
    }
    assert_eq!(world.book.rows().len(), count + 3);
    assert_eq!(origin.connections(), 0);
}

#[tokio::test]
async fn absolute_uris_are_judged_like_all_else_and_no_other_form_is_taken() {
    let origin = Origin::new(false).await;
    let world = World::reaching(&origin).await;
    let port = origin.port;
    let ask = |target: &str, host: &str| format!("GET {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    let own = format!("origin.test:{port}");
    for (target, host, status, rule) in [
        (format!("http://{own}/ok"), own.as_str(), 200, "allow"),
        (format!("http://ORIGIN.test.:{port}/ok"), own.as_str(), 200, "allow"),
        // EGRESS.md 14, 15, 27, 35, 45.
        (format!("http://{own}/"), "other.test", 400, "host-mismatch"),
        ("/".to_owned(), own.as_str(), 400, "bad-request"),
        ("*".to_owned(), own.as_str(), 400, "bad-request"),
        ("ftp://origin.test/".to_owned(), own.as_str(), 400, "bad-request"),
        ("file:///etc/passwd".to_owned(), own.as_str(), 400, "bad-request"),
        (format!("http://me@{own}/"), own.as_str(), 400, "bad-request"),
        ("http://evil.test/".to_owned(), "evil.test", 403, "not-approved"),
        ("http://2852039166/latest".to_owned(), "2852039166", 403, "not-approved"),
        ("http://169.254.169.254/latest".to_owned(), "169.254.169.254", 403, "not-approved"),
        ("http://127.0.0.1/".to_owned(), "127.0.0.1", 403, "planted-socket"),
    ] {
        let stream = TcpStream::connect(world.proxy).await.unwrap();
        let answer = exchange(stream, ask(&target, host)).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{target}: {answer}");
        assert!(world.book.story().last().unwrap().ends_with(&format!(" egress/{rule}")), "{target}");
    }
    assert!(origin.got().iter().all(|got| got.line == "GET /ok" && got.headers["host"] == own.as_str()));
    assert_eq!(origin.got().len(), 2);
    // Ambiguous requests fare here as they do elsewhere.
    let smuggled = format!(
        "POST http://{own}/ HTTP/1.1\r\nhost: {own}\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{}",
        get("/smuggled", port)
    );
    let answer = exchange(TcpStream::connect(world.proxy).await.unwrap(), smuggled).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.matches("HTTP/1.1 ").count() == 1, "{answer}");
    assert_eq!(origin.got().len(), 2);
}

#[tokio::test]
async fn http2_is_judged_stream_by_stream() {
    let origin = Origin::new(true).await;
    let world = World::reaching(&origin).await;
    let own = format!("origin.test:{}", origin.port);
    let open = async || {
        let stream = world.connect("origin.test", origin.port).await;
        world.shake_for(stream, "origin.test", &["h2"]).await.unwrap()
    };
    let post = h2(&format!("https://{own}/up?9")).method("POST").header("cookie", "a=1").header("cookie", "b=2");
    let status = over_http2(open().await, post.body(Full::from(vec![b'x'; 300_000])).unwrap()).await;
    assert_eq!(status, Ok(StatusCode::OK));
    let got = origin.got();
    assert_eq!(
        (got[0].line.as_str(), got[0].body, got[0].headers["cookie"].to_str().unwrap()),
        ("POST /up?9", 300_000, "a=1; b=2")
    );
    let rows = world.book.until("settled", |rows| rows.iter().all(|row| row.outcome.is_some())).await;
    assert_eq!(rows[0].outcome, Some(Outcome::Done { sent: 300_000, received: 9, status: Some(200) }));
    // Another host, and a tunnel within (EGRESS.md 9 and 23).
    let other = h2("https://other.test/").body(nothing()).unwrap();
    assert_eq!(over_http2(open().await, other).await, Ok(StatusCode::MISDIRECTED_REQUEST));
    let tunnel = Request::connect("origin.test:22").version(http::Version::HTTP_2).body(nothing()).unwrap();
    assert_eq!(over_http2(open().await, tunnel).await, Ok(StatusCode::BAD_REQUEST));
    // Malformed ones are reset (22).
    for request in [
        h2(&format!("https://{own}/")).header("host", "other.test"),
        h2(&format!("https://{own}/")).header("content_length", "1"),
        h2(&format!("http://{own}/")),
        h2(&format!("https://{own}/")).method("get"),
    ] {
        let answer = over_http2(open().await, request.body(nothing()).unwrap()).await.unwrap_err();
        assert!(answer.contains("PROTOCOL_ERROR"), "{answer}");
        assert_eq!(world.book.story().last().unwrap(), "deny egress/bad-request");
    }
    let story = world.book.story();
    assert_eq!(&story[1..3], ["deny egress/host-mismatch", "deny egress/upgrade"]);
    assert_eq!((story.len(), origin.got().len()), (7, 1));
}

#[tokio::test]
async fn what_no_request_can_be_is_reset_and_on_record() {
    let origin = Origin::new(true).await;
    let world = World::reaching(&origin).await;
    let own = format!("origin.test:{}", origin.port);
    let with = |name: &str, value: &str| {
        let mut block = head("/", &own);
        block.extend([0, u8::try_from(name.len()).unwrap()]);
        block.extend(name.as_bytes());
        block.push(u8::try_from(value.len()).unwrap());
        block.extend(value.as_bytes());
        frame(1, 5, 1, &block)
    };
    let short = [
        frame(1, 4, 1, &[head("/", &own), vec![0, 14], b"content-length".to_vec(), vec![1], b"9".to_vec()].concat()),
        frame(0, 1, 1, b"four"),
    ]
    .concat();
    for (what, bytes) in [
        ("a space in the path", frame(1, 5, 1, &head("/a b", &own))),
        ("CR and LF in a value", with("x", "a\r\nb: c")),
        ("a capital", with("X-Y", "1")),
        ("a hop's own header", with("transfer-encoding", "chunked")),
        ("a hop's own header", with("connection", "keep-alive")),
        ("another length", short),
    ] {
        let before = world.book.rows().iter().filter(|row| row.rule == "egress/bad-request").count();
        let stream = world.connect("origin.test", origin.port).await;
        let mut stream = world.shake_for(stream, "origin.test", &["h2"]).await.unwrap();
        stream.write_all(&[PREFACE, &bytes].concat()).await.unwrap();
        world
            .book
            .until(what, |rows| {
                rows.iter().filter(|row| row.rule == "egress/bad-request").count() > before
                    || rows.last().is_some_and(|row| matches!(row.outcome, Some(Outcome::Failed { .. })))
            })
            .await;
    }
    assert!(origin.got().is_empty(), "no whole request ever arrived: {:?}", origin.got());
}

#[tokio::test]
async fn floods_of_frames_end_the_connection() {
    let origin = Origin::new(true).await;
    let world = World::reaching(&origin).await;
    let own = format!("origin.test:{}", origin.port);
    let reset: Vec<u8> = (0..2000_u32)
        .flat_map(|n| [frame(1, 5, 2 * n + 1, &head("/never", &own)), frame(3, 0, 2 * n + 1, &[0, 0, 0, 8])].concat())
        .collect();
    let endless: Vec<u8> = std::iter::once(frame(1, 0, 1, &head("/", &own)))
        .chain((0..2000).map(|_| frame(9, 0, 1, &[&[0, 1, b'x', 127, 129, 6][..], &[b'y'; 1024]].concat())))
        .flatten()
        .collect();
    let many = |one: Vec<u8>| one.repeat(20_000);
    let open = frame(1, 4, 1, &head("/never", &own));
    for (what, bytes) in [
        ("rapid reset", reset),
        ("endless CONTINUATION", endless),
        ("SETTINGS", many(frame(4, 0, 0, &[0, 3, 0, 0, 0, 100]))),
        ("PING", many(frame(6, 0, 0, &[7; 8]))),
        ("PRIORITY", many(frame(2, 0, 1, &[0, 0, 0, 0, 16]))),
        ("WINDOW_UPDATE", many(frame(8, 0, 0, &[0, 0, 0, 1]))),
        ("empty DATA", [open, many(frame(0, 0, 1, b""))].concat()),
        ("unknown frames", many(frame(32, 0, 0, b"x"))),
    ] {
        let before = world.book.rows().iter().filter(|row| row.rule == "egress/bad-request").count();
        let stream = world.connect("origin.test", origin.port).await;
        let stream = world.shake_for(stream, "origin.test", &["h2"]).await.unwrap();
        // Fails after 20 s when the door keeps the connection open.
        exchange(stream, [PREFACE, &bytes].concat()).await;
        let refused = |rows: &[crate::fakes::Row]| rows.iter().filter(|row| row.rule == "egress/bad-request").count();
        world.book.until(what, |rows| refused(rows) > before).await;
    }
    let admitted = world.book.rows().iter().filter(|row| row.verdict == "allow").count();
    assert!(admitted <= 1000, "{admitted} of 2000 requests got through");
    // The door is as open as before.
    let stream = world.connect("origin.test", origin.port).await;
    let stream = world.shake_for(stream, "origin.test", &["h2"]).await.unwrap();
    let request = h2(&format!("https://{own}/")).body(nothing()).unwrap();
    assert_eq!(over_http2(stream, request).await, Ok(StatusCode::OK));
}
