//! A copy of the log elsewhere (C2SP tlog-tiles): in a folder on another disk, or in an object store.
//!
//! Owns when it is copied and what is told of it. The warden makes the folder; while a place is away, the ledger keeps what it
//! lacks. Called by a sender.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use creel_guard::RecordId;
use creel_ledger::{CHECKPOINT, Error, Lacking};
use http::{Method, Request, StatusCode};

use super::{Sender, lock, read};
use crate::config::ExportTo;
use crate::guard_process::post::Post;

/// Between two copies of the right edge, which every checkpoint changes.
const EVERY: Duration = Duration::from_secs(10);
/// How often a new checkpoint is looked for.
const LOOK: Duration = Duration::from_secs(1);
/// The longest answer that is read: a tile, or what a store says of a failure.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Where a copy is.
pub(super) enum Copy {
    Folder(PathBuf),
    Bucket(Box<Bucket>),
}

/// The objects of one tenant's log.
pub(super) struct Bucket {
    post: Post,
    /// Between the prefix and the names: `/TENANT`.
    below: String,
    record: RecordId,
}

impl Sender {
    /// Where the copy is, when a copy is what this place has.
    pub(super) fn copy(&self, record: RecordId) -> Option<Copy> {
        if let Some(folder) = self.config.folder(&self.tenant) {
            return Some(Copy::Folder(folder));
        }
        let ExportTo::Bucket(place) = &self.config.to else { return None };
        let post = Post { place: place.clone(), means: self.means.clone() };
        Some(Copy::Bucket(Box::new(Bucket { post, below: format!("/{}", self.tenant), record })))
    }

    /// For as long as it goes well.
    pub(super) async fn replicate(
        &self,
        copy: &Copy,
        mut works: impl FnMut(),
    ) -> Result<std::convert::Infallible, String> {
        let mut have = self.begun(copy, read(&self.place)?).await?;
        lock(&self.state.0).lines = have;
        loop {
            let Some(lacking) = creel_ledger::lacking(&self.ledger, have).map_err(told)? else {
                lock(&self.state.0).failed = None;
                works();
                tokio::time::sleep(LOOK).await;
                continue;
            };
            let copied = match copy {
                Copy::Folder(folder) => lacking.copy_into(folder).map(|()| true).or_else(overtaken),
                Copy::Bucket(bucket) => bucket.take(&lacking).await,
            };
            if !copied? {
                tokio::time::sleep(LOOK).await;
                continue;
            }
            have = lacking.upto();
            self.keep(have)?;
            works();
            tokio::time::sleep(if lacking.is_last() { EVERY } else { super::BREATH }).await;
        }
    }

    /// How many leaves the copy has that should have `known`.
    async fn begun(&self, copy: &Copy, known: u64) -> Result<u64, String> {
        match copy {
            Copy::Folder(folder) if !folder.is_dir() => {
                Err(format!("`{}` is not there; mount its disk and start Creel again", folder.display()))
            }
            Copy::Folder(folder) => creel_ledger::replicated(&self.ledger, folder, known).map_err(told),
            Copy::Bucket(bucket) => {
                if let Some(note) = bucket.object(CHECKPOINT).await? {
                    creel_ledger::agrees(&self.ledger, &String::from_utf8_lossy(&note)).map_err(told)?;
                }
                for path in creel_ledger::edge(known) {
                    if bucket.object(&path).await?.is_none() {
                        return Ok(0);
                    }
                }
                Ok(known)
            }
        }
    }
}

impl Bucket {
    /// Puts what is lacking there, the checkpoint last; `false` when a later one took its place.
    async fn take(&self, lacking: &Lacking) -> Result<bool, String> {
        for file in lacking.files() {
            match file {
                Ok((path, bytes)) => self.put(&path, bytes).await?,
                Err(error) => return overtaken(error),
            }
        }
        for path in lacking.stale() {
            // What stays costs room and harms nobody; a key that may not delete is the safer one.
            let _ = self.ask(Method::DELETE, &path, Vec::new()).await;
        }
        Ok(true)
    }

    async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<(), String> {
        let scrubbed = self.post.means.broker.scrub(bytes.clone()).await.map_err(|error| error.to_string())?;
        if scrubbed != bytes {
            return Err(format!("`{path}` is not copied: a secret of this tenant's stands in it"));
        }
        match self.ask(Method::PUT, path, bytes).await? {
            (status, _) if status.is_success() => Ok(()),
            (status, _) => Err(format!("`{}` answered {} to a file", self.post.place, status.as_u16())),
        }
    }

    /// What is there; nothing where nothing is.
    async fn object(&self, path: &str) -> Result<Option<Bytes>, String> {
        match self.ask(Method::GET, path, Vec::new()).await? {
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (status, bytes) if status.is_success() => Ok(Some(bytes)),
            (status, _) => {
                Err(format!("`{}` answered {} (may the key list and read?)", self.post.place, status.as_u16()))
            }
        }
    }

    async fn ask(&self, method: Method, path: &str, bytes: Vec<u8>) -> Result<(StatusCode, Bytes), String> {
        let request =
            Request::builder().method(method).uri("/").body(bytes.into()).map_err(|error| error.to_string())?;
        let suffix = format!("{}/{path}", self.below);
        let (status, body) = self.post.ask(request, &suffix, (self.record, LONGEST_ANSWER)).await?;
        Ok((StatusCode::from_u16(status).map_err(|error| error.to_string())?, body))
    }
}

fn told(error: Error) -> String {
    error.to_string()
}

/// A later checkpoint may have taken the place of the one that is being copied.
fn overtaken(error: Error) -> Result<bool, String> {
    match error {
        Error::Overtaken => Ok(false),
        error => Err(told(error)),
    }
}

#[cfg(test)]
mod tests;
