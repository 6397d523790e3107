//! The monotonic clock, and the wall's for people.
//!
//! Owns the readings of monotonic time in this crate, so that a change of the wall clock moves no deadline, and how moments
//! are written. Whoever compares two moments or shows one calls it.

use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A moment in milliseconds since 1970, RFC 3339 in UTC to the second.
pub(crate) fn utc(ms: u64) -> String {
    let moment = OffsetDateTime::from_unix_timestamp(i64::try_from(ms / 1000).unwrap_or(i64::MAX)).ok();
    moment.and_then(|moment| moment.format(&Rfc3339).ok()).unwrap_or_default()
}

/// This moment in milliseconds since 1970.
pub(crate) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// This moment, monotonic.
#[expect(clippy::disallowed_methods, reason = "this file owns the clock")]
pub(crate) fn now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

/// The same where no runtime is.
pub(crate) fn monotonic() -> std::time::Duration {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC);
    time.map(std::time::Duration::from).unwrap_or_default()
}
