//! `[approvals]`: who may answer, and which questions take two.
//!
//! Owns what of the section makes no sense together. Part of the second pass.

use std::net::SocketAddr;
use std::time::Duration;

use creel_guard::Target;
use creel_policy::{Operator, rule_docs};

use super::{Checker, short};
use crate::config::approvals::RawApprovals;
use crate::config::size::Placed;
use crate::config::{Approvals, Page};

impl Checker<'_> {
    pub(super) fn approvals(&mut self, raw: RawApprovals, operator: &Operator) -> Approvals {
        let RawApprovals { wait, keep, grant, per_hour, people, two, listen, url } = raw;
        let seconds = |value: &Placed<u64>| Duration::from_secs(value.value);
        let two = self.two(&two.value, operator);
        Approvals {
            wait: seconds(&wait),
            keep: seconds(&keep),
            grant: seconds(&grant),
            per_hour: usize::try_from(per_hour.value).unwrap_or(usize::MAX),
            people: people.value.iter().filter_map(|user| u32::try_from(user.value).ok()).collect(),
            two,
            page: self.page(listen, url),
        }
    }

    fn page(&mut self, listen: Option<Placed<String>>, url: Option<Placed<String>>) -> Option<Page> {
        let (listen, url) = match (listen, url) {
            (None, None) => return None,
            (None, Some(url)) => {
                let help = "say `listen = \"127.0.0.1:7979\"`, for instance";
                self.fault(url.span, "`approvals.url` leads to no page", help);
                return None;
            }
            (Some(listen), url) => (listen, url),
        };
        let Some(at) = listen.value.parse::<SocketAddr>().ok().filter(|at| at.port() != 0) else {
            let what = format!("`approvals.listen` can't be `{}`", short(&listen.value));
            self.fault(listen.span, what, "legal is an IP address and a port, for instance `127.0.0.1:7979`");
            return None;
        };
        let url = url.unwrap_or(Placed { value: format!("http://{at}"), span: listen.span });
        let parsed = match super::model::parse(&url.value) {
            Ok(parsed) if parsed.path.is_empty() => parsed,
            other => {
                let why = other.err().unwrap_or("it has a path");
                let what = format!("`approvals.url` can't be `{}`: {why}", short(&url.value));
                self.fault(url.span, what, "for instance `https://creel.example.com`");
                return None;
            }
        };
        let own = matches!(&parsed.host, Target::Address(address) if address.is_loopback());
        if !parsed.tls && !own {
            let what = "links would carry the right to answer in the clear";
            let help = "put a server with TLS in front of the page and say its `url = \"https://…\"`; plain `http` is for this machine";
            self.fault(url.span, what, help);
            return None;
        }
        Some(Page { listen: at, url: url.value.trim_end_matches('/').to_owned(), host: parsed.host })
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
            ("listen = \"localhost:7979\"", "legal is an IP address and a port"),
            ("listen = \"127.0.0.1:0\"", "legal is an IP address and a port"),
            ("url = \"https://creel.test\"", "leads to no page"),
            ("listen = \"192.0.2.1:7979\"", "in the clear"),
            ("listen = \"127.0.0.1:7979\"\nurl = \"http://creel.test\"", "in the clear"),
            ("listen = \"127.0.0.1:7979\"\nurl = \"https://creel.test/a\"", "it has a path"),
        ] {
            let text = format!("[approvals]\n{line}\n[policy]\nrules = [\"house.cedar\"]\n");
            let told = read(&text).unwrap_err();
            assert!(told.contains(why), "{line}: {told}");
        }
    }

    const LINKED: &str = "[approvals]\nlisten = \"127.0.0.1:7979\"\nurl = \"https://creel.test/\"\npeople = [1001]\n\
        [[alerts]]\nurl = \"https://chat.test/hook\"\nanswers_as = 1001\n";

    #[test]
    fn links_go_to_people_where_the_agent_can_not_go() {
        let page = read(LINKED).unwrap().page.unwrap();
        assert_eq!((page.listen.to_string().as_str(), page.url.as_str()), ("127.0.0.1:7979", "https://creel.test"));
        let own = read("[approvals]\nlisten = \"[::1]:7979\"\n").unwrap().page.unwrap();
        assert_eq!(own.url, "http://[::1]:7979");
        assert!(read(&LINKED.replace("answers_as = 1001", "answers_as = 0")).is_ok());
        assert!(read(&LINKED.replace("answers_as = 1001", "answers_as = 7")).unwrap_err().contains("may not answer"));
        assert!(
            read("[[alerts]]\nurl = \"https://chat.test/\"\nanswers_as = 0\n").unwrap_err().contains("needs a page")
        );
        let entry = |lines: &str| read(&format!("{LINKED}[[egress.allow]]\n{lines}\n"));
        for (lines, why) in [
            ("host = \"chat.test\"", "where links that answer are sent"),
            ("host = \"*.test\"", "reach the page"),
            ("host = \"creel.test\"\nports = [8443]", "reach the page"),
            ("host = \"a.example\"\naddress = \"127.0.0.1\"\nports = [7979]", "reach the page"),
        ] {
            let told = entry(lines).unwrap_err();
            assert!(told.contains(why), "{lines}: {told}");
        }
        assert!(entry("host = \"a.example\"\naddress = \"127.0.0.1\"\nports = [8080]").is_ok());
        let provider = "[model]\nprovider = \"openai\"\nmodel = \"m\"\nbase_url = \"https://chat.test/v1\"\n";
        assert!(read(&format!("{LINKED}{provider}")).unwrap_err().contains("model's provider"));
    }

    #[test]
    fn a_reload_can_not_open_the_way_to_links_that_are_in_use() {
        let config = |text: &str| Config::again("c".as_ref(), text, &[]).unwrap();
        let fresh = config("[[egress.allow]]\nhost = \"chat.test\"\n");
        assert_eq!(fresh.own_answers(), None);
        assert!(config(LINKED).with_rules_of(fresh).0.own_answers().is_some_and(|why| why.contains("chat.test")));
    }
}
