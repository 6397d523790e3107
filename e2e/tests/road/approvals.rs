//! Acts that wait for a person: a Yes lets exactly one through, a No lets none.

use std::sync::PoisonError;
use std::thread;
use std::time::Duration;

use creel_e2e::fresh;
use creel_testkit::{Creel, Ran};
use serde_json::Value;

use super::{ALONE, up};

/// Tells the agent to run `command`, answers the one question that comes of it, and gives back the question and what the
/// agent said.
fn asked(creel: &Creel, command: &str, answer: &str) -> (String, Ran) {
    thread::scope(|scope| {
        let said = scope.spawn(|| creel.run(&["say", &format!("RUN: {command}")]).unwrap());
        let question = loop {
            let listed = creel.run(&["approvals", "--json"]).unwrap();
            assert_eq!(listed.code, 0, "{listed:?}");
            if let Some(line) = listed.out.lines().next() {
                break serde_json::from_str::<Value>(line).unwrap();
            }
            assert!(!said.is_finished(), "nobody was asked: {:?}", said.join());
            thread::sleep(Duration::from_millis(100));
        };
        let text = question["text"].as_str().unwrap().to_owned();
        assert!(text.contains(command), "{text}");
        assert_ne!(creel.run(&["ws", "get", "asked.txt"]).unwrap().code, 0, "it ran before anybody said Yes");
        let answered = creel.run(&[answer, &question["id"].to_string()]).unwrap();
        assert_eq!(answered.code, 0, "{answered:?}");
        (text, said.join().unwrap())
    })
}

#[test]
fn a_command_waits_for_a_persons_yes() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let creel = fresh("approvals").unwrap();
    let text = "[limits]\ndisk = \"1GiB\"\n[tools]\nask = [\"exec\"]\n";
    let config = creel.file("creel.toml", text).unwrap().display().to_string();
    up(&creel, &config);
    assert_eq!(creel.run(&["approvals"]).unwrap().out.trim(), "no question is open");

    let (_, said) = asked(&creel, "echo no >asked.txt", "deny");
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.err.contains("creel approve "), "who waits for the answer hears of the question: {}", said.err);
    assert_ne!(creel.run(&["ws", "get", "asked.txt"]).unwrap().code, 0, "a No is a No");

    let (_, said) = asked(&creel, "echo yes >asked.txt", "approve");
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(creel.run(&["ws", "get", "asked.txt"]).unwrap().out, "yes\n");

    let log = creel.run(&["log", "--json"]).unwrap().out;
    let rules = ["approval/refused", "approval/by-person", "control/allow-person"];
    assert!(rules.iter().all(|rule| log.contains(&format!("\"{rule}\""))), "{log}");
    assert_eq!(creel.run(&["approve", "1"]).unwrap().code, 1, "an answer is worth one act");
    assert_eq!(creel.run(&["down", "--now", "--purge"]).unwrap().code, 0);
}
