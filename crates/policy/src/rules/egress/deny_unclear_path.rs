//! A path that two servers could read in two ways goes nowhere.

use creel_guard::{Action, CleanPath, Facts, Oddities};

use super::ends_at;
use crate::judge::Policy;
use crate::rule::{Finding, rule, sent};
use crate::stage::Stage;

rule! {
    /// One form of the path is judged, and that very form is sent: escapes decoded once where that changes no meaning. What
    /// servers are known to read differently is refused: dot segments in any spelling, a backslash, control characters and
    /// broken escapes always; an encoded slash, `;`, `//`, an encoded percent sign and an encoded `?` or `#` unless the entry
    /// says so (`odd_paths`). An entry without `paths` leaves encoded slashes alone: it has no condition that they could get
    /// around, and package managers send them.
    "egress/deny-unclear-path",
    to_agent: "this path can be read in two ways; write it plainly",
    how_to_allow: "the client must send the path in its plain form, or add what it holds to `odd_paths` in the host's entry",
    examples: [
        ("send GET https://api.test/v1/../admin", "deny egress/deny-unclear-path"),
        ("send GET https://api.test/v1/..%2fadmin", "deny egress/deny-unclear-path"),
        ("send GET https://api.test/v1/%252e%252e/admin", "deny egress/deny-unclear-path"),
        ("send GET https://api.test/v1/a%2fb", "deny egress/deny-unclear-path"),
        ("send GET https://api.test/v1/a;b=1", "deny egress/deny-unclear-path"),
        ("send GET https://api.test/v1//a", "deny egress/deny-unclear-path"),
        ("send GET https://api.test/v1/\\\\admin", "deny egress/deny-unclear-path"),
        ("send GET https://a.test/a/..;/b", "deny egress/deny-unclear-path"),
        ("send GET https://a.test/a%252eb", "deny egress/deny-unclear-path"),
        ("send GET https://a.test/@scope%2fname", "allow egress/allow-approved"),
        ("send GET https://odd.test/a;b//c", "allow egress/allow-approved"),
        ("send GET https://odd.test/a%2fb", "deny egress/deny-unclear-path"),
        ("send GET https://odd.test/a;b/../c", "deny egress/deny-unclear-path"),
    ],
    ends_at: Stage::ClearPath,
    judge: deny_unclear_path,
}

fn deny_unclear_path(action: &Action, facts: &Facts, policy: &Policy) -> Option<Finding> {
    let send = sent(action)?;
    if !ends_at(policy, send, facts, Stage::ClearPath) {
        return None;
    }
    let why = match CleanPath::parse(&send.path) {
        Ok(path) => format!("it holds `{}`", path.odd().first_outside(Oddities::default()).unwrap_or("what is odd")),
        Err(unclear) => unclear.to_string(),
    };
    Some(Finding::deny(format!("the path can't be judged: {why}")))
}
