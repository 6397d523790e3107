//! The first pass over a file: syntax, names, types, ranges, and what looks like a credential.
//!
//! Owns [`walk`], which checks every key against the table of settings and takes out of the tree what is wrong, so that
//! all faults are told at once and what remains can be read. Whether values make sense together is not its business.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue};

use super::credential;
use super::report::Fault;
use super::settings::{Legal, Section, Setting};
use super::size::Size;

/// What a pass found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// What is wrong.
    pub(super) faults: Vec<Fault>,
    /// What must not be shown.
    pub(super) masks: Vec<Range<usize>>,
}

/// Checks `table` against `section` and takes out what is wrong.
pub(super) fn walk(table: &mut DeTable<'_>, section: &'static Section, found: &mut Findings) {
    let mut wrong = Vec::new();
    for (key, value) in table.iter_mut() {
        let may_stay = match section.setting(key.get_ref()) {
            Some(setting) => check(setting, &place(section, setting.key), value, found),
            None => {
                unknown(key, value, section, found);
                false
            }
        };
        if !may_stay {
            wrong.push(key.get_ref().to_string());
        }
    }
    for key in wrong {
        table.remove(key.as_str());
    }
}

fn place(section: &Section, key: &str) -> String {
    if section.path.is_empty() { key.to_owned() } else { format!("{}.{key}", section.path) }
}

/// Whether the value may stay.
fn check(setting: &Setting, name: &str, value: &mut Spanned<DeValue<'_>>, found: &mut Findings) -> bool {
    let span = value.span();
    let before = found.faults.len();
    mask_credentials(value, found);
    if found.faults.len() > before {
        return false;
    }
    match (setting.legal, value.get_mut()) {
        (Legal::Table(section), DeValue::Table(table)) => {
            walk(table, section, found);
            true
        }
        (Legal::Tables(section), DeValue::Array(array)) => {
            array.iter_mut().all(|entry| match entry.get_mut() {
                DeValue::Table(table) => {
                    walk(table, section, found);
                    true
                }
                _ => false,
            }) || refuse(setting, name, span, "no list of sections", found)
        }
        (legal, value) => match mismatch(legal, value) {
            None => true,
            Some((what, at)) => refuse(setting, name, at.unwrap_or(span), &what, found),
        },
    }
}

fn refuse(setting: &Setting, name: &str, span: Range<usize>, what: &str, found: &mut Findings) -> bool {
    let example = match setting.example {
        "" => String::new(),
        example => format!(", for instance `{example}`"),
    };
    let help = format!("legal is {}{example}", setting.legal);
    found.faults.push(Fault::new(span, format!("`{name}` can't be {what}"), help));
    false
}

/// What is wrong with a value, and where when that is only a part of it.
fn mismatch(legal: Legal, value: &DeValue<'_>) -> Option<(String, Option<Range<usize>>)> {
    let whole = |wrong: bool| wrong.then(|| (shown(value), None));
    match (legal, value) {
        (Legal::Flag, DeValue::Boolean(_)) | (Legal::Text(_), DeValue::String(_)) => None,
        (Legal::Number { min, max }, DeValue::Integer(_) | DeValue::Float(_)) => {
            whole(!number(value).is_some_and(|number| (min..=max).contains(&number)))
        }
        (Legal::Count { min, max }, DeValue::Integer(_)) => {
            whole(!count(value).is_some_and(|count| (min..=max).contains(&count)))
        }
        (Legal::Bytes { min, max }, DeValue::Integer(_)) => {
            whole(!count(value).is_some_and(|count| (min..=max).contains(&count)))
        }
        (Legal::Bytes { min, max }, DeValue::String(text)) => {
            whole(!Size::parse(text).is_some_and(|size| (min..=max).contains(&size.0)))
        }
        (Legal::OneOf(words), DeValue::String(text)) => whole(!words.contains(&text.as_ref())),
        (Legal::Texts(_), DeValue::Array(array)) => {
            first_wrong(array, |entry| matches!(entry, DeValue::String(text) if !text.is_empty()))
        }
        (Legal::Counts { min, max }, DeValue::Array(array)) => {
            first_wrong(array, |entry| count(entry).is_some_and(|count| (min..=max).contains(&count)))
        }
        (Legal::Ports, DeValue::Array(array)) if array.is_empty() => whole(true),
        (Legal::Ports, DeValue::Array(array)) => {
            first_wrong(array, |entry| count(entry).is_some_and(|port| (1..=65_535).contains(&port)))
        }
        _ => Some((shown(value), None)),
    }
}

type Wrong = (String, Option<Range<usize>>);

fn first_wrong(array: &DeArray<'_>, is_right: impl Fn(&DeValue<'_>) -> bool) -> Option<Wrong> {
    let wrong = array.iter().find(|entry| !is_right(entry.get_ref()))?;
    Some((shown(wrong.get_ref()), Some(wrong.span())))
}

fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Float(float) => float.as_str().parse().ok(),
        DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str().parse().ok(),
        _ => None,
    }
}

fn count(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// A value as a person would name it, cut to what fits a line.
fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => {
            let short: String = text.escape_debug().take(60).collect();
            format!("`\"{short}\"`")
        }
        DeValue::Integer(integer) => format!("`{integer}`"),
        DeValue::Float(float) => format!("`{float}`"),
        DeValue::Boolean(flag) => format!("`{flag}`"),
        DeValue::Datetime(time) => format!("the time `{time}`"),
        DeValue::Array(array) if array.is_empty() => "an empty list".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a section".to_owned(),
    }
}

fn unknown(key: &Spanned<DeString<'_>>, value: &Spanned<DeValue<'_>>, section: &'static Section, found: &mut Findings) {
    let name: String = key.get_ref().escape_debug().take(60).collect();
    let scope = if section.path.is_empty() { "the file".to_owned() } else { format!("`{}`", section.path) };
    if credential::is_named(key.get_ref()) {
        found.masks.push(value.span());
        found.faults.push(Fault::new(key.span(), format!("{scope} has no key `{name}`"), WHERE_SECRETS_GO));
        return;
    }
    mask_credentials(value, found);
    let keys: Vec<&str> = section.settings.iter().map(|setting| setting.key).collect();
    let meant = nearest(key.get_ref(), &keys).map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
    let help = format!("{meant}it knows {}", list(&keys));
    found.faults.push(Fault::new(key.span(), format!("{scope} has no key `{name}`"), help));
}

const WHERE_SECRETS_GO: &str = "secrets never stand in this file: put the key into the environment of `creel up` \
                                (`OPENAI_API_KEY`, `ANTHROPIC_API_KEY`, `GEMINI_API_KEY`), it stays outside the jail";

/// Faults and masks for each text in `value` that looks like a credential.
fn mask_credentials(value: &Spanned<DeValue<'_>>, found: &mut Findings) {
    match value.get_ref() {
        DeValue::String(text) if credential::is_likely(text) => {
            found.masks.push(value.span());
            let what = "this looks like a credential (hidden here)";
            found.faults.push(Fault::new(value.span(), what, WHERE_SECRETS_GO));
        }
        DeValue::Array(array) => array.iter().for_each(|entry| {
            // A section of a list is looked into when its own keys are.
            if !matches!(entry.get_ref(), DeValue::Table(_)) {
                mask_credentials(entry, found);
            }
        }),
        _ => {}
    }
}

fn list(keys: &[&str]) -> String {
    keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}

/// The key that was probably meant: at most a third of its letters away.
pub(super) fn nearest<'a>(written: &str, keys: &[&'a str]) -> Option<&'a str> {
    if written.len() > 64 {
        return None;
    }
    let distances = keys.iter().map(|key| (distance(&written.to_lowercase(), key), *key));
    distances.min().filter(|(distance, key)| *distance <= key.len().div_ceil(3)).map(|(_, key)| key)
}

/// Levenshtein's edit distance, one row at a time.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = i;
        let mut left = i + 1;
        let cells = row.iter_mut();
        for (cell, y) in cells.zip(std::iter::once(None).chain(b.chars().map(Some))) {
            let above = *cell;
            let Some(y) = y else {
                *cell = left;
                continue;
            };
            let cost = usize::from(x != y);
            left = (corner + cost).min(above + 1).min(left + 1);
            corner = above;
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("a", "", 1),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("memroy", "memory", 2),
            ("a", "a", 0),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn the_nearest_key_is_named_when_it_is_near() {
        let keys = ["cpus", "memory", "disk", "processes"];
        assert_eq!(nearest("memroy", &keys), Some("memory"));
        assert_eq!(nearest("CPU", &keys), Some("cpus"));
        assert_eq!(nearest("swap", &keys), None);
        assert_eq!(nearest(&"x".repeat(1000), &keys), None);
    }
}
