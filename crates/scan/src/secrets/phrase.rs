//! Seed phrases.
//!
//! Owns the search for twelve to twenty-four words of BIP 39's English list in a row whose checksum is right. Words may be
//! numbered, quoted or on lines of their own. Phrases of one or two words over and over are examples.

use bip39::{Language, Mnemonic};

use super::Finding;
use super::kinds::MOST;

/// The words of a phrase have three to eight letters.
const LETTERS: std::ops::RangeInclusive<usize> = 3..=8;

/// The lengths that the standard knows, the longest first.
const LENGTHS: [usize; 5] = [24, 21, 18, 15, 12];

/// Seed phrases in `text`.
pub(super) fn find(text: &[u8]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut run: Vec<(usize, usize)> = Vec::new();
    let mut at = 0;
    while at < text.len() && findings.len() < MOST {
        let rest = text.get(at..).unwrap_or_default();
        let letters = rest.iter().take(9).take_while(|byte| byte.is_ascii_alphabetic()).count();
        if LETTERS.contains(&letters) && rest.get(letters).is_none_or(|byte| !byte.is_ascii_alphabetic()) {
            run.push((at, at + letters));
            at += letters;
        } else if letters > 0 {
            take(text, &mut run, &mut findings);
            at += rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        }
        let gap = gap(text.get(at..).unwrap_or_default());
        if gap.1 {
            take(text, &mut run, &mut findings);
        }
        at += gap.0.max(usize::from(letters == 0));
    }
    take(text, &mut run, &mut findings);
    findings
}

/// What stands between two words: how long it is, and whether it ends a phrase.
fn gap(rest: &[u8]) -> (usize, bool) {
    let length = rest.iter().take_while(|byte| !byte.is_ascii_alphabetic()).count();
    let between = rest.get(..length).unwrap_or_default();
    let light = |byte: &u8| byte.is_ascii_whitespace() || byte.is_ascii_digit() || b",\"'[]().:;-\\|".contains(byte);
    (length, length > 12 || !between.iter().all(light))
}

/// Looks for phrases in a row of words, and clears it.
fn take(text: &[u8], run: &mut Vec<(usize, usize)>, findings: &mut Vec<Finding>) {
    let words = std::mem::take(run);
    if words.len() < 12 {
        return;
    }
    let in_list: Vec<Option<String>> = words.iter().map(|(from, to)| listed(text.get(*from..*to)?)).collect();
    let mut at = 0;
    while at + 12 <= in_list.len() && findings.len() < MOST {
        let ahead = in_list.get(at..).unwrap_or_default();
        let reach = ahead.iter().take(24).take_while(|word| word.is_some()).count();
        let found =
            LENGTHS.iter().find(|length| reach >= **length && is_phrase(ahead.get(..**length).unwrap_or_default()));
        if let (Some(length), Some((start, _))) = (found, words.get(at))
            && let Some((_, end)) = words.get(at + length - 1)
        {
            findings.push(Finding { kind: "seed-phrase", start: *start, end: *end, confidence: 0.98, known: None });
            at += length;
        } else {
            // Nothing that begins before the word that is not in the list can be whole.
            at += if reach < 12 { reach + 1 } else { 1 };
        }
    }
}

fn listed(word: &[u8]) -> Option<String> {
    let word = std::str::from_utf8(word).ok()?.to_ascii_lowercase();
    Language::English.find_word(&word).map(|_| word)
}

fn is_phrase(words: &[Option<String>]) -> bool {
    let words: Vec<&str> = words.iter().filter_map(Option::as_deref).collect();
    let mut different = words.clone();
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
