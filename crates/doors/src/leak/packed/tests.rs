use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};

use super::super::tests::Word;
use super::super::{Held, Search};
use super::*;

fn gzip(text: &[u8]) -> Vec<u8> {
    [&[0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3, b'n', 0][..], &compress_to_vec(text, 6), &[0; 8]].concat()
}

fn zip(text: &[u8]) -> Vec<u8> {
    let head = b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0n";
    [&head[..], &compress_to_vec(text, 6)].concat()
}

fn zlib(text: &[u8]) -> Vec<u8> {
    compress_to_vec_zlib(text, 6)
}

/// Text that packs, but not to nothing.
fn prose(length: usize) -> Vec<u8> {
    let mut number = 1_u32;
    let mut text = String::new();
    while text.len() < length {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.push_str(["alpha ", "beta ", "gamma ", "delta ", "42 ", "\n"][number as usize >> 16 & 3]);
        text.push_str(&(number >> 20).to_string());
    }
    text.into_bytes()
}

fn hidden() -> Vec<u8> {
    [prose(6000), b"secret".to_vec(), prose(6000)].concat()
}

fn searched(codings: &[Coding], bytes: &[u8], size: usize) -> Result<(), Held> {
    let mut search = Search::coded(Arc::new(Word), codings);
    bytes.chunks(size).try_for_each(|piece| search.push(piece))
}

fn is_leak(codings: &[Coding], bytes: &[u8]) {
    for size in [1, 3, 1000, 1_000_000] {
        let found = searched(codings, bytes, size);
        assert_eq!(found, Err(Held::Leak("found".to_owned())), "{codings:?} in pieces of {size}");
    }
}

#[test]
fn what_says_that_it_is_encoded_is_searched_however_it_is_cut() {
    is_leak(&[Coding::Gzip], &gzip(&hidden()));
    is_leak(&[Coding::Deflate], &zlib(&hidden()));
    is_leak(&[Coding::Deflate, Coding::Gzip], &gzip(&zlib(&hidden())));
    // A file that was packed before it was encoded.
    is_leak(&[Coding::Gzip], &gzip(&zip(&hidden())));
    // Two members, cut in the middle of the value.
    is_leak(&[Coding::Gzip], &[gzip(b"some sec"), gzip(b"ret")].concat());
    assert_eq!(searched(&[Coding::Gzip], &[gzip(&prose(9000)), gzip(&prose(10))].concat(), 7), Ok(()));
}

#[test]
fn what_looks_compressed_is_searched_wherever_it_stands() {
    for packed in [gzip(&hidden()), zlib(&hidden()), zip(&hidden())] {
        is_leak(&[], &packed);
        is_leak(&[], &[b"--x\r\nContent-Disposition: form-data\r\n\r\n", &packed[..], b"\r\n--x--"].concat());
    }
    is_leak(&[], &zip(&gzip(&hidden())));
    is_leak(&[], &[zip(&prose(5000)), zip(&prose(50)), zip(&hidden())].concat());
    // What only begins like one does not hide another.
    is_leak(&[], &[b"x\x9cx\x01xx^PK\x03\x04\x1f\x8b\x08", &gzip(&hidden())[..]].concat());
    let noise: Vec<u8> = (0_u32..200_000).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    assert_eq!(searched(&[], &noise, 1000), Ok(()));
    is_leak(&[], &[&noise[..9000], &gzip(&hidden())].concat());
}

#[test]
fn what_is_not_what_it_says_does_not_pass() {
    for (codings, bytes) in [
        (&[Coding::Gzip][..], &b"plain text, after all"[..]),
        (&[Coding::Gzip], &zlib(b"another encoding")),
        (&[Coding::Deflate], &compress_to_vec(b"bare, to be read in two ways", 6)),
        (&[Coding::Deflate], &[zlib(b"and more"), b"behind".to_vec()].concat()),
        (&[Coding::Gzip], &[gzip(b"and more"), b"behind".to_vec()].concat()),
        (&[Coding::Gzip, Coding::Gzip], &gzip(b"once only, not twice")),
    ] {
        for size in [1, 4, 100] {
            assert_eq!(searched(codings, bytes, size), Err(Held::Packed(MALFORMED)), "{codings:?}");
        }
    }
}

#[test]
fn bombs_end_early_and_pictures_pass() {
    let zeros = vec![0; 40 << 20];
    for packed in [gzip(&zeros), zip(&zeros)] {
        assert_eq!(searched(&[], &packed, 1000), Err(Held::Packed(TOO_MUCH)));
    }
    assert_eq!(searched(&[Coding::Gzip], &gzip(&zeros), 1000), Err(Held::Packed(TOO_MUCH)));
    assert_eq!(searched(&[Coding::Deflate], &zlib(&zeros), 1000), Err(Held::Packed(TOO_MUCH)));
    let twice = gzip(&gzip(&vec![0; 400 << 20]));
    assert!(twice.len() < 10_000);
    assert_eq!(searched(&[], &twice, 1000), Err(Held::Packed(TOO_MUCH)));
    assert_eq!(searched(&[], &zlib(&zeros), 1000), Ok(()), "the pixels of an empty page");
    assert_eq!(searched(&[], &gzip(&zeros[..8 << 20]), 1000), Ok(()));
}

#[test]
fn there_is_room_for_so_many_and_it_is_given_back() {
    static TAKEN: AtomicUsize = AtomicUsize::new(0);
    let rooms: Vec<Room> = std::iter::from_fn(|| Room::among(&TAKEN)).collect();
    assert_eq!(rooms.len(), ROOM);
    drop(rooms);
    assert!(Room::among(&TAKEN).is_some());
}
