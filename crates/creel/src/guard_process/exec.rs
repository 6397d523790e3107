//! The exec door's end of the link to the porter.
//!
//! Owns the messages: each program that the porter asks about is judged beside the others, and what it tells is handed on.
//! It decides nothing. The guard's process runs it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use creel_doors::exec::{Answer, Exec, Saw};
use creel_jail_sys::seqpacket::Seq;
use tokio::task::JoinSet;

use crate::link::Link;

/// Serves the porter until it is gone.
///
/// # Errors
/// When the link breaks otherwise.
pub(super) async fn serve(porter: OwnedFd, door: Arc<Exec>) -> io::Result<()> {
    let link = Arc::new(Link::new(Seq::from_fd(porter)?)?);
    link.send(&Answer::Here, &[]).await?;
    let mut under_way = JoinSet::new();
    while let Some((saw, _)) = link.recv::<Saw>().await? {
        match saw {
            Saw::Exec { id, sight } => {
                let (link, judged) = (Arc::clone(&link), Arc::clone(&door).asked(id, sight));
                under_way.spawn(async move {
                    let answer = judged.await;
                    if let Err(error) = link.send(&answer, &[]).await {
                        tracing::warn!(%error, "the porter can't be answered");
                    }
                });
            }
            Saw::Lives { pid, record, trace } => door.lives(pid, record, trace),
            Saw::Ended { pid, status } => door.ended(pid, status),
            Saw::Tried { program, pid, call, times } => {
                under_way.spawn(door.tried(&program, pid, &call, times));
            }
        }
        while under_way.try_join_next().is_some() {}
    }
    while under_way.join_next().await.is_some() {}
    Ok(())
}
