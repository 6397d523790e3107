//! The head: how far the ledger had come when it was last on disk.
//!
//! Owns the small file that makes a cut-off end visible, which a chain alone can't show. Two slots are written in
//! turn, each within one sector and with a checksum, so that one of them is whole whatever happens. Written after
//! each sync, never before: what the head promises is on disk.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use sha2::{Digest as _, Sha256};

use crate::error::Error;
use crate::folder::{self, Folder};
use crate::frame::{Chain, GENESIS, hex, unhex};

/// A slot's size: one sector.
const SLOT: usize = 512;

/// Where the slots stand: in pages of their own.
const PLACES: [u64; 2] = [0, 4096];

/// A point in the ledger: everything up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) records: u64,
    pub(crate) frames: u64,
    pub(crate) segment: u32,
    pub(crate) offset: u64,
    pub(crate) chain: Chain,
}

impl Position {
    pub(crate) const START: Self = Self { records: 0, frames: 0, segment: 1, offset: 0, chain: GENESIS };

    /// How many leaves there are: all frames but the one that opens each segment.
    pub(crate) fn leaves(&self) -> u64 {
        let openings = u64::from(self.segment) - u64::from(self.offset == 0);
        self.frames.saturating_sub(openings)
    }
}

/// The head as it is written.
#[derive(Debug)]
pub(crate) struct Head {
    file: File,
    turn: u64,
}

/// The head as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The whole slots, older one first.
    pub(crate) whole: Vec<(u64, Position)>,
    /// Whether anything in the file is not as it was written.
    pub(crate) damaged: bool,
}

impl Found {
    /// How far the ledger had come.
    pub(crate) fn latest(&self) -> Option<Position> {
        self.whole.last().map(|(_, position)| *position)
    }
}

impl Head {
    /// Opens the file, to be written on after what was found in it.
    pub(crate) fn open(folder: &Folder, found: &Found) -> Result<Self, Error> {
        let turn = found.whole.last().map_or(0, |(turn, _)| turn + 1);
        Ok(Self { file: folder.open_head()?, turn })
    }

    /// Writes both slots and puts them on disk.
    pub(crate) fn settle(&mut self, position: &Position) -> io::Result<()> {
        self.file.set_len(PLACES[1] + SLOT as u64)?;
        self.write(position)?;
        self.write(position)?;
        self.file.sync_all()
    }

    /// Writes the next slot.
    pub(crate) fn write(&mut self, position: &Position) -> io::Result<()> {
        let place = if self.turn.is_multiple_of(2) { PLACES[0] } else { PLACES[1] };
        self.file.write_all_at(&slot(self.turn, position), place)?;
        self.turn += 1;
        Ok(())
    }
}

/// Reads the head; `None` when there is none.
pub(crate) fn read(folder: &Folder) -> Result<Option<Found>, Error> {
    let path = folder.head_path();
    let Some(file) = folder::open_to_read(&path)? else { return Ok(None) };
    let mut bytes = vec![0; 8192];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, filled as u64).map_err(Error::io("read", &path))? {
            0 => break,
            read => filled += read,
        }
    }
    bytes.truncate(filled);
    Ok(Some(find(&bytes)))
}

fn find(bytes: &[u8]) -> Found {
    let mut whole = Vec::new();
    let mut expected = vec![0; bytes.len()];
    for place in PLACES.map(|place| usize::try_from(place).unwrap_or(usize::MAX)) {
        let Some(found) = bytes.get(place..place.saturating_add(SLOT)) else { continue };
        let Some((turn, position)) = read_slot(found) else { continue };
        whole.push((turn, position));
        if let Some(room) = expected.get_mut(place..place + SLOT) {
            room.copy_from_slice(&slot(turn, &position));
        }
    }
    whole.sort_by_key(|(turn, _)| *turn);
    Found { damaged: whole.len() < 2 || expected != bytes || bytes.len() as u64 != PLACES[1] + SLOT as u64, whole }
}

fn slot(turn: u64, at: &Position) -> [u8; SLOT] {
    let text = format!(
        "creel-ledger-head 1 {turn} {} {} {} {} {}",
        at.records,
        at.frames,
        at.segment,
        at.offset,
        hex(&at.chain)
    );
    let sum: Chain = Sha256::digest(text.as_bytes()).into();
    let mut slot = [0; SLOT];
    let line = format!("{text} {}\n", hex(&sum));
    slot.iter_mut().zip(line.bytes()).for_each(|(place, byte)| *place = byte);
    slot
}

/// The exact reverse of [`slot`]: whatever it would not have written is no slot.
fn read_slot(bytes: &[u8]) -> Option<(u64, Position)> {
    let line = bytes.split(|byte| *byte == b'\n').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ').skip(2);
    let turn = words.next()?.parse().ok()?;
    let position = Position {
        records: words.next()?.parse().ok()?,
        frames: words.next()?.parse().ok()?,
        segment: words.next()?.parse().ok()?,
        offset: words.next()?.parse().ok()?,
        chain: unhex(words.next()?)?,
    };
    (slot(turn, &position) == bytes).then_some((turn, position))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Vec<u8> {
        let newer = Position { records: 3, frames: 5, segment: 1, offset: 900, chain: [9; 32] };
        let mut bytes = vec![0; 4096 + SLOT];
        bytes[..SLOT].copy_from_slice(&slot(2, &newer));
        bytes[4096..].copy_from_slice(&slot(1, &Position::START));
        bytes
    }

    #[test]
    fn the_newer_slot_counts() {
        let found = find(&file());
        assert!(!found.damaged);
        assert_eq!(found.latest().unwrap().records, 3);
        assert_eq!(found.whole[0].1, Position::START);
    }

    #[test]
    fn any_flipped_bit_is_seen_and_the_other_slot_holds() {
        for index in 0..4096 + SLOT {
            let mut bytes = file();
            bytes[index] ^= 1 << (index % 8);
            let found = find(&bytes);
            assert!(found.damaged, "{index}");
            assert!(!found.whole.is_empty(), "{index}");
        }
        assert!(find(&file()[..600]).damaged);
        assert!(find(&[]).damaged);
    }
}
