//! The ways out that policy alone must shut, one after the other, each under the rule that shuts it.

use std::net::IpAddr;

use crate::HostPattern;
use crate::examples::{answer, policy};

/// Each act gets this answer.
#[track_caller]
fn check(rule: &str, acts: &[&str]) {
    let policy = policy().unwrap();
    for act in acts {
        assert_eq!(answer(&policy, act).as_deref(), Ok(rule), "{act}");
    }
}

#[test]
fn names_carry_no_data_below_a_wildcard() {
    check(
        "deny dns/deny-tunnel-shape",
        &["resolve TXT a.b.c.d.e.wild.test", "resolve A mzxw6ytboi4dk3tqovzg64tlnfxgo2lo.wild.test"],
    );
    check("deny dns/deny-name-budget", &["resolve A new.wild.test siblings 256"]);
    check(
        "deny dns/not-approved",
        &["resolve NULL data.evil.test", "resolve CNAME a.test.evil.test", "resolve A dns.google"],
    );
}

#[test]
fn look_ups_over_http_are_refused_at_approved_hosts_too() {
    check("deny egress/not-approved", &["send POST https://1.1.1.1/dns-query body 33", "send - tcp://1.1.1.1:853"]);
    check(
        "deny egress/deny-dns-over-https",
        &[
            "send POST https://a.test/dns-query body 33 with content-type=application/dns-message",
            "send GET https://a.test/dns-query?dns=AAAB with accept=application/dns-message",
            "send GET https://a.test/resolve?name=x with accept=application/dns-json",
            "send POST https://a.test/ body 33 with content-type=application/oblivious-dns-message",
        ],
    );
}

#[test]
fn an_approved_name_that_leads_into_a_closed_range_is_refused() {
    let closed = [
        "169.254.169.254",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        "0.0.0.0",
        "127.0.0.1",
        "127.1.2.3",
        "::",
        "::1",
        "::ffff:169.254.169.254",
        "::ffff:a9fe:a9fe",
        "::a9fe:a9fe",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::",
        "2001:0:4136:e378:8000:63bf:5601:5601",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "198.18.0.2",
        "224.0.0.1",
        "255.255.255.255",
        "93.184.215.99",
        "fe80::1",
        "ff02::1",
    ];
    for address in closed {
        // Alone, behind an open one, and before it: a name whose answer flips gains nothing.
        for addresses in [address.to_owned(), format!("1.1.1.1,{address}"), format!("{address},1.1.1.1")] {
            check("deny egress/deny-closed-range", &[&format!("send GET https://a.test/ at {addresses}")]);
            check("deny egress/deny-closed-range", &[&format!("send GET https://x.wild.test/ at {addresses}")]);
        }
    }
}

#[test]
fn addresses_in_disguise_are_addresses_or_nothing() {
    for text in [
        "2852039166",
        "0251.0376.0251.0376",
        "0xA9FEA9FE",
        "169.254.43518",
        "169.0xfe.169.254",
        "0x7f.1",
        "127.1",
        "017700000001",
    ] {
        assert!(HostPattern::parse(text).is_err(), "{text}");
        check("deny dns/not-a-name", &[&format!("resolve A {text}")]);
    }
    for text in ["metadata.google.internal", "localhost6", "127.0.0.1.nip.io", "x.localtest.me"] {
        check("deny dns/not-approved", &[&format!("resolve A {text}")]);
    }
    for text in ["169.254.169.254", "[::ffff:169.254.169.254]", "127.0.0.1", "[::1]", "10.9.9.9"] {
        check("deny egress/not-approved", &[&format!("send GET http://{text}/")]);
    }
}

#[test]
fn names_that_look_or_end_alike_are_other_names() {
    check(
        "deny dns/not-approved",
        &["resolve A evil-a.test", "resolve A a.test.evil.io", "resolve A xa.test", "resolve A а.test"],
    );
    for text in ["a.test", "A.TEST.", "ａ.test", "a。test", "a\u{ad}.test"] {
        check("allow dns/allow-approved", &[&format!("resolve A {text}")]);
    }
    for text in [
        "a..test",
        ".a.test",
        "a.test..",
        "_a.test",
        "a b.test",
        "a\u{200d}.test",
        "a@b.test",
        "a%2ftest",
        "a\u{0}.test",
        "a\\.test",
    ] {
        check("deny dns/not-a-name", &[&format!("resolve A {text}")]);
    }
    let long = format!("{}test", "a.".repeat(126));
    check("deny dns/not-a-name", &[&format!("resolve A {long}")]);
    assert_ne!(HostPattern::parse("straße.test"), HostPattern::parse("strasse.test"));
}

#[test]
fn a_redirect_is_a_new_request() {
    check("deny egress/not-approved", &["send GET https://evil.test/from-a-redirect", "send GET http://a.test/"]);
    check(
        "deny egress/deny-scheme",
        &["send GET gopher://a.test:443/x", "send GET file://a.test:443/x", "send GET ldap://a.test:443/x"],
    );
    check("deny egress/deny-plain-http", &["send GET http://a.test:443/"]);
}

#[test]
fn the_providers_host_is_no_proxy_and_no_dead_drop() {
    check(
        "deny egress/deny-provider-host",
        &[
            "send POST https://model.test/v1/files body 9 with authorization=Bearer-mine",
            "send POST https://model.test/v1/batches body 9",
            "send GET https://model.test/v1/responses/1",
            "send - tcp://model.test:443",
        ],
    );
}

#[test]
fn a_foreign_account_fits_into_no_slot() {
    let token = format!("ghp_{}", "Ab3dEf6hIj".repeat(4));
    let slots = [
        "/ with authorization=Bearer-x".to_owned(),
        "/ with cookie=session=1".to_owned(),
        "/ with x-api-key=1".to_owned(),
        format!("/ with user-agent=curl/{token}"),
        "/?access_token=1".to_owned(),
        "/?x=1&X-Amz-Credential=1".to_owned(),
        format!("/?q={token}"),
        format!("/{token}/x"),
        "/services/T0/B0/x".to_owned(),
        format!("/ says {{\"a\":[\"{token}\"]}}"),
        "/ says {\"client_secret\":\"x\"}".to_owned(),
    ];
    for slot in slots {
        check("deny egress/deny-credential", &[&format!("send POST https://public.test{slot}")]);
    }
}

#[test]
fn paths_methods_and_batches_have_one_reading() {
    for path in
        ["/v1/..%2fadmin", "/v1/%252e%252e/x", "/v1/a;b=c", "/v1//x", "/v1/a\\b", "/v1/../x", "/v1/%00", "/v1/a%5cb"]
    {
        check("deny egress/deny-unclear-path", &[&format!("send GET https://api.test{path}")]);
        let without_paths = answer(&policy().unwrap(), &format!("send GET https://a.test{path}"));
        assert_eq!(without_paths.as_deref(), Ok("deny egress/deny-unclear-path"), "{path}");
    }
    check("deny egress/deny-path", &["send GET https://api.test/V1/x", "send GET https://api.test/v1x"]);
    check("deny egress/deny-method", &["send DELETE https://api.test/v1/x", "send get https://api.test/v1/x"]);
    check("deny egress/deny-method-override", &["send GET https://api.test/v1/x?_method=delete"]);
    check("deny egress/bad-body", &["send POST https://graph.test/x body 9 flaw bad-body"]);
    check(
        "deny egress/deny-operation",
        &[
            r#"send POST https://graph.test/ says [{"query":"{viewer{id}}"},{"query":"{other}"}]"#,
            r#"send POST https://graph.test/ says {"query":"{viewer: other}"}"#,
        ],
    );
    check(
        "deny egress/deny-content-type",
        &["send POST https://strict.test/ body 9 with content-type=multipart/form-data"],
    );
}

#[test]
fn edges_are_refused_by_name() {
    check("deny egress/planted-socket", &["send - tcp://127.0.0.1:981 flaw planted-socket"]);
    check("deny egress/unassigned-address", &["send - tcp://198.18.0.9:443 flaw unassigned-address"]);
    let metadata: IpAddr = "169.254.169.254".parse().unwrap();
    assert!(crate::never(metadata).is_some());
}
