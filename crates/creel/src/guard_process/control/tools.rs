//! What people ask and say about the definitions of tools.
//!
//! Owns their part of the control socket's protocol. To accept and to forget are acts of a person, admitted and recorded
//! before they count.

use std::io;

use creel_guard::{Actor, Outcome};

use super::{Talk, person, unburdened};
use crate::guard_process::desk::person_facts;
use crate::link::Link;
use crate::protocol::{FromControl, ToControl};

pub(super) async fn converse(link: &Link, uid: u32, talk: &Talk, asked: ToControl) -> io::Result<()> {
    let told = match asked {
        ToControl::AcceptTool { source, name, digest } => {
            let detail = format!("{name} of {source}: sha256 {digest}");
            act(uid, talk, "tool-accept", &detail, || talk.tools.accept(&source, &name, &digest)).await
        }
        ToControl::ForgetTools => {
            act(uid, talk, "tools-forget", "", || talk.tools.forget(creel_openclaw::OPENCLAW_VERSION)).await
        }
        _ => match talk.tools.rows() {
            Ok(rows) => {
                for row in rows {
                    link.send(&FromControl::Tool { row: Box::new(row) }, &[]).await?;
                }
                Ok(())
            }
            Err(why) => Err(FromControl::Failed { why }),
        },
    };
    link.send(&told.map_or_else(|told| told, |()| FromControl::Done), &[]).await
}

async fn act(
    uid: u32,
    talk: &Talk,
    act: &str,
    detail: &str,
    work: impl FnOnce() -> Result<(), String>,
) -> Result<(), FromControl> {
    let who = Actor::Person { name: person(uid) };
    let action = super::super::administer(&talk.tenant, who, act, detail);
    let permit = talk.guard.admit(action, person_facts()).await.map_err(|refusal| FromControl::Refused { refusal })?;
    let receipt = unburdened(permit).map_err(|why| FromControl::Failed { why })?;
    match work() {
        Ok(()) => {
            receipt.settle(Outcome::done());
            Ok(())
        }
        Err(why) => {
            receipt.settle(Outcome::failed(why.clone()));
            Err(FromControl::Failed { why })
        }
    }
}
