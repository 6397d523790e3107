//! Acts as short texts, so that a rule's examples read like sentences and run as tests.
//!
//! Owns the example policy, the little language of acts and [`answer`]. Never used to judge a real act: doors build
//! their actions themselves. Called by the tests of the rules and of the shipped profiles, and by the rules' page.
//!
//! ```text
//! resolve A a.test                                   a name look-up
//! send GET https://a.test/x body 12 at 10.0.0.1      bytes leaving; `-` as method: no HTTP request
//! prompt openai gpt-5                                a request to the model
//! call exec {"command":"ls"}                         a tool call that the model proposes
//! administer down  ·  receive say hello  ·  run ls -l  ·  touch write /workspace/x
//! ```
//! In front: `as agent`, `as person`, `as creel`, and `at DOOR` to see it at another door than its own. Behind:
//! `at ADDRESS,ADDRESS` (what the name resolved to; `at nowhere` for nothing), `body BYTES` (`body ?` for an unknown
//! length) and `flaw WORD`.

use std::net::{IpAddr, Ipv4Addr};

use creel_guard::{
    Action, Actor, Administer, Call, Deed, Door, Facts, HostName, Judge, Prompt, Receive, Resolve, Run, Send, Target,
    Tenant, Touch,
};

use crate::canonical::PathGlob;
use crate::config::{Config, EgressAllow, ModelProvider, ModelRules, ToolRules};
use crate::judge::Policy;
use crate::pattern::HostPattern;

/// What a name resolves to when an example does not say: an address in no closed range.
const SOMEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(93, 184, 215, 14));

/// The policy that the rules' examples run under, as an operator would write it; [`policy`] is the same in our types.
pub const POLICY: &str = r#"[[egress.allow]]
host = "a.test"

[[egress.allow]]
host = "*.wild.test"
ports = [443, 8443]

[[egress.allow]]
host = "plain.test"
ports = [8080]
http = true

[[egress.allow]]
host = "pinned.test"
address = "127.0.0.1"

[[egress.allow]]
host = "metadata.test"
address = "169.254.169.254"   # refused when a real file is read; here it shows what the rule does

[[egress.allow]]
host = "api.test"
methods = ["GET"]
paths = ["/v1/**"]

[[egress.allow]]
host = "10.1.2.3"

[[egress.allow]]
host = "model.test"           # the provider's host: the model door alone may go there

[model]                       # at https://model.test, key from the environment; `gpt-5` alone
provider = "openai"

[tools]
deny = ["gateway"]
ask = ["message"]
"#;

/// [`POLICY`] ready to judge by. The host that it runs on has the address 93.184.215.99.
///
/// # Errors
/// A text saying which of its own words can't be read.
pub fn policy() -> Result<Policy, String> {
    let entry = |host: &str, ports: &[u16]| -> Result<EgressAllow, String> {
        Ok(EgressAllow::new(HostPattern::parse(host).map_err(|error| error.to_string())?, ports.to_vec()))
    };
    let pinned = |host: &str, address: [u8; 4]| -> Result<EgressAllow, String> {
        Ok(EgressAllow { address: Some(IpAddr::from(address)), ..entry(host, &[443])? })
    };
    let provider = |name: &str| ModelProvider { name: name.to_owned(), ..ModelProvider::default() };
    Ok(Policy::new(Config {
        generation: 1,
        egress_allow: vec![
            entry("a.test", &[443])?,
            entry("*.wild.test", &[443, 8443])?,
            EgressAllow { http: true, ..entry("plain.test", &[8080])? },
            pinned("pinned.test", [127, 0, 0, 1])?,
            pinned("metadata.test", [169, 254, 169, 254])?,
            EgressAllow {
                methods: Some(vec!["GET".to_owned()]),
                paths: Some(vec![PathGlob::parse("/v1/**")?]),
                ..entry("api.test", &[443])?
            },
            entry("10.1.2.3", &[443])?,
            entry("model.test", &[443])?,
        ],
        model: ModelRules {
            providers: vec![
                ModelProvider {
                    secret: Some("OPENAI_API_KEY".to_owned()),
                    models: Some(vec!["gpt-5".to_owned()]),
                    host: HostName::parse("model.test").ok(),
                    ..provider("openai")
                },
                provider("scripted"),
            ],
        },
        tools: ToolRules { deny: vec!["gateway".to_owned()], ask: vec!["message".to_owned()] },
        own_addresses: vec![IpAddr::from([93, 184, 215, 99])],
    }))
}

/// What `policy` answers to the act described: `allow`, `ask` or `deny`, and the rule.
///
/// # Errors
/// A text saying what can't be read.
pub fn answer(policy: &Policy, act: &str) -> Result<String, String> {
    let (action, facts) = parse(act)?;
    let judgement = policy.judge(&action, &facts);
    Ok(format!("{} {}", judgement.verdict.word(), judgement.rule))
}

/// Reads one act.
///
/// # Errors
/// A text saying what can't be read.
pub fn parse(act: &str) -> Result<(Action, Facts), String> {
    let mut facts = Facts::default();
    let mut rest = act.trim();
    if let Some((before, word)) = rest.rsplit_once(" flaw ") {
        facts.flaw = Some(word.to_owned());
        rest = before;
    }
    let (mut actor, mut door) = (None, None);
    let (verb, rest) = loop {
        let (word, after) = cut(rest);
        match word {
            "as" => {
                let (who, after) = cut(after);
                actor = Some(read_actor(who)?);
                rest = after;
            }
            "at" => {
                let (name, after) = cut(after);
                let found = Door::ALL.into_iter().find(|door| door.name() == name);
                door = Some(found.ok_or_else(|| format!("`{name}` is no door"))?);
                rest = after;
            }
            verb => break (verb, after),
        }
    };
    let (own_door, own_actor, deed) = read_deed(verb, rest, &mut facts)?;
    let tenant = Tenant::parse("default")?;
    Ok((Action { tenant, actor: actor.unwrap_or(own_actor), door: door.unwrap_or(own_door), deed }, facts))
}

fn cut(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim_start())
}

fn read_actor(who: &str) -> Result<Actor, String> {
    match who {
        "agent" => Ok(Actor::Agent),
        "person" => Ok(Actor::Person { name: "root".to_owned() }),
        "creel" => Ok(Actor::Creel),
        other => Err(format!("`{other}` is no actor")),
    }
}

fn read_deed(verb: &str, rest: &str, facts: &mut Facts) -> Result<(Door, Actor, Deed), String> {
    let (first, more) = cut(rest);
    let (first_text, more_text) = (first.to_owned(), more.to_owned());
    let person = Actor::Person { name: "root".to_owned() };
    Ok(match verb {
        "resolve" => {
            let host = HostName::parse(more).ok();
            (Door::Dns, Actor::Agent, Deed::Resolve(Resolve { name: more_text, host, kind: first_text }))
        }
        "send" => (Door::Egress, Actor::Agent, Deed::Send(read_send(first, more, facts)?)),
        "prompt" => {
            let model = options(more, facts, &mut None)?.to_owned();
            let prompt = Prompt {
                provider: first_text,
                format: "openai-completions".to_owned(),
                model,
                bytes: 0,
                digest: String::new(),
            };
            (Door::Model, Actor::Agent, Deed::Prompt(prompt))
        }
        "call" => {
            let call = Call { tool: first_text, arguments: more_text, call_id: "call_1".to_owned() };
            (Door::Model, Actor::Agent, Deed::Call(call))
        }
        "administer" => (Door::Control, person, Deed::Administer(Administer { act: first_text, detail: more_text })),
        "receive" => (Door::Control, person, Deed::Receive(Receive { source: first_text, text: more_text })),
        "run" => {
            let argv = rest.split_whitespace().map(str::to_owned).collect();
            (Door::Exec, Actor::Agent, Deed::Run(Run { argv, cwd: "/workspace".to_owned() }))
        }
        "touch" => {
            let writes = first != "open";
            (Door::Files, Actor::Agent, Deed::Touch(Touch { how: first_text, path: more_text, writes }))
        }
        other => return Err(format!("`{other}` is no deed")),
    })
}

/// `METHOD SCHEME://HOST[:PORT][PATH]` and the options behind it.
fn read_send(method: &str, rest: &str, facts: &mut Facts) -> Result<Send, String> {
    let (url, more) = cut(rest);
    let (scheme, rest) = url.split_once("://").ok_or_else(|| format!("`{url}` is no URL"))?;
    let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let after_bracket = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let (host, port) = match authority.rfind(':').filter(|colon| *colon >= after_bracket) {
        Some(colon) => {
            let (host, port) = authority.split_at(colon);
            (host, port.trim_start_matches(':').parse().map_err(|_| format!("`{port}` is no port"))?)
        }
        None => (authority, if scheme == "http" { 80 } else { 443 }),
    };
    let to = match HostPattern::parse(host).map_err(|error| error.to_string())? {
        HostPattern::Exact(name) => Target::Host(name),
        HostPattern::Address(address) => Target::Address(address),
        HostPattern::Below(_) => return Err(format!("`{host}` is no target")),
    };
    facts.addresses = vec![match &to {
        Target::Address(address) => *address,
        Target::Host(_) => SOMEWHERE,
    }];
    let mut body = None;
    options(more, facts, &mut body)?;
    Ok(Send {
        scheme: scheme.to_owned(),
        to,
        port,
        method: (method != "-").then(|| method.to_owned()),
        path: path.to_owned(),
        body: body.unwrap_or(Some(0)),
    })
}

/// Reads `at` and `body`; returns the word before them, if any.
fn options<'a>(text: &'a str, facts: &mut Facts, body: &mut Option<Option<u64>>) -> Result<&'a str, String> {
    let (mut before, mut rest) = ("", text);
    while !rest.is_empty() {
        let (word, after) = cut(rest);
        let (value, after_value) = cut(after);
        match word {
            "at" if value == "nowhere" => facts.addresses.clear(),
            "at" => {
                let read = |text: &str| text.parse().map_err(|_| format!("`{text}` is no address"));
                facts.addresses = value.split(',').map(read).collect::<Result<_, _>>()?;
            }
            "body" if value == "?" => *body = Some(None),
            "body" => *body = Some(Some(value.parse().map_err(|_| format!("`{value}` is no length"))?)),
            word if before.is_empty() => {
                before = word;
                rest = after;
                continue;
            }
            word => return Err(format!("`{word}` is no option")),
        }
        rest = after_value;
    }
    Ok(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rules_examples_hold() {
        let policy = policy().unwrap();
        let mut ran = 0;
        for doc in crate::docs::rule_docs() {
            for (act, expected) in doc.examples {
                assert_eq!(answer(&policy, act).as_deref(), Ok(*expected), "{}: {act}", doc.id);
                ran += 1;
            }
            if !doc.examples.is_empty() {
                assert!(doc.examples.iter().any(|(_, answer)| answer.ends_with(doc.id)), "{} has no example", doc.id);
            }
        }
        assert!(ran > 60, "{ran}");
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        for act in [
            "",
            "fly A a.test",
            "as wizard run ls",
            "at window run ls",
            "send GET a.test/",
            "send GET https://a.test:x/",
            "send GET https://*.a.test/",
            "send GET https://a.test/ at here",
            "send GET https://a.test/ body much",
            "send GET https://a.test/ one two",
        ] {
            assert!(parse(act).is_err(), "{act}");
        }
    }
}
