//! The linear model: one small weight for each place in the table.
//!
//! Owns the weights, which `xtask train` writes, and the score of a window. It learns nothing here. Called by the scanner
//! for each layer of a text.

use super::features::{SLOTS, Walk, windows};
use super::rules::Match;
use crate::token::Token;

/// What the weights file starts with: what a weight of 1 is worth, and the bias, both in 2^-20.
pub const HEAD: usize = 8;

static WEIGHTS: &[u8; HEAD + SLOTS] = include_bytes!("../../weights/injection.bin");

/// A window that speaks for an injection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Hit {
    /// The log of the odds.
    pub(crate) odds: f32,
    /// Its first and last word.
    pub(crate) words: (usize, usize),
}

/// The window of the highest odds, if there is a word at all.
pub(crate) fn highest(tokens: &[Token], hits: &[Match], sums: &mut Vec<i32>) -> Option<Hit> {
    let (unit, bias) = head();
    let table: &[u8; SLOTS] = WEIGHTS.last_chunk()?;
    sums.clear();
    sums.reserve(tokens.len() + 1);
    let (mut walk, mut sum) = (Walk::default(), 0_i32);
    sums.push(0);
    let mut hits = hits.iter().peekable();
    for (at, token) in tokens.iter().enumerate() {
        while let Some(hit) = hits.next_if(|hit| hit.word <= at) {
            walk.hit(hit.rule, |place| sum += i32::from(table.get(place).copied().unwrap_or(0).cast_signed()));
        }
        walk.step(*token, |place| sum += i32::from(table.get(place).copied().unwrap_or(0).cast_signed()));
        sums.push(sum);
    }
    let value = |at: usize| sums.get(at).copied().unwrap_or(sum);
    let best = windows(tokens.len()).max_by_key(|(start, end)| (value(*end) - value(*start), usize::MAX - start))?;
    let odds = (value(best.1) - value(best.0)) as f32 * unit + bias;
    Some(Hit { odds, words: (best.0, best.1.saturating_sub(1)) })
}

fn head() -> (f32, f32) {
    let number = |at: usize| {
        let bytes = WEIGHTS.get(at..).and_then(|rest| rest.first_chunk::<4>()).copied().unwrap_or_default();
        i32::from_le_bytes(bytes) as f32 / 1_048_576.0
    };
    (number(0), number(4))
}
