//! Where a provider's models are listed, no other one is asked.

use creel_guard::{Action, Facts};

use super::{prompted, provider};
use crate::judge::Policy;
use crate::rule::{Finding, rule, shown};

rule! {
    /// The provider's entry lists its models, and the request names another one.
    "model/unknown-model",
    to_agent: "this model is not approved; ask your operator",
    how_to_allow: "name the model in `[model]`",
    examples: [
        ("prompt openai gpt-5-pro", "deny model/unknown-model"),
        ("prompt openai at 1.1.1.1", "deny model/unknown-model"),
        ("prompt scripted anything", "allow model/allow-provider"),
    ],
    judge: unknown_model,
}

fn unknown_model(action: &Action, _facts: &Facts, policy: &Policy) -> Option<Finding> {
    let model = &prompted(action)?.model;
    let models = provider(action, policy)?.models.as_ref()?;
    (!models.contains(model))
        .then(|| Finding::deny(format!("the model `{}` is not among the provider's", shown(model))))
}
