//! Whatever is changed is found.

use std::fs;
use std::path::{Path, PathBuf};

use creel_guard::{Ledger as _, Outcome};
use creel_ledger::{Verification, verify};
use proptest::prelude::*;

use crate::world::{Scratch, admit, allowed, open, refused};

const RECORDS: u64 = 30;

fn written() -> Scratch {
    let scratch = Scratch::new();
    let ledger = open(&scratch.ledger());
    for number in 0..RECORDS {
        let path = format!("/{number}/{}", "v".repeat(usize::try_from(number).unwrap() * 11));
        if number % 3 == 0 {
            admit(&ledger, refused(&path)).unwrap();
        } else {
            let record = admit(&ledger, allowed(&path)).unwrap();
            ledger.settled(record, Outcome::done());
        }
    }
    drop(ledger);
    // Empty space behind the end, as a ledger that is open or was killed has it.
    fs::OpenOptions::new().write(true).open(segment(&scratch)).unwrap().set_len(1 << 20).unwrap();
    scratch
}

fn segment(scratch: &Scratch) -> PathBuf {
    scratch.ledger().join("00000001.seg")
}

fn check(dir: &Path) -> Verification {
    verify(dir).unwrap()
}

/// Where each frame begins and ends.
fn frames(bytes: &[u8]) -> Vec<(usize, usize)> {
    let (mut frames, mut at) = (Vec::new(), 0);
    while bytes[at..].starts_with(b"CRL2") {
        let len = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
        frames.push((at, at + 24 + len + 32));
        at += 24 + len + 32;
    }
    frames
}

#[test]
fn an_untouched_ledger_is_fine() {
    let scratch = written();
    let expected =
        Verification { ok: true, size: RECORDS, leaves: RECORDS + RECORDS * 2 / 3, ..Verification::default() };
    assert_eq!(check(&scratch.ledger()), expected);
    assert!(check(&segment(&scratch)).ok);
}

#[test]
fn a_flipped_bit_is_found_wherever_it_is() {
    let scratch = written();
    let (path, head) = (segment(&scratch), scratch.ledger().join("head"));
    let (bytes, head_bytes) = (fs::read(&path).unwrap(), fs::read(&head).unwrap());
    let used = frames(&bytes).last().unwrap().1;
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 300, ..ProptestConfig::default() });
    let place = prop_oneof![8 => 0..used, 2 => used..bytes.len(), 1 => used..used + 64];
    runner
        .run(&(place, 0..8_u32), |(place, bit)| {
            let mut changed = bytes.clone();
            changed[place] ^= 1 << bit;
            fs::write(&path, &changed).unwrap();
            let found = check(&scratch.ledger());
            let before = frames(&bytes).iter().filter(|(_, end)| *end <= place).count() as u64;
            prop_assert!(!found.ok, "{} {}: {:?}", place, bit, found);
            prop_assert!(found.first_bad.is_some_and(|bad| bad <= before + 1 && bad <= RECORDS + 1), "{:?}", found);
            if place < used {
                prop_assert!(!check(&path).ok);
            }
            Ok(())
        })
        .unwrap();
    fs::write(&path, &bytes).unwrap();
    for place in (0..head_bytes.len()).step_by(37) {
        let mut changed = head_bytes.clone();
        changed[place] ^= 1 << (place % 8);
        fs::write(&head, &changed).unwrap();
        assert!(!check(&scratch.ledger()).ok, "head {place}");
    }
}

#[test]
fn a_frame_taken_out_moved_or_put_in_is_found() {
    let scratch = written();
    let path = segment(&scratch);
    let bytes = fs::read(&path).unwrap();
    let frames = frames(&bytes);
    let cut = |index: usize| bytes[frames[index].0..frames[index].1].to_vec();
    let joined = |order: &[usize]| {
        let mut new: Vec<u8> = order.iter().flat_map(|index| cut(*index)).collect();
        new.resize(bytes.len().max(new.len()), 0);
        new
    };
    let all: Vec<usize> = (0..frames.len()).collect();
    for index in 0..all.len() - 1 {
        let mut order = all.clone();
        order.remove(index);
        fs::write(&path, joined(&order)).unwrap();
        let found = check(&scratch.ledger());
        assert!(!found.ok && found.first_bad.is_some(), "without {index}: {found:?}");
        order.insert(index + 1, index);
        fs::write(&path, joined(&order)).unwrap();
        assert!(check(&scratch.ledger()).first_bad.is_some(), "{index} moved");
        order.insert(index, index);
        fs::write(&path, joined(&order)).unwrap();
        assert!(check(&scratch.ledger()).first_bad.is_some(), "{index} twice");
    }
    fs::write(&path, joined(&all)).unwrap();
    assert!(check(&scratch.ledger()).ok);
}

#[test]
fn frames_cut_from_the_end_are_missed() {
    let scratch = written();
    let path = segment(&scratch);
    let bytes = fs::read(&path).unwrap();
    let frames = frames(&bytes);
    for (start, end) in frames.iter().skip(1).step_by(7) {
        // Whole frames gone, zeroed or cut off; half a frame gone, likewise.
        for place in [*start, start + 10, end - 9] {
            let mut zeroed = bytes.clone();
            zeroed[place..].fill(0);
            for new in [&zeroed[..], &bytes[..place]] {
                fs::write(&path, new).unwrap();
                let found = check(&scratch.ledger());
                assert!(!found.ok && found.truncated && found.first_bad.is_none(), "{place}: {found:?}");
                assert!(found.size < RECORDS || *end == frames.last().unwrap().1);
            }
        }
    }
    fs::write(&path, &bytes).unwrap();
    fs::remove_file(&path).unwrap();
    assert!(check(&scratch.ledger()).truncated);
    fs::write(&path, &bytes).unwrap();
    fs::remove_file(scratch.ledger().join("head")).unwrap();
    assert!(!check(&scratch.ledger()).ok);
}

#[test]
fn a_segment_taken_out_is_found() {
    let written = || {
        let scratch = Scratch::new();
        let ledger = open(&scratch.ledger());
        for _ in 0..80 {
            admit(&ledger, refused(&"u".repeat(100_000))).unwrap();
        }
        scratch
    };
    for (number, truncated) in [(1, false), (2, false), (4, true)] {
        let scratch = written();
        let path = scratch.ledger().join(format!("{number:08}.seg"));
        fs::remove_file(&path).unwrap();
        let found = check(&scratch.ledger());
        assert!(!found.ok && found.truncated == truncated, "{number}: {found:?}");
    }
    let scratch = written();
    fs::copy(segment(&scratch), scratch.ledger().join("00000005.seg")).unwrap();
    assert!(check(&scratch.ledger()).first_bad.is_some());
}
