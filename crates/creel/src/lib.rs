//! The parts of the binary that its tests and `xtask` can name.
//!
//! Owns nothing but the list of modules. Everything else of the workspace stays ignorant of this crate.

#![forbid(unsafe_code)]

pub mod config;
pub mod provider;
