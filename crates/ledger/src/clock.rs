//! The two clocks that stand in each record.
//!
//! Owns reading them. The wall clock can be set; the boot clock only counts, and goes on while the host sleeps.

use nix::time::{ClockId, clock_gettime};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

/// RFC 3339 in UTC with milliseconds.
const FORM: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// A moment on both clocks, in whole milliseconds, read and not yet written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    wall: OffsetDateTime,
    boot_ms: u64,
}

impl Moment {
    /// This one.
    pub(crate) fn now() -> Self {
        Self { wall: OffsetDateTime::now_utc().truncate_to_millisecond(), boot_ms: boot_ms() }
    }

    /// It, or `other` where that is later by the boot clock.
    pub(crate) fn no_earlier_than(self, other: Self) -> Self {
        if self.boot_ms < other.boot_ms { other } else { self }
    }

    /// As records bear it.
    pub(crate) fn stamp(self) -> Stamp {
        Stamp { wall: text(self.wall).unwrap_or_else(|| "unknown".to_owned()), boot_ms: self.boot_ms }
    }
}

/// A moment on both clocks.
#[derive(Clone, Debug)]
pub(crate) struct Stamp {
    /// RFC 3339, UTC, milliseconds.
    pub(crate) wall: String,
    /// Milliseconds since the host started.
    pub(crate) boot_ms: u64,
}

impl Stamp {
    /// This moment.
    pub(crate) fn now() -> Self {
        Moment::now().stamp()
    }
}

/// A moment as records bear it.
pub(crate) fn text(moment: OffsetDateTime) -> Option<String> {
    moment.to_offset(UtcOffset::UTC).format(FORM).ok()
}

/// Milliseconds since the host started (`CLOCK_BOOTTIME`, clock_gettime(2)).
pub(crate) fn boot_ms() -> u64 {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(0, |now| {
        let (seconds, nanos) = (u64::try_from(now.tv_sec()).unwrap_or(0), u64::try_from(now.tv_nsec()).unwrap_or(0));
        seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000)
    })
}
