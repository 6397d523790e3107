//! The only crate that sees a plaintext secret.
//!
//! Owns [`Secret`], the [`Broker`] that fills one slot for one redeemed obligation, the sealed [`Store`], and the hand-over of
//! values from the warden to the guard ([`Keyring`]). It never prints, logs or clones a value and never decides who may have one:
//! a permit's obligation does. Doors call the broker; the guard process fills it at start.

#![forbid(unsafe_code)]

mod aws;
mod broker;
mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod handover;
mod keyring;
mod mint;
mod placeholder;
mod scrub;
mod secret;
mod spot;
mod store;

pub use aws::{Signing, aws_pair, pieces};
pub use broker::{Broker, Fill, Filled, MemoryBroker, Slot, Told};
pub use error::Error;
pub use handover::{Handed, parse_handover, write_handover};
pub use keyring::Keyring;
pub use mint::{Mint, unborn};
pub use placeholder::Placeholder;
pub use scrub::Scrubber;
pub use secret::{Secret, SecretName, same};
pub use spot::Placeholders;
pub use store::{Kept, Store, StoreKey};
