//! The rules of the egress door, in order.
//!
//! Owns the list. What is wrong with the bytes comes first, then where they would go, then how. The order matters
//! where a later rule relies on an earlier one: `allow-approved` only says yes to what everything before let pass.

mod allow_approved;
mod bad_request;
mod bad_tls;
mod default_deny;
mod deny_closed_range;
mod deny_method;
mod deny_path;
mod deny_plain_http;
mod deny_provider_host;
mod deny_scheme;
mod deny_tunnel_shape;
mod deny_unclear_path;
mod deny_unpinned;
mod deny_unresolved;
mod host_mismatch;
mod not_approved;
mod not_http;
mod planted_socket;
mod sni_mismatch;
mod unassigned_address;
mod unknown_flaw;
mod upgrade;

use std::net::IpAddr;

use creel_guard::{Facts, Send};

use super::DoorRules;
use crate::canonical::canonical_path;
use crate::config::EgressAllow;
use crate::judge::Policy;

pub(super) static RULES: DoorRules = DoorRules {
    in_order: &[
        &sni_mismatch::RULE,
        &host_mismatch::RULE,
        &upgrade::RULE,
        &not_http::RULE,
        &bad_request::RULE,
        &bad_tls::RULE,
        &unassigned_address::RULE,
        &planted_socket::RULE,
        &unknown_flaw::RULE,
        &deny_provider_host::RULE,
        &not_approved::RULE,
        &deny_tunnel_shape::RULE,
        &deny_unresolved::RULE,
        &deny_closed_range::RULE,
        &deny_unpinned::RULE,
        &deny_scheme::RULE,
        &deny_plain_http::RULE,
        &deny_method::RULE,
        &deny_unclear_path::RULE,
        &deny_path::RULE,
        &allow_approved::RULE,
    ],
    otherwise: &default_deny::RULE,
};

/// The entries that speak of this host and port.
fn entries<'a>(policy: &'a Policy, send: &'a Send) -> impl Iterator<Item = &'a EgressAllow> {
    policy.entries(&send.to).filter(|entry| entry.ports.contains(&send.port))
}

/// Of those, the ones whose conditions on scheme and method hold too.
fn entries_for_method<'a>(policy: &'a Policy, send: &'a Send) -> impl Iterator<Item = &'a EgressAllow> {
    entries(policy, send).filter(|entry| allows_scheme(entry, send)).filter(|entry| allows_method(entry, send))
}

/// TLS always; unencrypted HTTP on port 80 and where the entry says so.
fn allows_scheme(entry: &EgressAllow, send: &Send) -> bool {
    send.scheme == "https" || (send.scheme == "http" && (entry.http || send.port == 80))
}

fn allows_method(entry: &EgressAllow, send: &Send) -> bool {
    match (&entry.methods, &send.method) {
        (None, _) => true,
        (Some(methods), Some(method)) => methods.contains(method),
        (Some(_), None) => false,
    }
}

fn allows_path(entry: &EgressAllow, send: &Send) -> bool {
    let Some(globs) = &entry.paths else { return true };
    canonical_path(&send.path).is_ok_and(|path| globs.iter().any(|glob| glob.covers(&path)))
}

/// Whether an entry that pins an address pins the ones that were judged.
fn allows_addresses(entry: &EgressAllow, facts: &Facts) -> bool {
    let pinned = |pin: IpAddr| facts.addresses.iter().all(|address| address.to_canonical() == pin.to_canonical());
    entry.address.is_none_or(pinned)
}
