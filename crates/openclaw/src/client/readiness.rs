//! Asks the gateway's own `/readyz`.
//!
//! Owns that one HTTP exchange, bounded in bytes and time. The answer's body is not read: the status says it all.

use std::time::Duration;

use http_body_util::Empty;
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
    let strange = |_: hyper::Error| Error::agent("does not answer on `/readyz`");
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(LONGEST_HEAD).handshake(TokioIo::new(stream)).await.map_err(strange)?;
    let request = http::Request::get("/readyz")
        .header(http::header::HOST, format!("127.0.0.1:{}", layout::GATEWAY_PORT))
        .header(http::header::CONNECTION, "close")
        .body(Empty::<bytes::Bytes>::new())
        .map_err(|error| Error::bug(format!("the question for readiness can't be built: {error}")))?;
    tokio::pin!(connection);
    let answer = sender.send_request(request);
    tokio::pin!(answer);
    let answer = tokio::select! {
        answer = &mut answer => answer,
        // The connection ends first when the answer is whole or when there is none.
        _ = &mut connection => answer.await,
    };
    Ok(answer.map_err(strange)?.status() == http::StatusCode::OK)
}
