//! Sentences and marks that hardly anybody writes but to give orders to a model.
//!
//! Owns the list of rules and their strengths; each rule is a file with its examples, which run as tests. Rules see words,
//! never the model's weights, and judge nothing: a [`Strength`] says how far a hit may be trusted. Called by the scanner.

mod addressed;
mod bypass;
mod closing_mark;
mod decode_and_obey;
mod exfiltrate;
mod false_audit;
mod false_note;
mod false_turn;
mod forget_all;
mod leak_prompt;
mod leaky_address;
mod marks;
mod override_idiom;
mod persona;
mod plant_memory;
mod role_marker;
mod secrecy;
mod secret_out;
mod standing_order;
mod task_switch;
mod tool_order;
mod unbound;

use std::sync::OnceLock;

use super::pattern::{Pattern, Patterns};
use crate::lexicon::Class;
use crate::token::{Seen, Token};

/// How far a hit may be trusted.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Strength {
    /// Tells the model something; says nothing alone.
    Hint,
    /// Enough to ask.
    Likely,
    /// Enough to refuse.
    Sure,
}

/// One rule: sentences in the language of [`Pattern`], and what must be caught and left.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: &'static str,
    pub(crate) strength: Strength,
    pub(crate) sentences: &'static [&'static str],
    /// Whether a "not" right before a sentence turns it round.
    pub(crate) can_be_negated: bool,
    /// Marks that are no words; see [`marks`].
    pub(crate) marks: &'static [&'static str],
    #[cfg_attr(not(test), expect(dead_code, reason = "examples run as tests"))]
    pub(crate) caught: &'static [&'static str],
    #[cfg_attr(not(test), expect(dead_code, reason = "examples run as tests"))]
    pub(crate) left: &'static [&'static str],
}

pub(crate) const RULES: [&Rule; 21] = [
    &override_idiom::RULE,
    &bypass::RULE,
    &role_marker::RULE,
    &false_turn::RULE,
    &closing_mark::RULE,
    &task_switch::RULE,
    &persona::RULE,
    &leak_prompt::RULE,
    &secrecy::RULE,
    &addressed::RULE,
    &tool_order::RULE,
    &standing_order::RULE,
    &exfiltrate::RULE,
    &leaky_address::RULE,
    &secret_out::RULE,
    &unbound::RULE,
    &plant_memory::RULE,
    &forget_all::RULE,
    &false_note::RULE,
    &false_audit::RULE,
    &decode_and_obey::RULE,
];

/// How far a rule of this name may be trusted; `None` for the model's own windows.
pub(crate) fn strength(id: &str) -> Option<Strength> {
    RULES.iter().find(|rule| rule.id == id).map(|rule| rule.strength)
}

/// A rule's hit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Match {
    pub(crate) rule: u8,
    /// The word that it starts with, or stands before.
    pub(crate) word: usize,
    /// Its first byte, and the one behind its last.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Match {
    pub(crate) fn rule(self) -> &'static Rule {
        marks::rule(self.rule)
    }
}

/// Collects all hits in a text, in the order of their words.
pub(crate) fn find(text: &str, seen: &Seen, tokens: &[Token], found: &mut Vec<Match>) {
    sentences(tokens, found);
    tags(text, seen.shapes, tokens, found);
    found.sort_by_key(|hit| hit.word);
}

/// Appends the hits of all sentences over the words of a text, in the order of their first words.
fn sentences(tokens: &[Token], found: &mut Vec<Match>) {
    patterns().each(tokens, |rule, first, last| {
        let start = tokens.get(first).map_or(0, |token| token.at as usize);
        let hit = Match { rule, word: first, start, end: tokens.get(last).map_or(start, |token| token.end()) };
        let is_negated = hit.rule().can_be_negated
            && tokens
                .get(first.saturating_sub(2)..first)
                .unwrap_or_default()
                .iter()
                .any(|token| token.class == Class::Not);
        if !is_negated && found.last().is_none_or(|last| (last.rule, last.word) != (rule, first)) {
            found.push(hit);
        }
    });
}

/// Appends the hits of all marks in a text, at the words that they stand before.
fn tags(text: &str, shapes: u16, tokens: &[Token], found: &mut Vec<Match>) {
    for (rule, range) in marks::find(text, shapes) {
        let word = tokens.partition_point(|token| (token.at as usize) < range.start);
        found.push(Match { rule, word: word.min(tokens.len().saturating_sub(1)), start: range.start, end: range.end });
    }
}

fn patterns() -> &'static Patterns {
    static BUILT: OnceLock<Patterns> = OnceLock::new();
    BUILT.get_or_init(|| {
        let all = RULES
            .iter()
            .zip(0_u8..)
            .flat_map(|(rule, at)| rule.sentences.iter().map(move |one| Pattern::parse(one, at)));
        Patterns::of(all.collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::split;

    fn is_caught(rule: &'static Rule, text: &str) -> bool {
        let mut tokens = Vec::new();
        let seen = split(text, &mut tokens);
        let mut found = Vec::new();
        find(text, &seen, &tokens, &mut found);
        found.iter().any(|hit| hit.rule().id == rule.id)
    }

    #[test]
    fn each_rule_catches_its_examples_and_leaves_the_others() {
        for rule in RULES {
            assert!(!rule.caught.is_empty() && !rule.left.is_empty(), "{}", rule.id);
            for text in rule.caught {
                assert!(is_caught(rule, text), "{} misses: {text}", rule.id);
            }
            for text in rule.left {
                assert!(!is_caught(rule, text), "{} takes: {text}", rule.id);
            }
        }
    }

    #[test]
    fn sentences_are_sound() {
        for rule in RULES {
            for sentence in rule.sentences {
                assert!(Pattern::parse(sentence, 0).is_sound(), "{}: {sentence}", rule.id);
                for name in sentence.split(['{', '}']).skip(1).step_by(2).flat_map(|names| names.split(',')) {
                    assert!(Class::named(name).is_some(), "{}: {name}", rule.id);
                }
            }
        }
    }
}
