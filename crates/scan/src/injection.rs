//! Whether a text tries to give orders to the model that reads it.
//!
//! Owns [`scan`], [`Channel`] and the thresholds. It reads a text in all its layers, asks the rules and the model, and
//! reports a score with the spans that speak for it; what follows from that is policy. Called by the model door, by
//! `creel scan injection`, and by the memory audit.

mod channel;
pub(crate) mod features;
pub(crate) mod model;
pub(crate) mod pattern;
pub(crate) mod rules;
pub mod training;

pub use channel::Channel;
pub use rules::Strength;

use std::ops::Range;

use crate::normal::{Layer, Origin, layers};
use crate::token::split;

/// Texts beyond this many bytes are read in parts of this size.
pub const PART: usize = 1 << 20;
/// Parts overlap by this many bytes, so that nothing hides on an edge.
const OVERLAP: usize = 4 << 10;
/// The most spans in a report.
const SPANS: usize = 64;
/// The name under which the model's own window is reported.
pub const MODEL: &str = "injection/model";

/// What was found in a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// How likely it is that the text gives orders: 0 to 1. Texts can be ranked by it.
    pub score: f64,
    /// The score reaches the threshold of the channel.
    pub flagged: bool,
    /// The strongest rule that hit.
    pub strength: Option<Strength>,
    /// What speaks for it, in the order of the text.
    pub spans: Vec<Span>,
    /// What the sanitiser takes out: orders by a rule that is enough alone, marks of other speakers, and hidden orders.
    pub(crate) cuts: Vec<(Range<usize>, &'static str)>,
}

/// A place in the text as given that speaks for an injection.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Span {
    /// Its first byte.
    pub start: usize,
    /// The byte behind its last.
    pub end: usize,
    /// The id of the rule.
    pub rule: &'static str,
}

impl Report {
    /// The strongest rule that speaks against the text, the first of equals.
    #[must_use]
    pub fn leading(&self) -> Option<&'static str> {
        let strength = |span: &&Span| rules::strength(span.rule);
        self.spans.iter().rev().max_by_key(strength).map(|span| span.rule)
    }
}

/// Looks at a text that came by `channel`. Never fails, and takes time and memory in proportion to the text.
#[must_use]
pub fn scan(text: &str, channel: Channel) -> Report {
    let mut finds =
        Finds { odds: f32::NEG_INFINITY, strength: None, spans: Vec::new(), cuts: Vec::new(), from: channel.odds() };
    let mut start = 0;
    loop {
        let end = floor(text, (start + PART).min(text.len()));
        finds.read(text.get(start..end).unwrap_or_default(), start);
        if end >= text.len() {
            break;
        }
        start = floor(text, end - OVERLAP);
    }
    finds.report(channel)
}

fn floor(text: &str, at: usize) -> usize {
    (at.saturating_sub(3)..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// What was found so far.
struct Finds {
    odds: f32,
    strength: Option<Strength>,
    spans: Vec<Span>,
    cuts: Vec<(Range<usize>, &'static str)>,
    /// Odds from which a window of the model is worth a span.
    from: f32,
}

impl Finds {
    fn read(&mut self, part: &str, offset: usize) {
        let mut tokens = Vec::new();
        let seen = split(part, &mut tokens);
        let (mut hits, mut sums) = (Vec::new(), Vec::new());
        for layer in layers(part, tokens, seen) {
            let strength = judge(&layer, part, &mut hits);
            for hit in hits.iter().filter(|hit| hit.rule().strength > Strength::Hint) {
                self.span(&layer, hit.start..hit.end, offset, hit.rule().id);
                let is_hidden = matches!(layer.origin, Origin::Hidden | Origin::Smuggled);
                if hit.rule().strength == Strength::Sure || is_hidden || is_marker(hit.rule().id) {
                    self.cut(&layer, hit.start..hit.end, offset, hit.rule().id);
                }
            }
            let window = model::highest(&layer.tokens, &hits, &mut sums);
            let odds = weigh(window.map_or(f32::NEG_INFINITY, |window| window.odds), strength);
            if let Some(window) = window.filter(|window| window.odds >= self.from) {
                let byte = |word: usize| layer.tokens.get(word);
                let start = byte(window.words.0).map_or(0, |token| token.at as usize);
                let end = byte(window.words.1).map_or(start, |token| token.end());
                self.span(&layer, start..end, offset, MODEL);
            }
            self.odds = self.odds.max(odds);
            self.strength = self.strength.max(strength);
        }
    }

    fn span(&mut self, layer: &Layer, range: Range<usize>, offset: usize, rule: &'static str) {
        if self.spans.len() >= SPANS {
            return;
        }
        let range = layer.view.as_ref().map_or(range.clone(), |view| view.original(range));
        if range.start < range.end {
            self.spans.push(Span { start: range.start + offset, end: range.end + offset, rule });
        }
    }

    fn cut(&mut self, layer: &Layer, range: Range<usize>, offset: usize, rule: &'static str) {
        let range = layer.view.as_ref().map_or(range.clone(), |view| view.original(range));
        if range.start < range.end {
            self.cuts.push((range.start + offset..range.end + offset, rule));
        }
    }

    fn report(mut self, channel: Channel) -> Report {
        self.spans.sort_unstable();
        self.spans.dedup();
        let score = if self.odds == f32::NEG_INFINITY { 0.0 } else { 1.0 / (1.0 + (-f64::from(self.odds)).exp()) };
        Report {
            score,
            flagged: self.odds >= channel.odds(),
            strength: self.strength,
            spans: self.spans,
            cuts: self.cuts,
        }
    }
}

/// Collects the hits of all rules in a layer, and says how strong they are. What is hidden from a reader's eyes and
/// likely an order is surely one: nobody hides an order from people but to give it to a machine.
pub(crate) fn judge(layer: &Layer, text: &str, hits: &mut Vec<rules::Match>) -> Option<Strength> {
    hits.clear();
    rules::find(layer.text(text), &layer.seen, &layer.tokens, hits);
    let strength = hits.iter().map(|hit| hit.rule().strength).max();
    match (layer.origin, strength) {
        (Origin::Smuggled, Some(Strength::Likely)) => Some(Strength::Sure),
        _ => strength,
    }
}

/// Whether a rule finds marks of other speakers, not sentences.
pub(crate) fn is_marker(rule: &str) -> bool {
    matches!(rule, "injection/role-marker" | "injection/false-turn")
}

/// What the model's odds are worth beside the rules.
pub(crate) fn weigh(odds: f32, strength: Option<Strength>) -> f32 {
    match strength {
        Some(Strength::Sure) => odds.max(SURE) + 1.0,
        Some(Strength::Likely) => odds.max(LIKELY) + 1.0,
        _ => odds,
    }
}

/// Odds of a text that a sure rule speaks against, whatever the model says.
const SURE: f32 = 4.0;
/// Odds of a text that a likely rule speaks against.
const LIKELY: f32 = 0.5;

#[cfg(test)]
mod tests;
