//! What exactly is asked about.
//!
//! Owns the canonical form that an approval is bound to, which acts are alike, and the text that a person reads. Never asks.

use creel_guard::{Action, ArgumentKind, Deed, Facts, Question};
use sha2::{Digest, Sha256};

use super::book::Act;

/// The longest question that a person is shown, in bytes; what is longer is named by length and digest.
const LONGEST_TEXT: usize = 4096;

/// The longest value that is surely given whole among an act's facts, which are cut to a line.
const WHOLE_VALUE: usize = 100;

/// `action` as a question.
pub(super) fn act(action: &Action, facts: &Facts, question: &Question) -> Act {
    let key = key(action);
    let whole = question.text.len() <= LONGEST_TEXT;
    Act {
        alike: alike(action, facts).filter(|_| whole).unwrap_or_else(|| key.clone()),
        key,
        origin: origin(action),
        session: facts.trace.clone().unwrap_or_default(),
        what: format!("{} {}", action.door, action.deed.verb()),
        text: shown(&question.text),
        pinned: pinned(&action.deed),
        persons: question.persons,
    }
}

/// What is consequential in a call of a declared tool: whom, how much, which one, what for. Calls that are equal in it may be
/// one question (HARDENING 12); texts, names and times may differ, and each is shown. Of all other acts none is alike.
fn alike(action: &Action, facts: &Facts) -> Option<String> {
    let (Deed::Call(call), Some(known)) = (&action.deed, facts.call.as_deref()) else { return None };
    let matters: Vec<_> = known
        .arguments
        .iter()
        .filter(|argument| !matches!(argument.kind, ArgumentKind::When | ArgumentKind::Name))
        .map(|argument| (&argument.name, argument.kind, &argument.value))
        .collect();
    let whole = matters.iter().all(|(_, _, value)| value.len() <= WHOLE_VALUE);
    if !known.declared || matters.is_empty() || !whole {
        return None;
    }
    let form =
        serde_json::to_vec(&(&action.tenant, action.door, &action.actor, &call.tool, known.class, matters)).ok()?;
    Some(hex(&Sha256::digest(form)))
}

/// SHA-256 over everything that was seen of the act; the provider's number for a call and the kernel's for a process are none
/// of it, so that the same can be tried again.
fn key(action: &Action) -> String {
    let mut action = action.clone();
    match &mut action.deed {
        Deed::Call(call) => call.call_id.clear(),
        Deed::Run(run) => (run.pid, run.parent) = (0, 0),
        _ => {}
    }
    let mut hash = Sha256::new();
    hash.update(serde_json::to_vec(&action).unwrap_or_default());
    if let Deed::Send(send) = &action.deed {
        // Records don't hold the values.
        for (name, value) in send.headers.iter() {
            hash.update([0]);
            hash.update(name);
            hash.update([1]);
            hash.update(value);
        }
    }
    hex(&hash.finalize())
}

/// Whether all that would be done was seen: a body or an argument that nobody read could be another one the next time.
fn pinned(deed: &Deed) -> bool {
    match deed {
        Deed::Send(send) => send.body == Some(0) || send.content.is_some(),
        // U+FFFD stands for bytes that can be others.
        Deed::Run(run) => !run.cut && !run.argv.iter().any(|word| word.contains('\u{fffd}')),
        _ => true,
    }
}

/// What is counted together.
fn origin(action: &Action) -> String {
    let what = match &action.deed {
        Deed::Call(call) => call.tool.to_lowercase(),
        Deed::Send(send) => send.to.to_string(),
        Deed::Run(run) => run.program.clone(),
        other => other.verb().to_owned(),
    };
    format!("{} {}", action.door, what.chars().take(200).collect::<String>())
}

fn shown(text: &str) -> String {
    if text.len() <= LONGEST_TEXT {
        return text.to_owned();
    }
    let cut = (0..=LONGEST_TEXT).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let rest = text.len() - cut;
    let digest = hex(&Sha256::digest(text.as_bytes()));
    format!("{} […{rest} more bytes are not shown; SHA-256 of the whole {digest}]", text.get(..cut).unwrap_or_default())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use creel_guard::{
        Actor, ArgumentFact, Call, CallFacts, Door, Headers, HostName, Obligations, Origin, Send, Target, Tenant,
    };

    use super::*;

    fn action(deed: Deed) -> Action {
        Action { tenant: Tenant::parse("default").unwrap(), actor: Actor::Agent, door: Door::Model, deed }
    }

    fn call(tool: &str, arguments: &str, id: &str) -> Action {
        action(Deed::Call(Call { tool: tool.into(), arguments: arguments.into(), call_id: id.into() }))
    }

    fn send(path: &str, header: &str, body: Option<u64>) -> Action {
        let to = Target::Host(HostName::parse("a.test").unwrap());
        let headers = Headers::new([("x", header.as_bytes())]);
        action(Deed::Send(Send { path: path.into(), headers, body, ..Send::connection(to, 443) }))
    }

    #[test]
    fn one_other_letter_is_another_act_and_another_number_is_not() {
        let same = key(&call("exec", "{\"command\":\"ls\"}", "1"));
        assert_eq!(same, key(&call("exec", "{\"command\":\"ls\"}", "2")));
        assert_ne!(same, key(&call("exec", "{\"command\":\"ls \"}", "1")));
        assert_ne!(same, key(&call("exec2", "{\"command\":\"ls\"}", "1")));
        assert_ne!(key(&send("/a", "1", Some(0))), key(&send("/b", "1", Some(0))));
        assert_ne!(key(&send("/a", "1", Some(0))), key(&send("/a", "2", Some(0))));
        assert_eq!(key(&run(&["ls", "-l"], 7)), key(&run(&["ls", "-l"], 8)));
        assert_ne!(key(&run(&["ls", "-l"], 7)), key(&run(&["ls -l"], 7)));
    }

    fn run(argv: &[&str], pid: i32) -> Action {
        let argv = argv.iter().map(ToString::to_string).collect();
        action(Deed::Run(creel_guard::Run { argv, pid, parent: pid - 1, ..creel_guard::Run::default() }))
    }

    #[test]
    fn calls_are_alike_that_differ_in_their_texts_alone() {
        let alike = |to: &str, text: &str, declared: bool| {
            let call = call("send_email", &format!("{{\"to\":\"{to}\",\"body\":\"{text}\"}}"), "1");
            let fact = |name: &str, kind, value: &str| ArgumentFact {
                name: name.into(),
                kind,
                value: value.into(),
                origin: Origin::Said,
                passage: None,
            };
            let arguments = vec![fact("to", ArgumentKind::Destination, to), fact("subject", ArgumentKind::Name, text)];
            let known = CallFacts { declared, arguments, ..CallFacts::default() };
            let facts = Facts { call: Some(Box::new(known)), ..Facts::default() };
            let act = act(&call, &facts, &Question::new("?".into(), Obligations::default()));
            assert_eq!(act.key, key(&call));
            act.alike
        };
        let one = alike("anna@corp.test", "a", true);
        assert_eq!(one, alike("anna@corp.test", "b", true));
        assert_ne!(one, alike("ben@corp.test", "a", true));
        // what nobody declared may hold more than was found in it
        assert_ne!(alike("anna@corp.test", "a", false), alike("anna@corp.test", "b", false));
        let long = "a".repeat(WHOLE_VALUE + 1);
        assert_ne!(alike(&long, "a", true), alike(&long, "b", true));
        let question = Question::new("?".into(), Obligations::default());
        let (one, other) = (send("/", "1", None), send("/", "2", None));
        assert_ne!(act(&one, &Facts::default(), &question).alike, act(&other, &Facts::default(), &question).alike);
    }

    #[test]
    fn a_body_that_nobody_read_pins_nothing() {
        let pins = |action: Action| pinned(&action.deed);
        assert!(pins(send("/", "", Some(0))) && !pins(send("/", "", Some(3))) && !pins(send("/", "", None)));
        assert!(pins(call("exec", "{}", "")) && pins(run(&["ls"], 1)) && !pins(run(&["ls", "\u{fffd}"], 1)));
    }

    #[test]
    fn a_long_question_says_what_it_leaves_out() {
        let text = "é".repeat(1 << 20);
        let shown = shown(&text);
        assert!(
            shown.len() < LONGEST_TEXT + 200 && shown.contains(&format!("{} more bytes", text.len() - LONGEST_TEXT))
        );
    }
}
