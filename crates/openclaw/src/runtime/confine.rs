//! Runs a program as the build user, with nothing writable but the staging folder.
//!
//! Owns the crate's only start of processes. A program gets user, groups, pid and IPC namespaces of its own making, no
//! new privileges, a landlock domain and, unless it must fetch, an empty network. When it ends, all that it started
//! ends with it. Only the installation calls it; OpenClaw's gateway is never started here.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use landlock::{ABI, Access as _, AccessFs, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, path_beneath_rules};
use nix::sched::{CloneFlags, unshare};

use super::BUILD_UID;
use crate::{Error, clock::Deadline, error::clip};

/// One program to run.
pub(super) struct Job<'a> {
    /// What it is, for messages.
    pub(super) name: &'static str,
    pub(super) argv: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) cwd: &'a Path,
    /// The one folder it may write.
    pub(super) writable: &'a Path,
    pub(super) network: bool,
    pub(super) patience: Duration,
}

/// How it ended, and the end of what it said on standard error.
pub(super) struct Ending {
    pub(super) status: ExitStatus,
    pub(super) words: String,
}

/// What is kept of a program's words: npm tells the cause at the end.
const WORDS: u64 = 8 * 1024;

/// Runs `job` to its end.
pub(super) fn run(job: &Job<'_>) -> Result<Ending, Error> {
    // Beside the one folder that the program may write: it holds the descriptor alone.
    let log = job.writable.with_extension("log");
    let file = fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .open(&log)
        .map_err(Error::host(format!("write `{}`", log.display())))?;
    // Namespaces and landlock bind the thread that asks for them and what it starts: this one ends afterwards.
    let outcome = std::thread::scope(|scope| {
        let thread = scope.spawn(|| confine(job).and_then(|()| execute(job, file)));
        thread.join().unwrap_or_else(|_| Err(Error::bug(format!("the thread that ran {} panicked", job.name))))
    });
    let words = tail(&log);
    let _ = fs::remove_file(&log);
    Ok(Ending { status: outcome?, words })
}

/// Asks npm about the machine's own settings, as the user who runs Creel.
#[expect(clippy::disallowed_methods, reason = "this file owns the crate's start of processes")]
pub(super) fn ask(program: &Path, words: &[&str]) -> Result<String, Error> {
    let out = Command::new(program)
        .args(words)
        .current_dir("/")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map_err(Error::host(format!("run `{}`", program.display())))?;
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

fn confine(job: &Job<'_>) -> Result<(), Error> {
    let mut apart = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWIPC;
    if !job.network {
        apart |= CloneFlags::CLONE_NEWNET;
    }
    unshare(apart).map_err(Error::host(format!("make namespaces for {}", job.name)))?;
    wall(job.writable).map_err(|error| Error::Host {
        act: format!("confine {} with landlock", job.name),
        source: std::io::Error::other(error),
    })
}

/// Reading and running as the file system allows; writing only beneath `writable`, and to /dev/null.
fn wall(writable: &Path) -> Result<(), landlock::RulesetError> {
    let abi = ABI::V3;
    Ruleset::default()
        .handle_access(AccessFs::from_all(abi))?
        .create()?
        .add_rules(path_beneath_rules(["/"], AccessFs::from_read(abi)))?
        .add_rules(path_beneath_rules([writable, Path::new("/dev/null")], AccessFs::from_all(abi)))?
        .restrict_self()?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "this file owns the crate's start of processes")]
fn execute(job: &Job<'_>, words_to: fs::File) -> Result<ExitStatus, Error> {
    let act = || format!("run {}", job.name);
    let Some((program, words)) = job.argv.split_first() else {
        return Err(Error::bug(format!("{} has no program", job.name)));
    };
    // std drops the supplementary groups when it changes the user as root.
    let mut child = Command::new(program)
        .args(words)
        .env_clear()
        .envs(job.env.iter().map(|(name, value)| (name, value)))
        .current_dir(job.cwd)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(words_to)
        .uid(BUILD_UID)
        .gid(BUILD_UID)
        .spawn()
        .map_err(Error::host(act()))?;
    let deadline = Deadline::after(job.patience);
    loop {
        if let Some(status) = child.try_wait().map_err(Error::host(act()))? {
            return Ok(status);
        }
        if deadline.passed() {
            // The first process of its pid namespace: the rest dies with it.
            let _ = child.kill();
            let _ = child.wait();
            return Err(Error::upstream(
                format!("{} took longer than {} minutes", job.name, job.patience.as_secs() / 60),
                "see whether the registry is reachable, then try again",
            ));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn tail(log: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = fs::OpenOptions::new().read(true).open(log)?;
        let start = file.metadata()?.len().saturating_sub(WORDS);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(WORDS).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

impl Ending {
    /// How it failed, in words for a message.
    pub(super) fn story(&self) -> String {
        let how = match (self.status.code(), self.status.signal()) {
            (Some(code), _) => format!("code {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "no code".to_owned(),
        };
        // npm names the cause first and ends with advice.
        let telling = |line: &&str| !line.contains(" warn ") && !line.contains(" WARN ");
        let lines: Vec<&str> = self.words.lines().filter(telling).take(5).collect();
        format!("{how}: {}", clip(&lines.join(" / "), 600))
    }
}
