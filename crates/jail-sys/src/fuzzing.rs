//! What `fuzz/` and the tests drive of this crate's parsers.
//!
//! Owns the table of targets; each takes any bytes, and panics when something holds no more that must hold of every
//! input. It is compiled for tests and for `make fuzz` alone, and is no part of the product.

use crate::{fanotify, netlink, sock_diag};

/// A target: its name, which is that of its folder in `fuzz/seeds`, and what is driven.
pub type Driven = (&'static str, fn(&[u8]));

/// Name → what is driven. The names are those of the folders in `fuzz/seeds`.
pub const TARGETS: &[Driven] = &[
    ("fanotify-events", fanotify::fuzz_events),
    ("netlink-replies", netlink::fuzz_replies),
    ("netlink-listener", sock_diag::fuzz_listener),
];

#[cfg(test)]
mod tests {
    #[test]
    fn what_must_hold_holds_of_every_seed() {
        creel_testkit::drive_seeds(super::TARGETS);
    }
}
