//! What a record holds, as JSON.
//!
//! Owns the texts that go into frames. Writes them with the guard's own types, so that a record can be judged again
//! under another policy. Used by the writer, and by readers to take them apart.

use creel_guard::{Action, Answer, Entry, Facts, Judgement, Obligations, Outcome, Question, Refusal, RuleId, Verdict};
use serde::{Deserialize, Serialize};

use crate::clock;

/// A decision as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stored {
    /// The record's number, counted from 1.
    pub seq: u64,
    /// When it was written: RFC 3339, UTC, milliseconds.
    pub time: String,
    /// The same on the boot clock, in milliseconds.
    pub boot_ms: u64,
    /// What someone was about to do.
    pub action: Action,
    /// What the decision used.
    pub facts: Facts,
    /// `allow`, `ask` or `deny`.
    pub verdict: String,
    /// The rule that decided.
    pub rule: RuleId,
    /// Why.
    pub why: String,
    /// Which edition of the policy decided.
    pub generation: u64,
    /// What was owed; of an allowed act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obligations: Option<Obligations>,
    /// Both texts of the refusal; of a refused act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// What a person was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<Question>,
    /// What they answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
}

/// How an act ended, as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ended {
    /// The record of the decision.
    pub record: u64,
    /// When it was written.
    pub time: String,
    /// The same on the boot clock, in milliseconds.
    pub boot_ms: u64,
    /// How it ended.
    pub outcome: Outcome,
}

/// What the ledger says about itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) seq: u64,
    pub(crate) time: String,
    pub(crate) boot_ms: u64,
    /// `recovered` or `halted`.
    pub(crate) note: String,
    pub(crate) why: String,
}

/// The first frame of a segment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Opening {
    pub(crate) tenant: String,
    pub(crate) segment: u32,
    /// How many records and frames stand in the segments before.
    pub(crate) records: u64,
    pub(crate) frames: u64,
    /// The chain before this frame, hex.
    pub(crate) before: String,
}

/// The part of a record that is known before it has a number.
#[derive(Serialize)]
struct Body<'a> {
    action: &'a Action,
    facts: &'a Facts,
    verdict: &'static str,
    rule: &'a RuleId,
    why: &'a str,
    generation: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    obligations: Option<&'a Obligations>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a Refusal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<&'a Question>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<&'a Answer>,
}

/// Whether the act was let pass, and the record's text without its number and times.
pub(crate) fn body_of(entry: &Entry) -> Result<(bool, String), String> {
    let Entry { action, facts, judgement, answer, durability: _ } = entry;
    let Judgement { verdict, rule, why, generation } = judgement;
    let (obligations, refusal, question) = match verdict {
        Verdict::Allow(obligations) => (Some(obligations), None, None),
        Verdict::Ask(question) => (None, None, Some(question)),
        Verdict::Deny(refusal) => (None, Some(refusal), None),
    };
    let passes = obligations.is_some() || (question.is_some() && answer.as_ref().is_some_and(|answer| answer.yes));
    let body = Body {
        action,
        facts,
        verdict: verdict.word(),
        rule,
        why,
        generation: *generation,
        obligations,
        refusal,
        question,
        answer: answer.as_ref(),
    };
    Ok((passes, serde_json::to_string(&body).map_err(|error| error.to_string())?))
}

/// Completes a body with its number and the time.
pub(crate) fn record(seq: u64, body: &str) -> String {
    let rest = body.strip_prefix('{').unwrap_or(body);
    format!("{{\"seq\":{seq},\"time\":\"{}\",\"boot_ms\":{},{rest}", clock::wall(), clock::boot_ms())
}

/// A settlement's text. Reasons are cut at 1 KiB: they may hold what an upstream said.
pub(crate) fn settlement(record: u64, mut outcome: Outcome) -> String {
    if let Outcome::Failed { why } = &mut outcome {
        let end = why.char_indices().map(|(at, _)| at).find(|at| *at > 1024);
        why.truncate(end.unwrap_or(why.len()));
    }
    let ended = Ended { record, time: clock::wall(), boot_ms: clock::boot_ms(), outcome };
    serde_json::to_string(&ended).unwrap_or_default()
}

/// A note's text.
pub(crate) fn note(seq: u64, note: &str, why: &str) -> String {
    let why = why.chars().take(1024).collect();
    let note = Note { seq, time: clock::wall(), boot_ms: clock::boot_ms(), note: note.to_owned(), why };
    serde_json::to_string(&note).unwrap_or_default()
}
