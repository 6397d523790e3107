//! `creel.toml`: from the file to values that are all legal.
//!
//! Owns [`Config`] and the way to it: file → `RawConfig` (names, types and ranges by one table of settings) → checks
//! across settings → [`Config`]. After that nothing validates. It never holds a secret and never decides anything; the
//! command line, the warden and the guard read it.

mod alerts;
mod approvals;
mod budget;
mod canaries;
mod check;
mod choose;
mod credential;
mod exceptions;
mod exports;
mod kept;
mod live;
mod profile;
mod raw;
mod reload;
mod render;
mod report;
mod secrets;
mod settings;
mod size;
mod sources;
#[cfg(test)]
mod tests;
mod walk;
mod wire;

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use creel_doors::upstream::Identity;
use creel_guard::{HostName, Mode, Target, Tenant};
use creel_ledger::Keep;
use creel_policy::{Conditions, ExecRules, HighRisk, HostPattern, Operator, PathGlob, Protect};
use rustls::pki_types::CertificateDer;
use toml::de::{DeTable, Deserializer};
use zeroize::Zeroizing;

pub use self::alerts::{Alert, AlertFormat, Event, IN_PATH, Place, Way};
pub use self::approvals::{Approvals, Page};
pub use self::budget::{Budget, Price};
pub use self::canaries::{Canaries, Taken};
pub use self::exports::{Export, ExportTo};
pub use self::kept::SnapshotRules;
pub use self::live::Live;
pub use self::profile::{Example, PROFILES, Parameter, Profile, Said};
pub use self::render::{reference, sample, schema};
pub use self::report::{Fault, Report};
pub use self::secrets::{Minted, Rotation, Secret, Source};
pub use self::settings::{Legal, Section, Setting};
pub use self::size::Size;
pub use self::sources::{Asks, Fetch};
use crate::provider::{ProviderKind, WireFormat};

/// A configuration that holds only legal values, with the texts that it was read from: the guard reads them again,
/// where no file can be opened.
#[derive(Clone, Debug)]
pub struct Config {
    name: PathBuf,
    text: String,
    tenant: Tenant,
    limits: Limits,
    egress: Vec<Allow>,
    /// Which line of `egress.profiles` each entry of `egress` comes from; `None` for the operator's own.
    origins: Vec<Option<String>>,
    secrets: Vec<Secret>,
    dns: Dns,
    model: Model,
    tools: Tools,
    approvals: Approvals,
    budget: Budget,
    operator: Operator,
    exec: ExecRules,
    ledger: LedgerRules,
    state: PathBuf,
    key_file: Option<PathBuf>,
    openclaw: OpenClaw,
    restart: Restart,
    files: FileRules,
    snapshots: SnapshotRules,
    canaries: Canaries,
    memory: Memory,
    alerts: Vec<Alert>,
    exports: Vec<Export>,
    warnings: Vec<String>,
}

/// What the jail may use of this machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Cores.
    pub cpus: f64,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Bytes of disk.
    pub disk_bytes: u64,
    /// Processes and threads.
    pub processes: u64,
    /// Open files of each process.
    pub open_files: u64,
}

/// What is kept of the files that the agent takes orders from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRules {
    /// Patterns, as paths of the jail.
    pub protected: Vec<String>,
    /// What becomes of a change that no person made.
    pub protect: Protect,
    /// How many versions of each are kept.
    pub versions: usize,
}

/// A host that the agent may speak to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allow {
    /// Which.
    pub host: HostPattern,
    /// TCP ports, sorted, at least one.
    pub ports: Vec<u16>,
    /// Connect here, whatever the name resolves to.
    pub address: Option<IpAddr>,
    /// Who vouches for it besides the host system's roots.
    pub ca: Option<Ca>,
    /// Whom Creel shows itself as, where it is asked.
    pub client: Option<Client>,
    /// Plain HTTP is all right too.
    pub http: bool,
    /// What is spoken there.
    pub mode: Mode,
    /// WebSockets may be opened.
    pub websocket: bool,
    /// The HTTP methods; `None` for all.
    pub methods: Option<Vec<String>>,
    /// The path patterns; `None` for all.
    pub paths: Option<Vec<PathGlob>>,
    /// What else a request must meet.
    pub when: Conditions,
}

/// Certificates that vouch for a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ca {
    /// The path as it is written in the file.
    pub path: PathBuf,
    /// The PEM text, as it is handed to the guard.
    pub pem: String,
    /// The certificates in it, at least one.
    pub certificates: Vec<CertificateDer<'static>>,
}

/// Who resolves the names that are approved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Dns {
    /// This machine's own resolver.
    #[default]
    System,
    /// Servers of the operator's choice.
    Servers {
        /// Their addresses, at least one.
        addresses: Vec<SocketAddr>,
        /// How they are asked.
        how: Asking,
    },
}

/// How name servers are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asking {
    /// Over UDP and TCP: anyone on the way can read and change it.
    Plain,
    /// Over TLS, or over HTTPS when there is a path.
    Encrypted {
        /// The name that their certificate must be for.
        name: HostName,
        /// The endpoint's path.
        path: Option<String>,
        /// Who vouches for them besides the host system's roots.
        ca: Option<Ca>,
    },
}

/// Certificates that Creel shows, with their key.
#[derive(Clone, PartialEq, Eq)]
pub struct Client {
    /// The certificates' path as it is written in the file, and the PEM text.
    pub certificate: (PathBuf, String),
    /// The key's.
    pub key: (PathBuf, Zeroizing<String>),
    /// Both, read.
    pub identity: Identity,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("certificate", &self.certificate.0)
            .field("key", &self.key.0)
            .finish_non_exhaustive()
    }
}

/// Which model the agent gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// The provider; `None` for the one whose key is in the environment, else the scripted one.
    pub provider: Option<ProviderKind>,
    /// How it is spoken to; `None` for the provider's usual way.
    pub format: Option<WireFormat>,
    /// The model's name at the provider; `None` for the provider's default.
    pub model: Option<String>,
    /// Where it is; `None` for its public address.
    pub base_url: Option<BaseUrl>,
    /// Connect here, whatever its name resolves to.
    pub address: Option<IpAddr>,
    /// Who vouches for it besides the host system's roots.
    pub ca: Option<Ca>,
    /// The attack script of the scripted model. A relative path starts at the configuration file.
    pub script: Option<PathBuf>,
}

/// Where a provider is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    /// Over TLS; `false` only for a provider on this machine.
    pub tls: bool,
    /// The host.
    pub host: Target,
    /// The port.
    pub port: u16,
    /// The path in front of the endpoints, without a slash at its end; may be empty.
    pub path: String,
}

impl std::fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}{}", self.host, self.port, self.path)
    }
}

/// Which tools the model may call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tools {
    /// Never.
    pub deny: Vec<String>,
    /// Only when a person says yes.
    pub ask: Vec<String>,
    /// When an act that can't be taken back is asked about.
    pub high_risk: HighRisk,
    /// The tools whose results are trusted like the operator's own words.
    pub directories: Vec<String>,
    /// The address book.
    pub contacts: Vec<String>,
    /// Whose words count as the user's.
    pub users: Users,
}

/// Whose words count as the user's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Users {
    /// Whom Creel itself heard.
    #[default]
    Seen,
    /// Whoever the agent says its user is.
    Claimed,
}

/// How the ledger is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LedgerRules {
    durability: Durability,
    keep: Keep,
}

/// What is on disk before it is released.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Acts with an effect; mere reads follow at most 50 ms later and may be lost in a power cut.
    #[default]
    Effects,
    /// Every act: each look-up waits for the disk.
    All,
}

/// OpenClaw itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenClaw {
    /// The bundled plugins that may load.
    pub plugins: Vec<String>,
    /// Whether it takes what webhooks bring.
    pub hooks: bool,
    /// How long it may take to be ready.
    pub ready_within: Duration,
    /// How long it may finish its work when it is stopped.
    pub drain: Duration,
}

/// When the agent is started anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restart {
    /// How often it is asked whether it is well.
    pub every: Duration,
    /// After how many bad answers in a row it is restarted.
    pub failures: u64,
    /// After how many restarts within the window Creel gives up.
    pub attempts: u64,
    /// The window.
    pub window: Duration,
}

/// How what the agent remembers is looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// How often; `None` for never but when a person asks.
    pub every: Option<Duration>,
    /// Nothing is changed.
    pub report_only: bool,
}

impl Config {
    /// What is kept of the files that the agent takes orders from.
    #[must_use]
    pub fn files(&self) -> &FileRules {
        &self.files
    }

    /// What is kept of the workspace, and when.
    #[must_use]
    pub fn snapshots(&self) -> &SnapshotRules {
        &self.snapshots
    }

    /// What becomes of an agent that takes bait.
    #[must_use]
    pub fn canaries(&self) -> Canaries {
        self.canaries
    }

    /// How what the agent remembers is looked through.
    #[must_use]
    pub fn memory(&self) -> Memory {
        self.memory
    }

    /// Reads the configuration at `path`; without one, the defaults: nothing may leave but requests to the model.
    ///
    /// # Errors
    /// The [`Report`] of everything that is wrong with it; exit code 2 (CONTRACT.md).
    pub fn of(path: Option<&Path>) -> Result<Self, Report> {
        let Some(path) = path else { return parse(Path::new(""), "", &no_files) };
        let text = read_bounded(path).map_err(|why| Report::unreadable(path, &why))?;
        let base = path.parent().unwrap_or(Path::new(""));
        parse(path, &text, &|file: &Path| read_bounded(&base.join(file)))
    }

    /// Reads what [`Config::text`], [`Config::name`] and [`Config::cas`] gave, opening no file.
    ///
    /// # Errors
    /// The [`Report`] of everything that is wrong with it.
    pub fn again(name: &Path, text: &str, cas: &[(PathBuf, String)]) -> Result<Self, Report> {
        parse(name, text, &|file: &Path| {
            let found = cas.iter().find(|(path, _)| path == file);
            found.map(|(_, pem)| pem.clone()).ok_or_else(|| "it was not handed over".to_owned())
        })
    }

    /// The file's text; empty for the defaults.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The file's name, for messages; empty for the defaults.
    #[must_use]
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// The files that it names, PEM and rules, keys among them: path as written → text, each once.
    #[must_use]
    pub fn cas(&self) -> Vec<(PathBuf, String)> {
        let mut cas: Vec<(PathBuf, String)> = Vec::new();
        let dns = match &self.dns {
            Dns::Servers { how: Asking::Encrypted { ca, .. }, .. } => ca.as_ref(),
            Dns::Servers { how: Asking::Plain, .. } | Dns::System => None,
        };
        let hosts = self.egress.iter().filter_map(|allow| allow.ca.as_ref());
        let own = self.own_places().filter_map(|place| place.ca.as_ref());
        let sources = self.secrets.iter().filter_map(|secret| match &secret.source {
            Source::Fetch(fetch) => fetch.place.ca.as_ref(),
            _ => None,
        });
        for ca in hosts.chain(dns).chain(self.model.ca.as_ref()).chain(own).chain(sources) {
            if !cas.iter().any(|(path, _)| *path == ca.path) {
                cas.push((ca.path.clone(), ca.pem.clone()));
            }
        }
        for Client { certificate, key: (path, key), .. } in self.egress.iter().filter_map(|allow| allow.client.as_ref())
        {
            for (path, text) in [(&certificate.0, certificate.1.as_str()), (path, key.as_str())] {
                if !cas.iter().any(|(known, _)| known == path) {
                    cas.push((path.clone(), text.to_owned()));
                }
            }
        }
        for (path, text) in self.operator.files() {
            cas.push((PathBuf::from(path), text.clone()));
        }
        cas
    }

    /// The operator's own rules.
    #[must_use]
    pub fn operator(&self) -> &Operator {
        &self.operator
    }

    /// Whose jail it is.
    #[must_use]
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// What the jail may use.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Where the agent may go, in the order of the file.
    #[must_use]
    pub fn egress(&self) -> &[Allow] {
        &self.egress
    }

    /// Where the agent may go, each with the line of `egress.profiles` that it comes from; `None` for the operator's own.
    pub fn entries(&self) -> impl Iterator<Item = (&Allow, Option<&str>)> {
        self.egress.iter().zip(self.origins.iter().map(Option::as_deref))
    }

    /// `host:port` of each rule, for people.
    #[must_use]
    pub fn approved_hosts(&self) -> Vec<String> {
        let each = |allow: &Allow| allow.ports.iter().map(|port| format!("{}:{port}", allow.host)).collect::<Vec<_>>();
        self.egress.iter().flat_map(each).collect()
    }

    /// `host:port` of each rule where somebody's account but the operator's could be used, with the reason.
    #[must_use]
    pub fn leaks(&self) -> Vec<String> {
        let each = |allow: &Allow| {
            let why = wire::allow(allow).leak();
            allow.ports.iter().filter_map(|port| Some(format!("{}:{port}: {}", allow.host, why?))).collect::<Vec<_>>()
        };
        let mut leaks: Vec<String> = self.egress.iter().flat_map(each).collect();
        leaks.dedup();
        leaks
    }

    /// Who resolves the names that are approved.
    #[must_use]
    pub fn dns(&self) -> &Dns {
        &self.dns
    }

    /// Which model the agent gets, as far as the file says; [`Config::provider`] chooses.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Which tools the model may call.
    #[must_use]
    pub fn tools(&self) -> &Tools {
        &self.tools
    }

    /// What is on disk before it is released.
    #[must_use]
    pub fn durability(&self) -> Durability {
        self.ledger.durability
    }

    /// How long the ledger's records are kept.
    #[must_use]
    pub fn keep(&self) -> Keep {
        Keep { outside: !self.exports.is_empty(), ..self.ledger.keep }
    }

    /// The state folder, absolute.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.state
    }

    /// The bundled plugins of OpenClaw that may load.
    #[must_use]
    pub fn openclaw_plugins(&self) -> &[String] {
        &self.openclaw.plugins
    }

    /// How OpenClaw is started and stopped.
    #[must_use]
    pub fn openclaw(&self) -> &OpenClaw {
        &self.openclaw
    }

    /// What the model may cost.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Who answers questions, and how long they wait.
    #[must_use]
    pub fn approvals(&self) -> &Approvals {
        &self.approvals
    }

    /// When the agent is started anew.
    #[must_use]
    pub fn restart(&self) -> Restart {
        self.restart
    }

    /// What is legal and yet unlikely to be meant, one line each.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

fn no_files(_: &Path) -> Result<String, String> {
    Err("there is no configuration file to start from".to_owned())
}

/// Gives the text of a file that the configuration names, or says why it can't.
type Files<'a> = dyn Fn(&Path) -> Result<String, String> + 'a;

fn parse(name: &Path, text: &str, files: &Files<'_>) -> Result<Config, Report> {
    let (mut tree, errors) = DeTable::parse_recoverable(text);
    let mut found = walk::Findings::default();
    for error in errors {
        let what = format!("this is no TOML: {}", error.message());
        found.faults.push(Fault::new(
            error.span().unwrap_or(0..0),
            what,
            "see https://toml.io for the form of the file",
        ));
    }
    walk::walk(tree.get_mut(), &raw::RawConfig::SECTION, &mut found);
    let walk::Findings { mut faults, masks } = found;
    let read: Result<raw::RawConfig, _> = serde::Deserialize::deserialize(Deserializer::from(tree));
    let config = match read {
        Ok(raw) => check::check(raw, name, text, files, &mut faults),
        Err(error) => {
            let what = format!("this can't be read: {}", error.message());
            faults.push(Fault::new(error.span().unwrap_or(0..0), what, "see `creel init-config` for the form"));
            None
        }
    };
    match config {
        Some(config) if faults.is_empty() => Ok(config),
        _ => Err(Report::new(name, text, faults, &masks)),
    }
}

#[expect(clippy::disallowed_methods, reason = "this file owns reading the configuration")]
fn read_bounded(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| format!("`{}`: {error}", path.display()))?;
    let mut text = String::new();
    let read = file.take(raw::FILE_LIMIT + 1).read_to_string(&mut text);
    read.map_err(|error| format!("`{}`: {error}", path.display()))?;
    if text.len() as u64 > raw::FILE_LIMIT {
        return Err(format!("`{}` is longer than {}", path.display(), Size(raw::FILE_LIMIT)));
    }
    Ok(text)
}
