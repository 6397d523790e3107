//! Where a value stems from.
//!
//! Owns [`origin`]: a value of a call, followed back to the user's words, a directory, a field or prose. Values are
//! compared as values. Never decides; [`crate::call`] asks for each argument.

use creel_guard::{ArgumentKind, Origin};

use crate::choice;
use crate::conversation::{Answer, Conversation, Passage};
use crate::records::{Field, Record};
use crate::select;
use crate::tool::Tool;
use crate::values::{Atom, account, number, shape, split_url};
use crate::words::{Word, fold, is_common, parts, stem, words};

/// A value and what it is for.
pub(crate) struct Wanted<'a> {
    pub(crate) talk: &'a Conversation,
    pub(crate) tool: &'a Tool,
    pub(crate) argument: &'a str,
    pub(crate) kind: ArgumentKind,
    pub(crate) text: &'a str,
}

/// What was found.
pub(crate) struct Found {
    pub(crate) origin: Origin,
    pub(crate) passage: Option<String>,
}

/// The longest passage that is shown.
const MOST_SHOWN: usize = 200;

/// Follows a value back.
pub(crate) fn origin(wanted: &Wanted<'_>) -> Found {
    let atom = atom_of(wanted);
    let found = |origin| Found { origin, passage: None };
    if said(wanted, atom.as_ref()) {
        return found(Origin::Said);
    }
    if led(wanted, atom.as_ref()) {
        return found(Origin::Led);
    }
    let holders = holders(wanted, atom.as_ref());
    if holders.iter().any(|(answer, _, _)| answer.directory) {
        return found(Origin::Directory);
    }
    if !holders.is_empty() {
        return found(Origin::Field);
    }
    match wanted.talk.passages().find(|passage| holds(passage, wanted, atom.as_ref())) {
        Some(passage) => Found { origin: Origin::Prose, passage: Some(shown(passage, wanted.text)) },
        None => found(Origin::Nowhere),
    }
}

/// The value in the one form of its kind; `None` for a plain word.
fn atom_of(wanted: &Wanted<'_>) -> Option<Atom> {
    match wanted.kind {
        ArgumentKind::Amount => number(wanted.text).map(Atom::Number),
        ArgumentKind::Destination | ArgumentKind::Link => {
            shape(wanted.text).filter(|atom| !matches!(atom, Atom::Number(_)))
        }
        _ => None,
    }
}

fn said(wanted: &Wanted<'_>, atom: Option<&Atom>) -> bool {
    let talk = wanted.talk;
    match (wanted.kind, atom) {
        (_, Some(Atom::Url(url))) => {
            talk.said_atoms.iter().any(|said| matches!(said, Atom::Url(said) if covers(said, url)))
        }
        (_, Some(Atom::Account(plain))) => {
            talk.said_atoms.iter().any(|said| matches!(said, Atom::Account(said) if said == plain))
                || talk.said.iter().any(|text| whole_token(text, wanted.text))
        }
        (_, Some(atom)) => talk.said_atoms.contains(atom),
        (ArgumentKind::Command, None) => talk.said.iter().any(|text| orders_command(text, wanted.text)),
        (ArgumentKind::Identifier, None) if wanted.text.trim().len() < 4 => says_typed(&talk.said_words, wanted),
        (ArgumentKind::Identifier | ArgumentKind::Path | ArgumentKind::Secret, None) => {
            talk.said.iter().any(|text| whole_token(text, wanted.text))
        }
        (ArgumentKind::Name, None) => names(&talk.said_words, wanted.text),
        (_, None) => says(&talk.said_words, wanted.text),
    }
}

/// Whether the user's address covers this one: the same, or a plain page of the same host.
fn covers(said: &str, url: &str) -> bool {
    let ((said_host, said_rest), (host, rest)) = (split_url(said), split_url(url));
    let plain = |c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '-' | '_' | '.');
    let readable =
        rest.len() <= 80 && rest.chars().all(plain) && rest.split(['/', '-', '_', '.']).all(|part| part.len() <= 16);
    said == url || (said_host == host && said_rest.is_empty() && readable)
}

/// The text holds the value as a whole word.
fn whole_token(text: &str, value: &str) -> bool {
    let value = fold(value);
    let value = value.trim();
    let edge = |c: Option<char>| c.is_none_or(|c| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | '@')));
    !value.is_empty()
        && text.match_indices(value).any(|(at, _)| {
            let before = text.get(..at).and_then(|text| text.chars().next_back());
            let mut after = text.get(at + value.len()..).unwrap_or_default().chars();
            let next = after.next();
            // A full stop ends a sentence unless a word goes on behind it.
            let stops = next == Some('.') && after.next().is_none_or(|c| !c.is_alphanumeric());
            edge(before) && before != Some('.') && (stops || edge(next) && next != Some('.'))
        })
}

/// A short id is said only with what it is the id of: `event 13`, never the 13 of `June 13`.
fn says_typed(said: &[Word], wanted: &Wanted<'_>) -> bool {
    let types = types_of(wanted);
    let value = wanted.text.trim().to_lowercase();
    said.windows(2).any(|near| {
        let [first, second] = near else { return false };
        second.text == value
            && (types.contains(&first.stem) || matches!(first.text.as_str(), "id" | "number" | "no" | "nr"))
    })
}

/// What an id is the id of: the argument's own word, or the tool's.
fn types_of(wanted: &Wanted<'_>) -> Vec<String> {
    let last = wanted.argument.rsplit('.').next().unwrap_or_default();
    let own: Vec<String> = parts(last)
        .iter()
        .filter(|part| !matches!(part.as_str(), "id" | "ids" | "uuid" | "number" | "no"))
        .map(|part| stem(part))
        .collect();
    if own.is_empty() { wanted.tool.nouns.clone() } else { own }
}

/// All words of the value stand one after another.
fn says(said: &[Word], value: &str) -> bool {
    let value: Vec<String> = words(value).into_iter().map(|word| word.text).collect();
    !value.is_empty()
        && said.windows(value.len()).any(|near| near.iter().zip(&value).all(|(said, value)| said.text == *value))
}

/// A title that takes up the user's words: it shares one that says something.
fn names(said: &[Word], value: &str) -> bool {
    let value = words(value);
    let telling: Vec<&Word> = value.iter().filter(|word| !is_common(&word.text) && word.text.len() > 2).collect();
    let shared = telling.iter().filter(|word| said.iter().any(|said| said.stem == word.stem)).count();
    shared * 2 >= telling.len()
        && (shared > 0 || says(said, &value.iter().map(|w| w.text.as_str()).collect::<Vec<_>>().join(" ")))
}

/// The user's words hold the command as a whole: a line, what stands behind `RUN:`, or a quotation.
fn orders_command(said: &str, command: &str) -> bool {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let command = plain(&fold(command));
    let same = |text: &str| plain(text.trim().trim_matches(['`', '"', '\''])) == command;
    !command.is_empty()
        && said.lines().any(|line| {
            let behind = line.split_once(": ").is_some_and(|(_, rest)| same(rest));
            let lower = line.to_lowercase();
            let ordered = ["run ", "execute "]
                .iter()
                .any(|verb| lower.find(verb).and_then(|at| line.get(at + verb.len()..)).is_some_and(same));
            let quoted = line.split('`').skip(1).step_by(2).any(same);
            same(line) || behind || ordered || quoted
        })
}

/// The user's words lead to the value and to no other.
fn led(wanted: &Wanted<'_>, atom: Option<&Atom>) -> bool {
    match wanted.kind {
        ArgumentKind::Amount => {
            select::one_of_them(wanted, atom) || select::derived(wanted, atom) || select::by_record_amount(wanted, atom)
        }
        ArgumentKind::Identifier | ArgumentKind::Path => {
            select::by_record_name(wanted) || choice::by_choice(wanted) || choice::by_pick(wanted)
        }
        ArgumentKind::Destination => match atom {
            Some(Atom::Url(url)) => select::by_page(wanted, url),
            Some(atom @ Atom::Mail(mail)) => {
                select::by_person(wanted, mail) || select::by_relation(wanted, atom) || choice::by_choice(wanted)
            }
            Some(atom @ Atom::Account(_)) => select::by_relation(wanted, atom),
            _ => {
                select::by_start(wanted)
                    || choice::by_choice(wanted)
                    || select::by_record_name(wanted)
                    || select::by_content(wanted)
            }
        },
        ArgumentKind::Link => matches!(atom, Some(Atom::Url(url)) if select::by_page(wanted, url)),
        ArgumentKind::Name => choice::by_choice(wanted) || choice::by_pick(wanted),
        ArgumentKind::When | ArgumentKind::Command | ArgumentKind::Secret => false,
    }
}

/// A field that holds the value.
pub(crate) type Holder<'a> = (&'a Answer, &'a Record, &'a Field);

/// Every field of a structured result that is this value.
pub(crate) fn holders<'a>(wanted: &Wanted<'a>, atom: Option<&Atom>) -> Vec<Holder<'a>> {
    let mut found = Vec::new();
    for answer in wanted.talk.results.iter().filter(|answer| answer.structured) {
        for record in &answer.records.records {
            for field in record.fields.iter().filter(|field| !field.free && is_value(field, wanted, atom)) {
                found.push((answer, record, field));
            }
        }
    }
    found
}

/// Whether the field is the value.
pub(crate) fn is_value(field: &Field, wanted: &Wanted<'_>, atom: Option<&Atom>) -> bool {
    match atom {
        Some(Atom::Number(value)) => number_of(&field.text) == Some(*value),
        Some(Atom::Account(plain)) => {
            matches!(account(&field.text), Some(Atom::Account(field)) if field == *plain)
        }
        Some(atom) => shape(&field.text).as_ref() == Some(atom),
        None => field.text.trim().eq_ignore_ascii_case(wanted.text.trim()),
    }
}

/// A field that is a number and nothing else.
pub(crate) fn number_of(text: &str) -> Option<i64> {
    let plain = text.trim().trim_start_matches(['$', '€', '£', '-']);
    let numeric = plain.starts_with(|c: char| c.is_ascii_digit())
        && plain.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ','));
    numeric.then(|| number(plain)).flatten()
}

fn holds(passage: &Passage, wanted: &Wanted<'_>, atom: Option<&Atom>) -> bool {
    match atom {
        Some(Atom::Url(url)) => passage
            .atoms
            .iter()
            .any(|held| matches!(held, Atom::Url(held) if held == url || split_url(held).0 == split_url(url).0)),
        Some(atom) => {
            passage.atoms.contains(atom) || (!matches!(atom, Atom::Number(_)) && spells(passage, wanted.text))
        }
        None => spells(passage, wanted.text),
    }
}

/// The value's words stand in the passage one after another.
fn spells(passage: &Passage, value: &str) -> bool {
    let value: Vec<String> = words(value).into_iter().map(|word| word.text).collect();
    !value.is_empty() && passage.words.windows(value.len()).any(|near| near == value.as_slice())
}

/// The passage around the value, on one line.
fn shown(passage: &Passage, value: &str) -> String {
    let lower = passage.text.to_lowercase();
    let at = lower.find(&value.to_lowercase()).unwrap_or(0);
    let skip = lower.get(..at).map_or(0, |before| before.chars().count().saturating_sub(MOST_SHOWN / 2));
    let text: String = passage.text.chars().skip(skip).take(MOST_SHOWN).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
