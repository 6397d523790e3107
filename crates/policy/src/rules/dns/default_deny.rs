//! What the dns door says when no rule of it has anything to say.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, rule};

rule! {
    /// No rule allows this act at the DNS door, so it may not be done. Only look-ups belong there.
    "dns/default-deny",
    to_agent: "nothing allows this; ask your operator",
    how_to_allow: "nothing allows it: the DNS door takes look-ups alone",
    examples: [("at dns send GET https://a.test/", "deny dns/default-deny")],
    judge: default_deny,
}

/// Runs last, by way of the door's list, when no other rule spoke.
fn default_deny(action: &Action, _facts: &Facts, _policy: &Policy) -> Option<Finding> {
    Some(Finding::deny(format!("no rule of this door allows a `{}`", action.deed.verb())))
}
