use std::pin::pin;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;
use tokio::io::{AsyncRead, ReadBuf};

use super::chunks::Chunks;
use super::gate::{Gate, Rulings};
use super::head::{self, Framing, Switch, Wrong};

/// Plays the agent's side: each part arrives in a read of its own.
struct Parts(Vec<Vec<u8>>);

impl AsyncRead for Parts {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if let Some(part) = self.0.first_mut() {
            let now = part.len().min(out.remaining());
            out.put_slice(&part.drain(..now).collect::<Vec<_>>());
            if part.is_empty() {
                self.0.remove(0);
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// What hyper would get to see, what was ruled, and whether it broke.
fn through_the_gate(parts: Vec<Vec<u8>>) -> (Vec<u8>, Vec<String>, bool) {
    let rulings = Rulings::default();
    let parts = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let mut gate = pin!(Gate::new(Parts(parts), rulings.clone()));
    let mut seen = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    let broke = loop {
        let mut space = [0; 4096];
        let mut buffer = ReadBuf::new(&mut space);
        match gate.as_mut().poll_read(&mut cx, &mut buffer) {
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => break false,
            Poll::Ready(Ok(())) => seen.extend_from_slice(buffer.filled()),
            Poll::Ready(Err(_)) => break true,
            Poll::Pending => break false,
        }
    };
    (seen, rulings.all().into_iter().map(|ruling| format!("{ruling:?}")).collect(), broke)
}

/// `bytes` cut at `cuts`.
fn cut(bytes: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.sort_unstable();
    let ends = cuts.iter().copied().chain([bytes.len()]);
    cuts.iter().copied().rev().chain([0]).rev().zip(ends).map(|(start, end)| bytes[start..end].to_vec()).collect()
}

/// Bytes that look like requests, so that cuts and slips land in places that matter.
fn requests() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "GET /a HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody",
        "PUT /b HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "GET /c HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\ntransfer-encoding: chunked\r\n\r\n",
        "0\r\n\r\n",
        "\r\n",
        "x: y\r\n",
    ]);
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn however_the_bytes_arrive_the_rulings_are_the_same(bytes in requests(), cuts in prop::collection::vec(0_usize..500, 0..20)) {
        prop_assert_eq!(through_the_gate(cut(&bytes, &cuts)), through_the_gate(vec![bytes]));
    }

    #[test]
    fn the_gate_changes_nothing_that_is_good_and_never_panics(mut bytes in requests(), slip in any::<Option<(usize, u8)>>()) {
        if let (Some((at, byte)), false) = (slip, bytes.is_empty()) {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let (seen, rulings, broke) = through_the_gate(vec![bytes.clone()]);
        if !broke && rulings.iter().all(|ruling| ruling.starts_with("Ok")) {
            prop_assert_eq!(seen, bytes);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), seen in 0_usize..400) {
        let _ = head::find(&bytes, seen.min(bytes.len()));
        let _ = head::read(&bytes);
        let _ = Chunks::default().read(&bytes);
        let step = Chunks::default().read(&bytes);
        prop_assert!(step.is_err() || step.is_ok_and(|step| step.passed <= bytes.len()));
        through_the_gate(vec![bytes]);
    }

    #[test]
    fn honest_chunks_pass(sizes in prop::collection::vec(1_usize..300, 0..8), cuts in prop::collection::vec(0_usize..3000, 0..9)) {
        let mut body: Vec<u8> = sizes.iter().flat_map(|size| format!("{size:X}\r\n{}\r\n", "d".repeat(*size)).into_bytes()).collect();
        body.extend_from_slice(b"0\r\n\r\n");
        let mut chunks = Chunks::default();
        let parts = cut(&body, &cuts);
        let steps: Vec<_> = parts.iter().map(|part| chunks.read(part)).collect();
        prop_assert!(steps.iter().all(Result::is_ok), "{steps:?}");
        prop_assert!(steps.iter().any(|step| matches!(step, Ok(step) if step.ended)));
    }
}

#[test]
fn a_head_is_read_for_what_it_says() {
    let read = |text: &str| head::read(text.as_bytes());
    let head = read("POST /x HTTP/1.1\r\nHost: a:1\r\nContent-Length: 12\r\nUpgrade: h2c\r\n\r\n").unwrap();
    assert_eq!(
        (head.framing, head.length_declared, head.host.as_str(), head.switch),
        (Framing::Length(12), true, "a:1", Switch::Other)
    );
    let head = read("POST /x HTTP/1.1\r\nhost:a\r\nTRANSFER-ENCODING: Chunked\r\n\r\n").unwrap();
    assert_eq!((head.framing, head.switch), (Framing::Chunked, Switch::None));
    let head = read("GET /x HTTP/1.0\r\nhost: [::1]:80\r\nx: \t\u{e9}\r\n\r\n").unwrap();
    assert_eq!((head.framing, head.length_declared), (Framing::Length(0), false));
    let head = read("CONNECT a:443 HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!((head.host.as_str(), head.switch), ("", Switch::Connect));
    for body in ["content-length: 1", "transfer-encoding: chunked"] {
        let text = format!("CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n{body}\r\n\r\n");
        assert!(matches!(head::read(text.as_bytes()), Err(Wrong::Malformed(_))), "{body}");
    }
    assert_eq!(read("QUIT\r\n\r\n"), Err(Wrong::NotHttp));
}

#[test]
fn what_is_no_http_is_known_before_it_ends() {
    assert_eq!(head::find(b"SSH-2", 0), Err(Wrong::NotHttp));
    assert_eq!(head::find(b"\r\n", 0), Err(Wrong::NotHttp));
    assert_eq!(head::find(b"GE", 0), Ok(None));
    assert_eq!(head::find(b"GET / HTTP/1.1\r\nhost: a\r\n\r", 0), Ok(None));
    assert_eq!(head::find(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", 25), Ok(Some(27)));
    assert!(matches!(head::find(b"GET / HTTP/1.1\n", 0), Err(Wrong::Malformed(_))));
    assert!(matches!(head::find(&vec![b'A'; head::MAX_HEAD], 0), Err(Wrong::Malformed(_))));
}
