//! What a leaf holds, as canonical JSON (RFC 8785).
//!
//! Owns the texts that go into frames. Writes them with the guard's own types, so that a record can be judged again
//! under another policy. Used by the writer, and by readers to take them apart.

use creel_guard::{Action, Answer, Entry, Facts, Judgement, Obligations, Outcome, Question, Refusal, RuleId, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::canonical;
use crate::clock::Stamp;
use crate::frame::{Kind, LARGEST, LARGEST_LEAF, hex, unhex};

/// The longest leaf whose texts are all in it; of a longer one they are cut, and the whole is kept beside.
const MOST_INLINE: usize = LARGEST_LEAF - 512;

/// A decision as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stored {
    /// The record's number, counted from 1.
    #[serde(rename = "@record", alias = "seq")]
    pub seq: u64,
    /// The leaf's place in the log, counted from 0.
    #[serde(rename = "@index", default)]
    pub index: u64,
    /// When it was written: RFC 3339, UTC, milliseconds.
    #[serde(rename = "@time", alias = "time")]
    pub time: String,
    /// The same on the boot clock, in milliseconds.
    #[serde(rename = "@boot_ms", alias = "boot_ms")]
    pub boot_ms: u64,
    /// Set when the texts in this leaf are cut and the whole is kept beside the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<Beside>,
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

/// What binds a leaf to what is kept beside the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beside {
    /// Its length.
    pub bytes: u64,
    /// SHA-256 over a random salt of 32 bytes and the text, hex: whoever lacks the salt can't guess the text.
    pub commitment: String,
}

/// How an act ended, as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ended {
    /// The record of the decision.
    #[serde(rename = "@record", alias = "record")]
    pub record: u64,
    /// The leaf's place in the log, counted from 0.
    #[serde(rename = "@index", default)]
    pub index: u64,
    /// When it was written.
    #[serde(rename = "@time", alias = "time")]
    pub time: String,
    /// The same on the boot clock, in milliseconds.
    #[serde(rename = "@boot_ms", alias = "boot_ms")]
    pub boot_ms: u64,
    /// How it ended.
    pub outcome: Outcome,
}

/// What the ledger says about itself.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Note {
    #[serde(rename = "@record", alias = "seq")]
    pub(crate) seq: u64,
    #[serde(rename = "@index", default)]
    pub(crate) index: u64,
    #[serde(rename = "@time", alias = "time")]
    pub(crate) time: String,
    #[serde(rename = "@boot_ms", alias = "boot_ms")]
    pub(crate) boot_ms: u64,
    /// `began`, `recovered`, `pruned` or `halted`.
    pub(crate) note: String,
    pub(crate) why: String,
    /// What went, where it says `pruned`.
    #[serde(default)]
    pub(crate) pruned: Option<Pruned>,
}

/// What is not kept any more: everything up to the end of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pruned {
    /// The last segment that goes, and how many records and frames there are up to its end.
    pub(crate) segment: u32,
    pub(crate) records: u64,
    pub(crate) frames: u64,
    /// The chain there, hex.
    pub(crate) chain: String,
    /// Where the chain of a sealed ledger of the first form ends, which the first record named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sealed: Option<String>,
}

impl Pruned {
    /// How many leaves go: all frames but those that open a segment.
    pub(crate) fn leaves(&self) -> u64 {
        self.frames.saturating_sub(u64::from(self.segment))
    }
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

/// A decision's text, ready but for its number and the time.
#[derive(Debug)]
pub(crate) struct Draft {
    /// Whether the act was let pass, or that it is none.
    pub(crate) kind: Kind,
    /// The rest of the leaf.
    pub(crate) body: String,
    /// A salt and the whole text, when the leaf holds but a part of it.
    pub(crate) beside: Vec<u8>,
}

impl Draft {
    /// Whether an act was let pass, which has to end.
    pub(crate) fn passes(&self) -> bool {
        self.kind == Kind::Admitted
    }
}

/// Writes a decision down as far as it is known.
pub(crate) fn draft(entry: &Entry) -> Result<Draft, String> {
    let Entry { action, facts, judgement, answer, durability: _ } = entry;
    let Judgement { verdict, rule, why, generation } = judgement;
    let (obligations, refusal, question) = match verdict {
        Verdict::Allow(obligations) => (Some(obligations), None, None),
        Verdict::Ask(question) => (None, None, Some(question)),
        Verdict::Deny(refusal) => (None, Some(refusal), None),
    };
    let passes = obligations.is_some() || (question.is_some() && answer.as_ref().is_some_and(|answer| answer.yes));
    let kind = if passes { Kind::Admitted } else { Kind::Refused };
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
    let body = canonical::text(&body)?;
    if body.len() <= MOST_INLINE {
        return Ok(Draft { kind, body, beside: Vec::new() });
    }
    // Room for the salt.
    if body.len() > LARGEST - LARGEST_LEAF - 32 {
        return Err(format!("the record would have {} bytes, more than {}", body.len(), LARGEST - LARGEST_LEAF - 32));
    }
    let mut salt = [0; 32];
    getrandom::fill(&mut salt).map_err(|error| format!("the system gave no random bytes: {error}"))?;
    let commitment = hex(&Sha256::new().chain_update(salt).chain_update(&body).finalize().into());
    let mut short: Value = serde_json::from_str(&body).map_err(|error| error.to_string())?;
    clip(&mut short);
    if let Value::Object(fields) = &mut short {
        let beside = Beside { bytes: body.len() as u64, commitment };
        fields.insert("beside".to_owned(), serde_json::to_value(beside).map_err(|error| error.to_string())?);
    }
    let beside = [&salt[..], body.as_bytes()].concat();
    let body = canonical::text(&short)?;
    if body.len() > MOST_INLINE {
        return Err(format!("the record would have {} bytes even when cut, more than {MOST_INLINE}", body.len()));
    }
    Ok(Draft { kind, body, beside })
}

/// Cuts texts at 512 characters and lists at 32.
fn clip(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some((end, _)) = text.char_indices().nth(512) {
                text.truncate(end);
            }
        }
        Value::Array(items) => {
            items.truncate(32);
            items.iter_mut().for_each(clip);
        }
        Value::Object(fields) => fields.values_mut().for_each(clip),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The whole decision again, with the part that is kept beside the log when it is still there and is what the leaf binds.
pub(crate) fn whole(leaf: &[u8], beside: &[u8]) -> Result<Stored, String> {
    let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).map_err(|error| error.to_string());
    let mut value = read(leaf)?;
    let bound = value.pointer("/beside/commitment").and_then(Value::as_str).map(str::to_owned);
    if let (Some(bound), Some((_, body))) = (bound, beside.split_first_chunk::<32>())
        && bound == hex(&Sha256::digest(beside).into())
        && let (Value::Object(fields), Value::Object(body)) = (&mut value, read(body)?)
    {
        fields.extend(body);
    }
    serde_json::from_value(value).map_err(|error| error.to_string())
}

/// Where and when a leaf stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) index: u64,
    pub(crate) record: u64,
    pub(crate) stamp: &'a Stamp,
}

/// The leaf of a decision: its place, then what was drafted. Names that begin with `@` stand before all others.
pub(crate) fn leaf(kind: Kind, place: Place<'_>, body: &str) -> String {
    let kind = match kind {
        Kind::Admitted => "admitted",
        Kind::Refused => "refused",
        Kind::Settled => "outcome",
        Kind::Note => "note",
        Kind::Segment => "segment",
    };
    let Place { index, record, stamp: Stamp { wall, boot_ms } } = place;
    let rest = body.strip_prefix('{').unwrap_or(body);
    format!(r#"{{"@":"{kind}","@boot_ms":{boot_ms},"@index":{index},"@record":{record},"@time":"{wall}",{rest}"#)
}

/// The rest of an outcome's leaf. Reasons are cut at 1 KiB: they may hold what an upstream said.
pub(crate) fn outcome(mut outcome: Outcome) -> String {
    if let Outcome::Failed { why } = &mut outcome {
        let end = why.char_indices().map(|(at, _)| at).find(|at| *at > 1024);
        why.truncate(end.unwrap_or(why.len()));
    }
    format!(r#"{{"outcome":{}}}"#, canonical::text(&outcome).unwrap_or_default())
}

/// The rest of a note's leaf.
pub(crate) fn note(note: &str, why: &str) -> String {
    let (mut text, why) = (String::from(r#"{"note":"#), why.chars().take(1024).collect::<String>());
    canonical::write_string(&mut text, note);
    text.push_str(r#","why":"#);
    canonical::write_string(&mut text, &why);
    text.push('}');
    text
}

/// The rest of the leaf that says what is not kept any more.
pub(crate) fn pruned(pruned: &Pruned, why: &str) -> Result<String, String> {
    #[derive(Serialize)]
    struct Body<'a> {
        note: &'static str,
        pruned: &'a Pruned,
        why: &'a str,
    }
    canonical::text(&Body { note: PRUNED, pruned, why })
}

/// The end of the sealed ledger's chain that the first record's words name (`recover::seal`).
pub(crate) fn sealed_end(why: &str) -> Option<String> {
    let (_, end) = why.split_once(SEALED_END)?;
    end.get(..64).filter(|end| unhex(end).is_some()).map(str::to_owned)
}

/// What stands before the end of a sealed ledger's chain.
pub(crate) const SEALED_END: &str = "its chain ends in ";

/// The note that says what is not kept any more.
const PRUNED: &str = "pruned";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_is_canonical_and_tells_its_record() {
        let stamp = Stamp { wall: "2026-11-22T10:40:05.123Z".to_owned(), boot_ms: 7 };
        let place = Place { index: 4, record: 9_007_199, stamp: &stamp };
        let failed = outcome(Outcome::failed("a \"b\"\n"));
        for (kind, body) in [
            (Kind::Settled, failed),
            (Kind::Settled, outcome(Outcome::done())),
            (Kind::Note, note("halted", "x\ty")),
            (Kind::Admitted, r#"{"action":1}"#.to_owned()),
            (Kind::Refused, r#"{"action":1}"#.to_owned()),
        ] {
            let leaf = leaf(kind, place, &body);
            let value: Value = serde_json::from_str(&leaf).unwrap();
            assert_eq!(canonical::text(&value).unwrap(), leaf);
            assert_eq!(value["@record"], 9_007_199);
        }
    }
}
