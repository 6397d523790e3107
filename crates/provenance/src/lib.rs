//! Where the values of a tool call stem from; pure.
//!
//! This crate owns the model of a conversation (what was said, what came back) and the facts about a proposed call: what
//! kind of act it is, whether the user ordered it, and for each value whether it stands in the user's words, follows from
//! them, stands in a field or in untrusted prose alone. It never decides, does no IO and reads no clock. The model door
//! and `creel judge` call it with what they saw; the rules of `policy` read the facts.

#![forbid(unsafe_code)]

pub mod anthropic;
mod call;
pub mod chat;
mod choice;
mod conversation;
pub mod gemini;
mod intent;
mod lexicon;
mod records;
pub mod responses;
mod schema;
mod select;
mod shell;
mod tongues;
mod tool;
mod trace;
mod turns;
mod values;
mod words;

pub use call::facts;
pub use conversation::Conversation;
pub use tool::{Declaration, Tool, Tools};
pub use turns::Turn;
