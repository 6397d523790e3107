//! `[approvals]`: who may answer, and which questions take two.
//!
//! Owns what of the section makes no sense together. Part of the second pass.

use std::time::Duration;

use creel_policy::{Operator, rule_docs};

use super::{Checker, short};
use crate::config::Approvals;
use crate::config::approvals::RawApprovals;
use crate::config::size::Placed;

impl Checker<'_> {
    pub(super) fn approvals(&mut self, raw: RawApprovals, operator: &Operator) -> Approvals {
        let RawApprovals { wait, keep, grant, per_hour, people, two } = raw;
        let seconds = |value: &Placed<u64>| Duration::from_secs(value.value);
        let two = self.two(&two.value, operator);
        Approvals {
            wait: seconds(&wait),
            keep: seconds(&keep),
            grant: seconds(&grant),
            per_hour: usize::try_from(per_hour.value).unwrap_or(usize::MAX),
            people: people.value.iter().filter_map(|user| u32::try_from(user.value).ok()).collect(),
            two,
        }
    }

    fn two(&mut self, ids: &[Placed<String>], operator: &Operator) -> Vec<String> {
        for id in ids {
            let own = |own: &str| operator.rules().any(|rule| rule.id == own && rule.verdict == "ask");
            let asks = match id.value.strip_prefix("operator/") {
                Some(name) => own(name),
                None => rule_docs().any(|rule| rule.id == id.value && rule.asks()),
            };
            if !asks {
                let what = format!("`approvals.two` can't hold `{}`: no rule of that id asks", short(&id.value));
                self.fault(
                    id.span.clone(),
                    what,
                    "docs/rules.md lists those that do, for instance `model/ask-high-risk`",
                );
            }
        }
        ids.iter().map(|id| id.value.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Approvals, Config};

    fn read(lines: &str) -> Result<Approvals, String> {
        let rules = [("house.cedar".into(), HOUSE.to_owned())];
        let config = Config::again("c".as_ref(), lines, &rules);
        config.map(|config| config.approvals().clone()).map_err(|report| report.to_string())
    }

    const HOUSE: &str = r#"@id("pay") @verdict("ask") forbid(principal, action, resource is Creel::Tool);
        @id("never") forbid(principal, action, resource is Creel::Program);"#;

    #[test]
    fn who_may_answer_and_what_takes_two() {
        let plain = read("").unwrap();
        assert_eq!((plain.per_hour, plain.people.len(), plain.two.len()), (30, 0, 0));
        let lines = "[approvals]\nper_hour = 5\npeople = [1001, 1002]\ntwo = [\"exec/ask-command\", \"operator/pay\"]\n\
            [policy]\nrules = [\"house.cedar\"]\n";
        let full = read(lines).unwrap();
        assert_eq!((full.per_hour, full.people.as_slice()), (5, [1001, 1002].as_slice()));
        assert_eq!(full.two, ["exec/ask-command", "operator/pay"]);
        for (line, why) in [
            ("two = [\"exec/deny-command\"]", "no rule of that id asks"),
            ("two = [\"operator/never\"]", "no rule of that id asks"),
            ("two = [\"operator/none\"]", "no rule of that id asks"),
            ("people = [0]", "whole numbers from 1"),
            // users of jails
            ("people = [1879048192]", "whole numbers from 1"),
            ("people = [\"anna\"]", "whole numbers from 1"),
        ] {
            let text = format!("[approvals]\n{line}\n[policy]\nrules = [\"house.cedar\"]\n");
            let told = read(&text).unwrap_err();
            assert!(told.contains(why), "{line}: {told}");
        }
    }
}
