//! A line of the log: a decision and how it ended, joined.
//!
//! Owns [`LogLine`], the form of `creel log --json`. It may hold the agent's bytes: whoever prints it to a terminal
//! escapes them.

use creel_guard::{Deed, Inject, Outcome, Run, Touch};
use serde::{Deserialize, Serialize};

use crate::stored::{Ended, Note, Stored};

/// A line of `creel log --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// The record's place in its ledger, counted from 1 without gaps.
    pub seq: u64,
    /// The record's id, as refusals name it.
    pub id: u64,
    /// The place of the decision's leaf in the log, counted from 0.
    #[serde(default)]
    pub index: u64,
    /// When it was decided: RFC 3339, UTC, milliseconds.
    pub time: String,
    /// Whose jail.
    pub tenant: String,
    /// `agent`, `creel` or `person:NAME`.
    pub actor: String,
    /// Where it was seen.
    pub door: String,
    /// The verb.
    pub deed: String,
    /// What it aimed at, in one line.
    pub target: String,
    /// `allow`, `ask` or `deny`.
    pub verdict: String,
    /// The rule that decided; of a question, the rule of its answer.
    pub rule: String,
    /// Why.
    pub why: String,
    /// The turn that it belongs to, as Creel saw it: joins a message, its prompts, their tool calls and what these did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// The id under which the agent itself said that it did this: its word, never Creel's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_trace: Option<String>,
    /// The number of the record that it comes from: the tool call that named a command, or the program that started this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<u64>,
    /// The program of a process, its arguments, its folder, its number and its parent's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Run>,
    /// What was done to a file, by which program, and which version of a protected one it left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<Touch>,
    /// Which secrets were to be filled in where; of a refused act, whose placeholders stood in it. Names, never values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<Inject>,
    /// `open`, `done`, `failed`, `abandoned` or `refused`.
    pub outcome: String,
    /// When it was decided, on the boot clock, in milliseconds.
    pub boot_ms: u64,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// Bytes that left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<u64>,
    /// Bytes that came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<u64>,
    /// The protocol's own status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<i64>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

impl LogLine {
    pub(crate) fn decided(stored: &Stored, passed: bool) -> Self {
        let answered = stored.answer.as_ref();
        Self {
            seq: stored.seq,
            id: stored.seq,
            index: stored.index,
            time: stored.time.clone(),
            tenant: stored.action.tenant.to_string(),
            actor: stored.action.actor.to_string(),
            door: stored.action.door.to_string(),
            deed: stored.action.deed.verb().to_owned(),
            target: stored.action.deed.target(),
            verdict: stored.verdict.clone(),
            rule: answered.map_or(&stored.rule, |answer| &answer.rule).to_string(),
            why: answered.map_or_else(|| stored.why.clone(), |answer| format!("{}; {}", stored.why, answer.by)),
            trace: stored.facts.trace.clone(),
            claimed_trace: stored.facts.claimed_trace.clone(),
            cause: stored.facts.cause,
            process: match &stored.action.deed {
                Deed::Run(run) => Some(run.clone()),
                _ => None,
            },
            file: match &stored.action.deed {
                Deed::Touch(touch) => Some(touch.clone()),
                _ => None,
            },
            secrets: secrets_of(stored),
            outcome: if passed { "open" } else { "refused" }.to_owned(),
            boot_ms: stored.boot_ms,
            ended: None,
            sent: None,
            received: None,
            status: None,
            failure: None,
        }
    }

    pub(crate) fn noted(note: Note, tenant: &str) -> Self {
        Self {
            seq: note.seq,
            id: note.seq,
            index: note.index,
            time: note.time,
            tenant: tenant.to_owned(),
            actor: "creel".to_owned(),
            door: "control".to_owned(),
            deed: "administer".to_owned(),
            target: format!("ledger {}", note.note),
            verdict: "allow".to_owned(),
            rule: format!("ledger/{}", note.note),
            why: note.why,
            trace: None,
            claimed_trace: None,
            cause: None,
            process: None,
            file: None,
            secrets: Vec::new(),
            outcome: "done".to_owned(),
            boot_ms: note.boot_ms,
            ended: None,
            sent: None,
            received: None,
            status: None,
            failure: None,
        }
    }

    /// The end of a record that is not kept in mind any more: its number, and nothing of what it was.
    pub(crate) fn forgotten(ended: &Ended, tenant: Option<&str>) -> Self {
        let nothing = String::new;
        Self {
            seq: ended.record,
            id: ended.record,
            index: ended.index,
            time: ended.time.clone(),
            tenant: tenant.unwrap_or_default().to_owned(),
            actor: nothing(),
            door: nothing(),
            deed: nothing(),
            target: nothing(),
            verdict: nothing(),
            rule: nothing(),
            why: nothing(),
            trace: None,
            claimed_trace: None,
            cause: None,
            process: None,
            file: None,
            secrets: Vec::new(),
            outcome: nothing(),
            boot_ms: ended.boot_ms,
            ended: None,
            sent: None,
            received: None,
            status: None,
            failure: None,
        }
    }

    pub(crate) fn end(&mut self, ended: &Ended) {
        self.outcome = ended.outcome.word().to_owned();
        self.ended = Some(ended.time.clone());
        match &ended.outcome {
            Outcome::Abandoned => {}
            Outcome::Done { sent, received, status } => {
                self.sent = Some(*sent);
                self.received = Some(*received);
                self.status = *status;
            }
            Outcome::Failed { why } => self.failure = Some(why.clone()),
        }
    }
}

/// What was owed of an act's secrets, and what stood in it for one.
fn secrets_of(stored: &Stored) -> Vec<Inject> {
    let owed = stored.obligations.iter().flat_map(|owed| owed.inject.iter().chain(&owed.swaps));
    let mut secrets: Vec<Inject> = Vec::new();
    for one in owed.chain(&stored.facts.placeholders) {
        if !secrets.contains(one) {
            secrets.push(one.clone());
        }
    }
    secrets
}
