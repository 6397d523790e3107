//! The second pass over a file: whether the values make sense together.
//!
//! Owns the way from `RawConfig` to [`Config`]. Names, types and ranges were checked by `walk`; here stand the forms
//! of texts and the contradictions. Every section is destructured in full, so that an unused setting does not compile.

mod alerts;
mod approvals;
mod conditions;
mod dns;
mod egress;
mod exec;
mod exports;
mod files;
mod model;
mod operator;
mod profiles;
mod secrets;
mod sources;

use std::net::IpAddr;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use creel_guard::{HostName, Target, Tenant};
use creel_ledger::Keep;
use creel_policy::{HighRisk, never};

use super::choose::public_host;
use super::raw::{RawConfig, RawLedger, RawLimits, RawMemory, RawOpenClaw, RawRestart, RawState, RawTenant, RawTools};
use super::report::Fault;
use super::size::Placed;
use super::{
    Allow, Ca, Config, Durability, Files, LedgerRules, Limits, Memory, Model, OpenClaw, Restart, Tools, Users,
};
use crate::provider::ProviderKind;

/// Below this OpenClaw is likely to be killed: it was seen to peak at 1.9 GiB.
const LITTLE_MEMORY: u64 = 2_560 << 20;

/// Below this a workspace with one Node project does not fit.
const LITTLE_DISK: u64 = 1 << 30;

/// Unix sockets stand at most 27 bytes below the state folder; a path has 107 (unix(7)).
const STATE_DIR_LIMIT: usize = 80;

/// What a check needs: where relative paths start, how files are read, and where faults go.
pub(super) struct Checker<'a> {
    base: &'a Path,
    files: &'a Files<'a>,
    faults: &'a mut Vec<Fault>,
    /// Whether the first pass took something out: what is missing then is no fault of its own.
    incomplete: bool,
    warnings: Vec<String>,
}

/// Checks `raw`; `None` when it can't be made into a configuration.
#[expect(clippy::too_many_lines, reason = "a line or two for each section of the file")]
pub(super) fn check(
    raw: RawConfig,
    name: &Path,
    text: &str,
    files: &Files<'_>,
    faults: &mut Vec<Fault>,
) -> Option<Config> {
    let RawConfig {
        tenant,
        limits,
        egress,
        secret,
        source,
        dns,
        model,
        budget,
        tools,
        approvals,
        policy,
        exec,
        ledger,
        state,
        openclaw,
        restart,
        files: protected,
        snapshots,
        canaries,
        memory,
        alerts,
        export,
    } = raw;
    let incomplete = !faults.is_empty();
    let base = name.parent().unwrap_or(Path::new(""));
    let mut checker = Checker { base, files, faults, incomplete, warnings: Vec::new() };
    let tenant = checker.tenant(tenant);
    let limits = checker.limits(limits);
    let (egress, origins) = checker.egress(egress);
    let sources = checker.sources(source);
    let secrets = checker.secrets(secret, &sources, &egress);
    let dns = checker.dns(dns);
    let model = checker.model(model);
    checker.provider_hosts(&egress, &model);
    let budget = checker.budget(budget);
    let tools = checker.tools(tools);
    let operator = checker.operator(policy);
    let approvals = checker.approvals(approvals, &operator);
    let exec = checker.exec(exec);
    let ledger = checker.ledger(ledger);
    let (state, key_file) = checker.state(state);
    let openclaw = checker.openclaw(openclaw);
    let restart = restart_of(restart);
    let protected = checker.protected(protected);
    let snapshots = checker.snapshots(snapshots);
    let memory = memory_of(memory);
    let alerts = checker.alerts(alerts, &approvals);
    let exports = checker.exports(export);
    let warnings = checker.warnings;
    let config = Config {
        name: name.to_owned(),
        text: text.to_owned(),
        tenant: tenant?,
        limits,
        egress,
        origins,
        secrets,
        dns: dns?,
        model,
        tools,
        approvals,
        budget,
        operator,
        exec,
        ledger,
        state: state?,
        key_file,
        openclaw,
        restart,
        files: protected,
        snapshots,
        canaries: canaries.checked(),
        memory,
        alerts,
        exports,
        warnings,
    };
    if let Some(why) = config.own_answers() {
        faults.push(Fault::new(0..0, why, "take it out, or answer questions with `creel` on this host alone"));
    }
    Some(config)
}

impl Checker<'_> {
    fn ledger(&mut self, raw: RawLedger) -> LedgerRules {
        let RawLedger { durability, keep_days, keep_bytes, keep_at_least_days } = raw;
        let durability = if durability.value == "all" { Durability::All } else { Durability::Effects };
        let days = |days: u64| Duration::from_secs(days * 86_400);
        if keep_days.value > 0 && keep_days.value < keep_at_least_days.value {
            let what =
                format!("`ledger.keep_days` is less than `ledger.keep_at_least_days`, {}", keep_at_least_days.value);
            self.fault(keep_days.span, what, "nothing that is younger goes; lower `keep_at_least_days` with it");
        }
        let keep = Keep {
            age: (keep_days.value > 0).then(|| days(keep_days.value)),
            bytes: keep_bytes.map(|bytes| bytes.value.0),
            at_least: days(keep_at_least_days.value),
            outside: false,
        };
        LedgerRules { durability, keep }
    }

    pub(super) fn fault(&mut self, span: Option<Range<usize>>, what: impl Into<String>, help: impl Into<String>) {
        self.faults.push(Fault::new(span.unwrap_or(0..0), what, help));
    }

    fn tenant(&mut self, tenant: RawTenant) -> Option<Tenant> {
        let RawTenant { name } = tenant;
        match Tenant::parse(&name.value) {
            Ok(tenant) => Some(tenant),
            Err(_) => {
                let what = format!("`tenant.name` can't be `{}`", short(&name.value));
                self.fault(name.span, what, "legal is 1 to 63 of `a-z`, `0-9` and `-`, not starting with `-`");
                None
            }
        }
    }

    fn limits(&mut self, limits: RawLimits) -> Limits {
        let RawLimits { cpus, memory, disk, processes, open_files } = limits;
        if memory.value.0 < LITTLE_MEMORY {
            let text =
                format!("`limits.memory` is {}: OpenClaw needs about 2.5GiB, a smaller jail is killed", memory.value);
            self.warnings.push(text);
        }
        if disk.value.0 < LITTLE_DISK {
            self.warnings.push(format!("`limits.disk` is {}: a workspace needs about 1GiB", disk.value));
        }
        Limits {
            cpus: cpus.value,
            memory_bytes: memory.value.0,
            disk_bytes: disk.value.0,
            processes: processes.value,
            open_files: open_files.value,
        }
    }

    /// The policy keeps the provider's host for the model door, so a rule for it says nothing.
    fn provider_hosts(&mut self, egress: &[Allow], model: &Model) {
        let own = model.base_url.as_ref().map(|url| url.host.clone());
        let public = |kind: ProviderKind| HostName::parse(public_host(kind)?).ok().map(Target::Host);
        let hosts: Vec<Target> = match (own, model.provider) {
            (Some(own), _) => vec![own],
            (None, Some(kind)) => public(kind).into_iter().collect(),
            (None, None) => ProviderKind::KEYED.into_iter().filter_map(public).collect(),
        };
        for host in hosts.iter().filter(|host| egress.iter().any(|allow| allow.host.covers(host))) {
            let text = "is approved under `egress.allow`, but while it is the agent's provider the model door alone goes there";
            self.warnings.push(format!("`{host}` {text}"));
        }
    }

    fn tools(&mut self, tools: RawTools) -> Tools {
        let RawTools { deny, ask, high_risk, directories, contacts, users } = tools;
        let deny_names = self.words("tools.deny", &deny.value);
        for name in &ask.value {
            if deny_names.contains(&name.value) {
                let what = format!("`{}` stands in `tools.deny` and in `tools.ask`", short(&name.value));
                self.fault(name.span.clone(), what, "take it out of one of them");
            }
        }
        let high_risk = if high_risk.value == "always" { HighRisk::Always } else { HighRisk::Unordered };
        Tools {
            deny: deny_names,
            ask: self.words("tools.ask", &ask.value),
            high_risk,
            directories: self.words("tools.directories", &directories.value),
            contacts: self.contacts(&contacts.value),
            users: if users.value == "claimed" { Users::Claimed } else { Users::Seen },
        }
    }

    fn contacts(&mut self, list: &[Placed<String>]) -> Vec<String> {
        for line in list {
            if line.value.trim().is_empty() || line.value.len() > 256 || line.value.chars().any(char::is_control) {
                let what = format!("`tools.contacts` can't hold `{}`", short(&line.value));
                self.fault(line.span.clone(), what, "a line holds a name and an address, 1 to 256 bytes");
            }
        }
        list.iter().map(|line| line.value.clone()).collect()
    }

    fn openclaw(&mut self, openclaw: RawOpenClaw) -> OpenClaw {
        let RawOpenClaw { plugins, hooks, ready_within, drain } = openclaw;
        OpenClaw {
            plugins: self.words("openclaw.plugins", &plugins.value),
            hooks: hooks.value,
            ready_within: Duration::from_secs(ready_within.value),
            drain: Duration::from_secs(drain.value),
        }
    }

    fn state(&mut self, state: RawState) -> (Option<PathBuf>, Option<PathBuf>) {
        let RawState { dir, key_file } = state;
        if let Some(file) = key_file.as_ref().filter(|file| !Path::new(&file.value).is_absolute()) {
            let help = "for instance `/etc/creel/secrets.key`";
            self.fault(file.span.clone(), "`state.key_file` must be an absolute path", help);
        }
        let key_file = key_file.map(|file| PathBuf::from(file.value));
        let path = PathBuf::from(&dir.value);
        let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        if path.is_absolute() && plain && dir.value.len() <= STATE_DIR_LIMIT && path.parent().is_some() {
            return (Some(path), key_file);
        }
        let what = format!("`state.dir` can't be `{}`", short(&dir.value));
        self.fault(dir.span, what, format!("legal is an absolute path without `..`, at most {STATE_DIR_LIMIT} bytes"));
        (None, key_file)
    }

    /// A list of names of tools or plugins, each once: `tool`, `group:web`, `vendor/plugin`.
    fn words(&mut self, name: &str, list: &[Placed<String>]) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        for word in list {
            let legal = word.value.len() <= 128
                && word.value.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:/@-".contains(&b));
            if !legal {
                let what = format!("`{name}` can't hold `{}`", short(&word.value));
                self.fault(word.span.clone(), what, "legal are 1 to 128 letters, digits and `. _ : / @ -`");
            } else if words.contains(&word.value) {
                self.fault(word.span.clone(), format!("`{}` stands twice in `{name}`", word.value), "take one out");
            } else {
                words.push(word.value.clone());
            }
        }
        words
    }

    /// The address that a rule pins.
    fn address(&mut self, name: &str, address: &Placed<String>) -> Option<IpAddr> {
        let Ok(parsed) = address.value.parse::<IpAddr>() else {
            let what = format!("`{name}` can't be `{}`", short(&address.value));
            self.fault(
                address.span.clone(),
                what,
                "legal is an IP address, for instance `192.0.2.10` or `2001:db8::1`",
            );
            return None;
        };
        let canonical = parsed.to_canonical();
        if let Some(why) = never(canonical) {
            let what = format!("`{name}` can't be `{parsed}`: {why}");
            self.fault(address.span.clone(), what, "no rule opens it; name the address of the service itself");
            return None;
        }
        Some(canonical)
    }

    /// The certificates of a file that a rule names.
    fn ca(&mut self, name: &str, ca: &Placed<String>) -> Option<Ca> {
        let path = PathBuf::from(&ca.value);
        match (self.files)(&path) {
            Err(why) => {
                let help = "a relative path starts at the configuration file";
                self.fault(ca.span.clone(), format!("`{name}` can't be read: {why}"), help);
                None
            }
            Ok(pem) if pem.contains("PRIVATE KEY-----") => {
                let help = "name a file that holds certificates alone, and keep the key where only its owner reads it";
                self.fault(ca.span.clone(), format!("`{name}` names a file that holds a private key"), help);
                None
            }
            Ok(pem) => match creel_doors::upstream::read_pem(pem.as_bytes()) {
                Ok(certificates) if !certificates.is_empty() => Some(Ca { path, certificates, pem }),
                _ => {
                    let help = "legal is a PEM file: `-----BEGIN CERTIFICATE-----` and what follows";
                    self.fault(ca.span.clone(), format!("`{name}` names a file without a certificate"), help);
                    None
                }
            },
        }
    }
}

fn memory_of(memory: RawMemory) -> Memory {
    let RawMemory { audit_every, on_finding } = memory;
    let every = (audit_every.value > 0).then(|| Duration::from_secs(audit_every.value));
    Memory { every, report_only: on_finding.value == "report" }
}

fn restart_of(restart: RawRestart) -> Restart {
    let RawRestart { every, failures, attempts, window } = restart;
    Restart {
        every: Duration::from_secs(every.value),
        failures: failures.value,
        attempts: attempts.value,
        window: Duration::from_secs(window.value),
    }
}

/// A text of the file as it is shown in a message.
pub(super) fn short(text: &str) -> String {
    text.escape_debug().take(80).collect()
}
