//! The command line: what a person types, and the hidden sub-commands that Creel's own processes are.
//!
//! Owns the words, the help texts and the exit codes of CONTRACT.md. Each command lives in a file of its own; the ones
//! that act on a running Creel speak to its sockets, they never touch the jail themselves.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

mod alerts;
mod approvals;
pub(crate) mod ask;
mod budget;
mod canary;
mod check;
mod down;
mod exports;
pub(crate) mod fetch;
mod files;
mod hook;
pub(crate) mod host;
mod init_config;
mod inside;
pub(crate) mod jail;
mod judge;
mod ledger;
mod lines;
mod log;
mod memory;
pub(crate) mod out;
mod policy;
mod profiles;
mod reload;
mod say;
mod scan;
mod secret;
pub(crate) mod secrets;
mod snapshot;
mod status;
mod tools;
mod up;
mod upgrade;
mod why;
mod ws;

/// Exit code: a finding (a check failed, a ledger was tampered with).
pub(crate) const FINDING: u8 = 1;
/// Exit code: wrong usage or configuration.
pub(crate) const USAGE: u8 = 2;
/// Exit code: a layer that this host can't enforce.
pub(crate) const MISSING_LAYER: u8 = 3;
/// Exit code: the ledger is truncated.
pub(crate) const TRUNCATED: u8 = 4;
/// Exit code: Creel is not running.
pub(crate) const NOT_RUNNING: u8 = 5;

/// Creel: the security layer that an OpenClaw agent runs inside.
#[derive(Debug, Parser)]
#[command(name = "creel", version, about, propagate_version = true, max_term_width = 100)]
struct Creel {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a contained OpenClaw and everything that watches it.
    Up(up::Up),
    /// Stop it; the workspace, its state and the ledger stay.
    Down(down::Down),
    /// Read the configuration again: new rules hold for the next request, on open connections too.
    Reload(reload::Reload),
    /// Have a guard of this program take over while the agent goes on.
    Upgrade(upgrade::Upgrade),
    /// Show what runs, what holds it, and where it may go.
    Status(status::Status),
    /// Send the agent one message and print its answer.
    Say(say::Say),
    /// Hand the agent what a webhook brought: data, never orders.
    Hook(hook::Hook),
    /// Show the questions that wait for a person.
    Approvals(approvals::Approvals),
    /// Say Yes to a question: the act that waits goes on, once.
    Approve(approvals::Decide),
    /// Say No to a question.
    Deny(approvals::Decide),
    /// Show who is told at once when something happens, and try it.
    Alerts(alerts::AlertsCommand),
    /// Show how far the places are that records are sent to.
    Exports(exports::Exports),
    /// Tell what happened: each message, prompt, tool call, look-up and packet.
    Log(log::Log),
    /// Look through what the agent remembers for secrets and planted orders.
    Memory(memory::Memory),
    /// Show the versions of the files that the agent takes orders from, and put one back.
    Files(files::Files),
    /// Keep the agent's workspace as it is, show what was kept, and put it back.
    Snapshot(snapshot::Snapshot),
    /// Show, try and renew what is laid for thieves; end a quarantine.
    Canary(canary::CanaryCommand),
    /// Show what the model cost, and count anew.
    Budget(budget::BudgetCommand),
    /// Show how the agent's tools are defined, and accept what changed.
    Tools(tools::ToolsCommand),
    /// Keep secrets sealed, exchange them, and see what they were used for.
    Secret(secret::SecretCommand),
    /// Reach the agent's workspace: list, get, put.
    Ws(ws::Ws),
    /// Run a command in a jail of its own, without OpenClaw.
    Jail(jail::Jail),
    /// Prove the walls by probing the running jail from inside.
    Check(check::Check),
    /// Explain a refusal and how a person can allow it.
    Why(why::Why),
    /// Decide off-line what would become of proposed tool calls.
    Judge(judge::Judge),
    /// Look into texts off-line, as the doors do.
    Scan(scan::Scan),
    /// Work on the ledger off-line.
    Ledger(ledger::LedgerCommand),
    /// Show what a configuration allows, or try acts against it off-line.
    Policy(policy::PolicyCommand),
    /// Show the ready entries for well-known services.
    Profiles(profiles::Profiles),
    /// Write a commented creel.toml.
    InitConfig(init_config::InitConfig),
    /// The root daemon (started by `up`).
    #[command(hide = true)]
    Warden,
    /// The unprivileged process that holds all doors (started by the warden).
    #[command(hide = true)]
    Guard,
    /// Signs or witnesses checkpoints (started with each guard).
    #[command(hide = true)]
    Notary,
    /// Looks at what is about to be executed in a jail (started with it).
    #[command(hide = true)]
    Porter,
    /// Is told what is done to a jail's files (started with it).
    #[command(hide = true)]
    Sentry,
    /// Builds the namespaces (started by the warden).
    #[command(hide = true)]
    Stage,
    /// The first process of a jail.
    #[command(hide = true)]
    Init,
    /// Starts commands behind a jail's inner wall.
    #[command(hide = true)]
    Wall,
    /// Our helper inside the jail.
    #[command(hide = true)]
    Inside(inside::Inside),
    /// Answers OpenClaw's secret references inside the jail.
    #[command(hide = true)]
    ResolveSecrets {
        /// What the one who asks adds: the script's own path.
        #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<std::ffi::OsString>,
    },
}

/// Which installation is meant.
#[derive(Clone, Debug, Args)]
pub(crate) struct Where {
    /// The state folder of the installation [default: the configuration's, or /var/lib/creel; a plain user's:
    /// ~/.local/state/creel].
    #[arg(long, value_name = "DIR", env = "CREEL_STATE")]
    state: Option<PathBuf>,
}

impl Where {
    /// The installation's place; `configured` is what a loaded configuration says.
    pub(crate) fn site(&self, configured: Option<&std::path::Path>) -> crate::site::Site {
        let system = std::path::Path::new(SYSTEM);
        let configured = configured.filter(|dir| *dir != system).map(std::path::Path::to_owned);
        let default = || own_state().unwrap_or_else(|| system.to_owned());
        let named = self.state.clone().or(configured).unwrap_or_else(default);
        crate::site::Site::new(&std::path::absolute(&named).unwrap_or(named))
    }
}

/// Where the host's installation is.
const SYSTEM: &str = "/var/lib/creel";

/// Where a plain user's is (XDG Base Directory Specification); none for root.
fn own_state() -> Option<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return None;
    }
    let named = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = named("XDG_STATE_HOME").or_else(|| named("HOME").map(|home| home.join(".local/state")));
    folder.map(|folder| folder.join("creel"))
}

/// Where the runtime is: the installation's own, or, where a plain user has none, the one that root made.
pub(crate) fn runtime(site: &crate::site::Site) -> PathBuf {
    let own = site.runtime();
    if own.exists() || rustix::process::geteuid().is_root() {
        return own;
    }
    crate::site::Site::new(std::path::Path::new(SYSTEM)).runtime()
}

/// Reads the command line and runs it. Returns the process's exit code.
#[must_use]
pub fn main() -> ExitCode {
    if creel_jail::is_launcher() {
        return exit(creel_jail::launch_main());
    }
    // The jail's init must be as small as it can be: no parser of ours before it has walled itself in.
    match Creel::parse().command {
        Command::Up(command) => command.run(),
        Command::Down(command) => command.run(),
        Command::Reload(command) => command.run(),
        Command::Upgrade(command) => command.run(),
        Command::Status(command) => command.run(),
        Command::Say(command) => command.run(),
        Command::Hook(command) => command.run(),
        Command::Approvals(command) => command.run(),
        Command::Alerts(command) => command.run(),
        Command::Exports(command) => command.run(),
        Command::Canary(command) => command.run(),
        Command::Budget(command) => command.run(),
        Command::Approve(command) => command.run(true),
        Command::Deny(command) => command.run(false),
        Command::Log(command) => command.run(),
        Command::Memory(command) => command.run(),
        Command::Files(command) => command.run(),
        Command::Snapshot(command) => command.run(),
        Command::Tools(command) => command.run(),
        Command::Secret(command) => command.run(),
        Command::Ws(command) => command.run(),
        Command::Jail(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Why(command) => command.run(),
        Command::Judge(command) => command.run(),
        Command::Scan(command) => command.run(),
        Command::Ledger(command) => command.run(),
        Command::Policy(command) => command.run(),
        Command::Profiles(command) => command.run(),
        Command::InitConfig(command) => command.run(),
        Command::Warden => crate::warden::main(),
        Command::Guard => crate::guard_process::main(),
        Command::Notary => crate::notary::main(),
        Command::Porter => crate::porter::main(),
        Command::Sentry => crate::sentry::main(),
        Command::Stage => crate::run::stage(),
        Command::Init => crate::run::init(),
        Command::Wall => crate::run::wall(),
        Command::Inside(command) => command.run(),
        Command::ResolveSecrets { rest: _ } => exit(creel_openclaw::resolver::main()),
    }
}

/// An exit code from a small number; anything out of range is 1.
pub(crate) fn exit(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(FINDING))
}
