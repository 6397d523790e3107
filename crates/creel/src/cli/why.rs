//! `creel why`: a refusal explained.
//!
//! Owns the command's words. It reads the record and the rule's own text; it changes nothing.

use std::process::ExitCode;

use clap::Args;
use creel_guard::HostName;

use crate::cli::{USAGE, Where, log, out};
use crate::config::Profile;
use crate::escape::{for_terminal, one_line};

/// Explain a refusal and how a person can allow it.
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// The record's number, as a refusal or `creel log` shows it (`17` or `creel:record:17`), or a rule's name.
    id: String,
    /// Whose ledger.
    #[arg(long, default_value = "default")]
    tenant: String,
    #[command(flatten)]
    place: Where,
}

impl Why {
    pub(crate) fn run(self) -> ExitCode {
        if let Some(rule) = creel_policy::explain(&self.id) {
            out::line(format_args!("{}\n{}\nto allow it: {}", rule.id, rule.summary, rule.how_to_allow));
            return ExitCode::SUCCESS;
        }
        let bare = self.id.strip_prefix("creel:record:").unwrap_or(&self.id);
        let Ok(seq) = bare.parse::<u64>() else {
            return out::fail(USAGE, format_args!("`{}` is neither a record's number nor a rule", one_line(&self.id)));
        };
        let found = log::ledgers(&self.place.site(None), Some(&self.tenant)).and_then(|folders| {
            let folder = folders.first().ok_or_else(|| std::io::Error::other("there is no ledger"))?;
            let first = creel_ledger::first_kept(folder).map_err(std::io::Error::other)?;
            if (1..first).contains(&seq) {
                return Err(std::io::Error::other(creel_ledger::Error::NotKept { record: seq, first }));
            }
            let mut lines = creel_ledger::read(folder).map_err(std::io::Error::other)?;
            let found = lines.find(|line| line.as_ref().map_or(true, |line| line.seq == seq));
            found.transpose().map_err(std::io::Error::other)
        });
        let line = match found {
            Ok(Some(line)) => line,
            Ok(None) => return out::fail(USAGE, format_args!("there is no record {seq} of `{}`", self.tenant)),
            Err(error) => return out::fail(USAGE, error),
        };
        out::line(format_args!(
            "{} {} wanted to {}: {}\n{} by `{}`: {}",
            line.time,
            line.actor,
            line.deed,
            one_line(&line.target),
            line.verdict,
            line.rule,
            for_terminal(&line.why)
        ));
        if let Some(rule) = creel_policy::explain(&line.rule) {
            out::line(format_args!("{}\nto allow it: {}", rule.summary, rule.how_to_allow));
        }
        if line.verdict == "deny" {
            for profile in host_of(&line.target).iter().flat_map(Profile::speaking_of) {
                let name = profile.name;
                out::line(format_args!(
                    "the profile `{name}` opens parts of this host: see `creel profiles show {name}`"
                ));
            }
        }
        ExitCode::SUCCESS
    }
}

/// The host that a look-up or a request is about, as a record's target names it: `NAME TYPE`, or `METHOD scheme://NAME…`.
fn host_of(target: &str) -> Option<HostName> {
    let rest = target.split_once("://").map_or(target, |(_, rest)| rest);
    HostName::parse(rest.split([' ', '/', ':', '?']).next()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_host_is_one_that_profiles_speak_of() {
        let names = |target: &str| {
            let host = host_of(target);
            host.iter().flat_map(Profile::speaking_of).map(|profile| profile.name).collect::<Vec<_>>()
        };
        assert_eq!(names("GET https://api.github.com:443/repos/x"), ["github"]);
        assert_eq!(names("api.stripe.com AAAA"), ["stripe", "stripe-with-questions"]);
        assert_eq!(names("- tcp://wss-primary.slack.com:443"), ["slack"]);
        assert!(names("GET https://en.wikipedia.org/").is_empty() && names("GET https://[::1]:443/").is_empty());
    }
}
