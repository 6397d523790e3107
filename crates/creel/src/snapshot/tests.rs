//! Guard and helper on both ends of two pipes, over a folder of the test's own.

use std::fs::{File, Permissions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::back::{Done, put_back};
use super::frame::{Ask, Entry, Left, PIECE, Piece, Say, What, receive, send};
use super::lead::{Sink, Wire, read};
use super::store::{Bounds, Draft, Head, Store};
use super::{Why, below, hand};
use crate::canary::scratch::Scratch;

const ROOM: Bounds = Bounds { keep: 3, room: 1 << 30 };

struct World {
    scratch: Scratch,
    store: Store,
}

impl World {
    fn new(bounds: Bounds) -> Self {
        let scratch = Scratch::new();
        std::fs::create_dir_all(scratch.0.join("w")).unwrap();
        std::fs::create_dir_all(scratch.0.join("home")).unwrap();
        let store = Store::open(&scratch.0.join("home"), bounds).unwrap();
        Self { scratch, store }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.scratch.0.join("w").join(path)
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        std::fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        std::fs::write(self.at(path), content).unwrap();
    }

    fn take(&mut self, why: Why) -> (Head, Vec<Entry>) {
        let base = self.store.heads().last().map(|head| head.number).map(|number| self.store.list(number).unwrap());
        let top = self.at("");
        led(&top, |wire| {
            let mut sink = Sink::Keep(&mut self.store, Draft::default());
            let (entries, cut) = read(wire, &mut sink, base.unwrap_or_default()).unwrap();
            let Sink::Keep(store, draft) = sink else { unreachable!() };
            let (head, _) = store.finish((crate::clock::wall_ms(), why, None), &entries, cut, draft).unwrap();
            assert_eq!(store.list(head.number).unwrap(), entries);
            (head, entries)
        })
    }

    fn back(&mut self, number: u64, scope: Option<&str>) -> Done {
        let (_, now) = self.take(Why::Restore { number });
        let then = self.store.list(number).unwrap();
        led(&self.at(""), |wire| put_back(wire, &self.store, &now, &then, scope.map(str::as_bytes)).unwrap())
    }
}

/// With the helper at the other end of the pipes.
fn led<T>(top: &Path, work: impl FnOnce(&mut Wire) -> T) -> T {
    let pipe = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let ((orders, our_orders), (our_bytes, bytes)) = (pipe(), pipe());
    let top = top.to_owned();
    let helper = std::thread::spawn(move || hand::serve(&top, &mut File::from(orders), &mut File::from(bytes)));
    let mut wire = Wire::new(our_bytes, our_orders).unwrap();
    let done = work(&mut wire);
    drop(wire);
    helper.join().unwrap().unwrap();
    done
}

fn what<'a>(entries: &'a [Entry], path: &str) -> &'a What {
    &entries.iter().find(|entry| entry.path == path.as_bytes()).unwrap_or_else(|| panic!("no {path}")).what
}

/// Long unchanged, as far as anybody can say.
fn age(entries: &mut [Entry]) {
    for entry in entries {
        if let What::File(content) = &mut entry.what {
            content.settled = true;
        }
    }
}

#[test]
fn a_workspace_is_kept_and_put_back_as_it_was() {
    let mut world = World::new(ROOM);
    world.write("a.txt", "one");
    world.write("folder/deep/b.txt", vec![7; 3 * PIECE + 5]);
    world.write("folder/empty", "");
    world.write("\u{7f}odd name\n", "odd");
    std::fs::set_permissions(world.at("a.txt"), Permissions::from_mode(0o640)).unwrap();
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    File::options().write(true).open(world.at("a.txt")).unwrap().set_modified(old).unwrap();
    symlink("../outside", world.at("link")).unwrap();
    let (first, _) = world.take(Why::Asked);
    assert_eq!((first.number, first.files, first.left, first.cut), (1, 4, 0, false));

    world.write("a.txt", "two");
    std::fs::remove_dir_all(world.at("folder")).unwrap();
    world.write("folder", "a file now");
    std::fs::remove_file(world.at("link")).unwrap();
    world.write("link/in/folder", "x");
    world.write("new/new", "new");
    let done = world.back(1, None);
    assert_eq!((&done.failed[..], done.removed), (&[][..], 6), "{done:?}");
    assert_eq!(std::fs::read(world.at("a.txt")).unwrap(), b"one");
    let found = std::fs::metadata(world.at("a.txt")).unwrap();
    assert_eq!((found.permissions().mode() & 0o777, found.modified().unwrap()), (0o640, old));
    assert_eq!(std::fs::read(world.at("folder/deep/b.txt")).unwrap(), vec![7; 3 * PIECE + 5]);
    assert_eq!(std::fs::read_link(world.at("link")).unwrap(), Path::new("../outside"));
    assert!(!world.at("new").exists() && world.at("folder/empty").exists());
    // what lay there before can be put back too, or a part of it
    let done = world.back(2, Some("new"));
    assert_eq!((done.written, done.removed, done.failures), (1, 0, 0));
    assert_eq!(std::fs::read(world.at("new/new")).unwrap(), b"new");
    assert_eq!(std::fs::read(world.at("a.txt")).unwrap(), b"one");
}

#[test]
fn what_did_not_change_is_neither_kept_nor_read_again() {
    let mut world = World::new(ROOM);
    (0..50).for_each(|number| world.write(&format!("f/{number}"), format!("content {number}")));
    let (first, mut entries) = world.take(Why::Schedule);
    assert_eq!(first.added, 50 * 4096);
    assert_eq!(world.take(Why::Schedule).0.added, 0);
    // what is said to have settled is not opened: it may not even be read any more
    age(&mut entries);
    let top = world.at("");
    world.write("f/1", "content X");
    let again = led(&top, |wire| read(wire, &mut Sink::Look(&world.store), entries.clone()).unwrap().0);
    let pieces = |entries: &[Entry], path: &str| match what(entries, path) {
        What::File(content) => content.pieces.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(pieces(&again, "f/2"), pieces(&entries, "f/2"));
    assert_ne!(pieces(&again, "f/1"), pieces(&entries, "f/1"));
    // but what is gone from the store is read anew
    let Piece::Kept(digest) = pieces(&entries, "f/2")[0] else { panic!() };
    let gone = world.scratch.0.join("home/snapshots/pieces");
    let name = super::store::hex(&digest);
    std::fs::write(gone.join(name.get(..2).unwrap()).join(&name), "cut").unwrap();
    let (head, _) = world.take(Why::Schedule);
    assert_eq!(head.added, 2 * 4096);
    assert_eq!(world.store.piece(&digest).unwrap(), b"content 2");
}

#[test]
fn links_pipes_and_closed_files_are_not_followed_and_holes_cost_nothing() {
    let mut world = World::new(ROOM);
    std::fs::write(world.scratch.0.join("secret"), "host").unwrap();
    symlink("../secret", world.at("link")).unwrap();
    symlink("..", world.at("up")).unwrap();
    nix::unistd::mkfifo(&world.at("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(world.at("socket")).unwrap();
    let mut sparse = File::create(world.at("sparse")).unwrap();
    sparse.set_len(10 << 30).unwrap();
    sparse.seek(SeekFrom::Start(5 << 30)).unwrap();
    sparse.write_all(b"in the middle").unwrap();
    sparse.sync_all().unwrap();
    let (head, entries) = world.take(Why::Asked);
    assert!(matches!(what(&entries, "link"), What::Link(target) if target == b"../secret"));
    for path in ["pipe", "socket"] {
        assert_eq!(*what(&entries, path), What::Left(Left::Special), "{path}");
    }
    assert_eq!((entries.len(), head.files, head.left), (5, 1, 0));
    let What::File(content) = what(&entries, "sparse") else { panic!() };
    assert!(matches!(content.pieces[..], [Piece::Hole(5120), Piece::Kept(_), Piece::Hole(5119)]), "{content:?}");
    assert!(head.added <= PIECE as u64, "{head:?}");

    std::fs::remove_file(world.at("sparse")).unwrap();
    assert_eq!(world.back(1, None).failures, 0);
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata(world.at("sparse")).unwrap();
    assert!(found.len() == 10 << 30 && found.blocks() * 512 <= 4 << 20, "{} blocks", found.blocks());
    let mut middle = [0; 13];
    let sparse = File::options().read(true).open(world.at("sparse")).unwrap();
    std::os::unix::fs::FileExt::read_exact_at(&sparse, &mut middle, 5 << 30).unwrap();
    assert_eq!(&middle, b"in the middle");
}

#[test]
fn what_does_not_fit_is_left_out_and_neither_overwritten_nor_removed() {
    let mut world = World::new(Bounds { keep: 3, room: 40 * 4096 });
    world.write("a", "small");
    let (first, _) = world.take(Why::Asked);
    assert_eq!(first.left, 0);
    let noise: Vec<u8> =
        (0..200 * 4096_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    world.write("a", &noise);
    world.write("large", &noise[4..]);
    let (second, entries) = world.take(Why::Asked);
    assert_eq!((second.left, what(&entries, "a")), (2, &What::Left(Left::Room)));
    assert_eq!(world.store.heads().len(), 2, "none that young goes for room");
    let done = world.back(1, None);
    assert_eq!(done.failures, 2, "{done:?}");
    assert_eq!(std::fs::read(world.at("a")).unwrap(), noise);
    assert!(world.at("large").exists());
}

#[test]
fn so_many_of_each_kind_are_kept_and_pieces_that_nobody_holds_go() {
    let mut world = World::new(ROOM);
    for number in 0..5 {
        world.write("a", format!("content {number}"));
        world.take(Why::Schedule);
        world.take(Why::Act { act: "run rm".to_owned() });
    }
    let numbers: Vec<u64> = world.store.heads().iter().map(|head| head.number).collect();
    assert_eq!(numbers, [5, 6, 7, 8, 9, 10]);
    assert_eq!(world.store.sweep(&Draft::default()).unwrap(), 3 * 4096);
    for number in numbers {
        world.store.remove(number).unwrap();
    }
    assert_eq!(world.store.sweep(&Draft::default()).unwrap(), 0);
    // no number is given twice
    let home = world.scratch.0.join("home");
    world.store = Store::open(&home, ROOM).unwrap();
    assert_eq!(world.take(Why::Asked).0.number, 11);
    let list = home.join("snapshots/11.list");
    let mut bytes = std::fs::read(&list).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&list, bytes).unwrap();
    assert!(world.store.list(11).is_err());
}

#[test]
fn a_helper_that_speaks_nonsense_or_says_nothing_is_not_believed() {
    let pipe = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let wrong = Entry { path: b"x".to_vec(), mode: 0, modified: (0, 0), what: What::Folder };
    for answer in [Say::Done, Say::Entries(Vec::new(), false, false), Say::Opened(wrong), Say::End(true)] {
        let ((orders, our_orders), (our_bytes, bytes)) = (pipe(), pipe());
        let mut said = File::from(bytes);
        (0..3).for_each(|_| send(&mut said, &answer).unwrap());
        drop(said);
        let mut wire = Wire::new(our_bytes, our_orders).unwrap();
        assert!(super::lead::walk(&mut wire).is_err(), "{answer:?}");
        assert!(matches!(receive::<Ask>(&mut File::from(orders)).unwrap(), Some(Ask::Walk(_))));
    }
}

#[test]
fn paths_lie_below_the_workspace() {
    for (text, path) in [("a/b", "a/b"), ("/workspace/a/", "a"), ("./a", "a"), ("a", "a")] {
        assert_eq!(below(text).unwrap().unwrap(), path.as_bytes(), "{text}");
    }
    for text in ["", ".", "/workspace", "/workspace/"] {
        assert_eq!(below(text), Ok(None), "{text}");
    }
    for text in ["/etc/passwd", "../x", "a/../b", "a//b", "/workspaces/x", "a\0b"] {
        assert!(below(text).is_err(), "{text}");
    }
}
