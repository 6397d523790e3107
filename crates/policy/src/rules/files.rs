//! The rules of the files door, in order.
//!
//! Owns the list. What is judged has happened already, in places that are the agent's own: a refusal here is one that the door
//! carries out by putting back what stood there.

mod allow_inside;
mod default_deny;
mod undo_change;

use creel_guard::{Action, Actor, Deed, Touch};

use super::DoorRules;

pub(super) static RULES: DoorRules =
    DoorRules { in_order: &[&undo_change::RULE, &allow_inside::RULE], otherwise: &default_deny::RULE };

/// A file that something in the jail touched.
fn touched(action: &Action) -> Option<&Touch> {
    match (&action.deed, &action.actor) {
        (Deed::Touch(touch), Actor::Agent) => Some(touch),
        _ => None,
    }
}
