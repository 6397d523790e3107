//! The body of an answer: bytes, pauses, and a connection that breaks on purpose.
//!
//! Owns [`Body`], an `http_body::Body`. It holds an answer that is complete from the start; only pauses make it wait.
//! `service` builds it, hyper or the model door reads it.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::Sleep;

/// What comes next.
#[derive(Debug)]
pub(crate) enum Chunk {
    Data(Bytes),
    Delay(Duration),
    HangUp,
}

/// The body of an answer.
#[derive(Debug, Default)]
pub struct Body {
    chunks: VecDeque<Chunk>,
    pause: Option<Pin<Box<Sleep>>>,
    streamed: bool,
}

impl Body {
    /// One piece of known length.
    pub(crate) fn whole(data: impl Into<Bytes>) -> Self {
        Self { chunks: VecDeque::from([Chunk::Data(data.into())]), pause: None, streamed: false }
    }

    /// Several pieces, sent chunked.
    pub(crate) fn streamed(chunks: Vec<Chunk>) -> Self {
        Self { chunks: chunks.into(), pause: None, streamed: true }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            if let Some(pause) = &mut self.pause {
                std::task::ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            match self.chunks.pop_front() {
                None => return Poll::Ready(None),
                Some(Chunk::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Some(Chunk::Delay(duration)) => self.pause = Some(Box::pin(tokio::time::sleep(duration))),
                Some(Chunk::HangUp) => {
                    self.chunks.clear();
                    let error = io::Error::new(io::ErrorKind::ConnectionReset, "the script hangs up here");
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.chunks.is_empty() && self.pause.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.streamed {
            return SizeHint::default();
        }
        let bytes = |chunk: &Chunk| if let Chunk::Data(data) = chunk { data.len() as u64 } else { 0 };
        SizeHint::with_exact(self.chunks.iter().map(bytes).sum())
    }
}
