//! `creel exports`: how far the places are that records are sent to.
//!
//! Owns the command's words. The tenant's guard sends, and says how each place fares.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::cli::{FINDING, Where, ask, out};
use crate::clock::utc;
use crate::escape::one_line;
use crate::guard_process::export::Exported;
use crate::protocol::{FromControl, ToControl};

/// Show how far the places are that records are sent to, and what witnesses have seen; exit 1 when one is not reached.
#[derive(Debug, Args)]
pub(crate) struct Exports {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Whose records.
    #[arg(long, default_value = "default")]
    tenant: String,
    #[command(flatten)]
    place: Where,
}

impl Exports {
    pub(crate) fn run(self) -> ExitCode {
        let places = match ask::guard(&self.place.site(None), &self.tenant, &ToControl::Exports) {
            Ok(FromControl::Exports { places }) => places,
            Ok(_) => return ask::lost(),
            Err(code) => return code,
        };
        let ok = places.iter().all(|place| place.failed.is_none());
        if self.json {
            out::json(&json!({ "ok": ok, "places": places }));
        }
        for Exported { place, lines, failed, witnessed } in places.iter().filter(|_| !self.json) {
            let state = failed.as_ref().map_or(String::new(), |why| format!("; NOT reached: {}", one_line(why)));
            let has = match witnessed {
                Some(time) => format!("has seen {lines} leaves of the ledger, at {}", utc(time.saturating_mul(1000))),
                None => format!("has {lines} lines"),
            };
            out::line(format_args!("{place:<44} {has}{state}"));
        }
        if places.is_empty() && !self.json {
            out::line(
                "records are sent nowhere: `[[export]]` in creel.toml names places (`creel init-config` shows how)",
            );
        }
        if ok { ExitCode::SUCCESS } else { ExitCode::from(FINDING) }
    }
}
