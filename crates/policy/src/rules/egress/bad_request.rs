//! A flaw that the egress door finds in the bytes: `bad-request`.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, flawed, rule};

rule! {
    /// The request can be read in two ways or breaks HTTP's grammar (two lengths, folded lines, bare line ends): what
    /// was judged here might not be what the upstream reads (request smuggling, RFC 9112, section 11.2).
    "egress/bad-request",
    to_agent: "the request breaks HTTP's grammar",
    how_to_allow: "nothing allows it: the client must send a well-formed request",
    examples: [("send GET https://a.test/ flaw bad-request", "deny egress/bad-request")],
    judge: bad_request,
}

fn bad_request(_action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    flawed(facts, "bad-request", "the request breaks HTTP's grammar")
}
