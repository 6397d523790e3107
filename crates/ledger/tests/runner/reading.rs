//! What was recorded is read back, while the ledger is written and after.

use std::os::unix::fs::PermissionsExt as _;

use creel_guard::{Ledger as _, Outcome};
use creel_ledger::{Error, FileLedger, Follow, OpenOptions, find, read, verify};

use crate::world::{Scratch, admit, allowed, asked, lines, open, refused, small, soon, tenant};

#[test]
fn a_record_can_be_read_before_admit_returns() {
    let scratch = Scratch::new();
    let ledger = open(&scratch.ledger());
    for number in 1..=20 {
        let entry = if number % 2 == 0 { allowed("/x") } else { soon("/x") };
        let record = admit(&ledger, entry).unwrap();
        assert_eq!(record.0, number);
        let last = lines(&scratch.ledger()).pop().unwrap();
        assert_eq!((last.seq, last.outcome.as_str()), (number, "open"));
    }
}

#[test]
fn each_kind_of_decision_and_end_is_told() {
    let scratch = Scratch::new();
    let ledger = open(&scratch.ledger());
    let done = admit(&ledger, allowed("/done")).unwrap();
    let failed = admit(&ledger, allowed("/failed")).unwrap();
    let abandoned = admit(&ledger, soon("/abandoned")).unwrap();
    admit(&ledger, refused("/refused")).unwrap();
    admit(&ledger, asked("/asked", false)).unwrap();
    admit(&ledger, asked("/answered", true)).unwrap();
    ledger.settled(done, Outcome::Done { sent: 7, received: 9, status: Some(200) });
    ledger.settled(failed, Outcome::failed("x".repeat(5000)));
    ledger.settled(abandoned, Outcome::Abandoned);
    drop(ledger);
    let told: Vec<_> = lines(&scratch.ledger())
        .into_iter()
        .map(|line| (line.seq, line.target, line.verdict, line.rule, line.outcome, line.status))
        .collect();
    let line = |seq, path: &str, verdict: &str, rule: &str, outcome: &str, status| {
        let target = format!("POST https://a.test:443{path}");
        (seq, target, verdict.to_owned(), rule.to_owned(), outcome.to_owned(), status)
    };
    assert_eq!(
        told,
        [
            line(1, "/done", "allow", "egress/allow-approved", "done", Some(200)),
            line(2, "/failed", "allow", "egress/allow-approved", "failed", None),
            line(3, "/abandoned", "allow", "egress/allow-approved", "abandoned", None),
            line(4, "/refused", "deny", "egress/not-approved", "refused", None),
            line(5, "/asked", "ask", "approval/no-one-to-ask", "refused", None),
            line(6, "/answered", "ask", "approval/no-one-to-ask", "open", None),
        ]
    );
    let (stored, ended) = find(&scratch.ledger(), 4).unwrap().unwrap();
    assert_eq!(stored.refusal.unwrap().to_ledger, "nobody approved it");
    assert!(ended.is_none());
    let (stored, ended) = find(&scratch.ledger(), 2).unwrap().unwrap();
    assert_eq!(stored.action, allowed("/failed").action);
    assert!(matches!(ended.unwrap().outcome, Outcome::Failed { why } if why.len() <= 1028));
    assert!(find(&scratch.ledger(), 7).unwrap().is_none());
}

#[test]
fn the_json_line_has_the_promised_fields() {
    let scratch = Scratch::new();
    let ledger = open(&scratch.ledger());
    admit(&ledger, refused("/x")).unwrap();
    let json = serde_json::to_value(&lines(&scratch.ledger())[0]).unwrap();
    for field in ["seq", "id", "time", "tenant", "actor", "door", "deed", "target", "verdict", "rule", "why", "outcome"]
    {
        assert!(json.get(field).is_some(), "{field}");
    }
    let time = json["time"].as_str().unwrap();
    assert!(time.len() == 24 && time.ends_with('Z') && &time[10..11] == "T", "{time}");
    assert!(json["boot_ms"].as_u64().unwrap() > 0);
}

#[test]
fn files_are_for_their_owner_alone() {
    let scratch = Scratch::new();
    let ledger = open(&scratch.ledger());
    admit(&ledger, allowed("/x")).unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&scratch.ledger()), 0o700);
    for file in std::fs::read_dir(scratch.ledger()).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
}

#[test]
fn a_second_writer_and_another_tenant_are_kept_out() {
    let scratch = Scratch::new();
    let ledger = open(&scratch.ledger());
    admit(&ledger, allowed("/x")).unwrap();
    let second = FileLedger::open(&scratch.ledger(), &tenant(), OpenOptions::default());
    assert!(matches!(second, Err(Error::Locked(_))), "{second:?}");
    drop(ledger);
    let other = creel_guard::Tenant::parse("other").unwrap();
    let found = FileLedger::open(&scratch.ledger(), &other, OpenOptions::default());
    assert!(matches!(found, Err(Error::OtherTenant { .. })), "{found:?}");
}

#[test]
fn a_ledger_is_opened_again_and_goes_on() {
    let scratch = Scratch::new();
    for round in 0..3_u64 {
        let ledger = open(&scratch.ledger());
        assert_eq!(ledger.state().records, round * 2);
        admit(&ledger, refused("/x")).unwrap();
        let record = admit(&ledger, soon("/y")).unwrap();
        assert_eq!(record.0, round * 2 + 2);
    }
    // What was never settled has ended with the process that held it, but for the last one: nobody opened it since.
    let outcomes: Vec<_> = lines(&scratch.ledger()).into_iter().map(|line| line.outcome).collect();
    assert_eq!(outcomes, ["refused", "abandoned", "refused", "abandoned", "refused", "open"]);
    assert!(verify(&scratch.ledger()).unwrap().ok);
}

#[test]
fn many_segments_are_one_ledger() {
    let scratch = Scratch::new();
    let ledger = open(&scratch.ledger());
    for number in 0..60 {
        let record = admit(&ledger, allowed(&format!("/{number}/{}", "x".repeat(100_000)))).unwrap();
        ledger.settled(record, Outcome::done());
    }
    let mut follow = Follow::new(&scratch.ledger(), 0).unwrap();
    while !follow.poll().unwrap().is_empty() {}
    drop(ledger);
    let segments: Vec<_> = std::fs::read_dir(scratch.ledger())
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "seg"))
        .collect();
    assert!(segments.len() >= 3, "{segments:?}");
    assert_eq!(lines(&scratch.ledger()).len(), 60);
    let all = verify(&scratch.ledger()).unwrap();
    assert!(all.ok && all.size == 60, "{all:?}");
    for segment in segments {
        let one = verify(&segment).unwrap();
        assert!(one.ok, "{} {one:?}", segment.display());
    }
}

#[test]
fn a_follower_sees_each_act_begin_and_end_once() {
    let scratch = Scratch::new();
    let ledger = open(&scratch.ledger());
    admit(&ledger, refused("/before")).unwrap();
    let mut all = Follow::new(&scratch.ledger(), 0).unwrap();
    let mut later = Follow::new(&scratch.ledger(), 1).unwrap();
    let told = |follow: &mut Follow| -> Vec<String> {
        follow.poll().unwrap().into_iter().map(|line| format!("{} {}", line.seq, line.outcome)).collect()
    };
    assert_eq!(told(&mut all), ["1 refused"]);
    let record = admit(&ledger, allowed("/x")).unwrap();
    assert_eq!(told(&mut all), ["2 open"]);
    assert!(told(&mut all).is_empty());
    ledger.settled(record, Outcome::done());
    admit(&ledger, refused("/z")).unwrap();
    drop(ledger);
    let rest = told(&mut all);
    assert!(rest.contains(&"2 done".to_owned()) && rest.contains(&"3 refused".to_owned()), "{rest:?}");
    assert_eq!(told(&mut later).len(), 3);
}

#[test]
fn a_reader_beside_a_busy_writer_never_sees_damage() {
    let scratch = Scratch::new();
    let ledger = open(&scratch.ledger());
    admit(&ledger, refused("/first")).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for number in 0..300 {
                let path = format!("/{}", "y".repeat(number * 97 % 30_000));
                let record = admit(&ledger, soon(&path)).unwrap();
                ledger.settled(record, Outcome::done());
            }
        });
        let (mut follow, mut seen) = (Follow::new(&scratch.ledger(), 0).unwrap(), 0);
        while !writer.is_finished() {
            seen += follow.poll().unwrap().len();
            assert!(read(&scratch.ledger()).unwrap().all(|line| line.is_ok()));
            let found = verify(&scratch.ledger()).unwrap();
            assert!(found.ok, "{found:?}");
        }
        writer.join().unwrap();
        seen += follow.poll().unwrap().len();
        assert!(seen >= 301, "{seen}");
    });
}

#[test]
fn what_is_too_large_is_refused_and_the_ledger_stays_open() {
    let scratch = Scratch::new();
    let ledger = FileLedger::open(&scratch.ledger(), &tenant(), small()).unwrap();
    let closed = admit(&ledger, allowed(&"x".repeat(1024 * 1024))).unwrap_err();
    assert!(closed.why.contains("bytes"), "{closed}");
    assert_eq!(admit(&ledger, allowed(&"x".repeat(1024 * 1024 - 2048))).unwrap().0, 1);
}

#[test]
fn where_there_is_no_ledger_that_is_said() {
    let scratch = Scratch::new();
    assert!(matches!(read(scratch.path()).map(|_| ()), Err(Error::NoLedger(_))));
    assert!(matches!(verify(scratch.path()), Err(Error::NoLedger(_))));
    assert!(matches!(Follow::new(scratch.path(), 0), Err(Error::NoLedger(_))));
}
