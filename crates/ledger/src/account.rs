//! Who accounts for a beginning that is not kept.
//!
//! Owns [`Account`]: while a ledger is walked it holds what the ledger says that it let go against where its segments really
//! end. Without such a record, missing segments are missing. Pure. Used when a ledger is opened and when it is checked.

use std::collections::BTreeMap;

use crate::frame::{Frame, Kind, hex};
use crate::head::Position;
use crate::stored::{Note, Opening, Pruned};

/// What is known of the beginning of a ledger.
#[derive(Debug)]
pub(crate) struct Account {
    /// Where what is kept begins.
    start: Position,
    /// How many leaves are signed: what says that others went has to be among them.
    signed: u64,
    /// Where the segments that were walked over end, and the one before them.
    ends: BTreeMap<u32, Position>,
    last: Option<Told>,
    /// The last segment that a signed record says went; a later one that is not signed yet takes nothing of it back.
    accounted: u32,
}

/// A record that says what went.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) pruned: Pruned,
    /// When, and by which setting.
    pub(crate) time: String,
    pub(crate) why: String,
    /// How many leaves there are up to it.
    pub(crate) leaves: u64,
}

impl Account {
    /// Of a ledger that is walked from `start` on.
    pub(crate) fn new(start: Position, signed: u64) -> Self {
        Self { start, signed, ends: BTreeMap::new(), last: None, accounted: 0 }
    }

    /// Takes the next frame, which stands behind `before`; says what does not fit.
    pub(crate) fn take(&mut self, frame: &Frame, before: &Position) -> Result<(), String> {
        match frame.kind {
            // The walker has held what it says of the segment before against what it walked over.
            Kind::Segment => {
                let opening: Opening = serde_json::from_slice(&frame.payload).map_err(|error| error.to_string())?;
                self.ends.insert(opening.segment.saturating_sub(1), *before);
            }
            Kind::Note => {
                if let Some(told) = told(frame, before.leaves() + 1) {
                    self.hold(told)?;
                }
            }
            Kind::Admitted | Kind::Refused | Kind::Settled => {}
        }
        Ok(())
    }

    fn hold(&mut self, told: Told) -> Result<(), String> {
        let Pruned { segment, records, frames, chain, sealed: _ } = &told.pruned;
        // What an earlier one said was let go as well.
        if segment.saturating_add(1) >= self.start.segment {
            let end = self.ends.get(segment);
            if end.is_none_or(|end| (end.records, end.frames, hex(&end.chain)) != (*records, *frames, chain.clone())) {
                return Err(format!("what the ledger says that it let go does not end with segment {segment}"));
            }
        }
        if told.leaves <= self.signed {
            self.accounted = self.accounted.max(*segment);
        }
        self.last = Some(told);
        Ok(())
    }

    /// The last record that says what went.
    pub(crate) fn last(&self) -> Option<&Told> {
        self.last.as_ref()
    }

    /// Why the beginning is missing, when nothing that was signed accounts for it.
    pub(crate) fn missing(&self) -> Option<String> {
        let gone = self.start.segment - 1;
        (self.accounted < gone).then(|| unaccounted(&self.start))
    }
}

/// Why a ledger that begins at `start` is not whole.
pub(crate) fn unaccounted(start: &Position) -> String {
    let gone = start.segment - 1;
    format!("segments 1 to {gone} are gone, and no signed record says that they were let go")
}

/// What a note says that went.
fn told(frame: &Frame, leaves: u64) -> Option<Told> {
    pruned(&frame.payload).map(|(pruned, time, why)| Told { pruned, time, why, leaves })
}

/// What a leaf says that went, when, and why.
pub(crate) fn pruned(leaf: &[u8]) -> Option<(Pruned, String, String)> {
    // What stands there is a decision's own text, whatever its frame says.
    if !leaf.starts_with(br#"{"@":"note""#) {
        return None;
    }
    let Note { pruned, why, time, .. } = serde_json::from_slice(leaf).ok()?;
    Some((pruned?, time, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(segment: u32) -> Position {
        let count = u64::from(segment) * 10;
        Position { records: count, frames: count, segment, offset: 0, chain: [7; 32] }
    }

    fn told(segment: u32, leaves: u64) -> Told {
        let Position { records, frames, chain, .. } = end(segment);
        let pruned = Pruned { segment, records, frames, chain: hex(&chain), sealed: None };
        Told { pruned, time: String::new(), why: String::new(), leaves }
    }

    /// Of a ledger that begins with its third segment, and whose first 30 leaves are signed.
    fn account() -> Account {
        let mut account = Account::new(Position { segment: 3, ..end(2) }, 30);
        account.ends = (2..5).map(|segment| (segment, end(segment))).collect();
        account
    }

    #[test]
    fn a_record_that_is_not_signed_yet_takes_no_earlier_one_back() {
        let mut one = account();
        one.hold(told(2, 20)).unwrap();
        one.hold(told(4, 40)).unwrap();
        assert_eq!(one.missing(), None);
        let mut other = account();
        other.hold(told(2, 40)).unwrap();
        assert!(other.missing().is_some(), "nothing that is signed says it");
        let mut third = account();
        third.hold(told(1, 20)).unwrap();
        assert!(third.missing().is_some(), "the second went as well");
    }
}
