//! The memory audit, as the guard is asked for it.
//!
//! Owns the descriptors that came along, and the report that people read. It looks at nothing itself. Called by the desk.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe::{Receiver, Sender};

use super::alerts::Alerts;
use crate::memory::auditor::{Auditor, Helper};
use crate::memory::{Audited, MemoryTask};

/// How long a person may take to read the report.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// Does `task`: an exit code, and one line where the report does not say it all.
pub(super) async fn look_after(
    auditor: &Auditor,
    alerts: &Alerts,
    task: MemoryTask,
    json: bool,
    fds: Vec<OwnedFd>,
) -> (u8, String) {
    match work((auditor, alerts), task, json, fds.into_iter()).await {
        Ok(done) => done,
        Err(error) => (crate::cli::FINDING, error.to_string()),
    }
}

async fn work(
    (auditor, alerts): (&Auditor, &Alerts),
    task: MemoryTask,
    json: bool,
    mut fds: std::vec::IntoIter<OwnedFd>,
) -> io::Result<(u8, String)> {
    let (text, code, said) = match &task {
        MemoryTask::Audit { report_only } => {
            let audited = auditor.audit(&mut helper(&mut fds)?, *report_only).await?;
            alerts.raise_memory(&audited.findings);
            let is_fine = audited.findings.is_empty() && audited.unread.is_empty();
            let text = if json { format!("{}\n", serde_json::to_string(&audited)?) } else { report(&audited) };
            let said = format!(
                "{} files looked through, something in {}, {} not or not wholly read",
                audited.files,
                audited.findings.len(),
                audited.unread.len()
            );
            (text, if is_fine { 0 } else { crate::cli::FINDING }, said)
        }
        MemoryTask::Restore { id, .. } => (auditor.restore(&mut helper(&mut fds)?, id).await?, 0, String::new()),
        task => (auditor.tell(task)?, 0, String::new()),
    };
    let Some(report) = fds.next() else { return Ok((code, said)) };
    let mut report = Sender::from_owned_fd(report)?;
    match tokio::time::timeout(PATIENCE, report.write_all(text.as_bytes())).await {
        Ok(written) => written.map(|()| (code, said)),
        Err(_) => Err(io::Error::other("nobody reads the report")),
    }
}

fn helper(fds: &mut impl Iterator<Item = OwnedFd>) -> io::Result<Helper<Receiver, Sender>> {
    let (Some(input), Some(output)) = (fds.next(), fds.next()) else {
        return Err(io::Error::other("no helper came along"));
    };
    Ok(Helper::new(Receiver::from_owned_fd(input)?, Sender::from_owned_fd(output)?))
}

fn report(audited: &Audited) -> String {
    let mut text = String::new();
    for found in &audited.findings {
        let id = found.id.as_ref().map_or_else(String::new, |id| format!(" (change {id})"));
        text.push_str(&format!("{}: {}: {}{id}\n", found.file, found.rules.join(" "), found.done));
    }
    for unread in &audited.unread {
        text.push_str(&format!("not read: {unread}\n"));
    }
    text
}
