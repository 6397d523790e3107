//! Checks a ledger off-line: is all of it as it was written?
//!
//! Owns [`verify`]. Needs no running Creel, takes no lock and writes nothing; beside a live writer it checks what was on
//! disk when it began. Three things are held against each other: the segments' chain, the tiles and bundles, and what was
//! signed, by the log and by whoever remembers it elsewhere.

mod copy;
mod tiles;

use std::path::Path;

use serde::Serialize;

use crate::account::{Account, Told};
use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::folder::{self, ASIDE, Folder, LOCK};
use crate::frame::{Frame, hex};
use crate::head::{self, Found, Position};
use crate::merkle::Hash;
use crate::note::{Note, VerifierKey};
use crate::replica::CHECKPOINT;
use crate::shelf::Shelf;
use crate::walk::{Remainder, Step, Walker};

use tiles::Tiles;

/// What a check may rely on besides the ledger's own folder.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// The log's public key. Without, the one that stands beside the log is taken at its word.
    pub key: Option<VerifierKey>,
    /// A witness's public key. Without, likewise.
    pub witness: Option<VerifierKey>,
    /// What signer and witness remember to have signed.
    pub remembered: Vec<Remembered>,
}

/// A tree that somebody signed and remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Who.
    pub by: String,
    /// How many leaves it had.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// When, in seconds since 1970; 0 when it is not known.
    pub time: u64,
}

impl Remembered {
    /// What a note says that `key` signed, whoever brings it.
    ///
    /// # Errors
    /// When it is no checkpoint that `key` signed.
    pub fn of_note(note: &str, key: &VerifierKey) -> Result<Self, String> {
        let note = Note::parse(note).ok_or("it is no signed note")?;
        let time = key.verifies(&note).ok_or_else(|| format!("it is not signed by `{key}`"))?;
        let Checkpoint { origin: _, size, root } = Checkpoint::parse(&note.text).ok_or("it is no checkpoint")?;
        Ok(Self { by: key.name().to_owned(), size, root, time })
    }

    /// Reads the last checkpoint in a notary's folder.
    ///
    /// # Errors
    /// [`Error::Damaged`] when it is there and can't be read or is not signed by the key that stands beside it.
    pub fn read(folder: &Path) -> Result<Option<Self>, Error> {
        let damaged = |why: &str| Error::Damaged { first_bad: 1, why: format!("`{}`: {why}", folder.display()) };
        let shelf = Shelf::at(folder);
        let Some((note, checkpoint)) = shelf.checkpoint()? else { return Ok(None) };
        let key = shelf.key()?.and_then(|text| VerifierKey::parse(&text));
        let key = key.ok_or_else(|| damaged("its public key can't be read"))?;
        let time = key.verifies(&note).ok_or_else(|| damaged("its last checkpoint is not its own"))?;
        let Checkpoint { origin: _, size, root } = checkpoint;
        Ok(Some(Self { by: key.name().to_owned(), size, root, time }))
    }
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Nothing is wrong.
    pub ok: bool,
    /// How many records are whole, from the start to the end or to the first bad place.
    pub size: u64,
    /// The first record that nothing vouches for; all before it are as they were written.
    pub first_bad: Option<u64>,
    /// Records that were on disk are gone from the end.
    pub truncated: bool,
    /// The last write was cut short by a crash, behind all that was promised; the next opening clears it up.
    pub torn: bool,
    /// What is wrong, in words.
    pub why: Option<String>,
    /// How many leaves there are: decisions, notes and how acts ended.
    pub leaves: u64,
    /// How many of them the last checkpoint names; `None` when there is none.
    pub signed: Option<u64>,
    /// The key that its signature was checked with.
    pub key: Option<String>,
    /// When a witness saw the last checkpoint, in seconds since 1970.
    pub witnessed: Option<u64>,
    /// What retention let go, as the ledger itself says; `None` when all is kept.
    pub pruned: Option<Gone>,
}

/// What is not kept any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gone {
    /// Up to which record.
    pub records: u64,
    /// When the ledger said so.
    pub time: String,
    /// By which setting, in its words.
    pub why: String,
}

impl Verification {
    fn fine(size: u64) -> Self {
        Self { ok: true, size, ..Self::default() }
    }

    fn bad(size: u64, why: impl Into<String>) -> Self {
        Self { ok: false, first_bad: Some(size + 1), why: Some(why.into()), ..Self::fine(size) }
    }

    fn truncated(size: u64, why: impl Into<String>) -> Self {
        Self { ok: false, truncated: true, why: Some(why.into()), ..Self::fine(size) }
    }
}

/// Checks a ledger's folder, or one segment file on its own (without what stands before it and without the head), and
/// takes the keys beside it at their word.
///
/// # Errors
/// [`Error::NoLedger`] when there is nothing to check, [`Error::NotAFile`] and [`Error::TooLong`] when what stands there
/// can't be read, or what the file system says. What is wrong with what was read is no error but the answer.
pub fn verify(path: &Path) -> Result<Verification, Error> {
    verify_with(path, &Trust::default())
}

/// Checks a ledger against what was signed.
///
/// # Errors
/// As [`verify`].
pub fn verify_with(path: &Path, trust: &Trust) -> Result<Verification, Error> {
    if folder::is_there(path) && !path.is_dir() {
        return verify_segment(path);
    }
    let folder = Folder::at(path);
    if !folder.holds_a_ledger() {
        // Nobody writes a copy under a lock: this one had segments.
        if folder::is_there(&path.join(LOCK)) && folder::is_there(&path.join(CHECKPOINT)) {
            return Ok(Verification::bad(0, "its segments are gone"));
        }
        return if folder::is_there(&path.join(CHECKPOINT)) {
            copy::verify(path, trust)
        } else {
            Err(Error::NoLedger(path.to_path_buf()))
        };
    }
    // A writer may publish between two looks, and then what was listed is gone: look again.
    for _ in 0..4 {
        let before = marks(&folder)?;
        let answer = match verify_folder(&folder, trust) {
            Err(Error::Overtaken) => continue,
            answer => answer?,
        };
        if answer.ok || before == marks(&folder)? {
            return Ok(answer);
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    verify_folder(&folder, trust)
}

/// What changes whenever a writer goes on.
#[derive(PartialEq)]
struct Marks {
    head: Option<Found>,
    checkpoint: Option<String>,
    first_segment: Option<u32>,
}

fn marks(folder: &Folder) -> Result<Marks, Error> {
    let checkpoint = Shelf::at(folder.path()).checkpoint().ok().flatten().map(|(note, _)| note.text);
    Ok(Marks { head: head::read(folder)?, checkpoint, first_segment: folder.first_segment()? })
}

fn verify_folder(folder: &Folder, trust: &Trust) -> Result<Verification, Error> {
    let shelf = Shelf::at(folder.path());
    let signed = match signed(&shelf, trust) {
        Ok(signed) => signed,
        Err(Error::Damaged { why, .. }) => return Ok(Verification::bad(0, why)),
        Err(error) => return Err(error),
    };
    let mut tiles = Tiles::new(shelf, signed.as_ref().map(|signed| &signed.checkpoint), &trust.remembered)?;
    let found = head::read(folder)?;
    let last = folder.last_segment()?;
    let mut walker = Walker::new(folder.clone())?;
    let start = walker.position();
    let size = signed.as_ref().map_or(0, |signed| signed.checkpoint.size);
    let mut account = Account::new(start, size);
    if let Some(why) = tiles.begin_behind(&start, size)? {
        return Ok(Verification::bad(0, why));
    }
    let promises = found.as_ref().map_or(&[][..], |found| &found.whole);
    let promises = promises.iter().map(|(_, position)| *position).collect();
    let mut answer = walk(&mut walker, promises, &mut |frame, before, record| {
        if let Err(why) = account.take(frame, before) {
            return Ok(Some((before.records + 1, why)));
        }
        if frame.kind.is_leaf() { tiles.take(frame, record) } else { Ok(None) }
    })?;
    if let Some(why) = account.missing().filter(|_| answer.first_bad.is_none()) {
        answer = Verification::bad(0, why);
    }
    if answer.first_bad.is_none() && last.is_some_and(|last| last > walker.position().segment) {
        answer = Verification::bad(answer.size, "a segment is missing");
    }
    if !walker.is_first_form() {
        if answer.ok || answer.truncated {
            answer = tiles.finish(answer)?;
        }
        answer.leaves = walker.position().leaves();
    }
    if answer.ok
        && let Some(why) = sealed(folder, account.last())?
    {
        answer = Verification::bad(0, why);
    }
    if let Some(Signed { checkpoint, key, witnessed }) = signed {
        answer.signed = Some(checkpoint.size);
        answer.key = Some(key);
        answer.witnessed = witnessed;
    }
    let gone = account.last().filter(|_| start.segment > 1);
    answer.pruned =
        gone.map(|Told { time, why, .. }| Gone { records: start.records, time: time.clone(), why: why.clone() });
    Ok(if answer.ok { check_head(answer, found.as_ref()) } else { answer })
}

/// What is wrong with the ledger of the first form that was put aside here, if one was.
fn sealed(folder: &Folder, told: Option<&Told>) -> Result<Option<String>, Error> {
    let aside = Folder::at(&folder.path().join(ASIDE));
    if !folder::is_there(aside.path()) {
        return Ok(None);
    }
    let found = verify_folder(&aside, &Trust::default())?;
    if !found.ok {
        return Ok(Some(format!("the sealed `{ASIDE}` is not whole: {}", found.why.unwrap_or_default())));
    }
    // The new ledger's first record names the end of the old one's chain.
    let end = head::read(&aside)?.and_then(|found| found.latest()).map(|end| hex(&end.chain));
    let mut walker = Walker::new(folder.clone())?;
    // Where that record is gone, the one that let it go names the same.
    if walker.position().segment > 1 {
        let bound = told.and_then(|told| told.pruned.sealed.clone());
        return Ok((bound != end).then(|| format!("nothing names the end of the sealed `{ASIDE}`")));
    }
    let first = loop {
        match walker.step()? {
            Step::Frame(frame) if frame.kind.is_leaf() => break String::from_utf8(frame.payload).unwrap_or_default(),
            Step::Frame(_) => {}
            Step::End | Step::Cut | Step::Bad(_) => return Ok(None),
        }
    };
    let bound = end.is_some_and(|end| first.contains(&end));
    Ok((!bound).then(|| format!("the first record does not name the end of the sealed `{ASIDE}`")))
}

/// The last checkpoint, and who signed it.
struct Signed {
    checkpoint: Checkpoint,
    key: String,
    witnessed: Option<u64>,
}

fn signed(shelf: &Shelf, trust: &Trust) -> Result<Option<Signed>, Error> {
    let bad = |why: String| Error::Damaged { first_bad: 1, why };
    let keys = shelf.keys()?;
    let (log, witness) = (trust.key.as_ref().or(keys.first()), trust.witness.as_ref().or(keys.get(1)));
    if trust.key.is_some() && !keys.is_empty() && keys.first() != log {
        return Err(bad("the key that stands beside the log is another one than was named".to_owned()));
    }
    if trust.witness.is_some() && !keys.is_empty() && keys.get(1) != witness {
        return Err(bad("the witness that stands beside the log is not the one that was named".to_owned()));
    }
    let (note, checkpoint): (Note, Checkpoint) = match shelf.checkpoint()? {
        Some(found) => found,
        None if trust.remembered.is_empty() => return Ok(None),
        None => return Err(bad("the checkpoint is gone, but one was signed".to_owned())),
    };
    let Some(log) = log else { return Err(bad("nobody knows the key that the checkpoint is signed with".to_owned())) };
    if checkpoint.origin != log.name() || log.verifies(&note).is_none() {
        return Err(bad(format!("the checkpoint is not signed by `{log}`")));
    }
    let witnessed = witness.and_then(|witness| witness.verifies(&note));
    if note.signatures.len() > 1 + usize::from(witnessed.is_some()) && witness.is_some() {
        return Err(bad("the checkpoint bears a signature that does not fit it".to_owned()));
    }
    Ok(Some(Signed { checkpoint, key: log.to_string(), witnessed }))
}

fn verify_segment(path: &Path) -> Result<Verification, Error> {
    let mut walker = Walker::single(path);
    let mut answer = walk(&mut walker, Vec::new(), &mut |_, _, _| Ok(None))?;
    if answer.ok && walker.position().frames == 0 {
        answer = Verification::bad(0, "it holds no frame");
    }
    Ok(answer)
}

fn check_head(answer: Verification, found: Option<&Found>) -> Verification {
    match found {
        None => Verification {
            ok: false,
            truncated: true,
            why: Some("the head is gone, so nobody knows where the ledger ended".to_owned()),
            ..answer
        },
        Some(found) if found.damaged => {
            Verification { ok: false, why: Some("the head is damaged".to_owned()), ..answer }
        }
        Some(_) => answer,
    }
}

/// What the tiles have to say to a frame.
type Taken = Result<Option<(u64, String)>, Error>;

/// Walks to the end and holds every promise of the head against what it passes.
fn walk(
    walker: &mut Walker,
    promises: Vec<Position>,
    take: &mut dyn FnMut(&Frame, &Position, u64) -> Taken,
) -> Result<Verification, Error> {
    let mut promises = promises.into_iter().peekable();
    loop {
        let at = walker.position();
        while let Some(promise) = promises.next_if(|promise| promise.frames <= at.frames) {
            if promise.frames == at.frames && (promise.chain != at.chain || promise.records != at.records) {
                return Ok(Verification::bad(0, "the whole chain is another one than the head names"));
            }
        }
        let step = walker.step()?;
        let size = walker.position().records;
        let torn = match step {
            Step::Frame(frame) => match take(&frame, &at, size)? {
                None => continue,
                Some((first_bad, why)) => return Ok(Verification::bad(first_bad.saturating_sub(1), why)),
            },
            Step::Bad(why) => return Ok(Verification::bad(size, why)),
            Step::Cut => true,
            Step::End => match walker.remainder()? {
                Remainder::Empty => false,
                // A writer may have gone on between the two looks.
                _ if matches!(walker.step()?, Step::Frame(_)) => continue,
                _ => return Ok(Verification::bad(size, "bytes stand behind the end")),
            },
        };
        return Ok(match promises.last() {
            Some(promise) => {
                Verification::truncated(size, format!("{} records were on disk, {size} are left", promise.records))
            }
            None => Verification { torn, ..Verification::fine(size) },
        });
    }
}
