//! The doors: they turn bytes into an `Action` and carry out the answer.
//!
//! A door never decides: it asks `creel_guard::Guard::admit` and acts only with the permit in hand. This crate can name
//! neither `policy` nor `ledger`. The guard process of each tenant serves every door on sockets that the warden planted.

#![forbid(unsafe_code)]

mod accept;
pub mod ca;
pub mod definition;
pub mod dns;
pub mod egress;
mod error;
pub mod exec;
pub mod files;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod leak;
pub mod model;
pub mod names;
pub mod shutdown;
pub mod stream;
pub mod upstream;

pub use error::Error;
pub use shutdown::Shutdown;
