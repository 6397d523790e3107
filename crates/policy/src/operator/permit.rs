//! A question on record as the rule that lifts it.
//!
//! Owns [`permit`]: what a person answers Yes to each time becomes a rule that can be read, narrowed and deleted. Pure. It
//! gives back no rule that does not lift the very question.

use creel_guard::{
    Action, ArgumentKind, CallClass, Deed, Facts, Judgement, Obligations, Question, RuleId, Target, Verdict,
};

use super::Operator;

/// The rule, as Cedar text: for the same tool and the same recipients (where the act tells somebody something), the same
/// values (of any other tool), the same method and path at the same host, the same command.
///
/// # Errors
/// Says why no rule can be made of it.
pub fn permit(action: &Action, facts: &Facts, id: &str) -> Result<String, String> {
    let (verb, resource, conditions) = match &action.deed {
        Deed::Call(call) => ("call", format!("Creel::Tool::{}", quoted(&call.tool)), of_call(facts)?),
        Deed::Send(send) => {
            let to = match &send.to {
                Target::Host(name) => format!("Creel::Host::{}", quoted(name.as_str())),
                Target::Address(address) => format!("Creel::Address::{}", quoted(&address.to_string())),
            };
            let path = send.path.split_once('?').map_or(send.path.as_str(), |(path, _)| path);
            let method = send.method.as_deref().ok_or("it is no request, so nothing tells it from others")?;
            let method = format!("context has method && context.method == {}", quoted(method));
            (
                "send",
                to,
                vec![format!("context.port == {}", send.port), method, format!("context.path == {}", quoted(path))],
            )
        }
        Deed::Run(run) if run.cut => return Err("its arguments are not on record as a whole".to_owned()),
        Deed::Run(run) => {
            let command = format!("context.command == {} && !context.cut", quoted(&run.argv.join(" ")));
            ("run", format!("Creel::Program::{}", quoted(&run.program)), vec![command])
        }
        deed => return Err(format!("no rule asks about this (`{}`)", deed.verb())),
    };
    let rule = format!(
        "@id({})\npermit(principal is Creel::Agent, action == Creel::Action::\"{verb}\", resource == {resource})\n\
         when {{ {} }};\n",
        quoted(id),
        conditions.join(" && ")
    );
    let operator = Operator::read(vec![("this rule".to_owned(), rule.clone())]).map_err(|error| error.what)?;
    let asked = Judgement {
        verdict: Verdict::Ask(Question::new(String::new(), Obligations::default())),
        rule: RuleId::new("operator/asked"),
        why: String::new(),
        generation: 0,
    };
    match operator.judge(action, facts, asked).verdict {
        Verdict::Allow(_) => Ok(rule),
        Verdict::Ask(_) | Verdict::Deny(_) => Err("the record does not hold enough of it".to_owned()),
    }
}

fn of_call(facts: &Facts) -> Result<Vec<String>, String> {
    let known = facts.call.as_deref().ok_or("nothing is known of this call")?;
    let goes = |kind| matches!(kind, ArgumentKind::Destination | ArgumentKind::Link);
    let tells = matches!(known.class, CallClass::Send | CallClass::Publish | CallClass::Fetch);
    let recipients: Vec<String> =
        known.arguments.iter().filter(|fact| goes(fact.kind)).map(|fact| quoted(&fact.value)).collect();
    let same = if tells && !recipients.is_empty() {
        format!("[{}].containsAll(context.destinations)", recipients.join(", "))
    } else if known.arguments.is_empty() {
        return Err("it holds no value that tells it from others: name the tool in a rule of your own".to_owned());
    } else {
        let values = known.arguments.iter().map(|fact| quoted(&format!("{}={}", fact.name, fact.value)));
        format!("[{}].containsAll(context.values)", values.collect::<Vec<_>>().join(", "))
    };
    let mut all = vec![same];
    if !known.steered {
        all.push("!context.steered".to_owned());
    }
    Ok(all)
}

/// A Cedar string.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.escape_debug())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::examples::{self, made};

    fn of(act: &str) -> Result<String, String> {
        let (action, facts) = made(&examples::policy()?, act)?;
        permit(&action, &facts, "again")
    }

    #[test]
    fn it_lifts_this_question_and_no_other() {
        let call = |to: &str| {
            format!(
                r#"call message {{}} knows {{"class":"send","arguments":[{{"name":"to","kind":"destination","value":"{to}","origin":"prose"}}]}}"#
            )
        };
        let rule = of(&call("anna@corp.test")).unwrap();
        let mut config = examples::policy().unwrap().config().clone();
        config.operator = Operator::read(vec![("house.cedar".to_owned(), rule)]).unwrap();
        let policy = crate::judge::Policy::new(config);
        let says = |act: &str| examples::judge(&policy, act).unwrap().rule.to_string();
        assert_eq!(says(&call("anna@corp.test")), "operator/again");
        assert_eq!(says(&call("eve@evil.test")), "model/ask-tool");
        assert!(of("send POST https://ask.test/x?y=1 body 2").unwrap().contains("context.path == \"/x\""));
        assert!(of("run npm publish").unwrap().contains("npm publish"));
        assert!(of("run echo 'Отчёт Q3' \"x\" \\").is_ok() && of("run echo \u{202e}x").is_err());
        assert!(of("call message {}").is_err() && of("resolve A a.test").is_err());
    }

    proptest! {
        #[test]
        fn words_of_the_agents_are_strings_and_nothing_else(words in prop::collection::vec(".*", 1..5)) {
            let (mut action, facts) = made(&examples::policy().unwrap(), "run ls").unwrap();
            if let Deed::Run(run) = &mut action.deed {
                run.argv = words;
            }
            // letters that turn a line round make no rule
            if let Ok(rule) = permit(&action, &facts, "again") {
                prop_assert_eq!(Operator::read(vec![("x".to_owned(), rule)]).unwrap().rules().count(), 1);
            }
        }
    }
}
