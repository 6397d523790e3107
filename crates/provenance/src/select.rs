//! How the user's words lead to a value that they don't hold.
//!
//! Owns the few ways: the one person of that name, the record of that name, the largest of all, every one of a list, a
//! number reckoned from theirs, the page that they send the agent to. Each is narrow: two candidates are none.

use std::collections::BTreeSet;

use creel_guard::CallClass;
use serde_json::Value;

use crate::conversation::{Answer, Passage};
use crate::records::{Field, Record};
use crate::trace::{Wanted, holders, is_value, number_of};
use crate::values::{Atom, shape, split_url};
use crate::words::{Word, is_common, parts, stem, words};

/// A mail address of somebody whom the user names: all words of its local part are said, or one is and no other address
/// that answers to the same name has as many. An address in a field needs only other fields as rivals; one in prose
/// competes with everything.
pub(crate) fn by_person(wanted: &Wanted<'_>, mail: &str) -> bool {
    let said = &wanted.talk.request.words;
    let score = |mail: &str| person_score(said, mail);
    let own = score(mail);
    if own == 0 {
        return false;
    }
    let atom = Atom::Mail(mail.to_owned());
    let mut fields = BTreeSet::new();
    let mut all = BTreeSet::new();
    for answer in &wanted.talk.results {
        for field in answer.records.records.iter().flat_map(|record| &record.fields).filter(|field| !field.free) {
            if let Some(Atom::Mail(mail)) = shape(&field.text) {
                fields.insert(mail);
            }
        }
        for atom in answer.passages.iter().flat_map(|passage| &passage.atoms) {
            if let Atom::Mail(mail) = atom {
                all.insert(mail.clone());
            }
        }
    }
    let is_field = !holders(wanted, Some(&atom)).is_empty();
    // Out of prose only an address that is the name and nothing else: `dora@…` for Dora.
    if !is_field && (own < 100 || !all.contains(mail)) {
        return false;
    }
    let rivals = if is_field { &fields } else { &all };
    let names = person_names(said, mail);
    let same_name = |rival: &String| person_names(said, rival).iter().any(|name| names.contains(name));
    rivals.iter().filter(|rival| *rival != mail && same_name(rival)).all(|rival| score(rival) < own)
}

/// 100 when every word of the local part is said as a name, less for some of them.
fn person_score(said: &[Word], mail: &str) -> usize {
    let all = parts(mail.split('@').next().unwrap_or_default()).len();
    100 * person_names(said, mail).len() / all.max(1)
}

/// The words of the local part that the user says as names.
fn person_names(said: &[Word], mail: &str) -> Vec<String> {
    let called =
        |name: &String| name.len() > 2 && !is_common(name) && said.iter().any(|word| word.text == *name && word.name);
    parts(mail.split('@').next().unwrap_or_default()).into_iter().filter(called).collect()
}

/// Words by which a user means the people of a record.
const RELATIONS: [&str; 24] = [
    "same",
    "participants",
    "attendees",
    "invitees",
    "members",
    "everyone",
    "everybody",
    "all",
    "each",
    "reply",
    "respond",
    "answer",
    "sender",
    "author",
    "owner",
    "them",
    "back",
    "recipient",
    "colleagues",
    "guests",
    "their",
    "his",
    "her",
    "him",
];

/// A value of the record that the user names: the guests of that event, the account of that payment.
pub(crate) fn by_relation(wanted: &Wanted<'_>, atom: &Atom) -> bool {
    let meant = matches!(atom, Atom::Account(_)) || wanted.talk.request.mentions(&RELATIONS);
    meant && holders(wanted, Some(atom)).iter().any(|(answer, record, _)| is_named(wanted, answer, record, Some(atom)))
}

/// The id of the record that the user names.
pub(crate) fn by_record_name(wanted: &Wanted<'_>) -> bool {
    identified(wanted).iter().any(|(answer, record, _)| is_meant(wanted, answer, record, None))
}

/// What the record that the user names is about: `what Paul sent me`.
pub(crate) fn by_record_amount(wanted: &Wanted<'_>, atom: Option<&Atom>) -> bool {
    let found = holders(wanted, atom).into_iter();
    let mut amounts = found.filter(|(_, _, field)| is_amount(&field.key));
    amounts.any(|(answer, record, _)| is_meant(wanted, answer, record, atom))
}

/// One of what the user wants, where they say no number.
pub(crate) fn one_of_them(wanted: &Wanted<'_>, atom: Option<&Atom>) -> bool {
    let counts = |part: &String| matches!(part.as_str(), "quantity" | "qty" | "count" | "pieces" | "units");
    matches!(atom, Some(Atom::Number(1000))) && parts(wanted.argument).iter().any(counts)
}

/// Records whose id is the value, of the kind that the argument wants.
pub(crate) fn identified<'a>(wanted: &Wanted<'a>) -> Vec<(&'a Answer, &'a Record, &'a Field)> {
    let types = kinds_of(wanted);
    let found = holders(wanted, None).into_iter();
    found
        .filter(|(answer, _, field)| {
            let key = parts(&field.key);
            let is_id = field.key.is_empty()
                || field.key == wanted.argument
                || key.iter().any(|part| {
                    matches!(part.as_str(), "id" | "ids" | "uuid" | "key" | "name" | "path" | "filename" | "number")
                });
            let own = field.key == wanted.argument;
            let typed = key.iter().map(|part| stem(part)).chain(answer.nouns.iter().cloned());
            is_id && (own || types.is_empty() || typed.into_iter().any(|noun| types.contains(&noun)))
        })
        .collect()
}

pub(crate) fn kinds_of(wanted: &Wanted<'_>) -> Vec<String> {
    let last = wanted.argument.rsplit('.').next().unwrap_or_default();
    let own: Vec<String> = parts(last)
        .iter()
        .filter(|part| !matches!(part.as_str(), "ids" | "uuid" | "name" | "path" | "number") && !is_common(part))
        .map(|part| stem(part))
        .collect();
    if own.is_empty() { wanted.tool.nouns.clone() } else { own }
}

/// How much of a record's name the user said, in percent, and the stems that they said; 0 when nothing of it says
/// anything.
fn record_score(said: &[Word], record: &Record) -> (usize, BTreeSet<String>) {
    let names = record.fields.iter().filter(|field| !field.free && is_name(&field.key));
    names.map(|field| name_score(said, &field.text)).max_by_key(|(score, _)| *score).unwrap_or_default()
}

fn is_name(key: &str) -> bool {
    parts(key).iter().any(|part| {
        matches!(
            part.as_str(),
            "title"
                | "name"
                | "subject"
                | "filename"
                | "label"
                | "topic"
                | "summary"
                | "recipient"
                | "payee"
                | "company"
        )
    })
}

fn name_score(said: &[Word], name: &str) -> (usize, BTreeSet<String>) {
    // The ending of a file's name says nothing of which file it is.
    let name = name.rsplit_once('.').filter(|(_, end)| (1..=4).contains(&end.len())).map_or(name, |(stem, _)| stem);
    let telling: Vec<Word> = words(name).into_iter().filter(|word| !is_common(&word.text)).collect();
    let is_said = |word: &&Word| said.iter().any(|said| said.stem == word.stem);
    let hits: Vec<&Word> = telling.iter().filter(is_said).collect();
    let tells = hits.iter().any(|word| word.text.chars().count() > 2 || !word.text.is_ascii());
    let score = if tells { 100 * hits.len() / telling.len().max(1) } else { 0 };
    (score, hits.into_iter().map(|word| word.stem.clone()).collect())
}

/// The user names the record, or says what it alone of its list is.
fn is_meant(wanted: &Wanted<'_>, answer: &Answer, record: &Record, value: Option<&Atom>) -> bool {
    let alone = || {
        let mut rivals = answer.records.records.iter().filter(|other| other.list == record.list && *other != record);
        is_described(wanted, record) && !rivals.any(|rival| is_described(wanted, rival))
    };
    is_named(wanted, answer, record, value) || alone()
}

/// The user names the record, and no other of the same kind by the same words better; for what can't be undone, none as
/// well. One that holds the same value is no other.
fn is_named(wanted: &Wanted<'_>, answer: &Answer, record: &Record, value: Option<&Atom>) -> bool {
    let said = &wanted.talk.request.words;
    let (score, hits) = record_score(said, record);
    let same_kind = |other: &&Answer| other.nouns.iter().any(|noun| answer.nouns.contains(noun));
    let others = wanted.talk.results.iter().filter(same_kind).flat_map(|answer| &answer.records.records);
    let strict = matches!(wanted.tool.class, CallClass::Delete | CallClass::Pay);
    let holds_it = |other: &Record| {
        value.is_some_and(|value| other.fields.iter().any(|field| is_value(field, wanted, Some(value))))
    };
    score >= 50
        && others.filter(|other| *other != record && !holds_it(other)).all(|other| {
            let (rival, its_hits) = record_score(said, other);
            rival < score || (!strict && rival == score) || same_thing(record, other) || its_hits.is_disjoint(&hits)
        })
}

/// Two tellings of one thing: the same id.
fn same_thing(one: &Record, other: &Record) -> bool {
    let id = |record: &Record| {
        record.fields.iter().find(|field| parts(&field.key).iter().any(|p| p == "id")).map(|f| f.text.clone())
    };
    id(one).is_some() && id(one) == id(other)
}

/// A name of which the user says the start: `the channel starting with External`.
pub(crate) fn by_start(wanted: &Wanted<'_>) -> bool {
    let value = parts(wanted.text);
    let Some(first) = value.first().filter(|first| first.len() > 3 && value.len() > 1) else { return false };
    let said = wanted.talk.request.words.iter().any(|word| word.text == *first && word.name);
    let mut same_start = BTreeSet::new();
    for field in wanted.talk.results.iter().flat_map(|answer| &answer.records.records).flat_map(|record| &record.fields)
    {
        if !field.free && parts(&field.text).first() == Some(first) {
            same_start.insert(field.text.trim().to_lowercase());
        }
    }
    said && !holders(wanted, None).is_empty() && same_start.len() == 1
}

/// The record has a property that the user says: `labelled wontfix`, `electricity`.
pub(crate) fn is_described(wanted: &Wanted<'_>, record: &Record) -> bool {
    let said = &wanted.talk.request.words;
    let is_said = |field: &Field| {
        let telling: Vec<Word> = words(&field.text).into_iter().filter(|word| !is_common(&word.text)).collect();
        field.text.len() > 2
            && number_of(&field.text).is_none()
            && !telling.is_empty()
            && telling.iter().all(|word| said.iter().any(|said| said.stem == word.stem))
    };
    record.fields.iter().any(|field| !field.free && !is_name(&field.key) && is_said(field))
}

/// A place that a look-up took, when what it answered is what the user describes: two telling words of theirs stand
/// together in one of its texts, and in none of the other places'. A text that speaks to the agent describes nothing.
pub(crate) fn by_content(wanted: &Wanted<'_>) -> bool {
    let said: BTreeSet<&str> = wanted
        .talk
        .request
        .words
        .iter()
        .filter(|word| !is_common(&word.text) && word.text.len() > 3)
        .map(|word| word.stem.as_str())
        .collect();
    let own = wanted.text.trim().to_lowercase();
    let (mut best, mut rival) = (0, 0);
    for answer in wanted.talk.results.iter().filter(|answer| answer.structured) {
        let [(_, Value::String(place))] = answer.arguments.iter().collect::<Vec<_>>()[..] else { continue };
        let described = |passage: &Passage| {
            let stems: BTreeSet<String> = passage.words.iter().map(|word| stem(word)).collect();
            stems.iter().filter(|stem| said.contains(stem.as_str())).count()
        };
        let score = answer.passages.iter().filter(|passage| !passage.steers).map(described).max().unwrap_or_default();
        let side = if place.trim().to_lowercase() == own { &mut best } else { &mut rival };
        *side = score.max(*side);
    }
    best >= 2 && best > rival
}

/// An amount reckoned from what the user said and what a field of a result says: a sum, a difference, a share.
pub(crate) fn derived(wanted: &Wanted<'_>, atom: Option<&Atom>) -> bool {
    let Some(Atom::Number(own)) = atom else { return false };
    let said: Vec<i64> = wanted
        .talk
        .said_atoms
        .iter()
        .filter_map(|atom| if let Atom::Number(n) = atom { Some(*n) } else { None })
        .collect();
    let mut fields: Vec<i64> = Vec::new();
    for answer in wanted.talk.results.iter().filter(|answer| answer.structured) {
        for record in &answer.records.records {
            let numbers = record.fields.iter().filter(|field| !field.free && is_amount(&field.key));
            fields.extend(numbers.filter_map(|field| number_of(&field.text)));
        }
    }
    fields.truncate(200);
    let close = |value: Option<i64>| {
        value.and_then(|value| value.checked_sub(*own)).is_some_and(|off| off.unsigned_abs() <= 10)
    };
    let shared = wanted.talk.request.mentions(&SHARES);
    let parted = |field: i64| shared && (2..=10).any(|by| close(Some(field / by)));
    fields.iter().chain(&said).any(|field| {
        parted(*field)
            || close(Some(*field)) && said.contains(field)
            || said.iter().take(40).any(|said| {
                let share = field.checked_mul(*said).map(|product| product / 100_000);
                close(field.checked_add(*said))
                    || close(field.checked_sub(*said))
                    || close(said.checked_sub(*field))
                    || close(share)
                    || close(share.and_then(|share| field.checked_add(share)))
                    || close(share.and_then(|share| field.checked_sub(share)))
            })
    })
}

/// Words by which a user has a sum divided.
const SHARES: [&str; 10] =
    ["split", "half", "third", "quarter", "share", "each", "equally", "equal", "evenly", "divide"];

fn is_amount(key: &str) -> bool {
    parts(key).iter().any(|part| {
        matches!(
            part.as_str(),
            "amount" | "price" | "total" | "balance" | "cost" | "sum" | "fee" | "rate" | "value" | "quantity"
        )
    })
}

const PAGES: [&str; 21] = [
    "article", "articles", "website", "websites", "webpage", "webpages", "page", "pages", "link", "links", "url",
    "urls", "blog", "blogs", "site", "sites", "homepage", "address", "web", "online", "post",
];

/// Words by which a user has something looked up that pages tell of.
const LOOKS: [&str; 8] = ["look", "search", "research", "google", "browse", "news", "learn", "online"];

/// The user speaks of a page without saying its address right there.
fn sends_to_a_page(wanted: &Wanted<'_>) -> bool {
    let words = &wanted.talk.request.words;
    let addressed = |at: usize| {
        let near = words.get(at + 1..(at + 5).min(words.len())).unwrap_or_default();
        near.iter().any(|word| matches!(word.text.as_str(), "www" | "http" | "https" | "com" | "org" | "net"))
    };
    words.iter().enumerate().any(|(at, word)| PAGES.contains(&word.text.as_str()) && !addressed(at))
}

/// An address that content gave, when the user sent the agent to a page without naming it: no room for data in it, and
/// what gave it does not speak to the agent.
pub(crate) fn by_page(wanted: &Wanted<'_>, url: &str) -> bool {
    let (host, rest) = split_url(url);
    let plain = rest.len() <= 60 && !rest.contains(['?', '#', '=', '&']) && !host.contains('@');
    let fetch = wanted.tool.class == CallClass::Fetch;
    let holds = |passage: &&Passage| passage.atoms.iter().any(|atom| matches!(atom, Atom::Url(held) if held == url));
    let mut sources = wanted.talk.passages().filter(holds).peekable();
    let asked = sends_to_a_page(wanted) || wanted.talk.request.mentions(&LOOKS);
    fetch && plain && asked && sources.peek().is_some() && !sources.any(|passage| passage.steers)
}
