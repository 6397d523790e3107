//! The passing of time, for deadlines alone.
//!
//! Owns the crate's only look at the clock. It never tells the time of day; installing and the answering of secrets
//! use it to give up in time.

use std::time::{Duration, Instant};

/// A moment after which waiting is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    #[expect(clippy::disallowed_methods, reason = "this file owns the crate's clock")]
    pub(crate) fn after(patience: Duration) -> Self {
        Self(Instant::now().checked_add(patience))
    }

    /// What is left: zero when it has passed. A time beyond what the clock can name is a day.
    #[expect(clippy::disallowed_methods, reason = "this file owns the crate's clock")]
    pub(crate) fn left(self) -> Duration {
        self.0.map_or(Duration::from_secs(86_400), |end| end.saturating_duration_since(Instant::now()))
    }

    pub(crate) fn passed(self) -> bool {
        self.left().is_zero()
    }
}
