//! What a kind of credential is.
//!
//! Owns [`Row`], a row of the tables: an id, the keywords that a text must hold, a pattern, and a check that says how sure
//! it is; and [`Kind`], a row with its pattern, which is compiled when its first keyword is seen.

use std::ops::Deref;
use std::sync::OnceLock;

use regex::bytes::{Regex, RegexBuilder};

use crate::secrets::excused;

/// One row.
pub(super) struct Row {
    pub(super) id: &'static str,
    pub(super) words: &'static [&'static str],
    pub(super) source: &'static str,
    pub(super) shape: Shape,
    pub(super) check: fn(&Seen<'_>) -> Option<f32>,
}

/// One kind, in use.
pub(super) struct Kind {
    row: &'static Row,
    compiled: OnceLock<Option<Regex>>,
}

/// Where the credential stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// It begins with the keyword, or at most so many bytes before it.
    Token {
        /// Bytes before the keyword.
        back: usize,
    },
    /// The keyword is a part of its name: `ACME_API_KEY = "…"`.
    Labelled,
}

/// What a check sees.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'t> {
    pub(super) text: &'t [u8],
    pub(super) value: &'t [u8],
    pub(super) start: usize,
    pub(super) end: usize,
    /// Where the label begins; `start` when there is none.
    pub(super) label: usize,
}

impl Row {
    /// A kind that its own first characters tell.
    pub(super) const fn token(id: &'static str, words: &'static [&'static str], source: &'static str) -> Self {
        Self { id, words, source, shape: Shape::Token { back: 0 }, check: plain }
    }

    /// A kind that the name beside it tells.
    pub(super) const fn labelled(id: &'static str, words: &'static [&'static str], source: &'static str) -> Self {
        Self { id, words, source, shape: Shape::Labelled, check: named }
    }

    /// The keyword stands up to `back` bytes into it.
    pub(super) const fn back(mut self, back: usize) -> Self {
        self.shape = Shape::Token { back };
        self
    }

    /// Another check.
    pub(super) const fn check(mut self, check: fn(&Seen<'_>) -> Option<f32>) -> Self {
        self.check = check;
        self
    }
}

impl Kind {
    pub(super) const fn new(row: &'static Row) -> Self {
        Self { row, compiled: OnceLock::new() }
    }

    /// The compiled pattern; none is a defect that a test finds.
    pub(super) fn pattern(&self) -> Option<&Regex> {
        let made = || RegexBuilder::new(&format!("^(?:{})", self.source)).unicode(false).build().ok();
        self.compiled.get_or_init(made).as_ref()
    }
}

impl Deref for Kind {
    type Target = Row;
    fn deref(&self) -> &Row {
        self.row
    }
}

/// A token that looks random enough and is nobody's example.
pub(super) fn plain(seen: &Seen<'_>) -> Option<f32> {
    (!excused::is_example(seen.value) && excused::is_varied(seen.value)).then_some(0.85)
}

/// A value that its name makes a credential: the value must look random, and nobody may call it an example.
pub(super) fn named(seen: &Seen<'_>) -> Option<f32> {
    let is_example = excused::is_example(seen.value) || excused::is_called_example(seen.text, seen.label);
    (!is_example && excused::is_varied(seen.value)).then_some(0.7)
}

/// By a checksum: sure when it is right; when it is wrong, a made-up one wherever the text explains.
pub(super) fn summed(seen: &Seen<'_>, right: bool) -> Option<f32> {
    if excused::is_published(seen.value) {
        return None;
    }
    if right {
        return Some(0.99);
    }
    (!excused::is_called_example(seen.text, seen.start)).then(|| plain(seen)).flatten().map(|_| 0.6)
}
