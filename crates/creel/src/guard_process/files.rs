//! The files door's end of the link to the sentry, and what is put back.
//!
//! Owns the messages: what the sentry tells is recorded one by one, and answered when it is. What a rule has undone goes to the
//! warden's helper and is recorded as Creel's own act, in a task of its own, for the helper may be slow. It decides nothing.
//! The guard's process runs it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use creel_doors::files::{Answer, Files, Saw};
use creel_guard::{Actor, Guard, Outcome, Tenant};
use creel_jail_sys::seqpacket::Seq;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe::Sender;
use tokio::sync::mpsc::UnboundedReceiver;

use super::desk::Desk;
use crate::files::versions::{Shelf, Version};
use crate::files::{FilesTask, diff, whole};
use crate::link::{Link, read_memory_file};
use crate::sentry::places::LONGEST;

/// How soon what could not be recorded is tried again; the sentry counts meanwhile.
const AGAIN: Duration = Duration::from_secs(1);
/// Between the tries to put something back.
const TRIES: [Duration; 4] = [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(20)];
/// How long a person may take to read.
const PATIENCE: Duration = Duration::from_secs(30);

/// Serves the sentry until it is gone.
///
/// # Errors
/// When the link breaks otherwise.
pub(super) async fn serve(sentry: OwnedFd, door: Files, guard: Guard, tenant: Tenant) -> io::Result<()> {
    let link = Link::new(Seq::from_fd(sentry)?)?;
    link.send(&Answer::Here, &[]).await?;
    while let Some((saw, fds)) = link.recv::<Saw>().await? {
        let id = match saw {
            Saw::Touched { id, touched } => {
                let content = fds.into_iter().next().map(|fd| read_memory_file(fd, LONGEST)).transpose()?;
                while !door.touched(touched.clone(), content.clone()).await {
                    tokio::time::sleep(AGAIN).await;
                }
                id
            }
            Saw::Lost { id } => {
                while !door.lost().await {
                    tokio::time::sleep(AGAIN).await;
                }
                id
            }
            Saw::LookBegins => {
                door.look_begins();
                continue;
            }
            Saw::LookEnds { id, whole } => {
                door.look_ends(whole).await;
                id
            }
            Saw::Blind { id, why } => {
                settled(&guard, &tenant, "files-unwatched", &why).await;
                id
            }
        };
        link.send(&Answer::Recorded { id }, &[]).await?;
    }
    Ok(())
}

/// Puts back what a rule has undone.
pub(super) async fn put_back(
    mut undo: UnboundedReceiver<String>,
    shelf: Arc<Shelf>,
    desk: Arc<Desk>,
    guard: Guard,
    tenant: Tenant,
) {
    while let Some(path) = undo.recv().await {
        for pause in TRIES {
            tokio::time::sleep(pause).await;
            // what stands there now may be accepted already, or another change was undone before
            let stands = shelf.history(&path).pop();
            if stands.is_some_and(|version| version.accepted) {
                break;
            }
            let (version, content) = match shelf.accepted(&path) {
                Ok(accepted) => accepted.map_or((None, None), |(number, content)| (Some(number), content)),
                Err(error) => {
                    tracing::error!(%error, path, "what was accepted can't be read");
                    continue;
                }
            };
            let what = version.map_or_else(|| "away".to_owned(), |number| format!("version {number}"));
            let action = super::administer(&tenant, Actor::Creel, "files-undo", &format!("{path}: {what}"));
            let Ok(permit) = guard.admit(action, super::person_facts()).await else { continue };
            let receipt = permit.redeem().1;
            match desk.put_back(&path, content).await {
                Ok(()) => {
                    receipt.settle(Outcome::done());
                    break;
                }
                Err(why) => {
                    tracing::error!(why, path, "a change to a protected file is not undone");
                    receipt.settle(Outcome::failed(why));
                }
            }
        }
    }
}

/// Does `task` for a person: an exit code, and one line where the report does not say it all.
pub(super) async fn look_after(
    shelf: &Shelf,
    desk: &Desk,
    task: FilesTask,
    json: bool,
    fds: Vec<OwnedFd>,
) -> (u8, String) {
    let worked = match work(shelf, desk, task, json).await {
        Ok((text, code)) => report(fds, &text).await.map(|()| code),
        Err(error) => Err(error),
    };
    worked.map_or_else(|error| (crate::cli::FINDING, error.to_string()), |code| (code, String::new()))
}

pub(super) async fn report(fds: Vec<OwnedFd>, text: &str) -> io::Result<()> {
    let Some(fd) = fds.into_iter().next() else { return Ok(()) };
    let mut pipe = Sender::from_owned_fd(fd)?;
    match tokio::time::timeout(PATIENCE, pipe.write_all(text.as_bytes())).await {
        Ok(written) => written,
        Err(_) => Err(io::Error::other("nobody reads the report")),
    }
}

async fn work(shelf: &Shelf, desk: &Desk, task: FilesTask, json: bool) -> io::Result<(String, u8)> {
    match task {
        FilesTask::List => {
            let line = |(path, version): &(String, Version)| row(version, Some(path), json);
            Ok((shelf.all().iter().map(line).collect(), 0))
        }
        FilesTask::History { path } => {
            let history = known(shelf, &whole(&path))?;
            Ok((history.iter().map(|version| row(version, None, json)).collect(), 0))
        }
        FilesTask::Diff { path, version } => {
            let path = whole(&path);
            let history = known(shelf, &path)?;
            let (before, after) = sides(&history, version)?;
            let text = |version: Option<&Version>| -> io::Result<String> {
                let content = version.map(|version| shelf.content(&path, version.number)).transpose()?.flatten();
                Ok(String::from_utf8_lossy(&content.unwrap_or_default()).into_owned())
            };
            let shown = diff::lines(&text(before)?, &text(after)?);
            let side = |version: Option<&Version>| version.map_or_else(|| "nothing".to_owned(), heading);
            let code = if shown.is_empty() { 0 } else { crate::cli::FINDING };
            Ok((format!("--- {path} {}\n+++ {path} {}\n{shown}", side(before), side(after)), code))
        }
        FilesTask::Restore { path, version } => {
            let path = whole(&path);
            known(shelf, &path)?;
            let content = shelf.content(&path, version)?;
            shelf.accept(&path, content.as_deref());
            desk.put_back(&path, content).await.map_err(io::Error::other)?;
            Ok((format!("{path}: version {version} stands there again, and is accepted\n"), 0))
        }
    }
}

fn known(shelf: &Shelf, path: &str) -> io::Result<Vec<Version>> {
    let history = shelf.history(path);
    if history.is_empty() {
        let hint = "`creel files list` shows those that are; `[files] protected` says which";
        return Err(io::Error::other(format!("{path} is no protected file that was ever there: {hint}")));
    }
    Ok(history)
}

/// A version and the one before it; without a number what stands there now and the last that was accepted.
fn sides(history: &[Version], number: Option<u64>) -> io::Result<(Option<&Version>, Option<&Version>)> {
    let Some(number) = number else {
        return Ok((history.iter().rev().find(|version| version.accepted), history.last()));
    };
    let at = history.iter().position(|version| version.number == number);
    let at = at.ok_or_else(|| io::Error::other(format!("there is no version {number}")))?;
    Ok((at.checked_sub(1).and_then(|before| history.get(before)), history.get(at)))
}

fn row(version: &Version, path: Option<&str>, json: bool) -> String {
    let Version { number, digest, bytes, at_ms, accepted, kept, clean: _ } = version;
    if json {
        let mut line = serde_json::json!({
            "version": number, "digest": digest, "bytes": bytes, "at_ms": at_ms, "accepted": accepted, "kept": kept,
        });
        if let (Some(path), Some(line)) = (path, line.as_object_mut()) {
            line.insert("path".to_owned(), path.into());
        }
        return format!("{line}\n");
    }
    let path = path.map_or_else(String::new, |path| format!("  {path}"));
    let gone = if *kept { "" } else { "  not kept any more" };
    format!("{number:>5}  {}  {:>9}  {}{path}{gone}\n", time(*at_ms), size(version), word(*accepted))
}

fn size(version: &Version) -> String {
    if version.digest.is_empty() { "deleted".to_owned() } else { format!("{} B", version.bytes) }
}

fn word(accepted: bool) -> &'static str {
    if accepted { "accepted" } else { "changed " }
}

fn heading(version: &Version) -> String {
    format!("version {} ({}, {})", version.number, time(version.at_ms), word(version.accepted).trim_end())
}

fn time(at_ms: u64) -> String {
    let at = time::OffsetDateTime::from_unix_timestamp(i64::try_from(at_ms / 1000).unwrap_or(0));
    let form = time::macros::format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z");
    at.ok().and_then(|at| at.format(form).ok()).unwrap_or_default()
}

/// An act of Creel's own that says something and does nothing.
async fn settled(guard: &Guard, tenant: &Tenant, act: &str, detail: &str) {
    let action = super::administer(tenant, Actor::Creel, act, detail);
    if let Ok(permit) = guard.admit(action, super::person_facts()).await {
        permit.redeem().1.settle(Outcome::done());
    }
}
