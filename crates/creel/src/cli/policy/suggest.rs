//! `creel policy suggest`: the narrowest entries for what was seen.
//!
//! Owns the command's words. It prints what a person may put into `creel.toml`, and changes nothing.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use creel_policy::{Suggested, Suggestions};
use serde::Serialize;

use super::replay::Records;
use crate::cli::out;

/// Propose the narrowest entries for what was allowed, or for what was refused.
///
/// To learn what an agent needs, give it an outer bound (`host = "*.example.com"` with `learn_until`), let it work, and put
/// what this command prints with `--learnt` in the bound's place. Then `creel policy replay` says whether anything that was done would be refused.
#[derive(Debug, Args)]
pub(super) struct Suggest {
    /// What was refused because nothing allows it, instead of what was allowed. Look at each: it may be an attack.
    #[arg(long)]
    refused: bool,
    /// What was let pass while Creel learnt (`learn_until`), alone.
    #[arg(long, conflicts_with = "refused")]
    learnt: bool,
    /// Print JSON, a line each.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    records: Records,
}

#[derive(Serialize)]
struct Line<'a> {
    host: &'a str,
    port: u16,
    scheme: Option<&'a str>,
    methods: Option<&'a [String]>,
    paths: Option<&'a [String]>,
    acts: u64,
    first_record: u64,
    last_record: u64,
}

impl Suggest {
    pub(super) fn run(self) -> Result<ExitCode, String> {
        let rules: &[&str] = match (self.refused, self.learnt) {
            (true, _) => &["egress/not-approved", "dns/not-approved"],
            (false, true) => &["egress/allow-learning"],
            (false, false) => &["egress/allow-approved", "egress/allow-learning"],
        };
        let mut seen = Suggestions::default();
        for record in self.records.read()? {
            let record = record?;
            if rules.contains(&record.rule.as_str()) {
                seen.see(record.seq, &record.action);
            }
        }
        let entries = seen.entries();
        for entry in &entries {
            if self.json { out::json(&line(entry)) } else { out::line(text(entry)) }
        }
        if entries.is_empty() {
            out::note(if self.refused {
                "nothing was refused for want of an entry"
            } else {
                "nothing left by an entry"
            });
        }
        if seen.left_out() > 0 {
            out::note(format_args!("{} acts went to more places than are told apart", seen.left_out()));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn line(entry: &Suggested) -> Line<'_> {
    let Suggested { host, port, scheme, methods, paths, acts, records: (first, last) } = entry;
    Line {
        host,
        port: *port,
        scheme: scheme.as_deref(),
        methods: methods.as_deref(),
        paths: paths.as_deref(),
        acts: *acts,
        first_record: *first,
        last_record: *last,
    }
}

/// The entry as it would stand in `creel.toml`, its evidence above it.
fn text(entry: &Suggested) -> String {
    let Suggested { host, port, scheme, methods, paths, acts, records: (first, last) } = entry;
    // A JSON string is a TOML string but for what no host, method or clean path holds.
    let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
    let list = |all: &[String]| all.iter().map(|one| quoted(one)).collect::<Vec<_>>().join(", ");
    let mut text = format!("# {acts} acts, records {first} to {last}");
    if scheme.is_none() {
        text.push_str("; the name was looked up, and no request was seen");
    }
    let _ = write!(text, "\n[[egress.allow]]\nhost = {}\n", quoted(host));
    if *port != 443 {
        let _ = writeln!(text, "ports = [{port}]");
    }
    match scheme.as_deref() {
        Some("http") if *port != 80 => text.push_str("http = true\n"),
        Some("wss" | "ws") => text.push_str("websocket = true\n"),
        Some(mode @ ("tunnel" | "tcp" | "smtp" | "imap" | "postgres")) => {
            let _ = writeln!(text, "mode = \"{mode}\"");
        }
        _ => {}
    }
    if let Some(methods) = methods {
        let _ = writeln!(text, "methods = [{}]", list(methods));
    }
    if let Some(paths) = paths {
        let _ = writeln!(text, "paths = [{}]", list(paths));
    }
    text
}
