//! HTTP/2 from the agent: what a request head says, and what our side of the connection tells about the agent's.
//!
//! Owns the strict reading of a request that came in frames (RFC 9113, section 8) and [`Resets`], which sees malformed ones
//! in the very frames that refuse them. Never changes a byte. Called by [`super::serve`].

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use http::{HeaderMap, Method, Request, header};
use http_body::Body;
use hyper::ext::Protocol;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use super::gate::Ruling;
use super::head::{self, Framing, Head, Switch, Wrong};

/// Reads a request's head. The frames themselves were read by the server.
pub(super) fn ruling<B: Body>(request: &Request<B>) -> Ruling {
    let headers = request.headers();
    let method = request.method().as_str();
    if method.len() > head::MAX_METHOD || !method.bytes().all(head::is_method) {
        return Err(Wrong::Malformed("the method is no method"));
    }
    if headers.len() > head::MAX_LINES {
        return Err(Wrong::Malformed("there are too many header lines"));
    }
    if request.uri().path_and_query().is_some_and(|path| path.as_str().len() > head::MAX_REQUEST_LINE) {
        return Err(Wrong::Malformed("the request line is too long"));
    }
    for (name, value) in headers {
        if head::is_disguised(name.as_str()) {
            return Err(Wrong::Malformed("a header's name is one of the message's own, with `_` for `-`"));
        }
        // Section 8.2.1.
        if matches!(value.as_bytes(), [b' ' | b'\t', ..] | [.., b' ' | b'\t']) {
            return Err(Wrong::Malformed("a header's value begins or ends with a space"));
        }
        if name == header::EXPECT && !value.as_bytes().eq_ignore_ascii_case(b"100-continue") {
            return Err(Wrong::Malformed("the expectation is not known"));
        }
    }
    let length = match one(headers, &header::CONTENT_LENGTH)? {
        Some(value) => Some(head::length(value)?),
        None => None,
    };
    let switch = match (request.method(), request.extensions().get::<Protocol>()) {
        (&Method::CONNECT, None) => Switch::Connect,
        (_, None) => Switch::None,
        (&Method::CONNECT, Some(protocol)) if protocol.as_str() == "websocket" => Switch::WebSocket,
        (_, Some(_)) => Switch::Other,
    };
    let framing = match length {
        // What comes behind the head is frames and no body.
        None if switch == Switch::WebSocket => Framing::Length(0),
        Some(_) if switch == Switch::WebSocket => {
            return Err(Wrong::Malformed("a request that leaves HTTP has a body"));
        }
        None if request.body().is_end_stream() => Framing::Length(0),
        None => Framing::Chunked,
        Some(length) => Framing::Length(length),
    };
    Ok(Head { framing, length_declared: length.is_some(), host: host(request)?, switch })
}

/// `:authority`, with which a `Host` must agree to the letter (section 8.3.1).
fn host<B>(request: &Request<B>) -> Result<String, Wrong> {
    let said = one(request.headers(), &header::HOST)?.map(head::host).transpose()?;
    let authority = request.uri().authority().map(|authority| head::host(authority.as_str().as_bytes())).transpose()?;
    match (authority, said) {
        (Some(authority), Some(said)) if !authority.eq_ignore_ascii_case(&said) => {
            Err(Wrong::Malformed("`Host` and `:authority` disagree"))
        }
        (Some(host), _) | (None, Some(host)) => Ok(host),
        (None, None) => Err(Wrong::Malformed("there is no Host")),
    }
}

fn one<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Result<Option<&'a [u8]>, Wrong> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(Wrong::Malformed("a header that may stand once stands twice"));
    }
    Ok(first.map(http::HeaderValue::as_bytes))
}

/// Counts what the server refused by itself, before any request was seen.
#[derive(Debug, Default)]
pub(super) struct Resets {
    /// Refusals of ours that are about to go out: they are on record already.
    own: AtomicUsize,
    found: AtomicUsize,
    news: Notify,
}

impl Resets {
    /// The next refusal is ours.
    pub(super) fn expect(&self) {
        self.own.fetch_add(1, Ordering::SeqCst);
    }

    /// Waits for refusals that nobody recorded: how many.
    pub(super) async fn found(&self) -> usize {
        loop {
            let news = self.news.notified();
            match self.take() {
                0 => news.await,
                count => return count,
            }
        }
    }

    /// Those that are left.
    pub(super) fn take(&self) -> usize {
        self.found.swap(0, Ordering::SeqCst)
    }

    fn refused(&self) {
        let ours = self.own.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |own| own.checked_sub(1)).is_ok();
        if !ours {
            self.found.fetch_add(1, Ordering::SeqCst);
            self.news.notify_one();
        }
    }
}

/// A connection whose frames are looked at: what ours say of the agent's, and how many of the agent's say nothing.
#[derive(Debug)]
pub(super) struct Watched<S> {
    inner: S,
    resets: Arc<Resets>,
    out: Frame,
    into: Frame,
    /// So many frames that ask for nothing may still come.
    patience: usize,
}

/// A frame (RFC 9113, section 4.1): nine bytes of head, and of our own refusals the error code behind it.
#[derive(Debug, Default)]
struct Frame {
    bytes: Vec<u8>,
    skip: usize,
    /// It comes from the agent: its head alone is looked at.
    foreign: bool,
}

/// Frames that ask for nothing (settings, pings, priorities, windows, empty or unknown ones) before the connection ends. Each
/// frame of a request or an answer is good for some more: windows grow with what was read.
const PATIENCE: usize = 10_000;
const EARNED: usize = 8;
/// What a client says first (section 3.4).
const PREFACE: usize = 24;

/// `DATA`, `HEADERS` and `CONTINUATION` (sections 6.1, 6.2 and 6.10).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;

/// `RST_STREAM` and `GOAWAY` (sections 6.4 and 6.8).
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
/// `PROTOCOL_ERROR`, `FLOW_CONTROL_ERROR`, `FRAME_SIZE_ERROR`, `COMPRESSION_ERROR`, `ENHANCE_YOUR_CALM` (section 7).
const MALFORMED: [u8; 5] = [1, 3, 6, 9, 11];

impl Frame {
    /// Reads on; `seen` gets to see each frame's head.
    fn read(&mut self, bytes: &[u8], mut seen: impl FnMut(&Self)) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.skip > 0 {
                let now = self.skip.min(rest.len());
                self.skip -= now;
                rest = rest.get(now..).unwrap_or_default();
                continue;
            }
            let wanted = self.wanted();
            let now = wanted.saturating_sub(self.bytes.len()).min(rest.len());
            self.bytes.extend_from_slice(rest.get(..now).unwrap_or_default());
            rest = rest.get(now..).unwrap_or_default();
            if self.bytes.len() < self.wanted() {
                continue;
            }
            seen(self);
            let length = self.length();
            self.skip = length.saturating_sub(self.bytes.len().saturating_sub(9));
            self.bytes.clear();
        }
    }

    /// Whether it says that the agent's were wrong.
    fn refuses(&self) -> bool {
        self.code().is_some_and(|code| MALFORMED.contains(&code))
    }

    /// Whether it carries something of a request or an answer.
    fn carries(&self) -> bool {
        match self.bytes.get(3) {
            // An empty one that ends nothing (section 6.1: the flag END_STREAM) is as good as none.
            Some(&DATA) => self.length() > 0 || self.bytes.get(4).is_some_and(|flags| flags & 1 == 1),
            Some(&CONTINUATION) => self.length() > 0,
            Some(&(HEADERS | RST_STREAM | GOAWAY)) => true,
            _ => false,
        }
    }

    fn length(&self) -> usize {
        self.bytes.iter().take(3).fold(0, |sum, byte| sum << 8 | usize::from(*byte))
    }

    fn wanted(&self) -> usize {
        match self.bytes.get(3) {
            Some(&RST_STREAM) if !self.foreign => 9 + 4,
            Some(&GOAWAY) if !self.foreign => 9 + 8,
            _ => 9,
        }
    }

    /// The last byte of an error code; the others are 0 in all that there are.
    fn code(&self) -> Option<u8> {
        match *self.bytes.get(3)? {
            RST_STREAM => self.bytes.get(12).copied(),
            GOAWAY => self.bytes.get(16).copied(),
            _ => None,
        }
    }
}

impl<S> Watched<S> {
    pub(super) fn new(inner: S, resets: Arc<Resets>) -> Self {
        let into = Frame { skip: PREFACE, foreign: true, ..Frame::default() };
        Self { inner, resets, out: Frame::default(), into, patience: PATIENCE }
    }

    fn written(&mut self, bytes: &[u8]) {
        let Self { resets, out, patience, .. } = self;
        out.read(bytes, |frame| {
            if frame.refuses() {
                resets.refused();
            }
            if frame.carries() {
                *patience = patience.saturating_add(EARNED).min(PATIENCE);
            }
        });
    }

    /// Fails when the agent's patience-eating frames have eaten all of it.
    fn came(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Self { into, patience, .. } = self;
        into.read(bytes, |frame| {
            *patience = match frame.carries() {
                true => patience.saturating_add(EARNED).min(PATIENCE),
                false => patience.saturating_sub(1),
            };
        });
        if self.patience == 0 {
            self.resets.refused();
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the agent sends frames that ask for nothing"));
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
        Poll::Ready(this.came(buf.filled().get(before..).unwrap_or_default()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let length = ready!(Pin::new(&mut this.inner).poll_write(cx, bytes))?;
        this.written(bytes.get(..length).unwrap_or_default());
        Poll::Ready(Ok(length))
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
        let this = self.get_mut();
        let length = ready!(Pin::new(&mut this.inner).poll_write_vectored(cx, parts))?;
        let mut left = length;
        for part in parts {
            let now = left.min(part.len());
            this.written(part.get(..now).unwrap_or_default());
            left -= now;
        }
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_seen_in_our_own_frames_however_they_are_cut() {
        let frames = [
            &[0, 0, 3, 0, 0, 0, 0, 0, 1, 1, 1, 1][..],         // DATA of three bytes
            &[0, 0, 4, RST_STREAM, 0, 0, 0, 0, 1, 0, 0, 0, 1], // PROTOCOL_ERROR
            &[0, 0, 4, RST_STREAM, 0, 0, 0, 0, 3, 0, 0, 0, 8], // CANCEL: no refusal
            &[0, 0, 0, 4, 1, 0, 0, 0, 0],                      // an empty SETTINGS
            &[0, 0, 9, GOAWAY, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 11, b'x'], // ENHANCE_YOUR_CALM
            &[0, 0, 8, GOAWAY, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0],
        ]
        .concat();
        let refusals = |frame: &mut Frame, bytes: &[u8]| {
            let mut found = 0;
            frame.read(bytes, |frame| found += usize::from(frame.refuses()));
            found
        };
        assert_eq!(refusals(&mut Frame::default(), &frames), 2);
        let mut frame = Frame::default();
        assert_eq!(frames.iter().map(|byte| refusals(&mut frame, &[*byte])).sum::<usize>(), 2);
    }

    #[test]
    fn frames_that_ask_for_nothing_eat_patience_and_others_earn_it() {
        let mut watched = Watched::new((), Arc::new(Resets::default()));
        watched.came(&[b'x'; PREFACE]).unwrap();
        let ping = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        let headers = [0, 0, 1, HEADERS, 4, 0, 0, 0, 1, 0x82];
        let empty = [0, 0, 0, DATA, 0, 0, 0, 0, 1];
        for _ in 0..PATIENCE / 2 {
            watched.came(&ping).unwrap();
        }
        assert_eq!(watched.patience, PATIENCE / 2);
        watched.came(&headers).unwrap();
        assert_eq!(watched.patience, PATIENCE / 2 + EARNED);
        watched.came(&[0, 0, 1, DATA, 0, 0, 0, 0, 1, 7]).unwrap();
        watched.came(&[0, 0, 0, DATA, 1, 0, 0, 0, 1]).unwrap();
        assert_eq!(watched.patience, PATIENCE / 2 + 3 * EARNED);
        // A reset without its code does not hide what stands behind it.
        watched.came(&[0, 0, 0, RST_STREAM, 0, 0, 0, 0, 1]).unwrap();
        for _ in 0..PATIENCE / 2 + 4 * EARNED - 1 {
            watched.came(&empty).unwrap();
        }
        assert!(watched.came(&empty).is_err());
        assert_eq!(watched.resets.take(), 1);
    }

    #[test]
    fn a_head_in_frames_is_read_as_strictly() {
        let rule = |build: fn(http::request::Builder) -> http::request::Builder| {
            let request = build(Request::builder().uri("https://a.test:1/x").version(http::Version::HTTP_2));
            ruling(&request.body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap())
        };
        let head = rule(|request| request.header("te", "trailers").header("host", "A.test:1")).unwrap();
        assert_eq!((head.host.as_str(), head.framing), ("a.test:1", Framing::Length(0)));
        assert_eq!(rule(|request| request.method("CONNECT")).unwrap().switch, Switch::Connect);
        for wrong in [
            rule(|request| request.header("host", "b.test")),
            rule(|request| request.header("host", "a.test:1").header("host", "a.test:1")),
            rule(|request| request.header("content-length", "1").header("content-length", "1")),
            rule(|request| request.header("content-length", "+1")),
            rule(|request| request.header("content_length", "1")),
            rule(|request| request.header("proxy_authorization", "x")),
            rule(|request| request.header("x", " a")),
            rule(|request| request.header("x", "a\t")),
            rule(|request| request.header("expect", "200-ok")),
            rule(|request| request.method("get")),
            rule(|request| request.uri("https://me@a.test/")),
            rule(|request| request.uri("/x")),
        ] {
            assert!(matches!(wrong, Err(Wrong::Malformed(_))), "{wrong:?}");
        }
    }
}
