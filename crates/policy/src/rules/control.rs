//! The rules of the control door, in order.
//!
//! Owns the list. Never lets the agent in: that rule stands first.

mod agent_never;
mod allow_creel;
mod allow_person;
mod default_deny;
mod unknown_flaw;

use super::DoorRules;

pub(super) static RULES: DoorRules = DoorRules {
    in_order: &[&agent_never::RULE, &unknown_flaw::RULE, &allow_person::RULE, &allow_creel::RULE],
    otherwise: &default_deny::RULE,
};
