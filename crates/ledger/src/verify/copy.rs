//! Checks a copy of a log: tiles, bundles and a checkpoint, without segments.
//!
//! Owns what such a folder has to hold. Bundles may be missing at the beginning alone, where retention took them before the copy
//! began, and the log itself says so; their hashes have to be there. Called by the check.

use std::path::Path;

use super::tiles::Tiles;
use super::{Gone, Signed, Trust, Verification, signed};
use crate::account;
use crate::error::Error;
use crate::replica::Leaves;
use crate::shelf::Shelf;
use crate::tile::WIDTH;

pub(super) fn verify(path: &Path, trust: &Trust) -> Result<Verification, Error> {
    let shelf = Shelf::at(path);
    let signed = match signed(&shelf, trust) {
        Ok(Some(signed)) => signed,
        Ok(None) => return Err(Error::NoLedger(path.to_path_buf())),
        Err(Error::Damaged { why, .. }) => return Ok(Verification::bad(0, why)),
        Err(error) => return Err(error),
    };
    let mut answer = match leaves(&shelf, &signed, trust) {
        Err(Error::Damaged { first_bad, why }) => Verification::bad(first_bad - 1, why),
        answer => answer?,
    };
    let Signed { checkpoint, key, witnessed } = signed;
    (answer.leaves, answer.signed, answer.key) = (checkpoint.size, Some(checkpoint.size), Some(key));
    answer.witnessed = witnessed;
    Ok(answer)
}

fn leaves(shelf: &Shelf, signed: &Signed, trust: &Trust) -> Result<Verification, Error> {
    let size = signed.checkpoint.size;
    let mut tiles = Tiles::new(shelf.clone(), Some(&signed.checkpoint), &trust.remembered)?;
    tiles.forgive_what_comes();
    let leaves = Leaves::new(shelf.clone(), size);
    let (mut records, mut first, mut gone, mut last) = (0, None, 0, None);
    for index in 0..size.div_ceil(WIDTH) {
        let count = usize::try_from((size - index * WIDTH).min(WIDTH)).unwrap_or(usize::MAX);
        for leaf in leaves.of(index)?.into_iter().take(count) {
            match &leaf.entry {
                Some(_) => first = first.or(leaf.record),
                None if first.is_some() => return Ok(Verification::bad(records, "a bundle is missing amid others")),
                None => gone = index + 1,
            }
            last = leaf.entry.as_deref().and_then(account::pruned).or(last);
            records = leaf.record.unwrap_or(records);
            if let Some((first_bad, why)) = tiles.leaf(leaf.hash, records, leaf.entry.as_deref())? {
                return Ok(Verification::bad(first_bad.saturating_sub(1), why));
            }
        }
    }
    let mut answer = tiles.finish(Verification::fine(records))?;
    if gone > 0 && answer.ok {
        let Some((pruned, time, why)) = last.filter(|(pruned, ..)| pruned.leaves() / WIDTH >= gone) else {
            return Ok(Verification::bad(
                0,
                format!("the first {gone} bundles are gone, and no record says that they were let go"),
            ));
        };
        answer.pruned =
            Some(Gone { records: first.map_or(pruned.records, |first| first.saturating_sub(1)), time, why });
    }
    Ok(answer)
}
