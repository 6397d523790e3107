use creel_guard::{Door, Prompt};

use super::*;

struct Home(PathBuf);

impl Home {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("creel-budget-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A dollar an hour, three a day; a dollar a million tokens.
fn settings() -> config::Budget {
    let price = config::Price { model: "m".to_owned(), input: 1_000_000, output: 1_000_000 };
    config::Budget { per_hour: Some(1_000_000), per_day: Some(3_000_000), warn: 80, prices: vec![price] }
}

fn prompt(actor: Actor) -> Action {
    let deed = Deed::Prompt(Prompt {
        provider: "p".into(),
        format: "f".into(),
        model: "m".into(),
        bytes: 1,
        digest: String::new(),
    });
    Action { tenant: Tenant::parse("main").unwrap(), actor, door: Door::Model, deed }
}

fn used(tokens: u64) -> Used {
    Used { model: "m".to_owned(), input: tokens, cached: 0, output: 0 }
}

fn is_open(budget: &Budget) -> bool {
    matches!(budget.state(&prompt(Actor::Agent)), BreakerState::Open(why) if why.starts_with("budget: "))
}

#[test]
fn what_is_spent_stops_prompts_of_the_agent_and_nothing_else_until_it_is_reset() {
    let home = Home::new("stops");
    let (budget, mut news) = Budget::open(&home.0, settings()).unwrap();
    budget.ends(RecordId(1), Some(&used(500_000)));
    assert!(!is_open(&budget) && news.try_recv().is_err());
    budget.ends(RecordId(2), Some(&used(300_000)));
    assert!(!is_open(&budget) && news.try_recv().unwrap().starts_with("much of"));
    budget.ends(RecordId(3), Some(&used(300_000)));
    let told = news.try_recv().unwrap();
    assert!(told.contains("is spent, no prompt passes: 1.10 USD of 1.00 USD this hour"), "{told}");
    assert!(is_open(&budget) && budget.spent().stopped.is_some());
    assert_eq!(budget.state(&prompt(Actor::Creel)), BreakerState::Closed);
    let look_up = Deed::Touch(creel_guard::Touch::default());
    assert_eq!(budget.state(&Action { deed: look_up, ..prompt(Actor::Agent) }), BreakerState::Closed);
    // the next guard goes on with it
    let (next, _news) = Budget::open(&home.0, settings()).unwrap();
    assert!(is_open(&next));
    next.reset().unwrap();
    assert!(!is_open(&next) && !is_open(&Budget::open(&home.0, settings()).unwrap().0));
    // each line is told once
    budget.ends(RecordId(4), Some(&used(1)));
    assert!(news.try_recv().is_err());
}

#[test]
fn many_at_once_go_no_further_than_the_limit() {
    let home = Home::new("many");
    let (budget, _news) = Budget::open(&home.0, settings()).unwrap();
    let passed = (0..64).take_while(|id| {
        let passes = !is_open(&budget);
        budget.begins(RecordId(*id), &used(100_000));
        passes
    });
    assert_eq!(passed.count(), 10);
    (0..64).for_each(|id| budget.ends(RecordId(id), None));
    assert!(!is_open(&budget) && budget.spent().hour == 0);
}

#[test]
fn sums_that_cant_be_kept_let_no_prompt_pass_where_there_is_a_limit() {
    for (limited, name) in [(true, "gone"), (false, "free")] {
        let home = Home::new(name);
        let settings = if limited { settings() } else { config::Budget::default() };
        let (budget, _news) = Budget::open(&home.0, settings).unwrap();
        std::fs::remove_dir_all(&home.0).unwrap();
        budget.ends(RecordId(1), Some(&used(1)));
        assert_eq!(is_open(&budget), limited);
    }
    let home = Home::new("damaged");
    std::fs::write(home.0.join(NAME), "{").unwrap();
    assert!(Budget::open(&home.0, settings()).is_err());
}
