//! Requests that two parsers could read in two ways: each gets 400, a record, and a closed connection, and nothing
//! reaches the upstream.

use crate::world::{Origin, World, get};

#[tokio::test]
async fn ambiguous_requests_are_refused_and_nothing_goes_upstream() {
    let origin = Origin::new(true).await;
    let world = World::reaching(&origin).await;
    let port = origin.port;
    let requests = [ambiguous_framing(port), ambiguous_heads(port), disguised_names(port)].concat();
    for (index, request) in requests.iter().enumerate() {
        let answer = world.https(port, request).await;
        let shown = request.get(..request.len().min(200)).unwrap().escape_debug();
        assert!(answer.starts_with("HTTP/1.1 400"), "{shown}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "the connection goes on after {shown}: {answer}");
        let story = world.book.story();
        assert_eq!(story.len(), index + 1, "{shown}");
        assert_eq!(story.last().unwrap(), "deny egress/bad-request", "{shown}");
    }
    assert_eq!(origin.connections(), 0);
}

fn ambiguous_framing(port: u16) -> Vec<String> {
    let host = format!("host: origin.test:{port}\r\n");
    let post =
        |headers: &str| format!("POST / HTTP/1.1\r\n{host}{headers}\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n{host}\r\n");
    vec![
        // Two lengths (EGRESS.md 16).
        post("content-length: 5\r\ntransfer-encoding: chunked\r\n"),
        post("transfer-encoding: chunked\r\ncontent-length: 5\r\n"),
        // Disguised transfer codings (17).
        post("transfer-encoding: xchunked\r\n"),
        post("transfer-encoding: chunked, identity\r\n"),
        post("transfer-encoding: chunked,\r\n"),
        post("transfer-encoding: gzip, chunked\r\n"),
        post("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n"),
        post("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n"),
        post("transfer-encoding\t: chunked\r\n"),
        post("transfer_encoding: chunked\r\ncontent-length: 5\r\n"),
        post("transfer-encoding: \x0bchunked\r\n"),
        post("transfer-encoding: \x0cchunked\r\n"),
        post("transfer-encoding:\tchunked\r\n"),
        post("transfer-encoding:  chunked\r\n"),
        post("transfer-encoding: chunked \r\n"),
        post("transfer-encoding: chunked\t\r\n"),
        post("content-length:\t5\r\n"),
        post("content-length: 5 \r\n"),
        post("transfer-encoding:\r\n chunked\r\n"),
        // Folded lines, lone CR and LF, NUL, spaces (18).
        post("x: a\r\n b\r\ncontent-length: 0\r\n"),
        post("x: a\ncontent-length: 0\r\n"),
        post("x: a\rcontent-length: 0\r\n"),
        post("x: a\0b\r\ncontent-length: 0\r\n"),
        post("content-length : 0\r\n"),
        post(" content-length: 0\r\n"),
        post("no colon here\r\n"),
        post(": empty name\r\n"),
        format!("GET / HTTP/1.1\n{host}\n"),
        format!("GET / HTTP/1.1\r\n{host}\n\n"),
        // Lengths that are none (19).
        post("content-length: 5\r\ncontent-length: 5\r\n"),
        post("content-length: 5\r\ncontent-length: 6\r\n"),
        post("content-length: 5, 5\r\n"),
        post("content-length: +5\r\n"),
        post("content-length: -1\r\n"),
        post("content-length: 0x5\r\n"),
        post("content-length: 99999999999999999999\r\n"),
        post("content-length:\r\n"),
    ]
}

/// Gateways of the CGI family read `_` as `-`.
fn disguised_names(port: u16) -> Vec<String> {
    let names = [
        "Content_Length: 0",
        "TRANSFER_ENCODING: identity",
        "transfer_encoding: chunked",
        "Keep_Alive: 1",
        "proxy_authorization: basic eA==",
        "Proxy_-Connection: keep-alive",
        "http2_settings: AA",
    ];
    names.iter().map(|name| format!("GET / HTTP/1.1\r\nhost: origin.test:{port}\r\n{name}\r\n\r\n")).collect()
}

fn ambiguous_heads(port: u16) -> Vec<String> {
    let host = format!("host: origin.test:{port}\r\n");
    let post =
        |headers: &str| format!("POST / HTTP/1.1\r\n{host}{headers}\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n{host}\r\n");
    let line = |line: &str| format!("{line}\r\n{host}\r\n");
    vec![
        // Versions and request lines (21).
        line("GET / HTTP/1.2"),
        line("GET / HTTP/2.0"),
        line("GET / HTTP/1.0\r\ntransfer-encoding: chunked"),
        line("GET / HTTP/1.0\r\nconnection: keep-alive"),
        line("GET  / HTTP/1.1"),
        line("GET / x HTTP/1.1"),
        line("GET /a#b HTTP/1.1"),
        line("GET example HTTP/1.1"),
        line("GET /<> HTTP/1.1"),
        // Hosts.
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\n{host}{host}\r\n"),
        "GET / HTTP/1.1\r\nhost: me@origin.test\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nhost: origin.test\\evil\r\n\r\n".to_owned(),
        // Too much.
        format!("GET / HTTP/1.1\r\n{host}{}\r\n", "a: b\r\n".repeat(101)),
        format!("GET / HTTP/1.1\r\n{host}a: {}\r\n\r\n", "b".repeat(70_000)),
        format!("GET /{} HTTP/1.1\r\n{host}\r\n", "b".repeat(40_000)),
        post("expect: 200-ok\r\n"),
    ]
}

#[tokio::test]
async fn chunks_that_are_malformed_break_the_request() {
    let origin = Origin::new(true).await;
    let world = World::reaching(&origin).await;
    let port = origin.port;
    for chunks in [
        "5;ext=1\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nhello",
        "-1\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "4\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\r\n0\r\nx-trailer: 1\r\n\r\n",
        "\r\n",
    ] {
        let request = format!(
            "POST / HTTP/1.1\r\nhost: origin.test:{port}\r\ntransfer-encoding: chunked\r\n\r\n{chunks}{}",
            get("/smuggled", port)
        );
        let answer = world.https(port, &request).await;
        assert!(!answer.starts_with("HTTP/1.1 2"), "{chunks:?}: {answer}");
        let rows = world.book.until("settled", |rows| rows.iter().all(|row| row.outcome.is_some())).await;
        assert!(!matches!(rows.last().unwrap().outcome, Some(creel_guard::Outcome::Done { .. })), "{chunks:?}");
    }
    assert_eq!(origin.got().len(), 0, "no whole request ever arrived: {:?}", origin.got());
    assert_eq!(world.book.rows().len(), 10, "what stands behind the broken body is never read as a request");
}

#[tokio::test]
async fn a_good_request_is_not_spoiled_by_a_bad_one_behind_it() {
    let origin = Origin::new(true).await;
    let world = World::reaching(&origin).await;
    let port = origin.port;
    let good = format!("GET /good HTTP/1.1\r\nhost: origin.test:{port}\r\n\r\n");
    let bad = format!("GET /bad HTTP/1.1\r\nhost: origin.test:{port}\r\ncontent-length: 1, 1\r\n\r\n");
    let answer = world.https(port, format!("{good}{bad}{good}")).await;
    assert_eq!((answer.matches("HTTP/1.1 200").count(), answer.matches("HTTP/1.1 400").count()), (1, 1), "{answer}");
    assert_eq!(world.book.story(), ["allow egress/allow", "deny egress/bad-request"]);
    assert_eq!(origin.got().len(), 1);
}
