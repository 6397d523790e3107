//! How many messages that are no questions are looked at in a second.
//!
//! Owns [`Throttle`]: a few of each kind, so that the agent can't fill the ledger with them. What goes beyond is neither
//! recorded nor answered. Called by [`super::Dns`]; a question that can be read never comes here.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::flaw::Kind;

/// So many places for each kind.
#[derive(Debug)]
pub(super) struct Throttle {
    places: Vec<(Kind, Arc<Semaphore>)>,
    /// A place is free again after this.
    rest: Duration,
}

impl Throttle {
    /// `places` for each kind, each taken for `rest`.
    pub(super) fn new(places: usize, rest: Duration) -> Self {
        Self { places: Kind::ALL.into_iter().map(|kind| (kind, Arc::new(Semaphore::new(places)))).collect(), rest }
    }

    /// Takes a place; false when none is left. Must run on the runtime, which gives it back.
    pub(super) fn admits(&self, kind: Kind) -> bool {
        let Some((_, places)) = self.places.iter().find(|(this, _)| *this == kind) else { return false };
        let Ok(place) = Arc::clone(places).try_acquire_owned() else { return false };
        let rest = self.rest;
        tokio::spawn(async move {
            tokio::time::sleep(rest).await;
            drop(place);
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_kind_has_its_own_few_places() {
        let throttle = Throttle::new(3, Duration::from_secs(3600));
        for kind in Kind::ALL {
            let admitted = (0..100).filter(|_| throttle.admits(kind)).count();
            assert_eq!(admitted, 3, "{kind:?}");
        }
    }

    #[tokio::test]
    async fn a_place_is_given_back() {
        let throttle = Throttle::new(1, Duration::ZERO);
        for _ in 0..3 {
            while !throttle.admits(Kind::Counts) {
                tokio::task::yield_now().await;
            }
        }
    }
}
