//! `creel up`: start a contained OpenClaw.
//!
//! Owns the way from a person's word to a warden at work: configuration, provider, runtime, daemon, and what a person
//! wants to read at the end. It starts nothing of the agent's itself.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use clap::Args;
use creel_secrets::SecretName;
use zeroize::Zeroizing;

use crate::cli::host::{self, Host};
use crate::cli::{USAGE, Where, ask, out, status};
use crate::config::Config;
use crate::protocol::{FromWarden, ToWarden};
use crate::provider::{Provider, ProviderKind};
use crate::safe::Safe;
use crate::site::Site;
use crate::warden::{Orders, is_free};

/// Start a contained OpenClaw and everything that watches it.
#[derive(Debug, Args)]
pub(crate) struct Up {
    /// The configuration; without, ./creel.toml if it is there, else the defaults.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Play an attack: the scripted model follows this file instead of helping (docs/scripted-model.md).
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Where the prepared runtime (Node, OpenClaw) is kept [default: `runtime` in the state folder; a plain user takes
    /// root's].
    #[arg(long, value_name = "DIR")]
    runtime_folder: Option<PathBuf>,
    #[command(flatten)]
    host: Host,
    #[command(flatten)]
    place: Where,
}

impl Up {
    pub(crate) fn run(self) -> ExitCode {
        match self.begin() {
            Ok(code) | Err(code) => code,
        }
    }

    fn begin(self) -> Result<ExitCode, ExitCode> {
        let path = self.config.clone().or_else(|| Some(PathBuf::from("creel.toml")).filter(|path| path.exists()));
        let config = Config::of(path.as_deref()).map_err(|report| {
            out::text(""); // flush before the report
            out::note(report);
            ExitCode::from(USAGE)
        })?;
        let usage = |why: String| out::fail(USAGE, why);
        let site = self.place.site(Some(config.state_dir()));
        let safe = Safe::new(&site, config.tenant().as_str(), config.key_file());
        let provider = choose(&config, self.script.as_deref(), &safe).map_err(usage)?;
        let secrets = crate::cli::secrets::gather(&config, provider.kind.key_variable(), &safe).map_err(usage)?;
        let degraded = self.host.degraded().map_err(usage)?.to_vec();
        self.host.engine().map_err(usage)?;
        host::look(&config, true, &degraded).map_err(|failure| out::fail(failure.code, failure.why))?;
        site.make().map_err(|error| out::fail(1, error))?;
        if !is_free(&site) {
            out::note("creel runs already here:");
            return Ok(ask::block_on(async {
                match status::fetch(&site).await {
                    Ok(report) => {
                        out::text(status::render(&report));
                        ExitCode::SUCCESS
                    }
                    Err(code) => code,
                }
            }));
        }
        for warning in config.warnings() {
            out::note(format_args!("creel: {warning}"));
        }
        if !rustix::process::geteuid().is_root() {
            out::note("creel: without `limit.disk` the workspace lies in memory and is gone at `creel down`");
        }
        let runtime = self.runtime_folder.unwrap_or_else(|| crate::cli::runtime(&site));
        prepare(&runtime)?;
        let path = path.map(|path| std::path::absolute(&path).unwrap_or(path));
        let orders = Orders {
            state: site.root().to_owned(),
            runtime,
            config: path,
            provider,
            secrets,
            degraded,
            engine: self.host.name(),
        };
        start_warden(&site, &orders)
            .map_err(|error| out::fail(1, format_args!("the warden can't be started: {error}")))?;
        Ok(ask::block_on(watch(&site)))
    }
}

/// The provider: as configured, else by the key in the environment or the store, else the scripted model.
fn choose(config: &Config, script: Option<&std::path::Path>, safe: &Safe) -> Result<Provider, String> {
    let store = safe.read()?;
    let present = |kind: ProviderKind| {
        kind.key_variable().is_some_and(|name| {
            let stored = || SecretName::parse(name).is_ok_and(|name| store.has(&name));
            std::env::var(name).is_ok_and(|value| !value.is_empty()) || stored()
        })
    };
    let mut provider = config.provider(&present)?;
    if let Some(path) = script {
        if provider.kind != ProviderKind::Scripted {
            return Err(format!("`--script` plays the scripted model, but the provider is `{}`", provider.kind.name()));
        }
        let text = std::fs::read_to_string(path).map_err(|error| format!("`{}`: {error}", path.display()))?;
        provider.script = Some(text);
    }
    if let Some(text) = &provider.script {
        let name = script.map_or_else(|| "the script".to_owned(), |path| path.display().to_string());
        creel_scripted_model::Script::parse(text).map_err(|error| format!("`{name}`: {error}"))?;
    }
    match provider.kind.key_variable() {
        Some(name) if !present(provider.kind) => {
            let name_of = provider.kind.name();
            Err(format!(
                "the provider `{name_of}` needs its key: set {name} in the environment, or `creel secret put {name}`"
            ))
        }
        _ => Ok(provider),
    }
}

fn prepare(runtime: &std::path::Path) -> Result<(), ExitCode> {
    let told = &mut |progress: creel_openclaw::runtime::Progress| out::note(format_args!("  {progress}"));
    match creel_openclaw::runtime::prepare(runtime, told) {
        Ok(info) => {
            out::note(format_args!("runtime: OpenClaw {} on Node {}", info.openclaw, info.node));
            Ok(())
        }
        Err(error) => Err(out::fail(1, format_args!("the runtime can't be prepared: {error}"))),
    }
}

#[expect(clippy::disallowed_methods, reason = "this function owns the start of the warden")]
fn start_warden(site: &Site, orders: &Orders) -> std::io::Result<()> {
    let log = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(site.warden_log())?;
    let exe = std::env::current_exe()?;
    let mut command = std::process::Command::new(exe);
    command.arg("warden").env_clear().stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log).current_dir("/");
    for name in ["CREEL_LOG"].into_iter().chain(crate::warden::notify::VARIABLES) {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    let mut child = command.spawn()?;
    let text = Zeroizing::new(serde_json::to_string(orders)?);
    match child.stdin.take() {
        Some(mut stdin) => stdin.write_all(text.as_bytes()),
        None => Err(std::io::Error::other("it has no standard input")),
    }
}

async fn watch(site: &Site) -> ExitCode {
    let Some(link) = reach(site).await else {
        let log = site.warden_log();
        return out::fail(1, format_args!("the warden did not come up; see `{}`", log.display()));
    };
    if link.send(&ToWarden::Watch, &[]).await.is_err() {
        return ask::lost();
    }
    loop {
        match link.recv::<FromWarden>().await {
            Ok(Some((FromWarden::Progress { text }, _))) => out::note(format_args!("  {text}")),
            Ok(Some((FromWarden::Failed { code, why }, _))) => return out::fail(code, why),
            Ok(Some((FromWarden::Ready, _))) => break,
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => {
                let log = site.warden_log();
                return out::fail(1, format_args!("the warden ended while it started; see `{}`", log.display()));
            }
        }
    }
    match status::fetch(site).await {
        Ok(report) => {
            out::text(status::render(&report));
            out::note(HOW_TO_TALK);
            ExitCode::SUCCESS
        }
        Err(code) => code,
    }
}

const HOW_TO_TALK: &str = "\
talk to it:   creel say \"hello\"
with the scripted model try:
              creel say \"RUN: uname -a > proof.txt\"   and then   creel ws get proof.txt
watch it:     creel log -f        prove the walls: creel check        stop it: creel down";

async fn reach(site: &Site) -> Option<crate::link::Link> {
    for _ in 0..200 {
        if let Ok(link) = crate::link::connect(&site.warden_socket()) {
            return Some(link);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    None
}
