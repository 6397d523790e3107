//! One HTTP/1.1 exchange over one connection.
//!
//! Owns [`Streamed`], the response body that holds its connection. Never retries: a request may have had its effect.
//! Called by [`super::Client`].

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;

use super::Place;
use crate::Error;
use crate::stream::{Body, Io};

/// A response head above this is refused (most servers stop at 8 to 16 KiB).
const HEAD_BYTES: usize = 64 * 1024;
/// More response headers than this are refused.
const HEAD_LINES: usize = 128;

/// The body of a response. Dropping it closes the connection.
#[derive(Debug)]
pub struct Streamed {
    incoming: Incoming,
    _connection: Connection,
}

/// Drives the connection; stops it when dropped.
#[derive(Debug)]
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(super) async fn exchange(
    io: Box<dyn Io>,
    place: &Place,
    request: http::Request<Body>,
) -> Result<http::Response<Streamed>, Error> {
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_headers(HEAD_LINES)
        .max_buf_size(HEAD_BYTES)
        .handshake(TokioIo::new(io))
        .await
        .map_err(|error| broken(place, &error))?;
    let driver = Connection(tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "upstream connection ended");
        }
    }));
    let response = sender.send_request(request).await.map_err(|error| broken(place, &error))?;
    Ok(response.map(|incoming| Streamed { incoming, _connection: driver }))
}

pub(super) fn broken(place: &Place, error: &hyper::Error) -> Error {
    Error::Upstream(format!("the exchange with `{}` broke: {}", place.to, chain(error)))
}

/// An error with its causes: hyper's own text says only what it was doing.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl http_body::Body for Streamed {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.get_mut().incoming)
            .poll_frame(cx)
            .map_err(|error| Error::Upstream(format!("the response broke off: {}", chain(&error))))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
