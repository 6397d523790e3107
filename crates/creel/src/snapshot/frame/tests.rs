use proptest::prelude::*;

use super::*;

fn paths() -> impl Strategy<Value = Vec<u8>> {
    let name =
        prop::collection::vec(any::<u8>().prop_map(|byte| if byte == 0 || byte == b'/' { b'x' } else { byte }), 1..20);
    prop::collection::vec(name, 1..5).prop_map(|names| names.join(&b'/')).prop_filter("a path", |path| is_path(path))
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let piece = prop_oneof![any::<[u8; 32]>().prop_map(Piece::Kept), any::<u32>().prop_map(Piece::Hole)];
    prop::collection::vec(piece, 0..5)
}

fn contents() -> impl Strategy<Value = Content> {
    let times = (any::<i64>(), 0..1_000_000_000_u32);
    (any::<[u64; 3]>(), times, pieces(), any::<[bool; 2]>()).prop_map(
        |([size, filled, inode], changed, pieces, [settled, torn])| Content {
            size,
            filled,
            inode,
            changed,
            pieces,
            settled,
            torn,
        },
    )
}

fn entries() -> impl Strategy<Value = Entry> {
    let what = prop_oneof![
        Just(What::Folder),
        contents().prop_map(What::File),
        prop::collection::vec(1_u8.., 1..100).prop_map(What::Link),
        prop::sample::select(&Left::ALL).prop_map(What::Left),
    ];
    (paths(), 0..=0o777_u32, (any::<i64>(), 0..1_000_000_000_u32), what)
        .prop_map(|(path, mode, modified, what)| Entry { path, mode, modified, what })
}

fn same<T: Coded + PartialEq + std::fmt::Debug>(message: &T) {
    let mut bytes = Vec::new();
    send(&mut bytes, message).unwrap();
    let mut input = bytes.as_slice();
    assert_eq!(receive::<T>(&mut input).unwrap().as_ref(), Some(message));
    assert!(receive::<T>(&mut input).unwrap().is_none());
    for cut in [1, 3, bytes.len() - 1] {
        assert!(receive::<T>(&mut bytes.get(..cut).unwrap()).is_err(), "cut at {cut}");
    }
}

proptest! {
    #[test]
    fn what_is_said_is_heard(found in prop::collection::vec(entries(), 0..4), path in paths(), bytes: Vec<u8>, yes: bool) {
        found.iter().for_each(same);
        let times = (5, 6);
        for ask in [
            Ask::Walk(7), Ask::More, Ask::Open(path.clone()), Ask::Read, Ask::Folder(path.clone()), Ask::Put(path.clone()),
            Ask::Link(path.clone(), b"../x".to_vec()), Ask::Data(bytes.clone()), Ask::Hole(9), Ask::Close(1, 0o644, times),
            Ask::Mend(path.clone(), 0o600, Some(times)), Ask::Mend(path.clone(), 0o600, None), Ask::Remove(path),
        ] {
            same(&ask);
        }
        let first = found.first().cloned();
        let mut said = vec![
            Say::Entries(found, yes, !yes), Say::Data(bytes.clone()), Say::Hole(3), Say::End(yes), Say::Done,
            Say::Failed("why".to_owned()),
        ];
        said.extend(first.into_iter().flat_map(|entry| [Say::Whole(entry.clone(), bytes.clone(), yes), Say::Opened(entry)]));
        said.iter().for_each(same);
    }

    #[test]
    fn any_bytes_are_read_within_bounds(tag in 0..14_u8, bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        drive(&bytes);
        let body = [&[tag], bytes.as_slice()].concat();
        drive(&[&u32::try_from(body.len()).unwrap().to_le_bytes(), body.as_slice()].concat());
    }
}

#[test]
fn what_leads_elsewhere_or_has_no_end_is_no_message() {
    for path in [&b""[..], b"/x", b"x/", b"a//b", b"..", b"a/../b", b".", b"a\0b", &[b'x'; 5000]] {
        let mut bytes = Vec::new();
        send(&mut bytes, &Ask::Open(path.to_vec())).unwrap();
        assert!(receive::<Ask>(&mut bytes.as_slice()).is_err(), "{}", path.escape_ascii());
    }
    assert!(receive::<Ask>(&mut &[255; 100][..]).is_err());
    assert!(receive::<Ask>(&mut &b""[..]).unwrap().is_none());
}
