use creel_guard::Judge as _;
use proptest::prelude::*;

use super::*;
use crate::examples::{self, made};
use crate::judge::Policy;

fn operator(rules: &str) -> Result<Operator, String> {
    Operator::read(vec![("house.cedar".to_owned(), rules.to_owned())]).map_err(|error| error.to_string())
}

/// The example policy with these rules of the operator's.
fn policy(rules: &str) -> Policy {
    let mut config = examples::policy().unwrap().config().clone();
    config.operator = operator(rules).unwrap();
    Policy::new(config)
}

fn check(policy: &Policy, act: &str, verdict: &str) {
    let judged = examples::judge(policy, act).unwrap();
    assert_eq!(format!("{} {}", judged.verdict.word(), judged.rule), verdict, "{act}: {}", judged.why);
}

#[test]
fn a_forbid_refuses_or_asks_and_says_who_wrote_it() {
    let policy = policy(
        r#"@id("no-uploads") @why("uploads go by the build server")
           forbid(principal, action == Creel::Action::"send", resource in Creel::Host::"wild.test")
           when { context has body && context.body > 1000 };
           @id("quiet") @verdict("ask")
           forbid(principal is Creel::Agent, action == Creel::Action::"send", resource == Creel::Host::"a.test");
           @id("no-curl") forbid(principal, action == Creel::Action::"run", resource)
           when { resource.path like "*/curl" || context.words.contains("curl") };"#,
    );
    check(&policy, "send POST https://x.wild.test/ body 1001", "deny operator/no-uploads");
    check(&policy, "send POST https://x.wild.test/ body 1000", "allow egress/allow-approved");
    check(&policy, "send GET https://a.test/", "ask operator/quiet");
    check(&policy, "run env curl", "deny operator/no-curl");
    check(&policy, "run ls", "allow exec/allow-inside");
    let (action, facts) = made(&policy, "send POST https://x.wild.test/ body 5000").unwrap();
    let judged = policy.judge(&action, &facts);
    assert!(judged.why.contains("house.cedar") && judged.why.contains("build server"), "{judged:?}");
    let Verdict::Deny(refusal) = judged.verdict else { panic!() };
    // the agent learns the name, and nothing of the file
    assert!(refusal.to_agent.contains("operator/no-uploads") && !refusal.to_agent.contains("house.cedar"));
}

/// How many people are asked about an act.
fn persons(policy: &Policy, act: &str) -> Persons {
    match examples::judge(policy, act).unwrap().verdict {
        Verdict::Ask(question) => question.persons,
        other => panic!("{act}: {other:?}"),
    }
}

#[test]
fn two_people_are_asked_where_a_rule_or_the_configuration_says_so() {
    let rules = r#"@id("b") @verdict("ask") @persons("two")
           forbid(principal, action in [Creel::Action::"send", Creel::Action::"call"], resource);
           @id("a") @verdict("ask") forbid(principal, action == Creel::Action::"send", resource);"#;
    let by_rule = policy(rules);
    check(&by_rule, "send GET https://a.test/", "ask operator/b");
    assert_eq!(persons(&by_rule, "send GET https://a.test/"), Persons::Two);
    // a shipped rule asks first, and as many
    check(&by_rule, "call message {}", "ask model/ask-tool");
    assert_eq!(persons(&by_rule, "call message {}"), Persons::Two);
    let mut config = examples::policy().unwrap().config().clone();
    config.two_persons = vec!["exec/ask-command".to_owned()];
    let by_id = Policy::new(config);
    assert_eq!(persons(&by_id, "run npm publish"), Persons::Two);
    assert_eq!(persons(&by_id, "call message {}"), Persons::One);
}

#[test]
fn a_permit_lifts_a_question_and_never_a_refusal() {
    let everything = policy(r#"@id("anything") permit(principal, action, resource);"#);
    check(&everything, "send POST https://ask.test/ body 2", "allow operator/anything");
    check(&everything, "call message {}", "allow operator/anything");
    check(&everything, "send GET https://evil.test/", "deny egress/not-approved");
    check(&everything, "send GET https://a.test/ at 10.0.0.1", "deny egress/deny-closed-range");
    check(&everything, "call gateway {}", "deny model/deny-tool");
    check(&everything, "run nc -l", "deny exec/deny-command");
    // what nobody asked about stays with the rule that allowed it
    check(&everything, "send GET https://a.test/", "allow egress/allow-approved");
    // and a forbid goes before it
    let both = policy(
        r#"@id("anything") permit(principal, action, resource);
           @id("never") forbid(principal, action == Creel::Action::"call", resource == Creel::Tool::"message");"#,
    );
    check(&both, "call message {}", "deny operator/never");
}

#[test]
fn a_permit_for_one_recipient_is_for_no_other() {
    let policy = policy(
        r#"@id("weekly-report") permit(principal, action == Creel::Action::"call", resource == Creel::Tool::"send_email")
           when { ["anna@corp.test"].containsAll(context.destinations) && !context.steered };"#,
    );
    let call = |to: &[&str], steered: bool| {
        let arguments: Vec<String> = to
            .iter()
            .map(|to| format!(r#"{{"name":"to","kind":"destination","value":"{to}","origin":"prose"}}"#))
            .collect();
        format!(
            r#"call send_email {{}} knows {{"class":"send","intent":"ordered","untrusted":true,"steered":{steered},"arguments":[{}]}}"#,
            arguments.join(",")
        )
    };
    check(&policy, &call(&["anna@corp.test"], false), "allow operator/weekly-report");
    check(&policy, &call(&["anna@corp.test"], true), "ask model/ask-source");
    check(&policy, &call(&["anna@corp.test", "eve@evil.test"], false), "ask model/ask-source");
    // a value that was cut may go on
    let long = format!("{}@x", "a".repeat(118));
    let cut = Policy::new({
        let mut config = policy.config().clone();
        config.operator = operator(&format!(
            r#"@id("long") permit(principal, action == Creel::Action::"call", resource)
               when {{ ["{long}"].containsAll(context.destinations) }};"#
        ))
        .unwrap();
        config
    });
    check(&cut, &call(&[long.as_str()], false), "ask model/ask-source");
}

#[test]
fn a_rule_with_a_fault_is_named() {
    let wrong = |rules: &str, words: &[&str]| {
        let error = operator(rules).unwrap_err();
        assert!(words.iter().all(|word| error.contains(word)), "{rules}: {error}");
    };
    wrong("forbid(principal, action, resource);", &["house.cedar", "@id"]);
    wrong(r#"@id("Ä") forbid(principal, action, resource);"#, &["is no name"]);
    wrong(r#"@id("x") forbid(principal, action, resource) when { context.nothing };"#, &["nothing"]);
    wrong(
        r#"@id("x") forbid(principal, action == Creel::Action::"send", resource) when { context.port == "443" };"#,
        &["`x`", "line 1"],
    );
    // it can never match
    wrong(r#"@id("x") forbid(principal, action == Creel::Action::"run", resource is Creel::Host);"#, &["`x`"]);
    wrong(r#"@id("x") forbid(principal, action == Creel::Action::"administer", resource);"#, &["administer"]);
    wrong(r#"@id("x") @verdict("ask") permit(principal, action, resource);"#, &["ask"]);
    wrong(r#"@id("x") @persons("two") forbid(principal, action, resource);"#, &["`x`", "@verdict"]);
    wrong(r#"@id("x") @verdict("ask") @persons("3") forbid(principal, action, resource);"#, &["neither `one` nor"]);
    wrong(r#"@id("x") @priority("1") forbid(principal, action, resource);"#, &["@priority"]);
    wrong(
        r#"@id("x") forbid(principal, action, resource); @id("x") permit(principal, action, resource);"#,
        &["two rules `x`"],
    );
    wrong("\n\nforbid(", &["house.cedar", "line 3"]);
    wrong(r#"@id("x") forbid(principal == ?principal, action, resource);"#, &["template"]);
}

#[test]
fn what_can_not_be_evaluated_refuses() {
    let policy = policy(
        r#"@id("odd") permit(principal, action == Creel::Action::"send", resource)
           when { context.port * 9223372036854775807 > 1 };"#,
    );
    check(&policy, "send GET https://a.test/", "deny operator/failed");
    check(&policy, "run ls", "allow exec/allow-inside");
}

#[test]
fn every_deed_is_told_in_the_words_of_the_schema() {
    // A rule for all of them makes each deed a request; in tests it is held against the schema.
    let policy = policy(r#"@id("all") forbid(principal, action, resource);"#);
    let acts = [
        "send GET https://a.test/x?y=1",
        "send POST https://x.wild.test:8443/ body ?",
        "send GET https://10.1.2.3/ at 10.1.2.3",
        "resolve A a.test",
        "prompt openai gpt-5",
        "call read {\"path\":\"x\"} knows {\"class\":\"read\"}",
        "run ls -l",
    ];
    for act in acts {
        let judged = examples::judge(&policy, act).unwrap();
        let expected = if examples::judge(&examples::policy().unwrap(), act).unwrap().verdict.word() == "deny" {
            None
        } else {
            Some("operator/all")
        };
        assert!(expected.is_none_or(|rule| judged.rule.as_str() == rule), "{act}: {judged:?}");
        assert_ne!(judged.rule.as_str(), "operator/failed", "{act}: {judged:?}");
    }
    // people's acts on Creel are none of theirs
    assert_eq!(examples::judge(&policy, "as person administer down").unwrap().verdict.word(), "allow");
}

proptest! {
    #[test]
    fn no_bytes_of_the_agents_break_a_request(program in ".*", words in prop::collection::vec(".*", 0..6)) {
        let policy = policy(r#"@id("git") forbid(principal, action == Creel::Action::"run", resource)
                               when { context.command like "git push*" };"#);
        let (mut action, facts) = made(&policy, "run ls").unwrap();
        if let creel_guard::Deed::Run(run) = &mut action.deed {
            run.program = program;
            run.argv = words;
        }
        let refused = match &action.deed {
            creel_guard::Deed::Run(run) => run.argv.join(" ").starts_with("git push"),
            _ => false,
        };
        let judged = policy.config().operator.judge(&action, &facts, Judgement {
            verdict: Verdict::Allow(creel_guard::Obligations::default()),
            rule: RuleId::new("exec/allow-inside"),
            why: String::new(),
            generation: 1,
        });
        prop_assert_eq!(judged.verdict.word(), if refused { "deny" } else { "allow" });
    }
}

/// Rules whose heads name things in every way that there is.
const HEADS: [&str; 10] = [
    r#"forbid(principal, action, resource) when { context has body && context.body > 1000 };"#,
    r#"forbid(principal, action == Creel::Action::"send", resource == Creel::Host::"a.test");"#,
    r#"@verdict("ask") forbid(principal, action == Creel::Action::"send", resource in Creel::Host::"wild.test");"#,
    r#"forbid(principal, action == Creel::Action::"send", resource is Creel::Host in Creel::Host::"x.wild.test");"#,
    r#"@verdict("ask") forbid(principal, action, resource is Creel::Program);"#,
    r#"forbid(principal is Creel::Agent, action == Creel::Action::"run", resource == Creel::Program::"ls");"#,
    r#"permit(principal, action == Creel::Action::"send", resource in Creel::Host::"test");"#,
    r#"permit(principal, action, resource);"#,
    r#"@verdict("ask") forbid(principal, action == Creel::Action::"resolve", resource == Creel::Host::"a.test");"#,
    r#"permit(principal, action in [Creel::Action::"run", Creel::Action::"send"], resource is Creel::Host);"#,
];
const ACTS: [&str; 6] = [
    "send POST https://x.wild.test/ body 1001",
    "send GET https://x.wild.test/",
    "send GET https://y.x.wild.test/",
    "send GET https://a.test/",
    "run ls",
    "run env curl",
];

proptest! {
    /// What all rules together say by Cedar's own reading is what the ones that the index hands out say.
    #[test]
    fn the_index_holds_back_no_rule_that_speaks(picked in proptest::collection::vec(any::<bool>(), HEADS.len()), act in 0..ACTS.len()) {
        let picked = HEADS.iter().zip(&picked).enumerate().filter(|(_, (_, picked))| **picked);
        let rules: String = picked.map(|(at, (rule, _))| format!("@id(\"r{at}\") {rule}\n")).collect();
        let (without, with) = (policy(""), policy(&rules));
        let (action, facts) = made(&with, ACTS[act]).unwrap();
        let shipped = without.judge(&action, &facts).verdict.word();
        let asked = request::of(&action, &facts).unwrap().unwrap();
        let whole: PolicySet = rules.parse().unwrap();
        let answer = Authorizer::new().is_authorized(&asked.request, &whole, &asked.entities);
        let spoke: Vec<_> = answer.diagnostics().reason().map(|id| whole.policy(id).unwrap()).collect();
        let asks = spoke.iter().all(|rule| rule.annotation("verdict") == Some("ask"));
        let expected = match (shipped, answer.decision()) {
            ("deny", _) => "deny",
            ("ask", cedar_policy::Decision::Allow) => "allow",
            (_, cedar_policy::Decision::Deny) if !spoke.is_empty() => if asks { "ask" } else { "deny" },
            (shipped, _) => shipped,
        };
        prop_assert_eq!(with.judge(&action, &facts).verdict.word(), expected, "{}", rules);
    }
}
