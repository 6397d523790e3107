//! Letters of other scripts that look like Latin ones.
//!
//! Owns the pairs and when they are read as Latin: only in words that mix scripts, and then in words made of nothing but
//! lookalikes too. Words of honest Greek or Cyrillic stay. Called by the normaliser.

use crate::view::View;

/// Lookalikes and the Latin letters that they pass for, position by position.
const OTHERS: &str = "аеорсухіјѕһԁԛԝѵгпкмтвнАВЕКМНОРСТУХІЈЅԌαβεικνορτυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧɑɡıɩʟɴʀսոցօհզⅼ";
const LATIN: &str = "aeopcyxijshdqwvrnkmtbhABEKMHOPCTYXIJSGaBeiKvoptuxABEZHIKMNOPTYXagiilnrungohql";

/// The text with disguised words in Latin letters. `None`: there is none.
pub(crate) fn undo(text: &str) -> Option<View> {
    if !may_hold_one(text) || !words(text).any(|(_, word)| is_mixed(word)) {
        return None;
    }
    let mut view = View::with_capacity(text.len());
    let mut kept = 0;
    for (at, word) in words(text) {
        if word.is_ascii() || !(is_mixed(word) || word.chars().all(|c| latin(c).is_some())) {
            continue;
        }
        for (offset, c) in word.char_indices() {
            let start = at + offset;
            if let Some(letter) = latin(c) {
                view.keep(text.get(kept..start).unwrap_or_default(), kept);
                view.put_char(letter, start..start + c.len_utf8());
                kept = start + c.len_utf8();
            }
        }
    }
    view.keep(text.get(kept..).unwrap_or_default(), kept);
    Some(view)
}

/// Whether a byte stands there that opens one of them in UTF-8: IPA, Greek, Cyrillic and Armenian, `ı`, and the numeral `ⅼ`.
fn may_hold_one(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().any(|byte| matches!(byte, 0xc9 | 0xca | 0xcd..=0xd6))
        || memchr::memmem::find(bytes, b"\xc4\xb1").is_some()
        || memchr::memmem::find(bytes, b"\xe2\x85").is_some()
}

fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = text;
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = rest.find(char::is_alphabetic)?;
        let tail = rest.get(start..)?;
        let length = tail.find(|c: char| !c.is_alphabetic()).unwrap_or(tail.len());
        let (word, after) = tail.split_at_checked(length)?;
        let found = (at + start, word);
        at += start + length;
        rest = after;
        Some(found)
    })
}

fn is_mixed(word: &str) -> bool {
    !word.is_ascii()
        && word.chars().any(|c| c.is_ascii_alphabetic())
        && word.chars().any(|c| latin(c).is_some())
        && word.chars().all(|c| c.is_ascii() || latin(c).is_some())
}

fn latin(c: char) -> Option<char> {
    if c.is_ascii() {
        return None;
    }
    OTHERS.chars().zip(LATIN.chars()).find(|(other, _)| *other == c).map(|(_, latin)| latin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lookalike_is_looked_for() {
        for c in OTHERS.chars() {
            assert!(may_hold_one(&c.to_string()), "{c}");
        }
        assert!(!may_hold_one("plain, Größe, “naïve” 日本"));
    }

    #[test]
    fn disguised_words_are_read_and_honest_ones_left() {
        assert_eq!(undo("Іgnоrе аll, привет").unwrap().text, "Ignore all, привет");
        assert!(undo("привет мир, hello world").is_none());
        assert_eq!(OTHERS.chars().count(), LATIN.chars().count());
    }
}
