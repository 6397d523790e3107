//! Reloads, from `creel reload` and from SIGHUP.
//!
//! Owns the queue of who wants one: they happen one after the other, each reads the file anew, and while no guard answers
//! they wait a few seconds. It never holds the loop up for a file that can't be read. The loop calls it each turn.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use creel_guard::Actor;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Desk, TICK};
use crate::clock::now;
use crate::config::Config;
use crate::link::Link;
use crate::protocol::FromWarden;
use crate::warden::agent::NotTaken;

/// Who wants a reload.
pub(super) struct Wanted {
    /// Who is to be told; nobody after a signal.
    link: Option<Rc<Link>>,
    uid: u32,
    until: Instant,
}

impl Wanted {
    /// Somebody at the socket.
    pub(super) fn by(link: Rc<Link>, uid: u32) -> Self {
        Self { link: Some(link), uid, until: now() + PATIENCE }
    }

    /// A signal: only root, or who runs this warden, can send one (kill(2)).
    pub(super) fn by_signal() -> Self {
        Self { link: None, uid: rustix::process::geteuid().as_raw(), until: now() + PATIENCE }
    }

    async fn tell(&self, answer: &FromWarden) {
        if let Some(link) = &self.link {
            let _ = link.send(answer, &[]).await;
        }
    }
}

impl Desk {
    /// Queues it.
    pub(super) async fn want_reload(&mut self, wanted: Wanted) {
        if self.reloads.len() < QUEUE {
            return self.reloads.push_back(wanted);
        }
        let why = format!("{QUEUE} reloads wait already; try again");
        wanted.tell(&FromWarden::Failed { code: 1, why }).await;
    }

    /// Does what is queued.
    pub(super) async fn reload_as_wanted(&mut self) {
        while let Some(wanted) = self.reloads.pop_front() {
            let begun = now();
            let read = match self.agent.config_file() {
                Some(path) => read(path.to_owned()).await,
                None => {
                    Err("creel was started without a configuration file: `creel down`, then `creel up --config FILE`"
                        .to_owned())
                }
            };
            let actor = Actor::Person { name: crate::guard_process::person(wanted.uid) };
            match self.agent.reload(read, actor).await {
                Ok(reloaded) => {
                    self.notify.status(&format!("the rules' generation {} is in force", reloaded.generation));
                    wanted.tell(&FromWarden::Reloaded(Box::new(reloaded))).await;
                }
                // Between two guards; one that hangs is not asked again.
                Err(NotTaken::Refused(refusal))
                    if refusal.rule.as_str().starts_with("guard/")
                        && begun < wanted.until
                        && begun.elapsed() < TICK =>
                {
                    self.reloads.push_front(wanted);
                    return;
                }
                Err(NotTaken::Refused(refusal)) => {
                    let why = format!("refused by `{}`: {}", refusal.rule, refusal.to_ledger);
                    self.not_reloaded(&wanted, 1, why).await;
                }
                Err(NotTaken::File(why)) => self.not_reloaded(&wanted, crate::cli::USAGE, why).await,
                Err(NotTaken::Guard(why)) => self.not_reloaded(&wanted, 1, why).await,
            }
        }
    }

    async fn not_reloaded(&mut self, wanted: &Wanted, code: u8, why: String) {
        self.agent.not_reloaded(&why);
        self.notify.status("the old rules stay: the last reload failed");
        wanted.tell(&FromWarden::Failed { code, why }).await;
    }
}

/// Reads the file on a thread of its own: what stands in its place may be a pipe that nobody writes.
async fn read(path: PathBuf) -> Result<Config, String> {
    let (sender, receiver) = oneshot::channel();
    let name = path.display().to_string();
    std::thread::spawn(move || {
        let read = Config::of(Some(&path)).map_err(|report| shorten(report.to_string()));
        let _ = sender.send(read);
    });
    match tokio::time::timeout(READ_PATIENCE, receiver).await {
        Ok(Ok(read)) => read,
        Ok(Err(_)) | Err(_) => Err(format!("`{name}` can't be read to its end")),
    }
}

/// The first faults of many: an answer has to fit into one packet.
fn shorten(text: String) -> String {
    const LINES: usize = 20;
    let mut lines: Vec<String> = text.lines().take(LINES).map(|line| line.chars().take(1000).collect()).collect();
    let more = text.lines().count().saturating_sub(LINES);
    lines.extend((more > 0).then(|| format!("and {more} more")));
    lines.join("\n")
}

/// How many may wait.
const QUEUE: usize = 64;

/// How long a reload waits for a guard that answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the file may take to be read.
const READ_PATIENCE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_report_is_shortened() {
        assert_eq!(shorten("a\nb".to_owned()), "a\nb");
        let long = shorten("é".repeat(3000) + &"\nx".repeat(30));
        assert!(long.ends_with("x\nand 11 more") && long.len() < 4000, "{long}");
    }
}
