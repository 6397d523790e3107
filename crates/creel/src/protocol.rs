//! The messages between Creel's own processes: command line, warden, guard.
//!
//! Owns their shapes, one enum a direction; each travels as one JSON message over a [`crate::link::Link`], descriptors
//! beside it. Nothing here acts. The jail never gets hold of one of these sockets.

mod status;

use std::path::PathBuf;

use creel_guard::{Action, Outcome, RecordId, Refusal};
use serde::{Deserialize, Serialize};

use crate::files::FilesTask;
use crate::guard_process::{Effect, Open};
use crate::memory::{MemoryTask, Place};
use crate::reception::Along;
use crate::snapshot::SnapshotTask;

pub(crate) use status::{
    AgentStatus, LayerStatus, LedgerStatus, LimitStatus, PolicyStatus, QuarantineStatus, SecretStatus, Status,
    TenantStatus,
};

/// Command line → warden, over the root-owned socket in the run folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub(crate) enum ToWarden {
    /// Tell me how the start goes, until the agent is ready or has failed.
    Watch,
    /// How do you do?
    Status,
    /// Read the configuration again.
    Reload,
    /// Have a guard of this program take over.
    Upgrade {
        /// Its path.
        program: PathBuf,
    },
    /// Stop everything.
    Down {
        /// Without waiting for OpenClaw to drain.
        now: bool,
    },
    /// Look after what the agent remembers; a pipe for the report travels along.
    Memory {
        /// What for.
        task: MemoryTask,
        /// Report as JSON.
        json: bool,
    },
    /// Look at the versions of protected files, or put one back; a pipe for the report travels along.
    Files {
        /// What for.
        task: FilesTask,
        /// Report as JSON.
        json: bool,
    },
    /// Look after the snapshots of the workspace; a pipe for the report travels along.
    Snapshot {
        /// What for.
        task: SnapshotTask,
        /// Report as JSON.
        json: bool,
    },
    /// Exchange the value of a secret. The new one travels along in a memory file; without, Creel gets it where the entry
    /// says. Answered by `Looked`.
    Rotate {
        /// Which.
        name: String,
    },
    /// Run our own helper inside the jail as the agent's uid; three descriptors (stdin, stdout, stderr) travel along.
    Inside {
        /// What for.
        task: InsideTask,
    },
}

/// What our own helper does inside the jail.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(tag = "task", rename_all = "kebab-case")]
pub(crate) enum InsideTask {
    /// List a folder of the workspace.
    List {
        /// Path below the workspace.
        path: String,
    },
    /// Read a file of the workspace to stdout.
    Get {
        /// Path below the workspace.
        path: String,
    },
    /// Write stdin to a file of the workspace.
    Put {
        /// Path below the workspace.
        path: String,
    },
    /// Print what an attacker would find, as JSON.
    Probe,
    /// The same behind the inner wall, where the agent's commands are.
    ProbeBehind,
}

impl InsideTask {
    /// The act's name and detail in its record.
    #[must_use]
    pub(crate) fn record(&self) -> (&'static str, &str) {
        match self {
            Self::List { path } => ("ws-ls", path),
            Self::Get { path } => ("ws-get", path),
            Self::Put { path } => ("ws-put", path),
            Self::Probe => ("check", ""),
            Self::ProbeBehind => ("check", "behind the inner wall"),
        }
    }
}

/// Warden → command line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "tell", rename_all = "kebab-case")]
pub(crate) enum FromWarden {
    /// A step of the start.
    Progress {
        /// One line.
        text: String,
    },
    /// The agent answers.
    Ready,
    /// It can't be done.
    Failed {
        /// The exit code of CONTRACT.md.
        code: u8,
        /// Why, and the way out.
        why: String,
    },
    /// The answer to `Status`.
    Status(Box<Status>),
    /// New rules are in force.
    Reloaded(Box<Reloaded>),
    /// The helper inside ended.
    Ended {
        /// Its exit code, 128+N when signal N ended it.
        code: i32,
    },
    /// The answer to `Memory`, `Files`, `Snapshot` and `Rotate`.
    Looked {
        /// The exit code.
        code: u8,
        /// One line, when there is more to say than the report does.
        said: String,
    },
    /// Done.
    Done,
}

/// What a reload did.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Reloaded {
    /// The rules' generation now.
    pub(crate) generation: u64,
    /// What changed for the agent, a line each.
    pub(crate) changes: Vec<String>,
    /// Settings that wait for the next start.
    pub(crate) waiting: Vec<String>,
    /// What is legal and yet unlikely to be meant.
    pub(crate) warnings: Vec<String>,
}

/// Warden → guard.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "tell", rename_all = "kebab-case")]
pub(crate) enum ToGuard {
    /// The first message: get ready. Descriptors: the configuration (a memory file holding a JSON [`GuardSetup`]), the secrets
    /// (a memory file of JSON lines of `{name, value}`, old values with `until_ms`), where people reach it. Answered by `Prepared`.
    Prepare {
        /// Which sockets those are.
        #[serde(default)]
        along: Along,
    },
    /// The second: open the ledger. Descriptors: the links to signer and witness.
    Seal {
        /// Who signs the ledger.
        seals: crate::notary::Seals,
    },
    /// The third: serve the doors. Descriptors: the planted sockets in their fixed order. Answered by `Ready`.
    Serve,
    /// May this act of a person or of Creel pass? Answered by `Admitted`.
    Admit {
        /// Joins question, answer and outcome.
        ticket: u64,
        /// The act.
        action: Box<Action>,
    },
    /// The act of `ticket` ended so.
    Settle {
        /// The ticket of `Admit`.
        ticket: u64,
        /// How it ended.
        outcome: Outcome,
    },
    /// The answer to `Connect`, with the connected socket when there is one.
    Connected {
        /// The question's id.
        id: u64,
        /// Why there is none.
        failed: Option<String>,
    },
    /// The answer to `Hold`.
    Held {
        /// The wish's id.
        id: u64,
        /// Whether every process does as was wished by now; why it can't be done.
        answer: Result<bool, String>,
    },
    /// Ask OpenClaw whether it is ready, over the socket that travels along. Answered by `Health`.
    Health {
        /// Joins question and answer.
        id: u64,
    },
    /// Judge by the rules in the memory file (a JSON [`Sheet`]) from now on. Answered by `Reloaded`.
    Reload {
        /// As which generation.
        generation: u64,
    },
    /// Give your place to the next guard: take nothing new, let what is under way end, write the last records, end.
    Retire,
    /// Look after what the agent remembers. Descriptors: what the helper in the jail writes and what it reads, when there is
    /// one; then a pipe for the report, when somebody reads it. Answered by `Looked`.
    Memory {
        /// Joins question and answer.
        id: u64,
        /// What for.
        task: MemoryTask,
        /// As JSON.
        json: bool,
    },
    /// Look at the versions of protected files, or put one back. Descriptor: a pipe for the report. Answered by `Looked`.
    Files {
        /// Joins question and answer.
        id: u64,
        /// What for.
        task: FilesTask,
        /// As JSON.
        json: bool,
    },
    /// Look after the snapshots of the workspace. Descriptor: a pipe for the report. Answered by `Looked`.
    Snapshot {
        /// Joins question and answer.
        id: u64,
        /// What for.
        task: SnapshotTask,
        /// As JSON.
        json: bool,
    },
    /// The answer to `Hands`. Descriptors: what the helper writes, and what it reads.
    Lent {
        /// The question's id.
        id: u64,
        /// Why there is no helper.
        failed: Option<String>,
    },
    /// Work with the values in the memory file (JSON lines) from now on. Answered by `Looked`.
    Secrets {
        /// Joins question and answer.
        id: u64,
    },
    /// Tell people that a secret is overdue for a new value.
    Overdue {
        /// Which, since when, and why.
        text: String,
    },
    /// The answer to `PutBack`.
    PutBackEnded {
        /// The question's id.
        id: u64,
        /// Why it was not done, if it was not.
        failed: Option<String>,
    },
    /// The token of the gateway that runs now.
    Token {
        /// The token.
        token: String,
    },
}

/// Guard → warden.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "tell", rename_all = "kebab-case")]
pub(crate) enum FromGuard {
    /// It is small and confined, and has the tenant's authority.
    Prepared {
        /// The authority's certificate, PEM.
        authority: String,
    },
    /// All doors serve.
    Ready,
    /// It can't start.
    Failed {
        /// Why.
        why: String,
    },
    /// The answer to `Admit`.
    Admitted {
        /// The ticket.
        ticket: u64,
        /// The record, or the refusal.
        answer: Result<RecordId, Refusal>,
    },
    /// I need a stream to the gateway.
    Connect {
        /// Joins question and answer.
        id: u64,
    },
    /// Freeze the agent's processes for this quarantine, or let them go on when there is none. Answered by `Held`.
    Hold {
        /// Joins wish and answer.
        id: u64,
        /// Why.
        why: Option<crate::guard_process::watch::Quarantine>,
    },
    /// The answer to `Health`.
    Health {
        /// Joins question and answer.
        id: u64,
        /// Whether the gateway says it is ready.
        ready: bool,
    },
    /// A protected file is to be put back, with the content that travels along, or to be taken away. Answered by `PutBackEnded`.
    PutBack {
        /// Joins question and answer.
        id: u64,
        /// Which file.
        place: Place,
    },
    /// I need the helper in the jail that reads and writes the workspace. Answered by `Lent`.
    Hands {
        /// Joins question and answer.
        id: u64,
    },
    /// I need that helper no more.
    HandsBack {
        /// The question's id.
        id: u64,
    },
    /// The answer to the warden's `Memory`, `Files`, `Snapshot` and `Secrets`.
    Looked {
        /// The question's id.
        id: u64,
        /// The exit code for a person.
        code: u8,
        /// One line: what came of it, or why nothing did.
        said: String,
    },
    /// The answer to `Reload`.
    Reloaded {
        /// The question's generation.
        generation: u64,
        /// Why the old rules stay.
        failed: Option<String>,
    },
}

/// Texts of files: path as written in the configuration → text. There may be keys among them, so nothing shows the texts.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Files(pub(crate) Vec<(PathBuf, String)>);

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(path, _)| path)).finish()
    }
}

/// What the guard is built from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GuardSetup {
    /// The tenant.
    pub(crate) tenant: creel_guard::Tenant,
    /// The text of `creel.toml`, judged legal by whoever started us; empty for "nothing may leave".
    pub(crate) config: String,
    /// Where relative paths of the configuration start, for messages only: the guard reads no file of it.
    pub(crate) config_name: PathBuf,
    /// The PEM files that the configuration names.
    pub(crate) cas: Files,
    /// The rules in force.
    pub(crate) rules: Generation,
    /// The provider that was chosen, with its secret's name.
    pub(crate) provider: crate::provider::Provider,
    /// The ledger's folder.
    pub(crate) ledger: PathBuf,
    /// The guard's own folder: its certificate authority and its address book.
    pub(crate) home: PathBuf,
    /// The jail's life, a word of its own for each: the address book lasts as long.
    pub(crate) life: String,
    /// The user and group to become.
    pub(crate) uid: u32,
    /// Addresses of this host, closed whatever the rules say.
    pub(crate) own_addresses: Vec<std::net::IpAddr>,
    /// Whether all but the ledger goes with the jail.
    #[serde(default)]
    pub(crate) fleeting: bool,
    /// What was laid for thieves.
    #[serde(default)]
    pub(crate) canaries: crate::canary::Nest,
    /// The quarantine that the last guard called out, should its own file be lost.
    #[serde(default)]
    pub(crate) held: Option<crate::guard_process::watch::Quarantine>,
    /// What stands in the jail for secrets.
    #[serde(default)]
    pub(crate) placeholders: Vec<creel_secrets::Placeholder>,
}

/// A configuration file that was read while Creel ran.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sheet {
    /// Its text, judged legal.
    pub(crate) text: String,
    /// The PEM files that it names.
    pub(crate) cas: Files,
}

/// Which rules a guard starts with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Generation {
    /// Counted from 1 at each start of Creel.
    pub(crate) number: u64,
    /// What they were read from; none for the configuration of the start.
    pub(crate) sheet: Option<Sheet>,
}

impl Default for Generation {
    fn default() -> Self {
        Self { number: 1, sheet: None }
    }
}

/// Command line → guard, over the root-owned control socket.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub(crate) enum ToControl {
    /// One message to the agent.
    Say {
        text: String,
        /// How long the agent may take, in seconds.
        patience_s: u64,
        /// A person's own words, or what a webhook of this name brought.
        hook: Option<String>,
    },
    /// Which questions are open? Answered by one `Question` each, then `Done`.
    Questions,
    /// Tell me each question that comes up; `Question` each, until I hang up.
    Watch,
    /// Yes or No. Answered by `Answered`.
    Decide {
        /// The question's number.
        id: u64,
        /// Yes.
        yes: bool,
    },
    /// Is the agent in quarantine? Answered by `Quarantine`.
    Quarantine,
    /// Open the doors again. Answered by `Quarantine`.
    Release,
    /// Would each canary be noticed? Answered by `Noticed`.
    TryCanaries,
    /// What did the model cost? Answered by `Budget`.
    Budget {
        /// Count anew from here.
        reset: bool,
    },
    /// How are the agent's tools defined? Answered by one `Tool` each, then `Done`.
    Tools,
    /// This definition is accepted. Answered by `Done`.
    AcceptTool {
        /// Where it is offered.
        source: String,
        /// The tool's name.
        name: String,
        /// The definition's digest: what a person saw.
        digest: String,
    },
    /// Forget how tools were defined. Answered by `Done`.
    ForgetTools,
    /// How do the places fare that are told of what happens? Answered by `Alerts`.
    Alerts,
    /// Send each of them a test. Answered by `Tested`.
    TestAlerts,
    /// How do the places fare that records are sent to? Answered by `Exports`.
    Exports,
}

/// Guard → command line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "tell", rename_all = "kebab-case")]
pub(crate) enum FromControl {
    /// A question is open.
    Question {
        /// Which.
        open: Box<Open>,
    },
    /// Some acts are refused unasked.
    TooMany {
        /// Which and why. It holds the agent's text: escape it.
        why: String,
    },
    /// How a tool is defined.
    Tool {
        /// It.
        row: Box<crate::guard_process::definitions::Row>,
    },
    /// These were all.
    Done,
    /// The answer to a question counts.
    Answered {
        /// What it did.
        effect: Effect,
    },
    /// Why the agent is in quarantine; none when it is not.
    Quarantine {
        /// Why.
        why: Option<crate::guard_process::watch::Quarantine>,
    },
    /// What the model cost.
    Budget {
        /// It.
        spent: crate::guard_process::budget::Spent,
    },
    /// Which canaries would be noticed.
    Noticed {
        /// Name of each, and whether.
        canaries: Vec<(String, bool)>,
    },
    /// How the places fare that are told of what happens.
    Alerts {
        /// Each.
        places: Vec<crate::guard_process::alerts::Told>,
    },
    /// How the places fare that records are sent to.
    Exports {
        /// Each.
        places: Vec<crate::guard_process::export::Exported>,
    },
    /// What became of the test.
    Tested {
        /// Each place, and why it was not reached.
        places: Vec<(String, Option<String>)>,
    },
    /// The whole answer.
    Answer {
        /// Agent-made text: escape it.
        text: String,
    },
    /// It was refused.
    Refused {
        /// Which rule, why.
        refusal: Refusal,
    },
    /// It failed.
    Failed {
        /// Why.
        why: String,
    },
}
