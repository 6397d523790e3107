//! One case: a conversation, the calls that the model proposes next, a verdict for each.
//!
//! Owns the form of a line. A call is judged after everything before it: the messages, and each earlier call that was
//! allowed with its result. Keys that it does not know are never looked at.

use creel_guard::{Action, Actor, Call, Deed, Door, Facts, Judge, Judgement};
use creel_provenance::{Conversation, Turn, chat};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Bench;

/// A line as it comes.
#[derive(Deserialize)]
struct Case {
    #[serde(default)]
    id: Value,
    messages: Vec<Value>,
    proposed: Vec<Proposed>,
}

/// A call; whatever else stands beside it is not read.
#[derive(Deserialize)]
struct Proposed {
    name: String,
    #[serde(default)]
    arguments: Value,
    #[serde(default)]
    result: Value,
}

/// A line as it goes.
#[derive(Serialize)]
pub(crate) struct Answer {
    id: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdicts: Option<Vec<Told>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

#[derive(Serialize)]
struct Told {
    verdict: &'static str,
    rule: String,
    why: String,
}

/// Judges a line; `None` for one that is too long to be read.
pub(crate) fn answer(bench: &Bench, line: Option<&[u8]>, number: u64) -> Answer {
    let fault = |id: Value, why: String| Answer { id, verdicts: None, error: Some(format!("line {number}: {why}")) };
    let Some(line) = line else { return fault(Value::Null, "it is too long".to_owned()) };
    let case: Case = match serde_json::from_slice(line) {
        Ok(case) => case,
        Err(error) => {
            let whole = serde_json::from_slice::<Value>(line).ok();
            let id = whole.and_then(|value| value.get("id").cloned()).unwrap_or_default();
            return fault(id, error.to_string());
        }
    };
    match judged(bench, &case) {
        Ok(verdicts) => Answer { id: case.id, verdicts: Some(verdicts), error: None },
        Err(why) => fault(case.id, why),
    }
}

fn judged(bench: &Bench, case: &Case) -> Result<Vec<Told>, String> {
    let mut talk = Conversation::default();
    bench.contacts.iter().for_each(|contact| talk.operator(contact));
    talk.hear(chat::turns(&case.messages)?, &bench.tools);
    Ok(case.proposed.iter().enumerate().map(|(at, call)| next(bench, &mut talk, at, call)).collect())
}

/// Judges the next call and goes on as if it had been carried out or refused.
fn next(bench: &Bench, talk: &mut Conversation, at: usize, proposed: &Proposed) -> Told {
    let read = chat::arguments(Some(&proposed.arguments));
    let arguments = read.clone().unwrap_or_default();
    let facts = Facts {
        flaw: read.is_err().then(|| "bad-arguments".to_owned()),
        call: Some(Box::new(creel_provenance::facts(talk, &bench.tools, &proposed.name, &arguments))),
        ..Facts::default()
    };
    let call = Call {
        tool: proposed.name.clone(),
        arguments: Value::Object(arguments.clone()).to_string(),
        call_id: String::new(),
    };
    let action =
        Action { tenant: bench.tenant.clone(), actor: Actor::Agent, door: Door::Model, deed: Deed::Call(call) };
    let Judgement { verdict, rule, why, generation: _ } = bench.policy.judge(&action, &facts);
    let verdict = verdict.word();
    if verdict == "allow" {
        let id = format!("proposed {at}");
        let mut turns = vec![Turn::Call { id: id.clone(), tool: proposed.name.clone(), arguments }];
        let text = match &proposed.result {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        turns.extend(text.map(|text| Turn::Result { id, tool: None, text }));
        talk.hear(turns, &bench.tools);
    } else {
        talk.refused();
    }
    Told { verdict, rule: rule.to_string(), why }
}

#[cfg(test)]
mod tests;
