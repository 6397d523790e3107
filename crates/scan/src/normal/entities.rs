//! HTML entities and percent signs.
//!
//! Owns their undoing, numeric entities and the common named ones. What is none stays as it is. Called by the normaliser.

use crate::view::View;

const NAMED: [(&str, char); 20] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", ' '),
    ("colon", ':'),
    ("period", '.'),
    ("comma", ','),
    ("excl", '!'),
    ("quest", '?'),
    ("newline", '\n'),
    ("tab", '\t'),
    ("lpar", '('),
    ("rpar", ')'),
    ("lbrack", '['),
    ("rbrack", ']'),
    ("num", '#'),
    ("sol", '/'),
    ("commat", '@'),
];

/// The longest body of an entity.
const LONGEST: usize = 10;
/// Escapes in a run of no white space, before percent signs are taken for an encoding.
const ESCAPES: usize = 3;

/// Whether there is one at all.
pub(crate) fn any(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'&', bytes).any(|at| entity(text, at).is_some())
        || memchr::memchr_iter(b'%', bytes).any(|at| hex(bytes, at).is_some() && is_encoding(bytes, at))
}

/// The text without them.
pub(crate) fn undo(text: &str) -> View {
    let bytes = text.as_bytes();
    let mut view = View::with_capacity(text.len());
    let (mut kept, mut at) = (0, 0);
    while let Some(offset) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'&', b'%', rest)) {
        at += offset;
        let found = match bytes.get(at) {
            Some(b'&') => entity(text, at).map(|(c, length)| (c.to_string(), length)),
            _ => percent(bytes, at, kept),
        };
        let Some((piece, length)) = found else {
            at += 1;
            continue;
        };
        view.keep(text.get(kept..at).unwrap_or_default(), kept);
        view.put(&piece, at..at + length);
        at += length;
        kept = at;
    }
    view.keep(text.get(kept..).unwrap_or_default(), kept);
    view
}

fn entity(text: &str, at: usize) -> Option<(char, usize)> {
    let rest = text.get(at + 1..)?;
    let end = rest.bytes().take(LONGEST).position(|byte| byte == b';')?;
    let body = rest.get(..end)?;
    let c = match body.strip_prefix('#') {
        Some(number) => match number.strip_prefix(['x', 'X']) {
            Some(digits) => char::from_u32(u32::from_str_radix(digits, 16).ok()?)?,
            None => char::from_u32(number.parse().ok()?)?,
        },
        None => {
            let lower = body.to_ascii_lowercase();
            NAMED.iter().find(|(name, _)| *name == lower)?.1
        }
    };
    Some((c, end + 2))
}

fn hex(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    u8::try_from(digit(at + 1)? * 16 + digit(at + 2)?).ok()
}

/// Whether the run around `at` holds enough escapes to be an encoded text.
fn is_encoding(bytes: &[u8], at: usize) -> bool {
    let run = bytes.get(at..).unwrap_or_default().iter().take(240).take_while(|byte| !byte.is_ascii_whitespace());
    let signs = run.enumerate().filter(|(offset, byte)| **byte == b'%' && hex(bytes, at + offset).is_some());
    signs.take(ESCAPES).count() == ESCAPES
}

/// A row of percent escapes that is UTF-8.
fn percent(bytes: &[u8], at: usize, kept: usize) -> Option<(String, usize)> {
    let inside = kept == at || kept > 0 && at - kept < 40;
    if hex(bytes, at).is_none() || !(inside || is_encoding(bytes, at)) {
        return None;
    }
    let mut plain = Vec::new();
    let mut end = at;
    while bytes.get(end) == Some(&b'%') {
        let Some(byte) = hex(bytes, end) else { break };
        plain.push(byte);
        end += 3;
    }
    Some((String::from_utf8_lossy(&plain).into_owned(), end - at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, plain: &str) {
        assert_eq!(undo(text).text, plain);
    }

    #[test]
    fn entities_and_percent_signs_are_undone() {
        check("&#105;gnore &lt;b&gt; &#x61;ll &unknown; & co", "ignore <b> all &unknown; & co");
        check("%69gnore%20all%20rules", "ignore all rules");
        check("100%25 sure, 5% of it", "100%25 sure, 5% of it");
        assert!(!any("AT&T gained 5%"));
        check("&#99999999;&;&#;%", "&#99999999;&;&#;%");
    }
}
