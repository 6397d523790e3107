//! Where snapshots are kept.
//!
//! Owns [`Store`]: a folder of the guard's with the pieces of files, each by its SHA-256 and once, and a list and a head a
//! snapshot. It is bounded in bytes, counted in whole blocks, and leaves the disk room for others. Of each kind so many are kept;
//! for room the oldest go, but none that a person named and none younger than some hours, so that nobody pushes yesterday's work
//! out by writing. It reads nothing of the agent's itself.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Why;
use super::frame::{Entry, Left, PIECE, Piece, What, receive};

/// What a file takes at least on a disk.
const BLOCK: u64 = 4096;
/// So much stays free on the disk for others, the ledger first of all.
const SPARE: u64 = 1 << 30;
/// None younger than this goes for room, in milliseconds.
const YOUNG: u64 = 6 * 3600 * 1000;
/// So many with a name.
const MOST_NAMED: usize = 50;
/// The longest head, and the longest list, that is read.
const LONGEST_HEAD: u64 = 1 << 20;
const LONGEST_LIST: u64 = 1 << 30;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// So many of each kind: by schedule, before an act, asked for, before one was put back.
    pub(crate) keep: usize,
    /// So many bytes, all together.
    pub(crate) room: u64,
}

/// One snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// Counted from 1.
    pub(crate) number: u64,
    /// When it was begun, in milliseconds since 1970.
    pub(crate) at_ms: u64,
    /// Why.
    #[serde(flatten)]
    pub(crate) why: Why,
    /// What a person called it.
    pub(crate) name: Option<String>,
    /// Files in it.
    pub(crate) files: u64,
    /// Their bytes, holes not counted.
    pub(crate) bytes: u64,
    /// What it added to the store.
    pub(crate) added: u64,
    /// What was met and is not kept.
    pub(crate) left: u64,
    /// Files that were changed while they were read.
    pub(crate) torn: u64,
    /// There was more than is ever looked at.
    pub(crate) cut: bool,
    /// SHA-256 of its list.
    pub(crate) digest: String,
}

impl Head {
    fn is_of(&self, why: &Why) -> bool {
        self.name.is_none() && std::mem::discriminant(&self.why) == std::mem::discriminant(why)
    }
}

/// The folder.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    bounds: Bounds,
    heads: Vec<Head>,
    /// Bytes in pieces; none while they are not counted yet.
    used: Option<u64>,
    spare: u64,
    /// The highest number that was ever given.
    last: u64,
}

/// A snapshot that is being taken: what it holds already must not go.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    live: HashSet<[u8; 32]>,
    added: u64,
    /// For more there is no room.
    full: bool,
    dropped: Vec<Head>,
}

impl Store {
    /// Reads which there are.
    ///
    /// # Errors
    /// When they can't be read.
    pub(crate) fn open(home: &Path, bounds: Bounds) -> io::Result<Self> {
        let folder = home.join("snapshots");
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let mut heads = Vec::new();
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|kind| kind == "json") {
                let mut text = Vec::new();
                open(&path)?.take(LONGEST_HEAD).read_to_end(&mut text)?;
                heads.push(serde_json::from_slice::<Head>(&text)?);
            }
        }
        heads.sort_by_key(|head| head.number);
        // of one that was not finished nothing is needed
        for path in listed(&folder)? {
            let kind = path.extension().and_then(|kind| kind.to_str());
            let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            let is_known = heads.iter().any(|head| Some(head.number) == number);
            if kind == Some("draft") || (kind == Some("list") && !is_known) {
                std::fs::remove_file(&path)?;
            }
        }
        let last = std::fs::read_to_string(folder.join(LAST)).ok().and_then(|text| text.trim().parse().ok());
        let last = last.unwrap_or(0).max(heads.last().map_or(0, |head| head.number));
        Ok(Self { folder, bounds, heads, used: None, spare: SPARE, last })
    }

    /// All of them, the oldest first.
    pub(crate) fn heads(&self) -> &[Head] {
        &self.heads
    }

    /// One of them.
    ///
    /// # Errors
    /// When there is none of that number.
    pub(crate) fn head(&self, number: u64) -> io::Result<&Head> {
        let found = self.heads.iter().find(|head| head.number == number);
        found
            .ok_or_else(|| io::Error::other(format!("there is no snapshot {number}; `creel snapshot list` shows them")))
    }

    /// What lies in one.
    ///
    /// # Errors
    /// When it can't be read, or is not what was written.
    pub(crate) fn list(&self, number: u64) -> io::Result<Vec<Entry>> {
        let head = self.head(number)?;
        let mut input =
            Summed { input: BufReader::new(open(&self.place(number, "list"))?.take(LONGEST_LIST)), sum: Sha256::new() };
        let mut entries = Vec::new();
        while let Some(entry) = receive::<Entry>(&mut input)? {
            entries.push(entry);
        }
        if hex(&input.sum.finalize()) == head.digest {
            Ok(entries)
        } else {
            Err(io::Error::other(format!("the list of snapshot {number} is damaged")))
        }
    }

    /// A piece's bytes.
    ///
    /// # Errors
    /// When they can't be read, or are others.
    pub(crate) fn piece(&self, digest: &[u8; 32]) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        open(&self.place_of(digest))?.take(PIECE as u64 + 1).read_to_end(&mut bytes)?;
        let found: [u8; 32] = Sha256::digest(&bytes).into();
        if found == *digest { Ok(bytes) } else { Err(io::Error::other("a piece of it is damaged")) }
    }

    /// Whether all these pieces are there, by their lengths.
    pub(crate) fn holds(&self, pieces: &[Piece], size: u64) -> bool {
        let mut at = 0_u64;
        pieces.iter().all(|piece| {
            let rest = size.saturating_sub(at);
            match piece {
                Piece::Hole(pieces) => {
                    at = at.saturating_add(u64::from(*pieces) * PIECE as u64);
                    true
                }
                Piece::Kept(digest) => {
                    at = at.saturating_add(PIECE as u64);
                    self.length_of(digest) == Some(rest.min(PIECE as u64))
                }
            }
        })
    }

    /// Keeps a piece; nothing when there is no room for it.
    ///
    /// # Errors
    /// When it can't be written.
    pub(crate) fn keep(&mut self, bytes: &[u8], draft: &mut Draft) -> io::Result<Option<[u8; 32]>> {
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        if self.length_of(&digest) == Some(bytes.len() as u64) {
            draft.live.insert(digest);
            return Ok(Some(digest));
        }
        let room = (bytes.len() as u64).next_multiple_of(BLOCK);
        if draft.full || !self.has_room(room, draft)? {
            draft.full = true;
            return Ok(None);
        }
        let place = self.place_of(&digest);
        if let Some(folder) = place.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        write(&place, bytes)?;
        self.used = self.used.map(|used| used + room);
        draft.added += room;
        draft.live.insert(digest);
        Ok(Some(digest))
    }

    /// These pieces of an older one are held by this one too.
    pub(crate) fn share(pieces: &[Piece], draft: &mut Draft) {
        draft.live.extend(pieces.iter().filter_map(|piece| match piece {
            Piece::Kept(digest) => Some(*digest),
            Piece::Hole(_) => None,
        }));
    }

    /// Makes room by what is oldest; whether there is enough.
    fn has_room(&mut self, bytes: u64, draft: &mut Draft) -> io::Result<bool> {
        loop {
            let free = rustix::fs::statvfs(&self.folder).map(|found| found.f_bavail.saturating_mul(found.f_frsize));
            let disk = free.map_or(true, |free| free >= self.spare.saturating_add(bytes));
            if disk && self.used(draft)?.saturating_add(bytes) <= self.bounds.room {
                return Ok(true);
            }
            let now = crate::clock::wall_ms();
            let old = |head: &&Head| head.name.is_none() && head.at_ms.saturating_add(YOUNG) <= now;
            let Some(number) = self.heads.iter().find(old).map(|head| head.number) else { return Ok(false) };
            let dropped = self.remove(number)?;
            draft.dropped.push(dropped);
            self.sweep(draft)?;
        }
    }

    /// Bytes in pieces; at first what no snapshot holds is swept out.
    fn used(&mut self, draft: &Draft) -> io::Result<u64> {
        match self.used {
            Some(used) => Ok(used),
            None => self.sweep(draft),
        }
    }

    /// Writes a snapshot down, and forgets the oldest of its kind when there are too many: those that were forgotten.
    ///
    /// # Errors
    /// When it can't be written.
    pub(crate) fn finish(
        &mut self,
        (at_ms, why, name): (u64, Why, Option<String>),
        entries: &[Entry],
        cut: bool,
        mut draft: Draft,
    ) -> io::Result<(Head, Vec<Head>)> {
        let number = self.last + 1;
        write(&self.folder.join(LAST), number.to_string().as_bytes())?;
        self.last = number;
        let digest = self.write_list(number, entries)?;
        let contents = || {
            entries.iter().filter_map(|entry| if let What::File(content) = &entry.what { Some(content) } else { None })
        };
        let head = Head {
            number,
            at_ms,
            why,
            name,
            files: contents().count() as u64,
            bytes: contents().map(|content| content.filled.min(content.size)).sum(),
            added: draft.added,
            left: entries.iter().filter(|entry| matches!(entry.what, What::Left(left) if left != Left::Special)).count()
                as u64,
            torn: contents().filter(|content| content.torn).count() as u64,
            cut,
            digest,
        };
        let place = self.place(number, "json");
        write(&place, &serde_json::to_vec(&head)?)?;
        [&place, &self.folder].into_iter().try_for_each(|place| open(place)?.sync_all())?;
        self.heads.push(head.clone());
        while self.heads.iter().filter(|other| other.is_of(&head.why)).count() > self.bounds.keep.max(1) {
            let Some(oldest) = self.heads.iter().find(|other| other.is_of(&head.why)).map(|other| other.number) else {
                break;
            };
            draft.dropped.push(self.remove(oldest)?);
            // what only it held goes with the next that needs room
            self.used = None;
        }
        Ok((head, draft.dropped))
    }

    fn write_list(&self, number: u64, entries: &[Entry]) -> io::Result<String> {
        let (place, mut sum) = (self.place(number, "list"), Sha256::new());
        let draft = place.with_extension("draft");
        let mut out = io::BufWriter::new(make(&draft)?);
        for entry in entries {
            let mut frame = Vec::new();
            super::frame::send(&mut frame, entry)?;
            sum.update(&frame);
            out.write_all(&frame)?;
        }
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        std::fs::rename(&draft, &place)?;
        Ok(hex(&sum.finalize()))
    }

    /// Whether one more may have a name.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn may_be_named(&self) -> io::Result<()> {
        if self.heads.iter().filter(|head| head.name.is_some()).count() < MOST_NAMED {
            return Ok(());
        }
        Err(io::Error::other(format!("{MOST_NAMED} snapshots have a name already; `creel snapshot rm` forgets one")))
    }

    /// Forgets one; its pieces go when room is needed, or with [`Store::sweep`].
    ///
    /// # Errors
    /// When there is none, or it can't be removed.
    pub(crate) fn remove(&mut self, number: u64) -> io::Result<Head> {
        let head = self.head(number)?.clone();
        std::fs::remove_file(self.place(number, "json"))?;
        let _ = std::fs::remove_file(self.place(number, "list"));
        self.heads.retain(|head| head.number != number);
        Ok(head)
    }

    /// Removes every piece that no snapshot holds, and counts the bytes of the others.
    ///
    /// # Errors
    /// When a list can't be read: then nothing is removed.
    pub(crate) fn sweep(&mut self, draft: &Draft) -> io::Result<u64> {
        let mut live = HashSet::new();
        for number in self.heads.iter().map(|head| head.number).collect::<Vec<_>>() {
            for entry in self.list(number)? {
                if let What::File(content) = entry.what {
                    live.extend(content.pieces.iter().filter_map(|piece| match piece {
                        Piece::Kept(digest) => Some(*digest),
                        Piece::Hole(_) => None,
                    }));
                }
            }
        }
        let mut used = 0;
        for folder in listed(&self.folder.join(PIECES))? {
            for piece in listed(&folder)? {
                let name = piece.file_name().and_then(|name| name.to_str()).and_then(unhex);
                if name.is_some_and(|digest| live.contains(&digest) || draft.live.contains(&digest)) {
                    used += std::fs::metadata(&piece)?.len().next_multiple_of(BLOCK);
                } else {
                    std::fs::remove_file(&piece)?;
                }
            }
        }
        self.used = Some(used);
        Ok(used)
    }

    fn length_of(&self, digest: &[u8; 32]) -> Option<u64> {
        std::fs::metadata(self.place_of(digest)).ok().map(|found| found.len())
    }

    fn place(&self, number: u64, kind: &str) -> PathBuf {
        self.folder.join(format!("{number}.{kind}"))
    }

    fn place_of(&self, digest: &[u8; 32]) -> PathBuf {
        let name = hex(digest);
        self.folder.join(PIECES).join(name.get(..2).unwrap_or_default()).join(name)
    }
}

const PIECES: &str = "pieces";
const LAST: &str = "last";

/// What is read is summed up.
struct Summed<R> {
    input: R,
    sum: Sha256,
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(into)?;
        self.sum.update(into.get(..read).unwrap_or_default());
        Ok(read)
    }
}

#[expect(clippy::disallowed_methods, reason = "this file owns the store")]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

fn make(path: &Path) -> io::Result<File> {
    let _ = std::fs::remove_file(path);
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Writes a file, whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("draft");
    let mut file = make(&draft)?;
    file.write_all(bytes)?;
    drop(file);
    std::fs::rename(&draft, path)
}

fn listed(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, place) in digest.iter_mut().enumerate() {
        *place = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(digest)
}
