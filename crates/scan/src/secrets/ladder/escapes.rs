//! Escaped characters in running text.
//!
//! Owns [`unescaped`], which undoes percent, backslash, entity and quoted-printable escapes in one pass, and [`latin1`],
//! which takes characters for the bytes that they were. Both keep for each byte where it stood.

use super::{Decoded, Places};

/// The text without its escapes; `None` when it holds none.
pub(in crate::secrets) fn unescaped(text: &[u8]) -> Option<Decoded> {
    let mut signs = memchr::memchr3_iter(b'%', b'\\', b'&', text).peekable();
    let mut equals = memchr::memchr_iter(b'=', text).peekable();
    let places = std::iter::from_fn(move || {
        let sign_first = signs.peek().is_some_and(|sign| equals.peek().is_none_or(|equal| sign < equal));
        if sign_first { signs.next() } else { equals.next() }
    });
    without(text, places, escape)
}

/// The text without the escapes of strings alone; `None` when it holds none. What is escaped twice is cut by the outer ones.
pub(in crate::secrets) fn unslashed(text: &[u8]) -> Option<Decoded> {
    without(text, memchr::memchr_iter(b'\\', text), backslash)
}

/// The text without what `escape` knows, which begins at some of `places`.
fn without(
    text: &[u8],
    places: impl Iterator<Item = usize>,
    escape: impl Fn(&[u8]) -> Option<(usize, Meant)>,
) -> Option<Decoded> {
    let mut out = Out::default();
    let mut copied = 0;
    for at in places {
        // What an escape before it has taken is none.
        let rest = if at < copied { None } else { text.get(at..) };
        let Some((length, meant)) = rest.and_then(&escape) else { continue };
        if out.bytes.capacity() == 0 {
            out.bytes.reserve(text.len());
        }
        out.copy(text, copied, at);
        meant.put(at, &mut out);
        copied = at + length;
    }
    // Nothing was escaped.
    if copied == 0 {
        return None;
    }
    out.copy(text, copied, text.len());
    Some(Decoded { bytes: out.bytes, from: 0, to: text.len(), places: Some(out.places) })
}

/// Bytes that were written as characters of the same number (`\u00ff` for 255), when some are no ASCII.
pub(super) fn latin1(text: &[u8]) -> Option<Decoded> {
    if text.is_ascii() {
        return None;
    }
    let plain = std::str::from_utf8(text).ok()?;
    let mut out = Out { bytes: Vec::with_capacity(text.len()), ..Out::default() };
    for (at, letter) in plain.char_indices() {
        out.push(u8::try_from(u32::from(letter)).ok()?, at);
    }
    Some(Decoded { bytes: out.bytes, from: 0, to: text.len(), places: Some(out.places) })
}

#[derive(Default)]
struct Out {
    bytes: Vec<u8>,
    places: Places,
}

impl Out {
    fn push(&mut self, byte: u8, place: usize) {
        self.bytes.push(byte);
        self.places.add(place, 1);
    }

    fn copy(&mut self, text: &[u8], from: usize, to: usize) {
        let part = text.get(from..to).unwrap_or_default();
        self.bytes.extend_from_slice(part);
        self.places.add(from, part.len());
    }
}

enum Meant {
    Nothing,
    Byte(u8),
    Letter(char),
}

impl Meant {
    fn put(&self, place: usize, out: &mut Out) {
        match self {
            Self::Nothing => {}
            Self::Byte(byte) => out.push(*byte, place),
            Self::Letter(letter) => {
                for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
                    out.push(byte, place);
                }
            }
        }
    }
}

/// How long the escape at the beginning of `rest` is and what it means.
fn escape(rest: &[u8]) -> Option<(usize, Meant)> {
    match rest {
        [b'%', b'u', ..] => Some((6, Meant::Letter(letter(rest.get(2..6)?, 16)?))),
        [b'%', high, low, ..] => Some((3, Meant::Byte(pair(*high, *low)?))),
        [b'=', b'\r', b'\n', ..] => Some((3, Meant::Nothing)),
        [b'=', b'\n', ..] => Some((2, Meant::Nothing)),
        [b'=', high, low, ..] => Some((3, Meant::Byte(pair(*high, *low).filter(|_| is_qp(*high, *low))?))),
        [b'\\', ..] => backslash(rest),
        [b'&', ..] => entity(rest),
        _ => None,
    }
}

/// Quoted-printable writes capitals (RFC 2045, section 6.7); `=ab` is more often an assignment.
fn is_qp(high: u8, low: u8) -> bool {
    !high.is_ascii_lowercase() && !low.is_ascii_lowercase()
}

fn backslash(rest: &[u8]) -> Option<(usize, Meant)> {
    match rest {
        [_, b'u', b'{', tail @ ..] => {
            let end = memchr::memchr(b'}', tail.get(..8).unwrap_or(tail))?;
            Some((end + 4, Meant::Letter(letter(tail.get(..end)?, 16)?)))
        }
        [_, b'u', tail @ ..] => Some((6, Meant::Letter(letter(tail.get(..4)?, 16)?))),
        [_, b'U', tail @ ..] => Some((10, Meant::Letter(letter(tail.get(..8)?, 16)?))),
        [_, b'x', high, low, ..] => Some((4, Meant::Byte(pair(*high, *low)?))),
        [_, b'0'..=b'3', b'0'..=b'7', b'0'..=b'7', ..] => {
            let number = u32::from_str_radix(std::str::from_utf8(rest.get(1..4)?).ok()?, 8).ok()?;
            Some((4, Meant::Byte(u8::try_from(number).ok()?)))
        }
        [_, b'\n', ..] => Some((2, Meant::Nothing)),
        [_, b'n', ..] => Some((2, Meant::Byte(b'\n'))),
        [_, b'r', ..] => Some((2, Meant::Byte(b'\r'))),
        [_, b't', ..] => Some((2, Meant::Byte(b'\t'))),
        // RFC 8259, section 7.
        [_, b'b', ..] => Some((2, Meant::Byte(8))),
        [_, b'f', ..] => Some((2, Meant::Byte(12))),
        [_, sign @ (b'/' | b'"' | b'\'' | b'\\'), ..] => Some((2, Meant::Byte(*sign))),
        _ => None,
    }
}

/// The entities that escape markup, and numbers.
fn entity(rest: &[u8]) -> Option<(usize, Meant)> {
    let named: [(&[u8], u8); 14] = [
        (b"&amp;", b'&'),
        (b"&lt;", b'<'),
        (b"&gt;", b'>'),
        (b"&quot;", b'"'),
        (b"&apos;", b'\''),
        (b"&plus;", b'+'),
        (b"&sol;", b'/'),
        (b"&equals;", b'='),
        (b"&lowbar;", b'_'),
        (b"&hyphen;", b'-'),
        (b"&dash;", b'-'),
        (b"&colon;", b':'),
        (b"&period;", b'.'),
        (b"&nbsp;", b' '),
    ];
    if let Some((name, byte)) = named.iter().find(|(name, _)| rest.starts_with(name)) {
        return Some((name.len(), Meant::Byte(*byte)));
    }
    let [_, b'#', tail @ ..] = rest else { return None };
    let (mark, digits, radix) = match tail {
        [b'x' | b'X', digits @ ..] => (3, digits, 16),
        digits => (2, digits, 10),
    };
    let length = digits.iter().take(8).take_while(|byte| byte.is_ascii_hexdigit()).count();
    let end = usize::from(digits.get(length) == Some(&b';'));
    Some((mark + length + end, Meant::Letter(letter(digits.get(..length)?, radix)?)))
}

fn letter(digits: &[u8], radix: u32) -> Option<char> {
    let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
    char::from_u32(u32::from_str_radix(digits, radix).ok()?)
}

pub(super) fn pair(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, plain: &str) {
        let found = unescaped(text.as_bytes());
        let found = found.map_or_else(|| text.to_owned(), |found| String::from_utf8_lossy(&found.bytes).into_owned());
        assert_eq!(found, plain);
    }

    #[test]
    fn escapes_are_undone() {
        check("a%2Bb%2fc", "a+b/c");
        check("%u0041%", "A%");
        check("\\u0041\\x42\\103\\u{44}\\U00000045", "ABCDE");
        check("&#65;&#x42;&#67&amp;&lt;", "ABC&<");
        check("a=2Db=\r\nc=\nd", "a-bcd");
        check("a\\/b\\\"c\\nd", "a/b\"c\nd");
        check("100% &c. x=ab \\q \\ud800", "100% &c. x=ab \\q \\ud800");
        check("plain", "plain");
    }

    #[test]
    fn places_are_kept() {
        let found = unescaped(b"x%41y").unwrap();
        assert_eq!(found.span(1, 2), (1, 4));
        assert_eq!(found.span(2, 3), (4, 5));
        assert_eq!(latin1("\u{1f}\u{8b}a".as_bytes()).unwrap().bytes, [0x1f, 0x8b, b'a']);
        assert!(latin1("\u{100}".as_bytes()).is_none());
    }

    proptest::proptest! {
        #[test]
        fn any_text_keeps_its_places(text in "([%=&\\\\]?[#ux0-9a-fA-F;{}]{0,4}\\PC?){0,20}") {
            if let Some(found) = unescaped(text.as_bytes()) {
                let places = found.places.unwrap();
                proptest::prop_assert_eq!(places.len(), found.bytes.len());
                let places: Vec<_> = (0..places.len()).map(|at| places.get(at).unwrap()).collect();
                proptest::prop_assert!(places.is_sorted() && places.iter().all(|place| *place < text.len()));
            }
        }
    }
}
