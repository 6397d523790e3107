//! The door in front of a ledger of the test's own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use creel_guard::{
    Action, BoxFuture, BreakerState, Breakers, Call, Deed, Door, Entry, Facts, Guard, Judge, Judgement, Ledger,
    LedgerClosed, NoOneToAsk, Obligations, Outcome, RecordId, Refusal, RuleId, Tenant, Timer, Verdict,
};

use super::{Answer, Exec, Sight};

/// Refuses `nc`, puts an obligation on `odd`, and lets all else pass.
#[derive(Default)]
struct World {
    entries: Mutex<Vec<Entry>>,
    settled: Mutex<Vec<(u64, Outcome)>>,
}

impl Judge for World {
    fn judge(&self, action: &Action, facts: &Facts) -> Judgement {
        let first = match &action.deed {
            Deed::Run(run) => run.argv.first().map_or("", String::as_str),
            _ => "",
        };
        let rule = RuleId::new("exec/test");
        let verdict = match first {
            "nc" => Verdict::Deny(Refusal::new(rule.clone(), "no", "no")),
            _ if facts.flaw.is_some() => Verdict::Deny(Refusal::new(rule.clone(), "no", "no")),
            "odd" => Verdict::Allow(Obligations { max_bytes: Some(1), ..Obligations::default() }),
            _ => Verdict::Allow(Obligations::default()),
        };
        Judgement { verdict, rule, why: String::new(), generation: 1 }
    }
}

impl Ledger for World {
    fn admitted(&self, entry: Entry) -> BoxFuture<'_, Result<RecordId, LedgerClosed>> {
        let mut entries = self.entries.lock().unwrap();
        entries.push(entry);
        Box::pin(std::future::ready(Ok(RecordId(entries.len() as u64))))
    }

    fn settled(&self, record: RecordId, outcome: Outcome) {
        self.settled.lock().unwrap().push((record.0, outcome));
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

fn begin() -> (Arc<World>, Guard, Arc<Exec>) {
    let world = Arc::new(World::default());
    let guard = Guard::new(world.clone(), world.clone(), Arc::new(NoOneToAsk), world.clone(), world.clone(), false);
    let door = Arc::new(Exec::new(guard.clone(), Tenant::parse("main").unwrap()));
    (world, guard, door)
}

fn sight(pid: i32, parent: i32, argv: &[&str]) -> Sight {
    let argv = argv.iter().map(ToString::to_string).collect();
    Sight { pid, parent, program: "/usr/bin/x".to_owned(), argv, cwd: "/workspace".to_owned(), ..Sight::default() }
}

fn facts(world: &World, record: u64) -> Facts {
    world.entries.lock().unwrap()[usize::try_from(record).unwrap() - 1].facts.clone()
}

#[tokio::test]
async fn a_program_runs_when_it_is_recorded_and_its_end_settles_it() {
    let (world, _guard, door) = begin();
    let run = |id, record| Answer::Run { id, record, trace: None };
    assert_eq!(door.clone().asked(7, sight(10, 1, &["sh"])).await, run(7, 1));
    assert_eq!(door.clone().asked(8, sight(11, 10, &["nc", "-l"])).await, Answer::Refuse { id: 8 });
    assert_eq!(door.clone().asked(9, sight(11, 10, &["odd"])).await, Answer::Refuse { id: 9 });
    let changed = Sight { changed: true, ..sight(11, 10, &["ls"]) };
    assert_eq!(door.clone().asked(10, changed).await, Answer::Refuse { id: 10 });
    assert_eq!(facts(&world, 4).flaw.as_deref(), Some("argv-changed"));
    // the same process runs another program
    assert_eq!(door.clone().asked(11, sight(10, 1, &["ls"])).await, run(11, 5));
    door.ended(10, Some(3));
    door.ended(10, Some(4));
    door.ended(99, None);
    let settled = world.settled.lock().unwrap();
    assert!(matches!(settled[0], (3, Outcome::Failed { .. })), "{settled:?}");
    let ended = Outcome::Done { sent: 0, received: 0, status: Some(3) };
    assert_eq!(settled[1..], [(1, Outcome::done()), (5, ended)]);
}

#[tokio::test]
async fn a_command_comes_from_the_call_that_named_it_and_its_children_from_it() {
    let (world, guard, door) = begin();
    let turn = guard.begin_turn("t1".to_owned());
    let call =
        Call { tool: "exec".to_owned(), arguments: r#"{"command":"make all"}"#.to_owned(), call_id: "c".to_owned() };
    let action = Action {
        tenant: Tenant::parse("main").unwrap(),
        actor: creel_guard::Actor::Agent,
        door: Door::Model,
        deed: Deed::Call(call),
    };
    let permit = guard.admit(action, Facts::default()).await.unwrap();
    drop(permit);
    door.clone().asked(1, sight(20, 5, &["sh", "-c", "make all"])).await;
    door.clone().asked(2, sight(21, 20, &["cc", "x.c"])).await;
    drop(turn);
    // what goes on after the turn still belongs to it
    door.clone().asked(3, sight(22, 21, &["as"])).await;
    door.clone().asked(4, sight(30, 5, &["cron"])).await;
    door.tried("/usr/bin/x", 22, "mount", 3).await;
    let cause = |record| (facts(&world, record).cause, facts(&world, record).trace);
    let t1 = Some("t1".to_owned());
    assert_eq!(cause(2), (Some(1), t1.clone()));
    assert_eq!(cause(3), (Some(2), t1.clone()));
    assert_eq!(cause(4), (Some(3), t1.clone()));
    assert_eq!(cause(5), (None, None));
    assert_eq!(cause(6), (Some(4), t1));
    let what = world.entries.lock().unwrap()[5].action.deed.target();
    assert_eq!(what, "mount(2) by `/usr/bin/x` (pid 22), 3 times");
}

#[tokio::test]
async fn what_runs_behind_the_wall_comes_from_the_launcher_that_stands_for_it() {
    let (world, _guard, door) = begin();
    let launcher = Sight { program: "/creel/launch".to_owned(), ..sight(50, 5, &["make", "all"]) };
    door.clone().asked(1, launcher).await;
    door.clone().asked(2, sight(60, 6, &["make", "all"])).await;
    door.clone().asked(3, sight(61, 6, &["make"])).await;
    door.ended(50, Some(0));
    door.clone().asked(4, sight(62, 6, &["make", "all"])).await;
    let causes: Vec<_> = (2..=4).map(|record| facts(&world, record).cause).collect();
    assert_eq!(causes, [Some(1), None, None]);
}

#[tokio::test]
async fn the_next_guard_knows_what_lives() {
    let (world, _guard, door) = begin();
    door.lives(40, 7, Some("t2".to_owned()));
    door.clone().asked(1, sight(41, 40, &["ls"])).await;
    assert_eq!((facts(&world, 1).cause, facts(&world, 1).trace), (Some(7), Some("t2".to_owned())));
    door.ended(40, Some(0));
    assert!(world.settled.lock().unwrap().is_empty());
}
