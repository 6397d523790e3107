//! The rules that an agent is held to, and how new ones come into force.
//!
//! Owns [`Rules`]: what the configuration file said at the start, what was read since, and the count of generations. A
//! generation is taken whole or not at all: after each exchange it is known which one the guard judges by, or the guard is
//! ended and the next one starts with the new. The warden's desk asks for it.

use creel_guard::{Actor, Outcome, Refusal};
use tokio::time::Instant;

use super::Agent;
use crate::clock::now;
use crate::config::Config;
use crate::guard_child::Stayed;
use crate::protocol::{Files, Generation, PolicyStatus, Reloaded, Sheet};

/// The rules, of the start and in force.
#[derive(Debug)]
pub(super) struct Rules {
    /// What jail, guard and OpenClaw are built from.
    pub(super) start: Config,
    /// What a guard is told beside.
    pub(super) generation: Generation,
    tried: u64,
    since: Instant,
    waiting: Vec<String>,
    failed: Option<String>,
}

/// Why a reload changed nothing.
#[derive(Debug)]
pub(in crate::warden) enum NotTaken {
    /// The file is not legal: exit code 2.
    File(String),
    /// The act was refused; by a rule whose id starts with `guard/`, because no guard answers.
    Refused(Refusal),
    /// The guard did not take it.
    Guard(String),
}

impl Rules {
    pub(super) fn new(start: Config) -> Self {
        let generation = Generation::default();
        Self { start, tried: generation.number, generation, since: now(), waiting: Vec::new(), failed: None }
    }

    pub(super) fn status(&self) -> PolicyStatus {
        PolicyStatus {
            generation: self.generation.number,
            since_s: (now() - self.since).as_secs(),
            waiting: self.waiting.clone(),
            failed: self.failed.clone(),
        }
    }
}

impl Agent {
    /// The configuration file that the start was ordered with.
    pub(in crate::warden) fn config_file(&self) -> Option<&std::path::Path> {
        self.orders.config.as_deref()
    }

    /// Puts what was read from the file into force, as one recorded act of `actor`'s.
    pub(in crate::warden) async fn reload(
        &mut self,
        read: Result<Config, String>,
        actor: Actor,
    ) -> Result<Reloaded, NotTaken> {
        let done = self.exchange(read, actor).await;
        match &done {
            Ok(_) => self.rules.failed = None,
            // Nobody answers yet: it is tried again, and said if that fails.
            Err(NotTaken::Refused(_)) => {}
            Err(NotTaken::File(why) | NotTaken::Guard(why)) => self.not_reloaded(why),
        }
        done
    }

    /// Keeps for `status` why the rules stayed as they were.
    pub(in crate::warden) fn not_reloaded(&mut self, why: &str) {
        tracing::warn!("the old rules stay: {why}");
        self.rules.failed = Some(why.to_owned());
    }

    async fn exchange(&mut self, read: Result<Config, String>, actor: Actor) -> Result<Reloaded, NotTaken> {
        self.rules.tried += u64::from(read.is_ok());
        let generation = self.rules.tried;
        let plan = read.map(|fresh| {
            let sheet = Sheet { text: fresh.text().to_owned(), cas: Files(fresh.cas()) };
            let (config, waiting) = self.rules.start.with_rules_of(fresh);
            let changes = self.config.changes(&config);
            (sheet, config, changes, waiting.into_iter().map(ToOwned::to_owned).collect::<Vec<_>>())
        });
        let detail = match &plan {
            Ok((_, _, changes, waiting)) => detail(generation, changes, waiting),
            Err(_) => "the file is not legal".to_owned(),
        };
        let act = crate::guard_process::administer(&self.tenant, actor, "reload", &detail);
        let ticket = self.admit(act).await.map_err(NotTaken::Refused)?;
        let taken = match plan {
            Ok((sheet, config, changes, waiting)) => {
                let rules = Generation { number: generation, sheet: Some(sheet) };
                let warnings = config.warnings().to_vec();
                self.hand_to_guard(rules, config).await.map_err(NotTaken::Guard).map(|()| {
                    (self.rules.waiting, self.rules.since) = (waiting.clone(), now());
                    Reloaded { generation, changes, waiting, warnings }
                })
            }
            Err(why) => Err(NotTaken::File(why)),
        };
        let outcome = match &taken {
            Ok(_) => Outcome::done(),
            Err(NotTaken::File(why) | NotTaken::Guard(why)) => Outcome::failed(clip(why.clone())),
            Err(NotTaken::Refused(refusal)) => Outcome::failed(refusal.to_ledger.clone()),
        };
        ticket.settle(outcome).await;
        taken
    }

    /// The next guard starts with `rules` from the moment that this one may judge by them.
    async fn hand_to_guard(&mut self, rules: Generation, config: Config) -> Result<(), String> {
        let before = std::mem::replace(&mut self.rules.generation, rules);
        let Some(running) = &mut self.running else {
            self.rules.generation = before;
            return Err("no jail runs".to_owned());
        };
        running.kit.setup.rules.clone_from(&self.rules.generation);
        let answer = match &running.guard {
            Some(guard) => guard.reload(&self.rules.generation).await,
            None => Err(Stayed::Unknown),
        };
        match answer {
            Ok(()) => {}
            Err(Stayed::Told(why)) => {
                running.kit.setup.rules.clone_from(&before);
                self.rules.generation = before;
                return Err(why);
            }
            Err(Stayed::Unknown) => {
                tracing::warn!(
                    "the guard did not answer a reload: it is ended, the next one starts with the new rules"
                );
                if let Some(guard) = &mut running.guard {
                    guard.kill();
                }
            }
        }
        self.config = config;
        Ok(())
    }
}

/// The record's text: bounded, however long the file is.
fn detail(generation: u64, changes: &[String], waiting: &[String]) -> String {
    let changes = if changes.is_empty() { "nothing changed".to_owned() } else { changes.join(", ") };
    let waiting =
        if waiting.is_empty() { String::new() } else { format!("; waits for a restart: {}", waiting.join(", ")) };
    clip(format!("generation {generation}: {changes}{waiting}"))
}

/// The longest text of a record or a status line, in bytes.
const LONGEST: usize = 4096;

fn clip(mut text: String) -> String {
    if text.len() > LONGEST {
        let cut = (0..=LONGEST).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(cut);
        text.push('…');
    }
    text
}
