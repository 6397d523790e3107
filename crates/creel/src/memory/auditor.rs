//! The guard's side of the memory audit.
//!
//! Owns [`Auditor`]: it reads what the helper hands over, has `scan` look at it, admits and records each change before it
//! is made, keeps what is taken out, and says what it found. It waits for no helper beyond a bound, and believes nothing
//! that it says but the bytes. The guard's desk calls it.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use creel_guard::{Actor, Guard, Outcome, Tenant};
use creel_scan::memory::{Flaw, Mended, audit, mend, restore};
use creel_scan::secrets::Scanner;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

use super::store::{Change, Piece, Store, digest};
use super::{Audited, Found, LONGEST_CHANGE, LONGEST_FILE, LONGEST_LINE, MemoryTask, Order, Place, Said};

/// How long the helper may take for its next word.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many texts are remembered to be clean.
const REMEMBERED: usize = 50_000;
/// The most lines that a report has of one sort.
const LINES: usize = 1_000;

/// Looks through what the agent remembers.
pub(crate) struct Auditor {
    guard: Guard,
    tenant: Tenant,
    scanner: RwLock<Arc<Scanner>>,
    store: Store,
    clean: Mutex<HashSet<[u8; 32]>>,
    /// One audit at a time.
    turn: tokio::sync::Mutex<()>,
}

/// The two ends of the helper's pipes.
pub(crate) struct Helper<R, W> {
    input: BufReader<R>,
    output: W,
    patience: Duration,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Helper<R, W> {
    pub(crate) fn new(input: R, output: W) -> Self {
        Self { input: BufReader::new(input), output, patience: PATIENCE }
    }

    async fn hear(&mut self) -> io::Result<Said> {
        let mut line = Vec::new();
        within(self.patience, (&mut self.input).take(LONGEST_LINE).read_until(b'\n', &mut line)).await?;
        serde_json::from_slice(&line).map_err(|_| io::Error::other("the helper in the jail ended or spoke nonsense"))
    }

    async fn content(&mut self, bytes: u64) -> io::Result<Vec<u8>> {
        if bytes > LONGEST_FILE {
            return Err(io::Error::other("the helper in the jail offers too much"));
        }
        let mut content = Vec::new();
        within(self.patience, (&mut self.input).take(bytes).read_to_end(&mut content)).await?;
        if content.len() as u64 == bytes { Ok(content) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    async fn order(&mut self, order: Order, bytes: &[u8]) -> io::Result<()> {
        let mut line = serde_json::to_vec(&order)?;
        line.push(b'\n');
        line.extend_from_slice(bytes);
        within(self.patience, self.output.write_all(&line)).await?;
        within(self.patience, self.output.flush()).await
    }

    /// Puts bytes in the place of the file that was just read; why not, if not.
    async fn put(&mut self, bytes: &[u8]) -> io::Result<Option<String>> {
        self.order(Order::Put { bytes: bytes.len() as u64 }, bytes).await?;
        match self.hear().await? {
            Said::Put { failed } => Ok(failed),
            _ => Err(io::Error::other("the helper in the jail spoke out of turn")),
        }
    }
}

async fn within<T>(patience: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match tokio::time::timeout(patience, work).await {
        Ok(done) => done,
        Err(_) => Err(io::Error::other("the helper in the jail stands still")),
    }
}

impl Auditor {
    pub(crate) fn new(guard: Guard, tenant: Tenant, scanner: Scanner, home: &Path) -> Self {
        Self {
            guard,
            tenant,
            scanner: RwLock::new(Arc::new(scanner)),
            store: Store::new(home.join("memory")),
            clean: Mutex::default(),
            turn: tokio::sync::Mutex::new(()),
        }
    }

    /// Looks with this one from now on; what was clean is looked at again.
    pub(crate) fn look_for(&self, scanner: Scanner) {
        *self.scanner.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(scanner);
        self.clean().clear();
    }

    fn scanner(&self) -> Arc<Scanner> {
        Arc::clone(&self.scanner.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Does what needs no helper.
    pub(crate) fn tell(&self, task: &MemoryTask) -> io::Result<String> {
        match task {
            MemoryTask::List => {
                let line = |change: &Change| {
                    let rules: Vec<&str> =
                        change.taken.iter().flat_map(|piece| &piece.rules).map(String::as_str).collect();
                    let state = if change.restored { "restored " } else { "taken out" };
                    format!("{:>5}  {state}  {}  {}\n", change.id, change.place, rules.join(" "))
                };
                Ok(self.store.all()?.iter().map(line).collect())
            }
            MemoryTask::Diff { id } => Ok(diff(&self.store.get(id)?)),
            MemoryTask::Where { id } => Ok(serde_json::to_string(&self.store.get(id)?.place)?),
            MemoryTask::Audit { .. } | MemoryTask::Restore { .. } => Err(io::Error::other("this needs a helper")),
        }
    }

    /// Looks through everything that the helper hands over.
    ///
    /// # Errors
    /// When the helper ends early, stands still or speaks nonsense: then nobody knows what stands there.
    pub(crate) async fn audit<R, W>(&self, helper: &mut Helper<R, W>, report_only: bool) -> io::Result<Audited>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let _turn = self.turn.lock().await;
        let accepted = Arc::new(self.store.accepted()?);
        let mut audited = Audited::default();
        loop {
            match helper.hear().await? {
                Said::End { cut } => {
                    if cut {
                        audited.unread.push("there is more than is ever looked at".to_owned());
                    }
                    return Ok(audited);
                }
                Said::Unread { place, why } if audited.unread.len() < LINES => {
                    audited.unread.push(format!("{place}: {why}"));
                }
                Said::Unread { .. } => {}
                Said::Put { .. } => return Err(io::Error::other("the helper in the jail spoke out of turn")),
                Said::File { place, bytes, cut } => {
                    let content = helper.content(bytes).await?;
                    audited.files += 1;
                    if cut && audited.unread.len() < LINES {
                        audited.unread.push(format!("{place}: only its first {bytes} bytes were read"));
                    }
                    let whole = !cut && bytes <= LONGEST_CHANGE;
                    let Some(seen) = self.look(&place, content, &accepted).await? else {
                        helper.order(Order::Next, &[]).await?;
                        continue;
                    };
                    let found = self.handle(helper, place, seen, report_only || !whole).await?;
                    if audited.findings.len() < LINES {
                        audited.findings.push(found);
                    }
                }
            }
        }
    }

    /// What is wrong with a file; nothing, for one that was seen before and was clean.
    async fn look(&self, place: &Place, content: Vec<u8>, accepted: &Arc<Accepted>) -> io::Result<Option<Seen>> {
        let kind = place.area.kind(&place.path);
        let key = digest(&[&content, format!("{kind:?}").as_bytes()].concat());
        if self.clean().contains(&key) {
            return Ok(None);
        }
        let (scanner, accepted) = (self.scanner(), Arc::clone(accepted));
        let with = Arc::clone(&scanner);
        let seen = tokio::task::spawn_blocking(move || {
            let mut flaws = audit(&content, kind, &with);
            let mended = mend(&content, &flaws, DRAFT, |bytes| accepted.contains(&digest(bytes)));
            let within = |flaw: &Flaw| {
                mended.spared.iter().any(|place| place.start <= flaw.place.start && flaw.place.end <= place.end)
            };
            flaws.retain(|flaw| !within(flaw));
            Seen { content, flaws, mended }
        });
        let seen = seen.await.map_err(|_| io::Error::other("the look at a file failed"))?;
        if seen.flaws.is_empty() {
            let mut clean = self.clean();
            if clean.len() >= REMEMBERED {
                clean.clear();
            }
            // Another one may have come meanwhile, which knows more.
            if Arc::ptr_eq(&scanner, &self.scanner()) {
                clean.insert(key);
            }
            return Ok(None);
        }
        Ok(Some(seen))
    }

    /// Records what was found, and takes it out where that is sure and wanted.
    async fn handle<R, W>(&self, helper: &mut Helper<R, W>, place: Place, seen: Seen, keep: bool) -> io::Result<Found>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let Seen { content, flaws, mended } = seen;
        let mut rules: Vec<String> = flaws.iter().map(|flaw| flaw.rule.to_owned()).collect();
        rules.sort();
        rules.dedup();
        let wanted = !keep && !mended.taken.is_empty();
        let id = if wanted { self.store.next().ok() } else { None };
        let act = if id.is_some() { "memory-take-out" } else { "memory-finding" };
        let detail = id.as_ref().map_or_else(String::new, |id| format!(" (change {id})"));
        let detail = format!("{place}: {}{detail}", rules.join(" "));
        let action = crate::guard_process::administer(&self.tenant, Actor::Creel, act, &detail);
        let found = |done: String, id| Found { file: place.to_string(), rules: rules.clone(), done, id };
        // Recorded first: what can't be recorded is not done.
        let receipt = match self.guard.admit(action, crate::guard_process::person_facts()).await {
            Ok(permit) => permit.redeem().1,
            Err(refusal) => {
                helper.order(Order::Next, &[]).await?;
                return Ok(found(format!("refused by `{}`", refusal.rule), None));
            }
        };
        let Some(id) = id else {
            helper.order(Order::Next, &[]).await?;
            receipt.settle(Outcome::done());
            let done = if wanted { "left: there is no room to keep what is taken out" } else { "reported" };
            return Ok(found(done.to_owned(), None));
        };
        let mended = numbered(mended, &id);
        let kept = self.store.put(&changed(&id, &place, &content, &mended));
        let failed = match kept {
            Ok(()) => helper.put(&mended.bytes).await?,
            Err(error) => {
                helper.order(Order::Next, &[]).await?;
                Some(format!("what is taken out can't be kept: {error}"))
            }
        };
        match failed {
            None => {
                receipt.settle(Outcome::done());
                Ok(found("taken out".to_owned(), Some(id)))
            }
            Some(why) => {
                self.store.forget(&id);
                receipt.settle(Outcome::failed(why.clone()));
                Ok(found(format!("left: {why}"), None))
            }
        }
    }

    /// Puts back what a change took out, and takes it out no more.
    ///
    /// # Errors
    /// When there is no such change, or the file can't be changed.
    pub(crate) async fn restore<R, W>(&self, helper: &mut Helper<R, W>, id: &str) -> io::Result<String>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let _turn = self.turn.lock().await;
        let mut change = self.store.get(id)?;
        let (place, bytes) = match helper.hear().await? {
            Said::File { place, bytes, cut: false } if place == change.place => (place, bytes),
            Said::Unread { place, why } => return Err(io::Error::other(format!("{place}: {why}"))),
            _ => return Err(io::Error::other("the file is not the one that was changed, or too long")),
        };
        let content = helper.content(bytes).await?;
        let taken: Vec<_> = change.taken.iter().map(|piece| (piece.mark.clone(), piece.bytes.clone())).collect();
        let (fresh, count) = restore(&content, &taken);
        if count == 0 {
            helper.order(Order::Next, &[]).await?;
            return Err(io::Error::other(format!(
                "{place}: no mark of this change stands there any more; `creel memory diff {id}` shows what it took"
            )));
        }
        change.restored = true;
        self.store.put(&change)?;
        if let Some(why) = helper.put(&fresh).await? {
            change.restored = false;
            self.store.put(&change)?;
            return Err(io::Error::other(format!("{place}: {why}")));
        }
        Ok(format!("{place}: {count} of {} put back\n", taken.len()))
    }

    fn clean(&self) -> std::sync::MutexGuard<'_, HashSet<[u8; 32]>> {
        self.clean.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Accepted = std::collections::BTreeSet<[u8; 32]>;

struct Seen {
    content: Vec<u8>,
    flaws: Vec<Flaw>,
    mended: Mended,
}

/// Stands for a change's id until it has one. No id is that long.
const DRAFT: &str = "creel-draft-of-a-change";

/// A change with its own marks.
fn numbered(mended: Mended, id: &str) -> Mended {
    let (mut bytes, mut taken, mut from) = (mended.bytes, mended.taken, 0);
    for piece in &mut taken {
        let mark = piece.mark.replace(DRAFT, id);
        let rest = bytes.get(from..).unwrap_or_default();
        let at = rest.windows(piece.mark.len()).position(|window| window == piece.mark.as_bytes());
        if let Some(at) = at.map(|at| from + at) {
            bytes.splice(at..at + piece.mark.len(), mark.bytes());
            from = at + mark.len();
        }
        piece.mark = mark;
    }
    Mended { bytes, taken, spared: mended.spared }
}

fn changed(id: &str, place: &Place, content: &[u8], mended: &Mended) -> Change {
    let mut from = 0;
    let piece = |taken: &creel_scan::memory::Taken| {
        let rest = content.get(from..).unwrap_or_default();
        let at =
            rest.windows(taken.bytes.len().max(1)).position(|bytes| bytes == taken.bytes).map_or(from, |at| from + at);
        from = at;
        let line = 1 + content.get(..at).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count();
        let rules = taken.rules.iter().map(|rule| (*rule).to_owned()).collect();
        Piece { mark: taken.mark.clone(), bytes: taken.bytes.clone(), rules, line }
    };
    Change { id: id.to_owned(), place: place.clone(), taken: mended.taken.iter().map(piece).collect(), restored: false }
}

/// A change as people read it: what stood there, what stands there.
fn diff(change: &Change) -> String {
    let mut text = format!("--- {}\n+++ {}\n", change.place, change.place);
    for piece in &change.taken {
        text.push_str(&format!("@@ line {} @@ {}\n", piece.line, piece.rules.join(" ")));
        for line in String::from_utf8_lossy(&piece.bytes).lines() {
            text.push_str(&format!("-{line}\n"));
        }
        text.push_str(&format!("+{}\n", piece.mark));
    }
    text
}

#[cfg(test)]
mod tests;
