//! Asks the gateway's own `/readyz`.
//!
//! Owns that one HTTP exchange, bounded in bytes and time. The answer's body is not read: the status says it all. [`exchange`] serves
//! webhooks too.

use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{Error, layout};

/// The gateway answers from memory; a loaded machine took under a second.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bounds the answer's head.
const LONGEST_HEAD: usize = 16 * 1024;

/// Whether OpenClaw says that it is ready: 200 is yes, another status no.
///
/// # Errors
/// [`Error::Agent`] when it does not answer HTTP, [`Error::Late`] after ten seconds.
pub async fn ready<S>(stream: S) -> Result<bool, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    within(stream, PATIENCE).await
}

pub(super) async fn within<S>(stream: S, patience: Duration) -> Result<bool, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match tokio::time::timeout(patience, ask(stream)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Error::Late { what: "say whether it is ready", seconds: patience.as_secs() }),
    }
}

async fn ask<S>(stream: S) -> Result<bool, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = http::Request::get("/readyz").body(Empty::<bytes::Bytes>::new());
    let request = request.map_err(|error| Error::bug(format!("the question for readiness can't be built: {error}")))?;
    let (status, _) = exchange(stream, request, 0).await?;
    Ok(status == http::StatusCode::OK)
}

/// One request on a connection of its own: the answer's status, and at most `longest` bytes of its body.
pub(super) async fn exchange<S, B>(
    stream: S,
    mut request: http::Request<B>,
    longest: usize,
) -> Result<(http::StatusCode, Vec<u8>), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    B: hyper::body::Body + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let path = request.uri().path().to_owned();
    let strange = |_: hyper::Error| Error::agent(format!("does not answer on `{path}`"));
    let host = http::HeaderValue::try_from(format!("127.0.0.1:{}", layout::GATEWAY_PORT))
        .map_err(|error| Error::bug(format!("the gateway's address fits no header: {error}")))?;
    request.headers_mut().insert(http::header::HOST, host);
    request.headers_mut().insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(LONGEST_HEAD).handshake(TokioIo::new(stream)).await.map_err(strange)?;
    tokio::pin!(connection);
    let answer = async {
        let answer = sender.send_request(request).await?;
        let (status, mut body, mut read) = (answer.status(), answer.into_body(), Vec::new());
        while read.len() < longest
            && let Some(frame) = body.frame().await
        {
            let room = longest - read.len();
            read.extend(frame?.data_ref().into_iter().flatten().take(room));
        }
        Ok((status, read))
    };
    tokio::pin!(answer);
    let answer = tokio::select! {
        answer = &mut answer => answer,
        // The connection ends first when the answer is whole or when there is none.
        _ = &mut connection => answer.await,
    };
    answer.map_err(strange)
}
