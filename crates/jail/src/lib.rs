//! The box that the agent lives in: its network, its volume, its limits, its user ids, and how it is built.
//!
//! Owns what the kernel enforces. It never decides about an act of the agent and never parses what the agent sends. The
//! warden (in `creel`) calls it.

#![forbid(unsafe_code)]

pub mod cgroup;
mod error;
mod folder;
pub mod net;
mod seccomp;
pub mod slot;
pub mod volume;

pub use error::Error;
