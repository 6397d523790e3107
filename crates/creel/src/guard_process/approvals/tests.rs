use creel_guard::{Actor, Call, Deed, Door, Obligations, Tenant};

use super::*;

const SOON: Duration = Duration::from_millis(30);

struct Home(PathBuf);

impl Home {
    fn new() -> Self {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let next = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("creel-approvals-{}-{next}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn settings(wait: Duration) -> Settings {
    let minute = Duration::from_secs(60);
    Settings { wait, keep: minute, grant: minute, per_hour: 30, people: Vec::new(), two: Vec::new(), page: None }
}

fn call(arguments: &str) -> Action {
    let deed = Deed::Call(Call { tool: "exec".into(), arguments: arguments.into(), call_id: String::new() });
    Action { tenant: Tenant::parse("default").unwrap(), actor: Actor::Agent, door: Door::Model, deed }
}

fn question() -> Question {
    Question::new("May it?".into(), Obligations::default())
}

async fn asked(approvals: &Approvals, arguments: &str) -> (bool, String) {
    let answer = approvals.ask(&call(arguments), &Facts::default(), &question()).await;
    (answer.yes, answer.rule.to_string())
}

/// The next question that people are told of.
async fn fresh(news: &mut broadcast::Receiver<News>) -> Open {
    match news.recv().await.unwrap() {
        News::Question(open) => *open,
        other => panic!("{other:?}"),
    }
}

fn says(answer: &(bool, String)) -> (bool, &str) {
    (answer.0, &answer.1)
}

#[tokio::test]
async fn a_persons_answer_reaches_the_act_that_waits() {
    for (yes, rule) in [(true, "approval/by-person"), (false, "approval/refused")] {
        let home = Home::new();
        let approvals = Approvals::open(&home.0, settings(Duration::from_secs(60))).unwrap();
        let mut news = approvals.news();
        let holder = Arc::clone(&approvals);
        let waits = tokio::spawn(async move { asked(&holder, "{}").await });
        let open = fresh(&mut news).await;
        assert_eq!((approvals.list(), open.text.as_str()), (vec![open.clone()], "May it?"));
        approvals.answer(open.id, yes, "root").unwrap();
        assert_eq!(says(&waits.await.unwrap()), (yes, rule));
        assert!(approvals.list().is_empty() && approvals.answer(open.id, yes, "root").is_err());
    }
}

#[tokio::test]
async fn of_two_that_wait_for_the_same_one_goes_on() {
    let home = Home::new();
    let approvals = Approvals::open(&home.0, settings(Duration::from_secs(60))).unwrap();
    let mut news = approvals.news();
    let spawn = || {
        let approvals = Arc::clone(&approvals);
        tokio::spawn(async move { asked(&approvals, "{}").await.0 })
    };
    let first = spawn();
    let open = fresh(&mut news).await;
    let second = spawn();
    while approvals.lock().waiting.get(&open.id).is_none_or(|waiting| waiting.len() < 2) {
        tokio::task::yield_now().await;
    }
    approvals.answer(open.id, true, "root").unwrap();
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (true, false));
}

#[tokio::test]
async fn one_answer_is_for_all_acts_that_were_shown_and_for_no_other() {
    let home = Home::new();
    let approvals = Approvals::open(&home.0, settings(Duration::from_secs(60))).unwrap();
    let mut news = approvals.news();
    let spawn = || {
        let approvals = Arc::clone(&approvals);
        tokio::spawn(async move { asked(&approvals, "{}").await.0 })
    };
    let first = [spawn(), spawn(), spawn()];
    let open = fresh(&mut news).await;
    assert_eq!(open.texts().count(), 3);
    let late = spawn();
    while approvals.lock().waiting.get(&open.id).is_none_or(|waiting| waiting.len() < 4) {
        tokio::task::yield_now().await;
    }
    let effect = approvals.answer(open.id, true, "root").unwrap();
    assert!(matches!(effect, Effect::Yes { released: 3, granted: 0, gone: 0, .. }), "{effect:?}");
    for act in first {
        assert!(act.await.unwrap());
    }
    assert!(!late.await.unwrap());
}

#[tokio::test]
async fn the_first_of_two_lets_nothing_pass() {
    let home = Home::new();
    let approvals = Approvals::open(&home.0, settings(Duration::from_secs(60))).unwrap();
    let mut news = approvals.news();
    let holder = Arc::clone(&approvals);
    let waits = tokio::spawn(async move {
        let question = Question { persons: creel_guard::Persons::Two, ..question() };
        holder.ask(&call("{}"), &Facts::default(), &question).await
    });
    let id = fresh(&mut news).await.id;
    assert_eq!(approvals.answer(id, true, "root"), Ok(Effect::Half));
    assert!(approvals.answer(id, true, "root").is_err());
    tokio::time::sleep(SOON).await;
    assert!(!waits.is_finished());
    approvals.answer(id, true, "uid 1001").unwrap();
    let answer = waits.await.unwrap();
    assert_eq!((answer.yes, answer.by.as_str()), (true, "root and uid 1001 answered question 1"));
}

#[tokio::test]
async fn people_are_told_once_that_no_more_is_asked() {
    let home = Home::new();
    let approvals = Approvals::open(&home.0, settings(SOON)).unwrap();
    let mut news = approvals.news();
    for n in 0..5 {
        let answer = asked(&approvals, &format!("{{\"n\":{n}}}")).await;
        assert_eq!(says(&answer), (false, if n < 2 { "approval/waiting" } else { "approval/too-many" }));
    }
    approvals.list();
    let mut told = Vec::new();
    while let Ok(new) = news.try_recv() {
        told.push(new);
    }
    let many: Vec<_> = told.iter().filter(|new| matches!(new, News::TooMany(_))).collect();
    assert_eq!((many.len(), told.len()), (1, 3), "{told:?}");
}

#[tokio::test]
async fn a_question_and_a_late_yes_survive_the_guard_and_the_yes_is_used_once() {
    let home = Home::new();
    let open = || Approvals::open(&home.0, settings(SOON)).unwrap();
    assert_eq!(says(&asked(&open(), "{}").await), (false, "approval/waiting"));
    let again = open();
    let id = again.list()[0].id;
    assert!(matches!(again.answer(id, true, "root"), Ok(Effect::Yes { released: 0, granted: 1, .. })));
    let third = open();
    assert_eq!(says(&asked(&third, "{\"a\":1}").await), (false, "approval/waiting"));
    assert_eq!(says(&asked(&third, "{}").await), (true, "approval/granted-before"));
    assert_eq!(says(&asked(&third, "{}").await), (false, "approval/waiting"));
    assert_eq!(says(&asked(&open(), "{}").await), (false, "approval/waiting"));
}

#[tokio::test]
async fn a_book_that_cant_be_written_is_no() {
    let home = Home::new();
    let approvals = Approvals::open(&home.0, settings(Duration::from_secs(60))).unwrap();
    drop(home);
    assert_eq!(says(&asked(&approvals, "{}").await), (false, "approval/not-kept"));
}

#[tokio::test]
async fn a_book_that_cant_be_read_is_put_aside_and_allows_nothing() {
    for text in ["{\"last\":", "\u{0}", "7"] {
        let home = Home::new();
        std::fs::write(home.0.join(NAME), text).unwrap();
        let approvals = Approvals::open(&home.0, settings(SOON)).unwrap();
        assert_eq!(says(&asked(&approvals, "{}").await), (false, "approval/waiting"));
        assert_eq!(std::fs::read_to_string(home.0.join("approvals.json.unread")).unwrap(), text);
    }
}
