//! Where bytes would go: addresses in every spelling, ports, look-alike names, what a name leads to (EGRESS.md 1, 2, 7, 8, 11,
//! 12, 26 to 31, 34, 44, 46, 63).

use crate::table::{Ask, Open, Row, Way, check};

const NOT_APPROVED: &[&str] = &["egress/not-approved"];
const CLOSED: &[&str] = &["egress/deny-closed-range"];
const PLANTED: &[&str] = &["egress/planted-socket"];

/// A literal address that nobody approved.
const fn literal(number: u8, host: &'static str) -> Row {
    Row { number, policy: "", ask: Ask::get(host, "/"), rules: NOT_APPROVED, open: Open::Never }
}

/// A v4 address in v6 clothes: it is the v4 address, also in the certificate that a client then gets to see.
const fn mapped(host: &'static str) -> Row {
    Row { rules: &["egress/not-approved", "egress/bad-tls"], ..literal(28, host) }
}

/// One spelled so that only a proxy would be asked for it.
const fn spelled(number: u8, host: &'static str, rules: &'static [&'static str]) -> Row {
    let ask = Ask { over: &Way::PROXY, ..Ask::get(host, "/") };
    Row { number, policy: "", ask, rules, open: Open::Never }
}

/// An approved name that leads to a closed address.
const fn leads(number: u8, resolves: &'static [&'static str]) -> Row {
    let ask = Ask { resolves, ..Ask::get("inside.test", "/") };
    Row { number, policy: INSIDE, ask, rules: CLOSED, open: Open::Never }
}

const INSIDE: &str =
    "[[egress.allow]]\nhost = \"inside.test\"\nports = [{tls}, {plain}]\nhttp = true\nwebsocket = true\n";
const INSIDE_PINNED: &str = "[[egress.allow]]\nhost = \"inside.test\"\nports = [{tls}, {plain}]\nhttp = true\nwebsocket = true\naddress = \"127.0.0.1\"\n";

/// Port of its own, at an approved host.
const fn port(number: u8, port: u16) -> Row {
    let ask = Ask { port: Some(port), ..Ask::get("origin.test", "/") };
    Row { number, policy: "", ask, rules: NOT_APPROVED, open: Open::As(Ask::get("origin.test", "/")) }
}

/// A name that looks like an approved one.
const fn lookalike(host: &'static str, opened: &'static str) -> Row {
    Row { number: 34, policy: "", ask: Ask::get(host, "/"), rules: NOT_APPROVED, open: Open::By(opened) }
}

#[tokio::test]
async fn addresses_that_nobody_approved() {
    let opened = |number, host, policy| Row { open: Open::AdmittedBy(policy), ..literal(number, host) };
    check(&[
        opened(
            1,
            "203.0.113.7",
            "[[egress.allow]]\nhost = \"203.0.113.7\"\nports = [{tls}, {plain}]\nhttp = true\nwebsocket = true\n",
        ),
        opened(
            2,
            "[2001:db8::7]",
            "[[egress.allow]]\nhost = \"2001:db8::7\"\nports = [{tls}, {plain}]\nhttp = true\nwebsocket = true\n",
        ),
        literal(2, "[fd12:3456::1]"),
        literal(2, "[fe80::1]"),
        literal(11, "93.184.215.14"),
        literal(26, "169.254.169.254"),
        mapped("[::ffff:169.254.169.254]"),
        mapped("[::ffff:a9fe:a9fe]"),
        literal(28, "[::a9fe:a9fe]"),
        literal(28, "[64:ff9b::a9fe:a9fe]"),
        literal(28, "[2002:a9fe:a9fe::]"),
        literal(28, "[2001:0:4136:e378:8000:63bf:5601:5601]"),
        literal(29, "[fd00:ec2::254]"),
        literal(29, "100.100.100.200"),
        literal(29, "168.63.129.16"),
        literal(29, "192.0.0.192"),
        literal(29, "metadata.google.internal"),
        literal(31, "10.0.0.1"),
        literal(31, "192.0.2.200"),
    ])
    .await;
}

#[tokio::test]
async fn spellings_of_addresses() {
    check(&[
        spelled(27, "2852039166", NOT_APPROVED),
        spelled(27, "0251.0376.0251.0376", NOT_APPROVED),
        spelled(27, "0xA9FEA9FE", NOT_APPROVED),
        spelled(27, "169.254.43518", NOT_APPROVED),
        spelled(27, "169.0xfe.169.254", NOT_APPROVED),
        spelled(27, "4294967296", &["egress/bad-request"]),
        spelled(27, "256.1.1.1", &["egress/bad-request"]),
        spelled(27, "1.2.3.4.5", &["egress/bad-request"]),
        spelled(30, "0.0.0.0", PLANTED),
        spelled(30, "0", PLANTED),
        spelled(30, "127.1", PLANTED),
        spelled(30, "0x7f.1", PLANTED),
        spelled(30, "2130706433", PLANTED),
        spelled(30, "localhost", PLANTED),
        spelled(30, "x.localhost", PLANTED),
        spelled(30, "localhost6", NOT_APPROVED),
        spelled(30, "[::]", PLANTED),
        spelled(30, "[::1]", PLANTED),
        spelled(30, "[::ffff:127.0.0.1]", PLANTED),
    ])
    .await;
}

#[tokio::test]
async fn what_approved_names_lead_to() {
    let inside = |number, resolves| Row { open: Open::By(INSIDE_PINNED), ..leads(number, resolves) };
    check(&[
        inside(7, &["127.0.0.1"]),
        // One closed address among open ones (8: a zone that answers now this, now that).
        inside(8, &["203.0.113.80", "127.0.0.1"]),
        leads(26, &["169.254.169.254"]),
        leads(28, &["::ffff:169.254.169.254"]),
        leads(28, &["64:ff9b::a9fe:a9fe"]),
        leads(28, &["2002:a9fe:a9fe::"]),
        leads(29, &["fd00:ec2::254"]),
        leads(29, &["168.63.129.16"]),
        leads(30, &["0.0.0.0"]),
        leads(30, &["::1"]),
        leads(31, &["10.0.0.1"]),
        leads(31, &["172.16.0.1"]),
        leads(31, &["192.168.1.1"]),
        leads(31, &["100.64.0.1"]),
        leads(31, &["198.18.0.1"]),
        leads(31, &["224.0.0.1"]),
        leads(31, &["255.255.255.255"]),
        leads(31, &["192.0.2.200"]),
        Row { rules: &["egress/deny-unresolved"], ..leads(7, &[]) },
    ])
    .await;
}

#[tokio::test]
async fn ports_and_lookalikes() {
    check(&[
        port(12, 22),
        port(12, 25),
        port(12, 8443),
        port(44, 22),
        port(46, 993),
        port(46, 587),
        lookalike(
            "evil-origin.test",
            "[[egress.allow]]\nhost = \"evil-origin.test\"\nports = [{tls}, {plain}]\nhttp = true\nwebsocket = true\naddress = \"127.0.0.1\"\n",
        ),
        lookalike(
            "origin.test.evil.io",
            "[[egress.allow]]\nhost = \"origin.test.evil.io\"\nports = [{tls}, {plain}]\nhttp = true\nwebsocket = true\naddress = \"127.0.0.1\"\n",
        ),
        lookalike(
            "xorigin.test",
            "[[egress.allow]]\nhost = \"xorigin.test\"\nports = [{tls}, {plain}]\nhttp = true\nwebsocket = true\naddress = \"127.0.0.1\"\n",
        ),
        // A wildcard is about what stands below it, not about the name itself.
        Row {
            policy: "[[egress.allow]]\nhost = \"*.api.test\"\nports = [{tls}, {plain}]\nhttp = true\nwebsocket = true\naddress = \"127.0.0.1\"\n",
            ..lookalike(
                "api.test",
                "[[egress.allow]]\nhost = \"api.test\"\nports = [{tls}, {plain}]\nhttp = true\nwebsocket = true\naddress = \"127.0.0.1\"\n",
            )
        },
        Row { rules: &["egress/unassigned-address"], ..literal(63, "198.18.7.7") },
        Row { rules: PLANTED, ..literal(63, "127.0.0.1") },
        Row { rules: PLANTED, ..literal(63, "[::1]") },
    ])
    .await;
}
