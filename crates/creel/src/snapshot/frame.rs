//! What guard and helper say to each other, and how a snapshot's list is written.
//!
//! Owns the bytes: a frame is its length and a body, a body is a tag and fields. Whatever does not read as one is an error, of
//! any length and content; paths lead nowhere but down. It knows no file and no store.

use std::io::{self, Read, Write};

/// Files are kept in pieces of this length.
pub(crate) const PIECE: usize = 1 << 20;
/// The longest path, and the longest target of a link (`PATH_MAX`, limits.h).
pub(crate) const LONGEST_PATH: usize = 4095;
/// The longest body: a piece with what stands around it.
const LONGEST: usize = PIECE + (64 << 10);
/// The longest text of an error.
const LONGEST_TEXT: usize = 1000;
/// The most pieces of a file: it is 64 GiB long, or as scattered.
pub(crate) const MOST_PIECES: usize = 1 << 16;
/// The most entries of one answer.
pub(crate) const MOST_AT_ONCE: usize = 128;

/// What lies in the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Below the workspace.
    pub(crate) path: Vec<u8>,
    /// Permissions.
    pub(crate) mode: u32,
    /// When it was written last: seconds and nanoseconds.
    pub(crate) modified: (i64, u32),
    /// What it is.
    pub(crate) what: What,
}

/// What it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A folder.
    Folder,
    /// A file.
    File(Content),
    /// A link, and where it leads.
    Link(Vec<u8>),
    /// Something that is not kept.
    Left(Left),
}

/// A file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    /// How long it is.
    pub(crate) size: u64,
    /// How much of that is no hole, in bytes.
    pub(crate) filled: u64,
    /// Its number in the file system.
    pub(crate) inode: u64,
    /// When it was changed last, which nobody in the jail can set (inode(7)).
    pub(crate) changed: (i64, u32),
    /// What it holds; nothing where it was not read.
    pub(crate) pieces: Vec<Piece>,
    /// It was long unchanged when it was read: what has the same stamp has the same content.
    pub(crate) settled: bool,
    /// It was changed while it was read.
    pub(crate) torn: bool,
}

/// A piece of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Bytes, by their SHA-256.
    Kept([u8; 32]),
    /// So many pieces of zeros.
    Hole(u32),
}

/// Why something is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// It is a pipe, a socket, a device.
    Special,
    /// The agent itself may not read it.
    Closed,
    /// There was no room for it.
    Room,
    /// It is too long, or too scattered.
    Long,
}

impl Left {
    pub(crate) const ALL: [Self; 4] = [Self::Special, Self::Closed, Self::Room, Self::Long];

    /// In words.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Special => "no file",
            Self::Closed => "not to be read",
            Self::Room => "no room",
            Self::Long => "too long",
        }
    }
}

/// Guard → helper. Each is answered by one [`Say`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// What lies there? So many entries at most. Answered by `Entries`.
    Walk(u32),
    /// The next entries. Answered by `Entries`.
    More,
    /// Open a file. Answered by `Whole` when it is no longer than a piece, and by `Opened` else.
    Open(Vec<u8>),
    /// The next piece. Answered by `Data`, `Hole` or `End`.
    Read,
    /// Make a folder.
    Folder(Vec<u8>),
    /// Make a link there that leads so.
    Link(Vec<u8>, Vec<u8>),
    /// Begin a file that is to stand there.
    Put(Vec<u8>),
    /// Its next bytes.
    Data(Vec<u8>),
    /// So many pieces of zeros.
    Hole(u32),
    /// The file is whole and so long: it takes its place, with these permissions and this time.
    Close(u64, u32, (i64, u32)),
    /// Give what stands there these permissions, and a file this time.
    Mend(Vec<u8>, u32, Option<(i64, u32)>),
    /// Take it away: a folder only when it is empty.
    Remove(Vec<u8>),
}

/// Helper → guard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Say {
    /// What lies there, and whether that was the end of it, and whether there is more than was asked for.
    Entries(Vec<Entry>, bool, bool),
    /// A short file, its bytes, and whether it was changed meanwhile.
    Whole(Entry, Vec<u8>, bool),
    /// A long one.
    Opened(Entry),
    /// Its next bytes: a piece, or less at its end.
    Data(Vec<u8>),
    /// So many pieces of zeros, the last may be shorter.
    Hole(u32),
    /// That was all, and whether it was changed meanwhile.
    End(bool),
    /// It is done.
    Done,
    /// It is not.
    Failed(String),
}

/// Whether a path leads down from the workspace and nowhere else.
pub(crate) fn is_path(path: &[u8]) -> bool {
    let fits = !path.is_empty() && path.len() <= LONGEST_PATH && !path.contains(&0);
    fits && path.split(|byte| *byte == b'/').all(|name| !matches!(name, b"" | b"." | b".."))
}

/// What is written in fields.
pub(crate) trait Coded: Sized {
    /// Adds it.
    fn write(&self, out: &mut Vec<u8>);
    /// Takes it off.
    fn read(from: &mut &[u8]) -> Option<Self>;
}

/// Sends one.
///
/// # Errors
/// When nobody hears it.
pub(crate) fn send(out: &mut dyn Write, message: &impl Coded) -> io::Result<()> {
    let mut frame = vec![0; 4];
    message.write(&mut frame);
    let length = u32::try_from(frame.len() - 4).unwrap_or(u32::MAX);
    if let Some(place) = frame.first_chunk_mut() {
        *place = length.to_le_bytes();
    }
    out.write_all(&frame)?;
    out.flush()
}

/// The next one; none where the bytes end between two.
///
/// # Errors
/// When there is none that reads as one.
pub(crate) fn receive<T: Coded>(input: &mut dyn Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    let mut got = 0;
    while let Some(rest) = length.get_mut(got..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) if got == 0 => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => got += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let length = u32::from_le_bytes(length);
    if length as usize > LONGEST {
        return Err(malformed());
    }
    let mut body = Vec::new();
    input.take(u64::from(length)).read_to_end(&mut body)?;
    let mut rest = body.as_slice();
    let message = T::read(&mut rest).filter(|_| body.len() == length as usize && rest.is_empty());
    message.map(Some).ok_or_else(malformed)
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is no message of ours")
}

macro_rules! numbers {
    ($($kind:ty),*) => {
        $(impl Coded for $kind {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn read(from: &mut &[u8]) -> Option<Self> {
                let (number, rest) = from.split_first_chunk()?;
                *from = rest;
                Some(Self::from_le_bytes(*number))
            }
        })*
    };
}
numbers!(u8, u32, u64, i64);

impl Coded for bool {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        match u8::read(from)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

/// Seconds and nanoseconds.
impl Coded for (i64, u32) {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let time = (i64::read(from)?, u32::read(from)?);
        (time.1 < 1_000_000_000).then_some(time)
    }
}

impl Coded for Vec<u8> {
    fn write(&self, out: &mut Vec<u8>) {
        u32::try_from(self.len()).unwrap_or(u32::MAX).write(out);
        out.extend_from_slice(self);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let length = u32::read(from)? as usize;
        let (bytes, rest) = from.split_at_checked(length).filter(|_| length <= PIECE)?;
        *from = rest;
        Some(bytes.to_vec())
    }
}

fn path(from: &mut &[u8]) -> Option<Vec<u8>> {
    Vec::read(from).filter(|path| is_path(path))
}

fn target(from: &mut &[u8]) -> Option<Vec<u8>> {
    Vec::read(from).filter(|target| !target.is_empty() && target.len() <= LONGEST_PATH && !target.contains(&0))
}

fn mode(from: &mut &[u8]) -> Option<u32> {
    u32::read(from).filter(|mode| *mode <= 0o777)
}

impl Coded for Entry {
    fn write(&self, out: &mut Vec<u8>) {
        let Self { path, mode, modified, what } = self;
        path.write(out);
        mode.write(out);
        modified.write(out);
        match what {
            What::Folder => 0_u8.write(out),
            What::File(content) => {
                1_u8.write(out);
                content.write(out);
            }
            What::Link(target) => {
                2_u8.write(out);
                target.write(out);
            }
            What::Left(left) => {
                3_u8.write(out);
                Left::ALL.iter().position(|one| one == left).map_or(0, |at| at as u8).write(out);
            }
        }
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let (path, mode, modified) = (path(from)?, mode(from)?, Coded::read(from)?);
        let what = match u8::read(from)? {
            0 => What::Folder,
            1 => What::File(Content::read(from)?),
            2 => What::Link(target(from)?),
            3 => What::Left(*Left::ALL.get(usize::from(u8::read(from)?))?),
            _ => return None,
        };
        Some(Self { path, mode, modified, what })
    }
}

impl Coded for Content {
    fn write(&self, out: &mut Vec<u8>) {
        let Self { size, filled, inode, changed, pieces, settled, torn } = self;
        [*size, *filled, *inode].iter().for_each(|number| number.write(out));
        changed.write(out);
        settled.write(out);
        torn.write(out);
        u32::try_from(pieces.len()).unwrap_or(u32::MAX).write(out);
        for piece in pieces {
            match piece {
                Piece::Hole(pieces) => {
                    0_u8.write(out);
                    pieces.write(out);
                }
                Piece::Kept(digest) => {
                    1_u8.write(out);
                    out.extend_from_slice(digest);
                }
            }
        }
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let (size, filled, inode) = (u64::read(from)?, u64::read(from)?, u64::read(from)?);
        let (changed, settled, torn) = (Coded::read(from)?, bool::read(from)?, bool::read(from)?);
        let count = u32::read(from)? as usize;
        if count > MOST_PIECES {
            return None;
        }
        let mut pieces = Vec::new();
        for _ in 0..count {
            pieces.push(match u8::read(from)? {
                0 => Piece::Hole(u32::read(from)?),
                1 => {
                    let (digest, rest) = from.split_first_chunk()?;
                    *from = rest;
                    Piece::Kept(*digest)
                }
                _ => return None,
            });
        }
        Some(Self { size, filled, inode, changed, pieces, settled, torn })
    }
}

impl Ask {
    fn tag(&self) -> u8 {
        match self {
            Self::Walk(_) => 0,
            Self::More => 1,
            Self::Open(_) => 2,
            Self::Read => 3,
            Self::Folder(_) => 4,
            Self::Link(..) => 5,
            Self::Put(_) => 6,
            Self::Data(_) => 7,
            Self::Hole(_) => 8,
            Self::Close(..) => 9,
            Self::Mend(..) => 10,
            Self::Remove(_) => 11,
        }
    }
}

impl Coded for Ask {
    fn write(&self, out: &mut Vec<u8>) {
        self.tag().write(out);
        match self {
            Self::More | Self::Read => {}
            Self::Walk(number) | Self::Hole(number) => number.write(out),
            Self::Open(bytes) | Self::Folder(bytes) | Self::Put(bytes) | Self::Data(bytes) | Self::Remove(bytes) => {
                bytes.write(out);
            }
            Self::Link(path, target) => {
                path.write(out);
                target.write(out);
            }
            Self::Close(size, mode, modified) => {
                size.write(out);
                mode.write(out);
                modified.write(out);
            }
            Self::Mend(path, mode, modified) => {
                path.write(out);
                mode.write(out);
                modified.is_some().write(out);
                modified.iter().for_each(|time| time.write(out));
            }
        }
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(match u8::read(from)? {
            0 => Self::Walk(u32::read(from)?),
            1 => Self::More,
            2 => Self::Open(path(from)?),
            3 => Self::Read,
            4 => Self::Folder(path(from)?),
            5 => Self::Link(path(from)?, target(from)?),
            6 => Self::Put(path(from)?),
            7 => Self::Data(Vec::read(from)?),
            8 => Self::Hole(u32::read(from)?),
            9 => Self::Close(u64::read(from)?, mode(from)?, Coded::read(from)?),
            10 => {
                let (path, mode) = (path(from)?, mode(from)?);
                let modified = if bool::read(from)? { Some(Coded::read(from)?) } else { None };
                Self::Mend(path, mode, modified)
            }
            11 => Self::Remove(path(from)?),
            _ => return None,
        })
    }
}

impl Coded for Say {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Entries(entries, end, cut) => {
                0_u8.write(out);
                u32::try_from(entries.len()).unwrap_or(u32::MAX).write(out);
                entries.iter().for_each(|entry| entry.write(out));
                end.write(out);
                cut.write(out);
            }
            Self::Whole(entry, bytes, torn) => {
                1_u8.write(out);
                entry.write(out);
                bytes.write(out);
                torn.write(out);
            }
            Self::Opened(entry) => {
                2_u8.write(out);
                entry.write(out);
            }
            Self::Data(bytes) => {
                3_u8.write(out);
                bytes.write(out);
            }
            Self::Hole(pieces) => {
                4_u8.write(out);
                pieces.write(out);
            }
            Self::End(torn) => {
                5_u8.write(out);
                torn.write(out);
            }
            Self::Done => 6_u8.write(out),
            Self::Failed(why) => {
                7_u8.write(out);
                why.chars().take(LONGEST_TEXT / 4).collect::<String>().into_bytes().write(out);
            }
        }
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(match u8::read(from)? {
            0 => {
                let count = u32::read(from)? as usize;
                if count > MOST_AT_ONCE {
                    return None;
                }
                let entries = (0..count).map(|_| Entry::read(from)).collect::<Option<_>>()?;
                Self::Entries(entries, bool::read(from)?, bool::read(from)?)
            }
            1 => Self::Whole(Entry::read(from)?, Vec::read(from)?, bool::read(from)?),
            2 => Self::Opened(Entry::read(from)?),
            3 => Self::Data(Vec::read(from)?),
            4 => Self::Hole(u32::read(from)?),
            5 => Self::End(bool::read(from)?),
            6 => Self::Done,
            7 => {
                let text = Vec::read(from).filter(|text| text.len() <= LONGEST_TEXT)?;
                Self::Failed(String::from_utf8(text).ok()?)
            }
            _ => return None,
        })
    }
}

/// For any bytes: what reads as a message is written the same again, and names nothing outside of the workspace.
#[cfg(any(test, fuzzing))]
pub(crate) fn drive(bytes: &[u8]) {
    again::<Ask>(bytes);
    again::<Entry>(bytes);
    if let Some(Say::Entries(entries, ..)) = again(bytes) {
        assert!(entries.iter().all(|entry| is_path(&entry.path)), "paths lead down");
    }
}

#[cfg(any(test, fuzzing))]
fn again<T: Coded>(bytes: &[u8]) -> Option<T> {
    let mut input = bytes;
    let message = receive::<T>(&mut input).ok()??;
    let mut written = Vec::new();
    send(&mut written, &message).ok()?;
    assert_eq!(Some(written.as_slice()), bytes.get(..bytes.len() - input.len()), "a message has one form");
    Some(message)
}

#[cfg(test)]
mod tests;
