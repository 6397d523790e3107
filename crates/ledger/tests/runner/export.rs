//! What is written out for other tools: every record, in forms that they read.

use creel_guard::{
    Action, Actor, Administer, Attempt, Call, Deed, Door, Entry, Facts, HostName, Ledger as _, Outcome, Prompt,
    Receive, Resolve, Run, Send, Target, Touch,
};
use creel_ledger::{Error, Export, Form, Range, leaf_hash};
use serde_json::Value;

use crate::world::{Scratch, admit, allowed, lines, open, refused, tenant};

fn export(scratch: &Scratch, form: Form, from: Option<&str>, to: Option<&str>) -> Result<String, Error> {
    let mut out = Vec::new();
    let range = Range::parse(from, to).unwrap();
    let count = Export::new(&scratch.ledger(), range)?.write(form, &mut out)?;
    let text = String::from_utf8(out).unwrap();
    let names = usize::from(form == Form::Csv);
    assert_eq!(text.lines().count(), usize::try_from(count).unwrap() + names);
    Ok(text)
}

fn json(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn deeds() -> Vec<(Actor, Door, Deed)> {
    let act = || Administer { act: "restart".to_owned(), detail: "agent".to_owned() };
    let person = Actor::Person { name: "root".to_owned() };
    let prompt = Prompt {
        provider: "scripted".to_owned(),
        format: "openai-completions".to_owned(),
        model: "m".to_owned(),
        bytes: 9,
        digest: "0".repeat(64),
    };
    let call = Call { tool: "exec".to_owned(), arguments: "{}".to_owned(), call_id: "a".to_owned() };
    let name = HostName::parse("a.test").unwrap();
    let resolve = Resolve { name: "a.test".to_owned(), host: Some(name.clone()), kind: "A".to_owned() };
    let run = Run {
        argv: vec!["/usr/bin/env".to_owned(), "true".to_owned()],
        cwd: "/workspace".to_owned(),
        ..Run::default()
    };
    let touch = Touch { how: "write".to_owned(), path: "/workspace/a".to_owned(), writes: true, ..Touch::default() };
    let send = |method: &str| Send {
        scheme: "https".to_owned(),
        method: Some(method.to_owned()),
        path: "/v1/x?y=1".to_owned(),
        ..Send::connection(Target::Host(name.clone()), 443)
    };
    let receive = Receive { source: "say".to_owned(), text: "=1+1\u{1b}[2J\r\n\"hi\"".to_owned() };
    vec![
        (person.clone(), Door::Control, Deed::Administer(act())),
        (person, Door::Control, Deed::Receive(receive)),
        (Actor::Creel, Door::Control, Deed::Administer(act())),
        (Actor::Agent, Door::Model, Deed::Prompt(prompt)),
        (Actor::Agent, Door::Model, Deed::Call(call)),
        (Actor::Agent, Door::Exec, Deed::Attempt(Attempt { what: "mount(2) by pid 17".to_owned() })),
        (Actor::Agent, Door::Exec, Deed::Run(run)),
        (Actor::Agent, Door::Files, Deed::Touch(touch)),
        (Actor::Agent, Door::Dns, Deed::Resolve(resolve)),
        (Actor::Agent, Door::Egress, Deed::Send(send("PATCH"))),
        (Actor::Agent, Door::Egress, Deed::Send(send("BREW"))),
        (Actor::Agent, Door::Egress, Deed::Send(Send::connection(Target::Address("192.0.2.1".parse().unwrap()), 25))),
    ]
}

/// A ledger with every deed, admitted and ended, and refused.
fn filled() -> Scratch {
    let scratch = Scratch::new();
    let ledger = open(&scratch.ledger());
    for (actor, door, deed) in deeds() {
        let action = Action { tenant: tenant(), actor, door, deed };
        let facts = Facts { trace: Some("5".repeat(32)), ..Facts::default() };
        let record = admit(&ledger, Entry { action: action.clone(), facts: facts.clone(), ..allowed("/") }).unwrap();
        ledger.settled(record, Outcome::Done { sent: 7, received: 9, status: Some(200) });
        admit(&ledger, Entry { action, facts, ..refused("/") }).unwrap();
    }
    scratch
}

#[test]
fn every_record_is_written_as_the_log_tells_it_with_the_leaf_that_its_hash_proves() {
    let scratch = filled();
    let told = lines(&scratch.ledger());
    let written = json(&export(&scratch, Form::Jsonl, None, None).unwrap());
    assert_eq!(written.len(), told.len());
    for (written, told) in written.iter().zip(&told) {
        let line: creel_ledger::LogLine = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(line, *told);
        assert_eq!(written["leaf"]["@index"], told.index);
        // The leaves of this test hold ASCII and small numbers alone, so that a plain writer makes the canonical text.
        let leaf = serde_json::to_string(&written["leaf"]).unwrap();
        let hash: String = leaf_hash(leaf.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(written["leaf_hash"], hash);
    }
}

#[test]
fn a_range_of_numbers_or_times_is_written_and_nothing_else() {
    let scratch = filled();
    let seqs = |from, to| -> Vec<u64> {
        json(&export(&scratch, Form::Jsonl, from, to).unwrap()).iter().map(|row| row["seq"].as_u64().unwrap()).collect()
    };
    assert_eq!(seqs(Some("3"), Some("5")), [3, 4, 5]);
    assert_eq!(seqs(Some("creel:record:23"), None), [23, 24]);
    assert_eq!(seqs(Some("1970-01-01"), Some("2")), [1, 2]);
    assert!(seqs(None, Some("1970-01-01")).is_empty());
    assert!(seqs(Some("5"), Some("3")).is_empty());
    let rows = json(&export(&scratch, Form::Jsonl, Some("3"), Some("3")).unwrap());
    assert_eq!((&rows[0]["outcome"], &rows[0]["received"]), (&"done".into(), &9.into()));
}

#[test]
fn each_line_of_the_values_has_every_column_and_no_formula() {
    let scratch = filled();
    let text = export(&scratch, Form::Csv, None, None).unwrap();
    assert!(text.lines().next().unwrap().starts_with("seq,index,time,tenant,"));
    let receive = text.lines().find(|line| line.contains("\"receive\"")).unwrap();
    assert!(receive.contains("\"say: =1+1\\u{1b}[2J\\u{d}\\u{a}\"\"hi\"\"\""), "{receive}");
    for line in text.lines() {
        // Quoted commas aside.
        let bare: String = line.split('"').step_by(2).collect();
        assert_eq!(bare.matches(',').count(), 18, "{line}");
    }
}

/// Every class that is written and what the framework (1.5.0) requires of it beyond what it does of all.
const REQUIRED: [(u64, &[&str]); 8] = [
    (1001, &["actor", "device", "file"]),
    (1003, &["actor", "device", "kernel"]),
    (1007, &["actor", "device", "process"]),
    (4001, &["dst_endpoint"]),
    (4002, &["dst_endpoint", "http_request"]),
    (4003, &["query", "src_endpoint"]),
    (6002, &["app"]),
    (6003, &["actor", "api", "src_endpoint"]),
];

#[test]
fn each_kind_of_record_is_an_event_of_its_class_with_all_that_the_framework_requires() {
    let scratch = filled();
    // A note of the ledger's own: two acts were left open.
    let ledger = open(&scratch.ledger());
    admit(&ledger, allowed("/open")).unwrap();
    drop(ledger);
    let mut events = json(&export(&scratch, Form::Ocsf, None, None).unwrap());
    events.extend(json(&export(&halted(), Form::Ocsf, None, None).unwrap()));
    for event in &events {
        let number = |name: &str| event[name].as_u64().unwrap_or_else(|| panic!("{name} of {event}"));
        let (class, activity) = (number("class_uid"), number("activity_id"));
        assert_eq!(number("type_uid"), class * 100 + activity);
        assert_eq!(number("category_uid"), class / 1000);
        assert!(number("severity_id") >= 1 && event["time"].as_i64().unwrap() > 1_700_000_000_000, "{event}");
        assert_eq!(event["metadata"]["version"], "1.5.0");
        assert_eq!(event["metadata"]["product"]["vendor_name"], "Creel");
        let (_, required) = REQUIRED.iter().find(|(uid, _)| *uid == class).unwrap();
        required.iter().for_each(|name| assert!(event[*name].is_object(), "{name} of {event}"));
        for typed in
            ["file", "kernel", "device"].map(|name| &event[name]).into_iter().filter(|object| object.is_object())
        {
            assert!(typed["name"].is_string() && typed["type_id"].is_u64(), "{event}");
        }
        let refused = event["unmapped"]["outcome"] == "refused";
        assert_eq!((event["action_id"] == 2, event["status_id"] == 2), (refused, refused), "{event}");
    }
    let classes: Vec<(u64, u64)> = events
        .iter()
        .step_by(2)
        .take(12)
        .map(|event| (event["class_uid"].as_u64().unwrap(), event["activity_id"].as_u64().unwrap()))
        .collect();
    let expected = [
        (6003, 99),
        (6003, 1),
        (6003, 99),
        (6003, 1),
        (6003, 99),
        (1003, 4),
        (1007, 1),
        (1001, 3),
        (4003, 1),
        (4002, 9),
        (4002, 99),
        (4001, 1),
    ];
    assert_eq!(classes, expected);
    assert_eq!(events[0]["metadata"]["correlation_uid"], "5".repeat(32));
    assert_eq!(events[0]["traffic"], Value::Null);
    assert_eq!(events[18]["traffic"]["bytes_out"], 7);
    assert_eq!(events.last().unwrap()["class_uid"], 6002);
}

/// A ledger that ends with a note: its last write was cut short.
fn halted() -> Scratch {
    use std::os::unix::fs::FileExt as _;
    let scratch = Scratch::new();
    drop(open(&scratch.ledger()));
    let ledger = open(&scratch.ledger());
    admit(&ledger, allowed("/")).unwrap();
    drop(ledger);
    let segment = scratch.ledger().join("00000001.seg");
    let file = std::fs::OpenOptions::new().write(true).open(&segment).unwrap();
    let end = file.metadata().unwrap().len();
    file.write_all_at(b"CRL2", end).unwrap();
    drop(open(&scratch.ledger()));
    scratch
}

#[test]
fn of_a_damaged_ledger_all_before_the_damage_is_written_and_then_it_is_told() {
    use std::os::unix::fs::FileExt as _;
    let scratch = filled();
    let whole = export(&scratch, Form::Jsonl, None, None).unwrap();
    let segment =
        std::fs::OpenOptions::new().read(true).write(true).open(scratch.ledger().join("00000001.seg")).unwrap();
    let half = segment.metadata().unwrap().len() / 2;
    let mut byte = [0];
    segment.read_exact_at(&mut byte, half).unwrap();
    segment.write_all_at(&[byte[0] ^ 1], half).unwrap();
    let mut out = Vec::new();
    let error = Export::new(&scratch.ledger(), Range::default()).unwrap().write(Form::Jsonl, &mut out).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    let out = String::from_utf8(out).unwrap();
    let rows = json(&out);
    assert!(!rows.is_empty() && rows.len() < whole.lines().count());
    let seqs: Vec<u64> = rows.iter().map(|row| row["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=rows.len() as u64).collect::<Vec<_>>());
}
