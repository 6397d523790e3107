//! Names that disagree, and names that are none (EGRESS.md 9, 10, 14, 15, 32, 33, 35).

use crate::table::{Ask, Open, Row, Stage, Way, check};

const GOOD: Ask = Ask::get("origin.test", "/");

/// An approved host that is said to be another.
const fn says(number: u8, says: &'static str, rules: &'static [&'static str]) -> Row {
    Row { number, policy: "", ask: Ask { says: Some(says), ..GOOD }, rules, open: Open::As(GOOD) }
}

/// An approved host with another server name.
const fn sni(number: u8, sni: &'static str) -> Row {
    let ask = Ask { sni: Some(sni), over: &Way::SHAKEN, ..GOOD };
    Row { number, policy: "", ask, rules: &["egress/sni-mismatch"], open: Open::As(GOOD) }
}

/// A name that an explicit proxy is asked for.
const fn named(number: u8, host: &'static str, rules: &'static [&'static str]) -> Row {
    let ask = Ask { over: &Way::PROXY, ..Ask::get(host, "/") };
    Row { number, policy: "", ask, rules, open: Open::Never }
}

const MISMATCH: &[&str] = &["egress/host-mismatch"];
/// A `Host` that can't be read is one that does not agree, where a client can write it at all.
const UNREADABLE: &[&str] = &["egress/host-mismatch", "egress/bad-request"];
const NO_NAME: &[&str] = &["egress/bad-request"];

#[tokio::test]
async fn names_that_disagree() {
    let both = "[[egress.allow]]\nhost = \"evil.test\"\nports = [{tls}, {plain}]\nhttp = true\nwebsocket = true\naddress = \"127.0.0.1\"\n";
    check(&[
        says(9, "evil.test", MISMATCH),
        // Fronting stays refused when both names are approved.
        Row { policy: both, ..says(9, "evil.test", MISMATCH) },
        says(9, "origin.test.evil.io", MISMATCH),
        says(9, "127.0.0.1", MISMATCH),
        says(9, "origin.test:1", MISMATCH),
        sni(10, "evil.test"),
        sni(10, "origin.test.evil.io"),
        sni(10, ""),
        Row { policy: both, ..sni(10, "evil.test") },
        Row { ask: Ask { says: Some("evil.test"), over: &[Way::Absolute], ..GOOD }, ..says(14, "evil.test", MISMATCH) },
        Row {
            ask: Ask { raw: Some("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n"), over: &[Way::Absolute], ..GOOD },
            ..says(15, "", NO_NAME)
        },
    ])
    .await;
}

#[tokio::test]
async fn names_that_are_none() {
    check(&[
        // Homoglyphs and what disappears (32): as they stand, they are no header that a client may send.
        says(32, "\u{43e}rigin.test", UNREADABLE),
        says(32, "origin\u{3002}test", UNREADABLE),
        says(32, "ori\u{ad}gin.test", UNREADABLE),
        says(32, "ori\u{200d}gin.test", UNREADABLE),
        says(32, "\u{df}.test", UNREADABLE),
        // In their ASCII form they are other names.
        says(32, "xn--rigin-jye.test", MISMATCH),
        named(32, "xn--rigin-jye.test", &["egress/not-approved", "egress/bad-request"]),
        named(32, "xn--.test", NO_NAME),
        named(32, "xn--a-ecp.test", &["egress/not-approved", "egress/bad-request"]),
        named(33, "origin..test", NO_NAME),
        named(33, ".origin.test", NO_NAME),
        named(33, "or_igin.test", NO_NAME),
        named(33, "-origin.test", NO_NAME),
        named(33, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.test", NO_NAME),
        says(33, "origin.test..", UNREADABLE),
        says(33, "origin.test:", UNREADABLE),
        says(33, "origin.test:+443", UNREADABLE),
        named(35, "me@origin.test", NO_NAME),
        named(35, "origin.test@evil.test", NO_NAME),
        named(35, "origin.test%2f.evil.test", NO_NAME),
        named(35, "origin.test%00", NO_NAME),
        named(35, "origin.test\\.evil.test", NO_NAME),
        says(35, "me@origin.test", UNREADABLE),
        says(35, "origin.test\\evil.test", UNREADABLE),
        says(35, "origin.test#evil.test", UNREADABLE),
        says(35, "origin.test?evil.test", UNREADABLE),
        says(35, "origin.test%00", UNREADABLE),
        says(35, "origin.test\tevil.test", UNREADABLE),
    ])
    .await;
}

#[tokio::test]
async fn one_trailing_dot_and_capitals_are_the_same_name() {
    let stage = Stage::new("").await;
    for way in Way::TEXT.into_iter().filter(|way| *way != Way::Absolute) {
        let port = if matches!(way, Way::TurnedTls | Way::ConnectTls) { stage.tls.port } else { stage.plain.port };
        let host: &'static str = Box::leak(format!("ORIGIN.Test.:{port}").into_boxed_str());
        let answer = stage.send(way, &Ask { says: Some(host), ..GOOD }).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{way:?}: {answer}");
    }
    let hosts = stage.tls.got().into_iter().chain(stage.plain.got()).map(|got| got.headers["host"].clone());
    assert!(hosts.into_iter().all(|host| host.to_str().unwrap().starts_with("origin.test:")));
}
