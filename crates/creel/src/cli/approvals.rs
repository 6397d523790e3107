//! `creel approvals`, `creel approve`, `creel deny`: questions and their answers.
//!
//! Owns the commands' words. The tenant's guard keeps the questions and records the answers; what stands in a question was
//! written by the agent and is escaped.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::{FINDING, Where, ask, out};
use crate::clock::utc;
use crate::escape;
use crate::guard_process::{Effect, Open};
use crate::link::Link;
use crate::protocol::{FromControl, ToControl};

/// Show the questions that wait for a person.
#[derive(Debug, Args)]
pub(crate) struct Approvals {
    #[command(subcommand)]
    what: Option<What>,
    /// Print JSON lines.
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    whose: Whose,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Tell of each question as it comes up, until you press Ctrl-C.
    Watch,
}

/// Answer a question.
#[derive(Debug, Args)]
pub(crate) struct Decide {
    /// The question's number, as `creel approvals` shows it.
    id: u64,
    #[command(flatten)]
    whose: Whose,
}

#[derive(Debug, Args)]
struct Whose {
    /// Whose agent asked.
    #[arg(long, default_value = "default", global = true)]
    tenant: String,
    #[command(flatten)]
    place: Where,
}

impl Whose {
    async fn ask(&self, question: ToControl) -> Result<Link, ExitCode> {
        let link = ask::connect(&self.place.site(None).control_socket(&self.tenant))?;
        link.send(&question, &[]).await.map_err(|_| ask::lost())?;
        Ok(link)
    }
}

impl Approvals {
    pub(crate) fn run(self) -> ExitCode {
        let watches = self.what.is_some();
        let question = if watches { ToControl::Watch } else { ToControl::Questions };
        ask::block_on(async {
            let link = match self.whose.ask(question).await {
                Ok(link) => link,
                Err(code) => return code,
            };
            let mut none = true;
            loop {
                match link.recv::<FromControl>().await {
                    Ok(Some((FromControl::Question { open }, _))) if self.json => out::json(&shown(&open)),
                    Ok(Some((FromControl::Question { open }, _))) => out::line(render(&open)),
                    Ok(Some((FromControl::Done, _))) => {
                        if none && !self.json {
                            out::line("no question is open");
                        }
                        return ExitCode::SUCCESS;
                    }
                    _ => return ask::lost(),
                }
                none = false;
            }
        })
    }
}

impl Decide {
    pub(crate) fn run(self, yes: bool) -> ExitCode {
        let Self { id, whose } = self;
        ask::block_on(async {
            let link = match whose.ask(ToControl::Decide { id, yes }).await {
                Ok(link) => link,
                Err(code) => return code,
            };
            match link.recv::<FromControl>().await {
                Ok(Some((FromControl::Answered { effect }, _))) => {
                    out::line(done(id, effect));
                    ExitCode::SUCCESS
                }
                Ok(Some((FromControl::Failed { why }, _))) => out::fail(FINDING, escape::for_terminal(&why)),
                Ok(Some((FromControl::Refused { refusal }, _))) => {
                    let why = escape::for_terminal(&refusal.to_ledger);
                    out::fail(FINDING, format_args!("refused by `{}`: {why}", refusal.rule))
                }
                _ => ask::lost(),
            }
        })
    }
}

/// A question as people read it.
pub(crate) fn render(open: &Open) -> String {
    let Open { id, what, text, until_ms, .. } = open;
    let (text, until) = (escape::for_terminal(text), utc(*until_ms));
    format!(
        "question {id} ({what}), open until {until}:\n  {}\n  creel approve {id} | creel deny {id}",
        text.replace('\n', "\n  ")
    )
}

fn shown(open: &Open) -> serde_json::Value {
    let Open { id, what, text, asked_ms, until_ms, .. } = open;
    json!({ "id": id, "what": what, "text": text, "asked": utc(*asked_ms), "until": utc(*until_ms) })
}

fn done(id: u64, effect: Effect) -> String {
    match effect {
        Effect::Released => format!("question {id}: Yes; the act that waited goes on"),
        Effect::Granted(until) => {
            format!(
                "question {id}: Yes; nobody waits any more, so the very same act may pass once until {}",
                utc(until)
            )
        }
        Effect::Refused => format!("question {id}: No"),
    }
}
