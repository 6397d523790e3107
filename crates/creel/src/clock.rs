//! The clock of the warden.
//!
//! Owns the one reading of monotonic time in this crate, so that a change of the wall clock moves no deadline. Whoever
//! compares two moments in the warden calls it.

/// This moment, monotonic.
#[expect(clippy::disallowed_methods, reason = "this file owns the clock")]
pub(crate) fn now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}
