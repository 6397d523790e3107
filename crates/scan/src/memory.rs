//! What an agent remembers, looked through for what must not stand in it.
//!
//! Owns [`audit`]: secrets and planted orders in a memory, a note, a log or a database, and [`mend`] with its way back,
//! [`restore`]. It opens no file and decides nothing. Called by the memory audit in the guard.

pub mod database;

use std::ops::Range;

use crate::injection::{self, Channel};
use crate::secrets::Scanner;

/// What a file is to the agent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Read as memory or instructions: secrets and orders count.
    Memory,
    /// A note, a history: secrets count.
    Note,
    /// A log, a project's file: secrets count, and it is left to its writer.
    Log,
    /// A database of OpenClaw's: secrets and orders count, and it can't be changed under its writer.
    Database,
}

/// What stands where it must not.
#[derive(Clone, Debug, PartialEq)]
pub struct Flaw {
    /// The rule, or the kind of credential.
    pub rule: &'static str,
    /// It is a secret, not an order.
    pub is_secret: bool,
    /// Sure enough to be taken out.
    pub sure: bool,
    /// Where it stands, in bytes of the file; of a database, the whole file.
    pub place: Range<usize>,
}

/// The most flaws that one file is said to have.
const MOST: usize = 200;
/// From here on a credential is sure.
const SURE: f32 = 0.7;

/// Looks through a file.
#[must_use]
pub fn audit(bytes: &[u8], kind: Kind, scanner: &Scanner) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    match kind {
        Kind::Database => {
            for text in database::texts(bytes) {
                // What merely looks like an order stands in every conversation.
                let found = part(&text, true, scanner).into_iter().filter(|flaw| flaw.is_secret || flaw.sure);
                flaws.extend(found.map(|flaw| Flaw { sure: false, place: 0..bytes.len(), ..flaw }));
                flaws.dedup_by(|one, other| one.rule == other.rule);
                if flaws.len() >= MOST {
                    break;
                }
            }
            // What was deleted still lies in the file.
            let known = scanner.find_known(bytes).into_iter();
            let flaw = |place| Flaw { rule: "known", is_secret: true, sure: false, place };
            flaws.extend(known.map(|found| flaw(found.start..found.end)));
            flaws.sort_by_key(|flaw| flaw.rule);
            flaws.dedup_by(|one, other| one.rule == other.rule);
        }
        Kind::Memory => flaws = part(bytes, true, scanner),
        Kind::Note => flaws = part(bytes, false, scanner),
        Kind::Log => {
            let found = part(bytes, false, scanner).into_iter();
            flaws = found.map(|flaw| Flaw { sure: false, ..flaw }).collect();
        }
    }
    flaws.truncate(MOST);
    flaws
}

fn part(bytes: &[u8], orders: bool, scanner: &Scanner) -> Vec<Flaw> {
    let mut flaws: Vec<Flaw> = scanner
        .scan(bytes)
        .into_iter()
        .map(|found| Flaw {
            rule: found.kind,
            is_secret: true,
            sure: found.confidence >= SURE,
            place: found.start..found.end.max(found.start),
        })
        .collect();
    if orders {
        // What is no text has no orders; a lone odd byte must not hide one, and takes as many bytes as it had.
        let text: String = match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => bytes.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '?' }).collect(),
        };
        let report = injection::scan(&text, Channel::Doc);
        for (place, rule) in &report.cuts {
            flaws.push(Flaw { rule, is_secret: false, sure: true, place: paragraph(bytes, place) });
        }
        if let Some(rule) = report.leading().filter(|_| report.flagged && report.cuts.is_empty()) {
            let span = report.spans.iter().find(|span| span.rule == rule);
            let place = span.map_or(0..bytes.len(), |span| span.start..span.end);
            flaws.push(Flaw { rule, is_secret: false, sure: false, place });
        }
    }
    flaws.sort_by_key(|flaw| (flaw.place.start, flaw.place.end));
    flaws
}

/// The paragraph around an order: what belongs to it goes with it.
fn paragraph(bytes: &[u8], place: &Range<usize>) -> Range<usize> {
    let blank = b"\n\n";
    let before = bytes.get(..place.start).unwrap_or_default();
    let start = before.windows(2).rposition(|pair| pair == blank).map_or(0, |at| at + 2);
    let after = bytes.get(place.end..).unwrap_or_default();
    let end = after.windows(2).position(|pair| pair == blank).map_or(bytes.len(), |at| place.end + at);
    start..end.max(place.end)
}

/// A file without its sure flaws.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mended {
    /// What stands in the file now.
    pub bytes: Vec<u8>,
    /// What was taken out, in order.
    pub taken: Vec<Taken>,
    /// Where it was left as it was, because `spare` knows it.
    pub spared: Vec<Range<usize>>,
}

/// One thing that was taken out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Taken {
    /// What stands in its place.
    pub mark: String,
    /// What stood there.
    pub bytes: Vec<u8>,
    /// The rules that said so.
    pub rules: Vec<&'static str>,
}

/// Takes the sure flaws out, but for those whose bytes `spare` knows; `id` makes the marks this change's own.
#[must_use]
pub fn mend(bytes: &[u8], flaws: &[Flaw], id: &str, spare: impl Fn(&[u8]) -> bool) -> Mended {
    let mut places: Vec<(Range<usize>, Vec<&'static str>)> = Vec::new();
    for flaw in flaws.iter().filter(|flaw| flaw.sure && flaw.place.end > flaw.place.start) {
        match places.last_mut() {
            Some((last, rules)) if flaw.place.start < last.end => {
                last.end = last.end.max(flaw.place.end);
                if !rules.contains(&flaw.rule) {
                    rules.push(flaw.rule);
                }
            }
            _ => places.push((flaw.place.clone(), vec![flaw.rule])),
        }
    }
    let (mut next, mut taken, mut spared, mut kept) = (Vec::with_capacity(bytes.len()), Vec::new(), Vec::new(), 0);
    for (place, rules) in places {
        let old = bytes.get(place.clone()).unwrap_or_default();
        if spare(old) {
            spared.push(place);
            continue;
        }
        let mark = format!("[taken out by Creel: {id}-{}]", taken.len());
        next.extend_from_slice(bytes.get(kept..place.start).unwrap_or_default());
        next.extend_from_slice(mark.as_bytes());
        kept = place.end;
        taken.push(Taken { mark, bytes: old.to_vec(), rules });
    }
    next.extend_from_slice(bytes.get(kept..).unwrap_or_default());
    Mended { bytes: next, taken, spared }
}

/// Puts back what was taken out, wherever its mark still stands; how many were put back.
#[must_use]
pub fn restore(bytes: &[u8], taken: &[(String, Vec<u8>)]) -> (Vec<u8>, usize) {
    let (mut text, mut count) = (bytes.to_vec(), 0);
    for (mark, old) in taken {
        let found = memchr::memmem::find(&text, mark.as_bytes());
        if let Some(at) = found.filter(|_| !mark.is_empty()) {
            text.splice(at..at + mark.len(), old.iter().copied());
            count += 1;
        }
    }
    (text, count)
}

#[cfg(test)]
mod tests;
