//! A strict reading of WebSocket frames, one direction of one connection (RFC 6455, section 5).
//!
//! Owns the grammar: who masks, which kinds there are and in which order, lengths in their one spelling. It holds no
//! payload and changes nothing. Called by [`super::messages`] with every byte that passes.

use super::Wrong;

/// Two bytes, eight of a length, four of a mask.
const LONGEST_HEAD: usize = 14;

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Sender {
    /// Frames are masked (section 5.1).
    Client,
    /// Frames are not.
    Server,
}

/// What a frame's first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The last frame of its message.
    pub(super) fin: bool,
    /// RSV1: the message is compressed (RFC 7692, section 6).
    pub(super) compressed: bool,
    /// 0 goes on, 1 is text, 2 binary, 8 and above control frames.
    pub(super) kind: u8,
    pub(super) length: u64,
    pub(super) mask: [u8; 4],
}

impl Head {
    pub(super) fn is_control(self) -> bool {
        self.kind & 8 != 0
    }
}

/// A part of what was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// A frame begins.
    Head(Head),
    /// Bytes of its payload, masked as they are, of which so many came before.
    Payload(&'a [u8], u64),
    /// It ends.
    End,
}

/// Where in the stream of frames the reading is.
#[derive(Debug)]
pub(super) struct Frames {
    from: Sender,
    /// Compression was agreed on.
    deflate: bool,
    head: Vec<u8>,
    length: u64,
    /// Payload bytes of the frame that are still to come.
    left: u64,
    /// Inside a message of several frames.
    fragmented: bool,
    closed: bool,
}

impl Frames {
    pub(super) fn new(from: Sender, deflate: bool) -> Self {
        Self { from, deflate, head: Vec::new(), length: 0, left: 0, fragmented: false, closed: false }
    }

    /// Whether the next byte begins a frame.
    pub(super) fn is_whole(&self) -> bool {
        self.left == 0 && self.head.is_empty()
    }

    /// Reads on and hands over each part.
    ///
    /// # Errors
    /// What is wrong, also by the word of `on`; nothing of `bytes` may then pass.
    pub(super) fn read(
        &mut self,
        bytes: &[u8],
        mut on: impl FnMut(Part<'_>) -> Result<(), Wrong>,
    ) -> Result<(), Wrong> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.left > 0 {
                let now = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len());
                let (payload, after) = rest.split_at_checked(now).unwrap_or((rest, &[]));
                on(Part::Payload(payload, self.length - self.left))?;
                self.left -= now as u64;
                rest = after;
            } else {
                let Some((byte, after)) = rest.split_first() else { break };
                rest = after;
                self.head.push(*byte);
                let Some(head) = self.head()? else { continue };
                self.head = Vec::new();
                self.length = head.length;
                self.left = head.length;
                on(Part::Head(head))?;
            }
            if self.left == 0 {
                on(Part::End)?;
            }
        }
        Ok(())
    }

    /// Looks at the head as far as it is there; all of it once it is whole.
    fn head(&mut self) -> Result<Option<Head>, Wrong> {
        let head = self.head.as_slice();
        let (first, second) = match *head {
            [first] => return self.first(first).map(|()| None),
            [first, second, ..] => (first, second),
            [] => return Ok(None),
        };
        let masked = second & 0x80 != 0;
        if masked != (self.from == Sender::Client) {
            return Err(Wrong::malformed("a frame is masked where it must not be, or not where it must"));
        }
        let short = u64::from(second & 0x7F);
        if first & 0x08 != 0 && short > 125 {
            return Err(Wrong::malformed("a control frame is too long"));
        }
        let (extra, least) = match short {
            126 => (2, 126),
            127 => (8, 1 << 16),
            _ => (0, 0),
        };
        let whole = 2 + extra + if masked { 4 } else { 0 };
        debug_assert!(whole <= LONGEST_HEAD);
        if head.len() < whole {
            return Ok(None);
        }
        let long = head.get(2..2 + extra).unwrap_or_default().iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let length = if extra == 0 { short } else { long };
        if length < least || length > u64::MAX >> 1 {
            return Err(Wrong::malformed("a frame's length is not in its shortest form, or too long"));
        }
        let mask = head.get(2 + extra..whole).and_then(|mask| mask.try_into().ok()).unwrap_or_default();
        self.closed = first & 0x0F == 8;
        Ok(Some(Head { fin: first & 0x80 != 0, compressed: first & 0x40 != 0, kind: first & 0x0F, length, mask }))
    }

    fn first(&mut self, first: u8) -> Result<(), Wrong> {
        let (fin, kind) = (first & 0x80 != 0, first & 0x0F);
        if self.closed {
            return Err(Wrong::malformed("a frame follows the one that closes"));
        }
        // RSV1 stands in the first frame of a message alone.
        if first & 0x30 != 0 || first & 0x40 != 0 && !(self.deflate && matches!(kind, 1 | 2)) {
            return Err(Wrong::malformed("a reserved bit is set that no extension was agreed on for"));
        }
        match kind {
            0 if self.fragmented => self.fragmented = !fin,
            1 | 2 if !self.fragmented => self.fragmented = !fin,
            8..=10 if fin => {}
            _ => return Err(Wrong::malformed("a frame's kind is unknown, or out of order")),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(frames: &mut Frames, bytes: &[u8]) -> Result<u64, Wrong> {
        let mut payload = 0;
        frames.read(bytes, |part| {
            if let Part::Payload(bytes, _) = part {
                payload += bytes.len() as u64;
            }
            Ok(())
        })?;
        Ok(payload)
    }

    fn client(bytes: &[u8]) -> Result<u64, Wrong> {
        read(&mut Frames::new(Sender::Client, false), bytes)
    }

    fn server(bytes: &[u8]) -> Result<u64, Wrong> {
        read(&mut Frames::new(Sender::Server, true), bytes)
    }

    #[test]
    fn frames_are_read_and_what_is_odd_is_refused() {
        let hello = b"\x81\x85\x01\x02\x03\x04hello";
        assert_eq!(client(hello), Ok(5));
        assert_eq!(server(b"\x81\x05hello\x89\x00\x8a\x01x\x88\x02\x03\xe8"), Ok(8));
        assert_eq!(server(b"\x41\x01x\x89\x00\x80\x01x"), Ok(2));
        let long = [&b"\x82\xfe\x00\x7e\0\0\0\0"[..], &[0; 126]].concat();
        assert_eq!(client(&long), Ok(126));
        let huge = [&b"\x82\xff\0\0\0\0\0\x01\0\0\0\0\0\0"[..], &[0; 9]].concat();
        assert_eq!(client(&huge), Ok(9));
        assert_eq!(client(b"\x01\x80\0\0\0\0\x89\x80\0\0\0\0\x00\x80\0\0\0\0\x80\x80\0\0\0\0"), Ok(0));
        for odd in [
            &b"\x81\x05hello"[..],               // not masked
            b"\xc1\x85\x01\x02\x03\x04hello",    // RSV1: compressed, but nobody agreed on it
            b"\x83\x80\0\0\0\0",                 // unknown kind
            b"\x80\x80\0\0\0\0",                 // a continuation of nothing
            b"\x01\x80\0\0\0\0\x81\x80\0\0\0\0", // a message within a message
            b"\x09\x80\0\0\0\0",                 // a control frame in parts
            b"\x89\xfe\x00\x7e\0\0\0\0",         // a long control frame
            b"\x82\xfe\x00\x05\0\0\0\0",         // not the shortest length
            b"\x82\xff\0\0\0\0\0\0\xff\xff\0\0\0\0",
            b"\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0",
            b"\x88\x80\0\0\0\0\x81\x80\0\0\0\0", // something behind the end
            b"GET / HTTP/1.1\r\n\r\n",
        ] {
            assert!(client(odd).is_err(), "{}", odd.escape_ascii());
        }
        for odd in [&hello[..], b"\xc9\x00", b"\x01\x00\xc0\x00", b"\xa1\x00"] {
            assert!(server(odd).is_err(), "{}", odd.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn however_the_bytes_arrive_the_reading_is_the_same(
            bytes in prop::collection::vec(prop::sample::select(vec![0_u8, 1, 0x80, 0x81, 0x82, 0x85, 0x88, 0x89, 0xfe, 7]), 0..200),
            cuts in prop::collection::vec(0_usize..200, 0..10),
        ) {
            let whole = client(&bytes);
            let mut frames = Frames::new(Sender::Client, false);
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let parts: Result<Vec<u64>, _> = cuts.windows(2).map(|two| read(&mut frames, &bytes[two[0]..two[1]])).collect();
            prop_assert_eq!(parts.map(|parts| parts.iter().sum()), whole);
        }
    }
}
