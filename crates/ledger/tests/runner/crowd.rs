//! Many at once, and some who leave early.

use std::future::Future as _;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use creel_guard::{Ledger as _, Outcome};
use creel_ledger::verify;
use tokio::task::JoinSet;

use crate::world::{Scratch, admit, allowed, lines, open, refused, soon};

#[test]
fn ten_thousand_at_once_are_all_recorded() {
    let scratch = Scratch::new();
    let ledger = Arc::new(open(&scratch.ledger()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    let mut ids: Vec<u64> = runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for number in 0..10_000_u32 {
            let ledger = Arc::clone(&ledger);
            tasks.spawn(async move {
                let entry = if number % 3 == 0 { allowed("/x") } else { soon("/x") };
                let record = ledger.admitted(entry).await.unwrap();
                ledger.settled(record, Outcome::done());
                record.0
            });
        }
        tasks.join_all().await
    });
    ids.sort_unstable();
    assert!(ids.iter().copied().eq(1..=10_000));
    drop(runtime);
    drop(ledger);
    let found = verify(&scratch.ledger()).unwrap();
    assert!(found.ok && found.size == 10_000, "{found:?}");
    assert!(lines(&scratch.ledger()).iter().all(|line| line.outcome == "done"));
}

#[test]
fn what_need_not_be_on_disk_is_written_by_whoever_brings_it() {
    let scratch = Scratch::new();
    let ledger = open(&scratch.ledger());
    // A segment's first record makes the segment, which is the writer's to do.
    let first = admit(&ledger, soon("/first")).unwrap();
    ledger.settled(first, Outcome::done());
    let waker = Waker::noop();
    let mut at_once = 0;
    for number in 0..200_u64 {
        // The writer may hold the pen at this very moment: then the answer comes later.
        let mut future = ledger.admitted(soon("/soon"));
        let answer = match future.as_mut().poll(&mut Context::from_waker(waker)) {
            Poll::Ready(answer) => {
                at_once += 1;
                answer
            }
            Poll::Pending => tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future),
        };
        let record = answer.unwrap();
        assert_eq!(record.0, number + 2);
        // Written, and so it can be read before anything else happens, with the end of the one before.
        let lines = lines(&scratch.ledger());
        let outcomes: Vec<_> = lines.iter().rev().take(2).map(|line| line.outcome.as_str()).collect();
        assert_eq!((lines.len() as u64, outcomes), (record.0, vec!["open", "done"]));
        ledger.settled(record, Outcome::done());
    }
    assert!(at_once > 20, "{at_once}");
    assert_eq!(admit(&ledger, allowed("/durable")).unwrap().0, 202);
    drop(ledger);
    assert!(verify(&scratch.ledger()).unwrap().ok);
}

#[test]
fn what_was_written_by_another_is_on_disk_before_long() {
    let scratch = Scratch::new();
    let ledger = open(&scratch.ledger());
    let synced = || verify(&scratch.ledger()).map(|found| found.size);
    for number in 1..=5 {
        let record = admit(&ledger, soon("/soon")).unwrap();
        // The head names what is on disk, and only a sync writes it; who is idle is woken for that.
        let head = || std::fs::read(scratch.ledger().join("head")).unwrap();
        let (before, mut waited) = (head(), 0);
        while head() == before && waited < 2000 {
            std::thread::sleep(std::time::Duration::from_millis(5));
            waited += 5;
        }
        assert_ne!(head(), before, "record {number} was never synced");
        assert_eq!((record.0, synced().unwrap()), (number, number));
        std::thread::sleep(std::time::Duration::from_millis(60));
    }
}

#[test]
fn whoever_leaves_before_the_answer_leaves_an_abandoned_act() {
    let scratch = Scratch::new();
    let ledger = open(&scratch.ledger());
    for number in 0..200 {
        let entry = if number % 2 == 0 { allowed("/left") } else { refused("/left") };
        let mut future = pin!(ledger.admitted(entry));
        let _ = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }
    // Never polled: nothing was asked for, nothing is recorded.
    drop(ledger.admitted(allowed("/never")));
    drop(ledger);
    let lines = lines(&scratch.ledger());
    assert_eq!(lines.len(), 200);
    for line in lines {
        let expected = if line.verdict == "allow" { "abandoned" } else { "refused" };
        assert_eq!(line.outcome, expected, "{}", line.seq);
    }
}
