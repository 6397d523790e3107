//! The rules of the model door, in order.
//!
//! Owns the list. Prompts on their way out are judged by provider, model and address, tool calls on their way in by
//! the tool's name.

mod allow_call;
mod allow_provider;
mod ask_tool;
mod bad_arguments;
mod bad_request;
mod call_as_text;
mod call_too_large;
mod default_deny;
mod deny_closed_range;
mod deny_tool;
mod deny_unresolved;
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

use creel_guard::{Action, Call, Deed, Prompt};

use super::DoorRules;
use crate::config::ModelProvider;
use crate::judge::Policy;

pub(super) static RULES: DoorRules = DoorRules {
    in_order: &[
        &bad_arguments::RULE,
        &bad_request::RULE,
        &call_too_large::RULE,
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
        &ask_tool::RULE,
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
