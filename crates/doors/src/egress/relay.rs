//! The two bodies of an exchange, streamed and counted.
//!
//! Owns [`Outgoing`], which keeps a request's body to what was admitted, and [`Relayed`], which settles the receipt when
//! the response's body ends or breaks. Neither ever holds a whole body. Used by [`super::enforce`].

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use creel_guard::{Outcome, Receipt};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use crate::Error;
use crate::leak::{Held, Search};
use crate::stream::BoxError;

/// What the agent did wrong while its request's body went out.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// The body broke off or is malformed.
    Broken(String),
    /// The body is longer than what may go out.
    TooMuch,
    /// It holds what must not leave.
    Leak(String),
    /// It can't be searched for that.
    Packed(&'static str),
}

impl Fault {
    fn why(&self) -> String {
        match self {
            Self::Broken(why) => why.clone(),
            Self::TooMuch => "the request's body is longer than what may go out".to_owned(),
            Self::Leak(why) => why.clone(),
            Self::Packed(why) => format!("the request's body can't be searched: {why}"),
        }
    }

    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Broken(why) => Error::Agent(why),
            Self::Packed(_) => Error::Agent(self.why()),
            Self::TooMuch => Error::AgentTooMuch(self.why()),
            Self::Leak(_) => Error::Agent("it holds what must not leave (`leak/known-value`)".to_owned()),
        }
    }
}

impl From<Held> for Fault {
    fn from(held: Held) -> Self {
        match held {
            Held::Leak(why) => Self::Leak(why),
            Held::Packed(why) => Self::Packed(why),
        }
    }
}

/// What went out so far, and what the agent did wrong while it went.
#[derive(Debug, Default)]
pub(super) struct Tally {
    sent: AtomicU64,
    fault: Mutex<Option<Fault>>,
}

impl Tally {
    /// Counts bytes that go out in one piece.
    pub(super) fn count(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Body bytes handed to the upstream's connection.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Why the request's body was broken off, if it was.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn blame(&self, fault: Fault) -> BoxError {
        let why = fault.why();
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
        why.into()
    }
}

/// A request's body on its way out, at most so many bytes of it.
#[derive(Debug)]
pub(super) struct Outgoing {
    body: Incoming,
    left: u64,
    tally: Arc<Tally>,
    search: Option<Search>,
}

impl Outgoing {
    pub(super) fn new(body: Incoming, max: u64, tally: Arc<Tally>, search: Option<Search>) -> Self {
        Self { body, left: max, tally, search }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let Some(frame) = ready!(Pin::new(&mut this.body).poll_frame(cx)) else {
            let ended = this.search.as_mut().map_or(Ok(()), Search::finish);
            return Poll::Ready(ended.err().map(|held| Err(this.tally.blame(held.into()))));
        };
        let data = match frame.map(Frame::into_data) {
            Ok(Ok(data)) => data,
            Ok(Err(_)) => {
                let fault = Fault::Broken("the request has trailers".to_owned());
                return Poll::Ready(Some(Err(this.tally.blame(fault))));
            }
            Err(error) => {
                let why = format!("the request's body broke off: {}", crate::upstream::chain(&error));
                return Poll::Ready(Some(Err(this.tally.blame(Fault::Broken(why)))));
            }
        };
        let length = data.remaining() as u64;
        let Some(left) = this.left.checked_sub(length) else {
            return Poll::Ready(Some(Err(this.tally.blame(Fault::TooMuch))));
        };
        this.left = left;
        let is_last = this.body.is_end_stream();
        let searched = this.search.as_mut().map_or(Ok(()), |search| {
            search.push(&data)?;
            if is_last { search.finish() } else { Ok(()) }
        });
        if let Err(held) = searched {
            return Poll::Ready(Some(Err(this.tally.blame(held.into()))));
        }
        this.tally.sent.fetch_add(length, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A response's body on its way to the agent. Dropped before its end, its receipt says `Abandoned`.
#[derive(Debug)]
pub(super) struct Relayed<B> {
    body: B,
    receipt: Option<Receipt>,
    tally: Arc<Tally>,
    received: u64,
    status: u16,
    deadline: Option<Pin<Box<Sleep>>>,
    /// Trailers pass.
    trailers: bool,
}

/// The body of an answer on its way.
pub(super) trait ResponseBody: Body<Data = Bytes, Error = Error> + Unpin + Send + 'static {}
impl<B: Body<Data = Bytes, Error = Error> + Unpin + Send + 'static> ResponseBody for B {}

impl<B: ResponseBody> Relayed<B> {
    pub(super) fn new(
        body: B,
        receipt: Receipt,
        tally: Arc<Tally>,
        status: u16,
        deadline: Option<Pin<Box<Sleep>>>,
        trailers: bool,
    ) -> Self {
        let mut this = Self { body, receipt: Some(receipt), tally, received: 0, status, deadline, trailers };
        this.settle_at_end();
        this
    }

    /// Settles when nothing more comes: hyper doesn't poll a body that says so of itself.
    fn settle_at_end(&mut self) {
        if self.body.is_end_stream() {
            self.done();
        }
    }

    fn done(&mut self) {
        if let Some(receipt) = self.receipt.take() {
            receipt.settle(Outcome::Done {
                sent: self.tally.sent(),
                received: self.received,
                status: Some(i64::from(self.status)),
            });
        }
    }

    fn failed(&mut self, why: String) -> BoxError {
        let why = self.tally.fault().map_or(why, |fault| fault.why());
        if let Some(receipt) = self.receipt.take() {
            receipt.settle(Outcome::failed(why.clone()));
        }
        why.into()
    }
}

impl<B: ResponseBody> Body for Relayed<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if let Some(deadline) = &mut this.deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Some(Err(this.failed("it was not over by its deadline".to_owned()))));
        }
        match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
            Some(Ok(frame)) => {
                let data = match frame.into_data() {
                    Ok(data) => data,
                    Err(frame) => {
                        this.done();
                        // Over HTTP/1.1 they are dropped: the agent never asked for them (`TE` is).
                        let trailers = frame.into_trailers().ok().filter(|_| this.trailers);
                        return Poll::Ready(trailers.map(|mut trailers| {
                            super::headers::to_agent(&mut trailers);
                            Ok(Frame::trailers(trailers))
                        }));
                    }
                };
                this.received += data.len() as u64;
                this.settle_at_end();
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(this.failed(error.to_string())))),
            None => {
                this.done();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
