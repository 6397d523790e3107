//! A copy of the log in a folder on another disk (C2SP tlog-tiles).
//!
//! Owns when it is copied and what is told of it. The warden makes the folder; while it is away, the ledger keeps what it lacks.
//! Called by a sender.

use std::path::Path;
use std::time::Duration;

use super::{Sender, lock, read};

/// Between two copies of the right edge, which every checkpoint changes.
const EVERY: Duration = Duration::from_secs(10);
/// How often a new checkpoint is looked for.
const LOOK: Duration = Duration::from_secs(1);

impl Sender {
    /// For as long as it goes well.
    pub(super) async fn replicate(
        &self,
        folder: &Path,
        mut works: impl FnMut(),
    ) -> Result<std::convert::Infallible, String> {
        let told = |error: creel_ledger::Error| error.to_string();
        if !folder.is_dir() {
            return Err(format!("`{}` is not there; mount its disk and start Creel again", folder.display()));
        }
        let mut have = creel_ledger::replicated(&self.ledger, folder, read(&self.place)?).map_err(told)?;
        lock(&self.state.0).lines = have;
        loop {
            let Some(lacking) = creel_ledger::lacking(&self.ledger, have).map_err(told)? else {
                lock(&self.state.0).failed = None;
                works();
                tokio::time::sleep(LOOK).await;
                continue;
            };
            match lacking.copy_into(folder) {
                // A later checkpoint took the place of this one.
                Err(creel_ledger::Error::Overtaken) => {
                    tokio::time::sleep(LOOK).await;
                    continue;
                }
                copied => copied.map_err(told)?,
            }
            have = lacking.upto();
            self.keep(have)?;
            works();
            tokio::time::sleep(if lacking.is_last() { EVERY } else { super::BREATH }).await;
        }
    }
}

#[cfg(test)]
mod tests;
