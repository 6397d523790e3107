//! Tests of the store.

use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;

const A: &str = "value-of-a-0123456789";
const B: &str = "value-of-b-0123456789";

fn name(text: &str) -> SecretName {
    SecretName::parse(text).unwrap()
}

fn value(text: &str) -> Secret {
    Secret::given(&name("X"), Zeroizing::new(text.as_bytes().to_vec())).unwrap()
}

fn key() -> StoreKey {
    StoreKey::parse("0f".repeat(32).as_bytes()).unwrap()
}

fn filled() -> Store {
    let mut store = Store::default();
    store.put(&name("A"), value(A), 1_000).unwrap();
    store
}

fn handed(store: &Store, now_ms: u64) -> Keyring {
    let mut ring = Keyring::default();
    store.hand(&name("A"), now_ms, &mut ring).unwrap();
    ring
}

#[test]
fn what_is_sealed_opens_with_its_key_for_its_tenant_alone() {
    let mut store = filled();
    store.see(&name("FILE"), &value(B), 7);
    let sealed = store.seal(&key(), "main").unwrap();
    assert_ne!(sealed, store.seal(&key(), "main").unwrap(), "each sealing has a salt of its own");
    let shown = String::from_utf8_lossy(&sealed).into_owned();
    assert!(!shown.contains("value") && !shown.contains("FILE"), "{shown}");
    let mut again = Store::open(&sealed, &key(), "main").unwrap();
    assert!(handed(&again, 0).has(&name("A"), &value(A)));
    assert_eq!(again.see(&name("FILE"), &value(B), 9), (7, false));
    assert!(matches!(Store::open(&sealed, &key(), "other"), Err(Error::Damaged { .. })));
    let (other, text) = StoreKey::fresh().unwrap();
    let told = Store::open(&sealed, &other, "main").err().unwrap();
    assert!(matches!(told, Error::OtherKey { .. }), "{told}");
    assert!(StoreKey::parse(text.as_bytes()).is_ok());
    for bad in ["", "00", &"0g".repeat(32), &"00".repeat(33)] {
        assert!(matches!(StoreKey::parse(bad.as_bytes()), Err(Error::Key { .. })), "{bad}");
    }
}

#[test]
fn a_byte_that_changed_anywhere_is_noticed() {
    let sealed = filled().seal(&key(), "main").unwrap();
    for at in 0..sealed.len() {
        let mut bad = sealed.clone();
        bad[at] ^= 1;
        assert!(Store::open(&bad, &key(), "main").is_err(), "byte {at}");
        assert!(Store::open(&sealed[..at], &key(), "main").is_err(), "cut at {at}");
    }
    let longer = [sealed.as_slice(), b"x"].concat();
    assert!(Store::open(&longer, &key(), "main").is_err());
}

#[test]
fn a_rotation_keeps_the_old_value_for_a_while() {
    let mut store = filled();
    assert!(matches!(store.put(&name("A"), value(B), 2_000), Err(Error::Stored { .. })));
    assert!(matches!(store.rotate(&name("A"), value(A), 2_000, 500), Err(Error::Same { .. })));
    assert!(matches!(store.rotate(&name("B"), value(A), 2_000, 500), Err(Error::NotStored { .. })));
    store.rotate(&name("A"), value(B), 2_000, 500).unwrap();
    let a = name("A");
    assert_eq!(store.list().collect::<Vec<_>>(), [Kept { name: &a, since_ms: 2_000, until_ms: Some(2_500) }]);
    let store = Store::open(&store.seal(&key(), "main").unwrap(), &key(), "main").unwrap();
    let ring = handed(&store, 2_499);
    assert!(ring.has(&a, &value(B)) && ring.old_of(&a) == 1);
    assert_eq!(handed(&store, 2_500).old_of(&a), 0);
}

#[test]
fn old_values_lapse_are_bounded_and_come_back_as_new_ones() {
    let (mut store, a) = (filled(), name("A"));
    for number in 0..40 {
        store.rotate(&a, value(&format!("value-number-{number}")), 2_000, 500).unwrap();
    }
    assert_eq!(handed(&store, 0).old_of(&a), MOST_OLD);
    store.rotate(&a, value("value-number-38"), 2_000, 500).unwrap();
    assert!(handed(&store, 0).has(&a, &value("value-number-38")));
    store.lapse(2_500);
    assert_eq!(handed(&store, 0).old_of(&a), 0);
    store.remove(&a).unwrap();
    assert!(!store.has(&a) && matches!(store.remove(&a), Err(Error::NotStored { .. })));
}

#[test]
fn a_value_that_is_kept_elsewhere_is_known_again() {
    let (mut store, a) = (Store::default(), name("A"));
    assert_eq!(store.see(&a, &value(A), 5), (5, true));
    assert_eq!(store.see(&a, &value(A), 9), (5, false));
    assert_eq!(store.see(&a, &value(B), 9), (9, true));
    store.see_only(&[]);
    assert_eq!(store.see(&a, &value(B), 11), (11, true));
}

#[test]
fn what_has_another_form_is_refused_and_not_quoted() {
    let good = r#"{"secrets":[{"name":"A","value":"aHVudGVyMg==","since_ms":1,"old":[]}],"seen":[]}"#;
    assert!(text::read(good.as_bytes()).is_ok());
    let entry = r#"{"name":"A","value":"aHVudGVyMg==","since_ms":1,"old":[]}"#;
    for (from, to) in [
        ("\"seen\":[]", "\"seen\":[],\"more\":1"),
        ("aHVudGVyMg==", "aHVudGVyMg"),
        ("aHVudGVyMg==", "aHVudGVyMgo="),
        ("aHVudGVyMg==", ""),
        ("\"A\"", "\"A B\""),
        ("\"since_ms\":1", "\"since_ms\":-1"),
        (entry, &format!("{entry},{entry}")),
    ] {
        let told = text::read(good.replace(from, to).as_bytes()).err().unwrap().to_string();
        assert!(!told.contains("hunter2") && !told.contains("aHVudGVy"), "{told}");
    }
}

proptest! {
    /// Whatever is put in comes back, and nothing of it can be read in the file.
    #[test]
    fn any_store_comes_back(
        entries in proptest::collection::btree_map("[A-Z]{1,8}", proptest::collection::vec("[ -~]{8,60}", 1..4), 0..6),
        seen in proptest::collection::btree_map("[a-z]{1,8}", 0_u64.., 0..4),
    ) {
        let mut store = Store::default();
        for (entry, values) in &entries {
            store.put(&name(entry), value(&values[0]), 1).unwrap();
            for (at, next) in (0_u64..).zip(&values[1..]) {
                let _ = store.rotate(&name(entry), value(next), at, 1_000);
            }
        }
        for (one, since) in &seen {
            store.see(&name(one), &value(A), *since);
        }
        let sealed = store.seal(&key(), "t").unwrap();
        let again = Store::open(&sealed, &key(), "t").unwrap();
        prop_assert_eq!(&*text::write(&store).unwrap(), &*text::write(&again).unwrap());
        prop_assert_eq!(store.list().collect::<Vec<_>>(), again.list().collect::<Vec<_>>());
        for values in entries.values().flatten() {
            prop_assert!(!sealed.windows(values.len()).any(|window| window == values.as_bytes()));
        }
    }

    /// No bytes bring it down, sealed or not.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        crate::fuzzing::store(&bytes);
    }
}
