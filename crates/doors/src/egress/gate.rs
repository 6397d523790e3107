//! Stands between the agent's bytes and hyper: only what was read strictly gets through.
//!
//! Owns the framing of request messages: heads, lengths, chunks. Never changes a byte; a head that is wrong is replaced
//! by a harmless one, so that the service is called, records it and answers. One [`Ruling`] per head, in order.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::chunks::Chunks;
use super::head::{self, Framing, Head, Switch, Wrong};

/// Bytes read from the agent at a time, of a body.
const READ: usize = 16 * 1024;
/// The same where a head is awaited: most are shorter, and room is cleared for each look.
const READ_HEAD: usize = 2 * 1024;
/// What hyper gets to see in place of a head that is wrong. The service answers by the ruling, never by this.
const HARMLESS: &[u8] = b"GET / HTTP/1.1\r\nhost: refused.invalid\r\nconnection: close\r\n\r\n";

/// What the gate found about a head.
pub(super) type Ruling = Result<Head, Wrong>;

/// The rulings, in the order of the heads that hyper gets to see.
#[derive(Clone, Debug, Default)]
pub(super) struct Rulings(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    queue: VecDeque<Ruling>,
    /// Bytes of a head that never got whole.
    partial: bool,
    /// The connection is no longer HTTP: everything passes.
    open: bool,
    /// Whoever waits for that.
    waiting: Option<Waker>,
}

impl Rulings {
    /// The ruling on the request that hyper has just handed over. None left means that hyper saw a head where the gate
    /// saw none: that can't be, and is refused.
    pub(super) fn next(&self) -> Ruling {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.queue.pop_front().unwrap_or(Err(Wrong::Malformed("the request was not seen at the gate")))
    }

    /// Whether the connection ended with part of a head.
    pub(super) fn partial(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).partial
    }

    /// The request that wanted to leave HTTP may: what comes from now on passes unread.
    pub(super) fn open(&self) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.open = true;
        inner.waiting.take().into_iter().for_each(Waker::wake);
    }

    /// Whether the connection is no longer HTTP; if not, `cx` is woken when it is.
    fn is_open(&self, cx: &Context<'_>) -> bool {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.waiting = (!inner.open).then(|| cx.waker().clone());
        inner.open
    }

    /// Every ruling that is left.
    #[cfg(test)]
    pub(super) fn all(&self) -> Vec<Ruling> {
        self.0.lock().unwrap().queue.drain(..).collect()
    }

    fn push(&self, ruling: Ruling) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).queue.push_back(ruling);
    }

    fn set_partial(&self, partial: bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).partial = partial;
    }
}

/// A stream whose read side lets strictly framed requests through alone.
#[derive(Debug)]
pub(super) struct Gate<S> {
    inner: S,
    rulings: Rulings,
    state: State,
    /// Read, not yet looked at.
    raw: BytesMut,
    /// The first so many bytes of an unfinished head in `raw` were looked at before.
    seen: usize,
    /// The first so many bytes of `raw` may pass.
    passed: usize,
    eof: bool,
}

#[derive(Debug)]
enum State {
    Head,
    Length(u64),
    Chunked(Chunks),
    /// A request wants to leave HTTP: nothing further is read until it may, and then everything passes.
    Held,
    Open,
    /// Nothing further is read: the answer to a wrong head ends the connection.
    Stopped,
}

impl<S> Gate<S> {
    pub(super) fn new(inner: S, rulings: Rulings) -> Self {
        Self { inner, rulings, state: State::Head, raw: BytesMut::new(), seen: 0, passed: 0, eof: false }
    }

    /// Looks at what was read; false when more must be read first.
    fn advance(&mut self) -> io::Result<bool> {
        match &mut self.state {
            State::Stopped | State::Held => return Ok(false),
            State::Open => self.passed = self.raw.len(),
            State::Head => return Ok(self.advance_head()),
            State::Length(left) => {
                let now = usize::try_from(*left).unwrap_or(usize::MAX).min(self.raw.len());
                self.passed = now;
                *left = left.saturating_sub(now as u64);
                if *left == 0 {
                    self.state = State::Head;
                    return Ok(true);
                }
            }
            State::Chunked(chunks) => {
                let step = chunks.read(&self.raw).map_err(|why| {
                    io::Error::new(io::ErrorKind::InvalidData, format!("the agent's chunks are malformed: {why}"))
                })?;
                self.passed = step.passed;
                if step.ended {
                    self.state = State::Head;
                    return Ok(true);
                }
            }
        }
        Ok(self.passed > 0)
    }

    fn advance_head(&mut self) -> bool {
        let found = match head::find(&self.raw, std::mem::replace(&mut self.seen, self.raw.len())) {
            Ok(None) if self.eof && !self.raw.is_empty() => Err(Wrong::Malformed("the head has no end")),
            found => found,
        };
        let ruling = match found {
            Ok(None) => {
                self.rulings.set_partial(!self.raw.is_empty());
                return false;
            }
            Ok(Some(length)) => {
                self.passed = length;
                head::read(self.raw.get(..length).unwrap_or_default())
            }
            Err(wrong) => Err(wrong),
        };
        self.state = match &ruling {
            Ok(Head { switch: Switch::Connect | Switch::WebSocket, .. }) => State::Held,
            Ok(Head { framing: Framing::Length(0), .. }) => State::Head,
            Ok(Head { framing: Framing::Length(length), .. }) => State::Length(*length),
            Ok(Head { framing: Framing::Chunked, .. }) => State::Chunked(Chunks::default()),
            Err(_) => {
                self.raw = BytesMut::from(HARMLESS);
                self.passed = self.raw.len();
                State::Stopped
            }
        };
        self.seen = 0;
        self.rulings.set_partial(false);
        self.rulings.push(ruling);
        true
    }
}

impl<S: AsyncRead + Unpin> Gate<S> {
    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.state {
            State::Head => self.fill_from::<READ_HEAD>(cx),
            _ => self.fill_from::<READ>(cx),
        }
    }

    fn fill_from<const SIZE: usize>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut space = [0; SIZE];
        let mut buffer = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buffer))?;
        self.eof = buffer.filled().is_empty();
        self.raw.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gate<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.passed > 0 {
                let now = this.passed.min(out.remaining());
                out.put_slice(this.raw.get(..now).unwrap_or_default());
                this.raw.advance(now);
                this.passed -= now;
                return Poll::Ready(Ok(()));
            }
            if this.advance()? {
                continue;
            }
            if matches!(this.state, State::Held) {
                if !this.rulings.is_open(cx) {
                    return Poll::Pending;
                }
                this.state = State::Open;
                continue;
            }
            if matches!(this.state, State::Stopped) {
                // No end of file: hyper would take it for a client that went away and drop the answer.
                return Poll::Pending;
            }
            if this.eof {
                return Poll::Ready(Ok(()));
            }
            ready!(this.fill(cx))?;
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gate<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}
