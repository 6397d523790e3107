//! Checks of what an `[[egress.allow]]` entry asks beyond host, port, method and path.
//!
//! Owns the forms of those settings and what makes no sense together. Never judges a request: `policy` does. Called by
//! `check::egress` for each entry.

use creel_guard::{Form, Inject, Oddities, Slot};
use creel_policy::{Conditions, Credentials, Declared, FieldRule, Glob, HeaderRule, Links, Odd, QueryRule, Rate};

use super::{Checker, short};
use crate::config::raw::RawAllow;
use crate::config::size::Placed;

impl Checker<'_> {
    /// Reads them all. What names the entry itself (`host` and its neighbours) is read by [`Checker::rule`].
    pub(super) fn conditions(&mut self, raw: &RawAllow) -> Conditions {
        let RawAllow {
            host: _,
            ports: _,
            address: _,
            ca: _,
            client_cert: _,
            client_key: _,
            http: _,
            mode: _,
            websocket: _,
            methods: _,
            paths: _,
            odd_paths,
            query,
            headers,
            content_types,
            max_body,
            rate,
            body,
            operations,
            fields,
            links,
            credentials,
            max_unseen,
            learn_until,
            ask,
            secret,
            secret_slot,
        } = raw;
        Conditions {
            odd_paths: self.odd_paths(&odd_paths.value),
            query: query.as_ref().map(|query| query.value.iter().map(query_rule).collect()),
            headers: headers.value.iter().filter_map(|line| self.header_rule(line)).collect(),
            content_types: content_types.as_ref().map(|types| self.media_types(types)),
            max_body: max_body.as_ref().map(|size| size.value.0),
            rate: rate.as_ref().and_then(|rate| self.rate(rate)),
            body: self.declared(body.as_ref(), operations.as_ref(), fields, links),
            links: if links.value == "approved" { Links::Approved } else { Links::Any },
            credentials: if credentials.value == "none" { Credentials::None } else { Credentials::Any },
            max_unseen: max_unseen.as_ref().map(|most| most.value),
            learn_until: learn_until.as_ref().and_then(|until| self.learn_until(until)),
            ask: ask.value,
            secret: self.secret(raw, secret.as_ref(), secret_slot),
        }
    }

    /// The secret of an entry and its place. It never goes where Creel could not take it out of the answer again.
    fn secret(&mut self, raw: &RawAllow, name: Option<&Placed<String>>, slot: &Placed<String>) -> Option<Inject> {
        let in_header = |slot: Slot| slot.is_value().then_some(slot).ok_or(Slot::IN_HEADERS);
        let read = Slot::parse(&slot.value).and_then(in_header);
        if let Err(why) = &read {
            self.fault(slot.span.clone(), format!("`secret_slot` can't be `{}`: {why}", short(&slot.value)), *why);
        }
        let name = name?;
        if creel_secrets::SecretName::parse(&name.value).is_err() || name.value.contains('/') {
            let help = "`secret` is a name, as of a variable: the value comes from the environment of `creel up`";
            self.fault(name.span.clone(), "`secret` is no secret's name", help);
        }
        let plain = raw.http.value || raw.ports.value.iter().any(|port| port.value == 80);
        for (wrong, what) in [(plain, "plain HTTP"), (raw.websocket.value, "a WebSocket")] {
            if wrong {
                let help = "give what needs the secret an entry of its own, over TLS";
                self.fault(name.span.clone(), format!("no secret goes over {what}"), help);
            }
        }
        Some(Inject { secret: name.value.clone(), skill: None, slot: Some(read.ok()?) })
    }

    fn odd_paths(&mut self, names: &[Placed<String>]) -> Odd {
        let mut odd = Oddities::default();
        for name in names {
            match Oddities::named(&name.value) {
                Some(one) => odd = odd.with(one),
                None => {
                    let what = format!("`odd_paths` can't hold `{}`", short(&name.value));
                    self.fault(name.span.clone(), what, "legal are `%2f`, `;`, `//`, `%25` and `%3f`");
                }
            }
        }
        Odd(odd)
    }

    fn header_rule(&mut self, line: &Placed<String>) -> Option<HeaderRule> {
        let (name, value) = match (line.value.strip_prefix('!'), line.value.split_once(':')) {
            (Some(name), _) => (name.trim(), None),
            (None, Some((name, value))) => (name.trim(), Some(Glob::new(value.trim()))),
            (None, None) => ("", None),
        };
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(token) {
            let what = format!("`headers` can't hold `{}`", short(&line.value));
            self.fault(line.span.clone(), what, "legal is `name: value`, `name: *` or `!name`");
            return None;
        }
        Some(HeaderRule { name: name.to_ascii_lowercase(), value })
    }

    fn media_types(&mut self, types: &Placed<Vec<Placed<String>>>) -> Vec<String> {
        for one in &types.value {
            let legal = |part: &str| {
                !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b))
            };
            if !one.value.split_once('/').is_some_and(|(kind, rest)| legal(kind) && legal(rest)) {
                let what = format!("`content_types` can't hold `{}`", short(&one.value));
                self.fault(
                    one.span.clone(),
                    what,
                    "legal is a media type without parameters, such as `application/json`",
                );
            }
        }
        types.value.iter().map(|one| one.value.to_ascii_lowercase()).collect()
    }

    fn rate(&mut self, rate: &Placed<String>) -> Option<Rate> {
        let read = rate.value.split_once('/').and_then(|(count, unit)| {
            let seconds = match unit.trim() {
                "second" => 1,
                "minute" => 60,
                "hour" => 3600,
                "day" => 86_400,
                _ => return None,
            };
            let count = count.trim().parse().ok().filter(|count| (1..=1_000_000).contains(count))?;
            Some(Rate { count, seconds })
        });
        if read.is_none() {
            let what = format!("`rate` can't be `{}`", short(&rate.value));
            let help = "legal is 1 to 1000000, `/`, and `second`, `minute`, `hour` or `day`: `\"60/minute\"`";
            self.fault(rate.span.clone(), what, help);
        }
        read
    }

    /// The first second after this day, since 1970.
    fn learn_until(&mut self, until: &Placed<String>) -> Option<u64> {
        let form = time::macros::format_description!("[year]-[month]-[day]");
        let day = time::Date::parse(&until.value, &form).ok().and_then(time::Date::next_day);
        let end = day.and_then(|day| u64::try_from(day.midnight().assume_utc().unix_timestamp()).ok());
        if end.is_none() {
            let what = format!("`learn_until` can't be `{}`", short(&until.value));
            self.fault(until.span.clone(), what, "write the last day (UTC): `\"2026-12-31\"`");
        }
        end
    }

    fn declared(
        &mut self,
        body: Option<&Placed<String>>,
        operations: Option<&Placed<Vec<Placed<String>>>>,
        fields: &Placed<Vec<Placed<String>>>,
        links: &Placed<String>,
    ) -> Option<Declared> {
        let Some(body) = body else {
            let unread = [
                operations.map(|list| ("operations", list.span.clone())),
                fields.value.first().map(|first| ("fields", first.span.clone())),
                (links.value == "approved").then(|| ("links", links.span.clone())),
            ];
            for (name, span) in unread.into_iter().flatten() {
                self.fault(
                    span,
                    format!("`{name}` needs a `body` that is read"),
                    "add `body = \"json\"` or the form it has",
                );
            }
            return None;
        };
        let form = match body.value.as_str() {
            "graphql" => Form::Graphql,
            "json-rpc" => Form::JsonRpc,
            "form" => Form::Urlencoded,
            _ => Form::Json,
        };
        if let (Form::Json | Form::Urlencoded, Some(operations)) = (form, operations) {
            let help = "write `fields` for them, or `body = \"graphql\"` or `\"json-rpc\"`";
            self.fault(operations.span.clone(), "a body of plain JSON or of a form has no `operations`", help);
        }
        Some(Declared {
            form,
            operations: operations.map(|list| list.value.iter().map(|one| Glob::new(&one.value)).collect()),
            fields: fields.value.iter().filter_map(|field| self.field_rule(field)).collect(),
        })
    }

    fn field_rule(&mut self, field: &Placed<String>) -> Option<FieldRule> {
        let read = field.value.split_once('=').map(|(place, value)| FieldRule {
            place: place.trim().split('.').map(str::to_owned).collect(),
            value: Glob::new(value.trim()),
        });
        let read = read.filter(|rule| rule.place.iter().all(|key| !key.is_empty()));
        if read.is_none() {
            let what = format!("`fields` can't hold `{}`", short(&field.value));
            self.fault(field.span.clone(), what, "legal is `member=value` or `member.member=value`");
        }
        read
    }
}

fn query_rule(line: &Placed<String>) -> QueryRule {
    let (name, value) = line.value.split_once('=').unwrap_or((&line.value, "*"));
    QueryRule { name: name.trim().to_owned(), value: Glob::new(value.trim()) }
}
