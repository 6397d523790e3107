//! What the trainer needs of the detector: features and rules, without the shipped weights.
//!
//! Owns [`Bag`], a text as windows over feature numbers. It learns nothing. Only `xtask train` and `xtask eval` call it.

use super::features::{Walk, windows};
use super::{Layer, weigh};
use crate::normal::layers;
use crate::token::split;

pub use super::features::{SLOTS, STEP, WINDOW};
pub use super::model::HEAD;
pub use super::rules::Strength;

/// A text as the model sees it: a bag of windows.
#[derive(Clone, Debug, Default)]
pub struct Bag {
    /// The features of all words, one after the other.
    pub features: Vec<u32>,
    /// For each window, the range of `features` that it covers.
    pub windows: Vec<(u32, u32)>,
    /// The hashes of all words, one after the other.
    pub words: Vec<u32>,
    /// For each window, the range of `words` that it covers.
    pub spans: Vec<(u32, u32)>,
    /// The rules that hit.
    pub rules: Vec<&'static str>,
    /// For each layer, the end of its windows and the strongest rule that hit in it.
    layers: Vec<(usize, Option<Strength>)>,
}

impl Bag {
    /// The odds of the text, given those of each of its windows.
    pub fn odds(&self, window: impl Fn((u32, u32)) -> f32) -> f32 {
        let (mut odds, mut start) = (f32::NEG_INFINITY, 0);
        for (end, strength) in &self.layers {
            let windows = self.windows.get(start..*end).unwrap_or_default();
            let highest = windows.iter().map(|one| window(*one)).fold(f32::NEG_INFINITY, f32::max);
            odds = odds.max(weigh(highest, *strength));
            start = *end;
        }
        odds
    }

    /// The strongest rule that hit.
    #[must_use]
    pub fn strength(&self) -> Option<Strength> {
        self.layers.iter().filter_map(|(_, strength)| *strength).max()
    }

    fn add(&mut self, layer: &Layer, text: &str) {
        let mut hits = Vec::new();
        let strength = super::judge(layer, text, &mut hits);
        self.rules.extend(hits.iter().map(|hit| hit.rule().id));
        let (mut walk, mut ends) = (Walk::default(), vec![self.features.len()]);
        let mut hits = hits.iter().peekable();
        let first_word = self.words.len();
        self.words.extend(layer.tokens.iter().map(|token| token.hash));
        for (at, token) in layer.tokens.iter().enumerate() {
            while let Some(hit) = hits.next_if(|hit| hit.word <= at) {
                walk.hit(hit.rule, |place| self.features.push(short(place)));
            }
            walk.step(*token, |place| self.features.push(short(place)));
            ends.push(self.features.len());
        }
        let end = |at: usize| ends.get(at).copied().map_or(0, short);
        self.windows.extend(windows(layer.tokens.len()).map(|(first, last)| (end(first), end(last))));
        let word = |at: usize| short(first_word + at);
        self.spans.extend(windows(layer.tokens.len()).map(|(first, last)| (word(first), word(last))));
        self.layers.push((self.windows.len(), strength));
    }
}

/// The bag of a text, all its layers in it.
#[must_use]
pub fn bag(text: &str) -> Bag {
    let mut tokens = Vec::new();
    let seen = split(text, &mut tokens);
    let mut bag = Bag::default();
    for layer in layers(text, tokens, seen) {
        bag.add(&layer, text);
    }
    bag
}

fn short(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
