//! `creel approvals`, `creel approve`, `creel deny`: questions and their answers.
//!
//! Owns the commands' words. The tenant's guard keeps the questions and records the answers; what stands in a question was
//! written by the agent and is escaped.

use std::io;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use creel_guard::Persons;
use serde_json::json;

use crate::cli::{FINDING, Where, ask, out};
use crate::clock::utc;
use crate::escape;
use crate::guard_process::Open;
use crate::link::{self, Link};
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
        let site = self.place.site(None);
        // Who is no operator has a socket of his own.
        let (control, people) = (site.control_socket(&self.tenant), site.people_socket(&self.tenant));
        let link = match link::connect(&control) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => match link::connect(&people) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let why = "only root answers questions here; `[approvals] people` lists others who may";
                    return Err(out::fail(2, why));
                }
                reached => reached.map_err(|error| ask::unreached(&people, &error))?,
            },
            reached => reached.map_err(|error| ask::unreached(&control, &error))?,
        };
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
                    Ok(Some((FromControl::TooMany { why }, _))) => out::note(escape::for_terminal(&why)),
                    Ok(Some((FromControl::Failed { why }, _))) => {
                        return out::fail(FINDING, escape::for_terminal(&why));
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
                    out::line(effect.told(id));
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
    let Open { id, what, until_ms, more, persons, yes, .. } = open;
    let mut lines = format!("question {id} ({what}), open until {}", utc(*until_ms));
    let texts: Vec<String> = open.texts().map(|text| escape::for_terminal(text).replace('\n', "\n  ")).collect();
    match (more.is_empty(), texts.as_slice()) {
        (true, [text]) => lines.push_str(&format!(":\n  {text}")),
        _ => {
            lines.push_str(&format!("; one answer is for all {} acts, each once:", texts.len()));
            for (at, text) in texts.iter().enumerate() {
                lines.push_str(&format!("\n  {}. {text}", at + 1));
            }
        }
    }
    match (persons, yes.as_slice()) {
        (Persons::One, _) => {}
        (Persons::Two, []) => lines.push_str("\n  two people must say Yes; nobody has yet"),
        (Persons::Two, who) => lines.push_str(&format!("\n  two people must say Yes; {} has", who.join(", "))),
    }
    format!("{lines}\n  creel approve {id} | creel deny {id}")
}

fn shown(open: &Open) -> serde_json::Value {
    let Open { id, what, text, asked_ms, until_ms, persons, yes, .. } = open;
    let needed = if *persons == Persons::Two { 2 } else { 1 };
    let (asked, until, texts) = (utc(*asked_ms), utc(*until_ms), open.texts().collect::<Vec<_>>());
    json!({ "id": id, "what": what, "text": text, "texts": texts, "asked": asked, "until": until, "needed": needed, "yes": yes })
}

#[cfg(test)]
mod tests;
