use creel_guard::{Deed, Door};

use super::*;
use crate::examples::{answer, parse, policy};

fn refusal(act: &str) -> Refusal {
    let (action, facts) = parse(act).unwrap();
    match policy().unwrap().judge(&action, &facts).verdict {
        Verdict::Deny(refusal) => refusal,
        other => panic!("{act}: {other:?}"),
    }
}

#[test]
fn an_empty_policy_allows_nothing_to_leave() {
    let empty = Policy::new(Config::default());
    for act in ["resolve A a.test", "send GET https://a.test/", "send GET https://10.1.2.3/", "prompt openai gpt-5"] {
        assert!(answer(&empty, act).unwrap().starts_with("deny "), "{act}");
    }
}

#[test]
fn the_same_act_is_refused_at_every_door_but_its_own() {
    let policy = policy().unwrap();
    for act in ["send GET https://a.test/", "resolve A a.test", "call exec {}", "administer down"] {
        let (action, facts) = parse(act).unwrap();
        for door in Door::ALL {
            let allowed = matches!(policy.judge(&Action { door, ..action.clone() }, &facts).verdict, Verdict::Allow(_));
            assert_eq!(allowed, door == action.door, "{act} at {door}");
        }
    }
}

#[test]
fn a_flaw_refuses_whatever_else_would_allow() {
    let policy = policy().unwrap();
    for act in ["send GET https://a.test/", "resolve A a.test", "prompt scripted m", "call exec {}", "administer down"]
    {
        for word in ["sni-mismatch", "unheard-of", ""] {
            let (action, mut facts) = parse(act).unwrap();
            facts.flaw = Some(word.to_owned());
            assert!(matches!(policy.judge(&action, &facts).verdict, Verdict::Deny(_)), "{act} {word}");
        }
    }
}

#[test]
fn the_agents_text_names_the_rule_and_no_address_or_entry() {
    let refusal = refusal("send GET https://a.test/ at 10.11.12.13");
    assert_eq!(
        refusal.to_agent,
        "this destination lies in a closed range; ask your operator to allow it (`egress/deny-closed-range`)"
    );
    assert!(refusal.to_ledger.contains("10.11.12.13") && refusal.to_ledger.contains("RFC 1918"));
}

#[test]
fn the_ledgers_text_holds_the_lines_that_would_allow_it() {
    assert!(
        refusal("send GET https://evil.test:8443/")
            .to_ledger
            .ends_with("add to `creel.toml`:\n[[egress.allow]]\nhost = \"evil.test\"\nports = [8443]")
    );
}

#[test]
fn bytes_of_the_agent_are_escaped_and_bounded_in_texts() {
    let refusal = refusal(&format!("send GET https://api.test/v2/\u{1b}[31m{}", "x".repeat(5000)));
    assert!(!refusal.to_ledger.contains('\u{1b}') && refusal.to_ledger.len() < 700, "{}", refusal.to_ledger);
}

#[test]
fn a_prompt_carries_the_providers_secret_and_no_other() {
    let policy = policy().unwrap();
    for (act, secret) in [("prompt openai gpt-5 at 1.1.1.1", Some("OPENAI_API_KEY")), ("prompt scripted m", None)] {
        let (action, facts) = parse(act).unwrap();
        let Verdict::Allow(obligations) = policy.judge(&action, &facts).verdict else { panic!("{act}") };
        assert_eq!(obligations.inject.map(|inject| inject.secret).as_deref(), secret);
    }
}

#[test]
fn a_request_carries_the_secret_of_its_own_entry_and_no_other() {
    let inject =
        creel_guard::Inject { secret: "CRM_TOKEN".to_owned(), skill: None, slot: Some(creel_guard::Slot::Bearer) };
    let mut config = policy().unwrap().config().clone();
    for (host, path, secret) in [("crm.test", "/v1/**", Some(inject.clone())), ("crm.test", "/public/**", None)] {
        let mut entry = crate::EgressAllow::new(crate::HostPattern::parse(host).unwrap(), vec![443]);
        entry.paths = Some(vec![crate::PathGlob::parse(path).unwrap()]);
        entry.methods = Some(vec!["GET".to_owned()]);
        entry.when.secret = secret;
        config.egress_allow.push(entry);
    }
    let policy = crate::Policy::new(config);
    for (act, owed) in [
        ("send GET https://crm.test/v1/people", Some(&inject)),
        ("send GET https://crm.test/public/x", None),
        ("send GET https://a.test/v1/people", None),
    ] {
        let (action, facts) = parse(act).unwrap();
        let Verdict::Allow(obligations) = policy.judge(&action, &facts).verdict else { panic!("{act}") };
        assert_eq!(obligations.inject.as_ref(), owed, "{act}");
    }
    for act in ["send POST https://crm.test/v1/people", "send GET https://crm.test/v2/people"] {
        let (action, facts) = parse(act).unwrap();
        assert!(matches!(policy.judge(&action, &facts).verdict, Verdict::Deny(_)), "{act}");
    }
}

#[test]
fn the_question_holds_the_whole_call() {
    let (action, facts) = parse(r#"call message {"to":"all","text":"hi"}"#).unwrap();
    let Verdict::Ask(question) = policy().unwrap().judge(&action, &facts).verdict else { panic!() };
    let Deed::Call(call) = action.deed else { panic!() };
    assert!(question.text.contains(&call.tool) && question.text.contains(&call.arguments));
}

#[test]
fn a_condition_of_one_entry_never_leans_on_another() {
    // One entry allows POST below /a, the other GET below /b: POST below /b is in neither.
    let entry = |method: &str, path: &str| crate::EgressAllow {
        methods: Some(vec![method.to_owned()]),
        paths: Some(vec![crate::PathGlob::parse(path).unwrap()]),
        ..crate::EgressAllow::new(crate::HostPattern::parse("a.test").unwrap(), vec![443])
    };
    let config = Config { egress_allow: vec![entry("POST", "/a/**"), entry("GET", "/b/**")], ..Config::default() };
    let policy = Policy::new(config);
    assert_eq!(answer(&policy, "send POST https://a.test/a/x").unwrap(), "allow egress/allow-approved");
    assert_eq!(answer(&policy, "send POST https://a.test/b/x").unwrap(), "deny egress/deny-path");
    // An unencrypted request gains nothing from an entry for TLS alone.
    let plain = crate::EgressAllow { http: true, ..entry("GET", "/c") };
    let policy = Policy::new(Config { egress_allow: vec![entry("POST", "/a/**"), plain], ..Config::default() });
    assert_eq!(answer(&policy, "send POST http://a.test:443/a/x").unwrap(), "deny egress/deny-method");
}

#[test]
fn a_reload_reaches_the_next_decision() {
    let shared = ReloadablePolicy::new(policy().unwrap());
    let (action, facts) = parse("send GET https://a.test/").unwrap();
    assert_eq!(shared.judge(&action, &facts).verdict.word(), "allow");
    shared.replace(Policy::new(Config { generation: 2, ..Config::default() }));
    let judgement = shared.judge(&action, &facts);
    assert_eq!((judgement.verdict.word(), judgement.generation), ("deny", 2));
}

proptest::proptest! {
    #[test]
    fn nothing_but_an_approved_name_is_ever_allowed_out(name in "[a-z0-9.*-]{1,40}", port: u16, path in "\\PC{0,60}") {
        let policy = policy().unwrap();
        if let Ok((mut action, facts)) = parse(&format!("send GET https://{name}:{port}/")) {
            if let Deed::Send(send) = &mut action.deed {
                send.path = path;
            }
            if let Verdict::Allow(_) = policy.judge(&action, &facts).verdict {
                let known = ["a.test", "pinned.test", "api.test", "plain.test"].contains(&name.trim_end_matches('.'));
                proptest::prop_assert!(known || name.contains(".wild.test"), "{name}");
            }
        }
    }
}

/// Every refusal that an example shows: its rule can be looked up, the agent may read it, and a person is told a way.
#[test]
fn every_refusal_names_its_rule_and_tells_a_person_how_to_allow_it() {
    let policy = policy().unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for (act, expected) in crate::docs::rule_docs().flat_map(|doc| doc.examples) {
        let (action, facts) = parse(act).unwrap();
        let Verdict::Deny(refusal) = policy.judge(&action, &facts).verdict else { continue };
        let doc = crate::explain(refusal.rule.as_str()).unwrap_or_else(|| panic!("{expected}: no such rule"));
        assert!(refusal.to_agent.ends_with(&format!("(`{}`)", doc.id)), "{act}: {}", refusal.to_agent);
        let (why, way) = refusal.to_ledger.split_once("; ").unwrap_or_else(|| panic!("{act}: {}", refusal.to_ledger));
        assert!(!why.is_empty() && !way.is_empty() && !doc.how_to_allow.is_empty(), "{act}: {}", refusal.to_ledger);
        for word in ["[[egress", "host =", "address =", "127.0.0.1", "10."] {
            assert!(!refusal.to_agent.contains(word), "{act}: the agent reads {}", refusal.to_agent);
        }
        seen.insert(doc.id);
    }
    assert!(seen.len() > 50, "{seen:?}");
}

#[test]
fn a_rule_that_is_not_asked_would_have_nothing_to_say() {
    let policy = crate::examples::policy().unwrap();
    let mut unasked = 0;
    for doc in crate::docs::rule_docs() {
        for (act, _) in doc.examples {
            let (action, facts) = crate::examples::made(&policy, act).unwrap();
            let unmet = crate::rules::first_unmet(&action, &facts, &policy);
            for rule in crate::rules::over(&action, &facts).in_order {
                let Some(stage) = rule.ends_at else { continue };
                if unmet.is_none_or(|unmet| unmet > stage) {
                    assert!((rule.judge)(&action, &facts, &policy).is_none(), "{}: {act}", rule.doc.id);
                    unasked += 1;
                }
            }
        }
    }
    assert!(unasked > 500, "{unasked}");
}

#[test]
fn an_outer_bound_holds_for_its_time_and_other_entries_go_before_it() {
    let policy = crate::examples::policy().unwrap();
    let (action, mut facts) = crate::examples::made(&policy, "send GET https://x.learn.test/v1 now 5").unwrap();
    assert!(policy.needs(&action).clock, "the door has to say when it is");
    let (other, _) = crate::examples::made(&policy, "send GET https://a.test/").unwrap();
    assert!(!policy.needs(&other).clock, "nobody asks where it says nothing");
    assert_eq!(policy.judge(&action, &facts).rule.as_str(), "egress/allow-learning");
    facts.at = None;
    assert_eq!(policy.judge(&action, &facts).rule.as_str(), "egress/deny-period");
    let mut config = policy.config().clone();
    let mut narrow = config.egress_allow.iter().find(|entry| entry.when.learn_until.is_some()).unwrap().clone();
    narrow.when.learn_until = None;
    config.egress_allow.push(narrow);
    let policy = Policy::new(config);
    for at in [None, Some(5), Some(u64::MAX)] {
        facts.at = at;
        assert_eq!(policy.judge(&action, &facts).rule.as_str(), "egress/allow-approved");
    }
}
