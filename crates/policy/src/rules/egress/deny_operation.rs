//! What a declared body does is on the entry's list.

use creel_guard::{Action, Facts};

use super::ends_at;
use crate::declared;
use crate::judge::Policy;
use crate::rule::{Finding, rule, sent, shown};
use crate::stage::Stage;

rule! {
    /// The entries for this host declare the form of the body (`body`), and an operation in it is not in `operations`, or the
    /// body is none of that form. GraphQL operations are named by their kind and each field at their root, whatever alias or
    /// fragment it hides behind; JSON-RPC calls by their method, and by tool for MCP. Each part of a batch counts.
    "egress/deny-operation",
    to_agent: "this destination takes other operations alone; ask your operator to allow it",
    how_to_allow: "add the operation to `operations` in the host's entry",
    examples: [
        (r#"send POST https://graph.test/graphql says {"query":"{viewer{login}}"}"#, "allow egress/allow-approved"),
        (r#"send POST https://graph.test/graphql says {"query":"query viewer{evil{id}}"}"#, "deny egress/deny-operation"),
        (r#"send POST https://graph.test/graphql says {"query":"{viewer:evil{id}}"}"#, "deny egress/deny-operation"),
        (r#"send POST https://graph.test/graphql says {"query":"mutation{viewer{id}}"}"#, "deny egress/deny-operation"),
        (r#"send POST https://graph.test/graphql says [{"query":"{viewer{id}}"},{"query":"mutation{evil}"}]"#, "deny egress/deny-operation"),
        (r#"send POST https://graph.test/graphql says {"extensions":{"persistedQuery":{"sha256Hash":"00"}}}"#, "deny egress/deny-operation"),
        ("send GET https://graph.test/graphql?query={evil}", "deny egress/deny-operation"),
        (r#"send POST https://mcp.test/mcp says {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search"}}"#, "allow egress/allow-approved"),
        (r#"send POST https://mcp.test/mcp says {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete"}}"#, "deny egress/deny-operation"),
        (r#"send POST https://mcp.test/mcp says [{"jsonrpc":"2.0","id":1,"method":"tools/list"},{"jsonrpc":"2.0","id":2,"method":"x"}]"#, "deny egress/deny-operation"),
    ],
    ends_at: Stage::Operation,
    judge: deny_operation,
}

fn deny_operation(action: &Action, facts: &Facts, policy: &Policy) -> Option<Finding> {
    let send = sent(action)?;
    if !ends_at(policy, send, facts, Stage::Operation) {
        return None;
    }
    let found = match send.content.as_ref().map(declared::operations) {
        Some(Ok(found)) => format!("`{}`", shown(&found.join("`, `"))),
        Some(Err(why)) => why.to_owned(),
        None => "there is no body to judge".to_owned(),
    };
    Some(Finding::deny(format!("no entry for `{}` allows what the body does: {found}", send.to)))
}
