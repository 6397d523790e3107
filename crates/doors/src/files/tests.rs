//! The door in front of a ledger of the test's own.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use creel_guard::{
    Action, BoxFuture, BreakerState, Breakers, Deed, Entry, Facts, Guard, Judge, Judgement, Ledger, LedgerClosed,
    NoOneToAsk, Obligations, Outcome, Protected, RecordId, Refusal, RuleId, Tenant, Timer, Touch, Verdict,
};

use super::{Counts, Files, Found, Standing, Touched, Versions};
use crate::exec::{Exec, Sight};

/// Undoes what is protected and not accepted.
#[derive(Default)]
struct World {
    entries: Mutex<Vec<Entry>>,
    settled: Mutex<Vec<Outcome>>,
    closed: Mutex<bool>,
    kept: Mutex<BTreeMap<String, Vec<Option<Vec<u8>>>>>,
    undone: Mutex<Vec<String>>,
}

impl Judge for World {
    fn judge(&self, action: &Action, _facts: &Facts) -> Judgement {
        let bad = matches!(&action.deed, Deed::Touch(Touch { protected: Some(Protected { accepted: false, .. }), .. }));
        let rule = RuleId::new(if bad { "files/undo-change" } else { "files/test" });
        let verdict = match bad {
            true => Verdict::Deny(Refusal::new(rule.clone(), "no", "no")),
            false => Verdict::Allow(Obligations::default()),
        };
        Judgement { verdict, rule, why: String::new(), generation: 1 }
    }
}

impl Ledger for World {
    fn admitted(&self, entry: Entry) -> BoxFuture<'_, Result<RecordId, LedgerClosed>> {
        if *self.closed.lock().unwrap() {
            return Box::pin(std::future::ready(Err(LedgerClosed { why: "test".to_owned() })));
        }
        let mut entries = self.entries.lock().unwrap();
        entries.push(entry);
        Box::pin(std::future::ready(Ok(RecordId(entries.len() as u64))))
    }

    fn settled(&self, _record: RecordId, outcome: Outcome) {
        self.settled.lock().unwrap().push(outcome);
    }
}

impl Breakers for World {
    fn state(&self, _action: &Action) -> BreakerState {
        BreakerState::Closed
    }
}

impl Timer for World {
    fn after(&self, _duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

/// The first version of each is the accepted one; `full` is never kept.
impl Versions for World {
    fn look(&self, path: &str, content: Option<&[u8]>) -> Standing {
        let content = content.map(<[u8]>::to_vec);
        let kept = self.kept.lock().unwrap();
        let versions = kept.get(path).map_or(&[][..], Vec::as_slice);
        let same = versions.last() == Some(&content);
        let version = versions.len() as u64 + u64::from(!same);
        let accepted = versions.first().is_none_or(|first| *first == content) && !path.ends_with("full");
        Standing { version: Protected { version, digest: String::new(), accepted }, same }
    }

    fn keep(&self, path: &str, content: Option<&[u8]>, version: &Protected) -> io::Result<()> {
        if path.ends_with("full") {
            return Err(io::Error::other("no room"));
        }
        let mut kept = self.kept.lock().unwrap();
        let versions = kept.entry(path.to_owned()).or_default();
        versions.push(content.map(<[u8]>::to_vec));
        assert_eq!(versions.len() as u64, version.version);
        Ok(())
    }

    fn missing(&self, found: &HashSet<String>) -> Vec<String> {
        self.kept.lock().unwrap().keys().filter(|path| !found.contains(*path)).cloned().collect()
    }

    fn undo(&self, path: &str) {
        self.undone.lock().unwrap().push(path.to_owned());
    }
}

fn begin() -> (Arc<World>, Arc<Exec>, Files) {
    let world = Arc::new(World::default());
    let guard = Guard::new(world.clone(), world.clone(), Arc::new(NoOneToAsk), world.clone(), world.clone(), false);
    let tenant = Tenant::parse("main").unwrap();
    let exec = Arc::new(Exec::new(guard.clone(), tenant.clone()));
    let files = Files::new(guard, tenant, exec.clone(), world.clone());
    (world, exec, files)
}

fn touched(path: &str, counts: Counts) -> Touched {
    Touched { path: path.to_owned(), counts, ..Touched::default() }
}

fn said(world: &World) -> Vec<String> {
    world.entries.lock().unwrap().iter().map(|entry| entry.action.deed.target()).collect()
}

#[tokio::test]
async fn a_record_says_what_was_done_where_and_by_whom() {
    let (world, exec, files) = begin();
    let sight = Sight { pid: 20, parent: 5, program: "/usr/bin/git".to_owned(), ..Sight::default() };
    exec.clone().asked(1, sight).await;
    exec.ended(20, Some(0));
    let one = Counts { written: 1, opened: 2, ..Counts::default() };
    assert!(files.touched(Touched { pid: 20, ..touched("/workspace/a", one) }, None).await);
    let many = Counts { created: 312, written: 300, ..Counts::default() };
    // a copy of the process that started nothing is told by its parent
    let by = Touched { pid: 99, parent: 20, several: true, ..touched("/workspace/src/", many) };
    assert!(files.touched(by, None).await);
    let look = Counts { opened: 3, ..Counts::default() };
    assert!(files.touched(touched("/workspace/SOUL.md", look), None).await);
    let moved = Touched { from: "/workspace/a".to_owned(), ..touched("/workspace/b", Counts { renamed: 1, ..one }) };
    assert!(files.touched(moved, None).await);
    assert!(files.lost().await);
    assert_eq!(
        said(&world)[1..],
        [
            "write /workspace/a",
            "create 312, write 300 /workspace/src/",
            "open 3 /workspace/SOUL.md",
            "write, rename from /workspace/a to /workspace/b",
            "events lost /**"
        ]
    );
    let entries = world.entries.lock().unwrap();
    let who: Vec<_> = entries[1..3]
        .iter()
        .map(|entry| match &entry.action.deed {
            Deed::Touch(touch) => (touch.program.clone(), touch.pid, touch.several, touch.writes, entry.facts.cause),
            other => panic!("{other:?}"),
        })
        .collect();
    let git = "/usr/bin/git".to_owned();
    assert_eq!(who, [(git.clone(), 20, false, true, Some(1)), (git, 99, true, true, Some(1))]);
    assert!(matches!(&entries[3].action.deed, Deed::Touch(touch) if !touch.writes));
}

#[tokio::test]
async fn a_change_that_nobody_accepted_is_kept_and_undone() {
    let (world, _exec, files) = begin();
    let write =
        |found| Touched { found, ..touched("/workspace/AGENTS.md", Counts { written: 1, ..Counts::default() }) };
    assert!(files.touched(write(Found::Here), Some(b"good".to_vec())).await);
    assert!(files.touched(write(Found::Here), Some(b"evil".to_vec())).await);
    assert!(files.touched(write(Found::Here), Some(b"good".to_vec())).await);
    assert!(files.touched(write(Found::Gone), None).await);
    let full = Touched { path: "/workspace/full".to_owned(), ..write(Found::Here) };
    assert!(files.touched(full, Some(b"x".to_vec())).await);
    let long = Touched { path: "/workspace/long".to_owned(), ..write(Found::Unread) };
    assert!(files.touched(long, None).await);
    let agents = "/workspace/AGENTS.md";
    assert_eq!(*world.undone.lock().unwrap(), [agents, agents, "/workspace/full", "/workspace/long"]);
    assert_eq!(world.kept.lock().unwrap()[agents].len(), 4);
}

#[tokio::test]
async fn a_look_over_everything_tells_only_what_nobody_saw_happen() {
    let (world, _exec, files) = begin();
    let found = |path: &str| Touched { found: Found::Here, ..touched(path, Counts::default()) };
    for path in ["/workspace/a", "/workspace/b"] {
        files.touched(found(path), Some(b"1".to_vec())).await;
    }
    let before = said(&world).len();
    files.look_begins();
    assert!(files.touched(found("/workspace/a"), Some(b"1".to_vec())).await);
    assert!(files.look_ends(false).await);
    assert_eq!(said(&world).len(), before);
    files.look_begins();
    assert!(files.touched(found("/workspace/a"), Some(b"1".to_vec())).await);
    assert!(files.look_ends(true).await);
    assert_eq!(said(&world)[before..], ["found deleted /workspace/b"]);
}

#[tokio::test]
async fn what_is_not_on_record_is_not_said_to_be() {
    let (world, _exec, files) = begin();
    *world.closed.lock().unwrap() = true;
    assert!(!files.touched(touched("/workspace/a", Counts { written: 1, ..Counts::default() }), None).await);
    assert!(!files.lost().await);
    let found = || Touched { found: Found::Here, ..touched("/workspace/b", Counts::default()) };
    assert!(!files.touched(found(), Some(b"1".to_vec())).await);
    // nothing was kept without a record, so that the next try is one
    *world.closed.lock().unwrap() = false;
    assert!(files.touched(found(), Some(b"1".to_vec())).await);
    assert_eq!(said(&world), ["found changed /workspace/b"]);
}
