//! What a message is that is no question.
//!
//! Owns [`BadMessage`] and the words for its kinds. Never answers: `refuse` does, after `policy` refused the flaw
//! `bad-message`. Everything that it keeps of the agent's bytes is escaped and short.

use creel_guard::Resolve;
use hickory_proto::op::{Query, ResponseCode};

/// The stable word for [`creel_guard::Facts::flaw`].
pub(super) const FLAW: &str = "bad-message";

/// So many bytes of a message that can't be read go into its record: the header and the beginning of a name.
const MAX_SHOWN: usize = 64;

/// Why a message is no question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Another class than the internet's, for instance CHAOS.
    Class,
    /// Not one question alone.
    Counts,
    /// Another deed than a query: UPDATE, NOTIFY, …
    Opcode,
    /// A response.
    Response,
    /// Longer than any question.
    TooLong,
    /// Shorter than a header.
    TooShort,
    /// A zone transfer.
    Transfer,
    /// A name or a record that can't be read.
    Unreadable,
}

impl Kind {
    /// Every kind there is.
    pub(super) const ALL: [Self; 8] = [
        Self::Class,
        Self::Counts,
        Self::Opcode,
        Self::Response,
        Self::TooLong,
        Self::TooShort,
        Self::Transfer,
        Self::Unreadable,
    ];

    /// The answer; `None` when it deserves none. A response that is answered could make two servers talk for ever.
    fn answer(self) -> Option<ResponseCode> {
        match self {
            Self::Counts | Self::Unreadable => Some(ResponseCode::FormErr),
            Self::Opcode => Some(ResponseCode::NotImp),
            Self::Class | Self::Transfer => Some(ResponseCode::Refused),
            Self::Response | Self::TooLong | Self::TooShort => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Class => "class",
            Self::Counts => "counts",
            Self::Opcode => "opcode",
            Self::Response => "response",
            Self::TooLong => "too-long",
            Self::TooShort => "too-short",
            Self::Transfer => "transfer",
            Self::Unreadable => "unreadable",
        }
    }
}

/// A message that is no question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadMessage {
    pub(super) kind: Kind,
    /// What says what is wrong with it; `None` when it deserves no answer at all.
    pub(super) answer: Option<ResponseCode>,
    name: String,
    asked: String,
}

impl BadMessage {
    /// One in which no question could be read.
    pub(super) fn raw(kind: Kind, message: &[u8]) -> Self {
        let name = message.get(..MAX_SHOWN).unwrap_or(message).escape_ascii().to_string();
        Self { kind, answer: kind.answer(), name, asked: kind.word().to_owned() }
    }

    /// One whose question could be read, and is none of ours. A name has at most 255 bytes, escaped here.
    pub(super) fn asking(kind: Kind, query: &Query) -> Self {
        let asked = format!("{} {}", query.query_class(), query.query_type());
        Self { kind, answer: kind.answer(), name: query.name().to_ascii(), asked }
    }

    /// As it is judged and recorded: never a host name.
    pub(super) fn as_resolve(&self) -> Resolve {
        Resolve { name: self.name.clone(), host: None, kind: self.asked.clone() }
    }
}
