use proptest::prelude::*;

use super::*;

const TERMS: Terms = Terms { keep_ms: 1000, grant_ms: 100, per_hour: 100_000 };

fn act(key: &str, origin: &str) -> Act {
    Act {
        key: key.into(),
        alike: key.into(),
        origin: origin.into(),
        // a turn for each origin
        session: origin.into(),
        what: "model call".into(),
        text: format!("May it {key}?"),
        pinned: !key.starts_with('?'),
        persons: Persons::One,
    }
}

fn asks(book: &mut Book, act: &Act, now: u64) -> Asked {
    let asked = book.ask(act, TERMS, now);
    book.shown(now);
    asked
}

/// An answer where these keys are held.
fn says(book: &mut Book, (id, yes): (u64, bool), by: &str, held: &[&str], now: u64) -> Result<Effect, String> {
    let held: Vec<String> = held.iter().map(ToString::to_string).collect();
    book.answer(Said { id, yes, by }, &held, TERMS, now).map(|counted| {
        let released = if let Effect::Yes { released, .. } = counted.effect { released } else { 0 };
        assert_eq!(counted.released.len(), released);
        counted.effect
    })
}

const fn yes(released: usize, granted: usize, gone: usize, until_ms: u64) -> Result<Effect, String> {
    Ok(Effect::Yes { released, granted, gone, until_ms })
}

const NEW: fn(u64) -> Asked = |id| Asked::Waits(id, Entered::New);

#[test]
fn a_yes_to_who_waits_releases_once_and_leaves_nothing() {
    let mut book = Book::default();
    assert_eq!(asks(&mut book, &act("a", "exec"), 0), NEW(1));
    assert_eq!(says(&mut book, (1, true), "root", &["a"], 1), yes(1, 0, 0, 101));
    assert!(says(&mut book, (1, true), "root", &["a"], 1).is_err());
    assert_eq!(asks(&mut book, &act("a", "exec"), 2), NEW(2));
}

#[test]
fn a_late_yes_is_worth_one_identical_act_for_a_while() {
    let mut book = Book::default();
    asks(&mut book, &act("a", "exec"), 0);
    assert_eq!(says(&mut book, (1, true), "root", &[], 500), yes(0, 1, 0, 600));
    assert_eq!(asks(&mut book, &act("b", "exec"), 510), NEW(2));
    assert_eq!(asks(&mut book, &act("a", "exec"), 599), Asked::Granted { id: 1, by: "root".into() });
    assert_eq!(asks(&mut book, &act("a", "exec"), 599), NEW(3));
    says(&mut book, (3, true), "root", &[], 599).unwrap();
    assert_eq!(asks(&mut book, &act("a", "exec"), 699), NEW(4));
}

#[test]
fn a_clock_that_is_put_back_lengthens_nothing() {
    let mut book = Book::default();
    asks(&mut book, &act("a", "exec"), 1000);
    says(&mut book, (1, true), "root", &[], 1000).unwrap();
    assert_eq!(asks(&mut book, &act("a", "exec"), 900), NEW(2));
    assert!(says(&mut book, (2, true), "root", &["a"], 899).is_err());
}

#[test]
fn what_was_not_wholly_seen_passes_only_where_it_waits() {
    let mut book = Book::default();
    asks(&mut book, &act("?", "a.test"), 0);
    assert!(says(&mut book, (1, true), "root", &[], 1).is_err());
    assert_eq!(says(&mut book, (1, true), "root", &["?"], 1), yes(1, 0, 0, 101));
}

#[test]
fn a_no_stands() {
    let mut book = Book::default();
    asks(&mut book, &act("a", "exec"), 0);
    assert_eq!(says(&mut book, (1, false), "root", &["a"], 1), Ok(Effect::Refused));
    let asked = asks(&mut book, &act("a", "exec"), NO_STANDS_MS);
    assert!(matches!(asked, Asked::No { rule: "approval/refused-before", .. }), "{asked:?}");
    assert_eq!(asks(&mut book, &act("a", "exec"), NO_STANDS_MS + 1), NEW(2));
}

#[test]
fn questions_lapse() {
    let mut book = Book::default();
    asks(&mut book, &act("a", "exec"), 0);
    assert_eq!(book.open(999).len(), 1);
    assert!(book.open(1000).is_empty());
    assert!(says(&mut book, (1, true), "root", &["a"], 1000).is_err());
}

#[test]
fn ten_thousand_questions_are_eight() {
    let waits = |asked: &[Asked]| asked.iter().filter(|asked| matches!(asked, Asked::Waits(..))).count();
    let mut book = Book::default();
    let asked: Vec<Asked> =
        (0..10_000).map(|n| asks(&mut book, &act(&n.to_string(), &(n % 100).to_string()), 0)).collect();
    assert_eq!(waits(&asked), 8);
    let mut book = Book::default();
    let asked: Vec<Asked> = (0..10_000).map(|n| asks(&mut book, &act(&n.to_string(), "one"), 0)).collect();
    assert_eq!(waits(&asked), 2);
    assert_eq!(asks(&mut book, &act("0", "one"), 0), Asked::Waits(1, Entered::Again));
}

/// Acts whose consequential part is the same.
fn alike(key: &str) -> Act {
    Act { alike: "to anna".to_owned(), ..act(key, "send_email") }
}

#[test]
fn acts_that_are_alike_and_come_at_once_are_one_question() {
    let mut book = Book::default();
    assert_eq!(book.ask(&alike("a"), TERMS, 0), NEW(1));
    for key in ["b", "?c", "a"] {
        assert_eq!(book.ask(&alike(key), TERMS, 1), Asked::Waits(1, Entered::Joined), "{key}");
    }
    let other = Act { alike: "to ben".to_owned(), ..act("d", "send_email") };
    assert_eq!(book.ask(&other, TERMS, 1), NEW(2));
    // nobody answers what nobody was shown
    assert!(says(&mut book, (1, true), "root", &["a"], 2).unwrap_err().contains("look at it first"));
    let (all, first) = book.shown(2);
    assert_eq!((all.len(), first.len(), all[0].texts().count()), (2, 2, 4));
    assert_eq!(book.shown(2).1, []);
    // what comes after somebody was shown it is another question
    assert_eq!(
        book.ask(&alike("e"), TERMS, 3),
        Asked::No {
            rule: "approval/too-many",
            why: "2 questions about `send_email` are open; at most 2 may be".to_owned(),
            tell: true
        }
    );
    // each as often as it was shown, and nothing else
    assert_eq!(says(&mut book, (1, true), "root", &["a", "b", "e"], 4), yes(2, 1, 1, 104));
    assert_eq!(book.ask(&alike("a"), TERMS, 5), Asked::Granted { id: 1, by: "root".into() });
    assert!(!matches!(book.ask(&alike("a"), TERMS, 5), Asked::Granted { .. }));
    assert!(!matches!(book.ask(&alike("b"), TERMS, 5), Asked::Granted { .. }));
    assert!(!matches!(book.ask(&alike("?c"), TERMS, 5), Asked::Granted { .. }));
}

#[test]
fn a_no_to_several_stands_for_each() {
    let mut book = Book::default();
    for key in ["a", "b"] {
        book.ask(&alike(key), TERMS, 0);
    }
    book.shown(0);
    says(&mut book, (1, false), "root", &["a", "b"], 1).unwrap();
    for key in ["a", "b"] {
        assert!(matches!(book.ask(&alike(key), TERMS, 2), Asked::No { rule: "approval/refused-before", .. }), "{key}");
    }
    assert_eq!(book.ask(&alike("c"), TERMS, 2), NEW(2));
}

#[test]
fn a_question_holds_no_more_acts_than_a_person_reads() {
    let mut book = Book::default();
    let joined = (0..100).filter(|n| book.ask(&alike(&n.to_string()), TERMS, 0) == Asked::Waits(1, Entered::Joined));
    assert_eq!(joined.count(), MOST_TOGETHER - 1);
    let mut book = Book::default();
    let long = |key: &str| Act { text: "x".repeat(LONGEST_TOGETHER / 2), ..alike(key) };
    assert_eq!(book.ask(&long("a"), TERMS, 0), NEW(1));
    assert_eq!(book.ask(&long("b"), TERMS, 0), Asked::Waits(1, Entered::Joined));
    assert_eq!(book.ask(&long("c"), TERMS, 0), NEW(2));
}

#[test]
fn what_is_read_from_disk_takes_no_more_acts() {
    let mut book = Book::default();
    book.ask(&alike("a"), TERMS, 0);
    let mut book: Book = serde_json::from_str(&serde_json::to_string(&book).unwrap()).unwrap();
    assert_eq!(book.ask(&alike("b"), TERMS, 1), NEW(2));
}

#[test]
fn a_book_of_before_is_read() {
    let text = r#"{"last":3,"open":[{"id":3,"what":"model call","text":"?","asked_ms":0,"until_ms":9,"origin":"o","key":"k",
        "pinned":true}],"grants":[],"refused":[]}"#;
    let mut book: Book = serde_json::from_str(text).unwrap();
    assert_eq!(says(&mut book, (3, true), "root", &["k"], 1), yes(1, 0, 0, 101));
}

#[test]
fn two_people_must_say_yes_and_one_no_is_a_no() {
    let both = |key: &str| Act { persons: Persons::Two, ..act(key, "pay") };
    let mut book = Book::default();
    asks(&mut book, &both("a"), 0);
    assert_eq!(says(&mut book, (1, true), "root", &["a"], 1), Ok(Effect::Half));
    assert!(says(&mut book, (1, true), "root", &["a"], 2).unwrap_err().contains("already"));
    let (all, _) = book.shown(2);
    assert_eq!(all[0].yes, ["root"]);
    // the first Yes outlives the guard
    let mut book: Book = serde_json::from_str(&serde_json::to_string(&book).unwrap()).unwrap();
    let counted = book.answer(Said { id: 1, yes: true, by: "uid 7" }, &["a".to_owned()], TERMS, 3).unwrap();
    assert_eq!((counted.by.as_str(), counted.released.len()), ("root and uid 7", 1));
    asks(&mut book, &both("b"), 4);
    assert_eq!(says(&mut book, (2, true), "root", &[], 5), Ok(Effect::Half));
    assert_eq!(says(&mut book, (2, false), "root", &[], 6), Ok(Effect::Refused));
    assert!(matches!(asks(&mut book, &both("b"), 7), Asked::No { rule: "approval/refused-before", .. }));
    // one person's Yes is not one of two for what one is enough for
    assert_ne!(asks(&mut book, &act("b", "other"), 8), NEW(1));
}

#[test]
fn a_turn_that_floods_leaves_room_for_others_and_is_told_once() {
    let of =
        |session: &str, n: usize| Act { session: session.to_owned(), ..act(&format!("{session}{n}"), &n.to_string()) };
    let mut book = Book::default();
    let asked: Vec<Asked> = (0..50).map(|n| asks(&mut book, &of("steered", n), 0)).collect();
    assert_eq!(asked.iter().filter(|asked| matches!(asked, Asked::Waits(..))).count(), limits::MOST_OF_SESSION);
    // of names without end a few are told
    let told = |asked: &[Asked]| asked.iter().filter(|asked| matches!(asked, Asked::No { tell: true, .. })).count();
    assert_eq!(told(&asked), 8);
    assert_eq!(asks(&mut book, &of("other", 0), 0), NEW(5));
}

#[test]
fn so_many_an_hour_and_then_it_is_no_unasked() {
    let terms = Terms { per_hour: 3, ..TERMS };
    let mut book = Book::default();
    let mut said = Vec::new();
    for n in 0..10 {
        // each is answered, so that none is open
        let now = n * 1000;
        said.push(book.ask(&act(&n.to_string(), "exec"), terms, now));
        book.shown(now);
        let _ = says(&mut book, (n + 1, false), "root", &[], now);
    }
    let no = |tell| move |asked: &Asked| matches!(asked, Asked::No { rule: "approval/too-many", tell: told, .. } if *told == tell);
    assert_eq!(said.iter().filter(|asked| matches!(asked, Asked::Waits(..))).count(), 3);
    assert_eq!(
        (said.iter().filter(|one| no(true)(one)).count(), said.iter().filter(|one| no(false)(one)).count()),
        (1, 6)
    );
    assert_eq!(book.ask(&act("x", "message"), terms, 9000), NEW(4));
    assert_eq!(book.ask(&act("x2", "exec"), terms, 3_600_000), NEW(5));
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
        let (mut now, mut acts_of) = (0, std::collections::HashMap::<u64, (u8, usize)>::new());
        let mut worth = std::collections::HashMap::<u8, usize>::new();
        for (pause, step) in steps {
            now += pause;
            match step {
                Step::Ask(key) => match book.ask(&act(&key.to_string(), &key.to_string()), TERMS, now) {
                    Asked::Waits(id, entered) => {
                        if entered != Entered::Again {
                            *acts_of.entry(id).or_insert((key, 0)) = (key, acts_of.get(&id).map_or(0, |(_, n)| *n) + 1);
                        }
                    }
                    Asked::Granted { .. } => {
                        let left = worth.entry(key).or_default();
                        prop_assert!(*left > 0, "{} passed unasked", key);
                        *left -= 1;
                    }
                    Asked::No { .. } => {}
                },
                Step::Answer(id, yes, waits) => {
                    book.shown(now);
                    let held: Vec<String> = acts_of.get(&id).filter(|_| waits).map(|(key, _)| key.to_string()).into_iter().collect();
                    let counted = book.answer(Said { id, yes, by: "p" }, &held, TERMS, now);
                    if let Ok(Counted { effect: Effect::Yes { released, granted, .. }, .. }) = counted {
                        let (key, acts) = acts_of[&id];
                        prop_assert!(yes && released == held.len() && released + granted == acts);
                        *worth.entry(key).or_default() += granted;
                    }
                }
            }
            prop_assert!(book.open(now).len() <= limits::MOST_OPEN);
        }
    }

    #[test]
    fn a_book_comes_back_as_it_was(steps in steps()) {
        let mut book = Book::default();
        for (n, (pause, step)) in steps.into_iter().enumerate() {
            match step {
                Step::Ask(key) => { book.ask(&act(&key.to_string(), "o"), TERMS, pause + n as u64); }
                Step::Answer(id, yes, waits) => {
                    let held = [if waits { id.to_string() } else { String::new() }];
                    book.shown(pause + n as u64);
                    let _ = book.answer(Said { id, yes, by: "p" }, &held, TERMS, pause + n as u64);
                }
            }
        }
        book.shown(0);
        let text = serde_json::to_string(&book).unwrap();
        prop_assert_eq!(serde_json::from_str::<Book>(&text).unwrap(), book);
    }
}
