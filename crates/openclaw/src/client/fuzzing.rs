//! What is driven of the client with any bytes in the gateway's place.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, join, sink};
use tokio::runtime::{Builder, Runtime};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::frame::{self, Frame};
use super::{readiness, turn};

/// Reading a frame never panics, and what it says of a refusal is short.
pub(crate) fn frame(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(Frame::Response { outcome: Err(no), .. }) = frame::parse(text) {
        assert!(no.code.chars().count() <= 61 && no.message.chars().count() <= 301, "a refusal is clipped");
    }
}

/// News of a run over an open WebSocket: every stream comes to an end.
pub(crate) fn news(bytes: &[u8]) {
    with_runtime(async {
        let mut socket = WebSocketStream::from_raw_socket(gateway(bytes), Role::Client, Some(turn::config())).await;
        let mut told = 0;
        let end = turn::follow(&mut socket, "run", &mut |piece| told += piece.len()).await;
        assert!(told <= bytes.len() && end.map_or(0, |text| text.len()) <= bytes.len(), "nothing is made up");
    });
}

/// The answer to whether it is ready.
pub(crate) fn ready(bytes: &[u8]) {
    with_runtime(async {
        if readiness::within(gateway(bytes), Duration::from_secs(2)).await.is_ok_and(|ready| ready) {
            assert!(bytes.windows(3).any(|three| three == b"200"), "ready is what 200 says");
        }
    });
}

fn gateway(bytes: &[u8]) -> impl AsyncRead + AsyncWrite + Unpin {
    join(bytes, sink())
}

fn with_runtime(work: impl Future<Output = ()>) {
    thread_local! {
        static RUNTIME: Option<Runtime> = Builder::new_current_thread().enable_time().build().ok();
    }
    RUNTIME.with(|runtime| {
        let Some(runtime) = runtime else { unreachable!("a runtime can be built") };
        runtime.block_on(work);
    });
}
