//! WebSockets over real sockets: opened as a request, read both ways, ended with a reason.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use creel_doors::egress::HostSettings;
use creel_doors::stream::Io;
use creel_guard::{Deed, Obligations, Outcome};
use futures_util::{SinkExt, StreamExt};
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

use crate::fakes::{Row, Rules};
use crate::world::{STAND_IN, TOKEN, World, approving, certificate, exchange, settings};

/// What a server got: each frame's first byte and its payload, unmasked.
type Frames = Arc<Mutex<Vec<(u8, Vec<u8>)>>>;

/// A server that sends each frame back without its mask.
struct Echo {
    port: u16,
    settings: HostSettings,
    heads: Arc<Mutex<Vec<String>>>,
    frames: Frames,
}

impl Echo {
    /// `extra` stands in its answer; `first` follows the head at once.
    async fn new(tls: bool, extra: &'static str, first: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (ca, config) = certificate("origin.test");
        let own = settings("origin.test", port, ca);
        let echo = Self { port, settings: own, heads: Arc::default(), frames: Arc::default() };
        let (heads, frames) = (Arc::clone(&echo.heads), Arc::clone(&echo.frames));
        let acceptor = tokio_rustls::TlsAcceptor::from(config);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (heads, frames, acceptor) = (Arc::clone(&heads), Arc::clone(&frames), acceptor.clone());
                tokio::spawn(async move {
                    let io: Box<dyn Io> = if tls { Box::new(acceptor.accept(stream).await?) } else { Box::new(stream) };
                    answer(io, extra, first, &heads, &frames).await
                });
            }
        });
        echo
    }

    async fn world(&self) -> World {
        World::new(approving("origin.test"), vec![self.settings.clone()]).await
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    fn frames(&self) -> Vec<(u8, Vec<u8>)> {
        self.frames.lock().unwrap().clone()
    }
}

async fn answer(
    mut io: Box<dyn Io>,
    extra: &str,
    first: &[u8],
    heads: &Mutex<Vec<String>>,
    frames: &Mutex<Vec<(u8, Vec<u8>)>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(io.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap_or_default();
    let accept = derive_accept_key(key.as_bytes());
    heads.lock().unwrap().push(head.clone());
    let line = if extra.starts_with("HTTP") {
        extra.to_owned()
    } else {
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {accept}\r\n{extra}\r\n"
        )
    };
    io.write_all(&[line.as_bytes(), first].concat()).await?;
    io.flush().await?;
    loop {
        let (kind, second) = (io.read_u8().await?, io.read_u8().await?);
        assert!(second & 0x80 != 0, "a client masks");
        let mut length = usize::from(second & 0x7f);
        if length == 126 {
            length = usize::from(io.read_u16().await?);
        } else if length == 127 {
            length = usize::try_from(io.read_u64().await?).unwrap();
        }
        let mut mask = [0; 4];
        io.read_exact(&mut mask).await?;
        let mut payload = vec![0; length];
        io.read_exact(&mut payload).await?;
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        frames.lock().unwrap().push((kind, payload.clone()));
        io.write_all(&server_frame(kind, &payload)).await?;
        io.flush().await?;
        if kind & 15 == 8 {
            return Ok(());
        }
    }
}

fn server_frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let (short, rest) = match u16::try_from(length) {
        Ok(short @ ..126) => (short as u8, vec![]),
        Ok(long) => (126, long.to_be_bytes().to_vec()),
        Err(_) => (127, (length as u64).to_be_bytes().to_vec()),
    };
    [&[kind, short], &rest[..], payload].concat()
}

fn client_frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = server_frame(kind, &[]);
    let mask = [1, 2, 3, 4];
    frame[1] = 0x80 | u8::try_from(payload.len()).unwrap();
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

fn opening(port: u16, more: &str) -> String {
    format!(
        "GET /chat HTTP/1.1\r\nhost: origin.test:{port}\r\nconnection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

/// Opens one by hand: the stream, and the answer's head.
async fn open(stream: impl Io, port: u16, more: &str) -> (impl Io, String) {
    let mut stream = stream;
    stream.write_all(opening(port, more).as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    (stream, String::from_utf8(head).unwrap())
}

async fn read(stream: &mut (impl Io + ?Sized), length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let reading = tokio::time::timeout(Duration::from_secs(20), stream.read_exact(&mut bytes));
    reading.await.expect("bytes within 20 s").unwrap();
    bytes
}

fn settled(rows: &[Row]) -> bool {
    !rows.is_empty() && rows.iter().all(|row| row.verdict == "deny" || row.outcome.is_some())
}

fn failure(row: &Row) -> String {
    format!("{:?}", row.outcome)
}

#[tokio::test]
async fn a_real_client_talks_over_tls_and_plain_through_every_way_in() {
    for tls in [true, false] {
        let echo = Echo::new(tls, "", b"").await;
        let world = echo.world().await;
        for by_proxy in [false, true] {
            let stream: Box<dyn Io> = if by_proxy {
                let mut stream = TcpStream::connect(world.proxy).await.unwrap();
                let ask = format!("CONNECT origin.test:{p} HTTP/1.1\r\nhost: origin.test:{p}\r\n\r\n", p = echo.port);
                stream.write_all(ask.as_bytes()).await.unwrap();
                assert!(read(&mut stream, 12).await.ends_with(b"200"));
                while !read(&mut stream, 1).await.ends_with(b"\n") || !read(&mut stream, 2).await.ends_with(b"\r\n") {}
                Box::new(stream)
            } else {
                Box::new(world.connect("origin.test", echo.port).await)
            };
            let stream: Box<dyn Io> = if tls { world.shake(stream, "origin.test").await.unwrap() } else { stream };
            let scheme = if tls { "wss" } else { "ws" };
            let request = format!("{scheme}://origin.test:{}/chat", echo.port).into_client_request().unwrap();
            let (mut socket, answer) = tokio_tungstenite::client_async(request, stream).await.unwrap();
            assert_eq!(answer.status(), 101);
            for text in ["hello", "", &"long ".repeat(1000)] {
                socket.send(Message::text(text)).await.unwrap();
                assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(text));
            }
            socket.close(None).await.unwrap();
            while let Some(Ok(_)) = socket.next().await {}
            let rows = world.book.until("settled", settled).await;
            let row = rows.last().unwrap();
            let Deed::Send(send) = &row.action.deed else { panic!("{row:?}") };
            assert_eq!((send.to_string(), send.body), (format!("GET {scheme}://origin.test:{}/chat", echo.port), None));
            let Some(Outcome::Done { sent, received, status: Some(101) }) = row.outcome else { panic!("{row:?}") };
            assert!(sent >= 5005 && received >= 5005, "{sent} {received}");
        }
        let heads = echo.heads();
        assert!(heads.iter().all(|head| head.starts_with("GET /chat HTTP/1.1\r\n") && !head.contains("dGhlIHNhbX")));
    }
}

#[tokio::test]
async fn over_http2_it_is_an_extended_connect() {
    let echo = Echo::new(true, "", b"").await;
    let world = echo.world().await;
    let stream = world.connect("origin.test", echo.port).await;
    let stream = world.shake_for(stream, "origin.test", &["h2"]).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let wait = async {
        while !client.is_extended_connect_protocol_enabled() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("the door speaks RFC 8441");
    let request = |protocol: &'static str| {
        let uri = format!("https://origin.test:{}/chat", echo.port);
        let request = Request::connect(uri).version(http::Version::HTTP_2).header("sec-websocket-version", "13");
        let mut request = request.body(()).unwrap();
        request.extensions_mut().insert(h2::ext::Protocol::from_static(protocol));
        request
    };
    let (answer, mut up) = client.send_request(request("websocket"), false).unwrap();
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(!answer.headers().contains_key("sec-websocket-accept"));
    up.send_data(client_frame(0x81, b"hello").into(), false).unwrap();
    let mut body = answer.into_body();
    let mut got = Vec::new();
    while got.len() < 7 {
        let piece: Bytes = tokio::time::timeout(Duration::from_secs(20), body.data()).await.unwrap().unwrap().unwrap();
        got.extend(piece);
    }
    assert_eq!(got, server_frame(0x81, b"hello"));
    up.send_data(Bytes::new(), true).unwrap();
    let rows = world.book.until("settled", settled).await;
    let Deed::Send(send) = &rows[0].action.deed else { panic!("{rows:?}") };
    assert_eq!((send.method.as_deref(), send.scheme.as_str()), (Some("GET"), "wss"));
    assert!(matches!(rows[0].outcome, Some(Outcome::Done { sent: 5, received: 5, .. })), "{rows:?}");
    // What has no door is refused as ever.
    let (answer, _up) = client.send_request(request("connect-udp"), false).unwrap();
    assert_eq!(answer.await.unwrap().status(), 400);
    assert_eq!(world.book.story().last().unwrap(), "deny egress/upgrade");
}

#[tokio::test]
async fn malformed_frames_end_it_with_1002_and_never_pass() {
    for (what, bytes) in [
        ("not masked", server_frame(0x81, b"hello")),
        ("a reserved bit", client_frame(0xC1, b"hello")),
        ("an unknown kind", client_frame(0x83, b"hello")),
        ("a long ping", [&[0x89, 0xFE, 0, 126, 0, 0, 0, 0][..], &[0; 126]].concat()),
        ("a request", opening(1, "").into_bytes()),
        ("half a code", client_frame(0x88, b"x")),
    ] {
        let echo = Echo::new(true, "", b"").await;
        let world = echo.world().await;
        let stream = world.tls("origin.test", echo.port, "origin.test").await.unwrap();
        let (mut stream, head) = open(stream, echo.port, "").await;
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        stream.write_all(&client_frame(0x81, b"good")).await.unwrap();
        assert_eq!(read(&mut stream, 6).await, server_frame(0x81, b"good"), "{what}");
        let rest = exchange(stream, &bytes).await;
        assert!(rest.as_bytes().starts_with(&[0x88, 2, 3]) || rest.contains('\u{fffd}'), "{what}: {rest:?}");
        let rows = world.book.until("settled", settled).await;
        assert!(failure(&rows[0]).contains("agent: "), "{what}: {rows:?}");
        let frames = echo.frames();
        assert_eq!(frames[0], (0x81, b"good".to_vec()), "{what}");
        assert!(frames.len() == 1 || frames[1] == (0x88, vec![3, 0xEA]), "{what}: {frames:?}");
    }
    // The upstream's, too.
    let echo = Echo::new(true, "", b"\x81\x85\x01\x02\x03\x04igohn").await;
    let world = echo.world().await;
    let stream = world.tls("origin.test", echo.port, "origin.test").await.unwrap();
    let (mut stream, _) = open(stream, echo.port, "").await;
    assert_eq!(read(&mut stream, 4).await, [0x88, 2, 3, 0xEA]);
    let rows = world.book.until("settled", settled).await;
    assert!(failure(&rows[0]).contains("upstream: a frame is masked"), "{rows:?}");
}

#[tokio::test]
async fn compressed_messages_pass_as_they_are_and_a_bomb_does_not() {
    let echo = Echo::new(true, "sec-websocket-extensions: permessage-deflate\r\n", b"").await;
    let world = echo.world().await;
    let offer = "sec-websocket-extensions: x-other, permessage-deflate; client_max_window_bits\r\n";
    let stream = world.tls("origin.test", echo.port, "origin.test").await.unwrap();
    let (mut stream, head) = open(stream, echo.port, offer).await;
    assert!(head.contains("sec-websocket-extensions: permessage-deflate\r\n"), "{head}");
    assert!(echo.heads()[0].contains("sec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n"));
    // RFC 7692, section 7.2.3.
    let hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
    stream.write_all(&client_frame(0xC1, hello)).await.unwrap();
    assert_eq!(read(&mut stream, 9).await, server_frame(0xC1, hello));
    // A stored block, and then runs of one byte, each 258 bytes for some bits.
    let mut bomb = miniz_oxide::deflate::compress_to_vec(&vec![b'x'; 32 << 20], 9);
    bomb.truncate(60_000);
    let head = [0xC2, 0xFE, (bomb.len() >> 8) as u8, bomb.len() as u8, 0, 0, 0, 0];
    let _ = stream.write_all(&[&head[..], &bomb].concat()).await;
    let rows = world.book.until("settled", settled).await;
    assert!(failure(&rows[0]).contains("inflates to too much"), "{rows:?}");
    assert_eq!(echo.frames().len(), 1);
    // What is no deflate stream.
    let stream = world.tls("origin.test", echo.port, "origin.test").await.unwrap();
    let (mut stream, _) = open(stream, echo.port, offer).await;
    stream.write_all(&client_frame(0xC1, b"\xff\xff\xff")).await.unwrap();
    world.book.until("settled", |rows| rows.len() == 2 && settled(rows)).await;
    assert!(failure(&world.book.rows()[1]).contains("no deflate stream"));
}

#[tokio::test]
async fn an_answer_that_was_not_asked_for_opens_nothing() {
    for (extra, status) in [
        ("sec-websocket-extensions: permessage-deflate\r\n", 502),
        ("sec-websocket-protocol: chat\r\n", 502),
        ("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n", 502),
        ("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: telnet\r\n\r\n", 502),
        ("HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\n\r\n", 426),
    ] {
        let echo = Echo::new(true, extra, b"").await;
        let world = echo.world().await;
        // What follows is never read.
        let stream = world.tls("origin.test", echo.port, "origin.test").await.unwrap();
        let answer = exchange(stream, opening(echo.port, "") + "GET /smuggled HTTP/1.1\r\n\r\n").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{extra}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
        assert!(!echo.heads()[0].contains("smuggled"));
    }
}

#[tokio::test]
async fn what_is_no_opening_is_refused_and_no_rule_means_no() {
    let echo = Echo::new(true, "", b"").await;
    let world = echo.world().await;
    let own = format!("host: origin.test:{}\r\n", echo.port);
    let up = "connection: upgrade\r\nupgrade: websocket\r\n";
    let key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n";
    for (request, rule) in [
        (format!("GET / HTTP/1.1\r\n{own}{up}\r\n"), "bad-request"),
        (format!("POST / HTTP/1.1\r\n{own}{up}{key}\r\n"), "bad-request"),
        (format!("GET / HTTP/1.1\r\n{own}{up}{key}{key}\r\n"), "bad-request"),
        (format!("GET / HTTP/1.1\r\n{own}{up}{key}content-length: 3\r\n\r\nabc"), "bad-request"),
        (format!("GET / HTTP/1.1\r\n{own}upgrade: websocket\r\n{key}\r\n"), "upgrade"),
        (format!("GET / HTTP/1.1\r\n{own}{up}{key}upgrade: h2c\r\n\r\n"), "upgrade"),
        (format!("GET / HTTP/1.1\r\nhost: other.test\r\n{up}{key}\r\n"), "host-mismatch"),
    ] {
        let answer = world.https(echo.port, &request).await;
        assert!(answer.starts_with("HTTP/1.1 4") && answer.contains(rule), "{request}: {answer}");
    }
    *world.rules.0.lock().unwrap() = Rules::default();
    let answer = world.https(echo.port, opening(echo.port, "")).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(echo.heads().is_empty());
}

#[tokio::test]
async fn budgets_deadlines_and_new_rules_reach_an_open_one() {
    let open_under = async |owes: Obligations| {
        let echo = Echo::new(true, "", b"").await;
        let rules = Rules { owes, ..approving("origin.test") };
        let world = World::new(rules, vec![echo.settings.clone()]).await;
        let stream = world.tls("origin.test", echo.port, "origin.test").await.unwrap();
        let (mut stream, _) = open(stream, echo.port, "").await;
        stream.write_all(&client_frame(0x81, b"hello")).await.unwrap();
        assert_eq!(read(&mut stream, 7).await, server_frame(0x81, b"hello"));
        (echo, world, stream)
    };
    let (echo, world, mut stream) = open_under(Obligations { max_bytes: Some(8), ..Obligations::default() }).await;
    stream.write_all(&client_frame(0x81, b"more")).await.unwrap();
    assert_eq!(read(&mut stream, 4).await, [0x88, 2, 3, 0xF1], "1009");
    assert!(failure(&world.book.until("settled", settled).await[0]).contains("more went out"));
    assert!(!echo.frames().iter().any(|(_, payload)| payload == b"more"));

    let (_echo, world, mut stream) = open_under(Obligations { deadline_ms: Some(400), ..Obligations::default() }).await;
    assert_eq!(read(&mut stream, 2).await, [0x88, 2]);
    assert!(failure(&world.book.until("settled", settled).await[0]).contains("deadline"));

    let (_echo, world, mut stream) = open_under(Obligations::default()).await;
    // A reload that still allows it changes nothing.
    world.config.send_modify(|_| {});
    world.book.until("judged again", |rows| rows.len() == 2).await;
    stream.write_all(&client_frame(0x81, b"still")).await.unwrap();
    assert_eq!(read(&mut stream, 7).await, server_frame(0x81, b"still"));
    *world.rules.0.lock().unwrap() = Rules::default();
    world.config.send_modify(|_| {});
    assert_eq!(read(&mut stream, 4).await, [0x88, 2, 3, 0xF0], "1008");
    let rows = world.book.until("settled", settled).await;
    assert!(failure(&rows[0]).contains("the rules changed"), "{rows:?}");
}

/// What a server says next: a frame's first byte, and its payload.
async fn heard(stream: &mut (impl Io + ?Sized)) -> (u8, String) {
    let head = read(stream, 2).await;
    let length = match head[1] {
        126 => usize::from(u16::from_be_bytes(read(stream, 2).await.try_into().unwrap())),
        short => usize::from(short),
    };
    (head[0], String::from_utf8(read(stream, length).await).unwrap())
}

/// A block without compression (RFC 7692, section 7.2.3.3).
fn packed(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap();
    [&[0][..], &length.to_le_bytes(), &(!length).to_le_bytes(), text.as_bytes(), &[0]].concat()
}

#[tokio::test]
async fn a_placeholder_in_a_message_becomes_its_secret_and_none_comes_back() {
    let echo = Echo::new(true, "sec-websocket-extensions: permessage-deflate\r\n", b"").await;
    let rules = Rules { owes: Obligations { scrub: true, ..Obligations::default() }, ..approving("origin.test") };
    let world = World::new(rules, vec![echo.settings.clone()]).await;
    let stream = world.tls("origin.test", echo.port, "origin.test").await.unwrap();
    let (mut stream, _) = open(stream, echo.port, "sec-websocket-extensions: permessage-deflate\r\n").await;
    let signs_in = format!(r#"{{"op": 2, "d": {{"token": "{STAND_IN}"}}}}"#);
    let (start, end) = signs_in.split_at(30);
    let mut parts = client_frame(0x01, start.as_bytes());
    parts.extend([client_frame(0x89, b"between"), client_frame(0x80, end.as_bytes())].concat());
    let filled = format!(r#"{{"op":2,"d":{{"token":"{TOKEN}"}}}}"#);
    let clean = r#"{"op":2,"d":{"token":"[scrubbed by creel]"}}"#;
    let ping = (0x89, "between".to_owned());
    for (sent, arrived) in [
        (client_frame(0x81, signs_in.as_bytes()), vec![]),
        (parts, vec![ping]),
        (client_frame(0xC1, &packed(&signs_in)), vec![]),
    ] {
        let before = echo.frames().len();
        // However it is cut.
        for piece in sent.chunks(7) {
            stream.write_all(piece).await.unwrap();
            stream.flush().await.unwrap();
        }
        for (kind, text) in &arrived {
            assert_eq!(heard(&mut stream).await, (*kind, text.clone()));
        }
        assert_eq!(heard(&mut stream).await, (0x81, clean.to_owned()));
        let got: Vec<(u8, String)> = echo.frames()[before..]
            .iter()
            .map(|(kind, payload)| (*kind, String::from_utf8(payload.clone()).unwrap()))
            .collect();
        assert_eq!(got, [arrived, vec![(0x81, filled.clone())]].concat());
    }
    // What is no text in JSON is worth nothing, and what a server says otherwise holds no secret either.
    for (kind, text) in [(0x82, signs_in.as_str()), (0x81, STAND_IN), (0x89, STAND_IN)] {
        stream.write_all(&client_frame(kind, text.as_bytes())).await.unwrap();
        assert_eq!(heard(&mut stream).await, (kind, text.to_owned()));
    }
    for (kind, clean) in [(0x82, "a[scrubbed by creel]b"), (0x89, "")] {
        stream.write_all(&client_frame(kind, format!("a{TOKEN}b").as_bytes())).await.unwrap();
        assert_eq!(heard(&mut stream).await, (kind, clean.to_owned()));
    }
    drop(stream);
    let rows = world.book.until("settled", settled).await;
    let uses: Vec<String> = rows[1..].iter().map(|row| row.facts.placeholders[0].to_string()).collect();
    assert_eq!(uses, vec!["`token` of the skill `crm` in message /d/token"; 3]);
    assert!(matches!(rows[1].outcome, Some(Outcome::Done { sent: 55.., .. })), "{rows:?}");
    let shown = format!("{rows:?}");
    assert!(!shown.contains(TOKEN) && !shown.contains(STAND_IN), "{shown}");
}

#[tokio::test]
async fn long_messages_pass_in_parts_and_who_signs_in_too_often_is_cut_off() {
    let echo = Echo::new(true, "", b"").await;
    let rules = Rules { owes: Obligations { scrub: true, ..Obligations::default() }, ..approving("origin.test") };
    let world = World::new(rules, vec![echo.settings.clone()]).await;
    let stream = world.tls("origin.test", echo.port, "origin.test").await.unwrap();
    let request = format!("wss://origin.test:{}/chat", echo.port).into_client_request().unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    let long = format!("{}{TOKEN}{}", "x".repeat(60_000), "y".repeat(60_000));
    for message in [Message::text(long.clone()), Message::binary(vec![7_u8; 50_000])] {
        let clean = match &message {
            Message::Text(text) => Message::text(text.replace(TOKEN, "[scrubbed by creel]")),
            other => other.clone(),
        };
        let bytes = message.into_data();
        let is_text = matches!(clean, Message::Text(_));
        for (index, piece) in bytes.chunks(30_000).enumerate() {
            use tokio_tungstenite::tungstenite::protocol::frame::{
                Frame,
                coding::{Data, OpCode},
            };
            let kind = match (index, is_text) {
                (0, true) => Data::Text,
                (0, false) => Data::Binary,
                _ => Data::Continue,
            };
            let last = (index + 1) * 30_000 >= bytes.len();
            let frame = Frame::message(piece.to_vec(), OpCode::Data(kind), last);
            socket.send(Message::Frame(frame)).await.unwrap();
        }
        assert_eq!(socket.next().await.unwrap().unwrap(), clean);
    }
    let sent: Vec<u8> =
        echo.frames().into_iter().filter(|(kind, _)| kind & 2 == 0).flat_map(|(_, bytes)| bytes).collect();
    assert_eq!(String::from_utf8(sent).unwrap(), long);
    for count in 0..9 {
        socket.send(Message::text(format!(r#"{{"token":"{STAND_IN}"}}"#))).await.unwrap();
        let answer = socket.next().await.unwrap().unwrap();
        assert_eq!(matches!(answer, Message::Close(_)), count == 8, "{count}: {answer:?}");
    }
    let rows = world.book.until("settled", settled).await;
    assert!(failure(&rows[0]).contains("signed in too often"), "{rows:?}");
}
