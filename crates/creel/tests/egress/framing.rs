//! Messages that two parsers could read in two ways (EGRESS.md 13, 16 to 23): refused, closed, and nothing goes on.

use crate::table::{Ask, Open, Row, Stage, Way, check};
use crate::world::{frame, head};

/// Bytes in which a second request hides, and what they are refused by.
const fn row(number: u8, bytes: &'static str) -> Row {
    Row {
        number,
        policy: "",
        ask: Ask::raw(bytes),
        rules: &["egress/bad-request"],
        open: Open::As(Ask::get("origin.test", "/")),
    }
}

/// A request whose head holds this line, with a body that ends and a request behind it.
macro_rules! hidden {
    ($number:literal, $line:literal) => {
        row(
            $number,
            concat!(
                "POST {to}/ HTTP/1.1\r\nhost: {host}\r\n",
                $line,
                "\r\n\r\n0\r\n\r\nGET {to}/hidden HTTP/1.1\r\nhost: {host}\r\n\r\n"
            ),
        )
    };
}

#[tokio::test]
async fn two_lengths_and_disguised_codings() {
    check(&[
        hidden!(16, "content-length: 5\r\ntransfer-encoding: chunked"),
        hidden!(16, "transfer-encoding: chunked\r\ncontent-length: 5"),
        hidden!(16, "transfer-encoding: chunked\r\ncontent-length: 0"),
        hidden!(17, "transfer-encoding: xchunked"),
        hidden!(17, "transfer-encoding: chunked, identity"),
        hidden!(17, "transfer-encoding: identity, chunked"),
        hidden!(17, "transfer-encoding: chunked,"),
        hidden!(17, "transfer-encoding: gzip, chunked"),
        hidden!(17, "transfer-encoding: chunked\r\ntransfer-encoding: chunked"),
        hidden!(17, "transfer-encoding: chunked\r\ntransfer-encoding: identity"),
        hidden!(17, "transfer-encoding: \"chunked\""),
        hidden!(17, "transfer-encoding:\tchunked"),
        hidden!(17, "transfer-encoding: \x0bchunked"),
        hidden!(17, "transfer-encoding\t: chunked"),
        hidden!(17, "transfer_encoding: chunked\r\ncontent-length: 5"),
        hidden!(17, "x: y\r\n transfer-encoding: chunked"),
    ])
    .await;
}

#[tokio::test]
async fn lines_and_lengths_that_are_none() {
    check(&[
        hidden!(18, "x: a\r\n b\r\ncontent-length: 0"),
        hidden!(18, "x: a\ncontent-length: 0"),
        hidden!(18, "x: a\rcontent-length: 0"),
        hidden!(18, "x: a\0b\r\ncontent-length: 0"),
        hidden!(18, "content-length : 0"),
        hidden!(18, "no colon"),
        row(18, "GET {to}/ HTTP/1.1\nhost: {host}\n\n"),
        row(18, "GET {to}/ HTTP/1.1\r\nhost: {host}\n\r\n"),
        hidden!(19, "content-length: 5\r\ncontent-length: 5"),
        hidden!(19, "content-length: 5\r\ncontent-length: 6"),
        hidden!(19, "content-length: 5, 5"),
        hidden!(19, "content-length: +5"),
        hidden!(19, "content-length: 0x5"),
        hidden!(19, "content-length: -1"),
        hidden!(19, "content-length: 99999999999999999999"),
        hidden!(19, "content-length:"),
        Row { rules: &["egress/not-http", "egress/bad-request"], ..row(21, "GET {to}/\r\n\r\n") },
        row(21, "GET {to}/ HTTP/1.0\r\nhost: {host}\r\nconnection: keep-alive\r\n\r\n"),
        row(21, "GET {to}/ HTTP/1.2\r\nhost: {host}\r\n\r\n"),
        row(21, "GET {to}/ HTTP/1.1\r\nhost: {host}\r\nhost: {host}\r\n\r\n"),
        row(21, "GET {to}/ HTTP/1.1\r\nhost: {host}\r\nexpect: 200-ok\r\n\r\n"),
    ])
    .await;
}

/// Row 20. Such a request was admitted by its head; it never becomes a whole one, and nothing behind it is read.
#[tokio::test]
async fn chunks_that_are_malformed() {
    let stage = Stage::new("").await;
    for chunks in [
        "fffffffffffffffff\r\nhello",
        "5;ext=\n\r\nhello\r\n0\r\n\r\n",
        "5;a=b\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "4\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloxx0\r\n\r\n",
        "5\r\nhello\r\n0\r\ncontent-length: 3\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
    ] {
        let bytes = format!(
            "POST {{to}}/ HTTP/1.1\r\nhost: {{host}}\r\ntransfer-encoding: chunked\r\n\r\n{chunks}\
             GET {{to}}/hidden HTTP/1.1\r\nhost: {{host}}\r\n\r\n"
        );
        let ask = Ask::raw(Box::leak(bytes.into_boxed_str()));
        for way in Way::TEXT {
            let answer = stage.send(way, &ask).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 400"), "{way:?} {chunks:?}: {answer}");
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{way:?} {chunks:?}: {answer}");
        }
    }
    assert_eq!(stage.arrived(), 0, "{:?}", stage.tls.got());
    let paths = stage.world.book.rows().into_iter().filter_map(|row| match row.action.deed {
        creel_guard::Deed::Send(send) => Some(send.path),
        _ => None,
    });
    assert!(paths.into_iter().all(|path| !path.contains("hidden")));
}

#[tokio::test]
async fn what_wants_to_leave_http() {
    let h2c = "GET {to}/ HTTP/1.1\r\nhost: {host}\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n\
               http2-settings: AAMAAABkAAQAAP__\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let either = &["egress/upgrade", "egress/bad-request"];
    let raw = |number, bytes, rules, over| Row { ask: Ask { over, ..Ask::raw(bytes) }, rules, ..row(number, bytes) };
    check(&[
        Row { rules: either, ..row(21, h2c) },
        // Neither TLS nor HTTP on a way that was opened (13).
        raw(13, "SSH-2.0-x\r\n", &["egress/not-http", "egress/bad-request"], &[Way::TurnedPlain, Way::ConnectPlain]),
        raw(13, "EHLO x\r\n", &["egress/not-http", "egress/bad-request"], &[Way::TurnedPlain, Way::ConnectPlain]),
        raw(13, "\x16\x03\x01\x00\x05hello", &["egress/bad-tls"], &[Way::TurnedPlain, Way::ConnectPlain]),
        raw(45, "GET ftp://origin.test/ HTTP/1.1\r\nhost: {host}\r\n\r\n", &["egress/bad-request"], &Way::TEXT),
        raw(45, "GET gopher://origin.test/ HTTP/1.1\r\nhost: {host}\r\n\r\n", &["egress/bad-request"], &Way::TEXT),
        raw(45, "GET file:///etc/passwd HTTP/1.1\r\nhost: {host}\r\n\r\n", &["egress/bad-request"], &Way::TEXT),
        raw(45, "GET dict://origin.test:11211/ HTTP/1.1\r\nhost: {host}\r\n\r\n", &["egress/bad-request"], &Way::TEXT),
        raw(45, "GET ldap://origin.test/ HTTP/1.1\r\nhost: {host}\r\n\r\n", &["egress/bad-request"], &Way::TEXT),
        raw(45, "GET data:text/plain,x HTTP/1.1\r\nhost: {host}\r\n\r\n", &["egress/bad-request"], &Way::TEXT),
        // A tunnel within a tunnel (23).
        raw(
            23,
            "CONNECT origin.test:22 HTTP/1.1\r\nhost: origin.test:22\r\n\r\n",
            either,
            &[Way::TurnedTls, Way::ConnectTls],
        ),
    ])
    .await;
}

/// A request that ends with its head, with one more header.
fn with(authority: &str, name: &str, value: &str) -> Vec<u8> {
    let mut block = head("/", authority);
    block.extend([0, u8::try_from(name.len()).unwrap()]);
    block.extend(name.as_bytes());
    block.push(u8::try_from(value.len()).unwrap());
    block.extend(value.as_bytes());
    frame(1, 5, 1, &block)
}

#[tokio::test]
async fn frames_that_would_be_another_request_in_text() {
    let row = |number, frames| {
        let ask = Ask { frames: Some(frames), over: &Way::TLS, ..Ask::get("origin.test", "/") };
        Row { number, policy: "", ask, rules: &["egress/bad-request"], open: Open::As(Ask::get("origin.test", "/")) }
    };
    check(&[
        row(22, |to| with(to, "x", "a\r\nb: c")),
        row(22, |to| with(to, "x", "a\nb: c")),
        row(22, |to| with(to, "x", "a\0b")),
        row(22, |to| with(to, "X-Y", "1")),
        row(22, |to| with(to, "x y", "1")),
        row(22, |to| with(to, "transfer-encoding", "chunked")),
        row(22, |to| with(to, "connection", "keep-alive")),
        row(22, |to| with(to, "host", "evil.test")),
        row(22, |to| with(to, "content_length", "1")),
        row(22, |to| frame(1, 5, 1, &head("/a b", to))),
        row(22, |to| frame(1, 5, 1, &head("/a\r\nb", to))),
        row(22, |to| frame(1, 5, 1, &head("a", to))),
    ])
    .await;
}
