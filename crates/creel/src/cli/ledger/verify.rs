//! `creel ledger verify`: is the record what was written?
//!
//! Owns the command's words, its sentence and its exit codes. Keys and what signer and witness remember are read from the
//! folders beside the ledger when they are there; a key that is named counts before them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use creel_ledger::{Bundle, Gone, Remembered, Trust, VerifierKey};

use crate::cli::{FINDING, TRUNCATED, USAGE, Where, log, out};
use crate::escape::{for_terminal, one_line};
use crate::guard_process::export::KEPT;

/// Check that no record was changed, removed or slipped in.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// A ledger's folder; without, every ledger of the installation.
    path: Option<PathBuf>,
    /// A proof that `creel ledger prove` wrote, instead of a ledger.
    #[arg(long, value_name = "FILE", conflicts_with = "path")]
    bundle: Option<PathBuf>,
    /// The ledger's public key (`NAME+ID+KEY`), or a file that holds it.
    #[arg(long, value_name = "VKEY")]
    key: Option<String>,
    /// A witness's public key, or a file that holds it.
    #[arg(long, value_name = "VKEY")]
    witness_key: Option<String>,
    /// A checkpoint as a witness has it (a signed note): the ledger in PATH has to lead there.
    #[arg(long, value_name = "FILE", requires_all = ["path", "witnessed_by"])]
    witnessed: Option<PathBuf>,
    /// The public key of that witness, or a file that holds it.
    #[arg(long, value_name = "VKEY", requires = "witnessed")]
    witnessed_by: Option<String>,
    /// Print `{ok, size, first_bad}`.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

/// What was found in all ledgers together.
#[derive(Debug, Default)]
struct Sum {
    bad: bool,
    truncated: bool,
    size: u64,
    leaves: u64,
    first_bad: Option<u64>,
    /// The first ledger that is not whole, and why.
    place: Option<(PathBuf, String)>,
    signed: u64,
    /// What the ledgers say that retention let go.
    pruned: Vec<Gone>,
    /// Whether a key or a memory from outside the ledger's own folder was used.
    anchored: bool,
}

impl Verify {
    pub(super) fn run(self) -> ExitCode {
        let keys = key(self.key.as_deref()).and_then(|log| Ok((log, key(self.witness_key.as_deref())?)));
        let (log, witness) = match keys {
            Ok(keys) => keys,
            Err(why) => return out::fail(USAGE, why),
        };
        let remembered = match self.elsewhere() {
            Ok(remembered) => remembered.into_iter().collect(),
            Err(why) => return out::fail(USAGE, why),
        };
        let named = Trust { key: log, witness, remembered };
        if let Some(path) = &self.bundle {
            return self.check_bundle(path, &named);
        }
        let folders = match &self.path {
            Some(path) => Ok(vec![path.clone()]),
            None => log::ledgers(&self.place.site(None), None),
        };
        let folders = match folders {
            Ok(folders) => folders,
            Err(error) => return out::fail(USAGE, error),
        };
        let mut sum = Sum::default();
        for folder in folders {
            match sum.add(&folder, &named) {
                Ok(()) => {}
                // A jail that never came up has written nothing.
                Err(creel_ledger::Error::NoLedger(_)) if self.path.is_none() => {}
                // One that can't be read is no reason to pass over the others, and none to call them whole.
                Err(error) if self.path.is_none() => {
                    out::note(format_args!("creel: {error}"));
                    sum.bad = true;
                    sum.place.get_or_insert((folder, "it can't be read".to_owned()));
                }
                Err(error) => return out::fail(USAGE, error),
            }
        }
        self.tell(&sum)
    }

    /// What a witness elsewhere vouched for.
    fn elsewhere(&self) -> Result<Option<Remembered>, String> {
        let (Some(path), Some(by)) = (&self.witnessed, key(self.witnessed_by.as_deref())?) else { return Ok(None) };
        Remembered::of_note(&short(path)?, &by).map(Some).map_err(|why| format!("`{}`: {why}", path.display()))
    }

    fn tell(&self, sum: &Sum) -> ExitCode {
        let (path, why) = sum.place.clone().unzip();
        if self.json {
            out::json(&serde_json::json!({
                "ok": !sum.bad, "size": sum.size, "first_bad": sum.first_bad, "truncated": sum.truncated,
                "path": path, "why": why, "leaves": sum.leaves, "signed": sum.signed, "anchored": sum.anchored,
                "pruned": sum.pruned,
            }));
        } else {
            out::line(sum.sentence());
            for Gone { records, time, why } in &sum.pruned {
                let first = records + 1;
                out::line(format_args!(
                    "before record {first} nothing is kept, since {}: {}",
                    one_line(time),
                    one_line(why)
                ));
            }
        }
        match (sum.bad, sum.truncated && sum.first_bad.is_none()) {
            (false, _) => ExitCode::SUCCESS,
            (true, true) => ExitCode::from(TRUNCATED),
            (true, false) => ExitCode::from(FINDING),
        }
    }

    fn check_bundle(&self, path: &Path, trust: &Trust) -> ExitCode {
        let Some(log) = &trust.key else {
            return out::fail(USAGE, "name the ledger's public key with --key; a proof without it proves nothing");
        };
        let text = match short(path) {
            Ok(text) => text,
            Err(why) => return out::fail(USAGE, why),
        };
        let bundle = Bundle::parse(&text).ok_or_else(|| "it is no proof, or was changed".to_owned());
        let checked = bundle.and_then(|bundle| bundle.check(log, trust.witness.as_ref()));
        match checked {
            Ok(checked) if self.json => {
                out::json(&serde_json::json!({
                    "ok": true, "size": checked.size, "first_bad": null, "index": checked.index,
                    "origin": checked.origin, "leaf": checked.leaf, "witnessed": checked.witnessed,
                }));
                ExitCode::SUCCESS
            }
            Ok(checked) => {
                out::line(format_args!(
                    "proved: leaf {} of the {} that `{}` signed\n{}",
                    checked.index,
                    checked.size,
                    checked.origin,
                    for_terminal(&checked.leaf.to_string())
                ));
                ExitCode::SUCCESS
            }
            Err(why) if self.json => {
                out::json(&serde_json::json!({ "ok": false, "size": 0, "first_bad": null, "why": why }));
                ExitCode::from(FINDING)
            }
            Err(why) => out::fail(FINDING, format_args!("NOT PROVED: {}", one_line(&why))),
        }
    }
}

impl Sum {
    fn add(&mut self, folder: &Path, named: &Trust) -> Result<(), creel_ledger::Error> {
        let trust = match beside(folder, named) {
            Ok(trust) => trust,
            Err(error @ creel_ledger::Error::Damaged { .. }) => {
                self.bad = true;
                self.place.get_or_insert((folder.to_owned(), error.to_string()));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        self.anchored |= trust.key.is_some() || !trust.remembered.is_empty();
        let found = creel_ledger::verify_with(folder, &trust)?;
        self.size += found.size;
        self.leaves += found.leaves;
        self.pruned.extend(found.pruned.clone());
        self.signed += found.signed.unwrap_or(0);
        if !found.ok && !self.bad {
            self.first_bad = found.first_bad;
            self.place = Some((folder.to_owned(), found.why.clone().unwrap_or_default()));
        }
        self.bad |= !found.ok;
        self.truncated |= found.truncated;
        Ok(())
    }

    fn sentence(&self) -> String {
        let place = self.place.as_ref().map(|(path, why)| format!(" in `{}`: {why}", path.display()));
        let place = place.unwrap_or_default();
        match (self.bad, self.first_bad) {
            (false, _) => {
                let by = if self.anchored { "" } else { " (by the key that stands beside them: name it with --key)" };
                let signed = match self.signed {
                    0 => "nothing of it is signed".to_owned(),
                    signed => format!("{signed} of {} leaves are signed{by}", self.leaves),
                };
                format!("whole: {} records, each bound to the one before; {signed}", self.size)
            }
            (true, Some(bad)) => format!("TAMPERED WITH{place}; record {bad} is the first that does not fit"),
            (true, None) if self.truncated => {
                format!("TRUNCATED{place}; records at the end are missing, {} are left", self.size)
            }
            (true, None) => format!("NOT WHOLE{place}"),
        }
    }
}

/// What stands beside a tenant's ledger: the notaries' folders, which the guard can't write.
pub(crate) fn beside(folder: &Path, named: &Trust) -> Result<Trust, creel_ledger::Error> {
    let mut trust = named.clone();
    let Some(tenant) = folder.file_name().filter(|name| *name == "ledger").and_then(|_| folder.parent()) else {
        return Ok(trust);
    };
    for (name, place) in [("signer", &mut trust.key), ("witness", &mut trust.witness)] {
        let home = tenant.join(name);
        let vkey = std::fs::read_to_string(home.join("vkey")).ok();
        if place.is_none() {
            *place = vkey.and_then(|text| VerifierKey::parse(&text));
        }
        trust.remembered.extend(Remembered::read(&home)?);
    }
    // What witnesses elsewhere vouched for; the guard keeps it, so it proves something only while it is there.
    for entry in std::fs::read_dir(tenant.join("guard")).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(KEPT) && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            trust.remembered.extend(Remembered::read(&entry.path())?);
        }
    }
    Ok(trust)
}

/// A proof's or a checkpoint's text: a leaf, a path of 64 hashes and a signed checkpoint are far shorter than what is read.
fn short(path: &Path) -> Result<String, String> {
    let read = std::fs::metadata(path).and_then(|found| match found.len() {
        0..=1_048_576 => std::fs::read_to_string(path),
        _ => Err(std::io::Error::other("it is too long")),
    });
    read.map_err(|error| format!("can't read `{}`: {error}", path.display()))
}

/// A key as it was named: itself, or a file that holds it.
fn key(named: Option<&str>) -> Result<Option<VerifierKey>, String> {
    let Some(text) = named else { return Ok(None) };
    if let Some(key) = VerifierKey::parse(text) {
        return Ok(Some(key));
    }
    let read = std::fs::read_to_string(text).map_err(|error| format!("`{}`: {error}", one_line(text)))?;
    let first = read.lines().next().unwrap_or_default();
    VerifierKey::parse(first).map(Some).ok_or_else(|| format!("`{}` holds no public key `NAME+ID+KEY`", one_line(text)))
}
