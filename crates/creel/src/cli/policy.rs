//! `creel policy`: what the rules of a configuration allow, and what they answer to an act.
//!
//! Owns the command's words. It judges off-line by the very rules of the doors, with what an act says of itself or what is
//! on record of it for facts; it resolves nothing, sends nothing and records nothing.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use creel_guard::Verdict;
use creel_policy::{Policy, examples};
use serde::Serialize;

use crate::cli::{USAGE, out};
use crate::config::Config;
use crate::escape::one_line;
use crate::provider::Provider;

mod entry;
mod permit;
mod replay;
mod suggest;

use entry::Entry;

/// Show what a configuration allows; try acts, or what is on record, against it off-line.
#[derive(Debug, Args)]
pub(crate) struct PolicyCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Every entry, with the profile that it comes from.
    Show(Show),
    /// What the rules answer to acts: `send GET https://api.github.com/repos/acme/site`, `resolve A example.com`.
    Test(Test),
    /// Whether a configuration is whole, and how much it opens.
    Check(Check),
    /// What the operator's own rules (`[policy] rules`) can speak of: the schema, in Cedar's form.
    Schema,
    /// The rule that lifts a question on record for good.
    Permit(permit::Permit),
    /// How an answer comes about: what each rule says to an act, or to one on record.
    Explain(replay::Explain),
    /// What would have been answered to all that is on record (code 1 when anything differs).
    Replay(replay::Replay),
    /// The narrowest entries for what was allowed, or refused.
    Suggest(suggest::Suggest),
}

#[derive(Debug, Args)]
struct Show {
    #[command(flatten)]
    of: Of,
    /// Only entries that name this host.
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
}

#[derive(Debug, Args)]
struct Test {
    #[command(flatten)]
    of: Of,
    /// The acts, each as one argument, in the language of docs/rules.md.
    #[arg(required = true)]
    acts: Vec<String>,
}

/// Which configuration.
#[derive(Debug, Args)]
struct Of {
    /// The configuration; without, ./creel.toml if it is there, else the defaults.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON, a line each.
    #[arg(long)]
    json: bool,
}

/// Read a configuration as `creel up` would, and say what it opens.
#[derive(Debug, Args)]
struct Check {
    #[command(flatten)]
    of: Of,
}

impl Of {
    fn policy(&self) -> Result<Policy, String> {
        let config = self.load()?;
        let provider = config.provider(&|_| true).unwrap_or_else(|_| Provider::scripted());
        Ok(Policy::new(config.policy(1, &provider, crate::run::own_addresses())))
    }

    fn load(&self) -> Result<Config, String> {
        let path = self.config.clone().or_else(|| Some(PathBuf::from("creel.toml")).filter(|path| path.exists()));
        Config::of(path.as_deref()).map_err(|report| report.to_string())
    }
}

impl PolicyCommand {
    pub(crate) fn run(self) -> ExitCode {
        let done = match self.what {
            What::Show(show) => show.run().map(|()| ExitCode::SUCCESS),
            What::Test(test) => test.run().map(|()| ExitCode::SUCCESS),
            What::Check(check) => check.run().map(|()| ExitCode::SUCCESS),
            What::Schema => {
                out::text(creel_policy::OPERATOR_SCHEMA);
                Ok(ExitCode::SUCCESS)
            }
            What::Permit(permit) => permit.run(),
            What::Explain(explain) => explain.run(),
            What::Replay(replay) => replay.run(),
            What::Suggest(suggest) => suggest.run(),
        };
        match done {
            Ok(code) => code,
            Err(why) => out::fail(USAGE, why),
        }
    }
}

impl Show {
    fn run(self) -> Result<(), String> {
        let config = self.of.load()?;
        let target = self.host.as_deref().map(entry::target).transpose()?;
        let named = config.entries().filter(|(allow, _)| target.as_ref().is_none_or(|to| allow.host.covers(to)));
        let entries: Vec<Entry> = named.map(|(allow, profile)| Entry::of(allow, profile)).collect();
        for entry in &entries {
            if self.of.json { out::json(entry) } else { out::text(entry) }
        }
        if entries.is_empty() && !self.of.json {
            out::line("no entry: nothing leaves");
        }
        Ok(())
    }
}

/// What a configuration opens.
#[derive(Debug, Serialize)]
struct Opens {
    ok: bool,
    entries: usize,
    /// Entries of which Creel can't tell whose account is used.
    accounts: Vec<String>,
    /// The operator's own rules: id, verdict, file.
    rules: Vec<(String, &'static str, String)>,
}

impl Check {
    fn run(self) -> Result<(), String> {
        let policy = self.of.policy()?;
        let entries = &policy.config().egress_allow;
        let leaks = entries.iter().filter_map(|entry| Some(format!("{}: {}", entry.host, entry.leak()?)));
        let rules = policy.config().operator.rules();
        let rules = rules.map(|rule| (rule.id.clone(), rule.verdict, rule.file.clone()));
        let opens = Opens { ok: true, entries: entries.len(), accounts: leaks.collect(), rules: rules.collect() };
        if self.of.json {
            out::json(&opens);
            return Ok(());
        }
        out::line(format_args!("the configuration is whole: {} entries let something leave", opens.entries));
        for line in &opens.accounts {
            out::line(format_args!("  {}", one_line(line)));
        }
        for (id, verdict, file) in &opens.rules {
            out::line(format_args!("  operator/{id}: {verdict}, in `{}`", one_line(file)));
        }
        Ok(())
    }
}

/// What the rules answer.
#[derive(Debug, Serialize)]
struct Answer {
    act: String,
    verdict: &'static str,
    rule: String,
    why: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_allow: Option<String>,
}

impl Test {
    fn run(self) -> Result<(), String> {
        let policy = self.of.policy()?;
        for act in &self.acts {
            let answer = answer(&policy, act)?;
            if self.of.json {
                out::json(&answer);
                continue;
            }
            let Answer { act, verdict, rule, why, to_allow } = answer;
            out::line(format_args!("{verdict} {rule}: {}\n    {}", one_line(&act), one_line(&why)));
            for line in to_allow.iter().flat_map(|text| text.lines()) {
                out::line(format_args!("    {line}"));
            }
        }
        Ok(())
    }
}

fn answer(policy: &Policy, act: &str) -> Result<Answer, String> {
    let judgement = examples::judge(policy, act).map_err(|why| format!("`{}`: {why}", one_line(act)))?;
    let verdict = judgement.verdict.word();
    let to_allow = match judgement.verdict {
        Verdict::Deny(refusal) => refusal.to_ledger.strip_prefix(&judgement.why).map(|rest| {
            let rest = rest.trim_start_matches("; ");
            if rest.starts_with("to allow it") { rest.to_owned() } else { format!("to allow it: {rest}") }
        }),
        Verdict::Allow(_) | Verdict::Ask(_) => None,
    };
    Ok(Answer { act: act.to_owned(), verdict, rule: judgement.rule.to_string(), why: judgement.why, to_allow })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "[egress]\nprofiles = [\"github owner=acme\"]\n[[egress.allow]]\nhost = \"in.test\"\n\
                        address = \"127.0.0.1\"\nmethods = [\"GET\"]\nrate = \"5/minute\"\n";

    fn config() -> Config {
        Config::again("c".as_ref(), FILE, &[]).unwrap()
    }

    #[test]
    fn an_entry_is_shown_with_its_profile_and_conditions() {
        let config = config();
        let shown: Vec<String> =
            config.entries().map(|(allow, profile)| Entry::of(allow, profile).to_string()).collect();
        let own = "in.test:443\n    address       127.0.0.1\n    methods       GET\n    rate          5 in 60 s\n";
        assert_eq!(shown[0], own);
        assert!(shown[1].starts_with("github.com:443  by the profile `github owner=acme`\n"), "{}", shown[1]);
        assert!(shown.iter().any(|text| text.contains("ask           a person decides")));
    }

    #[test]
    fn an_act_is_answered_with_what_would_allow_it() {
        let provider = Provider::scripted();
        let policy = Policy::new(config().policy(1, &provider, Vec::new()));
        let check = |act: &str, verdict: &str, to_allow: Option<&str>| {
            let answer = answer(&policy, act).unwrap();
            assert_eq!(format!("{} {}", answer.verdict, answer.rule), verdict, "{act}");
            let said = answer.to_allow.unwrap_or_default();
            assert!(to_allow.map_or(said.is_empty(), |words| said.contains(words)), "{act}: {said}");
        };
        check("send GET https://in.test/ spent 0", "allow egress/allow-approved", None);
        check("send GET https://in.test/ at 10.0.0.1", "deny egress/deny-closed-range", Some("address = \"10.0.0.1\""));
        check("send GET https://evil.test/", "deny egress/not-approved", Some("host = \"evil.test\""));
        check("send GET https://api.github.com/repos/acme/site", "allow egress/allow-approved", None);
        check(
            "send PUT https://api.github.com/repos/acme/site/pulls/7/merge says {\"merge_method\":\"squash\"}",
            "ask egress/ask-entry",
            None,
        );
        assert!(answer(&policy, "fly away").is_err());
    }
}
