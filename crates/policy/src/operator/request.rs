//! An act in Cedar's terms.
//!
//! Owns the translation, deed by deed, in the words of the shipped schema; a test holds each against it. Values of the
//! agent's are strings and nothing else here.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::LazyLock;

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression as Value,
};
use creel_guard::{Action, Actor, ArgumentKind, Call, Deed, Facts, HostName, Run, Send, Taint, Target};

use super::PARSED;

/// What the facts cut a value to; one that long may go on.
const CUT: usize = 120;

type Pairs = Vec<(&'static str, Value)>;

/// An act in these terms.
pub(super) struct Asked {
    pub(super) request: Request,
    pub(super) entities: Entities,
    /// The resource's name, and those of all that it lies below.
    pub(super) names: Vec<EntityUid>,
}

/// The act as a request with its entities; `None` for a deed that these rules don't speak of.
pub(super) fn of(action: &Action, facts: &Facts) -> Result<Option<Asked>, String> {
    let Some((Named { resource, names }, context)) = told(action, facts)? else { return Ok(None) };
    let principal = match &action.actor {
        Actor::Agent => uid("Agent", action.tenant.as_str())?,
        Actor::Person { name } => uid("Person", name)?,
        Actor::Creel => uid("Daemon", "creel")?,
    };
    let verb = uid("Action", action.deed.verb())?;
    let context = Context::from_pairs(context.into_iter().map(|(name, value)| (name.to_owned(), value)));
    let context = context.map_err(|error| error.to_string())?;
    let schema = if cfg!(test) { PARSED.as_ref().ok() } else { None };
    let entities = Entities::from_entities([resource.clone()], None).map_err(|error| error.to_string())?;
    let request = Request::new(principal, verb, resource.uid(), context, schema).map_err(|error| error.to_string())?;
    Ok(Some(Asked { request, entities, names }))
}

/// A resource, with its name and those of all that it lies below.
struct Named {
    resource: Entity,
    names: Vec<EntityUid>,
}

fn told(action: &Action, facts: &Facts) -> Result<Option<(Named, Pairs)>, String> {
    let tainted = || flag(facts.taint != Taint::Clean);
    Ok(Some(match &action.deed {
        Deed::Send(send) => sent(send, facts)?,
        Deed::Call(call) => called(call, facts)?,
        Deed::Resolve(resolve) => {
            let Some(name) = &resolve.host else { return Ok(None) };
            (host(name)?, vec![("kind", text(&resolve.kind))])
        }
        Deed::Prompt(prompt) => {
            let context =
                vec![("model", text(&prompt.model)), ("format", text(&prompt.format)), ("bytes", count(prompt.bytes))];
            (bare("Provider", &prompt.provider)?, context)
        }
        Deed::Run(run) => {
            let Run { program, argv, cwd, pid: _, parent: _, cut } = run;
            let context = vec![
                ("command", text(&argv.join(" "))),
                ("words", set(argv.iter().map(|word| text(word)))),
                ("cwd", text(cwd)),
                ("cut", flag(*cut)),
                ("tainted", tainted()),
            ];
            (with("Program", program, "path", text(program))?, context)
        }
        Deed::Touch(touch) => {
            let context = vec![("how", text(&touch.how)), ("writes", flag(touch.writes))];
            (with("File", &touch.path, "path", text(&touch.path))?, context)
        }
        Deed::Receive(receive) => (bare("Source", &receive.source)?, vec![("text", text(&receive.text))]),
        Deed::Administer(_) | Deed::Attempt(_) => return Ok(None),
    }))
}

fn sent(send: &Send, facts: &Facts) -> Result<(Named, Pairs), String> {
    let (path, query) = send.path.split_once('?').unwrap_or((&send.path, ""));
    let mut context = vec![
        ("scheme", text(&send.scheme)),
        ("port", count(u64::from(send.port))),
        ("path", text(path)),
        ("query", text(query)),
        ("addresses", set(facts.addresses.iter().map(address))),
        ("tainted", flag(facts.taint != Taint::Clean)),
    ];
    context.extend(send.method.as_deref().map(|method| ("method", text(method))));
    context.extend(send.body.map(|bytes| ("body", count(bytes))));
    let resource = match &send.to {
        Target::Host(name) => host(name)?,
        Target::Address(ip) => with("Address", &ip.to_string(), "ip", address(ip))?,
    };
    Ok((resource, context))
}

fn called(call: &Call, facts: &Facts) -> Result<(Named, Pairs), String> {
    // Nothing is known of a call that nobody looked at: then it is of the worst kind.
    let unknown = creel_guard::CallFacts { untrusted: true, steered: true, ..Default::default() };
    let known = facts.call.as_deref().unwrap_or(&unknown);
    let goes = |kind| matches!(kind, ArgumentKind::Destination | ArgumentKind::Link);
    let mut destinations = HashSet::new();
    let (mut values, mut origins) = (Vec::new(), Vec::new());
    for fact in &known.arguments {
        if goes(fact.kind) {
            destinations.insert(fact.value.clone());
            if fact.value.chars().count() >= CUT {
                destinations.insert("…".to_owned());
            }
        }
        values.push(text(&format!("{}={}", fact.name, fact.value)));
        origins.push(text(&word(&fact.origin)));
    }
    let context = vec![
        ("class", text(&word(&known.class))),
        ("arguments", text(&call.arguments)),
        ("destinations", set(destinations.iter().map(|one| text(one)))),
        ("values", set(values)),
        ("origins", set(origins)),
        ("ordered", flag(known.intent == creel_guard::Intent::Ordered)),
        ("declared", flag(known.declared)),
        ("tainted", flag(known.untrusted)),
        ("steered", flag(known.steered)),
        ("private", flag(known.private)),
        ("outside", flag(known.outside)),
        ("repeated", count(u64::from(known.repeated))),
        ("burst", count(u64::from(known.burst))),
        (
            "definition",
            text(&known.definition.as_ref().map_or_else(|| "accepted".to_owned(), |drift| word(&drift.kind))),
        ),
    ];
    Ok((with("Tool", &call.tool, "name", text(&call.tool))?, context))
}

/// A word of the vocabulary, as records write it.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// A host with all names that it lies below for parents.
fn host(name: &HostName) -> Result<Named, String> {
    let suffixes = name.as_str().match_indices('.').filter_map(|(at, _)| name.as_str().get(at + 1..));
    let parents = suffixes.map(|suffix| uid("Host", suffix)).collect::<Result<Vec<_>, _>>()?;
    let attributes = HashMap::from([("name".to_owned(), text(name.as_str()))]);
    named(uid("Host", name.as_str())?, attributes, parents)
}

fn with(kind: &'static str, id: &str, attribute: &str, value: Value) -> Result<Named, String> {
    named(uid(kind, id)?, HashMap::from([(attribute.to_owned(), value)]), Vec::new())
}

fn bare(kind: &'static str, id: &str) -> Result<Named, String> {
    named(uid(kind, id)?, HashMap::new(), Vec::new())
}

fn named(name: EntityUid, attributes: HashMap<String, Value>, parents: Vec<EntityUid>) -> Result<Named, String> {
    let above = parents.iter().cloned().collect();
    let resource = Entity::new(name.clone(), attributes, above).map_err(|error| error.to_string())?;
    let mut names = parents;
    names.push(name);
    Ok(Named { resource, names })
}

/// The kinds in the schema. To read a name of a kind takes longer than all else that a request is made of, so each is read once.
static KINDS: LazyLock<HashMap<&'static str, EntityTypeName>> = LazyLock::new(|| {
    let kinds =
        ["Action", "Address", "Agent", "Daemon", "File", "Host", "Person", "Program", "Provider", "Source", "Tool"];
    kinds.into_iter().filter_map(|kind| Some((kind, format!("Creel::{kind}").parse().ok()?))).collect()
});

fn uid(kind: &'static str, id: &str) -> Result<EntityUid, String> {
    let kind = KINDS.get(kind).ok_or_else(|| format!("there is no kind `{kind}`"))?;
    Ok(EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id)))
}

fn text(text: &str) -> Value {
    Value::new_string(text.to_owned())
}

fn flag(flag: bool) -> Value {
    Value::new_bool(flag)
}

fn count(count: u64) -> Value {
    Value::new_long(i64::try_from(count).unwrap_or(i64::MAX))
}

fn set(items: impl IntoIterator<Item = Value>) -> Value {
    Value::new_set(items)
}

fn address(ip: &IpAddr) -> Value {
    Value::new_ip(ip.to_string())
}
