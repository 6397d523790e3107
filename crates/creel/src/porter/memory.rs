//! Arguments in the memory of a process that waits.
//!
//! Owns how a path and a vector of arguments are read, and how much of them. Every address and every byte is the agent's, and
//! may point anywhere; nothing of it is believed. Called by [`super::look`].

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// What of a vector of arguments is read: beyond it a record says that there are more. A question fits a message even if each
/// byte takes six.
pub(super) const MOST_BYTES: usize = 12 * 1024;
const MOST_ARGUMENTS: usize = 512;

/// The smallest page of both architectures.
const PAGE: u64 = 4096;

/// Where the bytes are.
pub(super) trait Mapped {
    /// As many as there are from here on, at most as many as fit.
    fn read(&self, into: &mut [u8], at: u64) -> io::Result<usize>;

    /// As many as fit, or none.
    fn read_all(&self, into: &mut [u8], at: u64) -> io::Result<()>;
}

impl Mapped for File {
    fn read(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        self.read_at(into, at)
    }

    fn read_all(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        self.read_exact_at(into, at)
    }
}

/// The memory of a process that waits.
pub(super) struct Memory<M>(pub(super) M);

impl<M: Mapped> Memory<M> {
    /// A text up to its NUL and whether that was reached within so many bytes; none when nothing is mapped there.
    pub(super) fn text(&self, at: u64, most: usize) -> Option<(Vec<u8>, bool)> {
        let mut text = Vec::new();
        let mut piece = [0; 256];
        while text.len() < most {
            let wanted = piece.len().min(most - text.len());
            // A piece ends with its page, so that what isn't mapped behind it does no harm.
            let here = at.checked_add(text.len() as u64)?;
            let left = usize::try_from(PAGE - here % PAGE).unwrap_or(wanted);
            let read = self.0.read(piece.get_mut(..wanted.min(left))?, here).ok().filter(|read| *read > 0)?;
            let read = piece.get(..read)?;
            if let Some(end) = read.iter().position(|byte| *byte == 0) {
                text.extend_from_slice(read.get(..end)?);
                return Some((text, true));
            }
            text.extend_from_slice(read);
        }
        Some((text, false))
    }

    /// A vector of texts, and whether there are more than were read. None where the kernel would say EFAULT.
    pub(super) fn vector(&self, at: u64) -> Option<(Vec<Vec<u8>>, bool)> {
        let mut words: Vec<Vec<u8>> = Vec::new();
        let mut left = MOST_BYTES;
        // Linux takes no vector at all for an empty one.
        for number in (0..).take_while(|_| at != 0) {
            let mut pointer = [0; 8];
            self.0.read_all(&mut pointer, at.checked_add(number * 8)?).ok()?;
            let pointer = u64::from_ne_bytes(pointer);
            if pointer == 0 {
                break;
            }
            if words.len() >= MOST_ARGUMENTS || left == 0 {
                return Some((words, true));
            }
            let (word, whole) = self.text(pointer, left)?;
            left -= word.len();
            words.push(word);
            if !whole {
                return Some((words, true));
            }
        }
        Some((words, false))
    }
}

/// A memory that is these bytes, mapped at an address.
#[cfg(any(test, fuzzing))]
struct Made<'a> {
    base: u64,
    bytes: &'a [u8],
}

#[cfg(any(test, fuzzing))]
impl Mapped for Made<'_> {
    fn read(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        let from = at.checked_sub(self.base).and_then(|at| self.bytes.get(usize::try_from(at).ok()?..));
        let from = from.ok_or(io::ErrorKind::InvalidInput)?;
        into.iter_mut().zip(from).for_each(|(place, byte)| *place = *byte);
        Ok(into.len().min(from.len()))
    }

    fn read_all(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        let wanted = into.len();
        if self.read(into, at)? == wanted { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

/// For any memory, and a vector that stands anywhere (the first eight bytes say where): what is read is bounded, and is known
/// again as what was read.
#[cfg(any(test, fuzzing))]
pub(crate) fn drive(bytes: &[u8]) {
    let Some((at, bytes)) = bytes.split_first_chunk::<8>() else { return };
    let memory = Memory(Made { base: 0x1000, bytes });
    let Some((words, cut)) = memory.vector(u64::from_ne_bytes(*at)) else { return };
    assert!(words.len() <= MOST_ARGUMENTS, "arguments are bounded");
    assert!(words.iter().map(Vec::len).sum::<usize>() <= MOST_BYTES, "their bytes are bounded");
    assert!(words.iter().all(|word| !word.contains(&0)), "an argument ends at its NUL");
    let mut found = words.join(&0);
    if !cut {
        found.push(0);
    }
    assert!(super::Image::new(b"p", &words, cut, "/p").has(&found), "what was read is known again");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A vector at `base`, its texts behind it.
    fn made(base: u64, words: &[Vec<u8>]) -> Vec<u8> {
        let mut at = base + 8 * (words.len() as u64 + 1);
        let mut bytes = Vec::new();
        for word in words {
            bytes.extend(at.to_ne_bytes());
            at += word.len() as u64 + 1;
        }
        bytes.extend([0; 8]);
        for word in words {
            bytes.extend(word);
            bytes.push(0);
        }
        bytes
    }

    proptest! {
        #[test]
        fn a_vector_is_read_as_it_was_made_or_said_to_be_cut(
            base in 1_u64..1 << 40,
            words in prop::collection::vec(prop::collection::vec(1_u8.., 0..600), 0..40),
        ) {
            let bytes = made(base, &words);
            let (read, cut) = Memory(Made { base, bytes: &bytes }).vector(base).expect("all of it is mapped");
            let total: usize = words.iter().map(Vec::len).sum();
            prop_assert!(cut == (total > MOST_BYTES) || total == MOST_BYTES);
            if !cut {
                prop_assert_eq!(&read, &words);
            }
            prop_assert!(read.iter().zip(&words).all(|(read, word)| word.starts_with(read)));
        }

        #[test]
        fn any_memory_is_read_within_bounds(bytes in prop::collection::vec(any::<u8>(), 0..2000), at in 0x1000_u64..0x1800) {
            drive(&[&at.to_ne_bytes()[..], &bytes].concat());
        }
    }

    #[test]
    fn a_vector_without_end_is_cut_and_one_that_leads_nowhere_is_none() {
        let endless: Vec<u8> = 0x1000_u64.to_ne_bytes().repeat(4096);
        let (words, cut) = Memory(Made { base: 0x1000, bytes: &endless }).vector(0x1000).unwrap();
        assert!(cut && words.len() <= MOST_ARGUMENTS, "{}", words.len());
        let memory = Memory(Made { base: 0x1000, bytes: &[1; 64] });
        assert!(memory.vector(0x1000).is_none() && memory.vector(u64::MAX).is_none());
        assert_eq!(memory.vector(0), Some((Vec::new(), false)));
    }
}
