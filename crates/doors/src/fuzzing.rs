//! What `fuzz/` and the tests drive of this crate's parsers.
//!
//! Owns the table of targets; each takes any bytes, and panics when something holds no more that must hold of every
//! input. It is compiled for tests and for `make fuzz` alone, and is no part of the product.

use crate::{dns, egress, model};

/// A target: its name, which is that of its folder in `fuzz/seeds`, and what is driven.
pub type Driven = (&'static str, fn(&[u8]));

/// Name → what is driven. The names are those of the folders in `fuzz/seeds`.
pub const TARGETS: &[Driven] = &[
    ("dns-message", dns::fuzzing::message),
    ("http-aim", egress::fuzzing::aim),
    ("http-chunks", egress::fuzzing::chunks),
    ("http-requests", egress::fuzzing::requests),
    ("websocket-frames", egress::fuzzing::frames),
    ("mail-sign-in", egress::fuzzing::sign_in),
    ("tls-client-hello", egress::fuzzing::client_hello),
    ("model-call", model::fuzzing::call),
    ("model-events", model::fuzzing::events),
    ("model-json", model::fuzzing::json),
    ("model-request-anthropic", model::fuzzing::request_anthropic),
    ("model-request-gemini", model::fuzzing::request_gemini),
    ("model-request-openai", model::fuzzing::request_openai),
    ("model-request-responses", model::fuzzing::request_responses),
    ("model-stream-anthropic", model::fuzzing::stream_anthropic),
    ("model-stream-gemini", model::fuzzing::stream_gemini),
    ("model-stream-openai", model::fuzzing::stream_openai),
    ("model-stream-responses", model::fuzzing::stream_responses),
    ("model-whole-anthropic", model::fuzzing::whole_anthropic),
    ("model-whole-gemini", model::fuzzing::whole_gemini),
    ("model-whole-openai", model::fuzzing::whole_openai),
    ("model-whole-responses", model::fuzzing::whole_responses),
];

/// Cuts `bytes` into pieces of the length that their first byte says: 1 to 256.
pub(crate) fn pieces(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (first, rest) = bytes.split_first().unwrap_or((&0, &[]));
    rest.chunks(usize::from(*first) + 1)
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_must_hold_holds_of_every_seed() {
        creel_testkit::drive_seeds(super::TARGETS);
    }
}
