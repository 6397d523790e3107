//! `permessage-deflate` (RFC 7692): what may be agreed on, and messages inflated within bounds.
//!
//! Owns the one extension that passes. Frames travel as they came; [`Inflater`] reads a copy of them, in 32 KiB and never
//! a whole message. Called by [`super::open`] and [`super::messages`].

use std::fmt;

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

use super::Wrong;

/// What a message may inflate to, as a multiple of what it came in.
pub(super) const MAX_RATIO: u64 = 100;
/// Below this the ratio does not matter: short texts deflate well.
pub(super) const FREE: u64 = 256 * 1024;
/// What a message may inflate to at most.
pub(super) const MAX_MESSAGE: u64 = 64 * 1024 * 1024;
/// Offers of one handshake that are looked at.
const MAX_OFFERS: usize = 8;

/// The extension's parameters (section 7.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Deflate {
    client_forgets: bool,
    server_forgets: bool,
    /// `client_max_window_bits`, with a value or without one.
    client_bits: Option<Option<u8>>,
    server_bits: Option<u8>,
}

impl fmt::Display for Deflate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("permessage-deflate")?;
        if self.server_forgets {
            f.write_str("; server_no_context_takeover")?;
        }
        if self.client_forgets {
            f.write_str("; client_no_context_takeover")?;
        }
        if let Some(bits) = self.server_bits {
            write!(f, "; server_max_window_bits={bits}")?;
        }
        match self.client_bits {
            Some(Some(bits)) => write!(f, "; client_max_window_bits={bits}"),
            Some(None) => f.write_str("; client_max_window_bits"),
            None => Ok(()),
        }
    }
}

/// The offers of this extension in a `Sec-WebSocket-Extensions`; every other one is left out.
pub(super) fn offers(value: &str) -> Vec<Deflate> {
    value.split(',').take(MAX_OFFERS).filter_map(one).collect()
}

/// The answer to such offers: this extension once and nothing else.
pub(super) fn agreed(value: &str, offered: &[Deflate]) -> Option<Deflate> {
    let found = one(value)?;
    let answers = |offer: &Deflate| {
        // A window for the client may be named only where the client knows the word (section 7.1.2.2).
        (found.client_bits.is_none() || matches!(found.client_bits, Some(Some(_))) && offer.client_bits.is_some())
            && (found.server_forgets || !offer.server_forgets)
            && offer.server_bits.is_none_or(|most| found.server_bits.is_some_and(|bits| bits <= most))
    };
    offered.iter().any(answers).then_some(found)
}

fn one(text: &str) -> Option<Deflate> {
    let mut parts = text.split(';').map(str::trim);
    if parts.next() != Some("permessage-deflate") {
        return None;
    }
    let mut deflate = Deflate::default();
    for part in parts {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name.trim(), Some(bits(value.trim())?)),
            None => (part, None),
        };
        match (name, value) {
            ("client_no_context_takeover", None) if !deflate.client_forgets => deflate.client_forgets = true,
            ("server_no_context_takeover", None) if !deflate.server_forgets => deflate.server_forgets = true,
            ("client_max_window_bits", value) if deflate.client_bits.is_none() => deflate.client_bits = Some(value),
            ("server_max_window_bits", Some(bits)) if deflate.server_bits.is_none() => deflate.server_bits = Some(bits),
            _ => return None,
        }
    }
    Some(deflate)
}

/// 8 to 15, without a leading zero, perhaps quoted (section 7.1.2).
fn bits(text: &str) -> Option<u8> {
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    ["8", "9", "10", "11", "12", "13", "14", "15"].contains(&text).then(|| text.parse().ok()).flatten()
}

/// Inflates the messages of one direction.
pub(super) struct Inflater {
    /// Never reset: a sender that starts afresh refers to nothing before, and one that should and does is read as a lenient
    /// receiver would read it.
    state: Box<InflateState>,
    came: u64,
    made: u64,
}

impl Inflater {
    pub(super) fn new() -> Self {
        Self { state: InflateState::new_boxed(DataFormat::Raw), came: 0, made: 0 }
    }

    /// Inflates some bytes of a message and hands over what comes out.
    ///
    /// # Errors
    /// When they are no deflate stream, inflate to too much, or `on` says so.
    pub(super) fn piece(&mut self, bytes: &[u8], on: &mut dyn FnMut(&[u8]) -> Result<(), Wrong>) -> Result<(), Wrong> {
        self.came += bytes.len() as u64;
        self.run(bytes, on)
    }

    /// The end of a message: what its sender left out (section 7.2.2).
    ///
    /// # Errors
    /// As [`Self::piece`].
    pub(super) fn end(&mut self, on: &mut dyn FnMut(&[u8]) -> Result<(), Wrong>) -> Result<(), Wrong> {
        self.run(&[0, 0, 0xFF, 0xFF], on)?;
        (self.came, self.made) = (0, 0);
        Ok(())
    }

    fn run(&mut self, bytes: &[u8], on: &mut dyn FnMut(&[u8]) -> Result<(), Wrong>) -> Result<(), Wrong> {
        let (mut rest, mut out) = (bytes, [0; 8 * 1024]);
        loop {
            let step = inflate(&mut self.state, rest, &mut out, MZFlush::None);
            rest = rest.get(step.bytes_consumed..).unwrap_or_default();
            let made = out.get(..step.bytes_written).unwrap_or_default();
            self.made += made.len() as u64;
            if self.made > MAX_MESSAGE || self.made > FREE.max(self.came.saturating_mul(MAX_RATIO)) {
                return Err(Wrong::too_big("a message inflates to too much"));
            }
            if !made.is_empty() {
                on(made)?;
            }
            match step.status {
                Ok(MZStatus::Ok) if step.bytes_consumed > 0 || step.bytes_written > 0 => {}
                // Nothing more to do with what there is.
                Ok(MZStatus::Ok) | Err(MZError::Buf) => break,
                // A final block would leave a second reading of what follows it.
                Ok(_) => return Err(Wrong::malformed("a compressed message has a final block")),
                Err(_) => return Err(Wrong::malformed("a message is no deflate stream")),
            }
        }
        if rest.is_empty() { Ok(()) } else { Err(Wrong::malformed("a message is no deflate stream")) }
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").field("came", &self.came).field("made", &self.made).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use miniz_oxide::deflate::compress_to_vec;

    use super::*;

    #[test]
    fn offers_and_answers_have_one_form() {
        let read = |text: &str| offers(text).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            read("permessage-deflate; client_max_window_bits, x-webkit-deflate-frame, permessage-deflate"),
            ["permessage-deflate; client_max_window_bits", "permessage-deflate"]
        );
        assert_eq!(
            read("permessage-deflate;server_max_window_bits=\"10\" ; client_no_context_takeover"),
            ["permessage-deflate; client_no_context_takeover; server_max_window_bits=10"]
        );
        for odd in [
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=08",
            "permessage-deflate; secret=1",
            "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
            "",
        ] {
            assert!(read(odd).is_empty(), "{odd}");
        }
        let offered = offers("permessage-deflate; client_max_window_bits");
        assert!(agreed("permessage-deflate; client_max_window_bits=12", &offered).is_some());
        assert!(agreed("permessage-deflate; client_max_window_bits", &offered).is_none());
        assert!(agreed("permessage-deflate, permessage-deflate", &offered).is_none());
        assert!(agreed("permessage-deflate; client_max_window_bits=12", &offers("permessage-deflate")).is_none());
        assert!(agreed("permessage-deflate", &[]).is_none());
        assert!(agreed("permessage-deflate", &offers("permessage-deflate; server_no_context_takeover")).is_none());
    }

    /// A message as a sender writes it: a sync flush whose last four bytes stay away.
    fn message(text: &[u8]) -> Vec<u8> {
        use miniz_oxide::deflate::core::{CompressorOxide, TDEFLFlush, compress, create_comp_flags_from_zip_params};
        let mut made = vec![0; text.len() * 2 + 64];
        let mut state = CompressorOxide::new(create_comp_flags_from_zip_params(6, -15, 0));
        let (_, _, length) = compress(&mut state, text, &mut made, TDEFLFlush::Sync);
        made.truncate(length - 4);
        made
    }

    fn inflated(inflater: &mut Inflater, bytes: &[u8], piece: usize) -> Result<Vec<u8>, Wrong> {
        let mut all = Vec::new();
        let mut on = |bytes: &[u8]| {
            all.extend_from_slice(bytes);
            Ok(())
        };
        for piece in bytes.chunks(piece) {
            inflater.piece(piece, &mut on)?;
        }
        inflater.end(&mut on)?;
        Ok(all)
    }

    #[test]
    fn messages_come_out_as_they_were_and_bombs_are_cut() {
        let text = "hello hello hello ".repeat(3000).into_bytes();
        for piece in [1, 7, 100_000] {
            let mut inflater = Inflater::new();
            for _ in 0..3 {
                assert_eq!(inflated(&mut inflater, &message(&text), piece).unwrap(), text);
                assert_eq!(inflated(&mut inflater, &message(b""), piece).unwrap(), b"");
            }
        }
        let bomb = message(&vec![0; 8 << 20]);
        assert!(bomb.len() < 20_000);
        assert_eq!(inflated(&mut Inflater::new(), &bomb, 1000).unwrap_err().code, 1009);
        let finished = compress_to_vec(b"hello", 6);
        assert_eq!(inflated(&mut Inflater::new(), &finished, 1000).unwrap_err().code, 1002);
        assert_eq!(inflated(&mut Inflater::new(), b"\xff\xff\xff", 1).unwrap_err().code, 1002);
    }
}
