//! Text from outside, made fit for a model to read.
//!
//! Owns [`sanitise`] and its way back, [`restore`]: characters that nobody sees go, and orders that surely are none of the
//! text's business are replaced by a note, with false turn markers and hidden markup that orders. What it gives stays as it
//! is when sanitised again, so that providers' caches keep working. Called by the model door.

mod characters;

use std::ops::Range;

use crate::injection::{self, Channel, Report, Strength};

/// A text that was made fit.
#[derive(Clone, Debug, PartialEq)]
pub struct Clean {
    /// The text as the model gets it.
    pub text: String,
    /// What was changed, in the order in which it was done.
    pub edits: Vec<Edit>,
    /// What the detector made of the text as given.
    pub report: Report,
}

/// One change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Edit {
    /// The pass over the text that made it. A later pass starts from what an earlier one left.
    pub pass: u8,
    /// Where it stands in the text that its pass left, in bytes.
    pub at: usize,
    /// What stands there now.
    pub put: &'static str,
    /// What stood there before.
    pub took: String,
    /// The rule that said so.
    pub rule: &'static str,
}

/// Passes after which a text that still changes is given up as a whole.
const PASSES: u8 = 8;

/// Stands for an order.
const ORDER: &str = "[here stood an order, taken out]";
/// Stands for a mark of another speaker.
const MARKER: &str = "[here stood a mark, taken out]";
/// Stands for a text that can't be made fit.
const WHOLE: &str = "[here stood a text that could not be made safe]";
/// The rule of what nobody sees.
const UNSEEN: &str = "injection/unseen-characters";

/// Makes a text fit that came by `channel`. Takes time and memory in proportion to the text.
#[must_use]
pub fn sanitise(text: &str, channel: Channel) -> Clean {
    let report = injection::scan(text, channel);
    let (mut clean, mut edits) = (text.to_owned(), Vec::new());
    if let Some(bare) = characters::strip(text, UNSEEN) {
        (clean, edits) = bare;
    }
    for pass in 1..=PASSES {
        let cuts = if edits.is_empty() { report.cuts.clone() } else { injection::scan(&clean, channel).cuts };
        let cuts = merged(cuts);
        if cuts.is_empty() {
            return Clean { text: clean, edits, report };
        }
        let (next, made) = cut(&clean, &cuts, pass);
        clean = next;
        edits.extend(made);
    }
    edits.push(Edit { pass: PASSES + 1, at: 0, put: WHOLE, took: clean, rule: "injection/endless" });
    Clean { text: WHOLE.to_owned(), edits, report }
}

/// The text as it was given, from what was made of it.
#[must_use]
pub fn restore(text: &str, edits: &[Edit]) -> String {
    let mut text = text.to_owned();
    let mut rest = edits;
    while let Some(last) = rest.last() {
        let start = rest.partition_point(|edit| edit.pass < last.pass);
        let (earlier, pass) = rest.split_at_checked(start).unwrap_or((&[], rest));
        let (mut before, mut kept) = (String::with_capacity(text.len()), 0);
        for edit in pass {
            before.push_str(text.get(kept..edit.at).unwrap_or_default());
            before.push_str(&edit.took);
            kept = edit.at + edit.put.len();
        }
        before.push_str(text.get(kept..).unwrap_or_default());
        text = before;
        rest = earlier;
    }
    text
}

/// What to cut, in order, each byte once.
fn merged(mut cuts: Vec<(Range<usize>, &'static str)>) -> Vec<(Range<usize>, &'static str)> {
    cuts.sort_by_key(|(range, _)| (range.start, range.end));
    let mut merged: Vec<(Range<usize>, &'static str)> = Vec::new();
    for (range, rule) in cuts {
        match merged.last_mut() {
            Some((last, _)) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push((range, rule)),
        }
    }
    merged
}

fn cut(text: &str, cuts: &[(Range<usize>, &'static str)], pass: u8) -> (String, Vec<Edit>) {
    let (mut next, mut edits, mut kept) = (String::with_capacity(text.len()), Vec::new(), 0);
    for (range, rule) in cuts {
        next.push_str(text.get(kept..range.start).unwrap_or_default());
        let put = if injection::is_marker(rule) { MARKER } else { ORDER };
        let took = text.get(range.clone()).unwrap_or_default().to_owned();
        edits.push(Edit { pass, at: next.len(), put, took, rule });
        next.push_str(put);
        kept = range.end;
    }
    next.push_str(text.get(kept..).unwrap_or_default());
    (next, edits)
}

impl Clean {
    /// Whether anything was changed.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        !self.edits.is_empty()
    }

    /// Whether a rule hit that is enough alone.
    #[must_use]
    pub fn is_sure(&self) -> bool {
        self.report.strength == Some(Strength::Sure)
    }
}

#[cfg(test)]
mod tests;
