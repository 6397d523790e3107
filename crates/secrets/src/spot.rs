//! Placeholders in a request.
//!
//! Owns [`Placeholders`], which finds each one that fills a slot whole, says which, and puts a mark in its place, so that what is
//! judged, recorded and searched for leaks holds none. Whatever it leaves where it is fills no slot and is refused as a leak.
//! It never decides whether the slot is the right one. The broker lends it to the egress door.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use creel_guard::{Content, Form, Headers, Inject, Send, Slot, form_decoded};
use serde_json::Value;

use crate::aws;
use crate::placeholder::Placeholder;
use crate::secret::{SecretName, same};

/// All placeholders of a tenant.
#[derive(Debug, Default)]
pub struct Placeholders(Vec<Placeholder>);

impl Placeholders {
    pub(crate) fn new(all: Vec<Placeholder>) -> Self {
        Self(all)
    }

    /// Takes the placeholders out of the slots of a request, and says where each stood.
    pub fn take(&self, send: &mut Send) -> Vec<Inject> {
        let mut stood = Vec::new();
        if self.0.is_empty() {
            return stood;
        }
        self.headers(send, &mut stood);
        self.path(send, &mut stood);
        self.content(send, &mut stood);
        stood
    }

    /// Whether a placeholder stands anywhere in these bytes, as it is.
    pub fn stand_in(&self, bytes: &[u8]) -> bool {
        self.0.iter().any(|one| memchr::memmem::find(bytes, one.value.as_bytes()).is_some())
    }

    /// Takes the placeholders out of a message in JSON, and says where each stood.
    pub fn take_message(&self, message: &mut Content) -> Vec<Inject> {
        let mut stood = Vec::new();
        self.exchange(message, &|at| Slot::Message(at.to_owned()), &mut stood);
        stood
    }

    /// The placeholder of `name` for that skill, or the one that belongs to no skill.
    pub(crate) fn of(&self, name: &SecretName, skill: Option<&str>) -> Option<&str> {
        let find = |skill: Option<&str>| self.0.iter().find(|one| one.secret == *name && one.skill.as_deref() == skill);
        find(skill).or_else(|| find(None)).map(|one| one.value.as_str())
    }

    /// Whose placeholder `user` signs in with, if it is one.
    pub fn take_login(&self, user: &str, password: &str) -> Option<Inject> {
        self.known(password, || Slot::Login(user.to_owned()))
    }

    /// Whose placeholder `text` is, with its place.
    fn known(&self, text: &str, slot: impl FnOnce() -> Slot) -> Option<Inject> {
        let found = self.0.iter().find(|one| same(one.value.as_bytes(), text.as_bytes()))?;
        Some(stood(found, slot()))
    }

    fn headers(&self, send: &mut Send, out: &mut Vec<Inject>) {
        let found: Vec<Option<Inject>> = send.headers.iter().map(|(name, value)| self.header(name, value)).collect();
        if found.iter().all(Option::is_none) {
            return;
        }
        let marks: Vec<Option<String>> = found.iter().map(|one| one.as_ref().map(Inject::mark)).collect();
        let lines = send.headers.iter().zip(&marks);
        let lines = lines.map(|((name, value), mark)| (name, mark.as_deref().unwrap_or(value).as_bytes()));
        send.headers = Headers::new(lines);
        out.extend(found.into_iter().flatten());
    }

    fn header(&self, name: &str, value: &str) -> Option<Inject> {
        let plain = || self.known(value, || Slot::Header(name.to_owned()));
        if name != "authorization" {
            return plain();
        }
        let (scheme, credential) = value.split_once(' ').unwrap_or(("", value));
        let credential = credential.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            return self.known(credential, || Slot::Bearer);
        }
        if scheme == aws::ALGORITHM {
            return self.signed(credential);
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return plain();
        }
        let pair = String::from_utf8(STANDARD.decode(credential).ok()?).ok()?;
        let (user, password) = pair.split_once(':')?;
        self.known(password, || Slot::Basic(user.to_owned()))
    }

    /// Whose key a request to AWS was signed with, as it says; the signature itself opens nothing.
    fn signed(&self, says: &str) -> Option<Inject> {
        let credential = says.split(',').find_map(|part| part.trim().strip_prefix("Credential="))?;
        let [id, _day, region, service, "aws4_request"] = credential.split('/').collect::<Vec<_>>()[..] else {
            return None;
        };
        let is = |one: &&Placeholder| {
            aws::parts(one.value.as_bytes()).is_some_and(|own| same(own.id.as_bytes(), id.as_bytes()))
        };
        let slot = Slot::parse(&format!("aws {region} {service}")).ok()?;
        Some(stood(self.0.iter().find(is)?, slot))
    }

    /// A path that holds a mark already would not tell which one is ours.
    fn path(&self, send: &mut Send, out: &mut Vec<Inject>) {
        let mut found = Vec::new();
        let (path, query) =
            send.path.split_once('?').map_or((send.path.as_str(), None), |(path, query)| (path, Some(query)));
        let segments = path.split('/').map(|segment| self.segment(segment, &mut found)).collect::<Vec<_>>().join("/");
        let pairs =
            query.map(|query| query.split('&').map(|pair| self.pair(pair, &mut found)).collect::<Vec<_>>().join("&"));
        if found.is_empty() || found.iter().any(|one: &Inject| send.path.contains(&one.mark())) {
            return;
        }
        send.path = pairs.map_or_else(|| segments.clone(), |pairs| format!("{segments}?{pairs}"));
        out.append(&mut found);
    }

    fn segment(&self, segment: &str, found: &mut Vec<Inject>) -> String {
        let plain = form_decoded(&segment.replace('+', "%2B")).unwrap_or_default().into_owned();
        for one in self.0.iter().filter(|_| !plain.is_empty()) {
            let Some((before, after)) = plain.split_once(&one.value) else { continue };
            let slot = Slot::parse(&format!("path {before}*{after}"));
            if let Ok(slot) = slot {
                let stood = stood(one, slot);
                let marked = format!("{before}{}{after}", stood.mark());
                found.push(stood);
                return marked;
            }
        }
        segment.to_owned()
    }

    fn pair(&self, pair: &str, found: &mut Vec<Inject>) -> String {
        let stood = pair.split_once('=').and_then(|(name, value)| {
            let (plain, value) = (form_decoded(name)?, form_decoded(value)?);
            Some((name, self.known(&value, || Slot::Query(plain.into_owned()))?))
        });
        let Some((name, stood)) = stood else { return pair.to_owned() };
        let marked = format!("{name}={}", stood.mark());
        found.push(stood);
        marked
    }

    fn content(&self, send: &mut Send, out: &mut Vec<Inject>) {
        let Some(content) = &mut send.content else { return };
        let escapes = content.form == Form::Urlencoded;
        if !escapes && !self.0.iter().any(|one| content.text.contains(&one.value)) {
            return;
        }
        match content.form {
            Form::Urlencoded => {
                let name = |at: &str| at.trim_start_matches('/').replace("~1", "/").replace("~0", "~");
                self.exchange(content, &|at| Slot::Form(name(at)), out);
            }
            Form::Json | Form::Graphql | Form::JsonRpc => {
                self.exchange(content, &|at| Slot::Json(at.to_owned()), out);
            }
        }
    }

    /// Puts marks in the place of placeholders; `slot` makes a place of a JSON Pointer.
    fn exchange(&self, content: &mut Content, slot: &dyn Fn(&str) -> Slot, out: &mut Vec<Inject>) {
        let mut value = (*content.value).clone();
        let before = out.len();
        self.value(&mut value, slot, &mut String::new(), out);
        if out.len() > before {
            *content = Content::new(content.form, value, String::new());
        }
    }

    fn value(&self, value: &mut Value, slot: &dyn Fn(&str) -> Slot, at: &mut String, out: &mut Vec<Inject>) {
        let deeper = |this: &Self, key: &str, inner: &mut Value, at: &mut String, out: &mut Vec<Inject>| {
            let length = at.len();
            at.push('/');
            at.push_str(&key.replace('~', "~0").replace('/', "~1"));
            this.value(inner, slot, at, out);
            at.truncate(length);
        };
        match value {
            Value::String(text) => {
                if let Some(stood) = self.known(text, || slot(at)) {
                    *text = stood.mark();
                    out.push(stood);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    deeper(self, &index.to_string(), item, at, out);
                }
            }
            Value::Object(map) => {
                for (key, item) in map.iter_mut() {
                    deeper(self, key, item, at, out);
                }
            }
            _ => {}
        }
    }
}

fn stood(one: &Placeholder, slot: Slot) -> Inject {
    Inject { secret: one.secret.as_str().to_owned(), skill: one.skill.clone(), slot: Some(slot) }
}

#[cfg(test)]
mod tests;
