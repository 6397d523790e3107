//! The sums of an hour and of a day.
//!
//! Owns [`Sums`]: pure arithmetic over millionths of a dollar; times are milliseconds since 1970, handed in.

use std::fmt;

use serde::{Deserialize, Serialize};

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 86_400_000;

/// What is summed up; both begin with UTC's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    Hour,
    Day,
}

impl Span {
    pub(super) const ALL: [Self; 2] = [Self::Hour, Self::Day];
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hour => "hour",
            Self::Day => "day",
        })
    }
}

/// What was spent, and since when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Sums {
    hour: u64,
    of_hour: u64,
    day: u64,
    of_day: u64,
}

impl Sums {
    /// Begins a new hour or day when it is time. A clock that was put back begins nothing: what was spent stays spent.
    pub(super) fn roll(&mut self, now: u64) {
        let (hour, day) = (now / HOUR_MS, now / DAY_MS);
        if hour > self.hour {
            (self.hour, self.of_hour) = (hour, 0);
        }
        if day > self.day {
            (self.day, self.of_day) = (day, 0);
        }
    }

    /// So much more.
    pub(super) fn add(&mut self, micro: u64) {
        self.of_hour = self.of_hour.saturating_add(micro);
        self.of_day = self.of_day.saturating_add(micro);
    }

    /// How much.
    pub(super) fn of(&self, span: Span) -> u64 {
        match span {
            Span::Hour => self.of_hour,
            Span::Day => self.of_day,
        }
    }
}

/// Millionths of a dollar as people read them, rounded up to a cent.
pub(crate) fn dollars(micro: u64) -> String {
    let cents = micro.div_ceil(10_000);
    format!("{}.{:02} USD", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hours_and_days_begin_anew_and_a_clock_that_is_put_back_gives_nothing_back() {
        let mut sums = Sums::default();
        sums.roll(DAY_MS);
        sums.add(5);
        sums.roll(DAY_MS + HOUR_MS - 1);
        assert_eq!((sums.of(Span::Hour), sums.of(Span::Day)), (5, 5));
        sums.roll(DAY_MS + HOUR_MS);
        assert_eq!((sums.of(Span::Hour), sums.of(Span::Day)), (0, 5));
        sums.add(1);
        sums.roll(0);
        assert_eq!((sums.of(Span::Hour), sums.of(Span::Day)), (1, 6));
        sums.roll(2 * DAY_MS);
        assert_eq!((sums.of(Span::Hour), sums.of(Span::Day)), (0, 0));
        assert_eq!(
            (dollars(0), dollars(1), dollars(12_345_678)),
            ("0.00 USD".into(), "0.01 USD".into(), "12.35 USD".into())
        );
    }

    proptest! {
        /// Within an hour nothing that is added is lost, whatever the clock does.
        #[test]
        fn sums_never_shrink_within_an_hour(steps in proptest::collection::vec((0..HOUR_MS, any::<u64>()), 0..50)) {
            let mut sums = Sums::default();
            let mut before = 0;
            for (at, micro) in steps {
                sums.roll(HOUR_MS + at);
                sums.add(micro);
                prop_assert!(sums.of(Span::Hour) >= before.max(micro));
                before = sums.of(Span::Hour);
            }
        }
    }
}
