//! Messages of one direction, read and written anew.
//!
//! Owns what is held of a message and how frames are written (RFC 6455, section 5.2): whole messages in one frame, long ones
//! in several, none compressed, which RFC 7692 leaves to whoever sends. Never decides what they say: a [`Turn`] does. Called by
//! [`crate::egress::splice`].

use creel_guard::BoxFuture;
use ring::rand::{SecureRandom, SystemRandom};

use super::Wrong;
use super::frames::Sender;
use super::messages::{Hear, Messages, Piece};
use crate::egress::splice::{Rewrite, Watch};

/// A message is held whole up to this. Who signs in says less: Discord takes 4 KiB, Slack 16.
pub(super) const HELD: usize = 64 * 1024;

/// As much of a message as is held: all of it, unless it is long.
pub(super) struct Part {
    /// Text, not binary.
    pub(super) is_text: bool,
    /// It begins the message.
    pub(super) first: bool,
    pub(super) bytes: Vec<u8>,
    /// It ends the message.
    pub(super) last: bool,
}

/// Says what goes on in the place of what came.
pub(super) trait Turn: Send {
    /// Of a message.
    fn part(&mut self, part: Part) -> BoxFuture<'_, Result<Vec<u8>, Wrong>>;

    /// Of a control frame. It must not get longer.
    fn control(&mut self, kind: u8, says: Vec<u8>) -> Vec<u8>;
}

/// One direction.
pub(super) struct Rewritten<T> {
    messages: Messages<Kept>,
    turn: T,
    from: Sender,
    chance: SystemRandom,
    /// A message was begun and not ended.
    open: bool,
    /// Bytes of payload that may still pass.
    left: u64,
}

impl<T: Turn> Rewritten<T> {
    /// `deflate` says that compression was agreed on.
    pub(super) fn new(from: Sender, deflate: bool, max: u64, turn: T) -> Self {
        let messages = Messages::new(from, deflate, u64::MAX, Kept::default());
        Self { messages, turn, from, chance: SystemRandom::new(), open: false, left: max }
    }

    async fn write(&mut self, bytes: &mut Vec<u8>) -> Result<u64, Wrong> {
        self.messages.look(bytes)?;
        bytes.clear();
        let mut count = 0;
        for heard in std::mem::take(&mut self.messages.hear().heard) {
            let (first, says) = match heard {
                Heard::Control(kind, says) => (0x80 | kind, self.turn.control(kind, says)),
                Heard::Part(part) => {
                    let (kind, last) = (if part.is_text { 1 } else { 2 }, part.last);
                    let says = self.turn.part(part).await?;
                    if says.is_empty() && !last {
                        continue;
                    }
                    let first = if self.open { 0 } else { kind } | if last { 0x80 } else { 0 };
                    self.open = !last;
                    (first, says)
                }
            };
            count += says.len() as u64;
            self.frame(first, says, bytes)?;
        }
        self.left = self.left.checked_sub(count).ok_or(Wrong::too_big("more went out in messages than may"))?;
        Ok(count)
    }

    /// A frame with this first byte.
    fn frame(&self, first: u8, mut says: Vec<u8>, out: &mut Vec<u8>) -> Result<(), Wrong> {
        let masked = if self.from == Sender::Client { 0x80 } else { 0 };
        let length = says.len();
        out.push(first);
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short @ ..=125), _) => out.push(masked | short),
            (_, Ok(short)) => {
                out.push(masked | 126);
                out.extend_from_slice(&short.to_be_bytes());
            }
            _ => {
                out.push(masked | 127);
                out.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        if masked != 0 {
            let mut mask = [0; 4];
            self.chance.fill(&mut mask).map_err(|_| Wrong::broke("no random bytes"))?;
            out.extend_from_slice(&mask);
            says.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        }
        out.append(&mut says);
        Ok(())
    }
}

impl<T: Turn> Rewrite for Rewritten<T> {
    fn rewrite<'a>(&'a mut self, bytes: &'a mut Vec<u8>) -> BoxFuture<'a, Result<u64, Wrong>> {
        Box::pin(self.write(bytes))
    }
}

/// What came and is not written yet.
#[derive(Default)]
struct Kept {
    heard: Vec<Heard>,
    held: Vec<u8>,
    /// The beginning of the message went on.
    begun: bool,
}

enum Heard {
    Part(Part),
    /// Its kind, and what it says.
    Control(u8, Vec<u8>),
}

impl Hear for Kept {
    fn hear(&mut self, piece: Piece<'_>) -> Result<(), Wrong> {
        let Piece { is_text, bytes, last } = piece;
        self.held.extend_from_slice(bytes);
        if last || self.held.len() > HELD {
            let bytes = std::mem::take(&mut self.held);
            self.heard.push(Heard::Part(Part { is_text, first: !self.begun, bytes, last }));
            self.begun = !last;
        }
        Ok(())
    }

    fn control(&mut self, kind: u8, says: &[u8]) {
        self.heard.push(Heard::Control(kind, says.to_vec()));
    }
}

#[cfg(any(test, fuzzing))]
pub(in super::super) mod again {
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// Changes nothing.
    struct AsItIs;

    impl Turn for AsItIs {
        fn part(&mut self, part: Part) -> BoxFuture<'_, Result<Vec<u8>, Wrong>> {
            Box::pin(std::future::ready(Ok(part.bytes)))
        }

        fn control(&mut self, _kind: u8, says: Vec<u8>) -> Vec<u8> {
            says
        }
    }

    /// What is written anew of `bytes` that came in these pieces, nothing changed.
    pub(in super::super::super) fn all<'a>(
        from: Sender,
        deflate: bool,
        pieces: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Vec<u8>, Wrong> {
        let mut rewritten = Rewritten::new(from, deflate, u64::MAX, AsItIs);
        let mut out = Vec::new();
        for piece in pieces {
            let mut bytes = piece.to_vec();
            let mut cx = Context::from_waker(Waker::noop());
            match rewritten.rewrite(&mut bytes).as_mut().poll(&mut cx) {
                Poll::Ready(done) => done?,
                Poll::Pending => unreachable!("nothing is waited for"),
            };
            out.append(&mut bytes);
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::messages::heard;
    use super::*;

    fn again(from: Sender, deflate: bool, bytes: &[u8]) -> Vec<u8> {
        again::all(from, deflate, std::iter::once(bytes)).unwrap()
    }

    #[test]
    fn a_message_in_parts_is_one_and_what_stands_between_them_comes_before() {
        let bytes = b"\x01\x03hel\x89\x02hi\x80\x02lo\x82\x00\x88\x02\x03\xe8";
        let anew = b"\x89\x02hi\x81\x05hello\x82\x00\x88\x02\x03\xe8";
        for size in 1..bytes.len() {
            assert_eq!(again::all(Sender::Server, false, bytes.chunks(size)).unwrap(), anew);
        }
        // RFC 7692, section 7.2.3.2.
        let twice = b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00";
        assert_eq!(again(Sender::Server, true, twice), b"\x81\x05Hello\x81\x05Hello");
    }

    #[test]
    fn what_a_client_says_is_masked_anew_and_lengths_have_their_shortest_form() {
        let masked = b"\x81\x85\x01\x02\x03\x04igohn";
        let anew = again(Sender::Client, false, masked);
        assert_ne!(anew, masked);
        assert_eq!(heard::all(Sender::Client, false, std::iter::once(anew.as_slice())).0, [b"hello".to_vec()]);
        for (length, head) in [(125, 2), (126, 4), (HELD, 10)] {
            let long = [&[0x82, 127][..], &(length as u64).to_be_bytes(), &vec![7; length]].concat();
            let long = if length < 126 { [&[0x82, 125][..], &[7; 125]].concat() } else { long };
            let long = if length == 126 { [&[0x82, 126, 0, 126][..], &[7; 126]].concat() } else { long };
            assert_eq!(again(Sender::Server, false, &long), long);
            assert_eq!(long.len(), length + head);
        }
    }

    #[test]
    fn a_long_message_is_not_held() {
        let length = 5 * HELD;
        let long = [&[0x81, 127][..], &(length as u64).to_be_bytes(), &vec![b'x'; length]].concat();
        let mut rewritten = again::all(Sender::Server, false, long.chunks(1000)).unwrap();
        assert_eq!(rewritten[0], 1, "more comes");
        let (messages, total) = heard::all(Sender::Server, false, std::iter::once(rewritten.as_slice()));
        assert_eq!((messages.len(), total), (1, Ok(length as u64)));
        rewritten.truncate(4 * HELD);
        assert_eq!(again::all(Sender::Server, false, long.chunks(1000).take(300)).unwrap()[..1000], rewritten[..1000]);
    }

    proptest! {
        #[test]
        fn what_is_written_anew_says_the_same(
            bytes in prop::collection::vec(prop::sample::select(vec![0_u8, 1, 0x80, 0x81, 0x82, 0x85, 0x88, 0x89, 0xfe, 7]), 0..200),
            size in 1_usize..50,
        ) {
            for from in [Sender::Client, Sender::Server] {
                let (said, total) = heard::all(from, false, bytes.chunks(size));
                let anew = again::all(from, false, bytes.chunks(size));
                prop_assert_eq!(anew.is_ok(), total.is_ok());
                if let Ok(anew) = anew {
                    prop_assert_eq!(heard::all(from, false, std::iter::once(anew.as_slice())).0, said);
                }
            }
        }
    }
}
