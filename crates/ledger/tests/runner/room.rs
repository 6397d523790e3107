//! How much of the disk a ledger takes.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use creel_guard::{Ledger as _, Outcome};
use creel_ledger::{FileLedger, OpenOptions, verify};

use crate::world::{Scratch, admit, allowed, lines, refused, tenant};

const MIB: u64 = 1024 * 1024;

fn open(dir: &Path) -> FileLedger {
    FileLedger::open(dir, &tenant(), OpenOptions::default()).unwrap()
}

/// Length and allocated bytes of the first segment.
fn taken(dir: &Path) -> (u64, u64) {
    let found = fs::metadata(dir.join("00000001.seg")).unwrap();
    (found.len(), found.blocks() * 512)
}

#[test]
fn a_short_ledger_takes_little_and_gives_the_rest_back_when_it_is_closed() {
    let scratch = Scratch::new();
    let dir = scratch.ledger();
    for round in 1..=3 {
        let ledger = open(&dir);
        let (len, allocated) = taken(&dir);
        assert!((MIB..=MIB + 8192).contains(&len) && allocated >= len, "{len} {allocated}");
        let record = admit(&ledger, allowed("/x")).unwrap();
        ledger.settled(record, Outcome::done());
        drop(ledger);
        let (len, allocated) = taken(&dir);
        assert!(len < 8192 && allocated <= 16 * 1024, "{len} {allocated}");
        assert_ne!(fs::read(dir.join("00000001.seg")).unwrap().last_chunk::<32>(), Some(&[0; 32]));
        let found = verify(&dir).unwrap();
        assert!(found.ok && !found.torn && found.size == round, "{found:?}");
        assert!(verify(&dir.join("00000001.seg")).unwrap().ok);
    }
    assert!(lines(&dir).iter().all(|line| line.outcome == "done"));
}

#[test]
fn a_ledger_that_recorded_nothing_takes_nothing_and_opens_again() {
    let scratch = Scratch::new();
    let dir = scratch.ledger();
    drop(open(&dir));
    assert_eq!(taken(&dir), (0, 0));
    assert!(verify(&dir).unwrap().ok);
    assert_eq!(admit(&open(&dir), refused("/x")).unwrap().0, 1);
    assert!(verify(&dir).unwrap().ok);
}

#[test]
fn the_room_grows_with_the_ledger_and_is_always_allocated_ahead() {
    let scratch = Scratch::new();
    let dir = scratch.ledger();
    let ledger = open(&dir);
    let mut seen = Vec::new();
    for number in 0..60_u64 {
        admit(&ledger, refused(&"x".repeat(100_000))).unwrap();
        let (len, allocated) = taken(&dir);
        assert!(len >= (number + 1) * 100_000 + 8192 && allocated >= len, "{number} {len} {allocated}");
        seen.push(len);
    }
    seen.dedup();
    assert_eq!(seen, [MIB, 2 * MIB, 4 * MIB, 8 * MIB]);
    drop(ledger);
    let found = verify(&dir).unwrap();
    assert!(found.ok && found.size == 60, "{found:?}");
    assert!(taken(&dir).0 < 7 * MIB);
    // A segment that is longer than today's limit is left for the next one.
    let small = OpenOptions { segment_bytes: 0, ..OpenOptions::default() };
    let ledger = FileLedger::open(&dir, &tenant(), small).unwrap();
    assert_eq!(admit(&ledger, refused("/next")).unwrap().0, 61);
    drop(ledger);
    assert!(dir.join("00000002.seg").exists());
    assert!(verify(&dir).unwrap().ok);
}
