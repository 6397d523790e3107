//! The rules of the model door, in order.
//!
//! Owns the list. Prompts on their way out are judged by provider, model and address, tool calls on their way in by
//! the tool's name, then by what is known of them: what kind of act it is, who ordered it, where its values stem from.

mod allow_call;
mod allow_contained;
mod allow_look_up;
mod allow_ordered;
mod allow_provider;
mod ask_after_refusal;
mod ask_definition;
mod ask_high_risk;
mod ask_repetition;
mod ask_rule_of_two;
mod ask_sign;
mod ask_source;
mod ask_tool;
mod ask_unordered;
mod bad_arguments;
mod bad_request;
mod bad_schema;
mod call_as_text;
mod call_too_large;
mod default_deny;
mod deny_closed_range;
mod deny_tool;
mod deny_unresolved;
mod known_value;
mod server_tool;
mod stored_state;
mod too_large;
mod unknown_content;
mod unknown_endpoint;
mod unknown_flaw;
mod unknown_key;
mod unknown_model;
mod unknown_provider;
mod unknown_tool;
mod url_source;

use creel_guard::{Action, Call, CallFacts, Deed, Facts, Obligations, Prompt, Question};

use super::DoorRules;
use crate::config::ModelProvider;
use crate::judge::Policy;
use crate::rule::{Finding, shown};

pub(super) static RULES: DoorRules = DoorRules {
    in_order: &[
        &bad_arguments::RULE,
        &bad_request::RULE,
        &call_too_large::RULE,
        &known_value::RULE,
        &server_tool::RULE,
        &stored_state::RULE,
        &too_large::RULE,
        &unknown_content::RULE,
        &unknown_endpoint::RULE,
        &unknown_key::RULE,
        &unknown_tool::RULE,
        &call_as_text::RULE,
        &url_source::RULE,
        &unknown_flaw::RULE,
        &unknown_provider::RULE,
        &unknown_model::RULE,
        &deny_unresolved::RULE,
        &deny_closed_range::RULE,
        &allow_provider::RULE,
        &deny_tool::RULE,
        &bad_schema::RULE,
        &ask_tool::RULE,
        &ask_definition::RULE,
        &ask_repetition::RULE,
        &allow_look_up::RULE,
        &ask_sign::RULE,
        &ask_source::RULE,
        &ask_rule_of_two::RULE,
        &ask_unordered::RULE,
        &ask_after_refusal::RULE,
        &ask_high_risk::RULE,
        &allow_contained::RULE,
        &allow_ordered::RULE,
        &allow_call::RULE,
    ],
    otherwise: &default_deny::RULE,
};

fn prompted(action: &Action) -> Option<&Prompt> {
    match &action.deed {
        Deed::Prompt(prompt) => Some(prompt),
        _ => None,
    }
}

fn provider<'a>(action: &Action, policy: &'a Policy) -> Option<&'a ModelProvider> {
    policy.provider(&prompted(action)?.provider)
}

fn called(action: &Action) -> Option<&Call> {
    match &action.deed {
        Deed::Call(call) => Some(call),
        _ => None,
    }
}

fn lists(tools: &[String], call: &Call) -> bool {
    tools.iter().any(|tool| tool.trim().eq_ignore_ascii_case(call.tool.trim()))
}

/// A call of which something is known.
fn known<'a>(action: &'a Action, facts: &'a Facts) -> Option<(&'a Call, &'a CallFacts)> {
    Some((called(action)?, facts.call.as_deref()?))
}

/// Asks a person: the exact call, why it is asked, and the untrusted passages that its values stem from.
fn question(call: &Call, known: &CallFacts, why: String) -> Finding {
    let mut text = format!("The model wants to call {} with {}. Asked because {why}.", call.tool, call.arguments);
    for argument in &known.arguments {
        if let Some(passage) = &argument.passage {
            text.push_str(&format!("\n`{}` comes from: {}", shown(&argument.value), shown(passage)));
        }
    }
    Finding::Ask { why, question: Question::new(text, Obligations::default()) }
}
