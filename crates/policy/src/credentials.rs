//! Credentials in a request, in whatever place.
//!
//! Owns [`find`], which names the first place that holds one: a header, a cookie, a query parameter, a part of the path, a
//! member of a declared body. Never says whose it is and never shows it. `egress/deny-credential` asks, so that nobody's
//! account but yours is used where an entry says `credentials = "none"` (HARDENING.md 6).

use creel_guard::{Inject, Send, Slot, form_decoded};
use serde_json::Value;

use crate::condition::query_pairs;

/// Headers that look like credentials by name and are none.
const HARMLESS_HEADERS: [&str; 9] = [
    "idempotency-key",
    "sec-websocket-key",
    "x-idempotency-key",
    "accept-signature",
    "access-control-request-headers",
    "x-slack-no-retry",
    "authority",
    "npm-auth-type",
    "x-npm-session",
];

/// Parts of a name, between `-`, `_`, `.` or capitals, that say what it holds.
const TELLING: [&str; 21] = [
    "auth",
    "authorization",
    "apikey",
    "bearer",
    "cookie",
    "credential",
    "credentials",
    "jwt",
    "key",
    "otp",
    "passwd",
    "password",
    "pwd",
    "secret",
    "session",
    "sessionid",
    "sid",
    "sig",
    "signature",
    "token",
    "webhook",
];

/// Query parameters of pre-signed URLs and sign-ins whose names say it in no other way.
const SIGNED: [&str; 5] = ["awsaccesskeyid", "code", "googleaccessid", "hdnea", "hdnts"];

/// What tokens of well-known issuers begin with, and how long they are at least.
const PREFIXES: [(&str, usize); 43] = [
    ("AKIA", 20),
    ("ASIA", 20),
    ("AIza", 35),
    ("ya29.", 20),
    ("GOCSPX-", 24),
    ("1//0", 30),
    ("ghp_", 20),
    ("gho_", 20),
    ("ghu_", 20),
    ("ghs_", 20),
    ("ghr_", 20),
    ("github_pat_", 30),
    ("glpat-", 20),
    ("glptt-", 20),
    ("gldt-", 20),
    ("npm_", 20),
    ("pypi-", 30),
    ("rubygems_", 30),
    ("dckr_pat_", 20),
    ("xoxb-", 16),
    ("xoxp-", 16),
    ("xoxa-", 16),
    ("xoxr-", 16),
    ("xoxs-", 16),
    ("xoxe", 16),
    ("xapp-", 16),
    ("xoxc-", 16),
    ("xoxd-", 16),
    ("sk-", 20),
    ("sk_live_", 16),
    ("sk_test_", 16),
    ("rk_live_", 16),
    ("rk_test_", 16),
    ("whsec_", 16),
    ("pat-na1-", 20),
    ("pat-eu1-", 20),
    ("hf_", 20),
    ("SG.", 30),
    ("shpat_", 20),
    ("dop_v1_", 20),
    ("EAA", 40),
    ("clh_", 16),
    ("figd_", 20),
];

/// Shorter texts are no tokens of no known form: they hold too little.
const SHORTEST: usize = 28;

/// Where the first credential stands; `None` when none was found. The places of `stood` hold placeholders, of which the
/// request shows marks.
pub(crate) fn find(send: &Send, stood: &[Inject]) -> Option<String> {
    header(send, stood).or_else(|| path(send, stood)).or_else(|| query(send, stood)).or_else(|| body(send, stood))
}

/// Whether the placeholder of a secret stands in that place.
fn is_taken(stood: &[Inject], place: impl Fn(&Slot) -> bool) -> bool {
    stood.iter().filter_map(|one| one.slot.as_ref()).any(place)
}

fn header(send: &Send, stood: &[Inject]) -> Option<String> {
    send.headers.iter().find_map(|(name, value)| {
        // The namespace is the identity: it is ignored and never forwarded (EGRESS.md 25).
        if name.starts_with("proxy-") || HARMLESS_HEADERS.contains(&name) {
            return None;
        }
        // Twice the same header is no such place: the door fills it once, in the place of all.
        if is_taken(stood, |slot| slot.header() == Some(name)) && send.headers.all(name).count() == 1 {
            return None;
        }
        // What is signed anew says what it is about in headers of that name.
        let amazons = name.starts_with("x-amz-") && !is_taken(stood, |slot| matches!(slot, Slot::Aws(_)));
        let by_name = tells(name) || amazons || name.starts_with("x-goog-");
        (by_name || value.split([' ', ',', ';', '=', '"', '/', '(', ')', '<', '>']).any(known_token))
            .then(|| format!("header `{name}`"))
    })
}

fn path(send: &Send, stood: &[Inject]) -> Option<String> {
    let path = send.path.split('?').next().unwrap_or_default();
    if webhook(path) && !is_taken(stood, |slot| matches!(slot, Slot::Path(_))) {
        return Some("path of a webhook".to_owned());
    }
    path.split('/').flat_map(|segment| segment.split("%2F")).enumerate().find_map(|(at, segment)| {
        let plain = form_decoded(segment).unwrap_or_else(|| segment.into());
        let bot = plain.strip_prefix("bot").is_some_and(bot_token);
        (bot || bot_token(&plain) || is_token(&plain)).then(|| format!("part {at} of the path"))
    })
}

fn query(send: &Send, stood: &[Inject]) -> Option<String> {
    let (_, query) = send.path.split_once('?')?;
    query_pairs(query).find_map(|(name, value)| {
        if is_taken(stood, |slot| matches!(slot, Slot::Query(own) if *own == name)) && value.starts_with('$') {
            return None;
        }
        let lower = name.to_ascii_lowercase();
        let by_name = tells(&name)
            || SIGNED.contains(&lower.as_str())
            || lower.starts_with("x-amz-")
            || lower.starts_with("x-goog-");
        (by_name || is_token(&value) || bot_token(&value))
            .then(|| format!("query parameter `{}`", crate::rule::shown(&name)))
    })
}

fn body(send: &Send, stood: &[Inject]) -> Option<String> {
    let content = send.content.as_ref()?;
    let pointers: Vec<String> = stood
        .iter()
        .filter_map(|one| match &one.slot {
            Some(Slot::Json(pointer)) => Some(pointer.clone()),
            Some(Slot::Form(name)) => Some(format!("/{}", name.replace('~', "~0").replace('/', "~1"))),
            _ => None,
        })
        .collect();
    if pointers.is_empty() {
        return in_value(&content.value, "body");
    }
    let mut rest = (*content.value).clone();
    for pointer in &pointers {
        if let Some(place) = rest.pointer_mut(pointer) {
            *place = Value::Null;
        }
    }
    in_value(&rest, "body")
}

fn in_value(value: &Value, place: &str) -> Option<String> {
    match value {
        Value::String(text) => {
            let found = text.split(|c: char| c.is_whitespace() || "\"'`,;()<>[]{}=&?".contains(c)).any(known_token);
            (found || is_token(text)).then(|| format!("{place} of the request"))
        }
        Value::Array(items) => items.iter().find_map(|item| in_value(item, place)),
        Value::Object(map) => map.iter().find_map(|(key, value)| {
            let place = format!("member `{}` of the body", crate::rule::shown(key));
            let holds = matches!(value, Value::String(text) if !text.is_empty()) || value.is_number();
            if tells(key) && holds { Some(place) } else { in_value(value, &place) }
        }),
        _ => None,
    }
}

/// Whether a name says that a credential stands behind it: `X-Api-Key`, `access_token`, `clientSecret`.
fn tells(name: &str) -> bool {
    let mut words = Vec::new();
    let mut word = String::new();
    for c in name.chars() {
        let parts = !c.is_ascii_alphanumeric();
        if parts || (c.is_ascii_uppercase() && word.chars().last().is_some_and(|last| last.is_ascii_lowercase())) {
            words.push(std::mem::take(&mut word));
        }
        if !parts {
            word.push(c);
        }
    }
    words.push(word);
    words.iter().any(|word| {
        let word = word.to_ascii_lowercase();
        let bare = word.strip_suffix('s').unwrap_or(&word);
        let joined = ["token", "apikey", "secret", "cookie", "password", "authorization", "signature", "accesskey"];
        TELLING.contains(&word.as_str()) || TELLING.contains(&bare) || joined.iter().any(|end| word.ends_with(end))
    })
}

/// A token of a well-known issuer, or a JSON Web Token (RFC 7519).
fn known_token(text: &str) -> bool {
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./+=".contains(&b));
    let issued = |(prefix, length): &(&str, usize)| text.starts_with(prefix) && text.len() >= *length && plain(text);
    let jwt = text.starts_with("eyJ") && text.len() >= 40 && text.matches('.').count() >= 1 && plain(text);
    text.len() >= 16 && (jwt || PREFIXES.iter().any(issued)) || bot_token(text)
}

/// A Telegram bot's token: digits, a colon, 30 letters or more.
fn bot_token(text: &str) -> bool {
    text.split_once(':').is_some_and(|(id, secret)| {
        (6..=16).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_digit())
            && secret.len() >= 30
            && secret.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    })
}

/// Of a known form, or long, in letters of both cases and digits, as random base64 is and words are not.
fn is_token(text: &str) -> bool {
    if known_token(text) {
        return true;
    }
    let all = |legal: fn(u8) -> bool| text.bytes().all(legal);
    text.len() >= SHORTEST
        && all(|b| b.is_ascii_alphanumeric() || b"-_+/=~.".contains(&b))
        && [u8::is_ascii_uppercase, u8::is_ascii_lowercase, u8::is_ascii_digit]
            .iter()
            .all(|kind| text.bytes().any(|b| kind(&b)))
        && switches(text) * 5 >= text.len() * 2
}

/// How often neighbouring letters and digits are of different kinds, capitals at the front of a word apart: three times
/// in five in random base64, seldom in words.
fn switches(text: &str) -> usize {
    let kind = |b: u8| match b {
        b'a'..=b'z' => 1,
        b'A'..=b'Z' => 2,
        b'0'..=b'9' => 3,
        _ => 0,
    };
    let mut found = 0;
    let (mut before, mut last) = (0, 0);
    for now in text.bytes().map(kind) {
        let word = before == 0 && last == 2 && now == 1;
        found += usize::from(last != 0 && now != 0 && last != now && !word);
        (before, last) = (last, now);
    }
    found
}

/// Webhook addresses are credentials: whoever knows one may post there.
fn webhook(path: &str) -> bool {
    let mut parts = path.split('/').skip(1);
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("services"), Some(team), Some(hook), Some(_)) => team.starts_with('T') && hook.starts_with('B'),
        (Some("api"), Some("webhooks"), Some(id), Some(_)) => id.bytes().all(|b| b.is_ascii_digit()),
        (Some("hooks" | "webhook" | "webhooks" | "webhookb2" | "workflows" | "triggers"), Some(_), _, _) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use creel_guard::{Content, Form, Headers, HostName, Target};

    use super::*;

    fn found(path: &str, header: Option<(&str, &str)>, body: Option<&str>) -> Option<String> {
        let to = Target::Host(HostName::parse("a.test").unwrap());
        let headers = Headers::new(header.iter().map(|(name, value)| (*name, value.as_bytes())));
        let content = body.map(|text| Content::new(Form::Json, serde_json::from_str(text).unwrap(), String::new()));
        find(&Send { path: path.to_owned(), headers, content, ..Send::connection(to, 443) }, &[])
    }

    /// Put together here, so that no file of the repository holds what looks like a token.
    fn token(prefix: &str) -> String {
        format!("{prefix}{}", "Ab3dEf6hIjK".repeat(4))
    }

    #[test]
    fn a_credential_is_found_in_every_slot() {
        for name in [
            "Authorization",
            "Cookie",
            "X-Api-Key",
            "api-key",
            "Private-Token",
            "X-Auth-Token",
            "X-Goog-Api-Key",
            "X-Amz-Security-Token",
            "X-Amz-Date",
            "X-Access-Token",
            "X-Shopify-Access-Token",
            "X-CSRF-Token",
            "apikey",
        ] {
            assert!(found("/", Some((name, "x")), None).is_some(), "{name}");
        }
        for prefix in
            ["ghp_", "github_pat_", "xoxb-", "sk-", "sk_live_", "AKIA", "npm_", "pypi-", "eyJhbGciOiJ9.", "123456789:"]
        {
            let token = token(prefix);
            assert!(found("/", Some(("user-agent", &format!("curl {token}"))), None).is_some(), "{prefix}");
            assert!(found(&format!("/x/{token}/y"), None, None).is_some(), "{prefix}");
            assert!(found(&format!("/x?a={token}"), None, None).is_some(), "{prefix}");
            assert!(found("/", None, Some(&format!(r#"{{"a":["see {token}"]}}"#))).is_some(), "{prefix}");
        }
        for path in [
            "/x?access_token=1",
            "/x?X-Amz-Signature=1",
            "/x?sig=1",
            "/x?a=1;token=2",
            "/x?API_KEY=1",
            "/x?client_secret=1",
            "/x?%74oken=1",
            "/x?AWSAccessKeyId=1",
            "/services/T1/B1/abc",
            "/api/webhooks/123/abc",
            "/hooks/abc",
            &format!("/bot{}/sendMessage", token("123456789:")),
            &format!("/d/{}", token("")),
            &format!("/a%2F{}", token("ghp_")),
        ] {
            assert!(found(path, None, None).is_some(), "{path}");
        }
        for body in [r#"{"token":"x"}"#, r#"{"a":{"clientSecret":"x"}}"#, r#"[{"password":1}]"#] {
            assert!(found("/", None, Some(body)).is_some(), "{body}");
        }
    }

    #[test]
    fn ordinary_requests_hold_none() {
        for path in [
            "/repos/acme/site/commits/2f9a1b7c4d5e6f708192a3b4c5d6e7f8091a2b3c",
            "/v1/things/550e8400-e29b-41d4-a716-446655440000?page=2&per_page=100&sort=created",
            "/wiki/Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch",
            "/packages/The-Quick-Brown-Fox-Jumps-Over-2024-Edition.html?q=hello+world&lang=en",
            "/react/-/react-19.1.0.tgz",
        ] {
            assert_eq!(found(path, None, None), None, "{path}");
        }
        for (name, value) in [
            ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0"),
            ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
            ("idempotency-key", "550e8400-e29b-41d4-a716-446655440000"),
            ("if-none-match", "W/\"2f9a1b7c4d5e\""),
            ("proxy-authorization", "Basic eDp5"),
        ] {
            assert_eq!(found("/", Some((name, value)), None), None, "{name}");
        }
        assert_eq!(found("/", None, Some(r#"{"text":"the key to the house is under the mat","monkey":1}"#)), None);
    }

    #[test]
    fn a_placeholder_in_its_place_is_none_and_what_stands_beside_it_is() {
        let to = Target::Host(HostName::parse("a.test").unwrap());
        let check = |slot: &str, path: &str, headers: &[(&str, &str)], body: &str| {
            let stood = Inject { secret: "T".to_owned(), skill: None, slot: Slot::parse(slot).ok() };
            let headers = Headers::new(headers.iter().map(|(name, value)| (*name, value.as_bytes())));
            let value = serde_json::from_str(body).unwrap();
            let content = Some(Content::new(Form::Json, value, String::new()));
            find(&Send { path: path.to_owned(), headers, content, ..Send::connection(to.clone(), 443) }, &[stood])
                .is_some()
        };
        let own = [("authorization", "Bearer $T")];
        assert!(!check("bearer", "/", &own, "1"));
        assert!(check("bearer", "/", &[own[0], own[0]], "1"));
        assert!(check("bearer", "/", &[own[0], ("cookie", "a=b")], "1"));
        assert!(check("header x-key", "/", &own, "1"));
        assert!(!check("query api_key", "/?api_key=$T", &[], "1"));
        assert!(check("query api_key", "/?api_key=$T&sig=1", &[], "1"));
        assert!(!check("path *", "/services/T0/B0/$T", &[], "1"));
        assert!(!check("json /a/token", "/", &[], r#"{"a":{"token":"$T"}}"#));
        assert!(check("json /a/token", "/", &[], r#"{"a":{"token":"$T"},"token":"x"}"#));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(path in "/\\PC{0,80}", name in "[a-zA-Z-]{0,20}", value in "\\PC{0,60}") {
            let _ = found(&path, Some((&name, &value)), None);
        }
    }
}
