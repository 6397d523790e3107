use proptest::prelude::*;

use super::*;

fn check(text: &str, expect: Frame) {
    assert_eq!(parse(text).unwrap(), expect, "{text}");
}

fn news(state: State) -> Frame {
    Frame::Chat(Chat { run_id: "r".to_owned(), state })
}

#[test]
fn events_that_matter_are_read() {
    check(r#"{"type":"event","event":"connect.challenge","payload":{"nonce":"n","ts":1}}"#, Frame::Challenge);
    check(r#"{"type":"event","event":"shutdown","payload":{"reason":"stop"}}"#, Frame::Shutdown);
    check(
        r#"{"type":"event","event":"chat","payload":{"runId":"r","state":"delta","deltaText":"ab","message":{}}}"#,
        news(State::Delta("ab".to_owned())),
    );
    check(
        r#"{"type":"event","event":"chat","payload":{"runId":"r","state":"final","message":{"role":"assistant",
           "content":[{"type":"thinking","thinking":"t"},{"type":"text","text":"one"},{"type":"text","text":"two"}]}}}"#,
        news(State::Final(Some("one\ntwo".to_owned()))),
    );
    check(
        r#"{"type":"event","event":"chat","payload":{"runId":"r","state":"final","message":{"content":"plain"}}}"#,
        news(State::Final(Some("plain".to_owned()))),
    );
    check(r#"{"type":"event","event":"chat","payload":{"runId":"r","state":"final"}}"#, news(State::Final(None)));
    check(
        r#"{"type":"event","event":"chat","payload":{"runId":"r","state":"error","errorMessage":"no\u001b[2J"}}"#,
        news(State::Failed("no [2J".to_owned())),
    );
    check(r#"{"type":"event","event":"chat","payload":{"runId":"r","state":"aborted"}}"#, news(State::Aborted));
}

#[test]
fn responses_are_read() {
    let yes = Ok(Accepted { run_id: Some("r".to_owned()) });
    check(
        r#"{"type":"res","id":"2","ok":true,"payload":{"runId":"r","status":"started"}}"#,
        Frame::Response { id: "2".to_owned(), outcome: yes },
    );
    let no = Err(Rejected { code: "NOT_PAIRED".to_owned(), message: "no".to_owned() });
    check(
        r#"{"type":"res","id":"1","ok":false,"error":{"code":"NOT_PAIRED","message":"no","details":{}}}"#,
        Frame::Response { id: "1".to_owned(), outcome: no },
    );
    // A response that says nothing is a No.
    check(r#"{"type":"res","id":"1"}"#, Frame::Response { id: "1".to_owned(), outcome: Err(Rejected::default()) });
}

#[test]
fn what_is_unknown_is_passed_over() {
    for text in [
        r#"{"type":"event","event":"tick","payload":{"ts":1}}"#,
        r#"{"type":"event","event":"chat","payload":7}"#,
        r#"{"type":"event","event":"chat"}"#,
        r#"{"type":"req","id":"1","method":"x"}"#,
        r#"{"type":"res","ok":true}"#,
        r#"{"type":"novel","more":[1,2,3]}"#,
    ] {
        check(text, Frame::Other);
    }
    for content in ["7", "null", "{}", "[1]"] {
        let text = format!(
            r#"{{"type":"event","event":"chat","payload":{{"runId":"r","state":"final","message":{{"content":{content}}}}}}}"#
        );
        check(&text, news(State::Final(Some(String::new()))));
    }
}

#[test]
fn what_is_no_frame_is_an_error() {
    for text in ["", "7", "[]", "{}", "{\"type\":7}", "\u{0}", &"[".repeat(100_000)] {
        assert!(matches!(parse(text), Err(Error::Agent { .. })));
    }
}

#[test]
fn the_token_goes_into_connect_alone() {
    assert!(connect("1", "tok").unwrap().contains("\"token\":\"tok\""));
    assert!(!connect("1", "tok").unwrap().contains("operator.admin"));
    assert!(send("2", "s", "he \"said\"\n", "k").unwrap().contains(r#""message":"he \"said\"\n""#));
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in ".*") {
        let _ = parse(&text);
    }

    #[test]
    fn no_chat_payload_makes_the_reader_panic(
        kind in "event|res|req", event in "chat|shutdown|tick", state in "delta|final|error|.*",
        id in proptest::option::of(".*"), content in "\\PC*", raw in "[\\[\\]{}\",:0-9a-z]*",
    ) {
        let framed = serde_json::json!({ "type": kind, "event": event, "id": id, "ok": true,
            "payload": { "runId": content, "state": state, "deltaText": content, "message": { "content": content } } });
        prop_assert!(parse(&framed.to_string()).is_ok());
        let _ = parse(&format!(r#"{{"type":"event","event":"chat","payload":{raw}}}"#));
    }
}
