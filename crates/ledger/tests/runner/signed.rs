//! A log with checkpoints: signed, witnessed, proved, and read by another implementation.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use creel_guard::{Ledger as _, Outcome};
use creel_ledger::{
    Bundle, Error, FileLedger, Keep, Notaries, Notary, OpenOptions, Remembered, Trust, Verification, VerifierKey,
    prove, verify_with,
};
use proptest::prelude::*;
use tlog_tiles::{Hash, HashReader as _, Tile, TileHashReader, TileReader};

use crate::world::{Scratch, admit, allowed, lines, refused, small, tenant};

const ORIGIN: &str = "creel/test/default";

/// Where the notaries live.
pub(crate) fn homes(scratch: &Scratch) -> (PathBuf, PathBuf) {
    (scratch.path().join("signer"), scratch.path().join("witness"))
}

pub(crate) fn notaries(scratch: &Scratch) -> Notaries {
    let (signer, witness) = homes(scratch);
    let signer = Notary::signer(&signer, ORIGIN).unwrap();
    let key = signer.public().clone();
    let witness = Notary::witness(&witness, "creel/test/default/witness", ORIGIN, key.clone()).unwrap();
    let witness_key = witness.public().clone();
    Notaries {
        origin: ORIGIN.to_owned(),
        signer: (Box::new(signer), key),
        witness: Some((Box::new(witness), witness_key)),
    }
}

pub(crate) fn signed(scratch: &Scratch) -> Result<FileLedger, Error> {
    keeping(scratch, Keep::default())
}

pub(crate) fn keeping(scratch: &Scratch, keep: Keep) -> Result<FileLedger, Error> {
    let options = OpenOptions { checkpoint_every: Duration::from_millis(20), keep, ..small() };
    FileLedger::open_signed(&scratch.ledger(), &tenant(), options, notaries(scratch))
}

/// Writes `records` records, every other one with its end.
pub(crate) fn write(ledger: &FileLedger, records: u64) {
    for number in 0..records {
        let path = format!("/{number}/{}", "v".repeat(usize::try_from(number % 40).unwrap()));
        if number % 3 == 0 {
            admit(ledger, refused(&path)).unwrap();
        } else {
            let record = admit(ledger, allowed(&path)).unwrap();
            ledger.settled(record, Outcome::done());
        }
    }
}

pub(crate) fn trust(scratch: &Scratch) -> Trust {
    let (signer, witness) = homes(scratch);
    let key = |home: &Path| VerifierKey::parse(&fs::read_to_string(home.join("vkey")).unwrap());
    let remembered = [&signer, &witness].iter().filter_map(|home| Remembered::read(home).unwrap()).collect();
    Trust { key: key(&signer), witness: key(&witness), remembered }
}

pub(crate) fn check(scratch: &Scratch) -> Verification {
    verify_with(&scratch.ledger(), &trust(scratch)).unwrap()
}

#[test]
fn a_closed_ledger_is_signed_and_witnessed_to_its_last_leaf() {
    let scratch = Scratch::new();
    for round in 1..4 {
        let ledger = signed(&scratch).unwrap();
        write(&ledger, 200);
        drop(ledger);
        let found = check(&scratch);
        assert!(found.ok, "{found:?}");
        assert_eq!((found.size, found.signed), (round * 200, Some(found.leaves)), "{found:?}");
        assert!(found.witnessed.is_some_and(|time| time > 1_700_000_000), "{found:?}");
    }
}

#[test]
fn a_ledger_that_lost_its_segments_is_no_copy_of_one() {
    let scratch = Scratch::new();
    let ledger = signed(&scratch).unwrap();
    write(&ledger, 40);
    drop(ledger);
    for entry in fs::read_dir(scratch.ledger()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "seg") || path.ends_with("head") {
            fs::remove_file(path).unwrap();
        }
    }
    assert!(!check(&scratch).ok);
}

#[test]
fn every_record_and_every_end_can_be_proved() {
    let scratch = Scratch::new();
    let ledger = signed(&scratch).unwrap();
    write(&ledger, 300);
    drop(ledger);
    let Trust { key, witness, .. } = trust(&scratch);
    let key = key.unwrap();
    for line in lines(&scratch.ledger()) {
        let bundle = Bundle::parse(&prove(&scratch.ledger(), line.seq, false).unwrap().to_string()).unwrap();
        let checked = bundle.check(&key, witness.as_ref()).unwrap();
        assert_eq!((checked.index, checked.leaf["@record"].as_u64()), (line.index, Some(line.seq)));
        assert!(checked.witnessed.is_some());
        let ended = prove(&scratch.ledger(), line.seq, true);
        match line.outcome.as_str() {
            "done" => assert_eq!(ended.unwrap().check(&key, None).unwrap().leaf["outcome"]["end"], "done"),
            _ => assert!(matches!(ended, Err(Error::Unproved { .. }))),
        }
    }
    assert!(matches!(prove(&scratch.ledger(), 301, false), Err(Error::Unproved { .. })));
    let other = Scratch::new();
    drop(signed(&other).unwrap());
    let stranger = trust(&other).key.unwrap();
    assert!(prove(&scratch.ledger(), 7, false).unwrap().check(&stranger, None).is_err());
}

#[test]
fn a_record_that_is_too_long_for_a_leaf_is_whole_beside_it() {
    let scratch = Scratch::new();
    let ledger = signed(&scratch).unwrap();
    let path = format!("/{}", "\u{fc}x".repeat(200_000));
    let record = admit(&ledger, refused(&path)).unwrap();
    drop(ledger);
    assert!(check(&scratch).ok);
    let (stored, _) = creel_ledger::find(&scratch.ledger(), record.0).unwrap().unwrap();
    assert_eq!(stored.action, refused(&path).action);
    assert!(stored.beside.is_some_and(|beside| beside.bytes > 600_000));
    assert!(prove(&scratch.ledger(), record.0, false).unwrap().leaf.len() < 65_536);
}

#[test]
fn a_ledger_rewritten_whole_is_told_by_its_signature_and_one_rolled_back_by_the_witness() {
    let scratch = Scratch::new();
    let ledger = signed(&scratch).unwrap();
    write(&ledger, 50);
    drop(ledger);
    let old = scratch.path().join("old");
    copy(&scratch.ledger(), &old);
    let ledger = signed(&scratch).unwrap();
    write(&ledger, 5);
    drop(ledger);
    let new = scratch.path().join("new");
    fs::rename(scratch.ledger(), &new).unwrap();
    // Rolled back to what it was.
    copy(&old, &scratch.ledger());
    let found = check(&scratch);
    assert!(!found.ok && found.truncated && found.first_bad.is_none(), "{found:?}");
    assert!(matches!(signed(&scratch).map(|ledger| still_open(&ledger)), Ok(false) | Err(_)));
    // Written anew with the same keys beside it, but nobody signed that.
    fs::remove_dir_all(scratch.ledger()).unwrap();
    let ledger = FileLedger::open(&scratch.ledger(), &tenant(), small()).unwrap();
    write(&ledger, 60);
    drop(ledger);
    for name in ["keys", "checkpoint"] {
        fs::copy(new.join(name), scratch.ledger().join(name)).unwrap();
    }
    let found = check(&scratch);
    assert_eq!((found.ok, found.first_bad), (false, Some(1)), "{found:?}");
    assert!(matches!(signed(&scratch), Err(Error::Fork(_) | Error::Damaged { .. })));
    // And what was not touched is still fine.
    fs::remove_dir_all(scratch.ledger()).unwrap();
    copy(&new, &scratch.ledger());
    assert!(check(&scratch).ok);
}

/// Whether acts are still recorded once the signer was asked for something new.
fn still_open(ledger: &FileLedger) -> bool {
    (0..200).all(|_| {
        std::thread::sleep(Duration::from_millis(10));
        admit(ledger, refused("/x")).is_ok()
    })
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// Every file of a ledger but its lock.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.file_name().unwrap() != "lock" {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Changes each file of a ledger somewhere, or cuts it off: that has to be found.
pub(crate) fn flip_and_cut(scratch: &Scratch, cases: u32) {
    let all = files(&scratch.ledger());
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases, ..ProptestConfig::default() });
    let what = (0..all.len(), any::<prop::sample::Index>(), 0..8_u32, any::<bool>());
    runner
        .run(&what, |(file, place, bit, cut)| {
            let path = &all[file];
            let bytes = fs::read(path).unwrap();
            let place = place.index(bytes.len());
            let mut changed = bytes.clone();
            if cut {
                changed.truncate(place)
            } else {
                changed[place] ^= 1 << bit
            }
            fs::write(path, &changed).unwrap();
            let found = check(scratch);
            fs::write(path, &bytes).unwrap();
            prop_assert!(!found.ok, "{} {place} {bit} {cut}: {found:?}", path.display());
            Ok(())
        })
        .unwrap();
}

#[test]
fn any_flipped_byte_in_any_file_and_any_cut_is_found() {
    let scratch = Scratch::new();
    let ledger = signed(&scratch).unwrap();
    write(&ledger, 400);
    drop(ledger);
    let all = files(&scratch.ledger());
    assert!(all.len() >= 9, "{all:?}");
    flip_and_cut(&scratch, 120);
    // A cut between two keys leaves a file that reads well.
    let path = scratch.ledger().join("keys");
    let bytes = fs::read_to_string(&path).unwrap();
    for short in ["", bytes.split_inclusive('\n').next().unwrap()] {
        fs::write(&path, short).unwrap();
        assert!(!check(&scratch).ok, "{short:?}");
    }
    fs::write(&path, &bytes).unwrap();
    // A key that was named makes the copy beside the log dispensable.
    for path in all.iter().filter(|path| path.file_name().unwrap() != "keys") {
        let bytes = fs::read(path).unwrap();
        fs::remove_file(path).unwrap();
        let found = check(&scratch);
        assert!(!found.ok, "without {}: {found:?}", path.display());
        fs::write(path, bytes).unwrap();
    }
    fs::write(scratch.ledger().join("tile/0/007"), [7; 8192]).unwrap();
    assert!(!check(&scratch).ok);
}

/// Our folder, as the other implementation wants to read it.
struct Shelf(PathBuf);

impl TileReader for Shelf {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        // The other implementation names the tile's height too, as the Go checksum database does.
        let path = |tile: &Tile| self.0.join(tile.path().replacen("tile/8/", "tile/", 1));
        Ok(tiles.iter().map(|tile| fs::read(path(tile)).unwrap()).collect())
    }

    fn save_tiles(&self, _tiles: &[Tile], _data: &[Vec<u8>]) {}
}

#[test]
fn another_implementation_accepts_our_log_and_we_accept_its_proofs() {
    let scratch = Scratch::new();
    for round in [1, 3, 255, 400] {
        let ledger = signed(&scratch).unwrap();
        write(&ledger, round);
        drop(ledger);
        let dir = scratch.ledger();
        let vkey = trust(&scratch).key.unwrap().to_string();
        let verifier = signed_note::StandardVerifier::new(&vkey).unwrap();
        let note = signed_note::Note::from_bytes(&fs::read(dir.join("checkpoint")).unwrap()).unwrap();
        let list = signed_note::VerifierList::new(vec![Box::new(verifier)]);
        assert_eq!(note.verify(&list).unwrap().0.len(), 1);
        let checkpoint = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
        let (size, root) = (checkpoint.size(), *checkpoint.hash());
        let shelf = Shelf(dir.clone());
        let reader = TileHashReader::new(size, root, &shelf);
        assert_eq!(tlog_tiles::tree_hash(size, &reader).unwrap().0, root.0);
        for index in [0, size / 3, size / 2, size - 1] {
            let theirs = tlog_tiles::prove_record(size, index, &reader).unwrap();
            let path: Vec<[u8; 32]> = theirs.iter().map(|hash| hash.0).collect();
            let leaf = reader.read_hashes(&[tlog_tiles::stored_hash_index(0, index)]).unwrap()[0].0;
            assert_eq!(creel_ledger::root_of_inclusion(&leaf, index, size, &path), Some(root.0));
        }
        for line in lines(&dir).iter().filter(|line| line.index % 97 == 0) {
            let ours = prove(&dir, line.seq, false).unwrap();
            let path = ours.path.iter().copied().map(Hash).collect();
            let leaf = tlog_tiles::record_hash(&ours.leaf);
            tlog_tiles::check_record(&path, size, root, ours.index, leaf).unwrap();
        }
    }
}

/// What aics-tlog (`make setup` puts it into target/tools) says about a log: how many leaves it accepts.
#[expect(clippy::disallowed_methods, reason = "the other verifier is a program in Python")]
fn audited(scratch: &Scratch) -> Result<u64, String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tools = here.join("../../target/tools/aics");
    assert!(tools.is_dir(), "aics-tlog is missing: run `make setup`");
    let Trust { key, witness, .. } = trust(scratch);
    let ran = std::process::Command::new("python3")
        .arg(here.join("tests/audit.py"))
        .arg(scratch.ledger())
        .args([key.unwrap().to_string(), witness.unwrap().to_string()])
        .env("PYTHONPATH", tools)
        .output()
        .unwrap();
    match ran.status.success() {
        true => Ok(String::from_utf8(ran.stdout).unwrap().trim().parse().unwrap()),
        false => Err(String::from_utf8_lossy(&ran.stderr).into_owned()),
    }
}

#[test]
fn a_verifier_of_other_hands_accepts_random_logs_and_refuses_what_we_refuse() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 6, ..ProptestConfig::default() });
    runner
        .run(&(1..500_u64, any::<prop::sample::Index>(), 0..8_u32), |(records, place, bit)| {
            let scratch = Scratch::new();
            let ledger = signed(&scratch).unwrap();
            write(&ledger, records);
            drop(ledger);
            prop_assert_eq!(audited(&scratch), Ok(check(&scratch).leaves));
            let tiles: Vec<_> = files(&scratch.ledger())
                .into_iter()
                .filter(|file| file.components().any(|part| part.as_os_str() == "tile"))
                .collect();
            let path = &tiles[place.index(tiles.len())];
            let mut bytes = fs::read(path).unwrap();
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
            fs::write(path, bytes).unwrap();
            prop_assert!(audited(&scratch).is_err() && !check(&scratch).ok, "{} {place} {bit}", path.display());
            Ok(())
        })
        .unwrap();
}
