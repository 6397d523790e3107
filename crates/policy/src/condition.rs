//! Conditions on a request beyond host, port, method and path.
//!
//! Owns [`Conditions`] and the reading of queries and headers that they need. Never allocates where nothing is decoded,
//! and never takes two readings: a query that servers could split differently meets no condition. Asked by the rules.

use std::borrow::Cow;

use creel_guard::{Form, Headers, Inject, Oddities, form_decoded};

use crate::glob::Glob;

/// What an entry asks of a request, over and above where it goes. The default asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Conditions {
    /// What the path may hold although servers read it differently.
    pub odd_paths: Odd,
    /// The only query parameters; `None` means every one.
    pub query: Option<Vec<QueryRule>>,
    /// Headers that must stand there, or must not.
    pub headers: Vec<HeaderRule>,
    /// The media types of a body; `None` means every one.
    pub content_types: Option<Vec<String>>,
    /// Body bytes; `None` means the door's own limit.
    pub max_body: Option<u64>,
    /// At most so many requests in so many seconds.
    pub rate: Option<Rate>,
    /// The body is read and judged in this form.
    pub body: Option<Declared>,
    /// Links in a declared body lead to approved hosts alone.
    pub links: Links,
    /// Whether credentials of the agent's own may go out.
    pub credentials: Credentials,
    /// Bytes of URL and headers that stood in no text that Creel saw arrive; beyond them a person decides.
    pub max_unseen: Option<u64>,
    /// It is an outer bound to learn in, and holds before this second since 1970 alone.
    pub learn_until: Option<u64>,
    /// A person decides about each request.
    pub ask: bool,
    /// The secret that Creel puts into each request, and where.
    pub secret: Option<Inject>,
}

/// [`Oddities`] that can be hashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Odd(pub Oddities);

impl std::hash::Hash for Odd {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        Oddities::NAMES.iter().for_each(|(_, odd)| self.0.covers(*odd).hash(state));
    }
}

/// A query parameter that may stand there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QueryRule {
    /// Its name, decoded.
    pub name: String,
    /// Its value, decoded.
    pub value: Glob,
}

/// A header that must stand there once with such a value, or must not stand there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeaderRule {
    /// Its name in lower case.
    pub name: String,
    /// Its value; `None` means that it must be missing.
    pub value: Option<Glob>,
}

/// So many requests in so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// How many.
    pub count: u64,
    /// In how many seconds.
    pub seconds: u32,
}

/// A body that is read and judged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Declared {
    /// Its form.
    pub form: Form,
    /// What it may do, as [`crate::declared`] names it; `None` means everything of that form.
    pub operations: Option<Vec<Glob>>,
    /// What its top value must hold.
    pub fields: Vec<FieldRule>,
}

/// A member that a JSON object must hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FieldRule {
    /// The keys that lead there.
    pub place: Vec<String>,
    /// Its value as text: a string as it is, all else as JSON.
    pub value: Glob,
}

/// Where links in a body may lead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Links {
    /// Anywhere: whoever reads the message may follow them, and a client may fetch them for a preview.
    #[default]
    Any,
    /// To hosts that an entry names.
    Approved,
}

/// Whether credentials of the agent's own may go out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Credentials {
    /// Any: at a host with many customers the agent can use an account that is not yours, and leave things there.
    #[default]
    Any,
    /// None, in any place that Creel looks into.
    None,
}

/// Reads a query strictly and says whether each parameter is allowed.
pub(crate) fn query_allowed(query: &str, rules: &[QueryRule]) -> bool {
    if query.is_empty() {
        return true;
    }
    let mut seen: Vec<Cow<'_, str>> = Vec::new();
    query.split('&').all(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        // `;` separates parameters to some servers; a name with an escape is a name to decode once more to others.
        let (Some(name), Some(value)) = (form_decoded(name), form_decoded(value)) else { return false };
        if pair.contains(';') || name.is_empty() || name.contains('%') || seen.contains(&name) {
            return false;
        }
        let known = rules.iter().any(|rule| rule.name == *name && rule.value.covers(&value));
        seen.push(name);
        known
    })
}

/// Name and value of each parameter as far as they can be read, split at `&` and `;` alike.
pub(crate) fn query_pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.split(['&', ';']).filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let read = |text| form_decoded(text).unwrap_or(Cow::Borrowed(text));
        (read(name), read(value))
    })
}

/// Whether the headers are as the rules ask.
pub(crate) fn headers_allowed(headers: &Headers, rules: &[HeaderRule]) -> bool {
    rules.iter().all(|rule| match &rule.value {
        Some(value) => headers.one(&rule.name).is_some_and(|found| value.covers(found)),
        None => headers.all(&rule.name).next().is_none(),
    })
}

/// Whether the one content type is among `allowed`, without its parameters.
pub(crate) fn content_type_allowed(headers: &Headers, allowed: &[String]) -> bool {
    let Some(full) = headers.one("content-type") else { return false };
    let essence = full.split(';').next().unwrap_or_default().trim();
    allowed.iter().any(|one| one.eq_ignore_ascii_case(essence))
}

#[cfg(test)]
mod tests {
    use creel_guard::{Content, urlencoded_pairs};

    use super::*;

    #[test]
    fn a_query_has_one_reading_or_none() {
        let rules = [("page", "*"), ("state", "open"), ("q", "*")]
            .map(|(name, value)| QueryRule { name: name.to_owned(), value: Glob::new(value) });
        for query in ["", "page=1", "page", "state=open&page=2", "q=a+b%26c", "%71=x"] {
            assert!(query_allowed(query, &rules), "{query}");
        }
        for query in [
            "x=1",
            "state=closed",
            "page=1&page=2",
            "page=1;q=2",
            "page=1&",
            "=1",
            "pa%2567e=1",
            "page=%zz",
            "page=%00",
            "page=%ff",
            "Page=1",
            "page=1&%70age=2",
        ] {
            assert!(!query_allowed(query, &rules), "{query}");
        }
    }

    #[test]
    fn headers_stand_once_or_not_at_all() {
        let headers = Headers::new([("Accept", &b"application/json"[..]), ("x", b"1"), ("x", b"1")]);
        let rule = |name: &str, value: Option<&str>| HeaderRule { name: name.to_owned(), value: value.map(Glob::new) };
        assert!(headers_allowed(&headers, &[rule("accept", Some("application/*")), rule("y", None)]));
        assert!(!headers_allowed(&headers, &[rule("accept", Some("text/*"))]));
        assert!(!headers_allowed(&headers, &[rule("x", Some("1"))]));
        assert!(!headers_allowed(&headers, &[rule("x", None)]));
        let typed = Headers::new([("content-type", &b"Application/JSON; charset=utf-8"[..])]);
        assert!(content_type_allowed(&typed, &["application/json".to_owned()]));
        assert!(!content_type_allowed(&headers, &["application/json".to_owned()]));
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_as_pairs_reads_the_same(
            names in proptest::collection::btree_set("\\PC{1,8}", 0..8),
            value in "\\PC{0,20}",
        ) {
            let named = |name: String| (name, serde_json::Value::String(value.clone()));
            let object = serde_json::Value::Object(names.into_iter().map(named).collect());
            let written = Content::new(Form::Urlencoded, object.clone(), String::new()).text;
            proptest::prop_assert_eq!(urlencoded_pairs(&written), Some(object));
        }

        #[test]
        fn pairs_of_any_text_are_read_once_or_not_at_all(text in "[a-c=&%+;0-9]{0,40}") {
            if let Some(read) = urlencoded_pairs(&text) {
                let written = Content::new(Form::Urlencoded, read.clone(), String::new()).text;
                proptest::prop_assert_eq!(urlencoded_pairs(&written), Some(read));
            }
        }
    }
}
