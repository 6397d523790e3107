//! A witness that speaks the real protocol over a real socket, honest and not.

use std::path::Path;
use std::sync::Mutex;

use creel_guard::Tenant;
use creel_ledger::{Countersign, FileLedger, No, Notaries, Notary, Note, OpenOptions, SignerKey, parse_submission};
use creel_testkit::{Asked, Origin};
use http::Response;

use super::*;
use crate::guard_process::export::tests::{World, until};

const LOG: &str = "creel.test/log";

/// The log's signer, at home below `home`.
fn notaries(home: &Path) -> Notaries {
    let signer = Notary::signer(&home.join("signer"), LOG).unwrap();
    let key = signer.public().clone();
    Notaries { origin: LOG.to_owned(), signer: (Box::new(signer), key), witness: None }
}

pub(crate) fn open(home: &Path) -> FileLedger {
    let tenant = Tenant::parse("main").unwrap();
    let options = OpenOptions { checkpoint_every: Duration::from_millis(20), ..OpenOptions::default() };
    FileLedger::open_signed(&home.join("ledger"), &tenant, options, notaries(home)).unwrap()
}

/// A witness at home in `folder`: its URL, its key, and how it answers.
fn witness(folder: &Path, log: &Path) -> (Origin, VerifierKey) {
    let log = std::fs::read_to_string(log.join("signer/vkey")).unwrap();
    let notary = Notary::witness(folder, "witness.test", LOG, VerifierKey::parse(&log).unwrap()).unwrap();
    let key = notary.public().clone();
    let notary = Mutex::new(notary);
    let answer = move |asked: &Asked| {
        assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/w/add-checkpoint"));
        let ask = parse_submission(std::str::from_utf8(&asked.body).unwrap()).expect("it is a request");
        let (status, body) = match notary.lock().unwrap().countersign(&ask) {
            Ok(line) => {
                let note = Note { text: "x\n".to_owned(), signatures: vec![line] }.to_string();
                (200, note.split_once("\n\n").unwrap().1.to_owned())
            }
            Err(No::Conflict { size }) => (409, format!("{size}\n")),
            Err(_) => (422, String::new()),
        };
        Response::builder().status(status).body(body.into()).unwrap()
    };
    (Origin::answering("127.0.0.1:0", answer).unwrap(), key)
}

fn config(origin: &Origin, key: &VerifierKey) -> String {
    format!("[[export]]\nurl = \"http://{}/w\"\nwitness = \"{key}\"\n", origin.address())
}

#[test]
fn a_witness_vouches_for_what_it_saw_and_tells_when_the_log_was_put_back() {
    let world = World::with(open);
    let home = world.folder().to_owned();
    let (origin, key) = witness(&home.join("far"), &home);
    world.write(0, 40);
    let exports = world.export(&config(&origin, &key));
    let seen = || exports.list()[0].clone();
    until("it is witnessed", || seen().witnessed.is_some() && seen().lines >= 40);
    assert_eq!(seen().failed, None);
    let kept = std::fs::read_dir(home.join("home")).unwrap().flatten().map(|entry| entry.path());
    let kept = kept.into_iter().find(|path| path.is_dir()).unwrap();
    let note = std::fs::read_to_string(kept.join("checkpoint")).unwrap();
    let of_note = Remembered::of_note(&note, &key).unwrap();
    assert_eq!(Remembered::read(&kept).unwrap(), Some(of_note.clone()));
    assert!(of_note.size >= 40 && of_note.time > 0);
    // whoever stands elsewhere and has this note finds the log leads there, and no log that was put back
    let trust = creel_ledger::Trust { remembered: vec![of_note.clone()], ..creel_ledger::Trust::default() };
    let whole = creel_ledger::verify_with(&home.join("ledger"), &trust).unwrap();
    assert!(whole.ok, "{whole:?}");
    let shorter = World::with(open);
    shorter.write(0, 4);
    let back = creel_ledger::verify_with(&shorter.folder().join("ledger"), &trust).unwrap();
    assert!(!back.ok, "{back:?}");
    // a guard that begins anew with a log that was put back is told by the witness
    let failed = submission(&home.join("ledger"), of_note.size + 5).unwrap_err().to_string();
    assert!(failed.contains("put back to an older copy"), "{failed}");
}

#[test]
fn a_witness_that_is_another_or_answers_nonsense_is_not_believed() {
    let world = World::with(open);
    let home = world.folder().to_owned();
    let (origin, _) = witness(&home.join("far"), &home);
    world.write(0, 4);
    let other = SignerKey::from_secret("witness.test", creel_ledger::Says::Witnessed, &SignerKey::draw().unwrap());
    let exports = world.export(&config(&origin, other.unwrap().public()));
    until("it fails", || exports.list()[0].failed.as_ref().is_some_and(|why| why.contains("did not sign")));
    assert_eq!(exports.list()[0].witnessed, None);
    let nonsense = Origin::answering("127.0.0.1:0", |_| Response::builder().status(409).body("x".into()).unwrap());
    let (nonsense, key) = (nonsense.unwrap(), witness(&home.join("far-2"), &home).1);
    let exports = world.export(&config(&nonsense, &key));
    until("it fails", || exports.list()[0].failed.as_ref().is_some_and(|why| why.contains("says no size")));
}
