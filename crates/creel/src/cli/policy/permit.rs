//! `creel policy permit`: a question on record as a rule.
//!
//! Owns the command's words. It prints the rule; whoever may change the configuration puts it into a file of rules.

use std::process::ExitCode;

use clap::Args;

use crate::cli::ledger::Which;
use crate::cli::out;

/// Print the rule that lifts this question for good: for the same recipients, values, path or command.
///
/// Put it into a file that `[policy] rules` names, and `creel reload`.
#[derive(Debug, Args)]
pub(super) struct Permit {
    /// The record of the act that was asked about (`17` or `creel:record:17`).
    record: String,
    /// The rule's name [default: record-N].
    #[arg(long, value_name = "NAME")]
    id: Option<String>,
    #[command(flatten)]
    which: Which,
}

impl Permit {
    pub(super) fn run(self) -> Result<ExitCode, String> {
        let bare = self.record.strip_prefix("creel:record:").unwrap_or(&self.record);
        let seq: u64 = bare.parse().map_err(|_| format!("`{}` is no record's number", self.record.escape_debug()))?;
        let found = creel_ledger::find(&self.which.folder(), seq).map_err(|error| error.to_string())?;
        let (stored, _) = found.ok_or_else(|| format!("there is no decision {seq} in this ledger"))?;
        if stored.verdict != "ask" {
            return Err(format!("record {seq} was no question: `{}` said {}", stored.rule, stored.verdict));
        }
        let id = self.id.unwrap_or_else(|| format!("record-{seq}"));
        let rule = creel_policy::permit(&stored.action, &stored.facts, &id);
        out::text(rule.map_err(|why| format!("record {seq} makes no rule: {why}"))?);
        Ok(ExitCode::SUCCESS)
    }
}
