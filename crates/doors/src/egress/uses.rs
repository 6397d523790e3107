//! Placeholders on a connection that was judged when it was opened.
//!
//! Owns [`Uses`]: each message and each sign-in that holds one is an act of its own, judged and recorded as the connection was,
//! with what stands in it. Never decides, never shows a value. Called by [`super::websocket`] and [`super::mail`].

use std::sync::Arc;

use creel_guard::{Action, Facts, Inject, Obligations, Outcome, Receipt, RecordId};
use creel_secrets::Broker;

use super::Egress;
use super::secret::Filler;
use super::splice::{Standing, Wrong};
use crate::upstream::Place;

/// On one connection: who signs in does it once, and again when the server asks for it.
const MOST: u8 = 8;

/// What placeholders on one connection are used for.
pub(super) struct Uses {
    door: Arc<Egress>,
    action: Action,
    facts: Facts,
    place: Place,
    left: u8,
}

impl Uses {
    /// On a connection to `place`, over TLS, that was judged.
    pub(super) fn new(door: &Arc<Egress>, standing: &Standing, place: Place) -> Self {
        let (action, facts) = standing.judged();
        Self { door: Arc::clone(door), action, facts, place, left: MOST }
    }

    pub(super) fn broker(&self) -> &dyn Broker {
        self.door.broker.as_ref()
    }

    /// Has the use of these judged: which are worth their secret, and what settles it.
    pub(super) async fn admitted(&mut self, stood: Vec<Inject>) -> Result<(Vec<Inject>, Receipt), Wrong> {
        self.left = self.left.checked_sub(1).ok_or(Wrong::refused("it signed in too often"))?;
        let facts = Facts { placeholders: stood, ..self.facts.clone() };
        let permit = self.door.guard.admit(self.action.clone(), facts).await;
        let permit = permit.map_err(|refusal| Wrong::refused(format!("`{}` refused a placeholder", refusal.rule)))?;
        let (obligations, receipt) = permit.redeem();
        // What the opening owes was met when it was opened; the connection counts bytes and time.
        let Obligations { inject: _, swaps, scrub: _, max_bytes: _, deadline_ms: _ } = obligations;
        if self.broker().mints(&swaps) {
            let why = "nobody would look for the credential that it mints in what comes back here";
            receipt.settle(Outcome::failed(why));
            return Err(Wrong::refused(why));
        }
        Ok((swaps, receipt))
    }

    /// Fills in under this record.
    pub(super) fn filler(&self, record: RecordId) -> Filler<'_> {
        Filler { broker: self.broker(), record, place: &self.place }
    }
}
