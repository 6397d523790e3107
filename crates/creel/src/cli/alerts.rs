//! `creel alerts`: who is told at once when something happens.
//!
//! Owns the command's words. The tenant's guard tells the places; it says how they fare, and sends a test when a person asks.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::{FINDING, Where, ask, out};
use crate::escape::one_line;
use crate::guard_process::alerts::Told;
use crate::protocol::{FromControl, ToControl};

/// Show who is told at once when something happens, and try it.
#[derive(Debug, Args)]
pub(crate) struct AlertsCommand {
    #[command(subcommand)]
    what: Option<What>,
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
    /// Send each place a test; exit 1 when one is not reached.
    Test,
}

impl AlertsCommand {
    pub(crate) fn run(self) -> ExitCode {
        let question = match self.what {
            None => ToControl::Alerts,
            Some(What::Test) => ToControl::TestAlerts,
        };
        match ask::guard(&self.place.site(None), &self.tenant, &question) {
            Ok(FromControl::Alerts { places }) => self.list(&places),
            Ok(FromControl::Tested { places }) => self.tested(&places),
            Ok(told) => ask::failed(told),
            Err(code) => code,
        }
    }

    fn list(&self, places: &[Told]) -> ExitCode {
        if self.json {
            out::json(&json!({ "places": places }));
            return ExitCode::SUCCESS;
        }
        for Told { place, events, waiting, failures, failed } in places {
            let state = match failed {
                None if *waiting == 0 => "nothing waits".to_owned(),
                None => format!("{waiting} wait for the next message"),
                Some(why) => format!("{waiting} wait, failed {failures} times: {}", one_line(why)),
            };
            out::line(format_args!("{place:<44} {:<44} {state}", events.join(" ")));
        }
        if places.is_empty() {
            out::line(NOBODY);
        }
        ExitCode::SUCCESS
    }

    fn tested(&self, places: &[(String, Option<String>)]) -> ExitCode {
        let ok = !places.is_empty() && places.iter().all(|(_, failed)| failed.is_none());
        if self.json {
            let one = |(place, failed): &(String, Option<String>)| json!({ "place": place, "failed": failed });
            out::json(&json!({ "ok": ok, "places": places.iter().map(one).collect::<Vec<_>>() }));
        } else {
            for (place, failed) in places {
                let state = failed.as_ref().map_or("told".to_owned(), |why| format!("NOT told: {}", one_line(why)));
                out::line(format_args!("{place:<44} {state}"));
            }
            if places.is_empty() {
                out::line(NOBODY);
            }
        }
        if ok { ExitCode::SUCCESS } else { ExitCode::from(FINDING) }
    }
}

const NOBODY: &str = "nobody is told: `[[alerts]]` in creel.toml names who is (`creel init-config` shows how)";
