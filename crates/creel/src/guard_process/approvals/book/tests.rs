use proptest::prelude::*;

use super::*;

const TERMS: Terms = Terms { keep_ms: 1000, grant_ms: 100 };

fn act(key: &str, origin: &str) -> Act {
    let pinned = !key.starts_with('?');
    Act { key: key.into(), origin: origin.into(), what: "model call".into(), text: format!("May it {key}?"), pinned }
}

#[test]
fn a_yes_to_who_waits_releases_once_and_leaves_nothing() {
    let mut book = Book::default();
    assert_eq!(book.ask(&act("a", "exec"), TERMS, 0), Asked::Waits(1, true));
    assert_eq!(book.answer((1, true), "root", true, TERMS, 1), Ok(Effect::Released));
    assert!(book.answer((1, true), "root", true, TERMS, 1).is_err());
    assert_eq!(book.ask(&act("a", "exec"), TERMS, 2), Asked::Waits(2, true));
}

#[test]
fn a_late_yes_is_worth_one_identical_act_for_a_while() {
    let mut book = Book::default();
    book.ask(&act("a", "exec"), TERMS, 0);
    assert_eq!(book.answer((1, true), "root", false, TERMS, 500), Ok(Effect::Granted(600)));
    assert_eq!(book.ask(&act("b", "exec"), TERMS, 510), Asked::Waits(2, true));
    assert_eq!(book.ask(&act("a", "exec"), TERMS, 599), Asked::Granted { id: 1, by: "root".into() });
    assert_eq!(book.ask(&act("a", "exec"), TERMS, 599), Asked::Waits(3, true));
    book.answer((3, true), "root", false, TERMS, 599).unwrap();
    assert_eq!(book.ask(&act("a", "exec"), TERMS, 699), Asked::Waits(4, true));
}

#[test]
fn a_clock_that_is_put_back_lengthens_nothing() {
    let mut book = Book::default();
    book.ask(&act("a", "exec"), TERMS, 1000);
    book.answer((1, true), "root", false, TERMS, 1000).unwrap();
    assert_eq!(book.ask(&act("a", "exec"), TERMS, 900), Asked::Waits(2, true));
    assert!(book.answer((2, true), "root", true, TERMS, 899).is_err());
}

#[test]
fn what_was_not_wholly_seen_passes_only_where_it_waits() {
    let mut book = Book::default();
    book.ask(&act("?", "a.test"), TERMS, 0);
    assert!(book.answer((1, true), "root", false, TERMS, 1).is_err());
    assert_eq!(book.answer((1, true), "root", true, TERMS, 1), Ok(Effect::Released));
}

#[test]
fn a_no_stands() {
    let mut book = Book::default();
    book.ask(&act("a", "exec"), TERMS, 0);
    assert_eq!(book.answer((1, false), "root", true, TERMS, 1), Ok(Effect::Refused));
    let asked = book.ask(&act("a", "exec"), TERMS, NO_STANDS_MS);
    assert!(matches!(asked, Asked::No { rule: "approval/refused-before", .. }), "{asked:?}");
    assert_eq!(book.ask(&act("a", "exec"), TERMS, NO_STANDS_MS + 1), Asked::Waits(2, true));
}

#[test]
fn questions_lapse() {
    let mut book = Book::default();
    book.ask(&act("a", "exec"), TERMS, 0);
    assert_eq!(book.open(999).len(), 1);
    assert!(book.open(1000).is_empty());
    assert!(book.answer((1, true), "root", true, TERMS, 1000).is_err());
}

#[test]
fn ten_thousand_questions_are_eight() {
    let mut book = Book::default();
    let asked: Vec<Asked> =
        (0..10_000).map(|n| book.ask(&act(&n.to_string(), &(n % 100).to_string()), TERMS, 0)).collect();
    assert_eq!(asked.iter().filter(|asked| matches!(asked, Asked::Waits(..))).count(), 8);
    let mut book = Book::default();
    let asked: Vec<Asked> = (0..10_000).map(|n| book.ask(&act(&n.to_string(), "one"), TERMS, 0)).collect();
    assert_eq!(asked.iter().filter(|asked| matches!(asked, Asked::Waits(..))).count(), 2);
    assert_eq!(book.ask(&act("0", "one"), TERMS, 0), Asked::Waits(1, false));
}

#[derive(Clone, Debug)]
enum Step {
    Ask(u8),
    Answer(u64, bool, bool),
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let step = prop_oneof![
        (0u8..6).prop_map(Step::Ask),
        (0u64..12, any::<bool>(), any::<bool>()).prop_map(|(id, yes, waits)| Step::Answer(id, yes, waits)),
    ];
    proptest::collection::vec((0u64..300, step), 0..80)
}

proptest! {
    /// Every act that passes late was answered Yes by a person, once for each time that it passes.
    #[test]
    fn nothing_passes_more_often_than_it_was_allowed(steps in steps()) {
        let mut book = Book::default();
        let (mut now, mut key_of) = (0, std::collections::HashMap::new());
        let mut worth = std::collections::HashMap::<u8, u32>::new();
        for (pause, step) in steps {
            now += pause;
            match step {
                Step::Ask(key) => match book.ask(&act(&key.to_string(), &key.to_string()), TERMS, now) {
                    Asked::Waits(id, _) => { key_of.insert(id, key); }
                    Asked::Granted { .. } => {
                        let left = worth.entry(key).or_default();
                        prop_assert!(*left > 0, "{} passed unasked", key);
                        *left -= 1;
                    }
                    Asked::No { .. } => {}
                },
                Step::Answer(id, yes, waits) => {
                    if let Ok(Effect::Granted(_)) = book.answer((id, yes), "p", waits, TERMS, now) {
                        prop_assert!(yes && !waits);
                        *worth.entry(key_of[&id]).or_default() += 1;
                    }
                }
            }
            prop_assert!(book.open(now).len() <= MOST_OPEN);
        }
    }

    #[test]
    fn a_book_comes_back_as_it_was(steps in steps()) {
        let mut book = Book::default();
        for (n, (pause, step)) in steps.into_iter().enumerate() {
            match step {
                Step::Ask(key) => { book.ask(&act(&key.to_string(), "o"), TERMS, pause + n as u64); }
                Step::Answer(id, yes, waits) => { let _ = book.answer((id, yes), "p", waits, TERMS, pause + n as u64); }
            }
        }
        let text = serde_json::to_string(&book).unwrap();
        prop_assert_eq!(serde_json::from_str::<Book>(&text).unwrap(), book);
    }
}
