//! What `fuzz/` and the tests drive of this crate's parsers.
//!
//! Owns the table of targets; each takes any bytes, and panics when something holds no more that must hold of every
//! input. It is compiled for tests and for `make fuzz` alone, and is no part of the product.

use zeroize::Zeroizing;

use crate::keyring::Keyring;
use crate::store::{Store, StoreKey, drive};

/// A target: its name, which is that of its folder in `fuzz/seeds`, and what is driven.
pub type Driven = (&'static str, fn(&[u8]));

/// Name → what is driven. The names are those of the folders in `fuzz/seeds`.
pub const TARGETS: &[Driven] = &[("secret-handover", handover), ("secret-store", store)];

/// The file, and what it seals: what is read is written as the same again.
pub(crate) fn store(bytes: &[u8]) {
    drive(bytes);
    let Ok(key) = StoreKey::parse("5a".repeat(32).as_bytes()) else { unreachable!("it is a key") };
    let Ok(store) = Store::open(bytes, &key, "main") else { return };
    assert!(store.seal(&key, "main").is_ok(), "what was opened can be sealed");
}

/// The hand-over between our processes: what is read is written as the same again.
fn handover(bytes: &[u8]) {
    let Ok(ring) = Keyring::parse(Zeroizing::new(bytes.to_vec())) else { return };
    let Ok(written) = ring.write() else { return };
    let again = Keyring::parse(written.clone()).and_then(|ring| ring.write());
    assert!(again.is_ok_and(|again| again == written), "a hand-over means the same again");
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_must_hold_holds_of_every_seed() {
        creel_testkit::drive_seeds(super::TARGETS);
    }
}
