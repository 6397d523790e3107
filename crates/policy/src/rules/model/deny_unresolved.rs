//! No prompt goes to a host whose addresses were not judged.

use creel_guard::{Action, Facts};

use super::provider;
use crate::judge::Policy;
use crate::rule::{Finding, rule};

rule! {
    /// The provider has a host, and no address of it was judged: then there is none that may be connected to.
    "model/deny-unresolved",
    to_agent: "the model provider has no address at the moment; try again later",
    how_to_allow: "see that the host's own resolver knows the provider's name",
    examples: [("prompt openai gpt-5 at nowhere", "deny model/deny-unresolved")],
    judge: deny_unresolved,
}

fn deny_unresolved(action: &Action, facts: &Facts, policy: &Policy) -> Option<Finding> {
    let host = provider(action, policy)?.host.as_ref()?;
    facts.addresses.is_empty().then(|| Finding::deny(format!("no address of `{host}` was judged")))
}
