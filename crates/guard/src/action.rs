//! The vocabulary of acts: who is about to do what, seen at which door.
//!
//! Owns [`Action`] and [`Deed`]. Never judges. Doors build actions, `policy` reads them, `ledger` writes them down.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::host::HostName;
use crate::send::Send;

/// One client or department: lower-case letters, digits and `-`, 1 to 63 bytes, not starting with `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tenant(String);

impl Tenant {
    /// Reads a tenant's name.
    ///
    /// # Errors
    /// A text saying what a name may hold, when `name` is none.
    pub fn parse(name: &str) -> Result<Self, String> {
        let legal = (1..=63).contains(&name.len())
            && !name.starts_with('-')
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if legal {
            Ok(Self(name.to_owned()))
        } else {
            Err(format!(
                "`{}` is no tenant name: use 1 to 63 of a-z, 0-9 and `-`, not starting with `-`",
                name.escape_debug()
            ))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Tenant {
    type Error = String;
    fn try_from(name: String) -> Result<Self, String> {
        Self::parse(&name)
    }
}

impl From<Tenant> for String {
    fn from(tenant: Tenant) -> Self {
        tenant.0
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Actor {
    /// The agent or anything it started: assumed to be the attacker.
    Agent,
    /// A person or their script, known by the peer credentials of a Unix socket or, later, by sign-in.
    Person {
        /// For instance `root` or `uid 1000`.
        name: String,
    },
    /// Creel itself (a restart by the warden, a sweep at start).
    Creel,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent => f.write_str("agent"),
            Self::Person { name } => write!(f, "person:{name}"),
            Self::Creel => f.write_str("creel"),
        }
    }
}

/// The seven doors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Door {
    /// People's acts on Creel.
    Control,
    /// Name look-ups.
    Dns,
    /// Bytes leaving.
    Egress,
    /// Processes.
    Exec,
    /// Files.
    Files,
    /// Triggers coming in.
    Ingress,
    /// Requests to the model and the tool calls that it proposes.
    Model,
}

impl Door {
    /// Every door there is: an attack tried at one is tried at all.
    pub const ALL: [Self; 7] =
        [Self::Control, Self::Dns, Self::Egress, Self::Exec, Self::Files, Self::Ingress, Self::Model];

    /// The name used in rule ids and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Dns => "dns",
            Self::Egress => "egress",
            Self::Exec => "exec",
            Self::Files => "files",
            Self::Ingress => "ingress",
            Self::Model => "model",
        }
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What someone is about to do, seen at a door.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Whose jail it concerns.
    pub tenant: Tenant,
    /// Who acts.
    pub actor: Actor,
    /// Where it was seen.
    pub door: Door,
    /// What it is.
    pub deed: Deed,
}

impl Action {
    /// Whether the act changes something when it is carried out: then its record is on disk before it is released
    /// (DESIGN.md, invariant 4). A `Send` counts when it carries a body or is more than a read.
    #[must_use]
    pub fn has_effect(&self) -> bool {
        match &self.deed {
            Deed::Administer(_) | Deed::Call(_) | Deed::Receive(_) => true,
            Deed::Send(send) => send.has_effect(),
            // A prompt carries a body out, to the provider.
            Deed::Prompt(_) => true,
            // A process changes nothing outside of the jail. Whatever of it does is an act of its own at another door, and a
            // record that is on disk has all before it on disk.
            Deed::Run(_) => false,
            // What the files door sees has happened already, inside of the jail: a record that is on disk holds nothing back.
            Deed::Touch(_) => false,
            Deed::Attempt(_) | Deed::Resolve(_) => false,
        }
    }
}

/// The acts, active verbs, one per surface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Deed {
    /// A person's act on Creel.
    Administer(Administer),
    /// What the kernel refused before any door could see it: recorded, never admitted.
    Attempt(Attempt),
    /// A tool call that the model proposes.
    Call(Call),
    /// A request to the model.
    Prompt(Prompt),
    /// A trigger coming in.
    Receive(Receive),
    /// A name look-up.
    Resolve(Resolve),
    /// A process.
    Run(Run),
    /// Bytes leaving.
    Send(Send),
    /// A file.
    Touch(Touch),
}

impl Deed {
    /// The verb, as `log --json` prints it.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Administer(_) => "administer",
            Self::Attempt(_) => "attempt",
            Self::Call(_) => "call",
            Self::Prompt(_) => "prompt",
            Self::Receive(_) => "receive",
            Self::Resolve(_) => "resolve",
            Self::Run(_) => "run",
            Self::Send(_) => "send",
            Self::Touch(_) => "touch",
        }
    }

    /// What it aims at, in one line as a person would write it. It may hold the agent's bytes: escape it per sink.
    #[must_use]
    pub fn target(&self) -> String {
        match self {
            Self::Administer(act) if act.detail.is_empty() => act.act.clone(),
            Self::Administer(act) => format!("{} {}", act.act, act.detail),
            Self::Attempt(attempt) => attempt.what.clone(),
            Self::Call(call) => format!("{} {}", call.tool, call.arguments),
            Self::Prompt(prompt) => format!("{} {} ({} bytes)", prompt.provider, prompt.model, prompt.bytes),
            Self::Receive(receive) => format!("{}: {}", receive.source, receive.text),
            Self::Resolve(resolve) => format!("{} {}", resolve.name, resolve.kind),
            Self::Run(run) if run.argv.is_empty() => run.program.clone(),
            Self::Run(run) => run.argv.join(" "),
            Self::Send(send) => send.to_string(),
            Self::Touch(touch) => format!("{} {}", touch.how, touch.path),
        }
    }
}

/// A person's act on Creel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Administer {
    /// `up`, `down`, `restart`, `ws-put`, `ws-get`, `ws-ls`, `degrade`, …
    pub act: String,
    /// What it acts on; empty when the act says it all.
    pub detail: String,
}

/// What the kernel refused before any door could see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// For instance `mount(2) by pid 17 (sh)`.
    pub what: String,
}

/// A tool call that the model proposes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The tool's name; a meta-tool is opened first.
    pub tool: String,
    /// Its arguments, compact JSON text.
    pub arguments: String,
    /// The id that the provider gave the call.
    pub call_id: String,
}

/// A request to the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// The provider's name in the configuration.
    pub provider: String,
    /// The wire format, for instance `openai-completions`.
    pub format: String,
    /// The model that the request names.
    pub model: String,
    /// Body length in bytes.
    pub bytes: u64,
    /// SHA-256 of the body, lower-case hex.
    pub digest: String,
}

/// A trigger coming in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receive {
    /// `say` for a person at the command line; later a webhook's, queue's or schedule's name.
    pub source: String,
    /// The text as it arrived.
    pub text: String,
}

/// A name look-up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolve {
    /// The name asked for, normalised when it is one, else escaped as it came.
    pub name: String,
    /// The name when it is a host name; `None` is never approved.
    pub host: Option<HostName>,
    /// Record type, for instance `A`.
    pub kind: String,
}

/// A program that a process runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its file inside the jail, links followed.
    #[serde(default)]
    pub program: String,
    /// The real argument vector, lossily decoded.
    pub argv: Vec<String>,
    /// The working directory.
    pub cwd: String,
    /// The process, as the host numbers it.
    #[serde(default)]
    pub pid: i32,
    /// The process that it descends from, the nearest that runs a program of its own.
    #[serde(default)]
    pub parent: i32,
    /// There are more or longer arguments than were read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

impl Run {
    /// Creel's own program that stands in front of every other one, read-only in the jail, and hands the command on: what it
    /// stands for runs in a process of its own, with the same arguments.
    pub const LAUNCHER: &str = "/creel/launch";
}

/// Where bytes would go.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// A name.
    Host(HostName),
    /// A literal address.
    Address(IpAddr),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(f, "{host}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

/// What was done to a file, or to some in one folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touch {
    /// `create`, `write`, `rename`, `delete`, `open`, `found changed`; several with their numbers where they are one record:
    /// `create 312, write 312`.
    pub how: String,
    /// The path inside the jail; with a `/` at its end, files in that folder; with `/**`, files somewhere below it.
    pub path: String,
    /// Whether it changes anything.
    pub writes: bool,
    /// The program of the process, where Creel saw it start.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub program: String,
    /// The process, as the host numbers it, the first where there were several; 0 when nobody knows.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pid: i32,
    /// More processes than that one took part.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub several: bool,
    /// What stands there now, of a protected file that was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protected: Option<Protected>,
}

/// A version of a protected file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protected {
    /// Its number, counted from 1 for each file.
    pub version: u64,
    /// SHA-256, lower-case hex; empty when there is no file any more.
    pub digest: String,
    /// A person put it there, or it stood there before the agent heard of anybody.
    pub accepted: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &i32) -> bool {
    *number == 0
}
