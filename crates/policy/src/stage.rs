//! The conditions of an entry, in the order in which they are looked at.
//!
//! Owns [`Stage`] and [`meets`]. Never combines entries: a request passes when one entry meets every stage, and a stage's
//! rule refuses when none gets that far. Called by the rules of the egress door.

use std::net::IpAddr;

use creel_guard::{CleanPath, Facts, Form, Mode, Oddities, RateKey, Send};

use crate::condition::{Credentials, Declared, Links, content_type_allowed, headers_allowed, query_allowed};
use crate::config::EgressAllow;
use crate::judge::Policy;
use crate::{credentials, declared};

/// One condition of an entry. The order is that of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Address,
    Mode,
    Scheme,
    Method,
    ClearPath,
    Path,
    Query,
    Header,
    ContentType,
    BodySize,
    Operation,
    Field,
    Link,
    Credential,
    Rate,
    Period,
}

impl Stage {
    pub(crate) const ALL: [Self; 16] = [
        Self::Address,
        Self::Mode,
        Self::Scheme,
        Self::Method,
        Self::ClearPath,
        Self::Path,
        Self::Query,
        Self::Header,
        Self::ContentType,
        Self::BodySize,
        Self::Operation,
        Self::Field,
        Self::Link,
        Self::Credential,
        Self::Rate,
        Self::Period,
    ];
}

/// What can be looked at before a name is resolved and a body read.
pub(crate) const HEAD: [Stage; 9] = [
    Stage::Mode,
    Stage::Scheme,
    Stage::Method,
    Stage::ClearPath,
    Stage::Path,
    Stage::Query,
    Stage::Header,
    Stage::ContentType,
    Stage::BodySize,
];

/// Whether `entry` is content with the request at this stage.
pub(crate) fn meets(
    stage: Stage,
    entry: &EgressAllow,
    send: &Send,
    facts: &Facts,
    policy: &Policy,
    rate: Option<RateKey>,
) -> bool {
    let when = &entry.when;
    match stage {
        Stage::Address => allows_addresses(entry, facts),
        Stage::Mode => allows_mode(entry, send),
        Stage::Scheme => allows_scheme(entry, send),
        Stage::Method => allows_method(entry, send),
        Stage::ClearPath => allows_clear_path(entry, send),
        Stage::Path => {
            let path = send.path.split('?').next().unwrap_or_default();
            entry.paths.as_ref().is_none_or(|globs| globs.iter().any(|glob| glob.covers(path)))
        }
        Stage::Query => {
            let query = send.path.split_once('?').map_or("", |(_, query)| query);
            when.query.as_ref().is_none_or(|rules| query_allowed(query, rules))
        }
        Stage::Header => headers_allowed(&send.headers, &when.headers),
        Stage::ContentType => {
            let types = when.content_types.as_ref();
            types.is_none_or(|types| send.body == Some(0) || content_type_allowed(&send.headers, types))
        }
        // A body of unknown length is cut off at the limit, which is an obligation.
        Stage::BodySize => when.max_body.is_none_or(|most| send.body.is_none_or(|body| body <= most)),
        Stage::Operation => when.body.as_ref().is_none_or(|body| allows_operations(body, send)),
        Stage::Field => when.body.as_ref().is_none_or(|body| allows_fields(body, send)),
        Stage::Link => when.links == Links::Any || foreign_link(send, policy).is_none(),
        Stage::Credential => {
            // Where a secret of the operator's goes, no other account is used (HARDENING.md 6).
            let pinned = policy.config().secrets.iter().any(|place| place.is_at(send));
            when.credentials == Credentials::Any && !pinned || credentials::find(send, &facts.placeholders).is_none()
        }
        Stage::Rate => allows_rate(entry, rate, facts),
        // Where nobody knows the time, it is over.
        Stage::Period => when.learn_until.is_none_or(|until| facts.at.is_some_and(|at| at < until)),
    }
}

/// The first link in a declared body that leads to a host which no entry names.
pub(crate) fn foreign_link(send: &Send, policy: &Policy) -> Option<String> {
    let links = declared::links(send.content.as_ref()?);
    links.into_iter().find_map(|link| match link {
        Ok(target) => policy.entries(&target).next().is_none().then(|| target.to_string()),
        Err(unread) => Some(unread),
    })
}

/// Whether an entry that pins an address pins the ones that were judged.
fn allows_addresses(entry: &EgressAllow, facts: &Facts) -> bool {
    let pinned = |pin: IpAddr| facts.addresses.iter().all(|address| address.to_canonical() == pin.to_canonical());
    entry.address.is_none_or(pinned)
}

/// What an entry says is spoken there, and nothing else.
fn allows_mode(entry: &EgressAllow, send: &Send) -> bool {
    match send.scheme.as_str() {
        "http" | "https" => entry.mode == Mode::Http,
        "ws" | "wss" => entry.mode == Mode::Http && entry.websocket,
        other => entry.mode != Mode::Http && entry.mode.word() == other,
    }
}

/// TLS always; unencrypted HTTP on port 80 and where the entry says so. What is no HTTP was settled by its mode.
fn allows_scheme(entry: &EgressAllow, send: &Send) -> bool {
    !matches!(send.scheme.as_str(), "http" | "ws") || entry.http || send.port == 80
}

fn allows_method(entry: &EgressAllow, send: &Send) -> bool {
    match (&entry.methods, &send.method) {
        (None, _) => true,
        (Some(methods), Some(method)) => methods.contains(method),
        (Some(_), None) => false,
    }
}

/// One reading of the path, or oddities that the entry allows. An entry without `paths` leaves encoded slashes alone: there
/// is no condition that they could get around, and package managers send them.
fn allows_clear_path(entry: &EgressAllow, send: &Send) -> bool {
    if send.path.is_empty() || (send.path == "*" && entry.paths.is_none()) {
        return true;
    }
    let open = if entry.paths.is_none() { Oddities::ENCODED_SLASH } else { Oddities::default() };
    if CleanPath::is_plain(&send.path) {
        return true;
    }
    let allowed = entry.when.odd_paths.0.with(open);
    CleanPath::parse(&send.path).is_ok_and(|path| allowed.covers(path.odd()))
}

fn allows_operations(body: &Declared, send: &Send) -> bool {
    let Some(content) = &send.content else {
        // Nothing to read is all right but for GraphQL, whose queries fit into a URL.
        return send.body == Some(0) && body.form != Form::Graphql;
    };
    if content.form != body.form {
        return false;
    }
    let Ok(found) = declared::operations(content) else { return false };
    let listed = |operation: &String| {
        body.operations.as_ref().is_none_or(|globs| globs.iter().any(|glob| glob.covers(operation)))
    };
    found.iter().all(listed)
}

fn allows_fields(body: &Declared, send: &Send) -> bool {
    body.fields.is_empty()
        || send.content.as_ref().is_some_and(|content| declared::fields_allowed(content, &body.fields))
}

/// A rate that nobody counted is used up.
fn allows_rate(entry: &EgressAllow, rate: Option<RateKey>, facts: &Facts) -> bool {
    let (Some(limit), Some(rate)) = (entry.when.rate, rate) else { return entry.when.rate.is_none() };
    facts.spent.iter().any(|spent| spent.key == rate.key && spent.count < limit.count)
}
