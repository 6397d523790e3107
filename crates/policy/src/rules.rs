//! The doors' rules, each door's in its written order.
//!
//! Owns the lists. A rule's id names its file and its function: `egress/deny-closed-range` is `deny_closed_range` in
//! `rules/egress/deny_closed_range.rs`. Read by [`crate::Policy`] and by the rules' page.

use creel_guard::{Action, Deed, Door, Facts, Needs};

use crate::judge::Policy;
use crate::rule::Rule;
use crate::stage::Stage;

mod control;
mod dns;
mod egress;
mod exec;
mod files;
mod ingress;
mod model;
mod tunnel;

/// A door's rules: the first that has something to say decides, `otherwise` when none has.
pub(crate) struct DoorRules {
    pub(crate) in_order: &'static [&'static Rule],
    pub(crate) otherwise: &'static Rule,
}

/// The rules of this door.
pub(crate) fn of(door: Door) -> &'static DoorRules {
    match door {
        Door::Control => &control::RULES,
        Door::Dns => &dns::RULES,
        Door::Egress => &egress::RULES,
        Door::Exec => &exec::RULES,
        Door::Files => &files::RULES,
        Door::Ingress => &ingress::RULES,
        Door::Model => &model::RULES,
    }
}

/// The rules that judge this act: those of its door, but that a call of a tool of which something is known is one also where
/// it leaves for the tool's server.
pub(crate) fn over(action: &Action, facts: &Facts) -> &'static DoorRules {
    match (action.door, &action.deed) {
        (Door::Egress, Deed::Call(_)) if facts.call.is_some() => of(Door::Model),
        (door, _) => of(door),
    }
}

/// The first condition of the egress door's entries that none of them gets past.
pub(crate) fn first_unmet(action: &Action, facts: &Facts, policy: &Policy) -> Option<Stage> {
    egress::first_unmet(action, facts, policy)
}

/// What must be found out before the rules of its door can judge this act.
pub(crate) fn needs(action: &Action, policy: &Policy) -> Needs {
    match action.door {
        Door::Dns => dns::needs(action, policy),
        Door::Egress => egress::needs(action, policy),
        Door::Control | Door::Exec | Door::Files | Door::Ingress | Door::Model => Needs::default(),
    }
}
