//! The messages between Creel's own processes: command line, warden, guard.
//!
//! Owns their shapes, one enum a direction; each travels as one JSON message over a [`crate::link::Link`], descriptors
//! beside it. Nothing here acts. The jail never gets hold of one of these sockets.

use std::path::PathBuf;

use creel_guard::{Action, Outcome, RecordId, Refusal};
use serde::{Deserialize, Serialize};

use crate::files::FilesTask;
use crate::guard_process::{Effect, Open};
use crate::memory::{MemoryTask, Place};

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
    /// The answer to `Memory` and `Files`.
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

/// What `creel status` shows; the field names are CONTRACT.md's.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Status {
    /// One entry a tenant.
    pub(crate) tenants: Vec<TenantStatus>,
    /// The ledger.
    pub(crate) ledger: LedgerStatus,
}

/// One tenant's status.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct TenantStatus {
    /// Its name.
    pub(crate) name: String,
    /// The agent.
    pub(crate) agent: AgentStatus,
    /// Each layer of the jail.
    pub(crate) layers: Vec<LayerStatus>,
    /// Ids of the layers that this host can't enforce and the operator accepted.
    pub(crate) degraded: Vec<String>,
    /// What the jail was promised to be held to.
    #[serde(default)]
    pub(crate) limits: LimitStatus,
    /// The model that the agent uses, with its provider.
    pub(crate) model: String,
    /// Where it may go, `host:port`.
    pub(crate) approved_hosts: Vec<String>,
    /// Where somebody's account but the operator's could be used, `host:port: why`.
    #[serde(default)]
    pub(crate) leaks_possible: Vec<String>,
    /// Closed addresses that an entry opens by naming them, `host:port at address: why it is closed`.
    #[serde(default)]
    pub(crate) exceptions: Vec<String>,
    /// The rules in force.
    #[serde(default)]
    pub(crate) policy: PolicyStatus,
    /// Why the agent is in quarantine; none when it is not.
    #[serde(default)]
    pub(crate) quarantine: Option<QuarantineStatus>,
    /// How often the guard was restarted since the start.
    pub(crate) guard_restarts: u32,
    /// How often the agent was restarted since the start.
    pub(crate) agent_restarts: u32,
    /// The program of the guard, when it is not the warden's own.
    #[serde(default)]
    pub(crate) guard_program: Option<PathBuf>,
    /// How often a guard gave its place to the next one.
    #[serde(default)]
    pub(crate) guard_takeovers: u32,
    /// The guard's process, 0 while there is none.
    pub(crate) guard_pid: i32,
    /// The warden's process.
    pub(crate) warden_pid: i32,
    /// The jail's init as the host sees it, 0 while there is none.
    pub(crate) init_pid: i32,
    /// The process behind the jail's inner wall on the host, 0 without one.
    pub(crate) wall_pid: i32,
}

/// Why the agent is in quarantine.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct QuarantineStatus {
    /// The canary that turned up.
    pub(crate) canary: String,
    /// Where.
    pub(crate) at: String,
    /// When, RFC 3339 in UTC.
    pub(crate) since: String,
    /// Whether every process of the agent stands still.
    pub(crate) frozen: bool,
    /// Why they don't, when they can't be frozen.
    pub(crate) failed: Option<String>,
}

/// The rules in force.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct PolicyStatus {
    /// Which, counted from 1 at each start.
    pub(crate) generation: u64,
    /// For how many seconds.
    pub(crate) since_s: u64,
    /// Settings that were changed in the file and wait for the next start.
    pub(crate) waiting: Vec<String>,
    /// Why the last reload changed nothing; none when it did.
    pub(crate) failed: Option<String>,
}

/// The limits that the configuration asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LimitStatus {
    /// Cores.
    pub(crate) cpus: f64,
    /// Bytes of memory.
    pub(crate) memory: u64,
    /// Bytes of disk.
    pub(crate) disk: u64,
    /// Processes and threads.
    pub(crate) processes: u64,
    /// Open files of each process.
    pub(crate) open_files: u64,
}

/// The agent.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct AgentStatus {
    /// `starting`, `ready`, `unhealthy`, `restarting`, `quarantined`, `stopping` or `stopped`.
    pub(crate) state: String,
    /// OpenClaw's version.
    pub(crate) version: String,
    /// The gateway's process as the host sees it, 0 when unknown.
    pub(crate) pid: i32,
    /// Seconds since it was started.
    pub(crate) uptime_s: u64,
}

/// One layer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LayerStatus {
    /// An id of CONTRACT.md.
    pub(crate) id: String,
    /// `enforced` or `degraded`.
    pub(crate) status: String,
}

/// The ledger.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct LedgerStatus {
    /// Records.
    pub(crate) size: u64,
    /// Whether the whole chain was verified just now.
    pub(crate) verified: bool,
}

/// Warden → guard.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "tell", rename_all = "kebab-case")]
pub(crate) enum ToGuard {
    /// The first message: get ready. Descriptors: the configuration (a memory file holding a JSON [`GuardSetup`]), the secrets
    /// (a memory file of JSON lines), the control listener. Answered by `Prepared`.
    Prepare,
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
    /// The answer to the warden's `Memory` and `Files`.
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
        open: Open,
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
