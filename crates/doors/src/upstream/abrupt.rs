//! A TLS stream whose far end may hang up without saying so.
//!
//! Owns [`Abrupt`]: a connection that ends without `close_notify` reads as ended, as every browser takes it, for many small
//! servers close like that behind a body without a length. Bodies with a length or in chunks can't be cut short by it:
//! HTTP's own framing tells. `upstream` wraps each TLS connection in it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Reads an abrupt end as an end.
#[derive(Debug)]
pub(super) struct Abrupt<S>(pub(super) S);

impl<S: AsyncRead + Unpin> AsyncRead for Abrupt<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.get_mut().0).poll_read(cx, buf) {
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            step => step,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Abrupt<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    /// Gives some bytes and then fails.
    struct Cut(Vec<u8>, io::ErrorKind);

    impl AsyncRead for Cut {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            if self.0.is_empty() {
                return Poll::Ready(Err(self.1.into()));
            }
            buf.put_slice(&std::mem::take(&mut self.0));
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn an_abrupt_end_is_an_end_and_any_other_failure_one() {
        let mut text = String::new();
        let mut cut = Abrupt(Cut(b"reached".to_vec(), io::ErrorKind::UnexpectedEof));
        cut.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "reached");
        let mut reset = Abrupt(Cut(b"x".to_vec(), io::ErrorKind::ConnectionReset));
        assert!(reset.read_to_string(&mut text).await.is_err());
    }
}
