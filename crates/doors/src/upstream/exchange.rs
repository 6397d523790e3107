//! One exchange over a connection, HTTP/1.1 or HTTP/2.
//!
//! Owns [`Streamed`], the response body that holds its connection and gives it back when it was read to the end. Never
//! retries: that is [`super::Client`]'s to know. Called by it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, TE};
use http::uri::{Authority, Parts};
use http::{HeaderValue, Request, Response, Uri, Version};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use super::Place;
use super::pool::{Driver, Http1, Http2, Line, Pool, Spot};
use crate::Error;
use crate::stream::{Body, Io};

/// A response head above this is refused (most servers stop at 8 to 16 KiB).
const HEAD_BYTES: usize = 64 * 1024;
/// More response headers than this are refused.
const HEAD_LINES: usize = 128;
/// What an upstream may send ahead on one HTTP/2 stream, and on all of a connection.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// An HTTP/2 upstream that is silent for so long is asked whether it is there, and must answer within the other.
const PING_AFTER: Duration = Duration::from_secs(60);
const PING_ANSWER: Duration = Duration::from_secs(20);

/// The body of a response. Dropped before its end, it closes the connection, or resets its stream.
#[derive(Debug)]
pub struct Streamed {
    incoming: Incoming,
    ended: bool,
    held: Held,
}

#[derive(Debug)]
enum Held {
    /// Given back at the end.
    Lent(Option<Http1>, Arc<Pool>),
    Shared(#[expect(dead_code, reason = "held, not read")] Http2),
    Alone(#[expect(dead_code, reason = "held, not read")] Driver),
}

impl Drop for Streamed {
    fn drop(&mut self) {
        if let Held::Lent(line, pool) = &mut self.held
            && (self.ended || http_body::Body::is_end_stream(&self.incoming))
            && let Some(line) = line.take()
        {
            pool.put(Line::Http1(line));
        }
    }
}

/// Why there is no response.
pub(super) enum Failed {
    /// The request was never begun: here it is again.
    Unsent(Box<Request<Body>>),
    /// The connection went away. The request may have had its effect.
    Gone(Error),
    /// Something else is wrong.
    Broken(Error),
}

/// Makes a line of a fresh connection.
pub(super) async fn line(io: Box<dyn Io>, spot: Spot, is_http2: bool) -> Result<Line, Error> {
    let spot = Arc::new(spot);
    let failed =
        |error: hyper::Error| Error::Upstream(format!("the exchange with `{}` broke: {}", spot.to, chain(&error)));
    if !is_http2 {
        let (sender, connection) = http1_builder().handshake(TokioIo::new(io)).await.map_err(failed)?;
        let driver = Driver(tokio::spawn(async move { ended(connection.await) }));
        return Ok(Line::Http1(Http1 { spot, sender, driver }));
    }
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX))
        .max_send_buf_size(64 * 1024)
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PING_ANSWER)
        .handshake(TokioIo::new(io))
        .await
        .map_err(failed)?;
    let driver = Arc::new(Driver(tokio::spawn(async move { ended(connection.await) })));
    Ok(Line::Http2(Http2 { spot, sender, driver }))
}

fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.max_headers(HEAD_LINES).max_buf_size(HEAD_BYTES);
    builder
}

fn ended(connection: hyper::Result<()>) {
    if let Err(error) = connection {
        tracing::debug!(%error, "upstream connection ended");
    }
}

/// Sends a request on a line. Over HTTP/1.1 the line comes back to `pool` when the response was read to its end.
pub(super) async fn send(
    line: Line,
    place: &Place,
    mut request: Request<Body>,
    pool: &Arc<Pool>,
) -> Result<Response<Streamed>, Failed> {
    match line {
        Line::Http1(mut line) => {
            plain(&mut request);
            let response = line.sender.try_send_request(request).await.map_err(|error| failed(place, error))?;
            let held = Held::Lent(Some(line), Arc::clone(pool));
            Ok(response.map(|incoming| Streamed { incoming, ended: false, held }))
        }
        Line::Http2(mut line) => {
            framed(place, &mut request).map_err(Failed::Broken)?;
            let response = line.sender.try_send_request(request).await.map_err(|error| failed(place, error))?;
            if response.headers().len() > HEAD_LINES {
                let why = format!("`{}` answered with too many header lines", place.to);
                return Err(Failed::Broken(Error::Upstream(why)));
            }
            let held = Held::Shared(line);
            Ok(response.map(|incoming| Streamed { incoming, ended: false, held }))
        }
    }
}

/// Sends a request that may change the protocol on a connection of its own.
pub(super) async fn alone(
    io: Box<dyn Io>,
    place: &Place,
    mut request: Request<Body>,
) -> Result<Response<Streamed>, Error> {
    plain(&mut request);
    let failed = |error: hyper::Error| broken(place, &error);
    let (mut sender, connection) = http1_builder().handshake(TokioIo::new(io)).await.map_err(failed)?;
    let driver = Driver(tokio::spawn(async move { ended(connection.with_upgrades().await) }));
    let response = sender.send_request(request).await.map_err(failed)?;
    Ok(response.map(|incoming| Streamed { incoming, ended: false, held: Held::Alone(driver) }))
}

/// As HTTP/1.1 has it: trailers are not asked for.
fn plain(request: &mut Request<Body>) {
    *request.version_mut() = Version::HTTP_11;
    request.headers_mut().remove(TE);
}

/// As HTTP/2 has it: the authority stands in the target (RFC 9113, section 8.3.1).
fn framed(place: &Place, request: &mut Request<Body>) -> Result<(), Error> {
    let bug =
        |error: &dyn std::fmt::Display| Error::Bug(format!("the request to `{}` can't be framed: {error}", place.to));
    *request.version_mut() = Version::HTTP_2;
    let authority = request.headers_mut().remove(HOST).ok_or_else(|| bug(&"there is no `Host`"))?;
    let mut parts = Parts::default();
    parts.scheme = Some(place.scheme.name().parse().map_err(|error: http::uri::InvalidUri| bug(&error))?);
    parts.authority = Some(Authority::try_from(authority.as_bytes()).map_err(|error| bug(&error))?);
    parts.path_and_query = request.uri().path_and_query().cloned();
    *request.uri_mut() = Uri::from_parts(parts).map_err(|error| bug(&error))?;
    Ok(())
}

/// The request as the agent's side made it, to be sent on another line.
fn unframed(mut request: Request<Body>) -> Request<Body> {
    let parts = std::mem::take(request.uri_mut()).into_parts();
    if let Some(Ok(host)) = parts.authority.as_ref().map(|authority| HeaderValue::from_str(authority.as_str())) {
        request.headers_mut().insert(HOST, host);
    }
    *request.uri_mut() = parts.path_and_query.map_or_else(|| Uri::from_static("/"), Uri::from);
    request
}

fn failed(place: &Place, mut error: TrySendError<Request<Body>>) -> Failed {
    if let Some(request) = error.take_message() {
        return Failed::Unsent(Box::new(unframed(request)));
    }
    let error = error.into_error();
    let why = broken(place, &error);
    let gone = error.is_incomplete_message() || error.is_canceled() || error.is_closed() || is_reset(&error);
    if gone { Failed::Gone(why) } else { Failed::Broken(why) }
}

/// The peer hung up, in the words of sockets.
fn is_reset(error: &hyper::Error) -> bool {
    use std::io::ErrorKind;
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return matches!(
                error.kind(),
                ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof
            );
        }
        cause = error.source();
    }
    false
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
        let this = self.get_mut();
        let step = Pin::new(&mut this.incoming).poll_frame(cx);
        match &step {
            // Nothing follows trailers.
            Poll::Ready(None) => this.ended = true,
            Poll::Ready(Some(Ok(frame))) => this.ended |= frame.is_trailers(),
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        step.map_err(|error| Error::Upstream(format!("the response broke off: {}", chain(&error))))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
