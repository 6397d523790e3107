//! Values behind their names.
//!
//! Owns [`value`]: from a keyword on, the value that a name, a sign and maybe quotes lead to: `acme_api_key: "…"`. The
//! name must say that it is a secret, and not that it is a hash, an id or public.

use super::kind::Kind;
use super::{begins, ends};

/// How far from its keyword a value may begin.
const FAR: usize = 56;

/// Bytes before the keyword that belong to the name.
const BEFORE: usize = 32;

/// Parts of a name that say that a secret follows.
const SECRET: [&str; 15] = [
    "key", "token", "secret", "pass", "pwd", "auth", "cred", "pat", "api", "dsn", "bearer", "sig", "private",
    "license", "cookie",
];

/// Parts of a name that say that none does.
const HARMLESS: [&str; 38] = [
    "sha1",
    "sha256",
    "sha512",
    "hash",
    "commit",
    "digest",
    "checksum",
    "md5",
    "uuid",
    "guid",
    "etag",
    "fingerprint",
    "integrity",
    "public",
    "pubkey",
    "publishable",
    "csrf",
    "xsrf",
    "nonce",
    "next_page",
    "nextpage",
    "next_token",
    "nexttoken",
    "cursor",
    "page_token",
    "pagetoken",
    "sitekey",
    "site_key",
    "site-key",
    "tokenizer",
    "revision",
    "version",
    "thumbprint",
    "request_id",
    "trace",
    "captcha",
    "authenticity",
    "verification",
];

/// The span of the value that a keyword of length `word` at `at` names.
pub(super) fn value(text: &[u8], at: usize, word: usize, kind: &Kind) -> Option<(usize, usize)> {
    let pattern = kind.pattern()?;
    let from = at + word;
    let mut before = 0_u8;
    for start in from..text.len().min(from + FAR) {
        let last = *text.get(start.checked_sub(1)?)?;
        // A name ends with its line, or with the sentence.
        if matches!(last, b'\n' | b';' | b'}') {
            return None;
        }
        if start > from && is_lead(last) && text.get(start).is_some_and(|byte| !is_lead(*byte)) {
            before = before.saturating_add(1);
            let window = text.get(start..text.len().min(start + 512))?;
            if let Some(found) = pattern.find(window)
                && ends(text, start + found.end())
                && begins(text, start)
                && names_a_secret(text, at, start)
            {
                return Some((start, start + found.end()));
            }
            // Five words are no name any more.
            if before > 5 {
                return None;
            }
        }
    }
    None
}

/// What may stand right before a value.
fn is_lead(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'"' | b'\'' | b'`' | b'=' | b':' | b'>' | b',' | b'(' | b'[' | b'\\' | b'@')
}

fn names_a_secret(text: &[u8], at: usize, start: usize) -> bool {
    let from = at.saturating_sub(BEFORE);
    let ahead = text.get(from..at).unwrap_or_default();
    let joined =
        ahead.iter().rev().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')).count();
    let name = text.get(at - joined..start).unwrap_or_default().to_ascii_lowercase();
    let has = |part: &&str| memchr::memmem::find(&name, part.as_bytes()).is_some();
    SECRET.iter().any(has) && !HARMLESS.iter().any(has)
}
