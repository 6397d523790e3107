use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

use super::*;

const QUESTION: &[u8] = br#"{"protocolVersion":1,"provider":"creel","ids":["gateway/token"]}"#;
const LONG: Duration = Duration::from_secs(60);

struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("creel-resolver-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("s")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn ask(place: &Place, question: &[u8]) -> (Result<(), Error>, Vec<u8>) {
    let listener = UnixListener::bind(place.socket()).unwrap();
    let warden = std::thread::spawn(move || answer(listener, "creel-gw-test", LONG));
    let mut stream = UnixStream::connect(place.socket()).unwrap();
    let _ = stream.write_all(question);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut got = Vec::new();
    let _ = stream.read_to_end(&mut got);
    (warden.join().unwrap(), got)
}

#[test]
fn openclaw_gets_its_token_through_both_ends_once() {
    let place = Place::new("once");
    let listener = UnixListener::bind(place.socket()).unwrap();
    let warden = std::thread::spawn(move || answer(listener, "creel-gw-test", LONG));
    let got = relay::relay(&place.socket(), QUESTION).unwrap();
    let got: serde_json::Value = serde_json::from_slice(&got).unwrap();
    assert_eq!(got, serde_json::json!({ "protocolVersion": 1, "values": { "gateway/token": "creel-gw-test" } }));
    warden.join().unwrap().unwrap();
    assert!(relay::relay(&place.socket(), QUESTION).is_err(), "a second question finds nobody");
}

#[test]
fn other_questions_get_nothing() {
    for (name, question) in [
        ("other", br#"{"protocolVersion":1,"provider":"creel","ids":["llm/key"]}"#.to_vec()),
        ("more", br#"{"protocolVersion":1,"provider":"creel","ids":["gateway/token","x"]}"#.to_vec()),
        ("version", br#"{"protocolVersion":2,"provider":"creel","ids":["gateway/token"]}"#.to_vec()),
        ("none", Vec::new()),
        ("noise", vec![0xff; 100]),
        ("long", vec![b' '; 5000]),
    ] {
        let (outcome, got) = ask(&Place::new(name), &question);
        assert!(matches!(outcome, Err(Error::Agent { .. })), "{name}");
        assert!(got.is_empty(), "{name}");
    }
}

#[test]
fn nobody_asks() {
    let place = Place::new("nobody");
    let listener = UnixListener::bind(place.socket()).unwrap();
    assert!(matches!(answer(listener, "t", Duration::ZERO), Err(Error::Late { .. })));
}

#[test]
fn an_endless_question_is_not_relayed() {
    let place = Place::new("endless");
    let _listener = UnixListener::bind(place.socket()).unwrap();
    let error = relay::relay(&place.socket(), std::io::repeat(b'x')).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
}

#[test]
fn tokens_differ_and_can_be_found() {
    let (one, two) = (new_token().unwrap(), new_token().unwrap());
    assert_ne!(one, two);
    assert!(one.starts_with(TOKEN_PREFIX));
    assert_eq!(one.len(), TOKEN_PREFIX.len() + 64);
}
