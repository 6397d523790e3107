//! One entry of the configuration, for people and as JSON.
//!
//! Owns the words of `creel policy show`. It destructures the entry and its conditions, so that a new condition that nobody
//! shows does not compile. It shows no key. `creel policy` calls it.

use std::fmt;

use creel_guard::{Form, HostName, Mode, Oddities, Target};
use creel_policy::{Conditions, Credentials, Declared, Links, Rate};
use serde::Serialize;

use crate::config::Allow;

/// What an entry allows.
#[derive(Debug, Serialize)]
pub(super) struct Entry {
    host: String,
    ports: Vec<u16>,
    /// The line of `egress.profiles` that it comes from.
    profile: Option<String>,
    /// Each condition, in the words of `creel.toml`.
    conditions: Vec<(&'static str, String)>,
}

impl Entry {
    pub(super) fn of(allow: &Allow, profile: Option<&str>) -> Self {
        let Allow { host, ports, address, ca, client, http, mode, websocket, methods, paths, when } = allow;
        let mut said = Vec::new();
        let mut say = |name: &'static str, value: Option<String>| said.extend(value.map(|value| (name, value)));
        let yes = |one: bool| one.then(|| "true".to_owned());
        say("mode", (*mode != Mode::Http).then(|| mode.word().to_owned()));
        say("http", yes(*http));
        say("websocket", yes(*websocket));
        say("address", address.map(|address| address.to_string()));
        say("ca", ca.as_ref().map(|ca| ca.path.display().to_string()));
        say("client_cert", client.as_ref().map(|client| client.certificate.0.display().to_string()));
        say("methods", methods.as_ref().map(|methods| methods.join(", ")));
        say("paths", paths.as_ref().map(listed));
        conditions(when, &mut say);
        Self { host: host.to_string(), ports: ports.clone(), profile: profile.map(str::to_owned), conditions: said }
    }
}

fn conditions(when: &Conditions, say: &mut dyn FnMut(&'static str, Option<String>)) {
    let Conditions {
        odd_paths,
        query,
        headers,
        content_types,
        max_body,
        rate,
        body,
        links,
        credentials,
        max_unseen,
        learn_until,
        ask,
        secret,
    } = when;
    let odd: Vec<&str> =
        Oddities::NAMES.iter().filter(|(_, odd)| odd_paths.0.covers(*odd)).map(|(name, _)| *name).collect();
    let pair = |name: &str, value: &dyn fmt::Display| format!("{name}={value}");
    say("odd_paths", (!odd.is_empty()).then(|| odd.join(", ")));
    say("query", query.as_ref().map(|rules| listed(rules.iter().map(|rule| pair(&rule.name, &rule.value)))));
    let header = |rule: &creel_policy::HeaderRule| match &rule.value {
        Some(value) => format!("{}: {value}", rule.name),
        None => format!("!{}", rule.name),
    };
    say("headers", (!headers.is_empty()).then(|| listed(headers.iter().map(header))));
    say("content_types", content_types.as_ref().map(|types| types.join(", ")));
    say("max_body", max_body.map(|most| most.to_string()));
    say("rate", rate.map(|Rate { count, seconds }| format!("{count} in {seconds} s")));
    if let Some(Declared { form, operations, fields }) = body {
        say("body", Some(word(*form).to_owned()));
        say("operations", operations.as_ref().map(listed));
        let field = |rule: &creel_policy::FieldRule| pair(&rule.place.join("."), &rule.value);
        say("fields", (!fields.is_empty()).then(|| listed(fields.iter().map(field))));
    }
    say("links", (*links == Links::Approved).then(|| "approved".to_owned()));
    say("credentials", (*credentials == Credentials::None).then(|| "none".to_owned()));
    say("max_unseen", max_unseen.map(|most| most.to_string()));
    say("learn_until", learn_until.map(|until| format!("{until} s since 1970")));
    say("secret", secret.as_ref().map(|inject| inject.secret.clone()));
    say("secret_slot", secret.as_ref().and_then(|inject| inject.slot.as_ref()).map(ToString::to_string));
    say("ask", ask.then(|| "a person decides".to_owned()));
}

/// As `body` says it in `creel.toml`.
fn word(form: Form) -> &'static str {
    match form {
        Form::Json => "json",
        Form::Graphql => "graphql",
        Form::JsonRpc => "json-rpc",
        Form::Urlencoded => "form",
    }
}

fn listed<T: fmt::Display>(all: impl IntoIterator<Item = T>) -> String {
    all.into_iter().map(|one| one.to_string()).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, ports, profile, conditions } = self;
        write!(f, "{host}:{}", listed(ports).replace(' ', ""))?;
        match profile {
            Some(line) => writeln!(f, "  by the profile `{line}`")?,
            None => writeln!(f)?,
        }
        for (name, value) in conditions {
            writeln!(f, "    {name:<13} {value}")?;
        }
        Ok(())
    }
}

/// A host as it stands in a URL.
pub(super) fn target(text: &str) -> Result<Target, String> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    match bare.parse() {
        Ok(address) => Ok(Target::Address(address)),
        Err(_) => HostName::parse(text).map(Target::Host).map_err(|error| error.to_string()),
    }
}
