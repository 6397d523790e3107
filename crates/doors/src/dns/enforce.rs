//! Permit in hand: answers with the name's synthetic address.
//!
//! Owns the positive answers. Never asks anybody else. Called by [`super::Dns::answer`].

use creel_guard::{Obligations, Outcome, Permit};
use hickory_proto::op::{Edns, Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA};
use hickory_proto::rr::{RData, Record, RecordType};

use super::config::{EDNS_PAYLOAD, TTL};
use super::see::Question;
use crate::names::Names;

/// Answers `question`.
pub(super) fn answer(permit: Permit, question: &Question, names: &Names) -> Option<Vec<u8>> {
    let (obligations, receipt) = permit.redeem();
    // Nothing goes upstream and the answer is made at once, which meets any bound on bytes and time.
    let Obligations { inject, swaps, scrub: _, max_bytes: _, deadline_ms: _ } = obligations;
    if inject.is_some() || !swaps.is_empty() {
        receipt.settle(Outcome::failed("a look-up has no place for a secret"));
        return encode(&reply(question, ResponseCode::ServFail));
    }
    let mut message = reply(question, ResponseCode::NoError);
    let assigned = match question.host.as_ref().map(|host| names.assign(host)) {
        Some(Ok(assigned)) => assigned,
        Some(Err(error)) => {
            receipt.settle(Outcome::failed(error.to_string()));
            return encode(&reply(question, ResponseCode::ServFail));
        }
        None => {
            receipt.settle(Outcome::failed("what was asked for is no host name"));
            return encode(&reply(question, ResponseCode::NXDomain));
        }
    };
    // Every other type stays empty: no HTTPS record means no ECH and no HTTP/3 (RFC 9460).
    let data = match question.query.query_type() {
        RecordType::A => Some(RData::A(A(assigned.0))),
        RecordType::AAAA => Some(RData::AAAA(AAAA(assigned.1))),
        _ => None,
    };
    if let Some(data) = data {
        message.add_answer(Record::from_rdata(question.query.name().clone(), TTL, data));
    }
    receipt.settle(Outcome::done());
    encode(&message)
}

/// A reply to `question` that holds no records yet.
pub(super) fn reply(question: &Question, code: ResponseCode) -> Message {
    let mut message = Message::response(question.id, OpCode::Query);
    message.metadata.recursion_desired = question.recursion_desired;
    message.metadata.recursion_available = true;
    message.metadata.response_code = code;
    message.add_query(question.query.clone());
    if question.edns {
        let mut edns = Edns::new();
        edns.set_max_payload(EDNS_PAYLOAD);
        message.set_edns(edns);
    }
    message
}

pub(super) fn encode(message: &Message) -> Option<Vec<u8>> {
    message.to_vec().inspect_err(|error| tracing::warn!(%error, "a DNS answer could not be encoded")).ok()
}
