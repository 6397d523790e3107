//! Where the end-to-end tests find what they need.
//!
//! Owns the place of the built program and of the state folders. The tests are in `tests/`: they run the real program as
//! root, with real jails, a real OpenClaw and real sockets.

#![forbid(unsafe_code)]

pub mod plain_user;

use std::path::{Path, PathBuf};

use creel_testkit::Creel;

/// The built program: `cargo build` puts it beside the tests.
#[must_use]
pub fn program() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join("debug/creel")
}

/// The workspace's folder.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_owned)
}

/// A fresh installation of its own, named after the test.
///
/// # Errors
/// When its folder can't be made.
pub fn fresh(name: &str) -> std::io::Result<Creel> {
    Creel::fresh(&program(), &states().join(name))
}

/// Where state folders are made: `CREEL_E2E`, so that two checkouts can be tested at once, or one place.
#[must_use]
pub fn states() -> PathBuf {
    std::env::var_os("CREEL_E2E").map_or_else(|| "/var/lib/creel-e2e".into(), PathBuf::from)
}

/// The prepared runtime that the tests share with `make up`: preparing one takes a minute.
#[must_use]
pub fn runtime() -> String {
    "/var/lib/creel/runtime".to_owned()
}
