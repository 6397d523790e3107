//! Only a configured provider is asked.

use creel_guard::{Action, Facts};

use super::prompted;
use crate::judge::Policy;
use crate::rule::{Finding, rule, shown};

rule! {
    /// The request is for a model provider that `creel.toml` does not configure.
    "model/unknown-provider",
    to_agent: "no such model provider is configured; ask your operator",
    how_to_allow: "configure the provider in `[model]`",
    examples: [("prompt acme gpt-5", "deny model/unknown-provider")],
    judge: unknown_provider,
}

fn unknown_provider(action: &Action, _facts: &Facts, policy: &Policy) -> Option<Finding> {
    let name = &prompted(action)?.provider;
    policy.provider(name).is_none().then(|| Finding::deny(format!("no provider `{}` is configured", shown(name))))
}
