//! What requests ask for (EGRESS.md 6, 24, 25, 36, 37, 43, 54, 55, 60 to 62).

use crate::table::{Ask, Open, Row, Stage, Way, check};

const GOOD: Ask = Ask::get("origin.test", "/");

const fn row(number: u8, policy: &'static str, ask: Ask, rules: &'static [&'static str], open: Ask) -> Row {
    Row { number, policy, ask, rules, open: Open::As(open) }
}

/// An entry for a host of these tests, on both ports.
macro_rules! entry {
    ($host:literal, $more:literal) => {
        concat!(
            "[[egress.allow]]\nhost = \"",
            $host,
            "\"\nports = [{tls}, {plain}]\nhttp = true\nwebsocket = true\naddress = \"127.0.0.1\"\n",
            $more
        )
    };
}

#[tokio::test]
async fn look_ups_over_http() {
    let rules = &["egress/deny-dns-over-https"];
    let typed = |headers| Ask { headers, body: Some("x"), ..Ask::new("POST", "origin.test", "/dns-query") };
    check(&[
        row(6, "", typed(&[("content-type", "application/dns-message")]), rules, GOOD),
        row(6, "", typed(&[("content-type", "Application/DNS-Message")]), rules, GOOD),
        row(6, "", typed(&[("content-type", "application/oblivious-dns-message")]), rules, GOOD),
        row(6, "", Ask { headers: &[("accept", "application/dns-json")], ..GOOD }, rules, GOOD),
        row(6, "", Ask::get("origin.test", "/dns-query?dns=AAABAAABAAAAAAAA"), rules, GOOD),
        row(6, "", Ask::get("dns.google", "/dns-query"), &["egress/not-approved"], GOOD),
        row(6, "", Ask::get("1.1.1.1", "/dns-query"), &["egress/not-approved"], GOOD),
    ])
    .await;
}

#[tokio::test]
async fn a_websocket_where_no_entry_says_so() {
    let websocket = "GET {to}/ HTTP/1.1\r\nhost: {host}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                     sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let silent =
        "[[egress.allow]]\nhost = \"strict.test\"\nports = [{tls}, {plain}]\nhttp = true\naddress = \"127.0.0.1\"\n";
    let good = Ask::get("strict.test", "/");
    let opening = Ask { host: "strict.test", ..Ask::raw(websocket) };
    let sockets = Ask { over: &Way::SOCKETS, ..good };
    let rules = &["egress/deny-websocket"];
    check(&[row(24, silent, opening, rules, good), row(24, silent, sockets, rules, good)]).await;
}

#[tokio::test]
async fn paths_and_methods_of_hosts_that_many_share() {
    let many = entry!("many.test", "methods = [\"GET\"]\npaths = [\"/acme/**\"]\n");
    let inside = Ask::get("many.test", "/acme/x");
    let path = &["egress/deny-path"];
    let unclear = &["egress/deny-unclear-path"];
    // Resolved it is another path; what can't be resolved is none.
    let dots = &["egress/deny-path", "egress/deny-unclear-path"];
    let get = |path| Ask::get("many.test", path);
    check(&[
        row(37, many, get("/other/x"), path, inside),
        row(37, many, get("/acme"), path, inside),
        row(37, many, get("/acme-evil/x"), path, inside),
        row(37, many, Ask::new("PUT", "many.test", "/acme/x"), &["egress/deny-method"], inside),
        row(
            37,
            many,
            Ask { body: Some("x"), ..Ask::new("POST", "many.test", "/acme/x") },
            &["egress/deny-method"],
            inside,
        ),
        // Path confusion (60).
        row(60, many, get("/acme/../other/x"), dots, inside),
        row(60, many, get("/acme/%2e%2e/other/x"), dots, inside),
        row(60, many, get("/acme/..%2fother/x"), unclear, inside),
        row(60, many, get("/acme/%252e%252e/other/x"), unclear, inside),
        row(60, many, get("/acme;a=b/x"), &["egress/deny-unclear-path", "egress/deny-path"], inside),
        row(60, many, get("/acme/x;a=b"), unclear, inside),
        row(60, many, get("//acme/x"), unclear, inside),
        row(60, many, get("/acme//x"), unclear, inside),
        row(60, many, get("/acme/%5c..%5cother"), unclear, inside),
        row(60, many, get("/acme/%00"), unclear, inside),
        row(60, many, get("/acme/x%0d%0ay"), unclear, inside),
        row(60, many, get("/ACME/x"), path, inside),
        row(60, many, get("/acme/x?_method=DELETE"), &["egress/deny-method-override"], inside),
        row(60, many, get("/acme/x?X-HTTP-Method-Override=PUT"), &["egress/deny-method-override"], inside),
    ])
    .await;
}

#[tokio::test]
async fn publishing_is_no_reading() {
    let registry = entry!("many.test", "methods = [\"GET\", \"HEAD\"]\ncredentials = \"none\"\n");
    let read = Ask::get("many.test", "/express");
    check(&[
        row(
            54,
            registry,
            Ask { body: Some("x"), ..Ask::new("PUT", "many.test", "/mine") },
            &["egress/deny-method"],
            read,
        ),
        row(
            54,
            registry,
            Ask { body: Some("x"), ..Ask::new("POST", "many.test", "/legacy/") },
            &["egress/deny-method"],
            read,
        ),
    ])
    .await;
}

#[tokio::test]
async fn bodies_that_are_too_long_or_wait_for_ever() {
    let small = entry!("small.test", "max_body = 16\ncontent_types = [\"text/plain\"]\n");
    let text = &[("content-type", "text/plain")];
    let short = Ask { body: Some("short"), headers: text, ..Ask::new("POST", "small.test", "/") };
    let long = Ask { body: Some("more than sixteen bytes"), ..short };
    check(&[
        row(55, small, long, &["egress/deny-body-size"], short),
        row(
            55,
            small,
            Ask { headers: &[("content-type", "text/html")], ..short },
            &["egress/deny-content-type"],
            short,
        ),
        row(55, small, Ask { headers: &[], ..short }, &["egress/deny-content-type"], short),
        row(
            55,
            "",
            Ask::raw("POST {to}/ HTTP/1.1\r\nhost: {host}\r\nexpect: 100-continue, x\r\ncontent-length: 1\r\n\r\n"),
            &["egress/bad-request"],
            GOOD,
        ),
    ])
    .await;
}

#[tokio::test]
async fn batches_are_opened_and_each_part_judged() {
    let graph = entry!("graph.test", "body = \"graphql\"\noperations = [\"query viewer\"]\n");
    let rpc = entry!("rpc.test", "body = \"json-rpc\"\noperations = [\"tools/call search\"]\n");
    let viewer = Ask::json("graph.test", "/graphql", r#"{"query":"{viewer{login}}"}"#);
    let search =
        Ask::json("rpc.test", "/", r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search"}}"#);
    let operation = &["egress/deny-operation"];
    let graphql = |body| Ask::json("graph.test", "/graphql", body);
    check(&[
        row(61, graph, graphql(r#"{"query":"mutation{createIssue(input:{}){id}}"}"#), operation, viewer),
        row(61, graph, graphql(r#"{"query":"{viewer: organization(login:\"x\"){id}}"}"#), operation, viewer),
        row(61, graph, graphql(r#"[{"query":"{viewer{login}}"},{"query":"mutation{x}"}]"#), operation, viewer),
        row(61, graph, graphql(r#"{"query":"{viewer{login}}","query":"mutation{x}"}"#), &["egress/bad-body"], viewer),
        row(61, graph, graphql(r#"{"query":"{viewer{login}}","extensions":{"persistedQuery":{}}}"#), operation, viewer),
        row(61, graph, Ask::get("graph.test", "/graphql?query=mutation{x}"), operation, viewer),
        row(61, rpc, Ask::json("rpc.test", "/", r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"rm"}}"#), operation, search),
        row(61, rpc, Ask::json("rpc.test", "/", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"search\",\"name\":\"rm\"}}"), &["egress/bad-body"], search),
        row(
            61,
            rpc,
            Ask { headers: &[("content-type", "multipart/form-data; boundary=x")], ..search },
            &["egress/bad-body"],
            search,
        ),
    ])
    .await;
}

/// A list and a call.
const MAIL: &str = r#"[{"jsonrpc":"2.0","id":1,"method":"tools/list"},{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"send_mail","arguments":{"to":"eve@evil.test"}}}]"#;

#[tokio::test]
async fn a_tool_call_that_nobody_proposed_does_not_leave_and_one_of_the_models_leaves_once() {
    let stage = Stage::new(entry!("rpc.test", "body = \"json-rpc\"\n")).await;
    let mail = Ask::json("rpc.test", "/", MAIL);
    let proposed = r#"call shop__send_mail {"to":"eve@evil.test"} knows {"class":"send","intent":"ordered"}"#;
    let mut carried = 0;
    for way in Way::ANSWERED {
        let arrived = stage.arrived();
        let Some(answer) = stage.send(way, &mail).await else { continue };
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("model/ask-source"), "{way:?}: {answer}");
        assert_eq!(stage.arrived(), arrived, "{way:?}");
        let looks_up =
            Ask { body: Some(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search"}}"#), ..mail };
        assert!(stage.send(way, &looks_up).await.unwrap().starts_with("HTTP/1.1 200"), "{way:?}");
        let (action, facts) = creel_policy::examples::parse(proposed).unwrap();
        stage.world.guard.admit(action, facts).await.unwrap().redeem().1.settle(creel_guard::Outcome::done());
        assert!(stage.send(way, &mail).await.unwrap().starts_with("HTTP/1.1 200"), "{way:?}");
        let again = stage.send(way, &mail).await.unwrap();
        assert!(again.starts_with("HTTP/1.1 403") && stage.arrived() == arrived + 2, "{way:?}: {again}");
        carried += 1;
    }
    assert!(carried > 0);
    let rows = stage
        .world
        .book
        .until("settled", |rows| rows.iter().all(|row| row.verdict != "allow" || row.outcome.is_some()))
        .await;
    let failed = |row: &&crate::fakes::Row| matches!(&row.outcome, Some(creel_guard::Outcome::Failed { .. }));
    assert_eq!(rows.iter().filter(failed).count(), 2 * carried, "a request whose call was refused did not go out");
}

#[tokio::test]
async fn previews_and_links_in_messages() {
    let chat = entry!(
        "chat.test",
        "body = \"json\"\nfields = [\"channel=C1\", \"unfurl_links=false\"]\nlinks = \"approved\"\n"
    );
    let plain = Ask::json(
        "chat.test",
        "/api/chat.postMessage",
        r#"{"channel":"C1","unfurl_links":false,"text":"see https://origin.test/x"}"#,
    );
    let says = |body| Ask::json("chat.test", "/api/chat.postMessage", body);
    check(&[
        row(62, chat, says(r#"{"channel":"C1","unfurl_links":true,"text":"x"}"#), &["egress/deny-field"], plain),
        row(62, chat, says(r#"{"channel":"C1","text":"x"}"#), &["egress/deny-field"], plain),
        row(
            62,
            chat,
            says(r#"{"channel":"C1","unfurl_links":false,"text":"https://evil.test/?d=1"}"#),
            &["egress/deny-link"],
            plain,
        ),
        row(
            62,
            chat,
            says(r#"{"channel":"C1","unfurl_links":false,"text":"<https:\/\/evil.test\/d|click>"}"#),
            &["egress/deny-link"],
            plain,
        ),
        row(
            62,
            chat,
            says(r#"{"channel":"C1","unfurl_links":false,"text":"www.evil.test"}"#),
            &["egress/deny-link"],
            plain,
        ),
    ])
    .await;
}

/// Row 60: a header that would make another request of it never travels.
#[tokio::test]
async fn headers_that_override_end_here() {
    let stage = Stage::new("").await;
    let headers = &[
        ("x-http-method-override", "DELETE"),
        ("x-method-override", "PUT"),
        ("x-original-url", "/x"),
        ("x-rewrite-url", "/x"),
    ];
    for way in Way::ANSWERED {
        let answer = stage.send(way, &Ask { headers, ..GOOD }).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{way:?}: {answer}");
    }
    let got = stage.tls.got().into_iter().chain(stage.plain.got());
    assert!(got.into_iter().all(|got| headers.iter().all(|(name, _)| !got.headers.contains_key(*name))));
}

/// Row 25: the namespace is the identity, and no credential for us is one for the upstream.
#[tokio::test]
async fn credentials_for_the_proxy_end_at_the_proxy() {
    let stage = Stage::new("").await;
    let ask = Ask { headers: &[("proxy-authorization", "Basic eDp5"), ("proxy-connection", "keep-alive")], ..GOOD };
    for way in Way::ANSWERED {
        let answer = stage.send(way, &ask).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{way:?}: {answer}");
    }
    let mut got = stage.tls.got();
    got.extend(stage.plain.got());
    assert_eq!(got.len(), Way::ANSWERED.len());
    assert!(got.iter().all(|got| got.headers.keys().all(|name| !name.as_str().starts_with("proxy-"))));
}

/// Row 43: what would lead a client past this door does not reach it.
#[tokio::test]
async fn other_services_that_an_upstream_names_are_not_told() {
    let stage = Stage::new("").await;
    for way in Way::ANSWERED {
        let answer = stage.send(way, &GOOD).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && !answer.to_lowercase().contains("alt-svc"), "{way:?}: {answer}");
    }
}
