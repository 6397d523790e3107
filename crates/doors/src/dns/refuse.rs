//! A refusal in the words of DNS.
//!
//! Owns the negative answers. They say nothing about the rule: a look-up has no place for it, the ledger does. Called by
//! [`super::Dns::answer`].

use creel_guard::Refusal;
use hickory_proto::op::{Message, OpCode, ResponseCode};

use super::enforce::{encode, reply};
use super::flaw::BadMessage;
use super::see::Question;

/// The name does not exist, for this agent.
pub(super) fn not_approved(question: &Question, refusal: &Refusal) -> Option<Vec<u8>> {
    tracing::debug!(rule = %refusal.rule, record = refusal.record, "look-up refused");
    encode(&reply(question, ResponseCode::NXDomain))
}

/// The answer to what is no question; `None` when it deserves none.
pub(super) fn malformed(message: &[u8], bad: &BadMessage) -> Option<Vec<u8>> {
    let id = message.first_chunk::<2>()?;
    encode(&Message::error_msg(u16::from_be_bytes(*id), OpCode::Query, bad.answer?))
}
