//! A ledger of the first form is put aside, whole, and the new one is bound to it.

use std::fs;
use std::path::Path;

use creel_ledger::{Error, FileLedger, read, verify};
use sha2::{Digest as _, Sha256};

use crate::signed::{check, signed};
use crate::world::{Scratch, lines, small, tenant};

/// Writes a ledger of the first form: a segment of frames and a head of two slots.
fn first_form(dir: &Path, records: u64) {
    fs::create_dir_all(dir).unwrap();
    let (mut bytes, mut chain, mut positions) = (Vec::new(), [0_u8; 32], Vec::new());
    let opening = r#"{"tenant":"default","segment":1,"records":0,"frames":0,"before":"#.to_owned()
        + &format!("\"{}\"}}", "0".repeat(64));
    frame(&mut bytes, &mut chain, 1, 0, &opening);
    for record in 1..=records {
        let body = format!(
            r#"{{"seq":{record},"time":"2026-11-22T10:40:05.123Z","boot_ms":7,"note":"recovered","why":"a test"}}"#
        );
        frame(&mut bytes, &mut chain, 5, record, &body);
        positions.push((record, bytes.len(), chain));
    }
    let mut head = vec![0; 4096 + 512];
    for (turn, (record, offset, chain)) in positions.iter().rev().take(2).rev().enumerate() {
        let hex = |hash: &[u8]| hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let text = format!("creel-ledger-head 1 {turn} {record} {} 1 {offset} {}", record + 1, hex(chain));
        let line = format!("{text} {}\n", hex(&Sha256::digest(text.as_bytes())));
        let place = if turn % 2 == 0 { 0 } else { 4096 };
        head[place..place + line.len()].copy_from_slice(line.as_bytes());
    }
    fs::write(dir.join("head"), head).unwrap();
    fs::write(dir.join("00000001.seg"), bytes).unwrap();
}

fn frame(out: &mut Vec<u8>, chain: &mut [u8; 32], kind: u8, record: u64, payload: &str) {
    let len = u32::try_from(payload.len()).unwrap().to_le_bytes();
    let checked = [&b"CRL1"[..], &len, &record.to_le_bytes(), &[kind, 0, 0, 0]].concat();
    let check = Sha256::new().chain_update(b"header").chain_update(&chain).chain_update(&checked).finalize();
    *chain = Sha256::new().chain_update(&chain).chain_update(&checked).chain_update(payload).finalize().into();
    out.extend([&checked[..], &check[..4], payload.as_bytes(), &chain[..]].concat());
}

#[test]
fn a_ledger_of_the_first_form_is_read_and_then_sealed_beside_the_new_one() {
    let scratch = Scratch::new();
    first_form(&scratch.ledger(), 5);
    assert_eq!(verify(&scratch.ledger()).map(|found| (found.ok, found.size)).unwrap(), (true, 5));
    assert_eq!(read(&scratch.ledger()).unwrap().count(), 5);
    let before = fs::read(scratch.ledger().join("00000001.seg")).unwrap();
    for _ in 0..2 {
        drop(signed(&scratch).unwrap());
        let aside = scratch.ledger().join("before-1");
        assert_eq!(fs::read(aside.join("00000001.seg")).unwrap(), before);
        assert_eq!(verify(&aside).map(|found| (found.ok, found.size)).unwrap(), (true, 5));
        let lines = lines(&scratch.ledger());
        assert_eq!((lines.len(), lines[0].rule.as_str()), (1, "ledger/began"));
        assert!(lines[0].why.contains("5 records"), "{}", lines[0].why);
        assert!(check(&scratch).ok);
    }
    // What is sealed is checked with the rest, and bound by the first record.
    let sealed = scratch.ledger().join("before-1/00000001.seg");
    let mut changed = before.clone();
    changed[300] ^= 1;
    fs::write(&sealed, changed).unwrap();
    assert!(!check(&scratch).ok);
    first_form(&scratch.ledger().join("before-1"), 4);
    assert!(!check(&scratch).ok);
}

#[test]
fn a_crash_amid_the_sealing_loses_nothing() {
    let scratch = Scratch::new();
    let dir = scratch.ledger();
    first_form(&dir, 5);
    // All links are made, the folder has its name, and one of the old names is gone already.
    fs::create_dir(dir.join("before-1")).unwrap();
    for name in ["head", "00000001.seg"] {
        fs::hard_link(dir.join(name), dir.join("before-1").join(name)).unwrap();
    }
    fs::remove_file(dir.join("00000001.seg")).unwrap();
    drop(signed(&scratch).unwrap());
    assert!(check(&scratch).ok);
    assert_eq!(verify(&dir.join("before-1")).unwrap().size, 5);
    // Half of the links are made.
    let other = Scratch::new();
    first_form(&other.ledger(), 5);
    fs::create_dir(other.ledger().join("before-1.new")).unwrap();
    fs::hard_link(other.ledger().join("head"), other.ledger().join("before-1.new/head")).unwrap();
    drop(signed(&other).unwrap());
    assert!(check(&other).ok);
    assert_eq!(lines(&other.ledger())[0].rule, "ledger/began");
}

#[test]
fn a_damaged_ledger_of_the_first_form_stays_where_it_is() {
    let scratch = Scratch::new();
    let dir = scratch.ledger();
    first_form(&dir, 5);
    let mut bytes = fs::read(dir.join("00000001.seg")).unwrap();
    bytes[400] ^= 1;
    fs::write(dir.join("00000001.seg"), &bytes).unwrap();
    let found = FileLedger::open(&dir, &tenant(), small());
    assert!(matches!(found, Err(Error::Damaged { .. })), "{found:?}");
    assert_eq!(fs::read(dir.join("00000001.seg")).unwrap(), bytes);
    assert!(!dir.join("before-1").exists());
}
