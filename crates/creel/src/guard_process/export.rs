//! The ledger's records, sent on as they are written.
//!
//! Owns [`Exports`]: a thread for each place of `[[export]]` reads the ledger's files, as anybody may, and sends what is new,
//! in order, at least once. It stands beside the gate: no decision waits for it or knows of it, what it holds is bounded, and
//! a place that is away for a day costs nothing but the time to catch up, for the ledger keeps the records. Where it is, is
//! on disk. That sending begins, and why it broke off, is on record. The guard's process starts it.

mod form;
mod line;
mod replica;
mod witness;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use creel_guard::{Actor, Facts, Guard, Obligations, Outcome, RecordId, Tenant};
use creel_ledger::{FileLedger, LogLine, Tail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::post::{Means, Post};
use crate::clock::now;
use crate::config::{Export, ExportTo};
use line::Wire;

/// Lines that are sent at once.
const MOST_LINES: usize = 256;
/// Their bytes, as far as one line more does not matter.
const MOST_BYTES: usize = 256 << 10;
/// How often the ledger is looked at while nothing is new.
const LOOK: Duration = Duration::from_millis(200);
/// How often the ledger is told what all places have.
const TELL: Duration = Duration::from_secs(5);
/// Between two batches of many: catching up takes no core for itself.
const BREATH: Duration = Duration::from_millis(2);
/// After a failure the next try waits so long; doubled up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The places that records are sent to.
pub(crate) struct Exports(Vec<Arc<State>>);

/// How one place fares, as `creel exports` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Exported {
    /// The place, without its path.
    pub(crate) place: String,
    /// How many lines of the ledger it has; of a replica, how many leaves.
    pub(crate) lines: u64,
    /// Why the last try failed; none when it did not.
    pub(crate) failed: Option<String>,
    /// Of a witness: when it saw the last checkpoint, in seconds since 1970.
    pub(crate) witnessed: Option<u64>,
}

#[derive(Default)]
struct State(Mutex<Exported>);

/// What one thread works with.
struct Sender {
    guard: Guard,
    tenant: Tenant,
    means: Means,
    config: Export,
    ledger: PathBuf,
    place: PathBuf,
    state: Arc<State>,
}

/// Lines that go together.
struct Batch {
    lines: Vec<LogLine>,
    /// The number of the last.
    last: u64,
}

impl Exports {
    /// Starts to send, from where each place was left; what is remembered of that lies in `home`.
    pub(super) fn start(
        configs: &[Export],
        (guard, tenant): (&Guard, &Tenant),
        means: &Means,
        [ledger, home]: [&PathBuf; 2],
    ) -> Arc<Self> {
        let start = |config: &Export| {
            let name = config.to.to_string();
            let state = Arc::new(State::default());
            lock(&state.0).place.clone_from(&name);
            let sender = Sender {
                guard: guard.clone(),
                tenant: tenant.clone(),
                means: means.clone(),
                config: config.clone(),
                ledger: ledger.to_owned(),
                place: home.join(file_name(config)),
                state: Arc::clone(&state),
            };
            let started = std::thread::Builder::new().name("creel-export".to_owned()).spawn(move || sender.run());
            if let Err(error) = started {
                tracing::error!(place = name, %error, "records are not sent there");
                lock(&state.0).failed = Some(format!("no thread: {error}"));
            }
            state
        };
        Arc::new(Self(configs.iter().map(start).collect()))
    }

    /// Tells the ledger, as long as it is there, how far all of them are: what one lacks is kept.
    pub(super) async fn tell(self: Arc<Self>, ledger: Weak<FileLedger>) {
        while let Some(ledger) = ledger.upgrade() {
            // Lines are leaves, and so is what a witness counts.
            ledger.outside(self.0.iter().map(|state| lock(&state.0).lines).min().unwrap_or(0));
            drop(ledger);
            tokio::time::sleep(TELL).await;
        }
    }

    /// How each place fares.
    pub(crate) fn list(&self) -> Vec<Exported> {
        self.0.iter().map(|state| lock(&state.0).clone()).collect()
    }
}

impl Sender {
    /// For ever, on a thread and a runtime of its own: a stuck look-up or a slow disk keeps nobody else waiting.
    fn run(self) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return tracing::error!(%error, "records are not sent on: no runtime"),
        };
        runtime.block_on(async {
            let mut pause = FIRST_PAUSE;
            loop {
                let begun = now();
                let why = match self.session().await {
                    Ok(never) => match never {},
                    Err(why) => why,
                };
                tracing::warn!(place = %self.config.to, why, "records are not sent on; they wait in the ledger");
                lock(&self.state.0).failed = Some(why);
                // What worked for a while is tried again soon.
                pause = if now() - begun > LONGEST_PAUSE { FIRST_PAUSE } else { pause };
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        });
    }

    /// From where it was left until something fails.
    async fn session(&self) -> Result<std::convert::Infallible, String> {
        let act = super::administer(&self.tenant, Actor::Creel, "export", &format!("to {}", self.config.to));
        let permit = self.guard.admit(act, Facts::default()).await.map_err(|refusal| refusal.to_ledger)?;
        let (Obligations { inject, swaps, scrub: _, max_bytes, deadline_ms }, receipt) = permit.redeem();
        let mut receipt = Some(receipt);
        let owes = inject.is_some() || !swaps.is_empty() || max_bytes.is_some() || deadline_ms.is_some();
        let record = receipt.as_ref().map_or(RecordId(0), creel_guard::Receipt::record);
        let result = if owes { Err("the policy's obligations for this can't be met".to_owned()) } else { Ok(()) };
        let result = match result {
            Ok(()) => {
                // On record once it works: an act that stays open would keep the next guard waiting for its end.
                let works = || {
                    if let Some(receipt) = receipt.take() {
                        receipt.settle(Outcome::done());
                    }
                };
                self.send_on(record, works).await
            }
            Err(why) => Err(why),
        };
        if let (Err(why), Some(receipt)) = (&result, receipt) {
            receipt.settle(Outcome::failed(why.clone()));
        }
        result
    }

    async fn send_on(&self, record: RecordId, mut works: impl FnMut()) -> Result<std::convert::Infallible, String> {
        if let ExportTo::Witness(place, key) = &self.config.to {
            return self.have_witnessed((place, key), record, works).await;
        }
        if let Some(copy) = self.copy(record) {
            return self.replicate(&copy, works).await;
        }
        let after = read(&self.place)?;
        lock(&self.state.0).lines = after;
        let mut tail = Tail::new(&self.ledger, after).map_err(|error| error.to_string())?;
        let mut wire = self.wire(record).await?;
        let mut said = false;
        loop {
            let Some(batch) = next_batch(&mut tail)? else {
                if tail.passed() < after && !said {
                    said = true;
                    tracing::error!(place = %self.config.to, "the ledger is shorter than what was sent on; `creel ledger verify`");
                }
                if let Some(safe) = wire.idle().await? {
                    self.keep(safe)?;
                }
                tokio::time::sleep(LOOK).await;
                continue;
            };
            let is_full = batch.lines.len() == MOST_LINES;
            if let Some(safe) = wire.send(&batch.lines, batch.last, &self.tenant).await? {
                self.keep(safe)?;
            }
            works();
            tokio::time::sleep(if is_full { BREATH } else { LOOK }).await;
        }
    }

    async fn wire(&self, record: RecordId) -> Result<Wire, String> {
        match &self.config.to {
            ExportTo::Otlp(place) => {
                let post = Post { place: place.clone(), means: self.means.clone() };
                Ok(Wire::Otlp { post: Box::new(post), record })
            }
            ExportTo::Stream(place) => Wire::stream(&Post { place: place.clone(), means: self.means.clone() }).await,
            ExportTo::Datagram(place) => {
                Wire::datagram(&Post { place: place.clone(), means: self.means.clone() }).await
            }
            ExportTo::Local(path) => Wire::local(path).await,
            ExportTo::Folder(_) | ExportTo::Bucket(_) | ExportTo::Witness(..) => Err("it takes no lines".to_owned()),
        }
    }

    /// The place has everything up to `last`.
    fn keep(&self, last: u64) -> Result<(), String> {
        let draft = self.place.with_extension("draft");
        let told = |error: std::io::Error| format!("the place in the ledger can't be kept: {error}");
        std::fs::write(&draft, last.to_string()).map_err(told)?;
        std::fs::rename(&draft, &self.place).map_err(told)?;
        let mut state = lock(&self.state.0);
        (state.lines, state.failed) = (last, None);
        Ok(())
    }
}

/// Nothing, when there is nothing new.
fn next_batch(tail: &mut Tail) -> Result<Option<Batch>, String> {
    let (mut lines, mut last, mut bytes) = (Vec::new(), 0, 0);
    while lines.len() < MOST_LINES && bytes < MOST_BYTES {
        let Some((number, line)) = tail.next_line().map_err(|error| error.to_string())? else { break };
        bytes += line.target.len() + line.why.len() + 256;
        last = number;
        lines.push(line);
    }
    Ok((!lines.is_empty()).then_some(Batch { lines, last }))
}

/// So begins the name of what is kept of a place: how far it is, or what a witness vouched for.
pub(crate) const KEPT: &str = "export-";

/// Another place has another file.
fn file_name(config: &Export) -> String {
    let whole = Sha256::digest(config.to.identity().as_bytes());
    let short: String = whole.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{KEPT}{short}")
}

fn read(place: &Path) -> Result<u64, String> {
    match std::fs::read_to_string(place) {
        // What is no number was not written by us: all is sent again.
        Ok(text) => Ok(text.trim().parse().unwrap_or(0)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(format!("the place in the ledger can't be read: {error}")),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
