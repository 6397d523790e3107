//! Everything that knows OpenClaw: how it is installed, configured, started and spoken to.
//!
//! This crate never decides what the agent may do and never runs OpenClaw outside a jail: the warden asks it for a
//! runtime folder, a configuration and a command line, the guard speaks to a running gateway through [`client`]. What
//! it reads from OpenClaw comes from the agent: it is bounded and parsed as hostile.

#![forbid(unsafe_code)]

pub mod client;
mod clock;
pub mod config;
mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod launch;
pub mod layout;
pub mod resolver;
pub mod runtime;

pub use error::Error;

/// The OpenClaw that `runtime/app/package.json` pins.
pub const OPENCLAW_VERSION: &str = "2026.9.6";
/// The Node that `runtime/node/package.json` pins; OpenClaw asks for 24.16 or later of the 24 line.
pub const NODE_VERSION: &str = "24.21.0";
/// The npm that `runtime/node/package.json` pins.
pub const NPM_VERSION: &str = "11.19.1";
