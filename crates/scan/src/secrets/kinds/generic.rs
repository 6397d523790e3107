//! Credentials of no issuer in particular.
//!
//! Owns web tokens, credentials in addresses and headers, connection strings, and random values whose name says that they
//! are secret. Names alone prove nothing: the value must look as random as chance makes it.

use super::cloud::mixed;
use super::kind::{Row, Seen};
use crate::secrets::{checks, excused};

pub(super) static KINDS: &[Row] = &[
    Row::token(
        "json-web-token",
        &["eyJ"],
        r"eyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,3500}\.[A-Za-z0-9_-]{20,1200}",
    )
    .check(web_token),
    Row::token(
        "url-password",
        &["://"],
        r"://[A-Za-z0-9._%+-]{1,64}:[^\s/:@\x22'<>]{6,128}@[A-Za-z0-9][A-Za-z0-9.-]{2,}",
    )
    .check(userinfo),
    Row::token("basic-authorization", &["Basic ", "basic "], r"[Bb]asic [A-Za-z0-9+/]{16,400}={0,2}").check(basic),
    Row::token("bearer-authorization", &["Bearer ", "bearer "], r"[Bb]earer [A-Za-z0-9_.~+/-]{24,1000}={0,2}")
        .check(bearer),
    Row::token("docker-auth", &["\"auth\""], r#""auth"\s?:\s?"[A-Za-z0-9+/]{16,400}={0,2}""#).check(docker),
    Row::token(
        "netrc-password",
        &["machine "],
        r"machine [A-Za-z0-9.-]{3,80}\s+login [^\s]{1,80}\s+password [^\s]{8,100}",
    )
    .check(netrc),
    Row::token(
        "connection-password",
        &["Password=", "password=", "Pwd=", "pwd="],
        r"(?i:password|pwd)=[^\s;&\x22'<>]{8,100};",
    )
    .check(connection),
    Row::labelled(
        "generic-secret",
        &[
            "api_key",
            "apikey",
            "api-key",
            "api key",
            "access_key",
            "accesskey",
            "access-key",
            "access_token",
            "accesstoken",
            "access-token",
            "auth_token",
            "authtoken",
            "auth-token",
            "secret_key",
            "secretkey",
            "secret-key",
            "client_secret",
            "clientsecret",
            "client-secret",
            "app_secret",
            "refresh_token",
            "private_key",
            "privatekey",
            "bot_token",
            "encryption_key",
            "signing_key",
            "webhook_secret",
            "jwt_secret",
            "session_secret",
            "x-api-key",
            "api_token",
            "apitoken",
            "api-token",
            "api_secret",
            "secret_token",
        ],
        r"[A-Za-z0-9_+/=.~-]{20,200}",
    )
    .check(generic),
    Row::labelled(
        "generic-password",
        &["password", "passwd", "passphrase", "db_pass", "secret", "token", "credential"],
        r"[A-Za-z0-9_+/=.~!@#$%^&*-]{20,128}",
    )
    .check(generic),
];

/// The header must say how it is signed; a token that is not signed opens nothing.
fn web_token(seen: &Seen<'_>) -> Option<f32> {
    let header = checks::base64url(seen.value.split(|byte| *byte == b'.').next()?)?;
    let has = |part: &[u8]| memchr::memmem::find(&header, part).is_some();
    let is_signed = has(b"\"alg\"") && !has(b"none");
    let mut parts = seen.value.split(|byte| *byte == b'.').skip(1);
    let claims = checks::base64url(parts.next()?)?;
    let example =
        memchr::memmem::find(&claims, b"John Doe").is_some() || memchr::memmem::find(&claims, b"1234567890").is_some();
    let signature = parts.next()?;
    (is_signed && !example && !excused::is_example(signature) && !excused::is_published(seen.value)).then_some(0.95)
}

/// `user:password@host`, where the password is nobody's placeholder.
fn userinfo(seen: &Seen<'_>) -> Option<f32> {
    let text = seen.value.strip_prefix(b"://")?;
    let at = memchr::memrchr(b'@', text)?;
    let (login, host) = (text.get(..at)?, text.get(at + 1..)?);
    let colon = memchr::memchr(b':', login)?;
    let password = login.get(colon + 1..)?;
    let user = login.get(..colon)?;
    let lower = password.to_ascii_lowercase();
    let plain = [
        "pass", "pwd", "secret", "admin", "root", "postgres", "user", "guest", "token", "test", "mysql", "redis", "$",
        "{", "[", "(", "*", "xxx", "x-oauth",
    ];
    let is_name = plain.iter().any(|word| memchr::memmem::find(&lower, word.as_bytes()).is_some());
    let doc_host = [&b"example"[..], b"host"].iter().any(|word| memchr::memmem::find(host, word).is_some());
    let strong =
        password.len() >= 8 && password.iter().any(u8::is_ascii_digit) && password.iter().any(u8::is_ascii_alphabetic);
    let excused = excused::is_example(password) || excused::is_called_example(seen.text, seen.start);
    let weak = !strong || is_name || user == password || doc_host && password.len() < 16;
    (!weak && !excused).then_some(0.7)
}

/// `user:password` within, and not the one of the standard's own examples.
fn basic(seen: &Seen<'_>) -> Option<f32> {
    let text = checks::base64url(seen.value.get(6..)?)?;
    let colon = memchr::memchr(b':', &text)?;
    let password = text.get(colon + 1..)?;
    let readable = text.iter().all(|byte| matches!(byte, b' '..=b'~'));
    (readable && password.len() >= 6 && !excused::is_example(&text) && !excused::is_published(seen.value.get(6..)?))
        .then_some(0.7)
}

fn bearer(seen: &Seen<'_>) -> Option<f32> {
    let token = seen.value.get(7..)?;
    let example = excused::is_example(token) || excused::is_called_example(seen.text, seen.start);
    (excused::is_random(token) && excused::entropy(token) > 3.5 && !example).then_some(0.7)
}

fn docker(seen: &Seen<'_>) -> Option<f32> {
    let quoted = seen.value.split(|byte| *byte == b'"').nth(3)?;
    let text = checks::base64url(quoted)?;
    let colon = memchr::memchr(b':', &text)?;
    (colon > 0
        && text.len() > colon + 6
        && text.is_ascii()
        && !excused::is_example(&text)
        && !excused::is_published(quoted))
    .then_some(0.8)
}

fn netrc(seen: &Seen<'_>) -> Option<f32> {
    let password = seen.value.rsplit(u8::is_ascii_whitespace).next()?;
    let lower = password.to_ascii_lowercase();
    let named = memchr::memmem::find(&lower, b"pass").is_some() || memchr::memmem::find(&lower, b"secret").is_some();
    (!named && password.iter().any(u8::is_ascii_digit) && !excused::is_example(password)).then_some(0.8)
}

fn connection(seen: &Seen<'_>) -> Option<f32> {
    let before = seen.text.get(seen.start.saturating_sub(120)..seen.start)?.to_ascii_lowercase();
    let has = |part: &[u8]| memchr::memmem::find(&before, part).is_some();
    let is_connection = has(b"server=") || has(b"data source=") || has(b"host=") || has(b"user id=") || has(b"uid=");
    let at = memchr::memchr(b'=', seen.value)?;
    let password = seen.value.get(at + 1..seen.value.len().saturating_sub(1))?;
    let mix = password.iter().any(u8::is_ascii_digit) && password.iter().any(u8::is_ascii_alphabetic);
    let lower = password.to_ascii_lowercase();
    let named =
        [&b"pass"[..], b"pwd", b"secret", b"{", b"$"].iter().any(|word| memchr::memmem::find(&lower, word).is_some());
    (is_connection && mix && !named && !excused::is_example(password)).then_some(0.75)
}

/// Only what a sign of assignment joins to its name, in quotes or at the end of its line.
fn generic(seen: &Seen<'_>) -> Option<f32> {
    let between = seen.text.get(seen.label..seen.start)?;
    let called = memchr::memmem::find(between, b"::").is_some() || between.contains(&b'(');
    let assigned = !called && between.iter().any(|byte| matches!(byte, b'=' | b':'));
    let spoken = checks::base64url(seen.value).is_some_and(|text| text.is_ascii() && text.contains(&b' '));
    let tail = seen.text.get(seen.end);
    let ended = tail.is_none_or(|byte| {
        matches!(byte, b'"' | b'\'' | b'`' | b'\n' | b'\r' | b' ' | b',' | b';' | b'&' | b'<' | b'\\' | b'}' | b')')
    });
    let is_path = seen.value.iter().filter(|byte| matches!(byte, b'/' | b'.')).count() > 3;
    (assigned && ended && !is_path && !spoken && is_key(seen.value)).then(|| mixed(seen)).flatten().map(|_| 0.55)
}

/// No identifier: words joined by signs, letters of one case, or a hash by its very length.
fn is_key(value: &[u8]) -> bool {
    let words = value.split(|byte| matches!(byte, b'_' | b'-' | b'.' | b'/'));
    let spoken = words
        .filter(|word| word.len() >= 3 && word.iter().all(u8::is_ascii_alphabetic))
        .map(<[u8]>::len)
        .sum::<usize>();
    let is_uuid = value.len() == 36 && value.iter().filter(|byte| **byte == b'-').count() == 4;
    spoken * 3 < value.len() && !is_uuid && excused::entropy(value) > 3.3
}
