//! `creel log`: what happened.
//!
//! Owns the command's words and its line for people. It reads the ledger's files; it needs no running Creel.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use creel_ledger::LogLine;

use crate::cli::{Where, out};
use crate::escape::one_line;
use crate::site::Site;

/// Tell what happened: each message, prompt, tool call, look-up and packet.
#[derive(Debug, Args)]
pub(crate) struct Log {
    /// Go on as it happens.
    #[arg(short, long)]
    follow: bool,
    /// A JSON line a record.
    #[arg(long)]
    json: bool,
    /// Only this tenant's; without, all tenants' by time.
    #[arg(long)]
    tenant: Option<String>,
    /// Only the last N records.
    #[arg(short = 'n', long, value_name = "N")]
    last: Option<usize>,
    #[command(flatten)]
    place: Where,
}

impl Log {
    pub(crate) fn run(self) -> ExitCode {
        let site = self.place.site(None);
        match self.tell(&site) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => out::fail(1, error),
        }
    }

    fn tell(&self, site: &Site) -> io::Result<()> {
        let mut told = std::collections::HashMap::new();
        let mut first = true;
        loop {
            let mut lines = Vec::new();
            for folder in ledgers(site, self.tenant.as_deref())? {
                let known: &mut Known = told.entry(folder.clone()).or_default();
                known.news(&folder, self.follow, &mut lines)?;
            }
            lines.sort_by(|a, b| (&a.time, a.seq).cmp(&(&b.time, b.seq)));
            let skip = self.last.filter(|_| first).map_or(0, |last| lines.len().saturating_sub(last));
            for line in lines.iter().skip(skip) {
                self.print(line);
            }
            if !self.follow {
                return Ok(());
            }
            first = false;
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn print(&self, line: &LogLine) {
        if self.json {
            return out::json(line);
        }
        let time = line.time.get(11..23).unwrap_or(&line.time);
        let target: String = one_line(&line.target).chars().take(200).collect();
        let why = if line.verdict == "allow" { String::new() } else { format!("  ({})", one_line(&line.why)) };
        out::line(format_args!(
            "{time} {:>5} {:<10} {:<7} {:<10} {:<5} {:<9} {target}  [{}]{why}",
            line.seq, line.actor, line.door, line.deed, line.verdict, line.outcome, line.rule
        ));
    }
}

/// How far one ledger has been told.
#[derive(Default)]
struct Known {
    upto: u64,
    open: std::collections::BTreeSet<u64>,
}

impl Known {
    /// Adds what is new: records never told, and with `follow` open ones that have ended since.
    fn news(&mut self, folder: &std::path::Path, follow: bool, lines: &mut Vec<LogLine>) -> io::Result<()> {
        for line in creel_ledger::lines(folder).map_err(io::Error::other)? {
            let seq = line.seq;
            let ended = line.outcome != "open";
            let fresh = seq > self.upto;
            if fresh {
                self.upto = seq;
            }
            if !ended && fresh && follow {
                self.open.insert(seq);
            }
            if fresh || (ended && self.open.remove(&seq)) {
                lines.push(line);
            }
        }
        Ok(())
    }
}

/// The ledgers of an installation.
pub(crate) fn ledgers(site: &Site, tenant: Option<&str>) -> io::Result<Vec<PathBuf>> {
    if let Some(tenant) = tenant {
        let ledger = site.tenant(tenant).ledger();
        return if ledger.is_dir() {
            Ok(vec![ledger])
        } else {
            Err(io::Error::other(format!("there is no ledger of `{tenant}` in `{}`", site.root().display())))
        };
    }
    let mut found = Vec::new();
    match std::fs::read_dir(site.tenants()) {
        Ok(entries) => {
            for entry in entries {
                let ledger = entry?.path().join("ledger");
                if ledger.is_dir() {
                    found.push(ledger);
                }
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let hint = "nothing was ever recorded here; name another place with --state";
            return Err(io::Error::other(format!("`{}`: {hint}", site.root().display())));
        }
        Err(error) => return Err(error),
    }
    found.sort();
    Ok(found)
}
