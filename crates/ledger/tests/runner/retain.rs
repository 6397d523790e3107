//! What is not kept any more goes in whole segments, on record, and what is kept stays proved.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use creel_guard::{Durability, Entry, Ledger as _, Outcome};
use creel_ledger::{
    Bundle, Error, Export, FileLedger, Form, Keep, LogLine, Range, Tail, Trust, decisions, find, first_kept, lacking,
    prove, verify_with,
};

use crate::signed::{check, copy, files, flip_and_cut, keeping, signed, trust, write};
use crate::world::{Scratch, admit, allowed, lines, refused};

/// Two segments stay, or three, with what of them stands in bundles.
pub(crate) const LITTLE: Keep = Keep { age: None, bytes: Some(12 << 20), at_least: Duration::ZERO, outside: false };

fn segments(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let mut found: Vec<_> = names.filter(|name| name.ends_with(".seg")).collect();
    found.sort();
    found
}

/// Writes until there are so many segments: some 250 records each, every third with an end.
fn fill(ledger: &FileLedger, dir: &Path, count: usize) {
    let path = "p".repeat(8000);
    while segments(dir).len() < count {
        let record = admit(ledger, Entry { durability: Durability::Soon, ..allowed(&path) }).unwrap();
        ledger.settled(record, Outcome::done());
        for _ in 0..2 {
            admit(ledger, Entry { durability: Durability::Soon, ..refused(&path) }).unwrap();
        }
    }
    write(ledger, 20);
}

fn wait(what: &str, done: impl Fn() -> bool) {
    let looked = (0..2000).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        done()
    });
    assert!(looked, "{what}");
}

/// A ledger of five segments, and the same once the first of them went.
fn pruned() -> (Scratch, PathBuf) {
    let scratch = Scratch::new();
    let ledger = signed(&scratch).unwrap();
    fill(&ledger, &scratch.ledger(), 5);
    drop(ledger);
    let before = scratch.path().join("before");
    copy(&scratch.ledger(), &before);
    let ledger = keeping(&scratch, LITTLE).unwrap();
    wait("nothing went", || segments(&scratch.ledger()).len() <= 3);
    drop(ledger);
    (scratch, before)
}

fn opens(scratch: &Scratch) -> bool {
    signed(scratch).is_ok()
}

#[test]
fn what_is_kept_of_a_pruned_ledger_is_whole_proved_and_read() {
    let (scratch, before) = pruned();
    let dir = scratch.ledger();
    let found = check(&scratch);
    assert!(found.ok && found.signed == Some(found.leaves), "{found:?}");
    let gone = found.pruned.unwrap();
    let first = first_kept(&dir).unwrap();
    assert_eq!(gone.records + 1, first);
    assert!(first > 400 && gone.why.contains("more than 12582912 bytes"), "{first} {gone:?}");
    // The bundles in front of it went, the hashes did not.
    assert!(!dir.join("tile/entries/000").exists() && dir.join("tile/0/000").exists());
    let key = trust(&scratch).key.unwrap();
    let kept = lines(&dir);
    assert_eq!((kept[0].seq, kept.last().unwrap().seq), (first, found.size));
    assert_eq!(kept.iter().filter(|line| line.rule == "ledger/pruned").count(), 1);
    for line in kept.iter().step_by(29).chain([&kept[0]]) {
        let bundle = Bundle::parse(&prove(&dir, line.seq, false).unwrap().to_string()).unwrap();
        assert_eq!(bundle.check(&key, None).unwrap().index, line.index);
    }
    for record in [1, first - 1] {
        assert!(matches!(prove(&dir, record, false), Err(Error::NotKept { first: told, .. }) if told == first));
        assert!(matches!(find(&dir, record), Err(Error::NotKept { .. })));
    }
    assert_eq!(find(&dir, first).unwrap().unwrap().0.seq, first);
    assert_eq!(decisions(&dir, Range::default()).unwrap().next().unwrap().unwrap().seq, first);
    let mut out = Vec::new();
    Export::new(&dir, Range::default()).unwrap().write(Form::Jsonl, &mut out).unwrap();
    assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), kept.len());
    numbers_go_on(&dir, &before);
    // The older tree, whoever has it, is the beginning of the one that there is now.
    let mut trust = trust(&scratch);
    let old = Scratch::new();
    copy(&before, &old.ledger());
    let note = fs::read_to_string(before.join("checkpoint")).unwrap();
    trust.remembered.push(creel_ledger::Remembered::of_note(&note, &key).unwrap());
    assert!(verify_with(&dir, &trust).unwrap().ok);
    goes_on(&scratch);
}

/// Whoever follows the ledger counts the same lines, whatever is not kept of them.
fn numbers_go_on(dir: &Path, before: &Path) {
    let told = |dir: &Path, after| -> Vec<(u64, LogLine)> {
        let mut tail = Tail::new(dir, after).unwrap();
        std::iter::from_fn(|| tail.next_line().unwrap()).collect()
    };
    let (all, kept) = (told(before, 0), told(dir, 0));
    let common = all.iter().rev().zip(kept.iter().rev().skip(kept.len() - (all.len() - kept[0].0 as usize + 1)));
    for (old, new) in common.take(300) {
        assert_eq!((old.0, old.1.seq, &old.1.time), (new.0, new.1.seq, &new.1.time));
    }
    let late = kept[kept.len() / 2].0;
    assert_eq!(told(dir, late)[0].0, late + 1);
}

fn goes_on(scratch: &Scratch) {
    for _ in 0..2 {
        let ledger = keeping(scratch, LITTLE).unwrap();
        let first = segments(&scratch.ledger())[0].clone();
        write(&ledger, 300);
        fill(&ledger, &scratch.ledger(), 5);
        wait("nothing more went", || segments(&scratch.ledger())[0] > first);
        drop(ledger);
        let found = check(scratch);
        assert!(found.ok && found.signed == Some(found.leaves) && found.pruned.is_some(), "{found:?}");
    }
}

#[test]
fn segments_that_somebody_takes_away_are_missed() {
    let (scratch, before) = pruned();
    let dir = scratch.ledger();
    let left = segments(&dir);
    // One more than the record accounts for.
    let (first, aside) = (dir.join(&left[0]), scratch.path().join("aside"));
    fs::rename(&first, &aside).unwrap();
    let found = check(&scratch);
    assert!(!found.ok && found.first_bad.is_some(), "{found:?}");
    assert!(!opens(&scratch));
    fs::rename(&aside, &first).unwrap();
    assert!(check(&scratch).ok);
    // From a ledger that never let anything go.
    for count in 1..5 {
        let other = Scratch::new();
        copy(&before, &other.ledger());
        for home in ["signer", "witness"] {
            copy(&scratch.path().join(home), &other.path().join(home));
        }
        for name in segments(&other.ledger()).iter().take(count) {
            fs::remove_file(other.ledger().join(name)).unwrap();
        }
        let found = verify_with(&other.ledger(), &Trust::default()).unwrap();
        assert!(!found.ok && found.first_bad == Some(1), "{count}: {found:?}");
        assert!(found.why.unwrap().contains("no signed record says"), "{count}");
        assert!(matches!(signed(&other), Err(Error::Damaged { .. })), "{count}");
    }
}

#[test]
fn any_flipped_byte_of_what_is_kept_is_found() {
    let (scratch, _) = pruned();
    flip_and_cut(&scratch, 60);
    let all = files(&scratch.ledger());
    for path in all.iter().filter(|path| path.file_name().unwrap() != "keys") {
        let aside = scratch.path().join("aside");
        fs::rename(path, &aside).unwrap();
        let found = check(&scratch);
        fs::rename(&aside, path).unwrap();
        assert!(!found.ok, "without {}: {found:?}", path.display());
    }
}

#[test]
fn a_prune_that_was_interrupted_anywhere_is_whole_and_is_finished_by_the_next_start() {
    let (scratch, before) = pruned();
    let dir = scratch.ledger();
    let is_gone = |path: &PathBuf| !dir.join(path.strip_prefix(&before).unwrap()).exists();
    let mut gone: Vec<PathBuf> = files(&before).into_iter().filter(is_gone).collect();
    gone.retain(|path| {
        path.extension().is_some_and(|end| end == "seg") || path.to_string_lossy().contains("entries/0")
    });
    gone.retain(|path| !path.to_string_lossy().contains(".p/"));
    assert!(gone.len() >= 4, "{gone:?}");
    // Segments go before bundles, each from the first on.
    for kept in 1..=gone.len() {
        let state = Scratch::new();
        copy(scratch.path(), state.path());
        for path in &gone[gone.len() - kept..] {
            let place = state.ledger().join(path.strip_prefix(&before).unwrap());
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::copy(path, place).unwrap();
        }
        let found = check(&state);
        assert!(found.ok, "{kept}: {found:?}");
        let ledger = signed(&state).unwrap();
        let is_finished = || gone.iter().all(|path| !state.ledger().join(path.strip_prefix(&before).unwrap()).exists());
        wait("it was not finished", is_finished);
        drop(ledger);
        assert!(check(&state).ok);
    }
}

#[test]
fn what_is_young_open_unsigned_or_not_yet_elsewhere_stays() {
    let floor = Duration::from_secs(3600);
    let stays = |keep: Keep, hold: fn(&FileLedger)| {
        let scratch = Scratch::new();
        let ledger = keeping(&scratch, keep).unwrap();
        hold(&ledger);
        fill(&ledger, &scratch.ledger(), 4);
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(segments(&scratch.ledger())[0], "00000001.seg", "{keep:?}");
        (scratch, ledger)
    };
    drop(stays(Keep { at_least: floor, ..LITTLE }, |_| {}));
    drop(stays(Keep { age: Some(floor), bytes: None, ..LITTLE }, |_| {}));
    // One act is still under way.
    let (scratch, ledger) = stays(LITTLE, |ledger| {
        admit(ledger, allowed("/long")).unwrap();
    });
    ledger.settled(creel_guard::RecordId(1), Outcome::done());
    wait("an end lets nothing go", || segments(&scratch.ledger())[0] != "00000001.seg");
    // Somebody outside has to have it.
    let (scratch, ledger) = stays(Keep { outside: true, ..LITTLE }, |ledger| ledger.outside(40));
    ledger.outside(u64::MAX);
    wait("it went on being kept", || segments(&scratch.ledger())[0] != "00000001.seg");
    drop(ledger);
    assert!(check(&scratch).ok);
    // Nobody signs.
    let scratch = Scratch::new();
    let options = creel_ledger::OpenOptions { keep: LITTLE, ..crate::world::small() };
    let ledger = FileLedger::open(&scratch.ledger(), &crate::world::tenant(), options).unwrap();
    fill(&ledger, &scratch.ledger(), 4);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(segments(&scratch.ledger())[0], "00000001.seg");
}

#[test]
fn what_is_older_than_its_days_goes() {
    let scratch = Scratch::new();
    let keep = Keep { age: Some(Duration::from_millis(500)), ..Keep::default() };
    let ledger = keeping(&scratch, keep).unwrap();
    fill(&ledger, &scratch.ledger(), 2);
    std::thread::sleep(Duration::from_millis(600));
    wait("it stayed", || segments(&scratch.ledger()) == ["00000002.seg"]);
    drop(ledger);
    assert!(check(&scratch).ok && check(&scratch).pruned.unwrap().why.contains("older than 0 days"));
}

#[test]
fn who_reads_on_while_segments_go_is_told() {
    let scratch = Scratch::new();
    let ledger = signed(&scratch).unwrap();
    fill(&ledger, &scratch.ledger(), 5);
    drop(ledger);
    let mut reader = creel_ledger::read(&scratch.ledger()).unwrap();
    assert_eq!(reader.next().unwrap().unwrap().seq, 1);
    let ledger = keeping(&scratch, LITTLE).unwrap();
    wait("nothing went", || segments(&scratch.ledger()).len() <= 3);
    assert!(matches!(reader.find_map(Result::err), Some(Error::Overtaken)));
    drop(ledger);
}

/// Copies the log in `dir` to `to`, which has `have` leaves.
fn replicate(dir: &Path, to: &Path, mut have: u64) -> u64 {
    fs::create_dir_all(to).unwrap();
    while let Some(lacking) = lacking(dir, have).unwrap() {
        lacking.copy_into(to).unwrap();
        have = lacking.upto();
    }
    have
}

#[test]
fn a_replica_holds_what_retention_took_and_one_that_begins_later_says_what_it_lacks() {
    let (scratch, before) = pruned();
    let (old, new) = (scratch.path().join("old"), scratch.path().join("new"));
    let have = replicate(&before, &old, 0);
    assert_eq!(replicate(&scratch.ledger(), &old, have), check(&scratch).leaves);
    let found = verify_with(&old, &trust(&scratch)).unwrap();
    assert!(found.ok && found.pruned.is_none() && found.size == check(&scratch).size, "{found:?}");
    replicate(&scratch.ledger(), &new, 0);
    // What can't be read any more is a finding, as whatever else was changed.
    let note = fs::read(old.join("checkpoint")).unwrap();
    for changed in [&b"\xff"[..], b"", &note[1..]] {
        fs::write(old.join("checkpoint"), changed).unwrap();
        assert!(!verify_with(&old, &trust(&scratch)).unwrap().ok);
    }
    let found = verify_with(&new, &trust(&scratch)).unwrap();
    let first = first_kept(&scratch.ledger()).unwrap();
    assert!(found.ok && found.pruned.as_ref().is_some_and(|gone| gone.records < first), "{found:?}");
    // One bundle more than the log itself says.
    let mut bundles: Vec<_> =
        fs::read_dir(new.join("tile/entries")).unwrap().map(|entry| entry.unwrap().path()).collect();
    bundles.sort();
    fs::remove_file(&bundles[0]).unwrap();
    let found = verify_with(&new, &trust(&scratch)).unwrap();
    assert_eq!((found.ok, found.first_bad), (false, Some(1)), "{found:?}");
    // In steps: what is not named yet harms nobody who reads it meanwhile.
    let few = Scratch::new();
    copy(&before, &few.ledger());
    let halves = scratch.path().join("halves");
    let have = replicate(&few.ledger(), &halves, 0);
    let lacks = lacking(&scratch.ledger(), have).unwrap().unwrap();
    assert!(lacks.is_last() && lacks.upto() > have);
    fs::copy(scratch.ledger().join("tile/0/004"), halves.join("tile/0/006")).unwrap();
    assert!(verify_with(&halves, &Trust { remembered: Vec::new(), ..trust(&scratch) }).unwrap().ok);
    assert!(verify_with(&halves, &trust(&scratch)).unwrap().truncated, "signer and witness remember more");
}
