//! Looks into bytes: injections, secrets, what hides in encodings.
//!
//! Owns the detectors and the sanitiser, all of them pure: no file, no clock, no network, no `unsafe`, and memory bounded
//! by a constant times the text. It never decides; doors and monitors make facts of what it finds, and policy judges.

#![forbid(unsafe_code)]

pub mod injection;
pub(crate) mod lexicon;
pub mod memory;
pub(crate) mod normal;
pub mod sanitise;
pub mod secrets;
pub(crate) mod token;
pub(crate) mod view;
