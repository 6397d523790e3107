//! Values that are too short for the prefilter, or have too few letters and digits.
//!
//! Owns the exact search for them, plain, reversed and in rot13, between word boundaries. Values of fewer than
//! [`LEAST`] bytes are never looked for: they would stand everywhere.

use memchr::memmem::Finder;

use super::super::forms;

/// Fewer bytes are no secret.
const LEAST: usize = 5;

/// Words that are somebody's secret and everybody's text.
const COMMON: [&str; 10] =
    ["password", "passwd", "secret", "token", "admin", "default", "changeme", "hello", "example", "qwerty"];

/// More bytes of a short skeleton need not be compared.
pub(super) const LONGEST: usize = 64;

pub(super) struct Short {
    pub(super) value: u32,
    pub(super) form: &'static str,
    finder: Finder<'static>,
}

impl Short {
    pub(super) fn new(value: u32, text: &[u8]) -> Vec<Self> {
        let text = text.get(..LONGEST).unwrap_or(text);
        if text.len() < LEAST || COMMON.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes())) {
            return Vec::new();
        }
        let made = |form, text: &[u8]| Self { value, form, finder: Finder::new(text).into_owned() };
        let mut all = vec![made("plain", text)];
        if text.len() >= 8 {
            let turned = [("reversed", forms::reversed(text)), ("rot13", forms::shifted(text, 13))];
            all.extend(turned.iter().filter(|(_, other)| other != text).map(|(form, text)| made(form, text)));
        }
        all
    }

    pub(super) fn len(&self) -> usize {
        self.finder.needle().len()
    }

    /// The places in `text` where the value stands by itself.
    pub(super) fn find<'t>(&'t self, text: &'t [u8]) -> impl Iterator<Item = usize> + 't {
        self.finder.find_iter(text).filter(move |at| {
            let before = at.checked_sub(1).and_then(|at| text.get(at));
            let after = text.get(at + self.len());
            let joined = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
            // A long mix of signs needs no boundary.
            self.len() >= 8 || !(joined(before) || joined(after))
        })
    }
}
