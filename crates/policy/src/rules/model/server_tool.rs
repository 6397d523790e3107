//! A flaw that the model door finds in the bytes: `server-tool`.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, flawed, rule};

rule! {
    /// The request has the provider run something itself: web search, fetching, code, a remote MCP server. What it does
    /// there passes no door.
    "model/server-tool",
    to_agent: "tools that run at the model provider are not possible here",
    how_to_allow: "nothing allows it in this edition of Creel",
    examples: [("prompt scripted scripted-1 flaw server-tool", "deny model/server-tool")],
    judge: server_tool,
}

fn server_tool(_action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    flawed(facts, "server-tool", "the provider would run something for the request")
}
