//! What `creel status` is told.
//!
//! Owns the shapes alone. The warden fills them in, the command line shows them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

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
    /// What the guard fills in.
    #[serde(default)]
    pub(crate) secrets: Vec<SecretStatus>,
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

/// A secret that the guard fills in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SecretStatus {
    /// Its name.
    pub(crate) name: String,
    /// Where its value comes from: `usual`, `file`, `command` or `store`.
    pub(crate) source: String,
    /// Whether Creel itself gets a new value: a file or a command has it, or a program makes one.
    pub(crate) by_itself: bool,
    /// How many old values are still looked for.
    pub(crate) old: usize,
    /// Since when its value is in force, of one on a schedule.
    #[serde(default)]
    pub(crate) since: Option<String>,
    /// When it is due for another.
    #[serde(default)]
    pub(crate) due: Option<String>,
    /// Why it has none although it is due.
    #[serde(default)]
    pub(crate) overdue: Option<String>,
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
