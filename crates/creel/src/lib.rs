//! The parts of the binary that its tests and `xtask` can name.
//!
//! Owns nothing but the list of modules. Everything else of the workspace stays ignorant of this crate.

#![forbid(unsafe_code)]

mod agent_log;
mod canary;
pub mod cli;
mod clock;
pub mod config;
mod escape;
mod files;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod guard_child;
mod guard_process;
mod inside;
mod link;
mod lock;
mod logging;
mod memory;
mod notary;
mod outside;
mod pace;
mod placeholders;
mod porter;
mod porter_child;
mod private_file;
mod probe;
mod protocol;
pub mod provider;
mod reception;
mod run;
mod safe;
mod seat;
mod sentry;
mod sentry_child;
mod site;
mod snapshot;
mod terminal;
mod tools;
mod trust;
mod warden;
