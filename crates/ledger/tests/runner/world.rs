//! What the tests share: a folder that goes away, entries, and short forms.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use creel_guard::{
    Action, Actor, Answer, Door, Durability, Entry, Facts, HostName, Judgement, Ledger as _, LedgerClosed, Obligations,
    Question, RecordId, Refusal, RuleId, Send, Target, Tenant, Verdict,
};
use creel_ledger::{FileLedger, LogLine, OpenOptions};

/// A folder of its own, removed when the test ends.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("creel-ledger-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The folder of another process's test; whoever takes it must not drop it.
    pub(crate) fn of(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.0.join("ledger")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn tenant() -> Tenant {
    Tenant::parse("default").unwrap()
}

/// Small segments, so that tests see several.
pub(crate) fn small() -> OpenOptions {
    OpenOptions { segment_bytes: 0, ..OpenOptions::default() }
}

pub(crate) fn open(dir: &Path) -> FileLedger {
    FileLedger::open(dir, &tenant(), small()).unwrap()
}

pub(crate) fn entry(path: &str, verdict: Verdict) -> Entry {
    let send = Send {
        scheme: "https".to_owned(),
        method: Some("POST".to_owned()),
        path: path.to_owned(),
        body: Some(9),
        ..Send::connection(Target::Host(HostName::parse("a.test").unwrap()), 443)
    };
    let deed = creel_guard::Deed::Send(send);
    Entry {
        action: Action { tenant: tenant(), actor: Actor::Agent, door: Door::Egress, deed },
        facts: Facts::default(),
        judgement: Judgement {
            verdict,
            rule: RuleId::new("egress/allow-approved"),
            why: "the entry for `a.test` allows it".to_owned(),
            generation: 1,
        },
        answer: None,
        durability: Durability::BeforeRelease,
    }
}

pub(crate) fn allowed(path: &str) -> Entry {
    entry(path, Verdict::Allow(Obligations::default()))
}

pub(crate) fn soon(path: &str) -> Entry {
    Entry { durability: Durability::Soon, ..allowed(path) }
}

pub(crate) fn refused(path: &str) -> Entry {
    let refusal = Refusal::new(RuleId::new("egress/not-approved"), "no (`egress/not-approved`)", "nobody approved it");
    let mut entry = entry(path, Verdict::Deny(refusal));
    entry.judgement.rule = RuleId::new("egress/not-approved");
    entry
}

pub(crate) fn asked(path: &str, yes: bool) -> Entry {
    let question = Question::new("may it?".to_owned(), Obligations::default());
    let mut entry = entry(path, Verdict::Ask(question));
    entry.answer = Some(Answer { yes, rule: RuleId::new("approval/no-one-to-ask"), by: "nobody is there".to_owned() });
    entry
}

/// Records, without a runtime.
pub(crate) fn admit(ledger: &FileLedger, entry: Entry) -> Result<RecordId, LedgerClosed> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(ledger.admitted(entry))
}

pub(crate) fn lines(dir: &Path) -> Vec<LogLine> {
    creel_ledger::read(dir).unwrap().map(|line| line.unwrap()).collect()
}
