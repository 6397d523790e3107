//! Seed phrases.
//!
//! Owns the search for twelve to twenty-four words of BIP 39's English list in a row whose checksum is right. Words may be
//! numbered, quoted or on lines of their own. Phrases of one or two words over and over are examples.

use std::cell::OnceCell;

use bip39::{Language, Mnemonic};

use super::Finding;
use super::kinds::MOST;

/// The words of a phrase have three to eight letters.
const LETTERS: std::ops::RangeInclusive<usize> = 3..=8;

/// The lengths that the standard knows, the longest first.
const LENGTHS: [usize; 5] = [24, 21, 18, 15, 12];

/// More bytes between two words end a phrase.
const LONGEST_GAP: usize = 12;

/// What a byte is between the words of a phrase.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    /// May stand between two words.
    Light,
    /// Ends a phrase.
    Heavy,
}

const CLASSES: [Class; 256] = classes();

#[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "the counter stays below 256")]
const fn classes() -> [Class; 256] {
    let mut table = [Class::Heavy; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        if byte.is_ascii_alphabetic() {
            table[at] = Class::Letter;
        } else if byte.is_ascii_whitespace() || byte.is_ascii_digit() || is_sign(byte) {
            table[at] = Class::Light;
        }
        at += 1;
    }
    table
}

const fn is_sign(byte: u8) -> bool {
    matches!(byte, b',' | b'"' | b'\'' | b'[' | b']' | b'(' | b')' | b'.' | b':' | b';' | b'-' | b'\\' | b'|')
}

/// Seed phrases in `text`.
pub(super) fn find(text: &[u8]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut run: Vec<(usize, usize)> = Vec::new();
    let class = |at: usize| text.get(at).and_then(|byte| CLASSES.get(usize::from(*byte))).copied();
    let mut at = 0;
    while at < text.len() && findings.len() < MOST {
        let from = at;
        while class(at) == Some(Class::Letter) {
            at += 1;
        }
        if LETTERS.contains(&(at - from)) {
            run.push((from, at));
        } else if at > from {
            take(text, &mut run, &mut findings);
        }
        let (word_end, mut heavy) = (at, false);
        while let Some(class) = class(at).filter(|class| *class != Class::Letter) {
            heavy |= class == Class::Heavy;
            at += 1;
        }
        if heavy || at - word_end > LONGEST_GAP {
            take(text, &mut run, &mut findings);
        }
    }
    take(text, &mut run, &mut findings);
    findings
}

/// Looks for phrases in a row of words, and clears it.
fn take(text: &[u8], run: &mut Vec<(usize, usize)>, findings: &mut Vec<Finding>) {
    if run.len() < 12 {
        run.clear();
        return;
    }
    let words = std::mem::take(run);
    // Each word is looked up once at most.
    let looked_up: Vec<OnceCell<Option<&str>>> = vec![OnceCell::new(); words.len()];
    let word = |at: usize| {
        let (from, to) = words.get(at)?;
        *looked_up.get(at)?.get_or_init(|| listed(text.get(*from..*to)?))
    };
    let mut at = 0;
    while at + 12 <= words.len() && findings.len() < MOST {
        // The last of twelve first: where it is none of the list, no phrase begins before it.
        if let Some(last) = (at..at + 12).rev().find(|at| word(*at).is_none()) {
            at = last + 1;
            continue;
        }
        let ahead: Vec<&str> = (at..at + 24).map_while(word).collect();
        let found = LENGTHS.iter().find(|length| ahead.get(..**length).is_some_and(is_phrase));
        if let (Some(length), Some((start, _))) = (found, words.get(at))
            && let Some((_, end)) = words.get(at + length - 1)
        {
            findings.push(Finding { kind: "seed-phrase", start: *start, end: *end, confidence: 0.98, known: None });
            at += length;
        } else {
            at += 1;
        }
    }
}

fn listed(word: &[u8]) -> Option<&'static str> {
    let mut small = [0; 8];
    let small = small.get_mut(..word.len())?;
    small.copy_from_slice(word);
    small.make_ascii_lowercase();
    let place = Language::English.find_word(std::str::from_utf8(small).ok()?)?;
    Language::English.word_list().get(usize::from(place)).copied()
}

fn is_phrase(words: &[&str]) -> bool {
    let mut different = words.to_vec();
    different.sort_unstable();
    different.dedup();
    // The list itself, and parts of it, stand in the order of the alphabet.
    let in_order = words.is_sorted();
    !in_order
        && different.len() * 6 >= words.len() * 5
        && Mnemonic::parse_in_normalized(Language::English, &words.join(" ")).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phrase(bytes: usize) -> Vec<&'static str> {
        let entropy: Vec<u8> = (0..bytes).map(|at| u8::try_from(at * 73 % 251).unwrap()).collect();
        Mnemonic::from_entropy_in(Language::English, &entropy).unwrap().words().collect()
    }

    fn check(text: &str, count: usize) {
        assert_eq!(find(text.as_bytes()).len(), count, "{text}");
    }

    #[test]
    fn phrases_are_found_however_they_are_written() {
        for bytes in [16, 20, 24, 28, 32] {
            let words = phrase(bytes);
            check(&words.join(" "), 1);
            check(&format!("my seed is: {} ok", words.join(" ")), 1);
            check(&words.join("\n").to_uppercase(), 1);
            let numbered: Vec<String> = (1..).zip(&words).map(|(n, word)| format!("{n}. {word}")).collect();
            check(&numbered.join("\n"), 1);
            check(&format!("[\"{}\"]", words.join("\", \"")), 1);
            let mut wrong = words.clone();
            wrong.swap(0, 1);
            wrong.swap(2, 5);
            let sums = Mnemonic::parse_in_normalized(Language::English, &wrong.join(" ")).is_ok();
            if bytes == 16 {
                check(&wrong.join(" "), usize::from(sums));
            }
        }
    }

    #[test]
    fn examples_and_prose_are_none() {
        check(&["abandon"; 11].join(" ").to_string(), 0);
        check(&format!("{} about", ["abandon"; 11].join(" ")), 0);
        check("the quick brown fox jumps over the lazy dog and then some more words follow until the line ends", 0);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "((abandon|zoo|about|\\PC)[ ,\n.]{0,3}){0,40}") {
            for found in find(text.as_bytes()) {
                proptest::prop_assert!(found.start < found.end && found.end <= text.len());
            }
        }
    }
}
