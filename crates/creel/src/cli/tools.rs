//! `creel tools`: how the agent's tools are defined, and what changed.
//!
//! Owns the command's words. The tenant's guard remembers; what a person accepts is the very definition that was shown.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use creel_guard::DriftKind;
use serde_json::json;

use crate::cli::{FINDING, Where, ask, out};
use crate::escape::one_line;
use crate::guard_process::definitions::Row;
use crate::protocol::{FromControl, ToControl};

/// Show how the agent's tools are defined, those that wait for a person first; exit 1 when any does.
#[derive(Debug, Args)]
pub(crate) struct ToolsCommand {
    #[command(subcommand)]
    what: Option<What>,
    /// Print JSON, a line a definition.
    #[arg(long, global = true)]
    json: bool,
    /// Whose agent.
    #[arg(long, default_value = "default", global = true)]
    tenant: String,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, Clone, Subcommand)]
enum What {
    /// Show them (the default).
    List,
    /// Show what changed in a tool's definition; exit 1 when anything did.
    Show {
        /// The tool.
        name: String,
    },
    /// Accept a definition that waits: calls of the tool are asked about no more for it. Prints what is accepted.
    Accept {
        /// The tool.
        #[arg(required_unless_present = "all")]
        name: Option<String>,
        /// All that wait.
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
    /// Forget all: what is offered next is the baseline.
    Forget,
}

impl ToolsCommand {
    pub(crate) fn run(self) -> ExitCode {
        self.work().unwrap_or_else(|code| code)
    }

    fn work(&self) -> Result<ExitCode, ExitCode> {
        match &self.what {
            None | Some(What::List) => {
                let rows = self.rows()?;
                rows.iter().for_each(|row| self.row(row));
                Ok(found(rows.iter().any(|row| row.drift.is_some())))
            }
            Some(What::Show { name }) => {
                let rows = self.waiting(Some(name))?;
                rows.iter().for_each(|row| self.change(row));
                Ok(found(!rows.is_empty()))
            }
            Some(What::Accept { name, all: _ }) => {
                let rows = self.waiting(name.as_ref())?;
                if rows.is_empty() {
                    return Err(out::fail(
                        FINDING,
                        "no such definition waits for a person; `creel tools` shows those that do",
                    ));
                }
                for row in rows {
                    self.change(&row);
                    let Row { source, name, digest, .. } = row;
                    self.tell(&ToControl::AcceptTool { source, name, digest })?;
                }
                Ok(ExitCode::SUCCESS)
            }
            Some(What::Forget) => self.tell(&ToControl::ForgetTools).map(|()| ExitCode::SUCCESS),
        }
    }

    fn tell(&self, asked: &ToControl) -> Result<(), ExitCode> {
        match ask::guard(&self.place.site(None), &self.tenant, asked)? {
            FromControl::Done => Ok(()),
            other => Err(ask::failed(other)),
        }
    }

    /// Every definition.
    fn rows(&self) -> Result<Vec<Row>, ExitCode> {
        let site = self.place.site(None);
        ask::block_on_value(async {
            let link = ask::connect(&site.control_socket(&self.tenant))?;
            link.send(&ToControl::Tools, &[]).await.map_err(|_| ask::lost())?;
            let mut rows = Vec::new();
            loop {
                match link.recv::<FromControl>().await {
                    Ok(Some((FromControl::Tool { row }, _))) => rows.push(*row),
                    Ok(Some((FromControl::Done, _))) => return Ok(rows),
                    Ok(Some((other, _))) => return Err(ask::failed(other)),
                    _ => return Err(ask::lost()),
                }
            }
        })
    }

    /// Those that wait, of one tool or of all.
    fn waiting(&self, name: Option<&String>) -> Result<Vec<Row>, ExitCode> {
        let mut rows = self.rows()?;
        rows.retain(|row| row.drift.is_some() && name.is_none_or(|name| *name == row.name));
        Ok(rows)
    }

    fn row(&self, row: &Row) {
        let Row { source, name, digest, drift, rule, diff: _ } = row;
        if self.json {
            out::json(&json!({ "source": source, "name": name, "digest": digest, "drift": drift, "rule": rule }));
            return;
        }
        let word = drift.map_or("accepted", short);
        let rule = rule.as_ref().map_or_else(String::new, |rule| format!("  {rule}"));
        let digest = digest.get(..12).unwrap_or(digest);
        out::line(format_args!("{word:<9} {digest}  {}  {}{rule}", one_line(source), one_line(name)));
    }

    fn change(&self, row: &Row) {
        if self.json {
            return out::json(
                &json!({ "source": row.source, "name": row.name, "digest": row.digest, "diff": row.diff }),
            );
        }
        self.row(row);
        row.diff.lines().for_each(|line| out::line(format_args!("  {}", one_line(line))));
    }
}

fn short(kind: DriftKind) -> &'static str {
    match kind {
        DriftKind::New => "NEW",
        DriftKind::Changed => "CHANGED",
        DriftKind::Poisoned => "POISONED",
        DriftKind::Unknown => "UNKNOWN",
    }
}

fn found(any: bool) -> ExitCode {
    if any { ExitCode::from(FINDING) } else { ExitCode::SUCCESS }
}
