use super::*;
use crate::guard_process::Effect;

#[test]
fn a_question_shows_every_act_in_full_and_who_said_yes() {
    let one = render(&Open::about(&["May it?\nReally?"], Persons::One, &[]));
    assert!(
        one.starts_with("question 1 (model call), open until 1970-01-01T00:00:01Z:\n  May it?\n  Really?\n"),
        "{one}"
    );
    assert!(!one.contains("two people"), "{one}");
    let three = render(&Open::about(&["a", "b\u{1b}[2J", "a"], Persons::Two, &["uid 1001"]));
    for part in ["all 3 acts", "\n  1. a\n  2. b", "\n  3. a\n", "two people must say Yes; uid 1001 has\n"] {
        assert!(three.contains(part), "{part}: {three}");
    }
    assert!(!three.contains('\u{1b}'));
    let json = shown(&Open::about(&["a", "b"], Persons::Two, &["root"]));
    assert_eq!((&json["texts"], &json["needed"], &json["yes"]), (&json!(["a", "b"]), &json!(2), &json!(["root"])));
}

#[test]
fn what_a_yes_did_is_said() {
    let yes = |released, granted, gone| Effect::Yes { released, granted, gone, until_ms: 1000 }.told(7);
    assert!(yes(1, 0, 0).ends_with("the act that waited goes on"));
    assert!(yes(0, 1, 0).contains("once until 1970-01-01T00:00:01Z"));
    assert!(yes(2, 1, 0).contains("go on: 2;"));
    assert!(Effect::Half.told(7).contains("another person's"));
}
