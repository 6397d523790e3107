//! A prompt to a configured provider passes, with our credential.

use creel_guard::{Action, Facts, Inject, Obligations};

use super::provider;
use crate::judge::Policy;
use crate::rule::{Finding, rule};

rule! {
    /// The request goes to a configured provider. Every credential that the agent sent is taken off, and the
    /// provider's own is put in outside the jail.
    "model/allow-provider",
    to_agent: "allowed",
    how_to_allow: "it is allowed; change `[model]` to stop it",
    examples: [
        ("prompt openai gpt-5 at 1.1.1.1", "allow model/allow-provider"),
        ("prompt scripted scripted-1", "allow model/allow-provider"),
    ],
    judge: allow_provider,
}

fn allow_provider(action: &Action, _facts: &Facts, policy: &Policy) -> Option<Finding> {
    let provider = provider(action, policy)?;
    let inject = provider.secret.clone().map(|secret| Inject { secret, skill: None, slot: None });
    let obligations = Obligations { inject, ..Obligations::default() };
    Some(Finding::Allow { why: format!("the provider `{}` is configured", provider.name), obligations })
}
