//! What `fuzz/` and the tests drive of this crate's parsers.
//!
//! Owns the table of targets; each takes any bytes, and panics when something holds no more that must hold of every
//! input. It is compiled for tests and for `make fuzz` alone, and is no part of the product.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::escape::{for_terminal, one_line};
use crate::probe::Findings;
use crate::protocol::{FromControl, FromGuard, ToControl, ToWarden};

/// A target: its name, which is that of its folder in `fuzz/seeds`, and what is driven.
pub type Driven = (&'static str, fn(&[u8]));

/// Name → what is driven. The names are those of the folders in `fuzz/seeds`.
pub const TARGETS: &[Driven] = &[
    ("creel-messages", messages),
    ("exec-arguments", crate::porter::memory::drive),
    ("snapshot-frames", crate::snapshot::frame::drive),
    ("terminal-text", text),
];

/// What a process of ours, or one in the jail, could have been made to send: what is understood means the same again.
fn messages(bytes: &[u8]) {
    again::<FromGuard>(bytes);
    again::<ToControl>(bytes);
    again::<FromControl>(bytes);
    again::<ToWarden>(bytes);
    again::<Findings>(bytes);
    again::<crate::memory::Said>(bytes);
    again::<crate::memory::Order>(bytes);
}

fn again<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    let Ok(message) = serde_json::from_slice::<T>(bytes) else { return };
    let Ok(written) = serde_json::to_vec(&message) else { unreachable!("a message can be written") };
    let read = serde_json::from_slice::<T>(&written).and_then(|message| serde_json::to_vec(&message));
    assert_eq!(read.ok(), Some(written), "a message means the same again");
}

/// What reaches a terminal holds no control but the line feed and the tab.
fn text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let shown = for_terminal(&text);
    assert!(!shown.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')), "no control gets through");
    assert!(!one_line(&text).chars().any(char::is_control), "one line is one line");
    assert_eq!(for_terminal(&shown), shown, "what was escaped stays as it is");
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_must_hold_holds_of_every_seed() {
        creel_testkit::drive_seeds(super::TARGETS);
    }
}
