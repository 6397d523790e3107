//! A writer that dies, or whose disk fails, at any system call of an append; needs strace and prlimit.
//!
//! Each round starts a writer on the ledger that the rounds before it left, lets one fault befall it and then holds what is
//! there against what it acknowledged and what was signed before. `make torture` plays 1,000 rounds, an ordinary run a few.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use creel_guard::{Ledger as _, Outcome};
use creel_ledger::{FileLedger, Keep, OpenOptions, Remembered, first_kept, verify_with};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::signed::{homes, notaries, signed, trust};
use crate::world::{Scratch, admit, allowed, lines, open, refused, small, soon, tenant};

const CHILD: &str = "CREEL_LEDGER_TORTURE_CHILD";
const RETAINS: &str = "CREEL_LEDGER_TORTURE_RETAINS";

/// Whatever may go goes.
const TINY: Keep = Keep { age: None, bytes: Some(0), at_least: Duration::ZERO, outside: false };
const ROUNDS: &str = "CREEL_TORTURE_ROUNDS";

/// How many rounds build on one ledger.
const GENERATIONS: u32 = 20;

/// How many records a writer that nothing befalls writes.
const RECORDS: u32 = 60;

/// Every system call that changes what is on disk, and what stands between two of them.
const CALLS: &str = "pwrite64,write,fdatasync,fsync,fallocate,ftruncate,openat,rename,link,unlink,rmdir,mkdir";

/// How many rounds are played: as many as were asked for, or as many as an ordinary run can wait for.
fn rounds(usually: u32) -> u32 {
    std::env::var(ROUNDS).map_or(usually, |rounds| rounds.parse().unwrap())
}

/// What befalls a writer.
#[derive(Clone, Debug)]
enum Fault {
    /// Death at this system call, which is after the one before it.
    Killed { calls: &'static str, at: u32 },
    /// The call fails so, from then on or once.
    Fails { call: &'static str, with: &'static str, at: u32, lasting: bool },
    /// No file grows beyond: a write across that is a short one, and the next fails.
    Short { bytes: u64 },
    /// Death at any moment.
    Late { micros: u64 },
}

fn fault() -> impl Strategy<Value = Fault> {
    let often = prop::sample::select(&["pwrite64", "fdatasync"][..]);
    let seldom = prop::sample::select(&["fsync", "fallocate", "ftruncate", "openat", "rename", "unlink"][..]);
    let failing = prop_oneof![(often.clone(), 1_u32..60), (seldom, 1_u32..8)];
    prop_oneof![
        3 => (1_u32..120).prop_map(|at| Fault::Killed { calls: CALLS, at }),
        3 => (often, 1_u32..60).prop_map(|(calls, at)| Fault::Killed { calls, at }),
        4 => (failing, prop::sample::select(&["EIO", "ENOSPC"][..]), any::<bool>())
            .prop_map(|((call, at), with, lasting)| Fault::Fails { call, with, at, lasting }),
        2 => (1_u64..60_000).prop_map(|bytes| Fault::Short { bytes }),
        1 => (0_u64..60_000).prop_map(|micros| Fault::Late { micros }),
    ]
}

/// The child of the test below; does nothing when it is run as a test of its own.
#[test]
fn child_that_writes_until_a_fault() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let scratch = std::mem::ManuallyDrop::new(Scratch::of(Path::new(&dir)));
    let keep = if std::env::var_os(RETAINS).is_some() { TINY } else { Keep::default() };
    let options = OpenOptions { checkpoint_every: Duration::from_millis(1), keep, ..small() };
    let Ok(ledger) = FileLedger::open_signed(&scratch.ledger(), &tenant(), options, notaries(&scratch)) else { return };
    if let Some(bytes) = std::env::var("CREEL_LEDGER_TORTURE_SHORT").ok().and_then(|bytes| bytes.parse::<u64>().ok()) {
        let limit = used(&scratch) + bytes;
        nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_FSIZE, limit, limit).unwrap();
    }
    for number in 0..RECORDS {
        let long = if keep == TINY { 6 } else { 1 };
        let path = format!("/{}/{number}/{}", std::process::id(), "z".repeat(number as usize * 311 % 9000 * long));
        let is_durable = number % 3 != 0;
        let Ok(record) = admit(&ledger, if is_durable { allowed(&path) } else { soon(&path) }) else { return };
        std::io::stdout().write_all(format!("acknowledged {record} {path}\n").as_bytes()).unwrap();
        ledger.settled(record, Outcome::done());
    }
}

fn used(scratch: &Scratch) -> u64 {
    let mut segments: Vec<_> = fs::read_dir(scratch.ledger()).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.retain(|path| path.extension().is_some_and(|end| end == "seg"));
    segments.sort();
    let bytes = fs::read(segments.last().unwrap()).unwrap();
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
}

#[expect(clippy::disallowed_methods, reason = "the test starts itself as the process that suffers")]
fn writer(scratch: &Scratch, fault: &Fault, retains: bool) -> String {
    let traced = |calls: &str, what: &str| {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}")]);
        strace.args(["-e", &format!("inject={calls}:{what}")]).arg(std::env::current_exe().unwrap());
        strace
    };
    let mut command = match fault {
        Fault::Killed { calls, at } => traced(calls, &format!("signal=KILL:when={at}")),
        Fault::Fails { call, with, at, lasting } => {
            traced(call, &format!("error={with}:when={at}{}", if *lasting { "+" } else { "" }))
        }
        Fault::Short { bytes } => {
            let mut shell = Command::new("sh");
            shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
            shell.env("CREEL_LEDGER_TORTURE_SHORT", bytes.to_string());
            shell
        }
        Fault::Late { .. } => Command::new(std::env::current_exe().unwrap()),
    };
    command.args(["--exact", "torture::child_that_writes_until_a_fault", "--nocapture", "--test-threads=1"]);
    if retains {
        command.env(RETAINS, "1");
    }
    command.env(CHILD, scratch.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("this test needs strace");
    if let Fault::Late { micros } = fault {
        std::thread::sleep(Duration::from_micros(*micros));
        child.kill().unwrap();
    }
    let mut told = String::new();
    child.stdout.take().unwrap().read_to_string(&mut told).unwrap();
    child.wait().unwrap();
    told
}

/// One writer and its fault; then nothing that was acknowledged or signed may be missing.
///
/// Returns whether the fault kept the writer from its end.
fn round(scratch: &Scratch, acknowledged: &mut Vec<(u64, String)>, fault: &Fault, retains: bool) -> bool {
    let told = writer(scratch, fault, retains);
    let known = acknowledged.len();
    for line in told.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let Some(start) = line.find("acknowledged ") else { continue };
        let (record, path) = line[start + "acknowledged ".len()..].trim_end().split_once(' ').unwrap();
        acknowledged.push((record.parse().unwrap(), path.to_owned()));
    }
    let (signer, witness) = homes(scratch);
    let before: Vec<_> = [&signer, &witness].iter().filter_map(|home| Remembered::read(home).unwrap()).collect();

    let ledger = signed(scratch).unwrap_or_else(|error| panic!("after {fault:?}: {error}"));
    admit(&ledger, refused("/after")).unwrap();
    drop(ledger);
    let lines = lines(&scratch.ledger());
    let first = first_kept(&scratch.ledger()).unwrap();
    assert!(retains || first == 1, "after {fault:?}: something was let go");
    for (record, path) in acknowledged.iter().filter(|(record, _)| *record >= first) {
        let found = lines.get(usize::try_from(*record - first).unwrap());
        assert!(found.is_some_and(|line| line.target.ends_with(path)), "after {fault:?}: `{record} {path}`, {found:?}");
    }
    assert!(lines.iter().all(|line| line.outcome != "open"), "after {fault:?}");
    // The tree leads to what was remembered before the recovery as well as after it.
    let mut trust = trust(scratch);
    trust.remembered.extend(before);
    let found = verify_with(&scratch.ledger(), &trust).unwrap();
    assert!(found.ok && !found.torn && found.signed == Some(found.leaves), "after {fault:?}: {found:?}");
    acknowledged.len() - known < RECORDS as usize
}

#[test]
fn whatever_befalls_an_append_no_acknowledged_record_is_lost() {
    println!("{}", play(rounds(40), false));
}

/// The same of a ledger that lets go whatever may go: what is gone is accounted for, and what is kept is there.
#[test]
fn whatever_befalls_a_ledger_that_lets_go_what_it_keeps_is_whole() {
    println!("{}", play(rounds(24), true));
}

fn play(rounds: u32, retains: bool) -> String {
    let mut runner = TestRunner::default();
    let (mut scratch, mut acknowledged, mut all, mut cut, mut gone) = (Scratch::new(), Vec::new(), 0, 0, 0);
    for number in 0..rounds {
        if number % GENERATIONS == 0 {
            all += acknowledged.len();
            (scratch, acknowledged) = (Scratch::new(), Vec::new());
        }
        let fault = fault().new_tree(&mut runner).unwrap().current();
        cut += u32::from(round(&scratch, &mut acknowledged, &fault, retains));
        gone = gone.max(first_kept(&scratch.ledger()).unwrap() - 1);
    }
    all += acknowledged.len();
    assert_eq!(gone > 0, retains);
    assert!(all > rounds as usize && cut > rounds / 4, "the faults came too early or never");
    format!("{rounds} rounds, {cut} writers cut short, {all} acknowledged records, none lost, {gone} let go")
}

/// What a power cut may take is what was not synced: nobody hears of a record that has to be durable before a sync of the
/// segments has ended well since the answer before.
#[test]
#[expect(clippy::disallowed_methods, reason = "the test starts itself as the process that is watched")]
fn no_durable_record_is_acknowledged_before_its_sync() {
    let scratch = Scratch::new();
    let trace = scratch.path().join("trace");
    let told = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=fdatasync,write", "-s", "24", "-o"])
        .args([trace.as_os_str(), std::env::current_exe().unwrap().as_os_str()])
        .args(["--exact", "torture::child_that_writes_until_a_fault", "--nocapture", "--test-threads=1"])
        .env(CHILD, scratch.path())
        .output()
        .expect("this test needs strace");
    assert!(told.status.success());
    let (mut synced, mut answers) = (false, 0);
    for line in fs::read_to_string(&trace).unwrap().lines() {
        if line.contains("fdatasync") && line.ends_with("= 0") {
            synced = true;
        } else if line.contains("write(1, \"acknowledged") {
            let is_durable = answers % 3 != 0;
            assert!(synced || !is_durable, "answer {answers} came before its sync: {line}");
            (synced, answers) = (false, answers + 1);
        }
    }
    assert_eq!(answers, RECORDS);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: rounds(64), ..ProptestConfig::default() })]

    /// The model of a power cut: of what was written behind the last sync each page is on disk or is not, in any
    /// combination, and the head is the one of the last sync that was waited for.
    #[test]
    fn a_power_cut_loses_nothing_that_was_synced(
        synced in prop::collection::vec(0_usize..9000, 1..6),
        lost in prop::collection::vec(0_usize..9000, 1..6),
        pages in prop::collection::vec(any::<bool>(), 20),
    ) {
        let scratch = Scratch::new();
        let dir = scratch.ledger();
        let ledger = open(&dir);
        for len in &synced {
            admit(&ledger, refused(&format!("/{}", "s".repeat(*len)))).unwrap();
        }
        drop(ledger);
        let (head, end) = (fs::read(dir.join("head")).unwrap(), usize::try_from(used(&scratch)).unwrap());
        let ledger = open(&dir);
        for len in &lost {
            admit(&ledger, refused(&format!("/{}", "l".repeat(*len)))).unwrap();
        }
        drop(ledger);
        let path = dir.join("00000001.seg");
        let mut bytes = fs::read(&path).unwrap();
        for (page, is_kept) in (end / 4096..=bytes.len() / 4096).zip(pages.iter().cycle()) {
            let (from, to) = ((page * 4096).max(end), ((page + 1) * 4096).min(bytes.len()));
            if !is_kept && from < to {
                bytes[from..to].fill(0);
            }
        }
        fs::write(&path, &bytes).unwrap();
        fs::write(dir.join("head"), head).unwrap();
        drop(open(&dir));
        let lines = lines(&dir);
        for (len, line) in synced.iter().zip(&lines) {
            let end = format!("/{}", "s".repeat(*len));
            prop_assert!(line.target.ends_with(&end), "a synced record is gone");
        }
        prop_assert!(lines.len() >= synced.len());
        let found = creel_ledger::verify(&dir).unwrap();
        prop_assert!(found.ok && !found.torn, "{:?}", found);
    }
}
