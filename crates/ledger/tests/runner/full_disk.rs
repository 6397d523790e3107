//! A disk without room: needs root, for a small tmpfs in a mount namespace of the test's own thread.

use std::path::Path;

use creel_guard::{Ledger as _, Outcome};
use creel_ledger::verify;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::world::{Scratch, admit, lines, open, refused, soon};

fn tmpfs(on: &Path, size: &str, flags: MsFlags) {
    mount(Some("tmpfs"), on, Some("tmpfs"), flags, Some(format!("size={size}").as_str())).unwrap();
}

#[test]
fn a_full_disk_closes_the_ledger_which_says_so_and_opens_again_with_room() {
    let scratch = Scratch::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // The writer's thread inherits this thread's namespace; no other sees the mount, and it ends with them.
            unshare(CloneFlags::CLONE_NEWNS).expect("this test needs root");
            mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
            tmpfs(scratch.path(), "6m", MsFlags::empty());
            fill_up_and_go_on(&scratch);
        });
    });
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
