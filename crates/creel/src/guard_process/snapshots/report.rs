//! Snapshots in words.
//!
//! Owns what people and records are told of them. Names are the agent's: whoever prints them escapes them. It reads nothing but
//! the store.

use std::collections::HashMap;
use std::io;

use crate::clock::utc;
use crate::snapshot::back::{Done, difference, is_in, shown};
use crate::snapshot::frame::{Content, Entry, Piece, What};
use crate::snapshot::store::{Head, Store};

/// The longest text of a file that is shown.
const LONGEST: u64 = 1 << 20;

/// One line of a list.
pub(super) fn row(head: &Head, json: bool) -> String {
    if json {
        return serde_json::to_string(head).map_or_else(|_| String::new(), |line| line + "\n");
    }
    let name = head.name.as_ref().map_or_else(String::new, |name| format!("  `{name}`"));
    format!("{:>5}  {}  {}  {}{name}{}\n", head.number, utc(head.at_ms), held(head), head.why, lacks(head))
}

/// What stands in the record of one that was taken.
pub(super) fn in_record(head: &Head) -> String {
    let name = head.name.as_ref().map_or_else(String::new, |name| format!(" `{name}`"));
    format!("{}{name}: {}, {}{}, sha256 {}", head.number, head.why, held(head), lacks(head), head.digest)
}

fn held(head: &Head) -> String {
    let files = if head.files == 1 { "file" } else { "files" };
    format!("{} {files}, {} bytes, {} new", head.files, head.bytes, head.added)
}

fn lacks(head: &Head) -> String {
    let mut text = String::new();
    let mut add = |number: u64, what: &str| {
        if number > 0 {
            text.push_str(&format!(", {number} {what}"));
        }
    };
    add(head.left, "not kept");
    add(head.torn, "changed while they were read");
    if head.cut {
        text.push_str(", there is more than is ever looked at");
    }
    text
}

/// What lies in one, or the text of a file.
pub(super) fn show(store: &Store, number: u64, scope: Option<&[u8]>, json: bool) -> io::Result<String> {
    let entries: Vec<Entry> = store.list(number)?.into_iter().filter(|entry| is_in(&entry.path, scope)).collect();
    match (scope, entries.as_slice()) {
        (Some(scope), []) => Err(io::Error::other(format!("there is no `{}` in snapshot {number}", shown(scope)))),
        (Some(_), [Entry { what: What::File(content), .. }]) if !json => {
            if content.size > LONGEST {
                return Err(io::Error::other(format!("it has {} bytes; restore it to read it", content.size)));
            }
            let bytes = bytes(store, content)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
        _ => {
            let head = if json || scope.is_some() { String::new() } else { row(store.head(number)?, false) };
            Ok(entries.iter().fold(head, |text, entry| text + &line(entry, json)))
        }
    }
}

fn line(entry: &Entry, json: bool) -> String {
    let path = shown(&entry.path);
    let (kind, size, more) = match &entry.what {
        What::Folder => ("folder", 0, String::new()),
        What::File(content) if content.torn => ("file", content.size, "changed while it was read".to_owned()),
        What::File(content) => ("file", content.size, String::new()),
        What::Link(target) => ("link", 0, shown(target)),
        What::Left(left) => ("left", 0, left.word().to_owned()),
    };
    if json {
        let line = serde_json::json!({"path": path, "kind": kind, "bytes": size, "mode": entry.mode, "more": more});
        return format!("{line}\n");
    }
    let more = if more.is_empty() { more } else { format!("  ({more})") };
    let mark = if kind == "folder" { "/" } else { "" };
    format!("{:o}  {size:>12}  {path}{mark}{more}\n", entry.mode)
}

/// The bytes of a file that is no longer than is shown.
fn bytes(store: &Store, content: &Content) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for piece in &content.pieces {
        match piece {
            Piece::Kept(digest) => bytes.extend(store.piece(digest)?),
            Piece::Hole(_) => bytes.resize(usize::try_from(content.size).unwrap_or(0), 0),
        }
    }
    Ok(bytes)
}

/// A path, how it differs, and what lay and lies there.
type Changed<'a> = (&'a [u8], &'static str, [Option<&'a Entry>; 2]);

fn changed<'a>([old, new]: [&'a [Entry]; 2], scope: Option<&[u8]>) -> Vec<Changed<'a>> {
    let mut paths: HashMap<&[u8], [Option<&Entry>; 2]> = HashMap::new();
    old.iter().for_each(|entry| paths.entry(&entry.path).or_default()[0] = Some(entry));
    new.iter().for_each(|entry| paths.entry(&entry.path).or_default()[1] = Some(entry));
    let mut changed: Vec<Changed<'_>> = paths
        .into_iter()
        .filter(|(path, _)| is_in(path, scope))
        .filter_map(|(path, sides)| Some((path, difference(sides[0], sides[1])?, sides)))
        .collect();
    changed.sort_unstable_by_key(|(path, ..)| *path);
    changed
}

/// What differs between two, a line each; empty when nothing does.
pub(super) fn diff(both: [&[Entry]; 2], scope: Option<&[u8]>, json: bool) -> String {
    let line = |(path, word, _): Changed<'_>| match json {
        true => format!("{}\n", serde_json::json!({"path": shown(path), "change": word})),
        false => format!("{word:<8}  {}\n", shown(path)),
    };
    changed(both, scope).into_iter().map(line).collect()
}

/// The longest answer with texts, as far as one file more does not matter.
const LONGEST_TEXTS: usize = 16 << 20;

/// The same, with what changed in the texts of files.
pub(super) fn texts(store: &Store, both: [&[Entry]; 2], scope: Option<&[u8]>, json: bool) -> io::Result<String> {
    let mut out = String::new();
    for (path, word, sides) in changed(both, scope) {
        let room = out.len() < LONGEST_TEXTS;
        let [old, new] = sides.map(|side| side.map_or_else(|| Ok(Some(String::new())), |entry| text(store, entry)));
        let written = match (old?, new?) {
            (Some(old), Some(new)) if room => Some(crate::files::diff::lines(&old, &new)),
            _ => None,
        };
        if json {
            let line = serde_json::json!({"path": shown(path), "change": word, "text": written});
            out.push_str(&format!("{line}\n"));
        } else {
            let what = if room { "no text, or too long for one" } else { "not shown: restrict it with --path" };
            let written = written.unwrap_or_else(|| format!("({what})\n"));
            out.push_str(&format!("{word:<8}  {}\n{written}", shown(path)));
        }
    }
    Ok(out)
}

/// A file's text, and where a link leads; nothing of what is too long or no text.
fn text(store: &Store, entry: &Entry) -> io::Result<Option<String>> {
    match &entry.what {
        What::Folder => Ok(Some(String::new())),
        What::Link(target) => Ok(Some(format!("-> {}\n", shown(target)))),
        What::File(content) if content.size <= LONGEST => {
            let text = String::from_utf8(bytes(store, content)?).ok();
            Ok(text.filter(|text| !text.contains('\0')))
        }
        What::File(_) | What::Left(_) => Ok(None),
    }
}

/// What came of putting one back.
pub(super) fn restored(number: u64, kept: &Head, done: &Done, json: bool) -> String {
    let Done { written, removed, failed, failures } = done;
    if json {
        let line = serde_json::json!({
            "restored": number, "written": written, "removed": removed, "failures": failures, "failed": failed,
            "kept_as": kept.number,
        });
        return format!("{line}\n");
    }
    let mut text = format!(
        "snapshot {number} is put back: {written} written, {removed} removed; what lay there before is snapshot {}\n",
        kept.number
    );
    failed.iter().for_each(|line| text.push_str(&format!("not as it was: {line}\n")));
    if *failures > failed.len() as u64 {
        text.push_str(&format!("and {} more\n", failures - failed.len() as u64));
    }
    text
}
