//! Judges what is on record again, and shows how a judgement came about.
//!
//! Owns [`replay`] and [`Policy::steps`]. Pure, like the rules. It never guesses: where a rule reads what records don't
//! hold (values of headers, bodies, counts of a rate), it says so. Called by `creel policy`.

use creel_guard::{Action, Deed, Facts, Judge as _, Judgement, Target};

use crate::condition::{Conditions, Credentials, Links};
use crate::docs::is_elsewhere;
use crate::judge::Policy;
use crate::rule::{Finding, Rule};
use crate::rules;

/// What a decision on record would be under another policy.
#[derive(Debug)]
pub enum Replayed {
    /// The same verdict; the rule may be another.
    Same,
    /// No policy decides it: a breaker, a person at the keyboard, the search for secrets.
    Elsewhere,
    /// The record does not hold all that the rules read; says what is missing.
    Untold(&'static str),
    /// Another verdict.
    Differs(Box<Judgement>),
}

/// What one rule says to an act.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// The rule.
    pub rule: &'static str,
    /// Its verdict (`allow`, `ask`, `deny`) and why; `None` when the act does not concern it.
    pub says: Option<(&'static str, String)>,
}

/// Rules that read values of headers or a body: a record holds only names, lengths and digests of them.
const READ_MORE: [&str; 10] = [
    "egress/deny-credential",
    "egress/deny-header",
    "egress/deny-content-type",
    "egress/deny-field",
    "egress/deny-operation",
    "egress/deny-link",
    "egress/deny-dns-over-https",
    "egress/deny-method-override",
    "egress/upgrade",
    "egress/bad-body",
];

/// Judges an act again that was judged `verdict` by `rule` then.
#[must_use]
pub fn replay(policy: &Policy, action: &Action, facts: &Facts, verdict: &str, rule: &str) -> Replayed {
    if is_elsewhere(rule) {
        return Replayed::Elsewhere;
    }
    let again = policy.judge(action, facts);
    if again.verdict.word() == verdict {
        return Replayed::Same;
    }
    if let Some(missing) = missing(policy, action, rule, again.rule.as_str()) {
        return Replayed::Untold(missing);
    }
    Replayed::Differs(Box::new(again))
}

fn missing(policy: &Policy, action: &Action, was: &str, would: &str) -> Option<&'static str> {
    let Deed::Send(send) = &action.deed else { return None };
    const VALUES: &str = "values of headers and bodies are not on record";
    if READ_MORE.contains(&was) || READ_MORE.contains(&would) {
        return Some(VALUES);
    }
    let entries = || policy.entries(&send.to).filter(|entry| entry.ports.contains(&send.port));
    if entries().any(|entry| reads_values(&entry.when)) {
        return Some(VALUES);
    }
    entries().any(|entry| entry.when.rate.is_some()).then_some("what was counted under another rate is not on record")
}

/// Destructured, so that a new condition has to be thought of here.
fn reads_values(when: &Conditions) -> bool {
    let Conditions {
        odd_paths: _,
        query: _,
        headers,
        content_types,
        max_body: _,
        rate: _,
        body,
        links,
        credentials,
        max_unseen: _,
        learn_until: _,
        ask: _,
        secret: _,
    } = when;
    !headers.is_empty()
        || content_types.is_some()
        || body.is_some()
        || *links == Links::Approved
        || *credentials == Credentials::None
}

impl Policy {
    /// What each rule of the act's door says to it, in the order in which they are asked. The first that says something
    /// decides.
    #[must_use]
    pub fn steps(&self, action: &Action, facts: &Facts) -> Vec<Step> {
        let door = rules::over(action, facts);
        let step = |rule: &Rule| {
            let says = (rule.judge)(action, facts, self).map(|finding| match finding {
                Finding::Allow { why, .. } => ("allow", why),
                Finding::Ask { why, .. } => ("ask", why),
                Finding::Deny { why, .. } => ("deny", why),
            });
            Step { rule: rule.doc.id, says }
        };
        door.in_order.iter().copied().chain([door.otherwise]).map(step).collect()
    }

    /// How many allow entries speak of this place.
    #[must_use]
    pub fn entries_of(&self, target: &Target) -> usize {
        self.entries(target).count()
    }
}

#[cfg(test)]
mod tests {
    use creel_guard::{HostName, Verdict};

    use super::*;
    use crate::config::{Config, EgressAllow};
    use crate::docs;
    use crate::examples;
    use crate::pattern::HostPattern;

    fn policy(entries: Vec<EgressAllow>) -> Policy {
        Policy::new(Config { egress_allow: entries, ..Config::default() })
    }

    fn entry(host: &str) -> EgressAllow {
        EgressAllow::new(HostPattern::parse(host).unwrap(), vec![443])
    }

    fn again(under: &Policy, act: &str, verdict: &str, rule: &str) -> Replayed {
        let (action, facts) = examples::made(under, act).unwrap();
        replay(under, &action, &facts, verdict, rule)
    }

    #[test]
    fn rules_that_read_more_exist() {
        READ_MORE.iter().for_each(|id| assert!(docs::explain(id).is_some(), "{id}"));
    }

    #[test]
    fn a_changed_policy_changes_what_it_changes() {
        let (open, shut) = (policy(vec![entry("a.test")]), policy(Vec::new()));
        let act = "send GET https://a.test/";
        assert!(matches!(again(&open, act, "allow", "egress/allow-approved"), Replayed::Same));
        let Replayed::Differs(judged) = again(&shut, act, "allow", "egress/allow-approved") else { panic!() };
        assert!(judged.rule.as_str() == "egress/not-approved" && matches!(judged.verdict, Verdict::Deny(_)));
        assert!(matches!(again(&open, act, "deny", "egress/not-approved"), Replayed::Differs(_)));
        assert!(matches!(again(&shut, act, "deny", "guard/breaker-open"), Replayed::Elsewhere));
    }

    #[test]
    fn what_is_not_on_record_is_not_guessed() {
        let open = policy(vec![entry("a.test")]);
        let act = "send GET https://a.test/";
        // the header that was refused then has no value any more
        assert!(matches!(again(&open, act, "deny", "egress/deny-credential"), Replayed::Untold(_)));
        let headed = EgressAllow {
            when: Conditions { content_types: Some(vec!["text/plain".to_owned()]), ..Conditions::default() },
            ..entry("a.test")
        };
        let post = "send POST https://a.test/ body 5";
        assert!(matches!(again(&policy(vec![headed]), post, "allow", "egress/allow-approved"), Replayed::Untold(_)));
    }

    #[test]
    fn steps_stand_in_order_and_end_with_the_default() {
        let open = policy(vec![entry("a.test")]);
        let (action, facts) = examples::made(&open, "send GET https://b.test/").unwrap();
        let steps = open.steps(&action, &facts);
        let first = steps.iter().find(|step| step.says.is_some()).unwrap();
        assert_eq!((first.rule, first.says.as_ref().unwrap().0), ("egress/not-approved", "deny"));
        assert_eq!(steps.last().unwrap().rule, "egress/default-deny");
        assert_eq!(open.entries_of(&Target::Host(HostName::parse("a.test").unwrap())), 1);
    }
}
