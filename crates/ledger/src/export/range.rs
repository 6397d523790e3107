//! Which records an export holds.
//!
//! Owns [`Range`] and the words for its edges: a record's number, a day, or a moment (RFC 3339). Both edges belong to it.
//! Pure.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::clock;

/// From which record or moment to which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Range {
    from: Option<Edge>,
    to: Option<Edge>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Edge {
    Record(u64),
    /// In the form in which records bear it, so that texts can be compared.
    Time(String),
}

/// A text that names no edge.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is neither a record's number, a day (`2026-11-22`) nor a moment (`2026-11-22T10:40:05Z`)", .0.escape_debug())]
pub struct NoEdge(String);

impl Range {
    /// A range out of two words; without one it is open on that side.
    ///
    /// # Errors
    /// [`NoEdge`], when a word is none.
    pub fn parse(from: Option<&str>, to: Option<&str>) -> Result<Self, NoEdge> {
        let edge = |word: Option<&str>, of_day| word.map(|word| Edge::parse(word, of_day)).transpose();
        Ok(Self { from: edge(from, "T00:00:00.000Z")?, to: edge(to, "T23:59:59.999Z")? })
    }

    /// The first record that can be in it.
    pub(crate) fn first_record(&self) -> u64 {
        if let Some(Edge::Record(first)) = self.from { first } else { 1 }
    }

    /// Whether records before this one can be in it.
    #[must_use]
    pub fn begins_before(&self, record: u64) -> bool {
        self.first_record() < record
    }

    /// Whether no record from this number on is in it. Times prove nothing: a clock can be set back.
    pub(crate) fn is_behind(&self, record: u64) -> bool {
        matches!(self.to, Some(Edge::Record(last)) if record > last)
    }

    /// Whether its number lets a record be in it.
    pub(crate) fn may_hold(&self, record: u64) -> bool {
        record >= self.first_record() && !self.is_behind(record)
    }

    /// Whether a record is in it.
    pub(crate) fn holds(&self, record: u64, time: &str) -> bool {
        self.may_hold(record)
            && !matches!(&self.from, Some(Edge::Time(from)) if time < from.as_str())
            && !matches!(&self.to, Some(Edge::Time(to)) if time > to.as_str())
    }
}

impl Edge {
    fn parse(word: &str, of_day: &str) -> Result<Self, NoEdge> {
        let none = || NoEdge(word.chars().take(80).collect());
        let bare = word.strip_prefix("creel:record:").unwrap_or(word);
        if !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_digit()) {
            return bare.parse().map(Self::Record).map_err(|_| none());
        }
        let moment = if word.len() == "2026-11-22".len() { format!("{word}{of_day}") } else { word.to_owned() };
        let moment = OffsetDateTime::parse(&moment, &Rfc3339).map_err(|_| none())?;
        clock::text(moment).map(Self::Time).ok_or_else(none)
    }
}

#[cfg(test)]
mod tests {
    use super::Range;

    fn check(from: Option<&str>, to: Option<&str>, held: &[u64]) {
        let times = [
            "2026-11-21T23:59:59.999Z",
            "2026-11-22T00:00:00.000Z",
            "2026-11-22T23:59:59.999Z",
            "2026-11-23T00:00:00.000Z",
        ];
        let range = Range::parse(from, to).unwrap();
        let found: Vec<u64> =
            (1..=4).zip(times).filter(|(seq, time)| range.holds(*seq, time)).map(|(seq, _)| seq).collect();
        assert_eq!(found, held, "{from:?} to {to:?}");
    }

    #[test]
    fn edges_are_numbers_days_or_moments_and_belong_to_the_range() {
        check(None, None, &[1, 2, 3, 4]);
        check(Some("2"), Some("3"), &[2, 3]);
        check(Some("creel:record:4"), None, &[4]);
        check(Some("2026-11-22"), Some("2026-11-22"), &[2, 3]);
        check(Some("2026-11-22T01:00:00+01:00"), Some("2026-11-22T23:59:59.999Z"), &[2, 3]);
        check(Some("2026-11-22T00:00:00.001Z"), None, &[3, 4]);
        check(Some("3"), Some("2"), &[]);
        check(Some("2026-11-23"), Some("3"), &[]);
    }

    #[test]
    fn whatever_else_is_no_edge() {
        for word in ["", "-1", "yesterday", "2026-13-01", "2026-11-22T10:40", "99999999999999999999", "１２"] {
            assert!(Range::parse(Some(word), None).is_err(), "{word}");
        }
    }
}
