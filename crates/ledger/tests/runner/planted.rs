//! The folder is the guard's, and root reads in it: what was put there instead of files neither holds nor leads a
//! reader.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use creel_ledger::{Error, Follow, Remembered, find, read, verify};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::signed::{homes, signed, write};
use crate::world::{Scratch, admit, open, refused};

fn written() -> Scratch {
    let scratch = Scratch::new();
    let ledger = open(&scratch.ledger());
    admit(&ledger, refused("/x")).unwrap();
    drop(ledger);
    scratch
}

fn pipe(at: &Path) {
    mkfifo(at, Mode::S_IRWXU).unwrap();
}

fn link(at: &Path) {
    let elsewhere = at.with_extension("elsewhere");
    fs::write(&elsewhere, "a secret of root's").unwrap();
    symlink(elsewhere, at).unwrap();
}

fn dangling(at: &Path) {
    symlink("nowhere", at).unwrap();
}

fn socket(at: &Path) {
    drop(UnixListener::bind(at).unwrap());
}

fn folder(at: &Path) {
    fs::create_dir(at).unwrap();
}

const PLANTS: [fn(&Path); 5] = [pipe, link, dangling, socket, folder];

fn named(error: Error) -> PathBuf {
    match error {
        Error::NotAFile(path) => path,
        other => panic!("{other}"),
    }
}

#[test]
fn what_stands_in_a_segments_place_is_named_and_not_opened() {
    for plant in PLANTS {
        let scratch = written();
        let dir = scratch.ledger();
        let path = dir.join("00000001.seg");
        fs::remove_file(&path).unwrap();
        plant(&path);
        assert_eq!(named(verify(&dir).unwrap_err()), path);
        // A folder that is named to be checked is taken for a ledger's.
        assert!(path.is_dir() || named(verify(&path).unwrap_err()) == path);
        assert_eq!(named(find(&dir, 1).unwrap_err()), path);
        assert_eq!(named(read(&dir).unwrap_err()), path);
        assert_eq!(named(Follow::new(&dir, 0).unwrap_err()), path);
    }
}

/// What a witness elsewhere vouched for lies in a folder of the guard's too.
#[test]
fn what_stands_in_a_keys_place_is_named_and_not_opened() {
    for plant in PLANTS {
        let scratch = Scratch::new();
        let ledger = signed(&scratch).unwrap();
        write(&ledger, 3);
        drop(ledger);
        let (signer, _) = homes(&scratch);
        assert!(Remembered::read(&signer).unwrap().is_some());
        let path = signer.join("vkey");
        fs::remove_file(&path).unwrap();
        plant(&path);
        assert_eq!(named(Remembered::read(&signer).unwrap_err()), path);
    }
}

#[test]
fn what_stands_in_the_next_segments_place_is_named_and_not_opened() {
    for plant in PLANTS {
        let scratch = written();
        let dir = scratch.ledger();
        let path = dir.join("00000002.seg");
        plant(&path);
        assert_eq!(named(verify(&dir).unwrap_err()), path);
        assert_eq!(named(Follow::new(&dir, 0).unwrap().poll().unwrap_err()), path);
    }
}

#[test]
fn what_stands_in_the_heads_place_is_named_and_not_opened() {
    for plant in PLANTS {
        let scratch = written();
        let path = scratch.ledger().join("head");
        fs::remove_file(&path).unwrap();
        plant(&path);
        assert_eq!(named(verify(&scratch.ledger()).unwrap_err()), path);
        let opened = creel_ledger::FileLedger::open(&scratch.ledger(), &crate::world::tenant(), crate::world::small());
        assert_eq!(named(opened.unwrap_err()), path);
    }
}

#[test]
fn a_sparse_file_of_a_terabyte_is_not_read_to_its_end() {
    let scratch = written();
    let path = scratch.ledger().join("00000001.seg");
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
    for place in [scratch.ledger(), path.clone()] {
        let error = verify(&place).unwrap_err();
        assert!(matches!(&error, Error::TooLong(found) if *found == path), "{error}");
    }
}
