//! What becomes of messages where secrets go.
//!
//! Owns [`Said`], which has the placeholders in a message of the agent's judged and filled, and [`Scrubs`], which takes every
//! secret out of what the agent hears. Never decides where a placeholder is worth something: the guard does, each time. Called by
//! [`super::rewrite`].

use creel_guard::{BoxFuture, Content, Form, Inject, Outcome};
use creel_secrets::{Broker, Scrubber};

use super::Wrong;
use super::messages::{Counted, Hear, Piece, Searched};
use super::rewrite::{Part, Turn};
use crate::egress::uses::Uses;
use crate::model::strict;

/// What the agent says.
pub(super) struct Said {
    uses: Uses,
    searched: Searched,
}

impl Said {
    /// What is left of a message is searched for what must not leave.
    pub(super) fn new(uses: Uses, searched: Searched) -> Self {
        Self { uses, searched }
    }

    async fn passes(&mut self, part: Part) -> Result<Vec<u8>, Wrong> {
        let found = self.found(&part);
        let Part { is_text, bytes, last, .. } = part;
        let searched = found.as_ref().map_or(bytes.as_slice(), |(content, _)| content.text.as_bytes());
        self.searched.hear(Piece { is_text, bytes: searched, last })?;
        match found {
            Some((content, stood)) => self.filled(content, stood).await,
            None => Ok(bytes),
        }
    }

    /// A whole message with placeholders in JSON, and where each stood; `None` for any other.
    fn found(&self, part: &Part) -> Option<(Content, Vec<Inject>)> {
        let broker = self.uses.broker();
        let whole = part.first && part.last && part.is_text;
        if !whole || !broker.stand_in(&part.bytes) {
            return None;
        }
        let mut content = Content::new(Form::Json, strict::parse(&part.bytes).ok()?, String::new());
        let stood = broker.take_message(&mut content);
        (!stood.is_empty()).then_some((content, stood))
    }

    /// The message with its secrets, if they may go there.
    async fn filled(&mut self, mut content: Content, stood: Vec<Inject>) -> Result<Vec<u8>, Wrong> {
        let (swaps, receipt) = self.uses.admitted(stood).await?;
        let filler = self.uses.filler(receipt.record());
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
    pub(super) fn new(broker: &dyn Broker, counted: Counted) -> Self {
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
