//! What becomes of messages where secrets go.
//!
//! Owns [`SignsIn`], which has the placeholders in a message of the agent's judged and filled, and [`Scrubs`], which takes every
//! secret out of what the agent hears. Never decides where a placeholder is worth something: the guard does, each time. Called by
//! [`super::rewrite`].

use std::sync::Arc;

use creel_guard::{Action, BoxFuture, Content, Facts, Form, Inject, Obligations, Outcome};
use creel_secrets::{Broker, Scrubber};

use super::Wrong;
use super::messages::{Counted, Hear, Piece, Searched};
use super::rewrite::{Part, Turn};
use crate::egress::Egress;
use crate::egress::secret::Filler;
use crate::egress::splice::Standing;
use crate::model::strict;
use crate::upstream::Place;

/// Who signs in does it once, and again when the server asks for it.
const MOST_SIGN_INS: u8 = 8;

/// Fills placeholders in.
pub(super) struct SignsIn {
    door: Arc<Egress>,
    action: Action,
    facts: Facts,
    place: Place,
    left: u8,
}

impl SignsIn {
    /// On a WebSocket to `place` that was judged.
    pub(super) fn new(door: &Arc<Egress>, standing: &Standing, place: Place) -> Self {
        let (action, facts) = standing.judged();
        Self { door: Arc::clone(door), action, facts, place, left: MOST_SIGN_INS }
    }

    pub(super) fn broker(&self) -> Arc<dyn Broker> {
        Arc::clone(&self.door.broker)
    }

    /// What it leaves is searched for what must not leave.
    pub(super) fn after(self, searched: Searched) -> Said {
        Said { signs_in: self, searched }
    }

    /// A whole message with placeholders in JSON, and where each stood; `None` for any other.
    fn found(&self, part: &Part) -> Option<(Content, Vec<Inject>)> {
        let whole = part.first && part.last && part.is_text;
        if !whole || !self.door.broker.stand_in(&part.bytes) {
            return None;
        }
        let mut content = Content::new(Form::Json, strict::parse(&part.bytes).ok()?, String::new());
        let stood = self.door.broker.take_message(&mut content);
        (!stood.is_empty()).then_some((content, stood))
    }

    /// The message with its secrets, if they may go there.
    async fn filled(&mut self, mut content: Content, stood: Vec<Inject>) -> Result<Vec<u8>, Wrong> {
        self.left = self.left.checked_sub(1).ok_or(Wrong::refused("it signed in too often"))?;
        let facts = Facts { placeholders: stood, ..self.facts.clone() };
        let permit = match self.door.guard.admit(self.action.clone(), facts).await {
            Ok(permit) => permit,
            Err(refusal) => return Err(Wrong::refused(format!("a message was refused by `{}`", refusal.rule))),
        };
        let (obligations, receipt) = permit.redeem();
        // What the opening owes was met when it was opened; the connection counts bytes and time.
        let Obligations { inject: _, swaps, scrub: _, max_bytes: _, deadline_ms: _ } = obligations;
        let filler = Filler { broker: self.door.broker.as_ref(), record: receipt.record(), place: &self.place };
        for swap in &swaps {
            if let Err(error) = filler.content(swap, &mut content).await {
                receipt.settle(Outcome::failed(error.to_string()));
                return Err(Wrong::broke("a secret can't be filled in"));
            }
        }
        let message = content.text.as_bytes().to_vec();
        receipt.settle(Outcome::Done { sent: message.len() as u64, received: 0, status: None });
        Ok(message)
    }
}

/// What the agent says.
pub(super) struct Said {
    signs_in: SignsIn,
    searched: Searched,
}

impl Said {
    async fn passes(&mut self, part: Part) -> Result<Vec<u8>, Wrong> {
        let found = self.signs_in.found(&part);
        let Part { is_text, bytes, last, .. } = part;
        let searched = found.as_ref().map_or(bytes.as_slice(), |(content, _)| content.text.as_bytes());
        self.searched.hear(Piece { is_text, bytes: searched, last })?;
        match found {
            Some((content, stood)) => self.signs_in.filled(content, stood).await,
            None => Ok(bytes),
        }
    }
}

impl Turn for Said {
    fn part(&mut self, part: Part) -> BoxFuture<'_, Result<Vec<u8>, Wrong>> {
        Box::pin(self.passes(part))
    }

    fn control(&mut self, _kind: u8, says: Vec<u8>) -> Vec<u8> {
        says
    }
}

/// What the agent hears.
pub(super) struct Scrubs {
    scrubber: Scrubber,
    /// Control frames stand between the parts of a message, and are looked at by themselves.
    aside: Scrubber,
    counted: Counted,
}

impl Scrubs {
    pub(super) fn new(broker: Arc<dyn Broker>, counted: Counted) -> Self {
        Self { scrubber: broker.scrubber(), aside: broker.scrubber(), counted }
    }

    fn clean(&mut self, part: &Part) -> Result<Vec<u8>, Wrong> {
        self.counted.hear(Piece { is_text: part.is_text, bytes: &[], last: part.last })?;
        let mut clean = self.scrubber.push(&part.bytes);
        if part.last {
            clean.append(&mut self.scrubber.finish());
        }
        Ok(clean)
    }
}

impl Turn for Scrubs {
    fn part(&mut self, part: Part) -> BoxFuture<'_, Result<Vec<u8>, Wrong>> {
        Box::pin(std::future::ready(self.clean(&part)))
    }

    /// One that holds a secret says nothing but its code, if it has one: a mark could make it too long.
    fn control(&mut self, kind: u8, says: Vec<u8>) -> Vec<u8> {
        let mut clean = self.aside.push(&says);
        clean.append(&mut self.aside.finish());
        match kind {
            _ if clean == says => says,
            8 => says.get(..2).unwrap_or_default().to_vec(),
            _ => Vec::new(),
        }
    }
}
