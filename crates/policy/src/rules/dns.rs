//! The rules of the DNS door, in order.
//!
//! Owns the list. Never lets a name travel upstream: an approved one is answered with a synthetic address.

mod allow_approved;
mod bad_message;
mod default_deny;
mod deny_name_budget;
mod deny_tunnel_shape;
mod names_full;
mod not_a_name;
mod not_approved;
mod unknown_flaw;

use creel_guard::{Action, Deed, Needs, Resolve};

use super::{DoorRules, tunnel};
use crate::judge::Policy;

pub(super) static RULES: DoorRules = DoorRules {
    in_order: &[
        &bad_message::RULE,
        &names_full::RULE,
        &unknown_flaw::RULE,
        &not_a_name::RULE,
        &not_approved::RULE,
        &deny_tunnel_shape::RULE,
        &deny_name_budget::RULE,
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

/// A name below a wildcard is judged by how many others there were.
pub(super) fn needs(action: &Action, policy: &Policy) -> Needs {
    let host = resolved(action).and_then(|resolve| resolve.host.as_ref());
    Needs { below: host.and_then(|host| tunnel::wildcard(policy, host)).cloned(), ..Needs::default() }
}
