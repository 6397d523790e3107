//! One turn over a WebSocket: challenge, `connect`, `chat.send`, then news until the run is over.
//!
//! Owns the order of frames. It never trusts what it hears: frames of other runs are passed over, and any step out of
//! order ends the turn. Whoever calls it bounds its time.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::{self, Message, protocol::WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::frame::{self, Accepted, Chat, Frame, Rejected, State};
use super::{Answer, SESSION};
use crate::{Error, error::clip, layout};

/// `hello-ok` with its 466 methods is the largest frame seen, under 300 KiB; a long answer may be larger.
const LARGEST_FRAME: usize = 4 * 1024 * 1024;

const CONNECT: &str = "creel-connect";
const SEND: &str = "creel-send";

pub(super) async fn take<S>(stream: S, token: &str, text: &str, mut on_delta: impl FnMut(&str)) -> Result<Answer, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut socket = shake_hands(stream).await?;
    while next(&mut socket).await? != Frame::Challenge {}
    put(&mut socket, frame::connect(CONNECT, token)?).await?;
    response(&mut socket, CONNECT).await?;
    let key = new_key()?;
    put(&mut socket, frame::send(SEND, SESSION, text, &key)?).await?;
    let run_id = response(&mut socket, SEND).await?.run_id.unwrap_or(key);
    let text = follow(&mut socket, &run_id, &mut on_delta).await?;
    // The answer is whole: whether the far end says goodbye does not matter.
    let _ = socket.close(None).await;
    Ok(Answer { text, run_id: clip(&run_id, 100) })
}

async fn shake_hands<S>(stream: S) -> Result<WebSocketStream<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let address = format!("ws://127.0.0.1:{}/", layout::GATEWAY_PORT);
    let (socket, _) = client_async_with_config(address, stream, Some(config())).await.map_err(strange)?;
    Ok(socket)
}

/// How much the gateway may send at once.
pub(super) fn config() -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(Some(LARGEST_FRAME)).max_frame_size(Some(LARGEST_FRAME))
}

async fn put<S>(socket: &mut WebSocketStream<S>, text: String) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    socket.send(Message::text(text)).await.map_err(strange)
}

async fn next<S>(socket: &mut WebSocketStream<S>) -> Result<Frame, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return frame::parse(text.as_str()),
            Some(Ok(Message::Close(_))) | None => return Err(Error::agent("hung up before the answer was whole")),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(strange(error)),
        }
    }
}

async fn response<S>(socket: &mut WebSocketStream<S>, awaited: &str) -> Result<Accepted, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        match next(socket).await? {
            Frame::Response { id, outcome } if id == awaited => return outcome.map_err(refused),
            Frame::Shutdown => return Err(Error::agent("is going down")),
            _ => {}
        }
    }
}

/// News until the run is over; gives its text.
pub(super) async fn follow<S>(
    socket: &mut WebSocketStream<S>,
    run: &str,
    on_delta: &mut impl FnMut(&str),
) -> Result<String, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        match next(socket).await? {
            Frame::Chat(Chat { run_id, state }) if run_id == run => match state {
                State::Delta(piece) => on_delta(&piece),
                State::Final(text) => return Ok(text.unwrap_or_default()),
                State::Failed(why) => return Err(Error::agent(format!("gave up on the message: {why}"))),
                State::Aborted => return Err(Error::agent("was told to stop")),
                State::Other => {}
            },
            Frame::Shutdown => return Err(Error::agent("is going down")),
            _ => {}
        }
    }
}

fn refused(no: Rejected) -> Error {
    let Rejected { code, message } = no;
    if code == "UNAVAILABLE" { Error::Starting } else { Error::agent(format!("refuses: {code} {message}")) }
}

fn strange(error: tungstenite::Error) -> Error {
    Error::agent(format!("does not speak as expected: {}", clip(&error.to_string(), 200)))
}

fn new_key() -> Result<String, Error> {
    let mut random = [0u8; 16];
    getrandom::fill(&mut random)
        .map_err(|error| Error::Host { act: "get random bytes".to_owned(), source: std::io::Error::other(error) })?;
    Ok(format!("creel-{:032x}", u128::from_le_bytes(random)))
}
