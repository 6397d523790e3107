//! `creel secret uses`: what a secret was used for.
//!
//! Owns which records speak of it. It reads the ledger's files; it needs no running Creel. `creel secret` calls it.

use std::process::ExitCode;

use creel_guard::{Inject, Tenant};
use creel_ledger::LogLine;
use creel_secrets::SecretName;

use crate::cli::{FINDING, log, out};
use crate::escape::one_line;
use crate::site::Site;

/// Tells of each.
pub(super) fn tell(site: &Site, tenant: &Tenant, name: &SecretName, json: bool) -> Result<ExitCode, ExitCode> {
    let failed = |error: &dyn std::fmt::Display| out::fail(FINDING, error);
    let folders = log::ledgers(site, Some(tenant.as_str())).map_err(|error| failed(&error))?;
    let mut whole = true;
    for folder in folders {
        log::tell_beginning(&folder);
        let lines = match creel_ledger::read(&folder) {
            Ok(lines) => lines,
            Err(creel_ledger::Error::NoLedger(_)) => continue,
            Err(error) => return Err(failed(&error)),
        };
        for line in lines {
            match line {
                Ok(line) if speaks_of(&line, name.as_str()) && json => out::json(&line),
                Ok(line) if speaks_of(&line, name.as_str()) => out::line(shown(&line, name.as_str())),
                Ok(_) => {}
                Err(error) => {
                    whole = false;
                    out::note(format_args!("creel: {error}"));
                }
            }
        }
    }
    if whole {
        Ok(ExitCode::SUCCESS)
    } else {
        Err(failed(&"not everything could be told; `creel ledger verify` says more"))
    }
}

fn speaks_of(line: &LogLine, name: &str) -> bool {
    let exchanged = line.deed == "administer"
        && line
            .target
            .split_once(' ')
            .is_some_and(|(act, what)| act.starts_with("secret-") && what.split(':').next() == Some(name));
    exchanged || line.secrets.iter().any(|secret| secret.secret == name)
}

fn shown(line: &LogLine, name: &str) -> String {
    let place = |secret: &Inject| {
        let skill = secret.skill.as_ref().map(|skill| format!("skill {}", one_line(skill)));
        let slot = secret.slot.as_ref().map(|slot| format!("in {}", one_line(&slot.to_string())));
        [skill, slot].into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    let places: Vec<String> = line.secrets.iter().filter(|secret| secret.secret == name).map(place).collect();
    let places = if places.join("").is_empty() { String::new() } else { format!("  ({})", places.join(", ")) };
    let target: String = one_line(&line.target).chars().take(200).collect();
    format!("{} {:>6} {:<10} {:<9} {target}{places}  [{}]", line.time, line.seq, line.actor, line.outcome, line.rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(deed: &str, target: &str, secrets: &str) -> LogLine {
        let text = format!(
            r#"{{"seq":7,"id":7,"time":"t","tenant":"main","actor":"agent","door":"egress","deed":"{deed}","target":"{target}",
            "verdict":"allow","rule":"r","why":"","outcome":"done","boot_ms":5,"secrets":{secrets}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn uses_tries_and_exchanges_are_told_and_nothing_else() {
        let used = line("send", "GET https://a.test/", r#"[{"secret":"T","skill":"crm"}]"#);
        assert!(speaks_of(&used, "T") && !speaks_of(&used, "U"));
        assert_eq!(shown(&used, "T"), "t      7 agent      done      GET https://a.test/  (skill crm)  [r]");
        let exchanged = line("administer", "secret-rotate T", "[]");
        assert!(speaks_of(&exchanged, "T") && !speaks_of(&exchanged, "U"));
        assert_eq!(shown(&exchanged, "T"), "t      7 agent      done      secret-rotate T  [r]");
        assert!(!speaks_of(&line("send", "secret-rotate T", "[]"), "T"), "what the agent says is no exchange");
        assert!(!speaks_of(&line("administer", "reload T", "[]"), "T"));
    }
}
