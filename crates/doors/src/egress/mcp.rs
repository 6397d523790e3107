//! Tool calls on their way to a server of tools (MCP over HTTP).
//!
//! Owns the reading of a declared JSON-RPC body as calls of tools: each is an act of its own, judged by the rules that the
//! model's calls are judged by. A call that the model proposed and that was let pass covers the one that is equal to it, once;
//! of any other nothing is known but its name, so that nobody ordered it. It never decides. Called by [`super::Egress`] once a
//! request that was let out.

use creel_guard::{
    Action, Actor, Call, CallFacts, Content, Deed, Door, Facts, Form, Guard, Obligations, Outcome, Receipt, Refusal,
    RuleId, Tenant,
};
use creel_provenance::{Conversation, Tools};
use serde_json::{Map, Value};

/// Calls in one batch; more are refused.
const MOST_CALLS: usize = 16;

/// The calls in a body that was read; none in what is no JSON-RPC. The policy has refused what is malformed.
pub(super) fn calls(content: Option<&Content>) -> Vec<Call> {
    let Some(content) = content.filter(|content| content.form == Form::JsonRpc) else { return Vec::new() };
    match content.value.as_ref() {
        Value::Array(batch) => batch.iter().filter_map(call).collect(),
        one => call(one).into_iter().collect(),
    }
}

fn call(request: &Value) -> Option<Call> {
    if request.get("method")?.as_str()? != "tools/call" {
        return None;
    }
    let params = request.get("params")?;
    let tool = params.get("name")?.as_str()?.to_owned();
    let arguments = params.get("arguments").cloned().unwrap_or_else(|| Value::Object(Map::new()));
    Some(Call { tool, arguments: arguments.to_string(), call_id: String::new() })
}

/// Has each call judged that none of the model's covers. Their receipts are settled when the request is under way.
pub(super) async fn admit(guard: &Guard, tenant: &Tenant, calls: Vec<Call>) -> Result<Vec<Receipt>, Refusal> {
    if calls.len() > MOST_CALLS {
        return Err(unmet("there are too many calls in one request"));
    }
    let mut receipts = Vec::new();
    for call in calls {
        if guard.call_that_covers(&call.tool, &call.arguments).is_some() {
            continue;
        }
        match one(guard, tenant, call).await {
            Ok(receipt) => receipts.push(receipt),
            Err(refusal) => {
                let told = |receipt: Receipt| receipt.settle(Outcome::failed("another call of its batch was refused"));
                receipts.into_iter().for_each(told);
                return Err(refusal);
            }
        }
    }
    Ok(receipts)
}

async fn one(guard: &Guard, tenant: &Tenant, call: Call) -> Result<Receipt, Refusal> {
    let facts = Facts { call: Some(Box::new(known(&call))), ..Facts::default() };
    let bytes = call.arguments.len() as u64;
    let action = Action { tenant: tenant.clone(), actor: Actor::Agent, door: Door::Egress, deed: Deed::Call(call) };
    let (Obligations { inject, swaps, scrub: _, max_bytes, deadline_ms: _ }, receipt) =
        guard.admit(action, facts).await?.redeem();
    if inject.is_none() && swaps.is_empty() && max_bytes.is_none_or(|max| bytes <= max) {
        return Ok(receipt);
    }
    let refusal = unmet("what is owed for a call can't be met here");
    receipt.settle(Outcome::failed(refusal.to_ledger.clone()));
    Err(refusal)
}

/// A call that no conversation is known of. The tool is the server's, whatever Creel's own profile says of that name.
fn known(call: &Call) -> CallFacts {
    let mut talk = Conversation::default();
    talk.taint();
    let arguments = match serde_json::from_str(&call.arguments) {
        Ok(Value::Object(map)) => map,
        Ok(other) => Map::from_iter([("input".to_owned(), other)]),
        Err(_) => Map::new(),
    };
    creel_provenance::facts(&talk, &Tools::default(), &call.tool, &arguments)
}

fn unmet(why: &str) -> Refusal {
    Refusal::new(RuleId::new("model/not-carried-out"), "it can't be done; ask your operator", why)
}

#[cfg(test)]
mod tests {
    use creel_guard::CallClass;
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Vec<(String, String)> {
        let content = Content::new(Form::JsonRpc, value, String::new());
        calls(Some(&content)).into_iter().map(|call| (call.tool, call.arguments)).collect()
    }

    fn rpc(tool: &str, arguments: &Value) -> Value {
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool, "arguments": arguments } })
    }

    #[test]
    fn each_call_of_a_batch_is_seen_and_nothing_else() {
        let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
        let batch = json!([rpc("a", &json!({ "x": 1 })), list, rpc("b", &json!({}))]);
        let two = [("a".to_owned(), r#"{"x":1}"#.to_owned()), ("b".to_owned(), "{}".to_owned())];
        assert_eq!(read(batch), two);
        assert_eq!(read(list), []);
        let bare = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "a" } });
        assert_eq!(read(bare), [("a".to_owned(), "{}".to_owned())]);
        let other = Content::new(Form::Json, rpc("a", &json!({})), String::new());
        assert!(calls(Some(&other)).is_empty() && calls(None).is_empty());
    }

    #[test]
    fn of_a_call_that_nobody_proposed_only_the_name_is_known() {
        let known = |tool: &str| {
            let facts = known(&Call {
                tool: tool.to_owned(),
                arguments: "{\"to\":\"a@b.test\"}".to_owned(),
                call_id: String::new(),
            });
            (facts.class, facts.declared, facts.untrusted)
        };
        assert_eq!(known("send_mail"), (CallClass::Send, false, true));
        assert_eq!(known("list_files"), (CallClass::Read, false, true));
        // OpenClaw's own tool of this name works in the jail; a server's does not.
        assert_eq!(known("exec").0, CallClass::Execute);
    }
}
