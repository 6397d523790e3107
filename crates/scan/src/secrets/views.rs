//! Texts that hold a value in pieces with other text in between.
//!
//! Owns [`views`]: a text read as its quoted strings alone, as its JSON values without their keys, as what stands behind
//! `=` and `:` (up to the next sign, or to the end of the field), as its lines without numbering, as those lines that are one word. A value that was cut over fields,
//! parameters, headers, parts or list items is whole again in one of them. Known values alone are looked for there.

use super::ladder::{Decoded, Places};

/// Longer texts are read as they are: whoever splits a value does so in reach of one reader.
const LONGEST: usize = 1024 * 1024;

/// All views that differ from the text.
pub(super) fn views(text: &[u8]) -> Vec<Decoded> {
    if text.len() > LONGEST || text.len() < 16 {
        return Vec::new();
    }
    let mut views = Vec::new();
    if memchr::memchr2(b'"', b'\'', text).is_some() {
        let quotes = quotes(text);
        views.push(kept(text, quotes.iter().map(|quote| quote.span)));
        views.push(kept(text, quotes.iter().filter(|quote| !quote.is_key).map(|quote| quote.span)));
    }
    if memchr::memchr2(b'=', b':', text).is_some() {
        views.push(assigned(text));
        views.push(fields(text, b'&'));
        if memchr::memchr(b'&', text).is_some() {
            views.push(fields(text, b'\n'));
        }
    }
    if memchr::memchr(b'\n', text).is_some() || text.first().is_some_and(u8::is_ascii_digit) {
        views.push(lines(text));
        views.push(lone_words(text));
    }
    views.push(unnumbered(text));
    let mut different: Vec<Decoded> = Vec::with_capacity(views.len());
    for view in views {
        let known = view.bytes == text || different.iter().any(|other| other.bytes == view.bytes);
        if view.bytes.len() >= 8 && !known {
            different.push(view);
        }
    }
    different
}

/// Takes the quotes off JSON that stood in a string of other JSON and whose own were escaped: they would pair with its.
pub(super) fn unwrap(text: &mut [u8]) {
    for at in 1..text.len() {
        let pair = text.get_mut(at - 1..=at);
        match pair {
            Some([quote @ b'"', b'{' | b'[']) | Some([b'}' | b']', quote @ b'"']) => *quote = b' ',
            _ => {}
        }
    }
}

/// Takes the bytes of `text` that `keep` says, with their places.
fn kept(text: &[u8], spans: impl IntoIterator<Item = (usize, usize)>) -> Decoded {
    let (mut bytes, mut places) = (Vec::with_capacity(text.len()), Places::default());
    for (from, to) in spans {
        let span = text.get(from..to).unwrap_or_default();
        bytes.extend_from_slice(span);
        places.add(from, span.len());
    }
    Decoded { bytes, from: 0, to: text.len(), places: Some(places) }
}

/// What stands in quotes.
struct Quote {
    span: (usize, usize),
    /// A colon follows.
    is_key: bool,
}

fn quotes(text: &[u8]) -> Vec<Quote> {
    let mut found = Vec::new();
    let mut at = 0;
    let next = |at: usize| Some(at + memchr::memchr3(b'"', b'\'', b'`', text.get(at..)?)?);
    while let Some(open) = next(at) {
        let from = open + 1;
        let Some(mark) = text.get(open).copied() else { break };
        let Some(end) = closing(text, from, mark) else { break };
        at = end + 1;
        // A quote that never closes is an apostrophe.
        if text.get(end) == Some(&mark) {
            let after = text.get(at..).unwrap_or_default();
            let is_key = after.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':');
            found.push(Quote { span: (from, end), is_key });
        }
    }
    found
}

/// Where the quote that `mark` opened before `at` ends, or its line.
fn closing(text: &[u8], mut at: usize, mark: u8) -> Option<usize> {
    loop {
        at += memchr::memchr3(mark, b'\\', b'\n', text.get(at..)?)?;
        if text.get(at) != Some(&b'\\') {
            return Some(at);
        }
        at += 2;
    }
}

/// What stands behind `=` or `:`, up to the end of the field.
fn assigned(text: &[u8]) -> Decoded {
    let mut spans = Vec::new();
    let mut at = 0;
    while let Some(sign) = text.get(at..).and_then(|rest| memchr::memchr2(b'=', b':', rest)) {
        let from = at + sign + 1;
        let rest = text.get(from..).unwrap_or_default();
        let length = rest.iter().position(|byte| b"=:&\n,;})<".contains(byte)).unwrap_or(rest.len());
        at = from + length;
        // Of several signs the last counts.
        if !matches!(text.get(at), Some(b'=' | b':')) {
            spans.push((from, at));
        }
    }
    kept(text, spans)
}

/// What stands behind the first `=` or `:` of each line, and of each parameter where `end` says so, whatever follows.
fn fields(text: &[u8], end: u8) -> Decoded {
    let mut spans = Vec::new();
    let mut at = 0;
    for field in text.split(|byte| *byte == b'\n' || *byte == end) {
        let name = field.iter().position(|byte| matches!(byte, b'=' | b':'));
        let value = name.and_then(|name| field.get(name + 1..)).unwrap_or_default();
        let from = at + field.len() - value.trim_ascii_start().len();
        spans.push((from, from + value.trim_ascii().len()));
        at += field.len() + 1;
    }
    kept(text, spans)
}

/// Lines without what numbers or lists them: `1. `, `part 2) `, `- `, `> `.
fn lines(text: &[u8]) -> Decoded {
    kept(
        text,
        line_spans(text).map(|(from, to)| {
            let line = text.get(from..to).unwrap_or_default();
            let head = line.get(..line.len().min(24)).unwrap_or_default();
            let mark = head.iter().rposition(|byte| matches!(byte, b'.' | b')' | b']' | b'>' | b'|' | b'*'));
            (from + mark.map_or(0, |mark| mark + 1), to)
        }),
    )
}

/// Lines that are one word: parts of a form, items of a list.
fn lone_words(text: &[u8]) -> Decoded {
    kept(
        text,
        line_spans(text).filter(|(from, to)| {
            let line = text.get(*from..*to).unwrap_or_default().trim_ascii();
            !line.is_empty() && !line.starts_with(b"--") && !line.iter().any(|byte| matches!(byte, b' ' | b':' | b'='))
        }),
    )
}

/// The text without words that are numbers of at most two digits.
fn unnumbered(text: &[u8]) -> Decoded {
    let mut spans = Vec::new();
    let (mut from, mut at) = (0, 0);
    for word in text.split_inclusive(|byte| byte.is_ascii_whitespace()) {
        let plain = word.trim_ascii();
        // Most words begin with a letter, and are none.
        if !plain.first().is_none_or(u8::is_ascii_alphabetic) && is_short_number(plain) {
            spans.push((from, at));
            from = at + word.len();
        }
        at += word.len();
    }
    spans.push((from, at));
    kept(text, spans)
}

fn is_short_number(word: &[u8]) -> bool {
    let digits = word.iter().filter(|byte| byte.is_ascii_digit()).count();
    let signs = word.iter().filter(|byte| byte.is_ascii_punctuation()).count();
    (1..=2).contains(&digits) && digits + signs == word.len()
}

fn line_spans(text: &[u8]) -> impl Iterator<Item = (usize, usize)> + '_ {
    let mut at = 0;
    text.split(|byte| *byte == b'\n').map(move |line| {
        let from = at;
        at += line.len() + 1;
        (from, from + line.len())
    })
}

#[cfg(test)]
mod tests {
    use super::super::skeleton::skeleton;
    use super::*;

    fn check(text: &str) {
        let found = views(text.as_bytes());
        let whole = |view: &Decoded| skeleton(&view.bytes).windows(16).any(|part| part == b"abcdefgh12345678");
        assert!(found.iter().any(whole), "{text}");
    }

    #[test]
    fn a_value_in_pieces_is_whole_in_some_view() {
        check(r#"{"p1":"abcd","p2":"efgh","p3":"1234","p4":"5678"}"#);
        check(r#"let a = "abcd" + "efgh" + x("1234") + "5678";"#);
        check("p1=abcd&p2=efgh&p3=1234&p4=5678");
        check("p1=ab=cd&p2=ef:gh&p3=12=34&p4=56,78");
        check("X-A: abcd\r\nX-B: efgh\r\nX-C: 1234\r\nX-D: 5678\r\n");
        check("1. abcd\n2. efgh\n3. 1234\n4. 5678");
        check("part one: abcd\npart two: efgh\npart three: 1234\npart four: 5678");
        check("--b\nContent: x\n\nabcdefgh\n--b\nContent: x\n\n12345678\n--b--");
        check("1) abcd 2) efgh 3) 1234 4) 5678");
    }

    proptest::proptest! {
        #[test]
        fn places_stay_in_the_text(text in "[a-z0-9\"'=:&\\\\\n .]{0,120}") {
            for view in views(text.as_bytes()) {
                let places = view.places.unwrap();
                proptest::prop_assert_eq!(places.len(), view.bytes.len());
                for (at, byte) in view.bytes.iter().enumerate() {
                    let place = places.get(at).unwrap();
                    proptest::prop_assert_eq!(text.as_bytes().get(place), Some(byte));
                }
                proptest::prop_assert_eq!(places.get(view.bytes.len()), None);
            }
        }
    }
}
