//! The egress door over real sockets.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use creel_doors::egress::{Config, HostPattern, HostSettings};
use creel_guard::{Deed, Form, Inject, Needs, Obligations, Outcome, RateKey, Slot, Spent, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fakes::{Row, Rules, owes_a_secret};
use crate::world::{Origin, TOKEN, World, approving, exchange, get, pinned};

fn send(row: &Row) -> &creel_guard::Send {
    match &row.action.deed {
        Deed::Send(send) => send,
        other => panic!("no send: {other:?}"),
    }
}

fn settled(rows: &[Row]) -> bool {
    !rows.is_empty() && rows.iter().all(|row| row.verdict == "deny" || row.outcome.is_some())
}

#[tokio::test]
async fn an_approved_request_goes_through_and_is_settled_with_its_figures() {
    let origin = Origin::new(true).await;
    let world = World::reaching(&origin).await;
    let answer = world.https(origin.port, get("/a?3", origin.port)).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nooo"), "{answer}");
    let lower = answer.to_ascii_lowercase();
    assert!(!lower.contains("alt-svc") && !lower.contains("keep-alive: timeout"), "{answer}");
    assert!(lower.contains("set-cookie: a=1") && lower.contains("set-cookie: b=2"), "{answer}");
    let rows = world.book.until("settled", settled).await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].outcome, Some(Outcome::Done { sent: 0, received: 3, status: Some(200) }));
    assert_eq!(rows[0].facts.addresses, [IpAddr::V4(Ipv4Addr::LOCALHOST)]);
    assert_eq!(send(&rows[0]).to_string(), format!("GET https://origin.test:{}/a?3", origin.port));
    assert_eq!(send(&rows[0]).body, Some(0));
    assert_eq!(world.resolver.asked.load(Ordering::SeqCst), 0, "a pinned name is not resolved");
}

#[tokio::test]
async fn bodies_stream_both_ways_and_only_end_to_end_headers_pass() {
    let origin = Origin::new(true).await;
    let world = World::reaching(&origin).await;
    let port = origin.port;
    let body = "x".repeat(300_000);
    let request = format!(
        "POST /up?200000 HTTP/1.1\r\nHost: ORIGIN.test.:{port}\r\ncontent-length: 300000\r\nexpect: 100-continue\r\n\
         connection: close, x-private\r\nx-private: 1\r\nproxy-authorization: basic eA==\r\nte: trailers\r\n\
         x-http-method-override: DELETE\r\nauthorization: Bearer mine\r\n\r\n{body}"
    );
    let answer = world.https(port, request).await;
    assert!(answer.contains("HTTP/1.1 200 OK"), "{answer:.300}");
    assert_eq!(answer.rsplit("\r\n\r\n").next().unwrap().len(), 200_000);
    let got = origin.got();
    assert_eq!((got[0].line.as_str(), got[0].body), ("POST /up?200000", 300_000));
    let mut names: Vec<&str> = got[0].headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["authorization", "content-length", "host"]);
    assert_eq!(got[0].headers["host"], format!("origin.test:{port}"));
    let rows = world.book.until("settled", settled).await;
    assert_eq!(rows[0].outcome, Some(Outcome::Done { sent: 300_000, received: 200_000, status: Some(200) }));
    // Chunks in, chunks out.
    let chunked = format!(
        "PUT /c HTTP/1.1\r\nhost: origin.test:{port}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n\
         4\r\nabcd\r\n1\r\ne\r\n0\r\n\r\n"
    );
    assert!(world.https(port, chunked).await.starts_with("HTTP/1.1 200"));
    assert_eq!(origin.got()[1].body, 5);
    assert_eq!(send(&world.book.rows()[1]).body, None);
}

#[tokio::test]
async fn headers_that_override_what_was_judged_never_travel_however_they_are_written() {
    let origin = Origin::new(true).await;
    let world = World::reaching(&origin).await;
    let lines: String = [
        "x-http-method-override",
        "x_http_method_override",
        "X-HTTP_Method-Override",
        "x_http_method",
        "x_method_override",
        "x_original_url",
        "X-Rewrite_URL",
        "forwarded",
        "x-forwarded-for",
        "X_Forwarded_Host",
        "x-forwarded",
        "x_private",
    ]
    .iter()
    .map(|name| format!("{name}: 1\r\n"))
    .collect();
    let request = format!(
        "GET / HTTP/1.1\r\nhost: origin.test:{}\r\nconnection: close, x-private\r\n{lines}x_my_header: 2\r\n\r\n",
        origin.port
    );
    let answer = world.https(origin.port, request).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let got = origin.got();
    let mut names: Vec<&str> = got[0].headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["host", "x_my_header"]);
}

#[tokio::test]
async fn one_connection_carries_many_requests_and_each_is_judged() {
    let origin = Origin::new(true).await;
    let world = World::reaching(&origin).await;
    let port = origin.port;
    let keep = format!("GET /1 HTTP/1.1\r\nhost: origin.test:{port}\r\n\r\n");
    let body = format!("POST /2 HTTP/1.1\r\nhost: origin.test:{port}\r\ncontent-length: 3\r\n\r\nabc");
    let answer = world.https(port, format!("{keep}{body}{}", get("/3", port))).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 3, "{answer}");
    let lines: Vec<String> = origin.got().into_iter().map(|got| got.line).collect();
    assert_eq!(lines, ["GET /1", "POST /2", "GET /3"]);
    assert_eq!(world.book.rows().len(), 3);
}

#[tokio::test]
async fn a_reload_reaches_the_next_request_on_an_open_connection() {
    let origin = Origin::new(true).await;
    let world = World::reaching(&origin).await;
    let port = origin.port;
    let mut stream = world.tls("origin.test", port, "origin.test").await.unwrap();
    stream.write_all(format!("GET /1 HTTP/1.1\r\nhost: origin.test:{port}\r\n\r\n").as_bytes()).await.unwrap();
    let mut head = [0; 15];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    world.config.send_replace(Arc::new(Config::default()));
    let answer = exchange(stream, get("/2", port)).await;
    assert!(answer.contains("HTTP/1.1 403 refused by Creel: "), "{answer}");
    assert_eq!(origin.got().len(), 1);
    assert_eq!(world.resolver.asked.load(Ordering::SeqCst), 0, "a name that is no longer approved is not resolved");
}

#[tokio::test]
async fn a_refusal_can_be_read_and_names_its_rule() {
    let origin = Origin::new(true).await;
    let world = World::new(Rules::default(), vec![pinned("origin.test", &origin)]).await;
    let answer = world.https(origin.port, get("/secret", origin.port)).await;
    assert!(answer.starts_with("HTTP/1.1 403 refused by Creel: egress/not-approved"), "{answer}");
    assert!(answer.contains("content-type: application/problem+json"), "{answer}");
    let problem: serde_json::Value = serde_json::from_str(answer.rsplit("\r\n\r\n").next().unwrap()).unwrap();
    assert_eq!(problem["rule"], "egress/not-approved");
    assert_eq!(problem["instance"], "creel:record:1");
    assert_eq!(problem["status"], 403);
    assert!(!answer.contains("not for the agent"));
    assert_eq!(origin.connections(), 0);
}

#[tokio::test]
async fn literal_addresses_are_judged_as_such() {
    let origin = Origin::with_name(true, "192.0.2.7").await;
    let world = World::new(Rules::default(), vec![]).await;
    for (address, host) in [("192.0.2.7", "192.0.2.7"), ("2001:db8::1", "[2001:db8::1]")] {
        let stream = world.connect_to(SocketAddr::new(address.parse().unwrap(), 443)).await;
        let stream = world.shake(stream, address).await.unwrap();
        let answer = exchange(stream, format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
        let row = world.book.rows().pop().unwrap();
        assert_eq!(send(&row).to, Target::Address(address.parse().unwrap()));
        assert_eq!((row.rule.as_str(), row.facts.addresses), ("egress/not-approved", vec![address.parse().unwrap()]));
    }
    // A TLS server name has no place at a literal address.
    let stream = world.connect_to("192.0.2.7:443".parse().unwrap()).await;
    assert!(world.shake(stream, "origin.test").await.is_err());
    world.book.until("recorded", |rows| rows.last().is_some_and(|row| row.rule == "egress/sni-mismatch")).await;
    assert_eq!(origin.connections(), 0);
}

#[tokio::test]
async fn names_that_disagree_are_refused() {
    let origin = Origin::new(true).await;
    let world = World::reaching(&origin).await;
    let port = origin.port;
    assert!(world.tls("origin.test", port, "other.test").await.is_err());
    world.book.until("recorded", |rows| rows.len() == 1).await;
    for host in ["other.test", "origin.test:1", "origin.test.evil.io", "127.0.0.1", "origin.test"] {
        let answer = world.https(port, format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 421"), "{host}: {answer}");
    }
    let absolute = |uri: &str| format!("GET {uri} HTTP/1.1\r\nhost: origin.test:{port}\r\nconnection: close\r\n\r\n");
    for (uri, status) in [
        (format!("https://other.test:{port}/"), 421),
        (format!("http://origin.test:{port}/"), 400),
        (format!("https://me@origin.test:{port}/"), 400),
        ("ftp://origin.test/".to_owned(), 400),
        (format!("https://origin.test:{port}/ok"), 200),
    ] {
        let answer = world.https(port, absolute(&uri)).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{uri}: {answer}");
    }
    let lines: Vec<String> = origin.got().into_iter().map(|got| got.line).collect();
    assert_eq!(lines, ["GET /ok"], "the absolute form never travels");
    let mut flaws = world.book.story();
    flaws.dedup();
    let expected =
        ["deny egress/sni-mismatch", "deny egress/host-mismatch", "deny egress/bad-request", "allow egress/allow"];
    assert_eq!(flaws, expected);
}

#[tokio::test]
async fn a_long_path_is_judged_whole_and_recorded_short_when_flawed() {
    let origin = Origin::new(true).await;
    let world = World::reaching(&origin).await;
    let path = format!("/{}", "p".repeat(9000));
    assert!(world.https(origin.port, get(&path, origin.port)).await.starts_with("HTTP/1.1 200"));
    assert!(world.https(origin.port, get(&path, 1)).await.starts_with("HTTP/1.1 421"));
    let rows = world.book.rows();
    assert_eq!((send(&rows[0]).path.len(), send(&rows[1]).path.chars().count()), (9001, 2049));
}

#[tokio::test]
async fn upgrades_and_tunnels_are_refused() {
    let origin = Origin::new(true).await;
    let world = World::reaching(&origin).await;
    let port = origin.port;
    for request in [
        format!("GET /ws HTTP/1.1\r\nhost: origin.test:{port}\r\nconnection: upgrade\r\nupgrade: telnet\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: origin.test:{port}\r\nupgrade: h2c\r\nhttp2-settings: AA\r\n\r\n"),
        format!("CONNECT origin.test:{port} HTTP/1.1\r\nhost: origin.test:{port}\r\n\r\n"),
    ] {
        let answer = world.https(port, &request).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{request}: {answer}");
    }
    assert_eq!(world.book.story(), vec!["deny egress/upgrade"; 3]);
    assert_eq!(origin.connections(), 0);
}

#[tokio::test]
async fn nothing_leaves_when_the_ledger_is_closed() {
    let origin = Origin::new(true).await;
    let world = World::reaching(&origin).await;
    world.book.closed.store(true, Ordering::SeqCst);
    let answer = world.https(origin.port, get("/", origin.port)).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("guard/ledger-unwritable"), "{answer}");
    assert_eq!(origin.connections(), 0);
}

#[tokio::test]
async fn every_resolved_address_is_judged_and_only_judged_ones_are_reached() {
    let origin = Origin::new(true).await;
    let settings = HostSettings { address: None, ..pinned("origin.test", &origin) };
    let rules = Rules { closed: vec!["10.0.0.1".parse().unwrap()], ..approving("origin.test") };
    let world = World::new(rules, vec![settings]).await;
    *world.resolver.addresses.lock().unwrap() = vec![Ipv4Addr::LOCALHOST.into(), "10.0.0.1".parse().unwrap()];
    let answer = world.https(origin.port, get("/", origin.port)).await;
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("egress/closed-range"), "{answer}");
    assert_eq!(origin.connections(), 0);
    *world.resolver.addresses.lock().unwrap() = vec![Ipv4Addr::LOCALHOST.into()];
    assert!(world.https(origin.port, get("/", origin.port)).await.starts_with("HTTP/1.1 200"));
    *world.resolver.addresses.lock().unwrap() = vec![];
    let answer = world.https(origin.port, get("/", origin.port)).await;
    assert!(answer.starts_with("HTTP/1.1 502") && answer.contains("egress/deny-unresolved"), "{answer}");
}

#[tokio::test]
async fn an_upstream_that_cant_prove_its_name_gets_nothing() {
    let wrong_name = Origin::with_name(true, "other.test").await;
    let unknown_root = Origin::new(true).await;
    let plain = Origin::new(false).await;
    for (origin, ca) in [(&wrong_name, true), (&unknown_root, false), (&plain, true)] {
        let mut settings = pinned("origin.test", origin);
        if !ca {
            settings.ca = vec![];
        }
        let world = World::new(approving("origin.test"), vec![settings]).await;
        let answer = world.https(origin.port, get("/", origin.port)).await;
        assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
        assert!(matches!(world.book.rows()[0].outcome, Some(Outcome::Failed { .. })));
        assert_eq!(origin.got().len(), 0);
    }
}

#[tokio::test]
async fn plain_http_goes_through_as_such() {
    let origin = Origin::new(false).await;
    let world = World::reaching(&origin).await;
    let stream = world.connect("origin.test", origin.port).await;
    assert!(exchange(stream, get("/p", origin.port)).await.starts_with("HTTP/1.1 200"));
    assert_eq!(send(&world.book.rows()[0]).scheme, "http");
}

#[tokio::test]
async fn edges_and_strange_protocols_are_recorded_and_closed() {
    let origin = Origin::new(true).await;
    let world = World::reaching(&origin).await;
    for (address, rule) in [
        ("127.0.0.1:981", "planted-socket"),
        ("[::1]:22", "planted-socket"),
        ("[::ffff:127.0.0.1]:80", "planted-socket"),
        ("0.0.0.0:80", "planted-socket"),
        ("198.18.77.1:443", "unassigned-address"),
        ("[fd00:c4ee:1::99]:443", "unassigned-address"),
    ] {
        let stream = world.connect_to(address.parse().unwrap()).await;
        assert_eq!(exchange(stream, get("/", 80)).await, "", "{address}");
        let row = world.book.rows().pop().unwrap();
        assert_eq!((row.rule.clone(), send(&row).method.clone()), (format!("egress/{rule}"), None), "{address}");
    }
    for (bytes, rule) in [
        (&b"SSH-2.0-OpenSSH_9.2\r\n"[..], "not-http"),
        (b"\x00\x01\x02", "not-http"),
        (b"EHLO me\r\n", "not-http"),
        (b"\x16\x03\x01\x00\x05hello", "bad-tls"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "bad-request"),
    ] {
        let stream = world.connect("origin.test", origin.port).await;
        exchange(stream, bytes).await;
        let row = world.book.rows().pop().unwrap();
        assert_eq!(row.rule, format!("egress/{rule}"), "{}", bytes.escape_ascii());
        assert_eq!(send(&row).path, "");
    }
    assert_eq!(origin.connections(), 0);
}

#[tokio::test]
async fn obligations_are_met_or_the_act_is_refused() {
    let origin = Origin::new(true).await;
    let post = format!(
        "POST / HTTP/1.1\r\nhost: origin.test:{}\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello",
        origin.port
    );
    let chunked = format!(
        "POST / HTTP/1.1\r\nhost: origin.test:{}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n\
         5\r\nhello\r\n0\r\n\r\n",
        origin.port
    );
    let few = Obligations { max_bytes: Some(4), ..Obligations::default() };
    let soon = Obligations { deadline_ms: Some(50), ..Obligations::default() };
    for (owes, request, status) in [
        (owes_a_secret(), &post, 500),
        (few.clone(), &post, 413),
        (few, &chunked, 413),
        (soon, &get("/never", origin.port), 504),
    ] {
        let rules = Rules { owes, ..approving("origin.test") };
        let world = World::new(rules, vec![pinned("origin.test", &origin)]).await;
        let answer = world.https(origin.port, request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        let rows = world.book.rows();
        assert!(matches!(&rows[0].outcome, Some(Outcome::Failed { .. })), "{rows:?}");
    }
    assert!(origin.got().iter().all(|got| got.line == "GET /never"));
}

#[tokio::test]
async fn a_client_that_leaves_is_settled_as_abandoned() {
    let origin = Origin::new(true).await;
    let world = World::reaching(&origin).await;
    let mut stream = world.tls("origin.test", origin.port, "origin.test").await.unwrap();
    stream.write_all(get("/never", origin.port).as_bytes()).await.unwrap();
    while origin.got().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(stream);
    let rows = world.book.until("settled", settled).await;
    assert_eq!(rows[0].outcome, Some(Outcome::Abandoned));
}

#[tokio::test]
async fn patterns_match_on_label_boundaries() {
    let host = |name: &str| Target::Host(creel_guard::HostName::parse(name).unwrap());
    let below = HostPattern::parse("*.example.com").unwrap();
    assert!(below.matches(&host("a.example.com")) && below.matches(&host("a.b.example.com")));
    for other in ["example.com", "evilexample.com", "example.com.evil.io"] {
        assert!(!below.matches(&host(other)), "{other}");
    }
    assert!(HostPattern::parse("192.0.2.1").unwrap().matches(&Target::Address("192.0.2.1".parse().unwrap())));
    assert!(HostPattern::parse("*.").is_err() && HostPattern::parse("a..b").is_err());
}

#[tokio::test]
async fn the_one_form_of_a_path_is_judged_and_sent() {
    let origin = Origin::new(true).await;
    let world = World::reaching(&origin).await;
    for (written, sent) in [("/%61%2Db/%7ec?x=%2f", "/a-b/~c?x=%2f"), ("/%e4{b}", "/%E4%7Bb%7D")] {
        assert!(world.https(origin.port, get(written, origin.port)).await.starts_with("HTTP/1.1 200"), "{written}");
        assert_eq!(origin.got().last().unwrap().line, format!("GET {sent}"));
        assert_eq!(send(world.book.rows().last().unwrap()).path, sent);
    }
}

#[tokio::test]
async fn a_body_that_a_rule_wants_to_read_is_judged_and_sent_as_it_was_read() {
    let origin = Origin::new(true).await;
    let needs = Needs { form: Some(Form::Json), rates: vec![RateKey { key: 9, seconds: 60 }], ..Needs::default() };
    let rules = Rules { needs, ..approving("origin.test") };
    let world = World::new(rules, vec![pinned("origin.test", &origin)]).await;
    let port = origin.port;
    let post = |kind: &str, body: &str| {
        format!(
            "POST /x HTTP/1.1\r\nhost: origin.test:{port}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let answer = world.https(port, post("application/json", "{ \"a\" :  [1, \"\\u0062\"] }")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(origin.got()[0].text, r#"{"a":[1,"b"]}"#);
    let rows = world.book.until("settled", settled).await;
    assert_eq!(rows[0].outcome, Some(Outcome::Done { sent: 13, received: 5, status: Some(200) }));
    assert_eq!(&*send(&rows[0]).content.as_ref().unwrap().text, r#"{"a":[1,"b"]}"#);
    assert_eq!(rows[0].facts.spent, [Spent { key: 9, count: 0 }]);
    for (kind, body) in [("application/json", "{\"a\":1,\"a\":2}"), ("text/plain", "{}"), ("application/json", "{}x")] {
        let answer = world.https(port, post(kind, body)).await;
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("egress/bad-body"), "{answer}");
    }
    assert_eq!(origin.got().len(), 1);
    assert_eq!(world.book.rows().last().unwrap().facts.spent, [Spent { key: 9, count: 3 }]);
    // Nothing to read: nothing is read.
    assert!(world.https(port, get("/", port)).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_reload_reaches_open_connections() {
    let origin = Origin::new(true).await;
    let world = World::reaching(&origin).await;
    let mut stream = world.tls("origin.test", origin.port, "origin.test").await.unwrap();
    let request = format!("GET /a HTTP/1.1\r\nhost: origin.test:{}\r\n\r\n", origin.port);
    let mut answers = Vec::new();
    for rules in [approving("origin.test"), Rules::default(), approving("origin.test")] {
        *world.rules.0.lock().unwrap() = rules;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut buffer = [0; 4096];
        let length = stream.read(&mut buffer).await.unwrap();
        answers.push(String::from_utf8_lossy(&buffer[..12.min(length)]).into_owned());
        // What is left of the answer.
        let _ = tokio::time::timeout(Duration::from_millis(50), stream.read(&mut buffer)).await;
    }
    assert_eq!(answers, ["HTTP/1.1 200", "HTTP/1.1 403", "HTTP/1.1 200"]);
    // Where the operator took the host out of the door's settings as well, it is not even resolved.
    world.config.send_replace(Arc::new(Config::default()));
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut buffer = [0; 4096];
    let length = stream.read(&mut buffer).await.unwrap();
    assert!(String::from_utf8_lossy(&buffer[..length]).contains("egress/deny-unresolved"));
    assert_eq!(world.resolver.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn names_below_a_wildcard_count_at_this_door_too() {
    let origin = Origin::with_name(true, "origin.test").await;
    let below = creel_guard::HostName::parse("test").ok();
    let rules = Rules { needs: Needs { below, ..Needs::default() }, ..approving("origin.test") };
    let world = World::new(rules, vec![pinned("origin.test", &origin)]).await;
    world.names.assign(&creel_guard::HostName::parse("other.test").unwrap()).unwrap();
    assert!(world.https(origin.port, get("/", origin.port)).await.starts_with("HTTP/1.1 200"));
    assert_eq!(
        world.book.rows()[0].facts.siblings,
        Some(0),
        "the name stands in the book: it came through the dns door"
    );
}

/// An obligation to fill this slot with the secret of the world.
fn fills(slot: Slot) -> Obligations {
    Obligations {
        inject: Some(Inject { secret: "token".to_owned(), skill: None, slot: Some(slot) }),
        ..Obligations::default()
    }
}

#[tokio::test]
async fn a_secret_fills_its_one_slot_and_never_comes_back() {
    let origin = Origin::new(true).await;
    let pair = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("me:{TOKEN}"));
    let header = || Slot::Header("x-api-key".to_owned());
    for (slot, name, value) in [
        (Slot::Bearer, "authorization", format!("Bearer {TOKEN}")),
        (Slot::Basic("me".to_owned()), "authorization", format!("Basic {pair}")),
        (header(), "x-api-key", TOKEN.to_owned()),
    ] {
        let rules = Rules { owes: fills(slot), ..approving("origin.test") };
        let world = World::new(rules, vec![pinned("origin.test", &origin)]).await;
        let request = format!(
            "GET /echo HTTP/1.1\r\nhost: origin.test:{}\r\nAuthorization: Bearer mine\r\nx-api-key: mine\r\n\
             x_api_key: mine\r\nrange: bytes=0-3\r\naccept-encoding: gzip\r\nconnection: close\r\n\r\n",
            origin.port
        );
        let answer = world.https(origin.port, request).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let got = origin.got().pop().unwrap().headers;
        let values: Vec<&[u8]> = got.get_all(name).iter().map(http::HeaderValue::as_bytes).collect();
        assert_eq!(values, [value.as_bytes()]);
        assert!(!got.contains_key("range") && got["accept-encoding"] == "identity", "{got:?}");
        assert_eq!(got.contains_key("x_api_key"), name != "x-api-key");
        assert!(!answer.contains(TOKEN) && !answer.contains(pair.get(8..pair.len() - 4).unwrap()), "{answer}");
        assert_eq!(answer.matches("[scrubbed by creel]").count(), 2, "head and body: {answer}");
        let rows = world.book.until("settled", settled).await;
        assert!(matches!(&rows[0].outcome, Some(Outcome::Done { .. })), "{rows:?}");
        assert!(!format!("{rows:?}").contains(TOKEN));
    }
}

#[tokio::test]
async fn where_a_secret_could_not_be_kept_nothing_is_sent_or_delivered() {
    let encoded = Origin::new(true).await;
    let world = World::new(
        Rules { owes: fills(Slot::Bearer), ..approving("origin.test") },
        vec![pinned("origin.test", &encoded)],
    )
    .await;
    let answer = world.https(encoded.port, get("/echo?gzip", encoded.port)).await;
    assert!(answer.starts_with("HTTP/1.1 502") && !answer.contains(TOKEN), "{answer}");
    let plain = Origin::new(false).await;
    let world = World::new(
        Rules { owes: fills(Slot::Bearer), ..approving("origin.test") },
        vec![pinned("origin.test", &plain)],
    )
    .await;
    let stream = world.connect("origin.test", plain.port).await;
    let answer = exchange(stream, get("/echo", plain.port)).await;
    assert!(answer.starts_with("HTTP/1.1 500") && !answer.contains(TOKEN), "{answer}");
    assert_eq!(plain.got().len(), 0, "over plain HTTP it does not go out");
}
