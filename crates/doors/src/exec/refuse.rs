//! A refusal, as the agent meets it: its `execve` fails with EPERM.
//!
//! Owns that answer. The rule and the reason are in the ledger; a system call has no room for them. Called by the door.

use creel_guard::Refusal;

use super::Answer;

pub(super) fn refused(id: u64, refusal: &Refusal) -> Answer {
    tracing::debug!(rule = %refusal.rule, "a program may not run");
    Answer::Refuse { id }
}
