//! Messages of one direction: frames unmasked, put together and inflated, piece by piece.
//!
//! Owns what must hold of a message beyond its frames, and [`Hear`], the place where messages are judged. Holds no message
//! whole. Called by [`crate::egress::splice`] with every byte before it passes.

use super::Wrong;
use super::deflate::Inflater;
use super::frames::{Frames, Head, Part, Sender};
use crate::egress::splice::Watch;
use crate::leak::Search;

/// Unmasked bytes at a time.
const PIECE: usize = 8 * 1024;

/// A piece of a message: plain bytes, as the receiver will read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Piece<'a> {
    /// Text, not binary.
    pub(in super::super) is_text: bool,
    pub(in super::super) bytes: &'a [u8],
    /// The message ends with it; then `bytes` may be empty.
    pub(in super::super) last: bool,
}

/// Listens to the messages of one direction, before they pass.
pub(in super::super) trait Hear: Send {
    /// A piece; the error ends the connection, and the piece never passes.
    fn hear(&mut self, piece: Piece<'_>) -> Result<(), Wrong>;

    /// A control frame, which may stand between the pieces of a message: its kind, and all that it says.
    fn control(&mut self, _kind: u8, _says: &[u8]) {}
}

/// One direction.
pub(in super::super) struct Messages<H> {
    frames: Frames,
    reading: Reading<H>,
    /// Bytes of payload that may still pass.
    left: u64,
}

/// Where in a message the reading is.
struct Reading<H> {
    head: Option<Head>,
    is_text: bool,
    compressed: bool,
    inflater: Option<Inflater>,
    /// The payload of a control frame so far.
    control: Vec<u8>,
    hear: H,
}

impl<H: Hear> Messages<H> {
    /// `deflate` says that compression was agreed on.
    pub(super) fn new(from: Sender, deflate: bool, max: u64, hear: H) -> Self {
        let reading =
            Reading { head: None, is_text: false, compressed: false, inflater: None, control: Vec::new(), hear };
        Self { frames: Frames::new(from, deflate), reading, left: max }
    }

    /// Who listens.
    pub(super) fn hear(&mut self) -> &mut H {
        &mut self.reading.hear
    }
}

impl<H: Hear> Watch for Messages<H> {
    fn look(&mut self, bytes: &[u8]) -> Result<u64, Wrong> {
        let Self { frames, reading, left } = self;
        let mut payload = 0;
        frames.read(bytes, |part| {
            if let Part::Payload(bytes, _) = part {
                payload += bytes.len() as u64;
            }
            reading.part(part)
        })?;
        *left = left.checked_sub(payload).ok_or(Wrong::too_big("more went out in messages than may"))?;
        Ok(payload)
    }

    fn is_whole(&self) -> bool {
        self.frames.is_whole()
    }
}

impl<H: Hear> Reading<H> {
    fn part(&mut self, part: Part<'_>) -> Result<(), Wrong> {
        match part {
            Part::Head(head) => {
                if matches!(head.kind, 1 | 2) {
                    self.is_text = head.kind == 1;
                    self.compressed = head.compressed;
                }
                self.head = Some(head);
                Ok(())
            }
            Part::Payload(masked, before) => {
                let Some(head) = self.head else { return Ok(()) };
                let mut plain = [0; PIECE];
                for (index, piece) in masked.chunks(PIECE).enumerate() {
                    let start = before + (index * PIECE) as u64;
                    let plain = plain.get_mut(..piece.len()).unwrap_or_default();
                    unmask(plain, piece, head.mask, start);
                    self.payload(head, plain)?;
                }
                Ok(())
            }
            Part::End => self.end(),
        }
    }

    fn payload(&mut self, head: Head, plain: &[u8]) -> Result<(), Wrong> {
        if head.is_control() {
            self.control.extend_from_slice(plain);
            return Ok(());
        }
        let Self { is_text, compressed, inflater, hear, .. } = self;
        let mut on = |bytes: &[u8]| hear.hear(Piece { is_text: *is_text, bytes, last: false });
        if *compressed { inflater.get_or_insert_with(Inflater::new).piece(plain, &mut on) } else { on(plain) }
    }

    fn end(&mut self) -> Result<(), Wrong> {
        let Some(head) = self.head.take() else { return Ok(()) };
        if head.is_control() {
            let says = std::mem::take(&mut self.control);
            if head.kind == 8 {
                closing(&says)?;
            }
            self.hear.control(head.kind, &says);
            return Ok(());
        }
        if !head.fin {
            return Ok(());
        }
        let Self { is_text, compressed, inflater, hear, .. } = self;
        if *compressed {
            let mut on = |bytes: &[u8]| hear.hear(Piece { is_text: *is_text, bytes, last: false });
            inflater.get_or_insert_with(Inflater::new).end(&mut on)?;
        }
        hear.hear(Piece { is_text: *is_text, bytes: &[], last: true })
    }
}

fn unmask(plain: &mut [u8], masked: &[u8], mask: [u8; 4], start: u64) {
    let mut mask = mask;
    mask.rotate_left(usize::try_from(start % 4).unwrap_or(0));
    for ((plain, masked), mask) in plain.iter_mut().zip(masked).zip(mask.iter().cycle()) {
        *plain = masked ^ mask;
    }
}

/// What a closing frame may say (RFC 6455, sections 5.5.1 and 7.4).
fn closing(payload: &[u8]) -> Result<(), Wrong> {
    match payload {
        [] => Ok(()),
        [high, low, text @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            let known = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            if known && std::str::from_utf8(text).is_ok() {
                Ok(())
            } else {
                Err(Wrong::malformed("a closing frame says what none may"))
            }
        }
        [_] => Err(Wrong::malformed("a closing frame says half a code")),
    }
}

/// Counts messages.
#[derive(Debug, Default)]
pub(in super::super) struct Counted(pub(in super::super) std::sync::Arc<std::sync::atomic::AtomicU64>);

impl Hear for Counted {
    fn hear(&mut self, piece: Piece<'_>) -> Result<(), Wrong> {
        if piece.last {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Counts messages, and lets none pass that holds what must not leave.
#[derive(Debug)]
pub(in super::super) struct Searched {
    pub(in super::super) counted: Counted,
    pub(in super::super) search: Option<Search>,
}

impl Hear for Searched {
    fn hear(&mut self, piece: Piece<'_>) -> Result<(), Wrong> {
        if let Some(search) = &mut self.search {
            let searched = search.push(piece.bytes).and_then(|()| if piece.last { search.finish() } else { Ok(()) });
            searched.map_err(|held| Wrong::refused(held.into_why()))?;
        }
        self.counted.hear(piece)
    }
}

#[cfg(any(test, fuzzing))]
pub(in super::super) mod heard {
    use super::*;

    /// The messages so far, and the one that is not whole.
    type Shared = std::sync::Arc<std::sync::Mutex<(Vec<Vec<u8>>, Vec<u8>)>>;

    /// Every message of `bytes`, read in these pieces.
    pub(in super::super::super) fn all<'a>(
        from: Sender,
        deflate: bool,
        pieces: impl Iterator<Item = &'a [u8]>,
    ) -> (Vec<Vec<u8>>, Result<u64, Wrong>) {
        #[derive(Default)]
        struct Kept(Shared);
        impl Hear for Kept {
            fn hear(&mut self, piece: Piece<'_>) -> Result<(), Wrong> {
                let mut kept = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                kept.1.extend_from_slice(piece.bytes);
                if piece.last {
                    let whole = std::mem::take(&mut kept.1);
                    kept.0.push(whole);
                }
                Ok(())
            }
        }
        let kept = Kept::default();
        let shared = std::sync::Arc::clone(&kept.0);
        let mut messages = Messages::new(from, deflate, u64::MAX, kept);
        let mut total = Ok(0);
        for piece in pieces {
            total = match (total, messages.look(piece)) {
                (Ok(before), Ok(now)) => Ok(before + now),
                (Err(wrong), _) | (_, Err(wrong)) => Err(wrong),
            };
            if total.is_err() {
                break;
            }
        }
        let whole = std::mem::take(&mut shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner).0);
        (whole, total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_put_together_from_whatever_frames() {
        // `hel`, a ping with a payload within, `lo`; then an empty binary one.
        let bytes = b"\x01\x03hel\x89\x02hi\x80\x02lo\x82\x00\x88\x02\x03\xe8";
        for piece in 1..bytes.len() {
            let (messages, total) = heard::all(Sender::Server, false, bytes.chunks(piece));
            assert_eq!((messages, total), (vec![b"hello".to_vec(), vec![]], Ok(9)));
        }
        let masked = b"\x81\x85\x01\x02\x03\x04igohn";
        for piece in 1..masked.len() {
            assert_eq!(heard::all(Sender::Client, false, masked.chunks(piece)).0, [b"hello".to_vec()]);
        }
        // RFC 7692, section 7.2.3.2: the second message refers to the first.
        let twice = b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00";
        let (messages, total) = heard::all(Sender::Server, true, twice.chunks(3));
        assert_eq!((messages, total), (vec![b"Hello".to_vec(); 2], Ok(12)));
        // 7.2.3.1, a message in two frames, and one that is not compressed.
        let parts = b"\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00\x81\x02ok";
        assert_eq!(heard::all(Sender::Server, true, parts.chunks(2)).0, [b"Hello".to_vec(), b"ok".to_vec()]);
    }

    #[test]
    fn closing_frames_say_what_may_be_said() {
        let close = |payload: &[u8]| {
            let frame = [&[0x88, u8::try_from(payload.len()).unwrap()], payload].concat();
            heard::all(Sender::Server, false, std::iter::once(frame.as_slice())).1.is_ok()
        };
        assert!(close(b"") && close(b"\x03\xe8") && close(b"\x03\xe8bye") && close(b"\x0f\xa0"));
        assert!(!close(b"\x03") && !close(b"\x03\xed") && !close(b"\x00\x00") && !close(b"\x03\xe8\xff"));
    }

    #[test]
    fn what_is_too_much_ends_it() {
        let mut messages = Messages::new(Sender::Server, false, 5, Counted::default());
        assert_eq!(messages.look(b"\x81\x05hello"), Ok(5));
        assert_eq!(messages.look(b"\x81\x01x").unwrap_err().code, 1009);
    }
}
