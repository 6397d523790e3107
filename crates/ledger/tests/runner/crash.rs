//! Death of the writing process, and what is found afterwards.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use creel_guard::{Ledger as _, Outcome};
use creel_ledger::{Error, FileLedger, verify};

use crate::world::{Scratch, admit, allowed, lines, open, refused, small, soon, tenant};

const CHILD: &str = "CREEL_LEDGER_TEST_CHILD";

/// The child of the test below; does nothing when it is run as a test of its own.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let ledger = open(Path::new(&dir));
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let ledger = &ledger;
            scope.spawn(move || {
                for number in 0.. {
                    let path = format!("/{worker}/{number}/{}", "z".repeat(number * 31 % 3000));
                    let entry = if number % 2 == 0 { allowed(&path) } else { soon(&path) };
                    let record = admit(ledger, entry).unwrap();
                    // One write of one line, so that lines of several workers never mix.
                    std::io::stdout().write_all(format!("acknowledged {record} {path}\n").as_bytes()).unwrap();
                    ledger.settled(record, Outcome::done());
                }
            });
        }
    });
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test starts itself as the process that is killed")]
fn killing_the_writer_loses_no_acknowledged_record() {
    for acknowledged in [1, 50, 700, 3000] {
        let scratch = Scratch::new();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child_that_writes_until_it_is_killed", "--nocapture"])
            .env(CHILD, scratch.ledger())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut told = Vec::new();
        while told.len() < acknowledged {
            let mut line = String::new();
            assert!(output.read_line(&mut line).unwrap() > 0, "the child ended");
            told.extend(line.find("acknowledged ").map(|start| line[start..].to_owned()));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        told.extend(rest.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(str::to_owned));

        let before = verify(&scratch.ledger()).unwrap();
        assert!(before.ok, "{before:?}");
        let ledger = open(&scratch.ledger());
        let next = admit(&ledger, refused("/after")).unwrap();
        drop(ledger);
        let lines = lines(&scratch.ledger());
        assert_eq!(lines.last().unwrap().seq, next.0);
        for line in told.iter().filter_map(|line| line.strip_prefix("acknowledged ")) {
            let (record, path) = line.trim_end().split_once(' ').unwrap();
            let found = &lines[record.parse::<usize>().unwrap() - 1];
            assert!(found.target.ends_with(path), "{line} {found:?}");
        }
        assert!(lines.iter().all(|line| line.outcome != "open"));
        let after = verify(&scratch.ledger()).unwrap();
        assert!(after.ok && !after.torn, "{after:?}");
    }
}

/// A ledger of three records whose head promises two: what stands behind the promise is the test's to spoil.
struct Unpromised {
    scratch: Scratch,
    /// Where the third record begins and ends.
    from: usize,
    to: usize,
}

impl Unpromised {
    fn new() -> Self {
        let scratch = Scratch::new();
        let dir = scratch.ledger();
        let ledger = open(&dir);
        admit(&ledger, allowed("/1")).unwrap();
        admit(&ledger, refused("/2")).unwrap();
        drop(ledger);
        let head = fs::read(dir.join("head")).unwrap();
        let from = used(&dir);
        let ledger = open(&dir);
        // Opening wrote that the first act was abandoned; that frame and the third record are not promised.
        admit(&ledger, refused(&format!("/3/{}", "w".repeat(9000)))).unwrap();
        drop(ledger);
        fs::write(dir.join("head"), head).unwrap();
        let to = used(&dir);
        Self { scratch, from, to }
    }

    fn change(&self, change: impl FnOnce(&mut [u8])) {
        let path = self.scratch.ledger().join("00000001.seg");
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(&path, bytes).unwrap();
    }

    fn open(&self) -> Result<FileLedger, Error> {
        FileLedger::open(&self.scratch.ledger(), &tenant(), small())
    }
}

fn used(dir: &Path) -> usize {
    fs::read(dir.join("00000001.seg")).unwrap().iter().rposition(|byte| *byte != 0).unwrap() + 1
}

#[test]
fn a_whole_frame_behind_the_promise_is_kept() {
    let world = Unpromised::new();
    assert!(verify(&world.scratch.ledger()).unwrap().ok);
    assert_eq!(world.open().unwrap().state().records, 3);
    assert_eq!(lines(&world.scratch.ledger()).len(), 3);
}

#[test]
fn a_tear_behind_the_promise_is_cut_off_and_noted() {
    for keep in [1, 5, 23, 24, 400, 5000] {
        let world = Unpromised::new();
        world.change(|bytes| bytes[world.to - 9100 + keep..].fill(0));
        let found = verify(&world.scratch.ledger()).unwrap();
        assert!(found.ok && found.torn, "{keep} {found:?}");
        drop(world.open().unwrap());
        let lines = lines(&world.scratch.ledger());
        assert_eq!(lines.last().unwrap().rule, "ledger/recovered", "{keep}");
        assert_eq!(lines.len(), 3);
        let found = verify(&world.scratch.ledger()).unwrap();
        assert!(found.ok && !found.torn, "{found:?}");
    }
}

#[test]
fn a_page_that_never_reached_the_disk_is_cut_off_and_noted() {
    let world = Unpromised::new();
    world.change(|bytes| bytes[4096..8192].fill(0));
    assert!(world.from < 4096 && world.to > 8192);
    drop(world.open().unwrap());
    assert_eq!(lines(&world.scratch.ledger()).last().unwrap().rule, "ledger/recovered");
}

#[test]
fn a_changed_frame_behind_the_promise_is_no_tear() {
    let world = Unpromised::new();
    world.change(|bytes| bytes[world.to - 3000] ^= 4);
    let found = verify(&world.scratch.ledger()).unwrap();
    assert_eq!((found.ok, found.first_bad), (false, Some(3)), "{found:?}");
    assert!(matches!(world.open(), Err(Error::Damaged { first_bad: 3, .. })));
}

#[test]
fn a_tear_before_the_promise_keeps_the_ledger_closed() {
    let world = Unpromised::new();
    world.change(|bytes| bytes[world.from - 40..].fill(0));
    let found = verify(&world.scratch.ledger()).unwrap();
    assert!(!found.ok && found.truncated && found.first_bad.is_none(), "{found:?}");
    assert!(matches!(world.open(), Err(Error::Truncated { .. })));
}

#[test]
fn one_damaged_half_of_the_head_is_outlived_and_noted() {
    let world = Unpromised::new();
    let path = world.scratch.ledger().join("head");
    let mut head = fs::read(&path).unwrap();
    head[30] ^= 1;
    fs::write(&path, &head).unwrap();
    assert!(!verify(&world.scratch.ledger()).unwrap().ok);
    drop(world.open().unwrap());
    assert_eq!(lines(&world.scratch.ledger()).last().unwrap().rule, "ledger/recovered");
    head[30] ^= 1;
    fs::remove_file(&path).unwrap();
    assert!(matches!(world.open(), Err(Error::Damaged { .. })));
}
