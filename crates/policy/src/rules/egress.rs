//! The rules of the egress door, in order.
//!
//! Owns the list. What is wrong with the bytes comes first, then where they would go, then how. The order matters
//! where a later rule relies on an earlier one: `allow-approved` and `allow-connect` say yes to what everything before let pass.

mod allow_approved;
mod allow_connect;
mod allow_learning;
mod ask_entry;
mod ask_unseen;
mod bad_body;
mod bad_request;
mod bad_tls;
mod default_deny;
mod deny_body_size;
mod deny_closed_range;
mod deny_content_type;
mod deny_credential;
mod deny_dns_over_https;
mod deny_field;
mod deny_header;
mod deny_link;
mod deny_method;
mod deny_method_override;
mod deny_mode;
mod deny_name_budget;
mod deny_operation;
mod deny_path;
mod deny_period;
mod deny_placeholder;
mod deny_plain_http;
mod deny_provider_host;
mod deny_query;
mod deny_rate;
mod deny_scheme;
mod deny_tunnel_shape;
mod deny_unclear_path;
mod deny_unpinned;
mod deny_unresolved;
mod deny_websocket;
mod host_mismatch;
mod not_approved;
mod not_http;
mod packed_body;
mod planted_socket;
mod sni_mismatch;
mod unassigned_address;
mod unknown_flaw;
mod upgrade;

use creel_guard::{Action, Facts, Form, Needs, Obligations, Question, Send, Slot, Target};

use super::{DoorRules, tunnel};
use crate::config::EgressAllow;
use crate::judge::Policy;
use crate::rule::{Finding, sent};
use crate::stage::{HEAD, Stage, meets};

pub(super) static RULES: DoorRules = DoorRules {
    in_order: &[
        &sni_mismatch::RULE,
        &host_mismatch::RULE,
        &upgrade::RULE,
        &not_http::RULE,
        &bad_request::RULE,
        &bad_body::RULE,
        &packed_body::RULE,
        &bad_tls::RULE,
        &unassigned_address::RULE,
        &planted_socket::RULE,
        &unknown_flaw::RULE,
        &deny_provider_host::RULE,
        &not_approved::RULE,
        &deny_tunnel_shape::RULE,
        &deny_name_budget::RULE,
        &allow_connect::RULE,
        &deny_unresolved::RULE,
        &deny_closed_range::RULE,
        &deny_unpinned::RULE,
        &deny_scheme::RULE,
        &deny_websocket::RULE,
        &deny_mode::RULE,
        &deny_plain_http::RULE,
        &deny_dns_over_https::RULE,
        &deny_method::RULE,
        &deny_method_override::RULE,
        &deny_unclear_path::RULE,
        &deny_path::RULE,
        &deny_query::RULE,
        &deny_header::RULE,
        &deny_content_type::RULE,
        &deny_body_size::RULE,
        &deny_operation::RULE,
        &deny_field::RULE,
        &deny_link::RULE,
        &deny_placeholder::RULE,
        &deny_credential::RULE,
        &deny_rate::RULE,
        &deny_period::RULE,
        &ask_unseen::RULE,
        &ask_entry::RULE,
        &allow_approved::RULE,
        &allow_learning::RULE,
    ],
    otherwise: &default_deny::RULE,
};

/// The entries that speak of this host and port.
fn entries<'a>(policy: &'a Policy, send: &'a Send) -> impl Iterator<Item = &'a EgressAllow> {
    placed(policy, send).map(|(_, entry)| entry)
}

fn placed<'a>(policy: &'a Policy, send: &'a Send) -> impl Iterator<Item = (usize, &'a EgressAllow)> {
    policy.placed(&send.to).filter(|(_, entry)| entry.ports.contains(&send.port))
}

/// Of those, the ones whose conditions hold up to and including this one.
fn passing<'a>(
    policy: &'a Policy,
    send: &'a Send,
    facts: &'a Facts,
    through: Stage,
) -> impl Iterator<Item = &'a EgressAllow> {
    let holds = move |place, entry| {
        Stage::ALL
            .iter()
            .take_while(|stage| **stage <= through)
            .all(|stage| meets(*stage, entry, send, facts, policy, policy.rate(place)))
    };
    placed(policy, send).filter(move |(place, entry)| holds(*place, entry)).map(|(_, entry)| entry)
}

/// The entries that let the request pass, of which each question has to be met by one; where any of them was written for good, none by
/// which Creel learns: within its bound a narrower entry asks all the same.
fn deciding<'a>(policy: &'a Policy, send: &'a Send, facts: &'a Facts) -> impl Iterator<Item = &'a EgressAllow> {
    let for_good = |entry: &&EgressAllow| entry.when.learn_until.is_none();
    let settled = passing(policy, send, facts, Stage::Period).any(|entry| for_good(&entry));
    passing(policy, send, facts, Stage::Period).filter(move |entry| !settled || for_good(entry))
}

/// Whether the condition at `stage` is the first that no entry meets: then its rule speaks.
fn ends_at(policy: &Policy, send: &Send, facts: &Facts, stage: Stage) -> bool {
    passing(policy, send, facts, stage).next().is_none()
}

/// The first condition that no entry gets past; `None` when one meets them all. Where none speaks of the place it is the first.
pub(super) fn first_unmet(action: &Action, facts: &Facts, policy: &Policy) -> Option<Stage> {
    let send = sent(action)?;
    let mut furthest = Stage::Address;
    for (place, entry) in placed(policy, send) {
        let unmet = |stage: &Stage| !meets(*stage, entry, send, facts, policy, policy.rate(place));
        furthest = furthest.max(Stage::ALL.into_iter().find(unmet)?);
    }
    Some(furthest)
}

/// What an entry makes an allowed request owe: its own secret, and those whose placeholders stood in it, which
/// `egress/deny-placeholder` has let pass.
fn owed(entry: &EgressAllow, send: &Send, facts: &Facts, policy: &Policy) -> Obligations {
    Obligations {
        max_bytes: entry.when.max_body,
        inject: entry.when.secret.clone(),
        swaps: facts.placeholders.clone(),
        // What one request stores there another could fetch.
        scrub: entry.when.secret.is_some() || policy.config().secrets.iter().any(|place| place.is_at(send)),
        deadline_ms: None,
    }
}

/// A question about a request that `entry` would allow. It shows the body that was read, nothing elided.
fn asked(why: String, send: &Send, owed: Obligations) -> Finding {
    let body = send.content.as_ref().map_or_else(String::new, |content| format!("\nits body: {}", content.text));
    let length = send.body.map_or_else(|| "of unknown length".to_owned(), |bytes| format!("of {bytes} bytes"));
    let text = format!("{send} with a body {length}: {why}{body}");
    Finding::Ask { why, question: Question::new(text, owed) }
}

/// What must be found out before a request can be judged: the form of its body, and how often there were such ones.
pub(super) fn needs(action: &Action, policy: &Policy) -> Needs {
    let mut needs = Needs::default();
    let Some(send) = sent(action) else { return needs };
    if let Target::Host(host) = &send.to {
        needs.below = tunnel::wildcard(policy, host).cloned();
    }
    let facts = Facts::default();
    for (place, entry) in placed(policy, send) {
        let rate = policy.rate(place);
        if !HEAD.iter().all(|stage| meets(*stage, entry, send, &facts, policy, rate)) {
            continue;
        }
        needs.rates.extend(rate);
        needs.clock |= entry.when.learn_until.is_some();
        if let (Some(declared), None) = (&entry.when.body, needs.form) {
            needs.form = Some(declared.form);
        }
    }
    if needs.form.is_none() {
        needs.form =
            policy.config().secrets.iter().filter(|place| place.takes(send)).find_map(|place| match place.slot {
                Slot::Json(_) => Some(Form::Json),
                Slot::Form(_) => Some(Form::Urlencoded),
                _ => None,
            });
    }
    needs
}
