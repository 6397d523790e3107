//! A disk without room: needs root, for a small tmpfs in a mount namespace of the test's own thread.

use std::path::Path;

use creel_guard::{Ledger as _, Outcome};
use creel_ledger::verify;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::statvfs::statvfs;

use crate::world::{Scratch, admit, lines, open, refused, soon};

fn tmpfs(on: &Path, size: &str, flags: MsFlags) {
    mount(Some("tmpfs"), on, Some("tmpfs"), flags, Some(format!("size={size}").as_str())).unwrap();
}

/// Runs `test` in a folder on a small disk of its own.
fn on_a_small_disk(test: impl FnOnce(&Scratch) + Send) {
    let scratch = Scratch::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // The writer's thread inherits this thread's namespace; no other sees the mount, and it ends with them.
            unshare(CloneFlags::CLONE_NEWNS).expect("this test needs root");
            mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
            tmpfs(scratch.path(), "6m", MsFlags::empty());
            test(&scratch);
        });
    });
}

#[test]
fn a_full_disk_closes_the_ledger_which_says_so_and_opens_again_with_room() {
    on_a_small_disk(fill_up_and_go_on);
}

#[test]
fn a_disk_that_fills_up_at_the_start_of_a_segment_leaves_a_whole_ledger() {
    on_a_small_disk(fill_up_at_a_segments_start);
}

fn fill_up_at_a_segments_start(scratch: &Scratch) {
    let dir = scratch.ledger();
    let ledger = open(&dir);
    let largest = || refused(&"x".repeat(1024 * 1024 - 2048));
    admit(&ledger, largest()).unwrap();
    admit(&ledger, refused(&"x".repeat(1000 * 1024))).unwrap();
    // Room for the next segment's first part, but not for a record that is larger than that.
    let free = statvfs(scratch.path()).unwrap();
    let free = usize::try_from(free.blocks_free() * free.fragment_size()).unwrap();
    std::fs::write(scratch.path().join("filler"), vec![1; free - 1024 * 1024 - 8192]).unwrap();
    let closed = admit(&ledger, largest()).unwrap_err();
    assert!(closed.why.contains("No space left"), "{closed}");
    drop(ledger);
    assert!(dir.join("00000002.seg").exists());
    assert_eq!(lines(&dir).last().unwrap().rule, "ledger/halted");
    let found = verify(&dir).unwrap();
    assert!(found.ok && found.size == 3, "{found:?}");
}

fn fill_up_and_go_on(scratch: &Scratch) {
    let dir = scratch.ledger();
    let ledger = open(&dir);
    let mut acknowledged = 0;
    let why = loop {
        match admit(&ledger, soon(&"x".repeat(50_000))) {
            Ok(record) => acknowledged = record.0,
            Err(closed) => break closed.why,
        }
        assert!(acknowledged < 1000, "the disk never filled up");
    };
    assert!(why.contains("No space left"), "{why}");
    assert!(acknowledged > 40);
    let again = admit(&ledger, refused("/small")).unwrap_err();
    assert_eq!(ledger.state().closed, Some(again.why));
    ledger.settled(creel_guard::RecordId(1), Outcome::done());
    drop(ledger);

    let read = lines(&dir);
    assert_eq!(read.last().unwrap().rule, "ledger/halted");
    assert_eq!(read.len() as u64, acknowledged + 1);
    let found = verify(&dir).unwrap();
    assert!(found.ok && !found.torn, "{found:?}");

    tmpfs(scratch.path(), "12m", MsFlags::MS_REMOUNT);
    let ledger = open(&dir);
    assert_eq!(admit(&ledger, soon("/again")).unwrap().0, acknowledged + 2);
    drop(ledger);
    assert!(verify(&dir).unwrap().ok);
}
