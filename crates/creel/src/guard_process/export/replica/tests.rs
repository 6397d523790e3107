//! Copies of a real ledger, as anybody's verifier reads them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use creel_guard::Inject;
use creel_ledger::{Error, Trust, VerifierKey, verify_with};

use creel_secrets::{Broker as _, MemoryBroker, Signing, parse_handover};
use creel_testkit::{Asked, Origin};
use http::Response;
use sha2::{Digest as _, Sha256};

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
    // Nor when a ledger that was begun anew has grown beyond.
    world.write(4, 60);
    let is_told = || exports.list()[0].failed.as_ref().is_some_and(|why| why.contains("does not begin with"));
    until("it is told", is_told);
    assert!(verify_with(&copy, &trust(&longer)).unwrap().ok);
}

const KEY: &str = "{\"name\":\"KEY\",\"value\":\"AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\"}\n";

fn broker() -> MemoryBroker {
    MemoryBroker::new(parse_handover(KEY.as_bytes().to_vec().into()).unwrap()).unwrap()
}

/// What the request should have been signed with.
fn signature(asked: &Asked) -> String {
    let digest = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let header = |name: &str| asked.headers.iter().find(|(found, _)| found == name).unwrap().1.clone();
    let (time, payload) = (header("x-amz-date"), digest(&asked.body));
    assert_eq!(header("x-amz-content-sha256"), payload);
    let names = "host;x-amz-content-sha256;x-amz-date";
    let lines = format!("host:{}\nx-amz-content-sha256:{payload}\nx-amz-date:{time}\n", header("host"));
    let request = digest(format!("{}\n{}\n\n{lines}\n{names}\n{payload}", asked.method, asked.path).as_bytes());
    let inject = Inject { secret: "KEY".to_owned(), skill: None, slot: None };
    let (record, region, service) = (creel_guard::RecordId(1), "eu-central-1", "s3");
    let signing = Signing { inject: &inject, record, time: &time, region, service, headers: names, request: &request };
    let signed = futures_util::FutureExt::now_or_never(broker().sign(signing)).unwrap().unwrap();
    String::from_utf8(signed.expose().to_vec()).unwrap()
}

#[test]
fn an_object_store_gets_signed_requests_and_holds_what_a_verifier_reads() {
    let world = World::with(open);
    let objects: Arc<Mutex<BTreeMap<String, Vec<u8>>>> = Arc::default();
    let away = Arc::new(AtomicBool::new(true));
    let (held, gone) = (Arc::clone(&objects), Arc::clone(&away));
    let store = Origin::answering("127.0.0.1:0", move |asked: &Asked| {
        let answer = |status: u16, body: Vec<u8>| Response::builder().status(status).body(body.into()).unwrap();
        let authorization = asked.headers.iter().find(|(name, _)| name == "authorization").unwrap();
        assert_eq!(authorization.1, signature(asked));
        if gone.load(Ordering::Relaxed) {
            return answer(503, Vec::new());
        }
        let mut objects = held.lock().unwrap();
        let path = asked.path.strip_prefix("/bucket/creel/main/").unwrap().to_owned();
        match asked.method.as_str() {
            "PUT" => {
                objects.insert(path, asked.body.clone());
                answer(200, Vec::new())
            }
            "DELETE" => {
                objects.remove(&path);
                answer(204, Vec::new())
            }
            _ => objects.get(&path).map_or_else(|| answer(404, Vec::new()), |bytes| answer(200, bytes.clone())),
        }
    });
    let store = store.unwrap();
    let config = format!(
        "[[export]]\nurl = \"s3+http://{}/bucket/creel\"\nsecret = \"KEY\"\nsecret_slot = \"aws eu-central-1 s3\"\n",
        store.address()
    );
    world.write(0, 300);
    let exports = world.export_with(&config, broker());
    until("it is missed", || exports.list()[0].failed.as_ref().is_some_and(|why| why.contains("503")));
    away.store(false, Ordering::Relaxed);
    until("it has all", || exports.list()[0].lines >= 300);
    world.write(300, 300);
    let again = world.export_with(&config, broker());
    until("it has more", || again.list()[0].lines >= 600);
    let whole = || {
        let copy = world.folder().join("fetched");
        let _ = std::fs::remove_dir_all(&copy);
        for (path, bytes) in objects.lock().unwrap().iter() {
            std::fs::create_dir_all(copy.join(path).parent().unwrap()).unwrap();
            std::fs::write(copy.join(path), bytes).unwrap();
        }
        verify_with(&copy, &trust(&world)).is_ok_and(|found| found.ok && found.size == 600)
    };
    until("what is there is a whole log", whole);
    let shorter = World::with(open);
    shorter.write(0, 4);
    let exports = shorter.export_with(&config, broker());
    until("it is told", || exports.list()[0].failed.as_ref().is_some_and(|why| why.contains("older copy")));
}
