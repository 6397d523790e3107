//! Checkpoints to a witness on another machine (C2SP tlog-witness).
//!
//! Owns the exchange: what it has seen, the proof that the log goes on from there, its signature. What it vouched for last is on
//! disk in a folder of its own beside the guard's; a witness that has seen more than the log has is the sign that the log was
//! put back. Called by a sender.

use std::time::Duration;

use creel_guard::RecordId;
use creel_ledger::{ADD_CHECKPOINT, Remembered, Submission, VerifierKey, keep_witnessed, submission};
use http::Request;

use super::{Sender, lock};
use crate::config::Place;
use crate::guard_process::post::Post;

/// Between two checkpoints that it gets, so that a busy log is no burden.
const EVERY: Duration = Duration::from_secs(10);
/// How often a new checkpoint is looked for.
const LOOK: Duration = Duration::from_secs(1);
/// The longest answer: some signature lines.
const LONGEST_ANSWER: usize = 64 * 1024;
/// `409 Conflict`: the proof has to start elsewhere.
const CONFLICT: u16 = 409;

impl Sender {
    /// For as long as it goes well.
    pub(super) async fn have_witnessed(
        &self,
        (place, key): (&Place, &VerifierKey),
        record: RecordId,
        mut works: impl FnMut(),
    ) -> Result<std::convert::Infallible, String> {
        let post = Post { place: place.clone(), means: self.means.clone() };
        let kept = Remembered::read(&self.place).map_err(|error| error.to_string())?;
        let mut seen = kept.as_ref().map_or(0, |kept| kept.size);
        if let Some(kept) = kept {
            self.vouched(kept.size, kept.time);
        }
        loop {
            let Some(new) = self.submission(seen)? else {
                // nothing new is no failure
                lock(&self.state.0).failed = None;
                works();
                tokio::time::sleep(LOOK).await;
                continue;
            };
            let (size, time) = match self.submit(&post, &new, record).await? {
                Answer::Vouched(answer) => {
                    let (note, time) = new.witnessed(&answer, key)?;
                    let told = |error: std::io::Error| format!("what the witness vouched for can't be kept: {error}");
                    keep_witnessed(&self.place, &note, key).map_err(told)?;
                    (new.size, time)
                }
                // It has another last one: from a start that forgot, or of a log that was longer.
                Answer::Elsewhere(size) if size != seen => {
                    seen = size;
                    tokio::time::sleep(LOOK).await;
                    continue;
                }
                Answer::Elsewhere(_) => return Err(format!("`{place}` asks for a proof that it was given")),
            };
            seen = size;
            self.vouched(size, time);
            works();
            tokio::time::sleep(EVERY).await;
        }
    }

    fn submission(&self, seen: u64) -> Result<Option<Submission>, String> {
        submission(&self.ledger, seen).map_err(|error| error.to_string())
    }

    fn vouched(&self, size: u64, time: u64) {
        let mut state = lock(&self.state.0);
        (state.lines, state.witnessed, state.failed) = (size, Some(time), None);
    }

    async fn submit(&self, post: &Post, new: &Submission, record: RecordId) -> Result<Answer, String> {
        let request = Request::post("/").body(new.body.clone().into()).map_err(|error| error.to_string())?;
        let (status, body) = post.ask(request, ADD_CHECKPOINT, (record, LONGEST_ANSWER)).await?;
        let text = String::from_utf8(body.to_vec()).map_err(|_| format!("`{}` answered no text", post.place))?;
        match status {
            200 => Ok(Answer::Vouched(text)),
            CONFLICT => {
                let size = text.trim_end().parse().map_err(|_| format!("`{}` says no size", post.place))?;
                Ok(Answer::Elsewhere(size))
            }
            status => Err(format!("`{}` answered {status}", post.place)),
        }
    }
}

/// What a witness says.
enum Answer {
    /// Signature lines.
    Vouched(String),
    /// The proof has to start from the checkpoint of so many leaves.
    Elsewhere(u64),
}

#[cfg(test)]
pub(super) mod tests;
