//! A streamed answer on its way to the agent.
//!
//! Owns the task that reads events, has calls judged, keeps the agent's client awake meanwhile and settles the prompt's
//! receipt. Bytes reach the agent only as `stream` lets them; if the task dies, the agent's stream breaks instead of
//! ending. Started by `enforce`, once per streamed answer.

use std::collections::BTreeSet;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use creel_guard::{Outcome, Receipt};
use creel_secrets::Broker;
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep, timeout};

use super::admit::{Admission, Ruled};
use super::config::{Format, KEEP_ALIVE};
use super::meter::Tab;
use super::refuse;
use super::sse::{Event, Splitter};
use super::stream::{Machine, Step};
use crate::stream::{Body, BoxError};

/// Pieces between the task and the agent's connection.
const PIECES: usize = 16;

/// How long the last words may wait for an agent that does not read.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What a relay works with.
pub(super) struct Relay {
    pub(super) format: Format,
    pub(super) admission: Admission,
    pub(super) offered: BTreeSet<String>,
    pub(super) broker: Arc<dyn Broker>,
    pub(super) receipt: Receipt,
    /// Bytes that went to the provider.
    pub(super) sent: u64,
    pub(super) status: i64,
    pub(super) deadline: Pin<Box<Sleep>>,
    pub(super) tab: Tab,
}

/// Starts relaying `answer`; the body is the agent's.
pub(super) fn start(relay: Relay, answer: Body) -> Body {
    let (to_agent, pieces) = mpsc::channel(PIECES);
    tokio::spawn(relay.run(answer, to_agent));
    Relayed { pieces }.boxed_unsync()
}

enum Piece {
    Data(Bytes),
    /// The answer is over, as it should be.
    End,
}

/// Why an answer went no further.
enum Cut {
    /// The agent is gone.
    HungUp,
    /// The provider said so itself, and the agent has read it.
    Reported,
    /// What is wrong.
    Fault(String),
}

impl From<String> for Cut {
    fn from(why: String) -> Self {
        Self::Fault(why)
    }
}

impl Relay {
    async fn run(self, answer: Body, to_agent: mpsc::Sender<Piece>) {
        let Self { format, admission, offered, broker, receipt, sent, status, mut deadline, tab } = self;
        let mut pump = Pump {
            format,
            admission,
            offered,
            broker,
            to_agent: to_agent.clone(),
            machine: Machine::new(format),
            splitter: Splitter::default(),
            alarm: Box::pin(sleep(KEEP_ALIVE)),
            received: 0,
            tab,
        };
        let end = tokio::select! {
            end = pump.drive(answer) => end,
            () = to_agent.closed() => Err(Cut::HungUp),
            () = &mut deadline => Err(Cut::Fault("it was not over by its deadline".to_owned())),
        };
        pump.tab.says(pump.machine.usage());
        if end.is_ok() {
            pump.tab.ended();
        }
        let last_words = |piece| timeout(LAST_WORDS, to_agent.send(piece));
        let outcome = match end {
            Ok(()) => Outcome::Done { sent, received: pump.received, status: Some(status) },
            Err(Cut::HungUp) => Outcome::failed("the agent hung up"),
            Err(Cut::Reported) => Outcome::failed("the provider reported an error"),
            Err(Cut::Fault(why)) => {
                // The agent may be gone as well: nothing more can be told then.
                let _ = last_words(Piece::Data(refuse::error_event(format, &why))).await;
                Outcome::failed(why)
            }
        };
        receipt.settle(outcome);
        let _ = last_words(Piece::End).await;
    }
}

struct Pump {
    format: Format,
    admission: Admission,
    offered: BTreeSet<String>,
    broker: Arc<dyn Broker>,
    to_agent: mpsc::Sender<Piece>,
    machine: Machine,
    splitter: Splitter,
    alarm: Pin<Box<Sleep>>,
    received: u64,
    tab: Tab,
}

impl Pump {
    async fn drive(&mut self, mut answer: Body) -> Result<(), Cut> {
        while let Some(frame) = self.awake(answer.frame()).await? {
            let frame = frame.map_err(|error| Cut::Fault(format!("the provider's answer broke off: {error}")))?;
            // Trailers mean nothing here.
            let Ok(bytes) = frame.into_data() else { continue };
            self.received += bytes.len() as u64;
            self.splitter.push(&bytes);
            while let Some(event) = self.splitter.next_event()? {
                self.event(event).await?;
                if self.machine.is_done() {
                    return Ok(());
                }
            }
        }
        if let Some(event) = self.splitter.rest()? {
            self.event(event).await?;
        }
        let rest = self.machine.finish()?;
        self.send(rest).await
    }

    async fn event(&mut self, event: Event) -> Result<(), Cut> {
        self.tab.answered(event.raw.len());
        match self.machine.feed(event)? {
            Step::Pass(bytes) => self.send(bytes).await,
            Step::Wait => Ok(()),
            Step::Error(raw) => {
                let clean = self.broker.scrub(raw.to_vec()).await.map_err(|error| Cut::Fault(error.to_string()))?;
                self.send(clean.into()).await?;
                Err(Cut::Reported)
            }
            Step::Judge(calls) => {
                let mut refused = Vec::new();
                let mut receipts = Vec::new();
                for call in calls {
                    let (admission, offered) = (self.admission.clone(), self.offered.clone());
                    match self.awake(admission.call(&call, &offered)).await? {
                        Ruled::Released(receipt) => {
                            receipts.push(receipt);
                            refused.push(None);
                        }
                        Ruled::Refused(text) => refused.push(Some(text)),
                    }
                }
                let bytes = self.machine.resolve(&refused);
                self.send(bytes).await?;
                receipts.into_iter().for_each(|receipt| receipt.settle(Outcome::done()));
                Ok(())
            }
        }
    }

    /// Waits for `work`, with signs of life to the agent while something is held.
    async fn awake<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Cut> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                () = &mut self.alarm => {}
            }
            self.alarm.set(sleep(KEEP_ALIVE));
            if self.machine.is_holding() {
                self.send(refuse::keep_alive(self.format)).await?;
            }
        }
    }

    async fn send(&self, bytes: Bytes) -> Result<(), Cut> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.to_agent.send(Piece::Data(bytes)).await.map_err(|_| Cut::HungUp)
    }
}

/// The agent's end of an answer.
struct Relayed {
    pieces: mpsc::Receiver<Piece>,
}

impl http_body::Body for Relayed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.pieces.poll_recv(cx).map(|piece| match piece {
            Some(Piece::Data(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Piece::End) => None,
            None => Some(Err("the answer broke off".into())),
        })
    }
}

#[cfg(test)]
mod tests;
