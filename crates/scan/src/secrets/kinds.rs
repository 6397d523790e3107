//! Credentials of well-known kinds.
//!
//! Owns the search: one pass over the text with a prefilter of all keywords, then the pattern and the check of the kinds
//! whose keyword stands there. The kinds themselves are rows in the tables below. It knows no value of anybody's.

mod ai;
mod cloud;
mod code;
mod generic;
mod keys;
mod kind;
mod label;
mod operations;
mod payment;
mod people;
mod prefilter;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use super::Finding;
use kind::{Kind, Row, Seen, Shape};
use prefilter::Prefilter;

/// More findings than this in one text say no more.
pub(super) const MOST: usize = 500;

/// How far behind its keyword a credential can reach.
const REACH: usize = 4096;

/// The tables.
static TABLES: [&[Row]; 8] = [
    ai::KINDS,
    cloud::KINDS,
    code::KINDS,
    generic::KINDS,
    keys::KINDS,
    operations::KINDS,
    payment::KINDS,
    people::KINDS,
];

/// Every kind there is.
fn all() -> impl Iterator<Item = &'static Kind> {
    static ALL: OnceLock<Vec<Kind>> = OnceLock::new();
    ALL.get_or_init(|| TABLES.iter().flat_map(|table| table.iter().map(Kind::new)).collect()).iter()
}

/// What its issuer lets every credential of this kind begin with; the longest such beginning, and none when nobody does.
pub(super) fn beginning(value: &[u8]) -> Option<&'static str> {
    let kinds = all().filter(|kind| kind.shape == Shape::Token { back: 0 });
    let words = kinds.flat_map(|kind| kind.words.iter().copied());
    words.filter(|word| value.starts_with(word.as_bytes())).max_by_key(|word| word.len())
}

/// Credentials in `text`.
pub(super) fn find(text: &[u8]) -> Vec<Finding> {
    static PREFILTER: OnceLock<Prefilter> = OnceLock::new();
    let prefilter = PREFILTER.get_or_init(|| Prefilter::new(all()));
    let mut findings = Vec::new();
    prefilter.each(text, |at, word, kind| {
        if findings.len() < MOST
            && let Some(finding) = one(text, at, word, kind)
        {
            findings.push(finding);
        }
    });
    findings
}

fn one(text: &[u8], at: usize, word: usize, kind: &'static Kind) -> Option<Finding> {
    let (start, end, label) = match kind.shape {
        Shape::Token { back } => {
            let (start, end) = token(text, at, back, kind)?;
            (start, end, start)
        }
        Shape::Labelled => {
            let (start, end) = label::value(text, at, word, kind)?;
            (start, end, at)
        }
    };
    let seen = Seen { text, value: text.get(start..end)?, start, end, label };
    let confidence = (kind.check)(&seen)?;
    Some(Finding { kind: kind.id, start, end, confidence, known: None })
}

/// A credential that begins with its keyword, or at most `back` bytes before it.
fn token(text: &[u8], at: usize, back: usize, kind: &Kind) -> Option<(usize, usize)> {
    let pattern = kind.pattern()?;
    for start in (at.saturating_sub(back)..=at).filter(|start| begins(text, *start)) {
        let window = text.get(start..text.len().min(start + REACH))?;
        if let Some(found) = pattern.find(window)
            && start + found.end() > at
            && ends(text, start + found.end())
        {
            return Some((start, start + found.end()));
        }
    }
    None
}

/// Whether a word begins at a place: a sign always does, a letter only where none stands before it.
fn begins(text: &[u8], at: usize) -> bool {
    if text.get(at).is_some_and(|byte| !byte.is_ascii_alphanumeric()) {
        return true;
    }
    let Some(before) = at.checked_sub(1) else { return true };
    let escaped = || matches!(text.get(before.saturating_sub(1)..at), Some([b'\\', b'n' | b't' | b'r']));
    match text.get(before) {
        Some(byte) => !byte.is_ascii_alphanumeric() || escaped() || is_percent(text, at),
        None => true,
    }
}

/// Whether an escaped sign stands before a place: `%3D`.
fn is_percent(text: &[u8], at: usize) -> bool {
    at.checked_sub(3).and_then(|from| text.get(from..at)).is_some_and(
        |before| matches!(before, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()),
    )
}

fn ends(text: &[u8], at: usize) -> bool {
    text.get(at).is_none_or(|byte| !byte.is_ascii_alphanumeric())
}
