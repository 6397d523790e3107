//! How fast programs may start.
//!
//! Owns [`Pace`], a bucket of tokens: who starts programs faster than anybody works is slowed down, so that neither guard nor
//! ledger is flooded. It reads no clock. The porter asks it.

use std::time::Duration;

/// Programs at once: a build starts some thousand within seconds.
const BURST: f64 = 4000.0;
/// Programs a second from then on.
const A_SECOND: f64 = 1000.0;

pub(super) struct Pace {
    tokens: f64,
    filled: Duration,
}

impl Pace {
    pub(super) fn new(now: Duration) -> Self {
        Self { tokens: BURST, filled: now }
    }

    /// Whether one more may start now.
    pub(super) fn take(&mut self, now: Duration) -> bool {
        self.tokens = (self.tokens + now.saturating_sub(self.filled).as_secs_f64() * A_SECOND).min(BURST);
        self.filled = now;
        let free = self.tokens >= 1.0;
        if free {
            self.tokens -= 1.0;
        }
        free
    }

    /// How long until one more may.
    pub(super) fn wait(&self, now: Duration) -> Duration {
        let lacking = (1.0 - self.tokens).max(0.0) / A_SECOND;
        Duration::from_secs_f64(lacking).saturating_sub(now.saturating_sub(self.filled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_so_many_a_second() {
        let start = Duration::from_secs(5);
        let mut pace = Pace::new(start);
        let passes = |pace: &mut Pace, now: Duration| (0..10_000).take_while(|_| pace.take(now)).count();
        assert_eq!(passes(&mut pace, start), 4000);
        assert!(pace.wait(start) > Duration::ZERO && pace.wait(start) <= Duration::from_millis(1));
        assert_eq!(passes(&mut pace, start + Duration::from_millis(500)), 500);
        assert_eq!(passes(&mut pace, start + Duration::from_secs(1000)), 4000);
    }
}
