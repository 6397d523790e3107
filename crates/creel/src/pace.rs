//! How fast something may go on.
//!
//! Owns [`Pace`], a bucket of tokens: what comes faster than anybody works is slowed down, so that neither guard nor ledger is
//! flooded. It reads no clock. Porter and sentry ask it.

use std::time::Duration;

pub(crate) struct Pace {
    burst: f64,
    a_second: f64,
    tokens: f64,
    filled: Duration,
}

impl Pace {
    /// So many at once, and so many a second from then on.
    pub(crate) fn new(burst: f64, a_second: f64, now: Duration) -> Self {
        Self { burst, a_second, tokens: burst, filled: now }
    }

    /// Whether one more may go on now.
    pub(crate) fn take(&mut self, now: Duration) -> bool {
        self.tokens = (self.tokens + now.saturating_sub(self.filled).as_secs_f64() * self.a_second).min(self.burst);
        self.filled = now;
        let free = self.tokens >= 1.0;
        if free {
            self.tokens -= 1.0;
        }
        free
    }

    /// How long until one more may.
    pub(crate) fn wait(&self, now: Duration) -> Duration {
        let lacking = (1.0 - self.tokens).max(0.0) / self.a_second;
        Duration::from_secs_f64(lacking).saturating_sub(now.saturating_sub(self.filled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_so_many_a_second() {
        let start = Duration::from_secs(5);
        let mut pace = Pace::new(4000.0, 1000.0, start);
        let passes = |pace: &mut Pace, now: Duration| (0..10_000).take_while(|_| pace.take(now)).count();
        assert_eq!(passes(&mut pace, start), 4000);
        assert!(pace.wait(start) > Duration::ZERO && pace.wait(start) <= Duration::from_millis(1));
        assert_eq!(passes(&mut pace, start + Duration::from_millis(500)), 500);
        assert_eq!(passes(&mut pace, start + Duration::from_secs(1000)), 4000);
    }
}
