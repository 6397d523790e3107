//! URL-encoded pairs, read strictly and written in one way.
//!
//! Owns the reading of `application/x-www-form-urlencoded` (WHATWG URL, section 5) where a body of it is judged. Never takes two
//! readings: what servers could split or decode differently is none. Doors read with it, policy decodes queries with it.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Pairs of one body; more are no form of a person's.
const MOST_PAIRS: usize = 1024;

/// The pairs as a JSON object of texts, in their order. `None` when a name stands twice or is empty, an escape is broken, or
/// anything stands there that an encoder would have escaped.
#[must_use]
pub fn pairs(text: &str) -> Option<Value> {
    let mut found = Map::new();
    for pair in text.split('&').filter(|_| !text.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        let plain = |b: u8| b.is_ascii_graphic() && b != b';';
        if !pair.bytes().all(plain) || found.len() >= MOST_PAIRS {
            return None;
        }
        let (name, value) = (form_decoded(name)?, form_decoded(value)?);
        if name.is_empty() || found.insert(name.into_owned(), Value::String(value.into_owned())).is_some() {
            return None;
        }
    }
    Some(Value::Object(found))
}

/// An object of texts as URL-encoded pairs; members that are no texts are left out, and [`pairs`] makes none.
pub(crate) fn written(value: &Value) -> String {
    let mut out = String::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        let Value::String(value) = value else { continue };
        out.push_str(if out.is_empty() { "" } else { "&" });
        encode(name, &mut out);
        out.push('=');
        encode(value, &mut out);
    }
    out
}

fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'*' | b'-' | b'.' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => out.push(char::from(byte)),
            byte => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

/// Percent escapes and `+` decoded once; `None` when an escape is broken, or what comes out is no text or holds controls.
#[must_use]
pub fn form_decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Some(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| u8::try_from(char::from(byte?).to_digit(16)?).ok();
                digit(bytes.next())? << 4 | digit(bytes.next())?
            }
            byte => byte,
        });
    }
    let text = String::from_utf8(out).ok()?;
    (!text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))).then_some(Cow::Owned(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_have_one_reading_or_none() {
        for (text, json) in [
            ("", "{}"),
            ("a=1&b=", r#"{"a":"1","b":""}"#),
            ("text=a+b%26c%0Ad&z=%C3%A9", r#"{"text":"a b&c\nd","z":"é"}"#),
            ("metadata%5Bx%5D=1&items[0]=2", r#"{"metadata[x]":"1","items[0]":"2"}"#),
            ("a=b=c", r#"{"a":"b=c"}"#),
        ] {
            assert_eq!(pairs(text).unwrap().to_string(), json, "{text}");
        }
        for text in [
            "a",
            "=1",
            "a=1&a=2",
            "a=1&%61=2",
            "a=1&",
            "&a=1",
            "a=1;b=2",
            "a=%zz",
            "a=%",
            "a=%00",
            "a=%ff",
            "a=1 ",
            "a=\u{e9}",
        ] {
            assert_eq!(pairs(text), None, "{text}");
        }
        let many: Vec<String> = (0..2000).map(|n| format!("a{n}=1")).collect();
        assert_eq!(pairs(&many.join("&")), None);
    }
}
