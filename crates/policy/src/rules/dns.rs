//! The rules of the DNS door, in order.
//!
//! Owns the list. Never lets a name travel upstream: an approved one is answered with a synthetic address.

mod allow_approved;
mod bad_message;
mod default_deny;
mod deny_tunnel_shape;
mod names_full;
mod not_a_name;
mod not_approved;
mod unknown_flaw;

use creel_guard::{Action, Deed, Resolve};

use super::DoorRules;

pub(super) static RULES: DoorRules = DoorRules {
    in_order: &[
        &bad_message::RULE,
        &names_full::RULE,
        &unknown_flaw::RULE,
        &not_a_name::RULE,
        &not_approved::RULE,
        &deny_tunnel_shape::RULE,
        &allow_approved::RULE,
    ],
    otherwise: &default_deny::RULE,
};

fn resolved(action: &Action) -> Option<&Resolve> {
    match &action.deed {
        Deed::Resolve(resolve) => Some(resolve),
        _ => None,
    }
}
