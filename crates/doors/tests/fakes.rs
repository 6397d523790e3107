//! What the guard needs of others, played: a judge of a few words, a ledger that remembers.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use creel_guard::{
    Action, BoxFuture, BreakerState, Breakers, Deed, Entry, Facts, Guard, Inject, Judge, Judgement, Ledger,
    LedgerClosed, Needs, NoOneToAsk, Obligations, Outcome, RecordId, Refusal, RuleId, Target, Tenant, Timer, Verdict,
};

/// One record.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) action: Action,
    pub(crate) facts: Facts,
    pub(crate) verdict: &'static str,
    pub(crate) rule: String,
    pub(crate) outcome: Option<Outcome>,
}

/// A ledger that remembers.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) rows: Mutex<Vec<Row>>,
    pub(crate) closed: AtomicBool,
    /// Each record waits for a permit of this, when it is there.
    pub(crate) slow: Option<tokio::sync::Semaphore>,
    pub(crate) changed: tokio::sync::Notify,
}

impl Book {
    pub(crate) fn rows(&self) -> Vec<Row> {
        self.rows.lock().unwrap().clone()
    }

    /// Waits until `good` holds of the rows. Fails after 20 s.
    pub(crate) async fn until(&self, what: &str, good: impl Fn(&[Row]) -> bool) -> Vec<Row> {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                let rows = self.rows();
                if good(&rows) {
                    return rows;
                }
                changed.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait)
            .await
            .unwrap_or_else(|_| panic!("never happened: {what}; the ledger holds {:#?}", self.rows()))
    }

    /// `deny egress/not-approved` and the like, one a row.
    pub(crate) fn story(&self) -> Vec<String> {
        self.rows().iter().map(|row| format!("{} {}", row.verdict, row.rule)).collect()
    }
}

impl Ledger for Book {
    fn admitted(&self, entry: Entry) -> BoxFuture<'_, Result<RecordId, LedgerClosed>> {
        let answer = if self.closed.load(Ordering::SeqCst) {
            Err(LedgerClosed { why: "closed by the test".to_owned() })
        } else {
            let mut rows = self.rows.lock().unwrap();
            rows.push(Row {
                action: entry.action,
                facts: entry.facts,
                verdict: entry.judgement.verdict.word(),
                rule: entry.judgement.rule.to_string(),
                outcome: None,
            });
            Ok(RecordId(rows.len() as u64))
        };
        self.changed.notify_waiters();
        Box::pin(async move {
            if let Some(slow) = &self.slow {
                slow.acquire().await.unwrap().forget();
            }
            answer
        })
    }

    fn settled(&self, record: RecordId, outcome: Outcome) {
        self.rows.lock().unwrap()[record.0 as usize - 1].outcome = Some(outcome);
        self.changed.notify_waiters();
    }
}

/// Rules that are exchanged while a door is open.
#[derive(Debug, Default)]
pub(crate) struct Swap(pub(crate) Mutex<Rules>);

impl Judge for Swap {
    fn judge(&self, action: &Action, facts: &Facts) -> Judgement {
        self.0.lock().unwrap().judge(action, facts)
    }

    fn needs(&self, action: &Action) -> Needs {
        self.0.lock().unwrap().needs(action)
    }
}

/// Allows what is named, refuses flaws and closed addresses.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    /// Host names and literal addresses that may be reached.
    pub(crate) approved: Vec<String>,
    /// Addresses that may never be.
    pub(crate) closed: Vec<IpAddr>,
    /// What every allowed act owes.
    pub(crate) owes: Obligations,
    /// What it wants to know before it judges.
    pub(crate) needs: Needs,
}

impl Rules {
    fn rule(&self, action: &Action, facts: &Facts) -> Result<(), String> {
        let door = action.door;
        if let Some(flaw) = &facts.flaw {
            return Err(format!("{door}/{flaw}"));
        }
        if facts.addresses.iter().any(|address| self.closed.contains(address)) {
            return Err(format!("{door}/closed-range"));
        }
        let to = match &action.deed {
            Deed::Resolve(resolve) => resolve.host.as_ref().map(ToString::to_string),
            Deed::Send(send) => {
                let to = match &send.to {
                    Target::Host(host) => host.to_string(),
                    Target::Address(address) => address.to_string(),
                };
                if facts.addresses.is_empty()
                    && send.method.as_deref() != Some("CONNECT")
                    && self.approved.contains(&to)
                {
                    return Err(format!("{door}/deny-unresolved"));
                }
                Some(to)
            }
            _ => Some("*".to_owned()),
        };
        if to.is_some_and(|to| to == "*" || self.approved.contains(&to)) {
            Ok(())
        } else {
            Err(format!("{door}/not-approved"))
        }
    }
}

impl Judge for Rules {
    fn needs(&self, _action: &Action) -> Needs {
        self.needs.clone()
    }

    fn judge(&self, action: &Action, facts: &Facts) -> Judgement {
        // The fake ids live as long as the test.
        let id = |text: String| RuleId::new(Box::leak(text.into_boxed_str()));
        match self.rule(action, facts) {
            Ok(()) => Judgement {
                // Placeholders are worth their secret where secrets go.
                verdict: Verdict::Allow(Obligations {
                    swaps: if self.owes.scrub { facts.placeholders.clone() } else { self.owes.swaps.clone() },
                    ..self.owes.clone()
                }),
                rule: id(format!("{}/allow", action.door)),
                why: String::new(),
                generation: 1,
            },
            Err(rule) => {
                let rule = id(rule);
                let refusal = Refusal::new(rule.clone(), format!("`{rule}` says no"), "not for the agent");
                Judgement { verdict: Verdict::Deny(refusal), rule, why: String::new(), generation: 1 }
            }
        }
    }
}

/// An obligation to put a secret in.
pub(crate) fn owes_a_secret() -> Obligations {
    Obligations {
        inject: Some(Inject { secret: "token".to_owned(), skill: None, slot: None }),
        ..Obligations::default()
    }
}

struct AllClosed;

impl Breakers for AllClosed {
    fn state(&self, _action: &Action) -> BreakerState {
        BreakerState::Closed
    }
}

struct Clock;

impl Timer for Clock {
    fn after(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A guard over the fakes.
pub(crate) fn guard(rules: Rules, book: &Arc<Book>) -> Guard {
    guard_by(Arc::new(rules), book)
}

/// A guard that judges by `judge`.
pub(crate) fn guard_by(judge: Arc<dyn Judge>, book: &Arc<Book>) -> Guard {
    let ledger: Arc<dyn Ledger> = Arc::clone(book) as Arc<dyn Ledger>;
    Guard::new(judge, ledger, Arc::new(NoOneToAsk), Arc::new(AllClosed), Arc::new(Clock), false)
}

pub(crate) fn tenant() -> Tenant {
    Tenant::parse("main").unwrap()
}
