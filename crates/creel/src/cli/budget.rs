//! `creel budget`: what the model cost, and a new beginning.
//!
//! Owns the command's words. The tenant's guard counts.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::{FINDING, Where, ask, out};
use crate::escape::one_line;
use crate::guard_process::budget::{Spent, dollars};
use crate::protocol::{FromControl, ToControl};

/// Show what the model cost within this hour and this day (UTC); exit 1 when its budget is spent.
#[derive(Debug, Args)]
pub(crate) struct BudgetCommand {
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
    /// Count anew from here: prompts pass again.
    Reset,
}

impl BudgetCommand {
    pub(crate) fn run(self) -> ExitCode {
        let question = ToControl::Budget { reset: self.what.is_some() };
        match ask::guard(&self.place.site(None), &self.tenant, &question) {
            Ok(FromControl::Budget { spent }) => self.show(&spent),
            Ok(told) => ask::failed(told),
            Err(code) => code,
        }
    }

    fn show(&self, spent: &Spent) -> ExitCode {
        let Spent { hour, per_hour, day, per_day, stopped } = spent;
        if self.json {
            out::json(&json!({
                "hour_usd_micro": hour, "per_hour_usd_micro": per_hour, "day_usd_micro": day, "per_day_usd_micro": per_day,
                "stopped": stopped,
            }));
        } else {
            for (span, spent, limit) in [("hour", hour, per_hour), ("day", day, per_day)] {
                let limit = limit.map_or("no limit".to_owned(), |limit| format!("of {}", dollars(limit)));
                out::line(format_args!("this {span:<5} {} {limit}", dollars(*spent)));
            }
            if let Some(why) = stopped {
                out::line(format_args!("no prompt passes: {}", one_line(why)));
            }
        }
        if stopped.is_some() { ExitCode::from(FINDING) } else { ExitCode::SUCCESS }
    }
}
