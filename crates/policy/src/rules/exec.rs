//! The rules of the exec door, in order.
//!
//! Owns the list. What is judged is the program that the kernel is asked to start, with its real arguments; the jail holds
//! whatever runs, so these rules narrow and never widen what it may do.

mod allow_inside;
mod argv_changed;
mod ask_command;
mod default_deny;
mod deny_command;
mod not_listed;
mod unknown_flaw;

use creel_guard::{Action, Actor, Deed, Run};

use super::DoorRules;

pub(super) static RULES: DoorRules = DoorRules {
    in_order: &[
        &argv_changed::RULE,
        &unknown_flaw::RULE,
        &deny_command::RULE,
        &not_listed::RULE,
        &ask_command::RULE,
        &allow_inside::RULE,
    ],
    otherwise: &default_deny::RULE,
};

/// A program that the agent starts.
fn run(action: &Action) -> Option<&Run> {
    match (&action.deed, &action.actor) {
        (Deed::Run(run), Actor::Agent) => Some(run),
        _ => None,
    }
}
