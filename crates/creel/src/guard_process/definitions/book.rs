//! Which definitions of tools were accepted.
//!
//! Owns [`Book`], as it is kept on disk: for each source the pins of its tools, several where a tool has been accepted in
//! several forms. Pure. What a source offers first is its baseline; behind it only tools that Creel's own profile declares
//! are taken as they come, in a few forms each: OpenClaw words them otherwise in a webhook's turn than in a person's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Pins in all, of one tool, and bytes of their texts.
const MOST_PINS: usize = 2048;
const MOST_FORMS: usize = 8;
/// Forms in which one of OpenClaw's own tools is taken as it comes.
const OWN_FORMS: usize = 4;
const MOST_BYTES: usize = 8 << 20;
/// Sources, and the longest name of one or of a tool.
const MOST_SOURCES: usize = 64;
const LONGEST_NAME: usize = 512;

/// A definition that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pin {
    /// SHA-256 of the canonical form.
    pub(super) digest: String,
    /// What people compare.
    pub(super) text: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    /// All that it offers was seen once.
    whole: bool,
    tools: BTreeMap<String, Vec<Pin>>,
}

/// All pins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Book {
    /// The version of OpenClaw that its own tools were pinned of.
    openclaw: String,
    sources: BTreeMap<String, Source>,
}

/// How a definition stands to the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It was accepted in this very form.
    Accepted,
    /// It may be taken as it comes.
    First,
    /// Nothing is known of it, and others were seen before.
    New,
    /// It was accepted in another form.
    Changed,
}

impl Book {
    /// With another version of OpenClaw its own tools, which `own` knows, are pinned anew.
    pub(super) fn of_version(mut self, version: &str, own: impl Fn(&str) -> bool) -> Self {
        if self.openclaw != version {
            version.clone_into(&mut self.openclaw);
            self.sources.values_mut().for_each(|source| source.tools.retain(|name, _| !own(name)));
        }
        self
    }

    /// How a definition of this digest stands; `own` is a tool that Creel's profile declares.
    pub(super) fn standing(&self, source: &str, tool: &str, digest: &str, own: bool) -> Standing {
        let known = self.sources.get(source);
        match known.and_then(|source| source.tools.get(tool)) {
            Some(pins) if pins.iter().any(|pin| pin.digest == digest) => Standing::Accepted,
            Some(pins) if own && pins.len() < OWN_FORMS => Standing::First,
            Some(pins) if !pins.is_empty() => Standing::Changed,
            _ if own || !known.is_some_and(|source| source.whole) => Standing::First,
            _ => Standing::New,
        }
    }

    /// Accepts a definition. `false` when there is no room: it stays what it was.
    #[must_use]
    pub(super) fn accept(&mut self, source: &str, tool: &str, pin: Pin) -> bool {
        let (pins, bytes) = self.size();
        let fits = source.len() <= LONGEST_NAME && tool.len() <= LONGEST_NAME;
        let has_room = pins < MOST_PINS && bytes + pin.text.len() <= MOST_BYTES;
        let is_known = self.sources.contains_key(source);
        if !fits || !has_room || !(is_known || self.sources.len() < MOST_SOURCES) {
            return false;
        }
        let forms = self.sources.entry(source.to_owned()).or_default().tools.entry(tool.to_owned()).or_default();
        forms.retain(|known| known.digest != pin.digest);
        forms.push(pin);
        if forms.len() > MOST_FORMS {
            forms.remove(0);
        }
        true
    }

    /// The source has offered all that it has. Whether that is news.
    pub(super) fn close(&mut self, source: &str) -> bool {
        let may = source.len() <= LONGEST_NAME && self.sources.len() < MOST_SOURCES;
        if !may && !self.sources.contains_key(source) {
            return false;
        }
        let known = self.sources.entry(source.to_owned()).or_default();
        !std::mem::replace(&mut known.whole, true)
    }

    /// Whether the source has.
    pub(super) fn is_whole(&self, source: &str) -> bool {
        self.sources.get(source).is_some_and(|known| known.whole)
    }

    /// What was accepted last of a tool; nothing when it never was.
    pub(super) fn last(&self, source: &str, tool: &str) -> Option<&Pin> {
        self.sources.get(source)?.tools.get(tool)?.last()
    }

    /// Every pin with its source and tool.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str, &Pin)> {
        self.sources.iter().flat_map(|(source, known)| {
            let tools = known.tools.iter();
            tools.flat_map(move |(tool, pins)| pins.iter().map(move |pin| (source.as_str(), tool.as_str(), pin)))
        })
    }

    fn size(&self) -> (usize, usize) {
        self.all().fold((0, 0), |(pins, bytes), (_, _, pin)| (pins + 1, bytes + pin.text.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(digest: &str) -> Pin {
        Pin { digest: digest.to_owned(), text: digest.to_owned() }
    }

    #[test]
    fn what_comes_first_is_taken_and_what_comes_later_is_not() {
        let mut book = Book::default();
        assert_eq!(book.standing("s", "a", "1", false), Standing::First);
        assert!(book.accept("s", "a", pin("1")));
        assert_eq!(book.standing("s", "a", "1", false), Standing::Accepted);
        assert_eq!(book.standing("s", "a", "2", false), Standing::Changed);
        assert_eq!(book.standing("s", "a", "2", true), Standing::First, "an own tool has a few forms");
        let mut own = book.clone();
        (2..=OWN_FORMS).for_each(|at| assert!(own.accept("s", "a", pin(&at.to_string()))));
        assert_eq!(own.standing("s", "a", "9", true), Standing::Changed, "and no more");
        assert_eq!(book.standing("s", "b", "1", false), Standing::First);
        assert!(book.close("s") && !book.close("s"));
        assert_eq!(book.standing("s", "b", "1", false), Standing::New);
        assert_eq!(book.standing("s", "b", "1", true), Standing::First);
        assert_eq!(book.standing("other", "a", "9", false), Standing::First, "each source has a baseline of its own");
        assert!(book.close("empty"), "a source that offers nothing has offered all");
        assert_eq!(book.standing("empty", "a", "1", false), Standing::New);
        let again = serde_json::from_str::<Book>(&serde_json::to_string(&book).unwrap()).unwrap();
        assert_eq!(again, book);
    }

    #[test]
    fn a_tool_may_have_several_forms_and_another_openclaw_has_other_own_tools() {
        let mut book = Book::default().of_version("1", |_| false);
        for digest in ["1", "2", "1"] {
            assert!(book.accept("s", "exec", pin(digest)));
        }
        assert!(book.accept("s", "shop", pin("3")));
        assert_eq!(book.last("s", "exec").map(|pin| pin.digest.as_str()), Some("1"));
        assert_eq!(book.all().count(), 3);
        for digest in 0..20 {
            assert!(book.accept("s", "shop", pin(&digest.to_string())));
        }
        assert_eq!(book.all().count(), 2 + MOST_FORMS);
        let same = book.clone().of_version("1", |name| name == "exec");
        assert_eq!(same, book);
        let next = book.of_version("2", |name| name == "exec");
        assert_eq!(next.standing("s", "exec", "2", true), Standing::First);
        assert_eq!(next.standing("s", "shop", "19", true), Standing::Accepted);
    }

    #[test]
    fn a_full_book_takes_nothing_more() {
        let mut book = Book::default();
        (0..MOST_PINS).for_each(|at| assert!(book.accept("s", &at.to_string(), pin("1"))));
        assert!(!book.accept("s", "more", pin("1")));
        let mut book = Book::default();
        let long = Pin { digest: "1".to_owned(), text: "x".repeat(MOST_BYTES / 2 + 1) };
        assert!(book.accept("s", "a", long.clone()) && !book.accept("s", "b", long));
        assert!(!book.accept("s", &"x".repeat(LONGEST_NAME + 1), pin("1")));
        let closed = (0..MOST_SOURCES).filter(|at| book.close(&at.to_string())).count();
        assert_eq!(closed, MOST_SOURCES - 1, "one is there");
        assert!(!book.accept("another", "a", pin("1")) && !book.close("another"));
    }
}
