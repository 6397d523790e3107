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
//! administer down  ·  receive say hello  ·  run ls -l  ·  touch write /workspace/x  ·  touch write /workspace/AGENTS.md changed
//! ```
//! In front: `as agent`, `as person`, `as creel`, and `at DOOR` to see it at another door than its own. Behind:
//! `at ADDRESS,ADDRESS` (what the name resolved to; `at nowhere` for nothing), `body BYTES` (`body ?` for an unknown
//! length), `with HEADER=VALUE` (`content-type` for a body in another form than JSON), `siblings COUNT` (`siblings ?` when nobody counted; 0 when an example does not say), `spent COUNT`, `now SECONDS` (since 1970) and `unseen BYTES`, then `flaw WORD` or `says JSON` (the
//! body itself), then `holds NAME@SKILL in SLOT` (placeholders of secrets, joined by `and`); behind a call `knows JSON`, what is known of it, and `reads RULE`, a sign of an order
//! in what the model read.

mod behind;

use std::net::{IpAddr, Ipv4Addr};

use creel_guard::{
    Action, Actor, Administer, Call, Content, Deed, Door, Facts, Form, Headers, HostName, Inject, Judge, Judgement,
    Mode, Oddities, Prompt, Protected, Receive, Resolve, Run, Send, Sign, Slot, Spent, Target, Tenant, Touch,
};

use crate::command::CommandPattern;
use crate::condition::{Conditions, Credentials, Declared, FieldRule, HeaderRule, Links, Odd, QueryRule, Rate};
use crate::config::{Config, EgressAllow, ExecRules, ModelProvider, ModelRules, Protect, SecretPlace, ToolRules};
use crate::glob::{Glob, PathGlob};
use crate::judge::Policy;
use crate::operator::Operator;
use crate::pattern::HostPattern;
use behind::{headers, options};

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

[[egress.allow]]
host = "strict.test"
methods = ["GET", "POST"]
query = ["page", "state=open"]
content_types = ["application/json"]
max_body = "1KiB"

[[egress.allow]]
host = "headed.test"
headers = ["x-version: 2026-*", "!x-debug"]

[[egress.allow]]
host = "odd.test"
paths = ["/**"]
odd_paths = [";", "//"]

[[egress.allow]]
host = "graph.test"
body = "graphql"
operations = ["query viewer"]

[[egress.allow]]
host = "mcp.test"
body = "json-rpc"
operations = ["initialize", "tools/list", "tools/call search"]

[[egress.allow]]
host = "chat.test"
body = "json"
fields = ["channel=C1", "unfurl_links=false"]
links = "approved"

[[egress.allow]]
host = "public.test"
body = "json"
credentials = "none"

[[egress.allow]]
host = "slow.test"
rate = "3/minute"

[[egress.allow]]
host = "*.learn.test"
learn_until = "2027-01-14"

[[egress.allow]]
host = "pay.learn.test"
ask = true

[[egress.allow]]
host = "web.test"
max_unseen = 32

[[egress.allow]]
host = "ask.test"
methods = ["GET"]

[[egress.allow]]
host = "ask.test"
methods = ["POST"]
ask = true

[[egress.allow]]
host = "ws.test"
websocket = true

[[egress.allow]]
host = "tunnel.test"
mode = "tunnel"

[[egress.allow]]
host = "mail.test"
ports = [587]
mode = "smtp"

[[egress.allow]]
host = "people.test"

[[egress.allow]]
host = "bot.test"

[[egress.allow]]
host = "gateway.test"
websocket = true

[[egress.allow]]
host = "cloud.test"

[[secret]]
name = "CRM_TOKEN"
skill = "crm"
host = "people.test"
methods = ["GET"]
paths = ["/v1/**"]

[[secret]]
name = "BOT_TOKEN"
host = "bot.test"
slot = "path bot*"

[[secret]]
name = "GATEWAY_TOKEN"
host = "gateway.test"
slot = "message /d/token"

[[secret]]
name = "MAIL_PASSWORD"
host = "mail.test"
ports = [587]
slot = "login me@mail.test"

[[secret]]
name = "CLOUD_KEY"
host = "cloud.test"
slot = "aws us-east-1 s3"

[model]                       # at https://model.test, key from the environment; `gpt-5` alone
provider = "openai"

[tools]
deny = ["gateway"]
ask = ["message"]

[exec]
deny = ["nc", "git push"]
ask = ["npm publish"]
allow = ["/usr/**", "/workspace/**"]

[files]
protect = "undo"
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
    let when = |host: &str, when: Conditions| -> Result<EgressAllow, String> {
        Ok(EgressAllow { when, ..entry(host, &[443])? })
    };
    let methods = |list: &[&str]| Some(list.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>());
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
            EgressAllow { methods: methods(&["GET", "POST"]), ..when("strict.test", strict())? },
            when("headed.test", headed())?,
            EgressAllow { paths: Some(vec![PathGlob::parse("/**")?]), ..when("odd.test", odd())? },
            when("graph.test", declared(Form::Graphql, &["query viewer"], &[]))?,
            when("mcp.test", declared(Form::JsonRpc, &["initialize", "tools/list", "tools/call search"], &[]))?,
            when(
                "chat.test",
                Conditions {
                    links: Links::Approved,
                    ..declared(Form::Json, &[], &[("channel", "C1"), ("unfurl_links", "false")])
                },
            )?,
            when("public.test", Conditions { credentials: Credentials::None, ..declared(Form::Json, &[], &[]) })?,
            when("slow.test", Conditions { rate: Some(Rate { count: 3, seconds: 60 }), ..Conditions::default() })?,
            when("*.learn.test", Conditions { learn_until: Some(1_799_971_200), ..Conditions::default() })?,
            when("pay.learn.test", Conditions { ask: true, ..Conditions::default() })?,
            when("web.test", Conditions { max_unseen: Some(32), ..Conditions::default() })?,
            EgressAllow { methods: methods(&["GET"]), ..entry("ask.test", &[443])? },
            EgressAllow {
                methods: methods(&["POST"]),
                ..when("ask.test", Conditions { ask: true, ..Conditions::default() })?
            },
            EgressAllow { websocket: true, ..entry("ws.test", &[443])? },
            EgressAllow { mode: Mode::Tunnel, ..entry("tunnel.test", &[443])? },
            EgressAllow { mode: Mode::Smtp, ..entry("mail.test", &[587])? },
            entry("people.test", &[443])?,
            entry("bot.test", &[443])?,
            EgressAllow { websocket: true, ..entry("gateway.test", &[443])? },
            entry("cloud.test", &[443])?,
        ],
        secrets: secrets()?,
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
        tools: ToolRules { deny: vec!["gateway".to_owned()], ask: vec!["message".to_owned()], ..ToolRules::default() },
        protect: Protect::Undo,
        exec: ExecRules {
            deny: vec![CommandPattern::parse("nc")?, CommandPattern::parse("git push")?],
            ask: vec![CommandPattern::parse("npm publish")?],
            allow: Some(vec![PathGlob::parse("/usr/**")?, PathGlob::parse("/workspace/**")?]),
        },
        two_persons: Vec::new(),
        operator: Operator::default(),
        own_addresses: vec![IpAddr::from([93, 184, 215, 99])],
    }))
}

fn secrets() -> Result<Vec<SecretPlace>, String> {
    let place = |secret: &str, host: &str, port: u16, slot| {
        let host = HostName::parse(host).map_err(|error| error.to_string())?;
        let (secret, ports) = (secret.to_owned(), vec![port]);
        Ok::<_, String>(SecretPlace { secret, skill: None, host, ports, methods: None, paths: None, slot })
    };
    let crm = SecretPlace {
        skill: Some("crm".to_owned()),
        methods: Some(vec!["GET".to_owned()]),
        paths: Some(vec![PathGlob::parse("/v1/**")?]),
        ..place("CRM_TOKEN", "people.test", 443, Slot::Bearer)?
    };
    Ok(vec![
        crm,
        place("BOT_TOKEN", "bot.test", 443, Slot::Path("bot*".to_owned()))?,
        place("GATEWAY_TOKEN", "gateway.test", 443, Slot::Message("/d/token".to_owned()))?,
        place("MAIL_PASSWORD", "mail.test", 587, Slot::Login("me@mail.test".to_owned()))?,
        place("CLOUD_KEY", "cloud.test", 443, Slot::Aws("us-east-1 s3".to_owned()))?,
    ])
}

/// Reads `NAME@SKILL in SLOT`, joined by `and`.
fn held(text: &str) -> Result<Vec<Inject>, String> {
    let one = |part: &str| {
        let (name, slot) = part.split_once(" in ").ok_or_else(|| format!("`{part}` says no slot"))?;
        let (secret, skill) = name.split_once('@').map_or((name, None), |(name, skill)| (name, Some(skill.to_owned())));
        Ok(Inject { secret: secret.to_owned(), skill, slot: Some(Slot::parse(slot)?) })
    };
    text.split(" and ").map(one).collect()
}

fn strict() -> Conditions {
    let rule = |name: &str, value: &str| QueryRule { name: name.to_owned(), value: Glob::new(value) };
    Conditions {
        query: Some(vec![rule("page", "*"), rule("state", "open")]),
        content_types: Some(vec!["application/json".to_owned()]),
        max_body: Some(1024),
        ..Conditions::default()
    }
}

fn headed() -> Conditions {
    let rule = |name: &str, value: Option<&str>| HeaderRule { name: name.to_owned(), value: value.map(Glob::new) };
    Conditions { headers: vec![rule("x-version", Some("2026-*")), rule("x-debug", None)], ..Conditions::default() }
}

fn odd() -> Conditions {
    Conditions { odd_paths: Odd(Oddities::SEMICOLON.with(Oddities::EMPTY_SEGMENT)), ..Conditions::default() }
}

fn declared(form: Form, operations: &[&str], fields: &[(&str, &str)]) -> Conditions {
    let field = |(place, value): &(&str, &str)| FieldRule { place: vec![(*place).to_owned()], value: Glob::new(value) };
    let operations = (!operations.is_empty()).then(|| operations.iter().map(|one| Glob::new(one)).collect());
    let body = Declared { form, operations, fields: fields.iter().map(field).collect() };
    Conditions { body: Some(body), ..Conditions::default() }
}

/// What `policy` answers to the act described: `allow`, `ask` or `deny`, and the rule.
///
/// # Errors
/// A text saying what can't be read.
pub fn answer(policy: &Policy, act: &str) -> Result<String, String> {
    let (mut action, mut facts) = parse(act)?;
    gather(policy, &mut action, &mut facts);
    let judgement = policy.judge(&action, &facts);
    Ok(format!("{} {}", judgement.verdict.word(), judgement.rule))
}

/// The same, whole. A host whose entry pins an address leads there, unless the act says where it leads.
///
/// # Errors
/// A text saying what can't be read.
pub fn judge(policy: &Policy, act: &str) -> Result<Judgement, String> {
    let (action, facts) = made(policy, act)?;
    Ok(policy.judge(&action, &facts))
}

/// An act with all that a door would have found out about it.
///
/// # Errors
/// A text saying what can't be read.
pub fn made(policy: &Policy, act: &str) -> Result<(Action, Facts), String> {
    let (mut action, mut facts) = parse(act)?;
    if let Deed::Send(send) = &action.deed
        && facts.addresses == [SOMEWHERE]
    {
        let pins = policy.entries(&send.to).filter(|entry| entry.ports.contains(&send.port));
        facts.addresses = pins.filter_map(|entry| entry.address).take(1).collect();
        if facts.addresses.is_empty() {
            facts.addresses.push(SOMEWHERE);
        }
    }
    gather(policy, &mut action, &mut facts);
    Ok((action, facts))
}

/// Does what a door would do with what the policy needs: counts, and reads the body or leaves it alone.
fn gather(policy: &Policy, action: &mut Action, facts: &mut Facts) {
    let needs = policy.needs(action);
    if let [Spent { count, .. }] = facts.spent.as_slice() {
        let count = *count;
        facts.spent = needs.rates.iter().map(|rate| Spent { key: rate.key, count }).collect();
    }
    if let Deed::Send(send) = &mut action.deed {
        let read = send.content.take().zip(needs.form);
        send.content = read.map(|(content, form)| Content::new(form, (*content.value).clone(), content.digest));
    }
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
    if let Some((before, rule)) = rest.rsplit_once(" reads ").filter(|_| rest.starts_with("call ")) {
        facts.sign = Some(Sign { rule: rule.to_owned(), sure: false });
        rest = before;
    }
    if let Some((before, text)) = rest.split_once(" knows ").filter(|_| rest.starts_with("call ")) {
        facts.call = Some(serde_json::from_str(text).map_err(|error| format!("`{text}` is no fact: {error}"))?);
        rest = before;
    }
    if let Some((before, text)) = rest.rsplit_once(" holds ").filter(|_| rest.starts_with("send ")) {
        facts.placeholders = held(text)?;
        rest = before;
    }
    let mut says = None;
    if rest.starts_with("send ")
        && let Some((before, text)) = rest.split_once(" says ")
    {
        says = Some(serde_json::from_str(text).map_err(|error| format!("`{text}` is no JSON: {error}"))?);
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
    let (own_door, own_actor, mut deed) = read_deed(verb, rest, &mut facts)?;
    if let (Deed::Send(send), Some(value)) = (&mut deed, says) {
        let content = Content::new(Form::Json, value, String::new());
        send.body = Some(content.text.len() as u64);
        let is_typed = send.headers.one("content-type").is_some();
        let typed = (!is_typed).then_some(("content-type", &b"application/json"[..]));
        let lines = send.headers.iter().map(|(name, value)| (name, value.as_bytes()));
        send.headers = Headers::new(lines.chain(typed));
        send.content = Some(content);
    }
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
            let (name, siblings) = more.split_once(" siblings ").unwrap_or((more, "0"));
            facts.siblings = siblings.parse().ok();
            let (name, host) = (name.to_owned(), HostName::parse(name).ok());
            (Door::Dns, Actor::Agent, Deed::Resolve(Resolve { name, host, kind: first_text }))
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
            let mut argv: Vec<String> = rest.split_whitespace().map(str::to_owned).collect();
            if argv.get(1).is_some_and(|word| word == "as") {
                argv.drain(..2);
            }
            let program = if first.starts_with('/') { first_text } else { format!("/usr/bin/{first}") };
            (Door::Exec, Actor::Agent, Deed::Run(Run { program, argv, cwd: "/workspace".to_owned(), ..Run::default() }))
        }
        "touch" => {
            let writes = first != "open";
            let (path, state) = cut(&more_text);
            let protected = match state {
                "" => None,
                "accepted" | "changed" => {
                    Some(Protected { version: 2, digest: "ab".repeat(32), accepted: state == "accepted" })
                }
                other => return Err(format!("`{other}` is no state of a protected file")),
            };
            let touch = Touch { how: first_text, path: path.to_owned(), writes, protected, ..Touch::default() };
            (Door::Files, Actor::Agent, Deed::Touch(touch))
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
        None => (authority, if matches!(scheme, "http" | "ws") { 80 } else { 443 }),
    };
    let to = match HostPattern::parse(host).map_err(|error| error.to_string())? {
        HostPattern::Exact(name) => Target::Host(name),
        HostPattern::Address(address) => Target::Address(address),
        HostPattern::Below(_) => return Err(format!("`{host}` is no target")),
    };
    facts.siblings = Some(0);
    facts.addresses = vec![match &to {
        Target::Address(address) => *address,
        Target::Host(_) => SOMEWHERE,
    }];
    let mut body = None;
    let (more, headers) = headers(more)?;
    options(&more, facts, &mut body)?;
    Ok(Send {
        scheme: scheme.to_owned(),
        method: (method != "-").then(|| method.to_owned()),
        path: path.to_owned(),
        body: body.unwrap_or(Some(0)),
        headers,
        ..Send::connection(to, port)
    })
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
            "send GET https://a.test/ spent much",
            "send GET https://a.test/ with x",
            "send GET https://a.test/ says {",
            "send GET https://a.test/ one two",
        ] {
            assert!(parse(act).is_err(), "{act}");
        }
    }
}
