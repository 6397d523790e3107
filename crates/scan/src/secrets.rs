//! Secrets in bytes that leave: known ones in any form, unknown ones by what they look like.
//!
//! Owns [`Scanner`], which puts the parts together: known values ([`Known`]), the table of credential kinds, numbers with
//! checksums, and the ladder that decodes what is encoded. It decides nothing and keeps nothing. The egress and model doors
//! and `creel scan secrets` call it.

mod checks;
mod excused;
mod forms;
mod kinds;
mod known;
mod ladder;
mod numbers;
pub mod packed;
mod phrase;
mod skeleton;
mod views;

#[cfg(test)]
mod tests;

pub use known::{Hit, Known, Stream};

use ladder::Decoded;

/// Steps of decoding: what is encoded more often is not found.
const DEPTH: usize = 4;

/// The same for what was put together from fields.
const VIEWED: usize = 3;

/// What decoding may make in all: this many times the text, and this much for a short one.
const TIMES: usize = 8;
const AT_LEAST: usize = 256 * 1024;

/// What the issuer of a credential lets all of its kind begin with (`ghp_`): no secret by itself.
#[must_use]
pub fn beginning(value: &[u8]) -> Option<&'static str> {
    kinds::beginning(value)
}

/// A secret found in a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What it is: the id of a kind, or `known`.
    pub kind: &'static str,
    /// The first byte.
    pub start: usize,
    /// Behind the last byte.
    pub end: usize,
    /// How sure, from 0 to 1.
    pub confidence: f32,
    /// Of a known value: which one, and in what form.
    pub known: Option<(usize, &'static str)>,
}

/// Looks for secrets in texts.
#[derive(Debug)]
pub struct Scanner {
    known: Known,
    unknown: bool,
}

impl Scanner {
    /// Looks for these values and for credentials of every kind.
    #[must_use]
    pub fn new(known: Known) -> Self {
        Self { known, unknown: true }
    }

    /// Looks for these values alone.
    #[must_use]
    pub fn known_only(known: Known) -> Self {
        Self { known, unknown: false }
    }

    /// The values that are looked for.
    #[must_use]
    pub fn known(&self) -> &Known {
        &self.known
    }

    /// Everything in `text`, in order, at most one finding a place.
    #[must_use]
    pub fn scan(&self, text: &[u8]) -> Vec<Finding> {
        let mut budget = (text.len().saturating_mul(TIMES)).max(AT_LEAST);
        let mut findings = self.level(text, DEPTH, self.unknown, &mut budget);
        if !self.known.is_empty() {
            let mut budget = (text.len().saturating_mul(TIMES)).max(AT_LEAST);
            findings.extend(self.in_views(text, &mut budget));
            if let Some(mut part) = ladder::escapes::unslashed(text) {
                views::unwrap(&mut part.bytes);
                let found = self.level(&part.bytes, VIEWED, false, &mut budget);
                let found = found.into_iter().chain(self.in_views(&part.bytes, &mut budget));
                findings.extend(found.map(|found| moved(found, &part)));
            }
            if let Some(part) = ladder::escapes::unescaped(text) {
                let found = self.in_views(&part.bytes, &mut budget);
                findings.extend(found.into_iter().map(|found| moved(found, &part)));
            }
        }
        joined(findings)
    }

    /// Known values that lie over fields or lines, also encoded once or twice more.
    fn in_views(&self, text: &[u8], budget: &mut usize) -> Vec<Finding> {
        let mut findings = Vec::new();
        for view in views::views(text) {
            let found = self.level(&view.bytes, VIEWED, false, budget);
            findings.extend(found.into_iter().map(|found| moved(found, &view)));
        }
        findings
    }

    /// Known values as they stand, encoded once at most; of each value once.
    #[must_use]
    pub fn find_known(&self, bytes: &[u8]) -> Vec<Finding> {
        self.known_in(bytes)
    }

    fn level(&self, text: &[u8], depth: usize, unknown: bool, budget: &mut usize) -> Vec<Finding> {
        let mut findings = self.known_in(text);
        findings.truncate(kinds::MOST);
        if unknown && is_text(text) {
            findings.extend(kinds::find(text));
            findings.extend(numbers::find(text));
            findings.extend(phrase::find(text));
        }
        if depth > 0 && *budget > 0 {
            let parts = ladder::step(text, *budget);
            *budget = budget.saturating_sub(parts.iter().map(|part| part.bytes.len()).sum());
            for part in parts {
                let inner = self.level(&part.bytes, depth - 1, unknown, budget);
                findings.extend(inner.into_iter().map(|found| moved(found, &part)));
            }
        }
        findings
    }

    fn known_in(&self, text: &[u8]) -> Vec<Finding> {
        let hits = self.known.find(text).into_iter();
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(text.len());
        hits.map(|hit| Finding {
            kind: "known",
            start: place(hit.start),
            end: place(hit.end),
            confidence: hit.confidence,
            known: Some((hit.value, hit.form)),
        })
        .collect()
    }
}

/// A finding of a decoded part, where it stood in the text.
fn moved(found: Finding, part: &Decoded) -> Finding {
    let (start, end) = part.span(found.start, found.end);
    Finding { start, end: end.max(start), ..found }
}

/// In order, and of those that overlap the surest of each kind of search.
fn joined(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by(|one, other| {
        other.confidence.total_cmp(&one.confidence).then(one.start.cmp(&other.start)).then(other.end.cmp(&one.end))
    });
    let mut kept: Vec<Finding> = Vec::new();
    for found in findings {
        let covered = kept.iter().any(|other| {
            let same = match (found.known, other.known) {
                (Some((one, _)), Some((another, _))) => one == another,
                (None, None) => true,
                _ => false,
            };
            same && found.start < other.end.max(other.start + 1) && other.start < found.end.max(found.start + 1)
        });
        if !covered {
            kept.push(found);
        }
        if kept.len() >= kinds::MOST {
            break;
        }
    }
    kept.sort_by_key(|found| (found.start, found.end));
    kept
}

/// Whether bytes are worth reading as text: patterns in random bytes mean nothing.
fn is_text(bytes: &[u8]) -> bool {
    let head = bytes.get(..4096).unwrap_or(bytes);
    let odd = head.iter().filter(|byte| matches!(byte, 0..=8 | 14..=26 | 28..=31 | 127)).count();
    let high = head.iter().filter(|byte| **byte >= 128).count();
    odd * 50 <= head.len() && (high * 4 <= head.len() || std::str::from_utf8(bytes).is_ok())
}
