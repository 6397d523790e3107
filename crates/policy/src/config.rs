//! What the operator allowed, as plain data.
//!
//! Owns [`Config`]: only legal values, no text left to parse. Never read from a file here: the binary builds it from
//! `creel.toml` and hands it to [`crate::Policy::new`].

use std::net::IpAddr;

use creel_guard::{HostName, Inject, Mode, Send, Slot, Target};

use crate::command::CommandPattern;
use crate::condition::{Conditions, Credentials};
use crate::glob::PathGlob;
use crate::operator::Operator;
use crate::pattern::HostPattern;

/// Everything that the rules may read besides the action and its facts. The default allows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Counts up with each reload; written into every record.
    pub generation: u64,
    /// Where bytes may go: the `[[egress.allow]]` entries, in the file's order.
    pub egress_allow: Vec<EgressAllow>,
    /// Where placeholders of secrets are worth the secret: the `[[secret]]` entries.
    pub secrets: Vec<SecretPlace>,
    /// Which model may be asked.
    pub model: ModelRules,
    /// Which tool calls are refused or asked about.
    pub tools: ToolRules,
    /// Which programs may run.
    pub exec: ExecRules,
    /// What becomes of a change to a protected file.
    pub protect: Protect,
    /// The operator's own rules.
    pub operator: Operator,
    /// The rules whose questions two people must answer, by id.
    pub two_persons: Vec<String>,
    /// The host's own addresses: closed like a private range, unless pinned by a rule.
    pub own_addresses: Vec<IpAddr>,
}

/// One `[[egress.allow]]` entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EgressAllow {
    /// Which names, or the one literal address.
    pub host: HostPattern,
    /// Which ports; an empty list allows none.
    pub ports: Vec<u16>,
    /// Pins resolution to this address. The only way to a closed range, by exact address.
    pub address: Option<IpAddr>,
    /// Unencrypted HTTP is allowed on these ports (on port 80 it always is).
    pub http: bool,
    /// What is spoken there.
    pub mode: Mode,
    /// WebSockets may be opened.
    pub websocket: bool,
    /// Which HTTP methods, in capitals; `None` means every one.
    pub methods: Option<Vec<String>>,
    /// Which paths; `None` means every one.
    pub paths: Option<Vec<PathGlob>>,
    /// What else a request must meet.
    pub when: Conditions,
}

impl EgressAllow {
    /// `host` on these ports over TLS, any method and path.
    #[must_use]
    pub fn new(host: HostPattern, ports: Vec<u16>) -> Self {
        Self {
            host,
            ports,
            address: None,
            http: false,
            mode: Mode::Http,
            websocket: false,
            methods: None,
            paths: None,
            when: Conditions::default(),
        }
    }

    /// Why somebody's account but the operator's might be used there, in a few words; `None` when Creel looks into every
    /// place that could carry its credential.
    #[must_use]
    pub fn leak(&self) -> Option<&'static str> {
        match self.mode {
            Mode::Http => {}
            Mode::Tunnel | Mode::Tcp => return Some("Creel does not look into what is spoken there"),
            Mode::Smtp | Mode::Imap | Mode::Postgres => return Some("an account of the agent's own can be used there"),
        }
        let reads = |method: &String| matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS");
        let only_reads = self.methods.as_ref().is_some_and(|methods| methods.iter().all(reads));
        match (self.when.credentials, &self.when.body) {
            (Credentials::Any, _) => Some("an account of the agent's own can be used there"),
            (Credentials::None, _) if self.websocket => {
                Some("a WebSocket's messages can carry what Creel does not look into")
            }
            (Credentials::None, None) if !only_reads => Some("a body can carry what Creel does not look into"),
            (Credentials::None, _) => None,
        }
    }
}

/// What becomes of a change to a protected file that no person made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protect {
    /// It stays, and every version is kept.
    #[default]
    Keep,
    /// The last accepted version is put back.
    Undo,
}

/// One `[[secret]]` entry: a place where a placeholder is worth its secret. There is no other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecretPlace {
    /// The secret's name.
    pub secret: String,
    /// The skill whose placeholder it is; `None` for the one that belongs to no skill.
    pub skill: Option<String>,
    /// The one host.
    pub host: HostName,
    /// Its ports.
    pub ports: Vec<u16>,
    /// Which HTTP methods, in capitals; `None` means every one.
    pub methods: Option<Vec<String>>,
    /// Which paths; `None` means every one.
    pub paths: Option<Vec<PathGlob>>,
    /// Where in the request.
    pub slot: Slot,
}

impl SecretPlace {
    /// Whether it is at the host that the request goes to.
    #[must_use]
    pub fn is_at(&self, send: &Send) -> bool {
        matches!(&send.to, Target::Host(host) if *host == self.host) && self.ports.contains(&send.port)
    }

    /// Whether the request is one that may carry the secret: over TLS that Creel looks into, by method and path. Messages are
    /// a WebSocket's, sign-ins those of mail.
    #[must_use]
    pub fn takes(&self, send: &Send) -> bool {
        let path = send.path.split('?').next().unwrap_or_default();
        let method = |methods: &Vec<String>| send.method.as_ref().is_some_and(|method| methods.contains(method));
        self.is_at(send)
            && match self.slot {
                Slot::Message(_) => send.scheme == "wss",
                Slot::Login(_) => matches!(send.scheme.as_str(), "smtp" | "imap"),
                _ => matches!(send.scheme.as_str(), "https" | "wss"),
            }
            && self.methods.as_ref().is_none_or(method)
            && self.paths.as_ref().is_none_or(|globs| globs.iter().any(|glob| glob.covers(path)))
    }

    /// Whether it is the place of this very placeholder.
    #[must_use]
    pub fn is_for(&self, stood: &Inject) -> bool {
        self.secret == stood.secret && self.skill == stood.skill && stood.slot.as_ref() == Some(&self.slot)
    }
}

/// Which programs may run in the jail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecRules {
    /// Never.
    pub deny: Vec<CommandPattern>,
    /// Only when a person says yes.
    pub ask: Vec<CommandPattern>,
    /// Where programs may lie; `None` means anywhere.
    pub allow: Option<Vec<PathGlob>>,
}

/// Which model may be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelRules {
    /// The configured providers.
    pub providers: Vec<ModelProvider>,
}

/// One configured model provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelProvider {
    /// Its name, as the model door puts it into a `Prompt`.
    pub name: String,
    /// The secret that goes with each request; `None` for one that needs no credential.
    pub secret: Option<String>,
    /// Which models may be named; `None` means every one.
    pub models: Option<Vec<String>>,
    /// Its host, reachable by the model door alone; `None` for the embedded scripted model or a literal address.
    pub host: Option<HostName>,
    /// Pins resolution to this address, as in [`EgressAllow::address`].
    pub address: Option<IpAddr>,
}

/// When an act that can't be taken back is asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HighRisk {
    /// Unless the user's own message orders exactly this act on exactly these values.
    #[default]
    Unordered,
    /// Each time.
    Always,
}

/// Which tool calls are refused or asked about, whatever is known of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolRules {
    /// Refused: tool names, compared without regard to ASCII case.
    pub deny: Vec<String>,
    /// A person decides: tool names, likewise.
    pub ask: Vec<String>,
    /// When an act that can't be taken back is asked about.
    pub high_risk: HighRisk,
}
