//! A refusal in the words of DNS.
//!
//! Owns the negative answers. To whom speaks EDNS they name the rule and the record (RFC 8914), and never what the ledger
//! keeps. Called by [`super::Dns::answer`].

use creel_guard::Refusal;
use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;

use super::enforce::{encode, reply};
use super::flaw::BadMessage;
use super::see::Question;

/// The name does not exist, for this agent.
pub(super) fn not_approved(question: &Question, refusal: &Refusal) -> Option<Vec<u8>> {
    tracing::debug!(rule = %refusal.rule, record = refusal.record, "look-up refused");
    let mut message = reply(question, ResponseCode::NXDomain);
    if let Some(edns) = message.edns.as_mut() {
        edns.options_mut().insert(explained(refusal));
    }
    encode(&message)
}

/// An extended error: 15, blocked by the operator's policy, and a text for people (RFC 8914, sections 2 and 4.16).
fn explained(refusal: &Refusal) -> EdnsOption {
    let mut data = 15_u16.to_be_bytes().to_vec();
    data.extend(refusal.to_agent.as_bytes());
    if refusal.record != 0 {
        data.extend(format!("; your operator: `creel why {}`", refusal.record).as_bytes());
    }
    EdnsOption::Unknown(15, data)
}

/// The answer to what is no question; `None` when it deserves none.
pub(super) fn malformed(message: &[u8], bad: &BadMessage) -> Option<Vec<u8>> {
    let id = message.first_chunk::<2>()?;
    encode(&Message::error_msg(u16::from_be_bytes(*id), OpCode::Query, bad.answer?))
}
