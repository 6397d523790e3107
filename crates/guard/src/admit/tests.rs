use std::future::Future;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Waker};

use super::*;
use crate::action::{Actor, Administer, Attempt, Door, Resolve, Tenant};
use crate::record::{Outcome, RecordId};
use crate::slot::Inject;
use crate::traits::{LedgerClosed, NoOneToAsk};
use crate::verdict::Question;

/// Everything the guard needs, each part as the test wants it; notes what happened, in order.
#[derive(Clone)]
struct World(Arc<Inner>);

struct Inner {
    notes: Mutex<Vec<String>>,
    verdict: Of<Verdict>,
    breakers: Of<BreakerState>,
    ledger: Later<Recorded>,
    asker: Later<Answer>,
    timer: Later<()>,
    judged: Mutex<Option<Facts>>,
}

/// Parts that all say yes.
fn parts() -> Inner {
    Inner {
        notes: Mutex::default(),
        verdict: || Verdict::Allow(Obligations::default()),
        breakers: || BreakerState::Closed,
        ledger: || Box::pin(std::future::ready(Ok(RecordId(7)))),
        asker: || panic!("nobody is asked here"),
        timer: NEVER,
        judged: Mutex::default(),
    }
}

impl World {
    fn note(&self, note: impl Into<String>) {
        self.0.notes.lock().unwrap_or_else(PoisonError::into_inner).push(note.into());
    }

    fn notes(&self) -> Vec<String> {
        self.0.notes.lock().unwrap().clone()
    }

    fn guard(&self) -> Guard {
        self.guard_asking(Arc::new(self.clone()))
    }

    fn guard_asking(&self, asker: Arc<dyn Asker>) -> Guard {
        let world = Arc::new(self.clone());
        Guard::new(world.clone(), world.clone(), asker, world.clone(), world, false)
    }

    fn admit(&self) -> Result<Permit, Refusal> {
        finish(self.guard().admit(restart(), Facts::default()))
    }
}

impl From<Inner> for World {
    fn from(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }
}

impl Judge for World {
    fn judge(&self, _action: &Action, facts: &Facts) -> Judgement {
        self.note("judged");
        *self.0.judged.lock().unwrap() = Some(facts.clone());
        let verdict = (self.0.verdict)();
        Judgement { verdict, rule: RuleId::new("test/rule"), why: "because".to_owned(), generation: 3 }
    }
}

impl Ledger for World {
    fn admitted(&self, entry: Entry) -> BoxFuture<'_, Result<RecordId, LedgerClosed>> {
        let word = entry.judgement.verdict.word();
        let answer = entry.answer.map_or(String::new(), |answer| format!(" answered {}", answer.yes));
        self.note(format!("recorded {word} {}{answer} {:?}", entry.judgement.rule, entry.durability));
        (self.0.ledger)()
    }

    fn settled(&self, record: RecordId, outcome: Outcome) {
        self.note(format!("settled {record} {}", outcome.word()));
    }
}

impl Asker for World {
    fn ask<'a>(&'a self, _action: &'a Action, _facts: &'a Facts, _question: &'a Question) -> BoxFuture<'a, Answer> {
        self.note("asked");
        (self.0.asker)()
    }
}

impl Breakers for World {
    fn state(&self, _action: &Action) -> BreakerState {
        (self.0.breakers)()
    }
}

impl Timer for World {
    fn after(&self, _duration: Duration) -> BoxFuture<'static, ()> {
        (self.0.timer)()
    }
}

/// What a part answers, made anew each time.
type Of<T> = fn() -> T;
type Later<T> = Of<BoxFuture<'static, T>>;
type Recorded = Result<RecordId, LedgerClosed>;

const NEVER: Later<()> = || Box::pin(std::future::pending());
const AT_ONCE: Later<()> = || Box::pin(std::future::ready(()));

/// Nothing here waits for anything but what is ready or never comes.
fn finish<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    for _ in 0..100 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
    panic!("it hangs");
}

fn action(deed: Deed) -> Action {
    let actor = Actor::Person { name: "root".to_owned() };
    Action { tenant: Tenant::parse("default").unwrap(), actor, door: Door::Control, deed }
}

fn restart() -> Action {
    action(Deed::Administer(Administer { act: "restart".to_owned(), detail: String::new() }))
}

fn look_up() -> Action {
    action(Deed::Resolve(Resolve { name: "a.test".to_owned(), host: None, kind: "A".to_owned() }))
}

fn ask() -> Verdict {
    let inject = Some(Inject { secret: "KEY".to_owned(), skill: None, slot: None });
    let obligations = Obligations { inject, ..Obligations::default() };
    Verdict::Ask(Question::new("may it?".to_owned(), obligations))
}

fn answer(yes: bool) -> BoxFuture<'static, Answer> {
    Box::pin(std::future::ready(Answer { yes, rule: RuleId::new("approval/by-person"), by: "root".to_owned() }))
}

#[test]
fn the_record_is_there_before_the_permit() {
    let world = World::from(parts());
    let permit = world.admit().unwrap();
    assert_eq!(world.notes(), ["judged", "recorded allow test/rule BeforeRelease"]);
    assert_eq!(permit.record(), RecordId(7));
    let (obligations, receipt) = permit.redeem();
    let Obligations { inject, swaps, scrub: _, max_bytes, deadline_ms } = obligations;
    assert_eq!((inject, swaps, max_bytes, deadline_ms), (None, Vec::new(), None, None));
    receipt.settle(Outcome::done());
    assert_eq!(world.notes().last().unwrap(), "settled 7 done");
    assert_eq!(world.notes().len(), 3);
}

#[test]
fn a_dropped_permit_and_a_dropped_receipt_are_abandoned() {
    let world = World::from(parts());
    drop(world.admit().unwrap());
    assert_eq!(world.notes().last().unwrap(), "settled 7 abandoned");
    let (_, receipt) = world.admit().unwrap().redeem();
    drop(receipt);
    assert_eq!(world.notes().iter().filter(|note| *note == "settled 7 abandoned").count(), 2);
}

#[test]
fn a_refusal_is_recorded_and_carries_its_record() {
    let verdict = || Verdict::Deny(Refusal::new(RuleId::new("test/no"), "no", "no, since"));
    let world = World::from(Inner { verdict, ..parts() });
    let refusal = world.admit().unwrap_err();
    assert_eq!((refusal.rule.as_str(), refusal.record), ("test/no", 7));
    assert_eq!(world.notes(), ["judged", "recorded deny test/rule BeforeRelease"]);
}

#[test]
fn silence_of_the_judge_is_no() {
    let world = World::from(Inner { verdict: || panic!("the policy fails"), ..parts() });
    assert_eq!(world.admit().unwrap_err().rule.as_str(), "guard/judge-failed");
    assert_eq!(world.notes().last().unwrap(), "recorded deny guard/judge-failed BeforeRelease");
}

#[test]
fn silence_of_the_breakers_is_no() {
    let states: [(Of<BreakerState>, &str); 3] = [
        (|| BreakerState::Unknown, "guard/breaker-unknown"),
        (|| BreakerState::Open("spend".to_owned()), "guard/breaker-open"),
        (|| panic!("the breakers fail"), "guard/breaker-unknown"),
    ];
    for (breakers, rule) in states {
        let world = World::from(Inner { breakers, ..parts() });
        assert_eq!(world.admit().unwrap_err().rule.as_str(), rule);
        // The policy is not even asked, and the refusal is recorded.
        assert_eq!(world.notes(), [format!("recorded deny {rule} BeforeRelease")]);
    }
}

#[test]
fn silence_of_the_ledger_is_no() {
    let ledgers: [(Later<Recorded>, Later<()>); 4] = [
        (|| Box::pin(std::future::ready(Err(LedgerClosed { why: "full".to_owned() }))), NEVER),
        (|| Box::pin(std::future::pending()), AT_ONCE),
        (|| Box::pin(std::future::poll_fn(|_| panic!("the ledger fails"))), NEVER),
        (|| panic!("the ledger fails at once"), NEVER),
    ];
    for (ledger, timer) in ledgers {
        let world = World::from(Inner { ledger, timer, ..parts() });
        let refusal = world.admit().unwrap_err();
        assert_eq!((refusal.rule.as_str(), refusal.record), ("guard/ledger-unwritable", 0));
    }
}

#[test]
fn silence_of_the_timer_is_no() {
    let timers: [Later<()>; 2] =
        [|| panic!("the timer fails at once"), || Box::pin(std::future::poll_fn(|_| panic!("the timer fails")))];
    for timer in timers {
        let world = World::from(Inner { timer, ledger: || Box::pin(std::future::pending()), ..parts() });
        assert_eq!(world.admit().unwrap_err().rule.as_str(), "guard/ledger-unwritable");
    }
}

#[test]
fn silence_of_the_person_is_no() {
    let askers: [(Later<Answer>, Later<()>); 3] = [
        (|| Box::pin(std::future::pending()), AT_ONCE),
        (|| Box::pin(std::future::poll_fn(|_| panic!("the asker fails"))), NEVER),
        (|| panic!("the asker fails at once"), NEVER),
    ];
    for (asker, timer) in askers {
        let world = World::from(Inner { verdict: ask, asker, timer, ..parts() });
        let refusal = world.admit().unwrap_err();
        assert_eq!(refusal.rule.as_str(), "approval/silence");
        assert!(world.notes().contains(&"recorded ask test/rule answered false BeforeRelease".to_owned()));
    }
}

#[test]
fn with_no_one_to_ask_the_answer_is_no() {
    let world = World::from(Inner { verdict: ask, ..parts() });
    let refusal = finish(world.guard_asking(Arc::new(NoOneToAsk)).admit(look_up(), Facts::default())).unwrap_err();
    assert_eq!((refusal.rule.as_str(), refusal.record), ("approval/no-one-to-ask", 7));
    // Whatever was asked about is on disk before it is answered, a mere look-up too.
    assert_eq!(world.notes(), ["judged", "recorded ask test/rule answered false BeforeRelease"]);
}

#[test]
fn a_yes_lets_the_act_pass_under_the_questions_obligations() {
    let world = World::from(Inner { verdict: ask, asker: || answer(true), ..parts() });
    let (obligations, receipt) = world.admit().unwrap().redeem();
    assert_eq!(obligations.inject.unwrap().secret, "KEY");
    receipt.settle(Outcome::failed("the upstream is gone"));
    let recorded = "recorded ask test/rule answered true BeforeRelease";
    assert_eq!(world.notes(), ["judged", "asked", recorded, "settled 7 failed"]);
}

#[test]
fn what_the_kernel_refused_is_recorded_and_never_admitted() {
    let world = World::from(parts());
    let attempt = action(Deed::Attempt(Attempt { what: "mount(2) by pid 17 (sh)".to_owned() }));
    let refusal = finish(world.guard().admit(attempt, Facts::default())).unwrap_err();
    assert_eq!(refusal.rule.as_str(), "guard/attempt");
    assert_eq!(world.notes(), ["recorded deny guard/attempt Soon"]);
}

#[test]
fn a_door_cannot_say_how_the_breakers_stand() {
    let world = World::from(Inner { breakers: || BreakerState::Unknown, ..parts() });
    let claimed = Facts { breakers: BreakerState::Closed, ..Facts::default() };
    assert!(finish(world.guard().admit(restart(), claimed)).is_err());
    let world = World::from(parts());
    finish(world.guard().admit(restart(), Facts::default())).unwrap().redeem().1.settle(Outcome::done());
    assert_eq!(world.0.judged.lock().unwrap().as_ref().unwrap().breakers, BreakerState::Closed);
}

#[test]
fn a_mere_read_is_recorded_soon_unless_all_must_be_durable() {
    let world = World::from(parts());
    drop(finish(world.guard().admit(look_up(), Facts::default())));
    assert_eq!(world.notes()[1], "recorded allow test/rule Soon");
    let world = World::from(parts());
    let part = Arc::new(world.clone());
    let guard = Guard::new(part.clone(), part.clone(), part.clone(), part.clone(), part, true);
    drop(finish(guard.admit(look_up(), Facts::default())));
    assert_eq!(world.notes()[1], "recorded allow test/rule BeforeRelease");
}

#[test]
fn whoever_leaves_while_it_is_recorded_gets_no_permit() {
    let ledger: Later<_> = || Box::pin(std::future::pending());
    let world = World::from(Inner { ledger, ..parts() });
    let guard = world.guard();
    let mut future = Box::pin(guard.admit(restart(), Facts::default()));
    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(future);
    // The ledger's own future, dropped with it, says what became of the record.
    assert_eq!(world.notes(), ["judged", "recorded allow test/rule BeforeRelease"]);
}

/// Keeps at once, never, or fails.
struct Keeps(World, Option<Later<Result<(), String>>>);

impl Keeper for Keeps {
    fn keep(&self, _action: &Action, _facts: &Facts) -> Option<BoxFuture<'static, Result<(), String>>> {
        self.0.note("kept");
        self.1.map(|work| work())
    }
}

#[test]
fn what_cant_be_kept_is_refused_and_nobody_is_asked() {
    let ask = || {
        let question = Question::new("?".to_owned(), Obligations::default());
        Verdict::Ask(question)
    };
    let fails: Later<Result<(), String>> = || Box::pin(std::future::ready(Err("no room".to_owned())));
    let panics: Later<Result<(), String>> = || Box::pin(std::future::poll_fn(|_| panic!("the keeper fails")));
    let hangs: Later<Result<(), String>> = || Box::pin(std::future::pending());
    for (keeper, timer) in [(fails, NEVER), (panics, NEVER), (hangs, AT_ONCE)] {
        for verdict in [ask, || Verdict::Allow(Obligations::default())] {
            let world = World::from(Inner {
                verdict,
                timer,
                ledger: || Box::pin(std::future::ready(Ok(RecordId(7)))),
                ..parts()
            });
            let guard = world.guard().with_keeper(Arc::new(Keeps(world.clone(), Some(keeper))));
            let refusal = finish(guard.admit(restart(), Facts::default())).unwrap_err();
            assert_eq!(refusal.rule, RuleId::new("guard/no-snapshot"));
            assert_eq!(world.notes()[..2], ["judged", "kept"]);
            assert!(world.notes()[2].starts_with("recorded deny guard/no-snapshot"), "{:?}", world.notes());
        }
    }
    // what is refused anyway is not kept for, and what needs nothing kept passes
    let refused = || Verdict::Deny(Refusal::new(RuleId::new("test/no"), "no", "no"));
    let world = World::from(Inner { verdict: refused, ..parts() });
    let guard = world.guard().with_keeper(Arc::new(Keeps(world.clone(), Some(fails))));
    assert_eq!(finish(guard.admit(restart(), Facts::default())).unwrap_err().rule, RuleId::new("test/no"));
    assert!(!world.notes().iter().any(|note| note == "kept"));
    let world = World::from(parts());
    let guard = world.guard().with_keeper(Arc::new(Keeps(world.clone(), None)));
    assert!(finish(guard.admit(restart(), Facts::default())).is_ok());
}

#[test]
fn only_a_call_that_could_have_been_refused_speaks_for_a_servers_tool() {
    let of =
        |class| Facts { call: Some(Box::new(crate::CallFacts { class, ..Default::default() })), ..Facts::default() };
    for (class, speaks) in [
        (CallClass::Send, true),
        (CallClass::Write, true),
        (CallClass::Pay, true),
        (CallClass::Read, false),
        (CallClass::Contained, false),
    ] {
        assert_eq!(covers(&of(class)), speaks, "{class:?}");
    }
    assert!(!covers(&Facts::default()));
}
