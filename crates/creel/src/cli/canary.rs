//! `creel canary`: what is laid for thieves, and the quarantine that it brings.
//!
//! Owns the command's words. Root's file says what is laid; the tenant's guard says whether it would notice, and opens the
//! doors again when a person says so. No value is ever printed whole.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::canary::{Canary, Nest};
use crate::cli::{FINDING, USAGE, Where, ask, out};
use crate::escape;
use crate::guard_process::watch::Quarantine;
use crate::protocol::{FromControl, ToControl};

/// Show, try and renew the canaries; open the doors again after one was taken.
#[derive(Debug, Args)]
pub(crate) struct CanaryCommand {
    #[command(subcommand)]
    what: What,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    /// Whose agent.
    #[arg(long, default_value = "default", global = true)]
    tenant: String,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum What {
    /// What is laid where, and whether the agent is in quarantine.
    List,
    /// Ask the running guard whether it would notice each canary; exit 1 when not.
    Test,
    /// Make new values for every place; they are laid at the next `creel up`.
    Plant,
    /// Open the doors again after a canary turned up.
    Release,
}

impl CanaryCommand {
    pub(crate) fn run(self) -> ExitCode {
        match self.what {
            What::List => self.list(),
            What::Test => self.test(),
            What::Plant => self.plant(),
            What::Release => self.release(),
        }
    }

    fn path(&self) -> std::path::PathBuf {
        self.place.site(None).canaries(&self.tenant)
    }

    fn list(&self) -> ExitCode {
        let nest = match std::fs::read(self.path()) {
            Ok(bytes) => serde_json::from_slice::<Nest>(&bytes).map_err(|error| error.to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Nest::default()),
            Err(error) => Err(error.to_string()),
        };
        let nest = match nest {
            Ok(nest) => nest,
            Err(why) => return out::fail(USAGE, format_args!("`{}` can't be read: {why}", self.path().display())),
        };
        let quarantine = self.quarantine();
        if self.json {
            let one = |Canary { name, place, value }: &Canary| json!({ "name": name, "place": place, "value": masked(value) });
            let canaries: Vec<_> = nest.0.iter().map(one).collect();
            out::json(&json!({ "canaries": canaries, "quarantine": quarantine }));
            return ExitCode::SUCCESS;
        }
        if nest.0.is_empty() {
            out::line("nothing is laid yet: the first `creel up` does it");
        }
        for Canary { name, place, value } in &nest.0 {
            out::line(format_args!("{name:<28} {place:<34} {}", masked(value)));
        }
        if let Some(why) = quarantine {
            out::line(told(&why));
        }
        ExitCode::SUCCESS
    }

    /// What the guard says; none when none runs.
    fn quarantine(&self) -> Option<Quarantine> {
        if !self.place.site(None).control_socket(&self.tenant).exists() {
            return None;
        }
        match self.ask(&ToControl::Quarantine) {
            Ok(FromControl::Quarantine { why }) => why,
            _ => None,
        }
    }

    fn test(&self) -> ExitCode {
        match self.ask(&ToControl::TryCanaries) {
            Ok(FromControl::Noticed { canaries }) => {
                let ok = !canaries.is_empty() && canaries.iter().all(|(_, noticed)| *noticed);
                if self.json {
                    let one = |(name, noticed): &(String, bool)| json!({ "name": name, "noticed": noticed });
                    out::json(&json!({ "ok": ok, "canaries": canaries.iter().map(one).collect::<Vec<_>>() }));
                } else {
                    for (name, noticed) in &canaries {
                        out::line(format_args!("{name:<28} {}", if *noticed { "noticed" } else { "NOT noticed" }));
                    }
                }
                if ok { ExitCode::SUCCESS } else { ExitCode::from(FINDING) }
            }
            Ok(_) => ask::lost(),
            Err(code) => code,
        }
    }

    fn plant(&self) -> ExitCode {
        let path = self.path();
        match Nest::fresh().and_then(|nest| nest.keep(&path)) {
            Ok(()) => {
                out::line("new values are ready; the next `creel up` lays them");
                ExitCode::SUCCESS
            }
            Err(error) => out::fail(
                USAGE,
                format_args!("`{}` can't be written: {error}; run `creel up` once first", path.display()),
            ),
        }
    }

    fn release(&self) -> ExitCode {
        match self.ask(&ToControl::Release) {
            Ok(FromControl::Quarantine { why: None }) => {
                out::line("the doors are open again; find out what ran before you trust this agent (`creel log`)");
                ExitCode::SUCCESS
            }
            Ok(FromControl::Failed { why }) => out::fail(FINDING, escape::for_terminal(&why)),
            Ok(FromControl::Refused { refusal }) => out::fail(
                FINDING,
                format_args!("refused by `{}`: {}", refusal.rule, escape::for_terminal(&refusal.to_ledger)),
            ),
            Ok(_) => ask::lost(),
            Err(code) => code,
        }
    }

    fn ask(&self, question: &ToControl) -> Result<FromControl, ExitCode> {
        ask::guard(&self.place.site(None), &self.tenant, question)
    }
}

/// The first letters: enough to know it again, too few to be found by.
fn masked(value: &str) -> String {
    format!("{}…", value.chars().take(4).collect::<String>())
}

fn told(why: &Quarantine) -> String {
    format!(
        "QUARANTINE: the canary `{}` turned up in {}; every door is closed to the agent until `creel canary release`",
        why.canary,
        escape::for_terminal(&why.at)
    )
}
