//! `creel secret`: the store of secrets, and their exchange.
//!
//! Owns the command's words. A value comes from a prompt that does not show it, or from standard input, and is never printed.
//! Where Creel runs, the warden exchanges values; everything else is done on the store itself.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use creel_secrets::{Kept, Secret, SecretName};
use serde_json::json;
use zeroize::Zeroizing;

use crate::cli::{FINDING, USAGE, Where, ask, out, secrets, status};
use crate::clock::{utc, wall_ms};
use crate::config::{Config, Source};
use crate::escape;
use crate::link::memory_file;
use crate::protocol::{FromWarden, SecretStatus, ToWarden};
use crate::safe::Safe;
use crate::site::Site;

mod given;
mod uses;

/// Keep secrets sealed, exchange them, and see what they were used for.
#[derive(Debug, Args)]
pub(crate) struct SecretCommand {
    #[command(subcommand)]
    what: What,
    /// The configuration; without, ./creel.toml if it is there, else the defaults.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, Clone, Subcommand)]
enum What {
    /// Put a new secret into the store. The value is asked for, or read from standard input; at least 8 characters.
    Put {
        /// Its name.
        name: String,
    },
    /// Show what the store holds and what runs with it, without values.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Exchange the value of a secret, live where Creel runs: no request is lost, the old value is still scrubbed and looked
    /// for during its `overlap`. The new one is asked for or read from standard input, unless the configuration says
    /// where it comes from (`file`, `command`, `rotate_with`).
    Rotate {
        /// Its name.
        name: String,
        /// Take the new value from the prompt or standard input, although `rotate_with` could make one.
        #[arg(long)]
        ask: bool,
    },
    /// Take a secret out of the store.
    Rm {
        /// Its name.
        name: String,
    },
    /// Tell from the ledger what a secret was used for, and where it was tried in vain.
    Uses {
        /// Its name.
        name: String,
        /// A JSON line a record.
        #[arg(long)]
        json: bool,
    },
}

/// The store, and the installation that it belongs to.
struct Means {
    config: Config,
    site: Site,
    safe: Safe,
}

impl SecretCommand {
    pub(crate) fn run(self) -> ExitCode {
        // No dump of this process's memory: a value passes through it.
        let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
        self.work().unwrap_or_else(|code| code)
    }

    fn work(self) -> Result<ExitCode, ExitCode> {
        let path = self.config.clone().or_else(|| Some(PathBuf::from("creel.toml")).filter(|path| path.exists()));
        let config = Config::of(path.as_deref()).map_err(|report| {
            out::note(report);
            ExitCode::from(USAGE)
        })?;
        let site = self.place.site(Some(config.state_dir()));
        let safe = Safe::new(&site, config.tenant().as_str(), config.key_file());
        let means = Means { config, site, safe };
        match &self.what {
            What::Put { name } => means.put(&named(name)?),
            What::List { json } => means.list(*json),
            What::Rotate { name, ask } => means.rotate(&named(name)?, *ask),
            What::Rm { name } => means.remove(&named(name)?),
            What::Uses { name, json } => uses::tell(&means.site, means.config.tenant(), &named(name)?, *json),
        }
    }
}

fn named(name: &str) -> Result<SecretName, ExitCode> {
    SecretName::parse(name).map_err(|error| out::fail(USAGE, error))
}

fn told(error: creel_secrets::Error) -> String {
    error.to_string()
}

impl Means {
    fn put(&self, name: &SecretName) -> Result<ExitCode, ExitCode> {
        self.site.make().map_err(|error| out::fail(1, error))?;
        // Said before anybody types a value.
        if self.read()?.has(name) {
            return Err(out::fail(USAGE, creel_secrets::Error::Stored { name: name.clone() }));
        }
        let value = value(name)?;
        let kept = self.safe.change(|store| store.put(name, secret(name, &value)?, wall_ms()).map_err(told));
        kept.map_err(|why| out::fail(USAGE, why))?;
        let running =
            if self.running()?.is_some() { "; what runs already learns of it at the next `creel up`" } else { "" };
        out::line(format_args!("the store holds `{name}`{running}"));
        Ok(ExitCode::SUCCESS)
    }

    fn list(&self, json: bool) -> Result<ExitCode, ExitCode> {
        let store = self.read()?;
        let running = self.running()?.unwrap_or_default();
        let kept: Vec<Kept<'_>> = store.list().collect();
        let others = running.iter().filter(|one| !kept.iter().any(|kept| kept.name.as_str() == one.name));
        let runs = |name: &SecretName| running.iter().any(|one| one.name == name.as_str());
        if json {
            let one = |kept: &Kept<'_>| {
                let old = kept.until_ms.filter(|until| *until > wall_ms()).map(utc);
                json!({ "name": kept.name, "since": utc(kept.since_ms), "old_until": old, "runs": runs(kept.name) })
            };
            let stored: Vec<_> = kept.iter().map(one).collect();
            out::json(&json!({ "store": stored, "elsewhere": others.collect::<Vec<_>>() }));
            return Ok(ExitCode::SUCCESS);
        }
        let due = |name: &str| {
            let one = running.iter().find(|one| one.name == name)?;
            let why = one.overdue.as_ref().map(|why| format!(", OVERDUE: {}", escape::one_line(why)));
            why.or_else(|| one.due.as_ref().map(|due| format!(", due {due}")))
        };
        for kept in &kept {
            let runs = if runs(kept.name) { "in use" } else { "not in use" };
            let old = kept.until_ms.filter(|until| *until > wall_ms());
            let old = old.map_or_else(String::new, |until| format!(", an old value until {}", utc(until)));
            out::line(format_args!(
                "{:<32} store     since {}, {runs}{old}{}",
                kept.name,
                utc(kept.since_ms),
                due(kept.name.as_str()).unwrap_or_default()
            ));
        }
        for SecretStatus { name, source, .. } in others {
            let due = due(name).unwrap_or_default();
            out::line(format_args!("{:<32} {source:<9} in use{due}", escape::one_line(name)));
        }
        Ok(ExitCode::SUCCESS)
    }

    fn rotate(&self, name: &SecretName, ask: bool) -> Result<ExitCode, ExitCode> {
        let Some(running) = self.running()? else { return self.rotate_at_rest(name, ask) };
        let known = running.iter().find(|one| one.name == name.as_str());
        let by_itself = known.is_some_and(|one| one.by_itself && !(ask && one.source == Source::Store.word()));
        let value = if by_itself { None } else { Some(value(name)?) };
        ask::block_on_value(async {
            let link = ask::connect(&self.site.warden_socket())?;
            let file = value.map(|value| memory_file("creel-secret", &value)).transpose();
            let file = file.map_err(|error| out::fail(FINDING, format_args!("no memory file: {error}")))?;
            let fds: Vec<_> = file.iter().map(std::os::fd::AsFd::as_fd).collect();
            link.send(&ToWarden::Rotate { name: name.to_string() }, &fds).await.map_err(|_| ask::lost())?;
            match link.recv::<FromWarden>().await {
                Ok(Some((FromWarden::Looked { code: 0, said }, _))) => {
                    out::line(escape::one_line(&said));
                    Ok(ExitCode::SUCCESS)
                }
                Ok(Some((FromWarden::Looked { code, said: why } | FromWarden::Failed { code, why }, _))) => {
                    out::note(format_args!("creel: the old value of `{name}` stays"));
                    Err(out::fail(code, escape::one_line(&why)))
                }
                _ => Err(ask::lost()),
            }
        })
    }

    /// Where nothing runs, the value in the store is all there is.
    fn rotate_at_rest(&self, name: &SecretName, ask: bool) -> Result<ExitCode, ExitCode> {
        if !self.read()?.has(name) {
            let from = self.config.source_of(name.as_str());
            let hint = match from {
                Source::Store | Source::Usual => told(creel_secrets::Error::NotStored { name: name.clone() }),
                Source::File(_) | Source::Command(_) | Source::Fetch(_) => {
                    format!("the value of `{name}` comes from a {}: the next `creel up` asks it", from.word())
                }
            };
            return Err(out::fail(USAGE, hint));
        }
        let rotation = self.config.rotation_of(name.as_str());
        let value = match rotation.with.filter(|_| !ask) {
            Some(words) => secrets::printed(name, &words).map_err(|why| out::fail(FINDING, why))?,
            None => value_text(name)?,
        };
        let overlap = u64::try_from(rotation.overlap.as_millis()).unwrap_or(u64::MAX);
        let fresh = Zeroizing::new(value.as_bytes().to_vec());
        let kept =
            self.safe.change(|store| store.rotate(name, secret(name, &fresh)?, wall_ms(), overlap).map_err(told));
        kept.map_err(|why| out::fail(USAGE, why))?;
        out::line(format_args!("`{name}` has a new value; creel does not run here, so no ledger tells of it"));
        Ok(ExitCode::SUCCESS)
    }

    fn remove(&self, name: &SecretName) -> Result<ExitCode, ExitCode> {
        let running = self.running()?.unwrap_or_default();
        if running.iter().any(|one| one.name == name.as_str() && one.source == Source::Store.word()) {
            let why =
                "is in use, and the next start would miss it: take its `[[secret]]` entry out and start again first";
            return Err(out::fail(USAGE, format_args!("`{name}` {why}")));
        }
        self.read()?;
        let gone = self.safe.change(|store| store.remove(name).map_err(told));
        gone.map_err(|why| out::fail(USAGE, why))?;
        out::line(format_args!("the store holds no `{name}` any more"));
        Ok(ExitCode::SUCCESS)
    }

    fn read(&self) -> Result<creel_secrets::Store, ExitCode> {
        self.safe.read().map_err(|why| out::fail(USAGE, why))
    }

    /// What a running Creel fills in; none where none runs.
    fn running(&self) -> Result<Option<Vec<SecretStatus>>, ExitCode> {
        if !self.site.warden_socket().exists() || crate::warden::is_free(&self.site) {
            return Ok(None);
        }
        let tenants = ask::block_on_value(async { status::of_warden(&self.site).await })?.tenants;
        Ok(Some(tenants.into_iter().flat_map(|tenant| tenant.secrets).collect()))
    }
}

fn value(name: &SecretName) -> Result<Zeroizing<Vec<u8>>, ExitCode> {
    let text = value_text(name)?;
    let value = Zeroizing::new(text.as_bytes().to_vec());
    secret(name, &value).map_err(|why| out::fail(USAGE, why))?;
    Ok(value)
}

fn value_text(name: &SecretName) -> Result<Zeroizing<String>, ExitCode> {
    given::value(name).map_err(|why| out::fail(USAGE, format_args!("no value for `{name}`: {why}")))
}

fn secret(name: &SecretName, value: &Zeroizing<Vec<u8>>) -> Result<Secret, String> {
    Secret::given(name, value.clone()).map_err(told)
}
