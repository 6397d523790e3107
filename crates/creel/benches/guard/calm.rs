//! What a guard needs beside policy and ledger, at its plainest: no breaker is open, and time is tokio's.

use std::time::Duration;

use creel_guard::{Action, BoxFuture, BreakerState, Breakers, Timer};

/// No breaker is open.
pub(crate) struct Closed;

impl Breakers for Closed {
    fn state(&self, _action: &Action) -> BreakerState {
        BreakerState::Closed
    }
}

/// tokio's clock.
pub(crate) struct Tokio;

impl Timer for Tokio {
    fn after(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}
