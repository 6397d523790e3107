//! How often something was asked for lately.
//!
//! Owns the counts behind the policy's rates. Never decides whether it was too often: it hands the counts over as facts.
//! Each attempt counts, refused ones too, so that probing is slowed as well. Asked by [`super::Egress`].

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use creel_guard::{RateKey, Spent};
use tokio::time::Instant;

/// Rates at once; each entry of the configuration has one at most.
const MAX_RATES: usize = 16_384;

/// Counts by rate.
#[derive(Debug, Default)]
pub struct Meter(Mutex<HashMap<RateKey, Window>>);

/// A sliding window out of two fixed ones: the last one counts by the part of it that is still inside.
#[derive(Clone, Copy, Debug)]
struct Window {
    start: Instant,
    before: u64,
    now: u64,
}

impl Meter {
    /// Counts one act under each of `rates`, and says how many there were before it.
    pub(super) fn count(&self, rates: &[RateKey]) -> Vec<Spent> {
        if rates.is_empty() {
            return Vec::new();
        }
        #[expect(clippy::disallowed_methods, reason = "this file owns the clock of the rates; policy has none")]
        let now = Instant::now();
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= MAX_RATES {
            // A reload may leave rates behind that nobody asks for.
            windows.retain(|rate, window| now.duration_since(window.start) < 2 * length(*rate));
        }
        rates.iter().map(|rate| Spent { key: rate.key, count: add(&mut windows, *rate, now) }).collect()
    }
}

fn length(rate: RateKey) -> Duration {
    Duration::from_secs(u64::from(rate.seconds.max(1)))
}

fn add(windows: &mut HashMap<RateKey, Window>, rate: RateKey, now: Instant) -> u64 {
    let length = length(rate);
    let window = windows.entry(rate).or_insert(Window { start: now, before: 0, now: 0 });
    let passed = now.duration_since(window.start);
    if passed >= 2 * length {
        *window = Window { start: now, before: 0, now: 0 };
    } else if passed >= length {
        *window = Window { start: window.start + length, before: window.now, now: 0 };
    }
    let into = now.duration_since(window.start).as_millis();
    let left = length.as_millis().saturating_sub(into);
    // The part of the last window that lies within the sliding one, rounded up.
    let carried = (u128::from(window.before) * left).div_ceil(length.as_millis().max(1));
    let spent = window.now.saturating_add(u64::try_from(carried).unwrap_or(u64::MAX));
    window.now = window.now.saturating_add(1);
    spent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::disallowed_methods)]
    fn a_window_slides() {
        let mut windows = HashMap::new();
        let rate = RateKey { key: 7, seconds: 60 };
        let start = Instant::now();
        let mut count = |key, after| add(&mut windows, RateKey { key, ..rate }, start + Duration::from_secs(after));
        assert_eq!([count(7, 0), count(7, 1), count(7, 2), count(8, 2), count(7, 59)], [0, 1, 2, 0, 3]);
        assert_eq!(count(7, 75), 3, "three quarters of four are still inside");
        assert_eq!(count(7, 300), 0);
        assert!(Meter::default().count(&[]).is_empty());
        let meter = Meter::default();
        assert_eq!([meter.count(&[rate])[0].count, meter.count(&[rate])[0].count], [0, 1]);
    }
}
