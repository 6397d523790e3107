//! A model provider's host is reached by the model door alone.

use creel_guard::{Action, Facts, Target};

use crate::judge::Policy;
use crate::rule::{Finding, rule, sent};

rule! {
    /// A model provider's host is reached by the model door alone, even when an entry names it: past the model door
    /// nobody would judge the tool calls, and a stranger's key would make the provider a dead drop.
    "egress/deny-provider-host",
    to_agent: "the model is reached by the model endpoint alone",
    how_to_allow: "nothing allows it while this host is the configured model provider",
    examples: [
        ("send POST https://model.test/v1/files body 9", "deny egress/deny-provider-host"),
        ("send GET https://model.test:8443/", "deny egress/deny-provider-host"),
    ],
    judge: deny_provider_host,
}

fn deny_provider_host(action: &Action, _facts: &Facts, policy: &Policy) -> Option<Finding> {
    let Target::Host(host) = &sent(action)?.to else { return None };
    let provider = policy.config().model.providers.iter().find(|provider| provider.host.as_ref() == Some(host))?;
    Some(Finding::deny(format!("`{host}` is the host of the model provider `{}`", provider.name)))
}
