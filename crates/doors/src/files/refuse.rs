//! A refusal of what has happened already: it is undone.
//!
//! Owns which refusals mean that. Called by the door.

use creel_guard::Refusal;

/// The rule that has a change undone; another's refusal is a record alone.
const UNDO: &str = "files/undo-change";

pub(super) fn wants_undo(refusal: &Refusal) -> bool {
    refusal.rule.as_str() == UNDO
}
