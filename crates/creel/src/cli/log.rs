//! `creel log`: what happened.
//!
//! Owns the command's words and its line for people. It reads the ledger's files; it needs no running Creel.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use creel_ledger::{Follow, LogLine};

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
    /// Only what belongs to one turn, as one story: an id that a record bears as `trace` or `claimed_trace`.
    #[arg(long, value_name = "ID", conflicts_with = "follow")]
    trace: Option<String>,
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
        let (mut lines, mut bad) = (Vec::new(), Vec::new());
        for folder in ledgers(site, self.tenant.as_deref())? {
            if self.last.is_none() {
                tell_beginning(&folder);
            }
            let records = match creel_ledger::read(&folder) {
                Ok(records) => records,
                // A jail that never came up has written nothing.
                Err(creel_ledger::Error::NoLedger(_)) => continue,
                Err(error) => {
                    bad.push(error);
                    continue;
                }
            };
            for line in records {
                match line {
                    Ok(line) => lines.push(line),
                    Err(error) => bad.push(error),
                }
            }
        }
        if let Some(id) = &self.trace {
            lines = story(lines, id);
            if lines.is_empty() {
                return Err(io::Error::other(format!("no record bears the trace `{}`", one_line(id))));
            }
        }
        lines.sort_by(|a: &LogLine, b| (&a.time, a.seq).cmp(&(&b.time, b.seq)));
        let skip = self.last.map_or(0, |last| lines.len().saturating_sub(last));
        lines.iter().skip(skip).for_each(|line| self.print(line));
        // One bad ledger must not hide the others; it is told last, where it is seen.
        bad.iter().for_each(|error| out::note(format_args!("creel: {error}")));
        match (self.follow, bad.is_empty()) {
            (true, _) => self.go_on(site, &lines),
            (false, true) => Ok(()),
            (false, false) => Err(io::Error::other("not everything could be told; `creel ledger verify` says more")),
        }
    }

    /// Tells what comes after `told`, and how records end that were open.
    fn go_on(&self, site: &Site, told: &[LogLine]) -> io::Result<()> {
        let mut followed: HashMap<PathBuf, Follow> = HashMap::new();
        loop {
            for folder in ledgers(site, self.tenant.as_deref())? {
                if let Entry::Vacant(place) = followed.entry(folder) {
                    let name = place.key().parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
                    let last = told.iter().filter(|line| line.tenant == name).map(|line| line.seq).max().unwrap_or(0);
                    if let Ok(follow) = Follow::new(place.key(), last) {
                        place.insert(follow);
                    }
                }
            }
            for follow in followed.values_mut() {
                follow.poll().map_err(io::Error::other)?.iter().for_each(|line| self.print(line));
            }
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

/// Says from where on there is something, where retention took what was before.
pub(crate) fn tell_beginning(folder: &Path) {
    if let Ok(first) = creel_ledger::first_kept(folder)
        && first > 1
    {
        let place = folder.display();
        out::note(format_args!("creel: before record {first} nothing is kept in `{place}` (`ledger/pruned` says why)"));
    }
}

/// What belongs to the turn `id`. Where the agent claimed that id, the turns of Creel's own in which it did belong to it,
/// whole: so the story has the steps that it claimed nothing for.
fn story(lines: Vec<LogLine>, id: &str) -> Vec<LogLine> {
    let claimed = |line: &LogLine| line.claimed_trace.as_deref() == Some(id);
    let mut turns: HashSet<String> =
        lines.iter().filter(|line| claimed(line)).filter_map(|line| line.trace.clone()).collect();
    turns.insert(id.to_owned());
    let belongs = |line: &LogLine| claimed(line) || line.trace.as_ref().is_some_and(|trace| turns.contains(trace));
    lines.into_iter().filter(belongs).collect()
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
