//! The guard's side of the helper in the jail.
//!
//! Owns [`Wire`], which waits for no answer beyond a bound, and the taking of a snapshot: what lies there is listed, what did not
//! change since the last one is not read again, the rest is read piece by piece. It believes nothing that the helper says but
//! names and bytes. It blocks: whoever calls it gives it a thread of its own.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::frame::{Ask, Content, Entry, Left, MOST_PIECES, PIECE, Piece, Say, What, receive, send};
use super::store::{Draft, Store};
use crate::clock::{monotonic, wall_ms};

/// So many things are looked at, folders too.
pub(crate) const MOST_ENTRIES: u32 = 500_000;
/// How long the helper may take for its next word, and for all of them.
const PATIENCE: Duration = Duration::from_secs(20);
const LONGEST: Duration = Duration::from_secs(20 * 60);
/// A store into mapped memory shows in the times of a file once the kernel has written it out, within 35 s (`dirty_expire_centisecs`
/// in the kernel's sysctl/vm): what is unchanged for longer has settled. In milliseconds.
const SETTLED: i64 = 120_000;
/// How often a file is read that changes meanwhile, when it is short.
const READINGS: usize = 3;

/// The two ends of the helper's pipes.
pub(crate) struct Wire {
    input: BufReader<Timed>,
    output: Timed,
}

impl Wire {
    /// # Errors
    /// When they are no pipes.
    pub(crate) fn new(input: OwnedFd, output: OwnedFd) -> io::Result<Self> {
        let until = monotonic() + LONGEST;
        let timed = |fd: OwnedFd| {
            rustix::io::ioctl_fionbio(&fd, true)?;
            io::Result::Ok(Timed { file: File::from(fd), until, patience: PATIENCE })
        };
        Ok(Self { input: BufReader::with_capacity(64 << 10, timed(input)?), output: timed(output)? })
    }

    /// One step.
    ///
    /// # Errors
    /// When the helper is gone, stands still or speaks nonsense. [`Say::Failed`] is none: it goes on.
    pub(crate) fn ask(&mut self, ask: &Ask) -> io::Result<Say> {
        send(&mut self.output, ask)?;
        receive(&mut self.input)?.ok_or_else(|| io::Error::other("the helper in the jail ended"))
    }
}

pub(crate) fn out_of_turn() -> io::Error {
    io::Error::other("the helper in the jail spoke out of turn")
}

/// A pipe that nobody waits for without end.
struct Timed {
    file: File,
    until: Duration,
    patience: Duration,
}

impl Timed {
    fn wait(&self, wanted: PollFlags) -> io::Result<()> {
        let patience = self.until.saturating_sub(monotonic()).min(self.patience);
        let wait = Timespec {
            tv_sec: i64::try_from(patience.as_secs()).unwrap_or(0),
            tv_nsec: patience.subsec_nanos().into(),
        };
        match poll(&mut [PollFd::new(&self.file.as_fd(), wanted)], Some(&wait)) {
            Ok(0) => Err(io::Error::other("the helper in the jail stands still")),
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Read for Timed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.file.read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait(PollFlags::IN)?,
                done => return done,
            }
        }
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.file.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait(PollFlags::OUT)?,
                done => return done,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What lies in the workspace now; contents are not read. And whether there is more than is ever looked at.
///
/// # Errors
/// When the helper fails.
pub(crate) fn walk(wire: &mut Wire) -> io::Result<(Vec<Entry>, bool)> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut ask = Ask::Walk(MOST_ENTRIES);
    loop {
        let Say::Entries(found, end, cut) = wire.ask(&ask)? else { return Err(out_of_turn()) };
        ask = Ask::More;
        let none = found.is_empty();
        entries.extend(found);
        if end || entries.len() > MOST_ENTRIES as usize {
            return Ok((entries, cut || !end));
        }
        if none {
            return Err(out_of_turn());
        }
    }
}

/// Where pieces go.
pub(crate) enum Sink<'a> {
    /// Into the store.
    Keep(&'a mut Store, Draft),
    /// Nowhere: only what they are is wanted.
    Look(&'a Store),
}

impl Sink<'_> {
    fn store(&self) -> &Store {
        match self {
            Self::Keep(store, _) => store,
            Self::Look(store) => store,
        }
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<Option<[u8; 32]>> {
        match self {
            Self::Keep(store, draft) => store.keep(bytes, draft),
            Self::Look(_) => Ok(Some(<sha2::Sha256 as sha2::Digest>::digest(bytes).into())),
        }
    }
}

/// All that lies there now with its contents; what did not change since `base` is not read again.
///
/// # Errors
/// When the helper or the store fails.
pub(crate) fn read(wire: &mut Wire, sink: &mut Sink<'_>, base: Vec<Entry>) -> io::Result<(Vec<Entry>, bool)> {
    let known: HashMap<Vec<u8>, Content> = base
        .into_iter()
        .filter_map(|entry| match entry.what {
            What::File(content) if content.settled && !content.torn => Some((entry.path, content)),
            _ => None,
        })
        .collect();
    let (found, cut) = walk(wire)?;
    let mut entries = Vec::with_capacity(found.len());
    for mut entry in found {
        let What::File(content) = &mut entry.what else {
            entries.push(entry);
            continue;
        };
        let same = known.get(&entry.path).filter(|old| {
            (old.size, old.inode, old.changed) == (content.size, content.inode, content.changed)
                && sink.store().holds(&old.pieces, old.size)
        });
        if let Some(old) = same {
            (content.pieces, content.settled) = (old.pieces.clone(), true);
            if let Sink::Keep(_, draft) = sink {
                Store::share(&content.pieces, draft);
            }
            entries.push(entry);
        } else {
            entries.extend(read_file(wire, sink, entry)?);
        }
    }
    Ok((entries, cut))
}

/// A file with its content; none when it is gone.
fn read_file(wire: &mut Wire, sink: &mut Sink<'_>, entry: Entry) -> io::Result<Option<Entry>> {
    for reading in 1.. {
        let (mut fresh, bytes) = match wire.ask(&Ask::Open(entry.path.clone()))? {
            Say::Whole(fresh, bytes, torn) => (fresh, Some((bytes, torn))),
            Say::Opened(fresh) => (fresh, None),
            // it was there a moment ago
            Say::Failed(_) => return Ok(None),
            _ => return Err(out_of_turn()),
        };
        let What::File(content) = &mut fresh.what else { return Err(out_of_turn()) };
        if fresh.path != entry.path {
            return Err(out_of_turn());
        }
        let short = bytes.is_some();
        content.pieces.clear();
        content.settled = is_settled(content, fresh.modified);
        let left = match bytes {
            Some((bytes, torn)) => {
                (content.size, content.torn) = (bytes.len() as u64, torn);
                take_piece(sink, bytes, &mut content.pieces)?
            }
            None => read_pieces(wire, sink, content)?,
        };
        if let Some(left) = left {
            fresh.what = What::Left(left);
        } else if content.torn && short && reading < READINGS {
            continue;
        }
        return Ok(Some(fresh));
    }
    Ok(None)
}

fn take_piece(sink: &mut Sink<'_>, bytes: Vec<u8>, pieces: &mut Vec<Piece>) -> io::Result<Option<Left>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    match sink.take(&bytes)? {
        Some(digest) => pieces.push(Piece::Kept(digest)),
        None => return Ok(Some(Left::Room)),
    }
    Ok(None)
}

/// Reads what was opened, until its end or until there is no room.
fn read_pieces(wire: &mut Wire, sink: &mut Sink<'_>, content: &mut Content) -> io::Result<Option<Left>> {
    let mut at = 0_u64;
    loop {
        if content.pieces.len() >= MOST_PIECES {
            return Ok(Some(Left::Long));
        }
        match wire.ask(&Ask::Read)? {
            Say::Data(bytes) => {
                let is_last = bytes.len() < PIECE;
                at += bytes.len() as u64;
                if let Some(left) = take_piece(sink, bytes, &mut content.pieces)? {
                    return Ok(Some(left));
                }
                if is_last && at < content.size {
                    // it is shorter by now
                    content.size = at;
                    content.torn = true;
                }
            }
            Say::Hole(pieces) => {
                at = at.saturating_add(u64::from(pieces) * PIECE as u64).min(content.size);
                match content.pieces.last_mut() {
                    Some(Piece::Hole(before)) => *before = before.saturating_add(pieces),
                    _ => content.pieces.push(Piece::Hole(pieces)),
                }
            }
            Say::End(torn) if at == content.size => {
                content.torn |= torn;
                return Ok(None);
            }
            Say::Failed(_) => return Ok(Some(Left::Closed)),
            _ => return Err(out_of_turn()),
        }
        if at > content.size || (at == content.size && content.pieces.is_empty()) {
            return Err(out_of_turn());
        }
    }
}

/// A change from now on shows in its times.
fn is_settled(content: &Content, modified: (i64, u32)) -> bool {
    let now = i64::try_from(wall_ms()).unwrap_or(i64::MAX);
    let newest = content.changed.0.max(modified.0).saturating_mul(1000);
    newest.saturating_add(SETTLED) <= now
}
