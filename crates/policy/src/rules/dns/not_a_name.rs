//! What is no host name is never approved.

use creel_guard::{Action, Facts};

use super::resolved;
use crate::judge::Policy;
use crate::rule::{Finding, rule, shown};

rule! {
    /// The question is no host name: an address, a name that IDNA forbids, an empty label, an underscore. No entry can
    /// speak of it, so it is refused.
    "dns/not-a-name",
    to_agent: "this is no host name",
    how_to_allow: "nothing allows it: entries speak of host names",
    examples: [
        ("resolve A 127.1", "deny dns/not-a-name"),
        ("resolve A 2852039166", "deny dns/not-a-name"),
        ("resolve TXT _dmarc.a.test", "deny dns/not-a-name"),
        ("resolve A a..test", "deny dns/not-a-name"),
    ],
    judge: not_a_name,
}

fn not_a_name(action: &Action, _facts: &Facts, _policy: &Policy) -> Option<Finding> {
    let resolve = resolved(action)?;
    resolve.host.is_none().then(|| Finding::deny(format!("`{}` is no host name", shown(&resolve.name))))
}
