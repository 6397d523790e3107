//! Choices that the user leaves to the agent: the largest, the best rated, every one, a good one.
//!
//! Owns [`by_choice`] and [`by_pick`]. What is chosen among is what the user had looked up; content that speaks to the
//! agent ends the freedom.

use std::collections::{BTreeMap, BTreeSet};

use creel_guard::{ArgumentKind, CallClass};
use serde_json::Value;

use crate::conversation::Answer;
use crate::lexicon::same_things;
use crate::records::{Field, Record};
use crate::select::{identified, is_described, kinds_of};
use crate::trace::{Holder, Wanted, holders, number_of};
use crate::values::{Atom, shape};
use crate::words::{Word, is_common, parts, stem, words};

const SUPERLATIVES: [&str; 26] = [
    "most",
    "least",
    "fewest",
    "largest",
    "biggest",
    "smallest",
    "longest",
    "shortest",
    "highest",
    "lowest",
    "cheapest",
    "newest",
    "latest",
    "oldest",
    "earliest",
    "last",
    "first",
    "best",
    "worst",
    "nearest",
    "closest",
    "top",
    "recent",
    "expensive",
    "maximum",
    "minimum",
];
const EVERY: [&str; 6] = ["all", "each", "every", "everyone", "everybody", "both"];

/// Arguments that name people.
const PEOPLE: [&str; 9] =
    ["recipient", "recipients", "to", "cc", "user", "participants", "attendees", "invitees", "guests"];

/// The value is what a superlative of the user's picks out, or one of a list of which the user wants every one.
pub(crate) fn by_choice(wanted: &Wanted<'_>) -> bool {
    let request = &wanted.talk.request;
    let kinds = kinds_of(wanted);
    let mut nouns: BTreeSet<&str> = kinds.iter().flat_map(|kind| same_things(kind)).collect();
    nouns.extend(kinds.iter().map(String::as_str));
    let own = stem(wanted.argument);
    if !is_common(wanted.argument) {
        nouns.insert(&own);
    }
    let noun = |word: &Word| {
        nouns.contains(word.stem.as_str())
            || (PEOPLE.contains(&wanted.argument)
                && matches!(
                    word.stem.as_str(),
                    "user" | "person" | "peopl" | "member" | "colleagu" | "everyon" | "everybody"
                ))
    };
    let near = |list: &[&str]| {
        request.words.iter().enumerate().any(|(at, word)| {
            let reach = request.words.get(at..(at + 7).min(request.words.len())).unwrap_or_default();
            let back = request.words.get(at.saturating_sub(7)..at).unwrap_or_default();
            list.contains(&word.text.as_str()) && (reach.iter().any(noun) || back.iter().any(noun))
        })
    };
    let found =
        |(answer, record, _): &Holder<'_>| is_described(wanted, record) || matches_query(wanted, answer, record);
    let meant = || match shape(wanted.text) {
        Some(mail @ Atom::Mail(_)) => holders(wanted, Some(&mail)),
        _ => identified(wanted),
    };
    let every = || near(&EVERY) && (is_listed(wanted) || is_somebody(wanted) || meant().iter().any(found));
    ((near(&SUPERLATIVES) || looked_up(wanted)) && is_extreme(wanted)) || every()
}

/// A superlative of the user's speaks of what they had looked up, though not by the argument's name: `the cheapest AA
/// batteries`, and a search for batteries.
fn looked_up(wanted: &Wanted<'_>) -> bool {
    wanted.talk.request.mentions(&SUPERLATIVES)
        && holders(wanted, None).iter().any(|(answer, _, _)| asked_for(wanted, answer))
}

/// Each text by which something was looked up is the user's own.
fn asked_for(wanted: &Wanted<'_>, answer: &Answer) -> bool {
    let said = &wanted.talk.request.words;
    let own = |text: &str| {
        let telling: Vec<Word> = words(text).into_iter().filter(|word| !is_common(&word.text)).collect();
        !telling.is_empty() && telling.iter().all(|word| said.iter().any(|said| said.stem == word.stem))
    };
    let mut texts =
        answer.arguments.values().filter_map(Value::as_str).filter(|text| !text.trim().is_empty()).peekable();
    texts.peek().is_some() && texts.all(own)
}

/// The user's own words were looked for, and the record holds them: `all meetings with Ben`, and a search for Ben.
fn matches_query(wanted: &Wanted<'_>, answer: &Answer, record: &Record) -> bool {
    let fields = record.fields.iter().filter(|field| !field.free);
    let held: BTreeSet<String> = fields.flat_map(|field| words(&field.text)).map(|word| word.stem).collect();
    let mut texts =
        answer.arguments.values().filter_map(Value::as_str).flat_map(words).filter(|word| !is_common(&word.text));
    asked_for(wanted, answer) && texts.all(|word| held.contains(&word.stem))
}

/// Words by which a user leaves the choice to the agent.
const PICKS: [&str; 22] = [
    "find",
    "look",
    "search",
    "recommend",
    "suggest",
    "choose",
    "pick",
    "select",
    "good",
    "nice",
    "decent",
    "great",
    "suitable",
    "best",
    "rated",
    "rating",
    "cheap",
    "affordable",
    "under",
    "below",
    "above",
    "somewhere",
];

/// The user leaves the choice to the agent, the value is one that a look-up of theirs listed, and no content speaks to the
/// agent.
pub(crate) fn by_pick(wanted: &Wanted<'_>) -> bool {
    let request = &wanted.talk.request;
    let kinds = kinds_of(wanted);
    let own_kind = |answer: &Answer| kinds.iter().any(|kind| answer.nouns.contains(kind));
    let listed = |answer: &Answer, record: &Record| {
        answer.records.records.iter().filter(|other| other.list == record.list && record.list > 0).count() > 1
    };
    (request.mentions(&PICKS) || request.mentions(&SUPERLATIVES))
        && !matches!(wanted.tool.class, CallClass::Delete | CallClass::Access | CallClass::Install | CallClass::Execute)
        && wanted.talk.passages().all(|passage| !passage.steers)
        && holders(wanted, None)
            .iter()
            .any(|(answer, record, _)| own_kind(answer) && asked_for(wanted, answer) && listed(answer, record))
}

/// The value is a person in a field that names people, where the user means every one of them.
fn is_somebody(wanted: &Wanted<'_>) -> bool {
    let person = |field: &Field| {
        parts(&field.key).iter().any(|part| {
            matches!(
                part.as_str(),
                "sender" | "user" | "author" | "from" | "member" | "name" | "username" | "participant"
            )
        })
    };
    wanted.kind == ArgumentKind::Destination
        && shape(wanted.text).is_none()
        && holders(wanted, None).iter().any(|(_, _, field)| person(field))
}

/// The value is an item of a plain list that a look-up answered with.
fn is_listed(wanted: &Wanted<'_>) -> bool {
    wanted.talk.results.iter().any(|answer| {
        answer.records.items > 0
            && answer.records.records.iter().any(|record| {
                matches!(record.fields.as_slice(), [field] if field.key.is_empty() && !field.free && field.text == wanted.text)
            })
    })
}

/// The value's record has the largest or smallest number or date of its list, or the look-up that took the value brought
/// back most or least, or it stands in most records.
fn is_extreme(wanted: &Wanted<'_>) -> bool {
    extreme_field(wanted)
        || extreme_answer(wanted)
        || (wanted.kind == ArgumentKind::Destination && most_frequent(wanted))
}

fn extreme_field(wanted: &Wanted<'_>) -> bool {
    let measures = measures(wanted);
    holders(wanted, None).iter().any(|(answer, record, _)| {
        let rivals: Vec<&Record> = answer.records.records.iter().filter(|other| other.list == record.list).collect();
        let is_measure = |key: &str| {
            let key = parts(key);
            // A value without a name of its own is what the look-up is about: prices, ratings.
            let about = |measure: &&str| key == ["value"] && answer.nouns.contains(&stem(measure));
            !key.iter().any(|part| part == "id")
                && (measures.is_empty()
                    || measures.iter().any(about)
                    || key.iter().any(|part| measures.contains(&part.as_str())))
        };
        rivals.len() > 1
            && record.fields.iter().filter(|field| !field.free && is_measure(&field.key)).any(|field| {
                let Some(own) = measure(&field.text) else { return false };
                let all: Vec<i64> = rivals
                    .iter()
                    .filter_map(|rival| rival.fields.iter().find(|other| other.key == field.key))
                    .filter_map(|other| measure(&other.text))
                    .collect();
                let ties = all.iter().filter(|value| **value == own).count();
                let (high, low) = directions(wanted);
                let ends = (high && all.iter().max() == Some(&own)) || (low && all.iter().min() == Some(&own));
                all.len() == rivals.len() && ties == 1 && ends
            })
    })
}

/// What the user's superlative measures; empty when it may be anything.
fn measures(wanted: &Wanted<'_>) -> Vec<&'static str> {
    let said = MEASURES.iter().filter(|(words, _)| words.iter().any(|word| wanted.talk.request.mentions(&[word])));
    said.flat_map(|(_, keys)| keys.iter().copied()).collect()
}

/// Whether the user wants the upper end, the lower end; both when their words don't say.
fn directions(wanted: &Wanted<'_>) -> (bool, bool) {
    let request = &wanted.talk.request;
    match (request.mentions(&HIGH), request.mentions(&LOW)) {
        (false, false) => (true, true),
        ends => ends,
    }
}

const HIGH: [&str; 13] = [
    "most",
    "largest",
    "biggest",
    "longest",
    "highest",
    "newest",
    "latest",
    "recent",
    "last",
    "expensive",
    "maximum",
    "best",
    "top",
];
const LOW: [&str; 12] = [
    "least", "fewest", "smallest", "shortest", "lowest", "cheapest", "oldest", "earliest", "first", "nearest",
    "closest", "worst",
];

const MEASURES: [(&[&str], &[&str]); 5] = [
    (&["best", "worst", "top", "rated"], &["rating", "score", "stars", "grade"]),
    (&["largest", "biggest", "smallest"], &["size", "bytes", "length", "count", "amount", "total"]),
    (&["cheapest", "expensive"], &["price", "cost", "amount", "fee", "rate", "total", "min", "max"]),
    (
        &["newest", "latest", "oldest", "earliest", "recent"],
        &[
            "date",
            "time",
            "timestamp",
            "created",
            "modified",
            "updated",
            "start",
            "at",
            "sent",
            "due",
            "departure",
            "departs",
            "arrival",
            "begin",
            "day",
        ],
    ),
    (&["longest", "shortest"], &["length", "duration", "size", "time", "distance"]),
];

/// A number, or a date as one.
fn measure(text: &str) -> Option<i64> {
    let text = text.trim();
    let date = text.len() >= 10 && text.get(4..5) == Some("-") && text.get(7..8) == Some("-");
    if date {
        return text.chars().filter(char::is_ascii_digit).take(14).collect::<String>().parse().ok();
    }
    // `4.8/5`, `120 - 180 a night`: the first number.
    let plain = text.trim_start_matches(['$', '€', '£']);
    let end = plain.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ','))).unwrap_or(plain.len());
    number_of(plain.get(..end)?)
}

fn extreme_answer(wanted: &Wanted<'_>) -> bool {
    let mut sizes: BTreeMap<(&str, String), usize> = BTreeMap::new();
    for answer in wanted.talk.results.iter().filter(|answer| answer.structured) {
        let [(_, value)] = answer.arguments.iter().collect::<Vec<_>>()[..] else { continue };
        if let Some(value) = value.as_str() {
            sizes.insert((&answer.tool, value.to_lowercase()), answer.records.items);
        }
    }
    let own = wanted.text.trim().to_lowercase();
    sizes.iter().any(|((tool, value), size)| {
        let rivals = || sizes.iter().filter(move |((other, _), _)| other == tool).map(|(_, size)| *size);
        *value == own && rivals().count() > 1 && (rivals().max() == Some(*size) || rivals().min() == Some(*size))
    })
}

fn most_frequent(wanted: &Wanted<'_>) -> bool {
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for answer in wanted.talk.results.iter().filter(|answer| answer.structured) {
        for field in answer.records.records.iter().flat_map(|record| &record.fields) {
            if !field.free && !field.key.is_empty() {
                *counts.entry((field.key.clone(), field.text.to_lowercase())).or_default() += 1;
            }
        }
    }
    let own = wanted.text.trim().to_lowercase();
    counts.iter().any(|((key, value), count)| {
        let rivals = || counts.iter().filter(move |((other, _), _)| other == key).map(|(_, count)| *count);
        *value == own && *count > 1 && rivals().count() > 1 && rivals().max() == Some(*count)
    })
}
