//! Many at once, and some who leave early.

use std::future::Future as _;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use creel_guard::{Ledger as _, Outcome};
use creel_ledger::verify;
use tokio::task::JoinSet;

use crate::world::{Scratch, allowed, lines, open, refused, soon};

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
