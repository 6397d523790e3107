//! A provider's name may not lead into a closed range.

use creel_guard::{Action, Facts};

use super::provider;
use crate::judge::Policy;
use crate::ranges::{closed, never};
use crate::rule::{Finding, rule};

rule! {
    /// One of the provider's addresses lies in a closed range, as at the egress door (`egress/deny-closed-range`): the
    /// prompt and the key would go to a machine inside. Only the exact `address` in `[model]` opens one.
    "model/deny-closed-range",
    to_agent: "the model provider can't be reached; ask your operator",
    how_to_allow: "pin the exact address with `address = \"…\"` in `[model]`; nothing opens link-local and metadata \
                   addresses",
    examples: [
        ("prompt openai gpt-5 at 10.0.0.1", "deny model/deny-closed-range"),
        ("prompt openai gpt-5 at 1.1.1.1,::1", "deny model/deny-closed-range"),
        ("prompt openai gpt-5 at 93.184.215.99", "deny model/deny-closed-range"),
    ],
    judge: deny_closed_range,
}

fn deny_closed_range(action: &Action, facts: &Facts, policy: &Policy) -> Option<Finding> {
    let pin = provider(action, policy)?.address.map(|pin| pin.to_canonical());
    facts.addresses.iter().find_map(|address| {
        if let Some(why) = never(*address) {
            return Some(Finding::deny(format!("`{address}` is {why}, which nothing opens")));
        }
        let canonical = address.to_canonical();
        let own = policy.config().own_addresses.iter().any(|own| own.to_canonical() == canonical);
        let why = if own { Some("an address of this host") } else { closed(*address) }?;
        (pin != Some(canonical)).then(|| Finding::deny(format!("the provider leads to `{address}`, which is {why}")))
    })
}
