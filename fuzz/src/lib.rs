//! Fuzz targets of what can be driven from outside its crate.
//!
//! Owns the table of those targets; the rest are in the `fuzzing` modules of the crates that own the parsers. Each takes
//! any bytes and panics when something holds no more that must hold of every input. The engine in `main.rs` drives them,
//! and a test tries each with its seeds.

#![forbid(unsafe_code)]

use std::path::Path;

use creel::config::Config;
use creel_guard::{CleanPath, HostName, Target};
use creel_jail::InitEvent;
use creel_policy::{HostPattern, PathGlob, closed};
use creel_scan::injection::Channel;
use creel_scan::memory::{Kind, audit, mend, restore as restore_memory};
use creel_scan::sanitise::{restore, sanitise};
use creel_scan::secrets::{Known, Scanner};
use creel_scripted_model::ScriptedModel;

/// A target: its name, which is that of its folder in `fuzz/seeds`, and what is driven.
pub type Driven = (&'static str, fn(&[u8]));

/// Name → what is driven. The names are those of the folders in `seeds`.
pub const TARGETS: &[Driven] = &[
    ("canonical-path", path),
    ("creel-toml", configuration),
    ("host-name", host),
    ("host-pattern", pattern),
    ("init-event", init_event),
    ("ledger-segment", ledger),
    ("memory-file", memory),
    ("scripted-model", scripted_model),
    ("untrusted-text", untrusted),
];

/// What is read of a database is bounded by it; what is taken out of a memory comes back, and what is left is clean.
fn memory(bytes: &[u8]) {
    let made: usize = creel_scan::memory::database::texts(bytes).iter().map(Vec::len).sum();
    assert!(made <= bytes.len().saturating_mul(2), "texts are bounded by their file");
    let scanner = Scanner::new(Known::new([("key", b"sk-test-9f3kQ2mZp7Lx0VbT4yWc".as_slice())]));
    for kind in [Kind::Database, Kind::Memory] {
        let flaws = audit(bytes, kind, &scanner);
        let mended = mend(bytes, &flaws, "fuzz-target", |_| false);
        let taken: Vec<_> = mended.taken.into_iter().map(|taken| (taken.mark, taken.bytes)).collect();
        if memchr_of(bytes, b"[taken out by Creel: fuzz-target-").is_none() {
            assert_eq!(restore_memory(&mended.bytes, &taken).0, bytes, "each change can be undone");
        }
    }
}

fn memchr_of(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

/// A text that was made fit stays as it is, can be turned back, and what was found in it stands in it.
fn untrusted(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let clean = sanitise(text, Channel::Unknown);
    assert_eq!(restore(&clean.text, &clean.edits), text, "each change can be undone");
    assert!(!sanitise(&clean.text, Channel::Unknown).is_changed(), "what is fit stays as it is");
    for span in &clean.report.spans {
        assert!(text.get(span.start..span.end).is_some(), "a span stands in the text");
    }
}

/// A name has one form, and stays in it.
fn host(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(name) = HostName::parse(text) else { return };
    let form = name.as_str();
    assert_eq!(HostName::parse(form).as_ref(), Ok(&name), "the form of a name is its own form");
    assert!(form.len() <= 253 && form.is_ascii() && !form.chars().any(|c| c.is_ascii_uppercase()), "it is canonical");
    assert!(form.parse::<std::net::IpAddr>().is_err(), "a name is no address");
}

/// A pattern never covers more than names on its own label boundaries, and no address but the very one it says.
fn pattern(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (pattern, name) = text.split_once('\n').unwrap_or((text, "a.example.com"));
    let Ok(pattern) = HostPattern::parse(pattern) else { return };
    if let Ok(address) = name.parse() {
        let covered = pattern.covers(&Target::Address(address));
        assert!(!covered || matches!(pattern, HostPattern::Address(_)), "an address is covered by an address alone");
        let _ = closed(address);
    } else if let Ok(name) = HostName::parse(name) {
        let covered = pattern.covers(&Target::Host(name.clone()));
        let fits = match &pattern {
            HostPattern::Exact(own) => *own == name,
            HostPattern::Below(own) => name.as_str().ends_with(&format!(".{own}")),
            HostPattern::Address(_) => false,
        };
        assert_eq!(covered, fits, "a name is covered on label boundaries");
    }
}

/// A path that is clear holds nothing that two servers read differently.
fn path(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (glob, path) = text.split_once('\n').unwrap_or(("/v1/**", text));
    let glob = PathGlob::parse(glob);
    let Ok(clean) = CleanPath::parse(path) else { return };
    let form = clean.as_str();
    assert!(form.starts_with('/') && form.bytes().all(|byte| matches!(byte, 0x21..=0x7e)), "it is plain ASCII");
    assert!(!clean.path().contains(['\\', '#']), "it holds nothing that ends or turns a path");
    assert!(!clean.path().split('/').any(|segment| matches!(segment, "." | "..")), "no dot segment");
    let again = CleanPath::parse(form);
    assert!(again.is_ok_and(|again| again.as_str() == form && again.odd() == clean.odd()), "its form is its own form");
    if let Ok(glob) = glob {
        let covered = glob.covers(clean.path());
        if !glob.to_string().contains('*') {
            assert_eq!(covered, glob.to_string() == clean.path(), "a glob without a star covers itself alone");
        }
    }
}

/// A configuration is legal or every fault is told; never a panic, and what is legal is read the same again.
fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Config::again(Path::new("creel.toml"), text, &[]) {
        Ok(config) => {
            let again = Config::again(config.name(), config.text(), &config.cas());
            assert_eq!(again.ok().map(|again| again.approved_hosts()), Some(config.approved_hosts()));
        }
        Err(report) => assert!(!report.to_string().is_empty(), "a fault has a text"),
    }
}

/// What PID 1 of a jail reports: what is understood means the same again.
fn init_event(bytes: &[u8]) {
    let Ok(event) = serde_json::from_slice::<InitEvent>(bytes) else { return };
    let Ok(written) = serde_json::to_vec(&event) else { unreachable!("an event can be written") };
    assert_eq!(serde_json::from_slice::<InitEvent>(&written).ok(), Some(event), "an event means the same again");
}

/// Whatever stands in a ledger's file, reading it ends, and says no more than is there.
fn ledger(bytes: &[u8]) {
    let file = std::env::temp_dir().join(format!("creel-fuzz-{}.segment", std::process::id()));
    if std::fs::write(&file, bytes).is_err() {
        return;
    }
    if let Ok(found) = creel_ledger::verify(&file) {
        assert!(found.size <= bytes.len() as u64 / 24, "a record takes a frame");
        assert!(found.ok || found.why.is_some(), "what is wrong has a text");
    }
    let _ = std::fs::remove_file(&file);
}

/// The model that is part of the product reads the agent's requests, too.
fn scripted_model(bytes: &[u8]) {
    let model = ScriptedModel::helpful();
    for path in ["/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1beta/models/m:streamGenerateContent"] {
        let request = http::Request::post(path).body(bytes::Bytes::copy_from_slice(bytes));
        let Ok(request) = request else { unreachable!("a request can be built") };
        let answer = model.respond(&request);
        assert!(answer.status().is_success() || answer.status().is_client_error(), "it never fails by itself");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn what_must_hold_holds_of_every_seed() {
        creel_testkit::drive_seeds(super::TARGETS);
    }

    /// `make fuzz` goes through the folders: one that no target has would be an error there, and one without a folder
    /// would never run.
    #[test]
    fn no_target_and_no_folder_stands_alone() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut named = BTreeSet::new();
        for file in [
            "fuzz/src/lib.rs",
            "crates/creel/src/fuzzing.rs",
            "crates/doors/src/fuzzing.rs",
            "crates/jail/src/fuzzing.rs",
            "crates/jail-sys/src/fuzzing.rs",
            "crates/openclaw/src/fuzzing.rs",
            "crates/secrets/src/fuzzing.rs",
        ] {
            let text = std::fs::read_to_string(root.join(file)).unwrap();
            let table = text.split("pub const TARGETS").nth(1).unwrap().split(";\n").next().unwrap();
            named.extend(table.split('"').skip(1).step_by(2).map(str::to_owned));
        }
        let folders = std::fs::read_dir(root.join("fuzz/seeds")).unwrap().flatten();
        let folders: BTreeSet<String> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
        assert_eq!(named, folders);
    }
}
