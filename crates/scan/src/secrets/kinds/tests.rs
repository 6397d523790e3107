//! Every kind finds an example of itself, made here from its own pattern, so that no file holds what looks like a secret.

use std::collections::BTreeSet;

use regex_syntax::hir::{Class, Hir, HirKind};

use super::kind::{Kind, Shape};
use super::{all, find};

/// A small generator, so that the same examples are made each time.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end.max(1)
    }

    fn example(&mut self, pattern: &str) -> String {
        let hir = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern).unwrap();
        let mut out = Vec::new();
        self.put(&hir, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn put(&mut self, hir: &Hir, out: &mut Vec<u8>) {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => out.extend_from_slice(&literal.0),
            HirKind::Class(Class::Bytes(class)) => {
                let bytes: Vec<u8> = class.iter().flat_map(|range| range.start()..=range.end()).collect();
                // Letters and digits where they are allowed.
                let plain: Vec<u8> = bytes.iter().copied().filter(u8::is_ascii_alphanumeric).collect();
                let from = if plain.is_empty() { &bytes } else { &plain };
                out.push(from[usize::try_from(self.below(from.len() as u64)).unwrap()]);
            }
            HirKind::Class(Class::Unicode(_)) => unreachable!("patterns are of bytes"),
            HirKind::Repetition(repetition) => {
                let (least, most) = (repetition.min, repetition.max.unwrap_or(repetition.min + 20));
                let count = if least == 0 { most.min(40) } else { least + (most - least).min(4) };
                for _ in 0..count {
                    self.put(&repetition.sub, out);
                }
            }
            HirKind::Capture(capture) => self.put(&capture.sub, out),
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.put(part, out)),
            HirKind::Alternation(parts) => {
                let at = usize::try_from(self.below(parts.len() as u64)).unwrap();
                self.put(&parts[at], out);
            }
        }
    }
}

/// Kinds whose pattern alone does not make an example: their own tests are below.
const BUILT: [&str; 14] = [
    "json-web-token",
    "url-password",
    "basic-authorization",
    "docker-auth",
    "netrc-password",
    "connection-password",
    "bitcoin-extended-key",
    "bitcoin-wif",
    "discord-bot-token",
    "private-key",
    "putty-key",
    "npm-auth",
    "twitter-bearer-token",
    "jwk-private",
];

fn example(kind: &Kind, seed: u64) -> String {
    let token = Draw(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1).example(kind.source);
    match kind.shape {
        Shape::Token { .. } => token,
        Shape::Labelled => {
            format!("{}_private_key_secret = \"{token}\"", kind.words[0].trim_end_matches(['_', '-', ' ']))
        }
    }
}

fn is_found(text: &str, id: &str) -> bool {
    find(text.as_bytes()).iter().any(|found| found.kind == id)
}

#[test]
fn each_kind_finds_its_example_wherever_it_stands() {
    let mut missed = Vec::new();
    for kind in all().filter(|kind| !BUILT.contains(&kind.id)) {
        for around in
            [("", ""), ("export X='", "'\n"), ("{\"a\":\"", "\"}"), ("key: ", ", next"), ("https://h/x?t=", "&b=1")]
        {
            if around.0.starts_with("https") && matches!(kind.shape, Shape::Labelled) {
                continue;
            }
            // One of three: chance makes an example that looks made up.
            let found =
                (1..4).any(|seed| is_found(&format!("{}{}{}", around.0, example(kind, seed), around.1), kind.id));
            if !found {
                missed.push(format!("{} in {around:?}: {}", kind.id, example(kind, 1)));
            }
        }
    }
    assert!(missed.is_empty(), "{} missed:\n{}", missed.len(), missed.join("\n"));
}

#[test]
fn there_are_more_than_two_hundred_kinds_and_each_is_sound() {
    let mut ids = BTreeSet::new();
    for kind in all() {
        assert!(ids.insert(kind.id), "`{}` is there twice", kind.id);
        assert!(kind.pattern().is_some(), "the pattern of `{}` does not compile", kind.id);
        assert!(!kind.words.is_empty() && kind.words.iter().all(|word| word.len() >= 3), "{}", kind.id);
    }
    assert!(ids.len() > 250, "{}", ids.len());
}

fn token(length: usize, seed: u64) -> String {
    Draw(seed | 1).example(&format!("[A-Za-z0-9]{{{length}}}"))
}

fn base64(text: &str) -> String {
    let mut out = String::new();
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for part in text.as_bytes().chunks(3) {
        let bits = part.iter().fold(0_u32, |all, byte| all << 8 | u32::from(*byte)) << (8 * (3 - part.len()));
        for at in 0..=part.len() {
            out.push(char::from(alphabet[(bits >> (18 - 6 * at) & 63) as usize]));
        }
    }
    out
}

fn jwt(header: &str, claims: &str) -> String {
    format!("{}.{}.{}", base64(header), base64(claims), token(43, 9))
}

#[test]
fn kinds_with_a_form_of_their_own() {
    let secret = token(20, 77);
    let wif = ["5Kb8kLf9zgWQnogidDA76MzPL6TsZ", "ZY36hWXMssSzNydYXYB9KF"].concat();
    let body = token(64, 5);
    for (text, id) in [
        (jwt(r#"{"alg":"HS256","typ":"JWT"}"#, r#"{"sub":"u1","exp":1799999999}"#), "json-web-token"),
        (format!("postgres://app:{secret}@db.internal:5432/app"), "url-password"),
        (format!("Authorization: Basic {}", base64(&format!("svc:{secret}"))), "basic-authorization"),
        (format!("{{\"auths\":{{\"r.io\":{{\"auth\":\"{}\"}}}}}}", base64(&format!("svc:{secret}"))), "docker-auth"),
        (format!("machine git.acme.io login bob password {secret}"), "netrc-password"),
        (format!("Server=db;User Id=app;Password={secret};"), "connection-password"),
        (format!("wif private key: {wif}"), "bitcoin-wif"),
        (format!("{}.{}.{}", base64("128371928371928374"), token(6, 3), token(38, 4)), "discord-bot-token"),
        (format!("-----BEGIN {}-----\n{body}\n{body}\n", "RSA PRIVATE KEY"), "private-key"),
        (format!("-----BEGIN {}-----\\n{body}\\n{body}\\n", "OPENSSH PRIVATE KEY"), "private-key"),
        (format!("//registry/:_authToken={}", token(36, 8)), "npm-auth"),
        (format!("Bearer {}{}", "A".repeat(21), token(60, 8)), "twitter-bearer-token"),
        (format!("{{\"kty\":\"EC\",\"d\":\"{}\"}}", token(43, 11)), "jwk-private"),
    ] {
        assert!(is_found(&text, id), "{id}: {text}");
    }
}

#[test]
fn a_checksum_decides_where_the_text_explains() {
    let whole = super::super::checks::tests::with_crc62("ghp_", &token(30, 21));
    let broken = format!("ghp_{}", token(36, 22));
    assert!(is_found(&format!("for example {whole}"), "github-token"));
    assert!(is_found(&format!("GITHUB_TOKEN={broken}"), "github-token"));
    assert!(!is_found(&format!("tokens look like this, for example {broken}"), "github-token"));
}

#[test]
fn what_explains_or_identifies_is_no_credential() {
    let jwt_io = jwt(r#"{"alg":"HS256","typ":"JWT"}"#, r#"{"sub":"1234567890","name":"John Doe"}"#);
    for text in [
        "AKIAIOSFODNN7EXAMPLE",
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "export OPENAI_API_KEY=sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "ANTHROPIC_API_KEY=sk-ant-api03-your-key-here",
        "GitHub tokens begin with ghp_ and have 36 more characters.",
        "token = tokenizer.encode(text, add_special_tokens=True)",
        "password = os.environ['DATABASE_PASSWORD_V2']",
        "api_key: ${{ secrets.API_KEY_PRODUCTION_2024 }}",
        "postgres://user:password@localhost:5432/db",
        "https://user:pass@example.com/",
        "csrf_token\" value=\"q8Zr1LmWx0Yb7Kc3Nd5PqT8v\"",
        "next_page_token: CAUQAAq8Zr1LmWx0Yb7Kc3Nd5P",
        "integrity: sha512-q8Zr1LmWx0Yb7Kc3Nd5PqT8vq8Zr1LmWx0Yb7Kc3Nd5PqT8v==",
        "commit 2f9a1b7c4d5e6f708192a3b4c5d6e7f8091a2b3c of the datadog agent",
        "secret_name: projects/acme/secrets/database-password/versions/12",
        "Authorization: Bearer <your_access_token_goes_here>",
        "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        "request_id=550e8400-e29b-41d4-a716-446655440000 token_type=bearer",
        "-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQswCQYDVQQGEwJJ\n",
        &jwt_io,
    ] {
        let found = find(text.as_bytes());
        assert!(found.is_empty(), "{text}: {found:?}");
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read(text in "((sk-|ghp_|AKIA|eyJ|token|api_key|://|Basic |=|:|\"|\\PC)[A-Za-z0-9]{0,40}){0,20}") {
        for found in find(text.as_bytes()) {
            proptest::prop_assert!(found.start < found.end && found.end <= text.len());
        }
    }
}
