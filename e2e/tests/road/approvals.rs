//! Acts that wait for a person: a Yes lets exactly one through, a No lets none.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::sync::PoisonError;
use std::thread;
use std::time::Duration;

use creel_e2e::fresh;
use creel_testkit::{Creel, Origin, Ran};
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

/// Users of this host: one may answer, the other may not.
const ANNA: u32 = 40_001;
const BEN: u32 = 40_002;

/// The same as root or as another user.
fn by(creel: &Creel, user: u32, args: &[&str]) -> (i32, String) {
    let ran = creel.command(args).uid(user).gid(user).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    (ran.status.code().unwrap(), text)
}

/// The number of the next question that `is` about something.
fn next(creel: &Creel, is: &str) -> String {
    for _ in 0..600 {
        let listed = creel.run(&["approvals", "--json"]).unwrap().out;
        for line in listed.lines() {
            let question: Value = serde_json::from_str(line).unwrap();
            if question["text"].as_str().unwrap().contains(is) {
                return question["id"].to_string();
            }
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("nobody was asked about {is}")
}

/// A command that takes two: root's Yes is not enough, nor is root's twice, nor anybody's who is not listed.
fn two_people(creel: &Creel) {
    thread::scope(|scope| {
        let said = scope.spawn(|| creel.run(&["say", "RUN: touch two.txt"]).unwrap());
        assert_eq!(creel.run(&["approve", &next(creel, "The model wants")]).unwrap().code, 0);
        let id = next(creel, "A process wants");
        let half = creel.run(&["approve", &id]).unwrap();
        assert!(half.code == 0 && half.out.contains("another person's is needed"), "{half:?}");
        assert_eq!(creel.run(&["approve", &id]).unwrap().code, 1);
        let (code, shown) = by(creel, ANNA, &["approvals"]);
        assert!(code == 0 && shown.contains("two people must say Yes; root has"), "{shown}");
        let (code, told) = by(creel, BEN, &["approve", &id]);
        assert!(code == 1 && told.contains("`[approvals] people`"), "{code} {told}");
        assert_ne!(creel.run(&["ws", "get", "two.txt"]).unwrap().code, 0, "it ran before two said Yes");
        assert_ne!(by(creel, ANNA, &["say", "RUN: id"]).0, 0, "who may answer may do nothing else");
        let (code, told) = by(creel, ANNA, &["approve", &id]);
        assert!(code == 0 && told.contains("goes on"), "{told}");
        assert_eq!(said.join().unwrap().code, 0);
    });
    assert_eq!(creel.run(&["ws", "get", "two.txt"]).unwrap().code, 0);
    let log = creel.run(&["log", "--json"]).unwrap().out;
    assert!(log.contains(&format!("root and uid {ANNA} answered question")), "{log}");
}

/// A question that is answered by the link of its message, which is of no use in the jail.
fn by_a_link(creel: &Creel, chat: &Origin, page: &str) {
    thread::scope(|scope| {
        let said = scope.spawn(|| creel.run(&["say", "RUN: echo linked >linked.txt"]).unwrap());
        let id = next(creel, "linked.txt");
        let wanted = format!("Answer question {id}: http://{page}/q/");
        let link = loop {
            let bodies = chat.asked().into_iter().map(|asked| String::from_utf8_lossy(&asked.body).into_owned());
            let told: Vec<String> = bodies.filter(|body| body.contains(&wanted)).collect();
            if let Some((_, token)) = told.first().and_then(|body| body.split_once(&wanted)) {
                break format!("/q/{}", token.chars().take_while(char::is_ascii_hexdigit).collect::<String>());
            }
            thread::sleep(Duration::from_millis(100));
        };
        assert_eq!(link.len(), "/q/".len() + 64, "{link}");
        for how in ["GET", "HEAD"] {
            assert!(browse(page, &format!("{how} {link} HTTP/1.1\r\nHost: x\r\n\r\n")).starts_with("HTTP/1.1 200"));
        }
        assert!(!said.is_finished());
        let form = "Host: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 10\r\n\r\nanswer=yes";
        let answered = browse(page, &format!("POST {link} HTTP/1.1\r\n{form}"));
        assert!(answered.starts_with("HTTP/1.1 200") && answered.contains("goes on"), "{answered}");
        assert_eq!(said.join().unwrap().code, 0);
        assert!(browse(page, &format!("POST {link} HTTP/1.1\r\n{form}")).starts_with("HTTP/1.1 404"));
    });
    assert_eq!(creel.run(&["ws", "get", "linked.txt"]).unwrap().out, "linked\n");
    // from the jail neither its own loopback nor a proxy of Creel's leads there
    let tries = ["--noproxy '*'", "--proxy http://127.0.0.1:982"]
        .map(|with| format!("curl -sS {with} -m 10 http://{page}/q/x >>tried.txt 2>&1"))
        .join("; ");
    let (_, said) = asked(creel, &tries, "approve");
    assert_eq!(said.code, 0, "{said:?}");
    let tried = creel.run(&["ws", "get", "tried.txt"]).unwrap().out;
    assert!(!tried.is_empty() && !tried.contains("nothing to answer"), "{tried}");
}

/// What a browser on the host gets.
fn browse(at: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_command_waits_for_a_persons_yes() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let creel = fresh("approvals").unwrap();
    let page = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let chat = Origin::http("127.0.0.1:0").unwrap();
    let text = format!(
        "[limits]\ndisk = \"1GiB\"\n[tools]\nask = [\"exec\"]\n[exec]\nask = [\"touch two.txt\"]\n\
         [approvals]\npeople = [{ANNA}]\ntwo = [\"exec/ask-command\"]\n\
         listen = \"{page}\"\n[[alerts]]\nurl = \"http://{}/\"\nevents = [\"question\"]\nanswers_as = {ANNA}\n",
        chat.address()
    );
    let config = creel.file("creel.toml", &text).unwrap().display().to_string();
    up(&creel, &config);
    assert_eq!(creel.run(&["approvals"]).unwrap().out.trim(), "no question is open");

    by_a_link(&creel, &chat, &page.to_string());
    let (_, said) = asked(&creel, "echo no >asked.txt", "deny");
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.err.contains("creel approve "), "who waits for the answer hears of the question: {}", said.err);
    assert_ne!(creel.run(&["ws", "get", "asked.txt"]).unwrap().code, 0, "a No is a No");

    let (_, said) = asked(&creel, "echo yes >asked.txt", "approve");
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(creel.run(&["ws", "get", "asked.txt"]).unwrap().out, "yes\n");

    two_people(&creel);

    let log = creel.run(&["log", "--json"]).unwrap().out;
    let rules = ["approval/refused", "approval/by-person", "control/allow-person"];
    assert!(rules.iter().all(|rule| log.contains(&format!("\"{rule}\""))), "{log}");
    assert_eq!(creel.run(&["approve", "1"]).unwrap().code, 1, "an answer is worth one act");
    assert_eq!(creel.run(&["down", "--now", "--purge"]).unwrap().code, 0);
}
