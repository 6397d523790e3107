//! Copies of a real ledger, as anybody's verifier reads them.

use creel_ledger::{Error, Trust, VerifierKey, verify_with};

use crate::guard_process::export::tests::{World, until};
use crate::guard_process::export::witness::tests::open;

fn trust(world: &World) -> Trust {
    let key = std::fs::read_to_string(world.folder().join("signer/vkey")).unwrap();
    Trust { key: VerifierKey::parse(&key), ..Trust::default() }
}

#[test]
fn a_replica_is_whole_goes_on_after_an_outage_and_is_told_from_a_changed_one() {
    let world = World::with(open);
    let copy = world.folder().join("copy/main");
    let config = format!("[[export]]\nurl = \"file:{}\"\n", world.folder().join("copy").display());
    world.write(0, 300);
    let exports = world.export(&config);
    let seen = || exports.list()[0].clone();
    until("it is missed", || seen().failed.as_ref().is_some_and(|why| why.contains("is not there")));
    std::fs::create_dir_all(&copy).unwrap();
    until("it has the first", || seen().failed.is_none() && seen().lines >= 300);
    let found = verify_with(&copy, &trust(&world)).unwrap();
    assert!(found.ok && found.signed == Some(seen().lines) && found.size == 300, "{found:?}");
    // Another guard goes on from there.
    world.write(300, 300);
    let exports = world.export(&config);
    until("it has more", || exports.list()[0].lines >= 600);
    let found = verify_with(&copy, &trust(&world)).unwrap();
    assert!(found.ok && found.size == 600 && found.pruned.is_none(), "{found:?}");
    assert!(!copy.join("tile/0/001.p/44").exists(), "what no checkpoint names any more is gone");
    changed(&world, &copy);
    // One that was emptied is filled again.
    std::fs::remove_dir_all(&copy).unwrap();
    std::fs::create_dir_all(&copy).unwrap();
    assert!(matches!(verify_with(&copy, &trust(&world)), Err(Error::NoLedger(_))));
    world.export(&config);
    until("it is whole again", || verify_with(&copy, &trust(&world)).is_ok_and(|found| found.ok && found.size == 600));
}

fn changed(world: &World, copy: &std::path::Path) {
    for name in ["tile/0/000", "tile/entries/000", "tile/entries/001", "tile/1/000.p/2", "checkpoint", "keys"] {
        let path = copy.join(name);
        let bytes = std::fs::read(&path).unwrap();
        let mut other = bytes.clone();
        other[bytes.len() / 2] ^= 1;
        std::fs::write(&path, other).unwrap();
        assert!(!verify_with(copy, &trust(world)).unwrap().ok, "{name}");
        std::fs::remove_file(&path).unwrap();
        let found = verify_with(copy, &trust(world));
        // The key was named, and without a checkpoint it is no log.
        assert!(matches!(name, "keys" | "checkpoint") || !found.unwrap().ok, "{name}");
        std::fs::write(&path, bytes).unwrap();
    }
    assert!(verify_with(copy, &trust(world)).unwrap().ok);
}

#[test]
fn a_replica_of_a_longer_log_or_of_another_is_not_written_over() {
    let (longer, world) = (World::with(open), World::with(open));
    let copy = world.folder().join("copy/main");
    std::fs::create_dir_all(&copy).unwrap();
    longer.write(0, 40);
    world.write(0, 4);
    let config = format!("[[export]]\nurl = \"file:{}\"\n", world.folder().join("copy").display());
    let exports = longer.export(&config);
    until("it is copied", || exports.list()[0].lines >= 40);
    let exports = world.export(&config);
    let is_told = || exports.list()[0].failed.as_ref().is_some_and(|why| why.contains("put back to an older copy"));
    until("it is told", is_told);
    assert!(verify_with(&copy, &trust(&longer)).unwrap().ok);
}
