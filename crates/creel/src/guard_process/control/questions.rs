//! People's look at the questions that wait, and their answers.
//!
//! Owns what of the control door those may reach who are no operators (`[approvals] people`): it lists questions, tells of new
//! ones, and takes a Yes or a No as an act that is admitted and recorded before it counts. `control` calls it.

use std::io;
use std::sync::Arc;

use creel_guard::{Actor, Guard, Outcome, Tenant};
use tokio::sync::broadcast::error::RecvError;

use super::{Talk, hung_up, person, unburdened};
use crate::guard_process::administer;
use crate::guard_process::approvals::{Approvals, Effect, News, Open};
use crate::guard_process::desk::person_facts;
use crate::link::Link;
use crate::protocol::{FromControl, ToControl};

/// Answers `asked` where it is about questions.
pub(super) async fn converse(link: &Link, uid: u32, talk: &Talk, asked: &ToControl) -> io::Result<()> {
    match *asked {
        ToControl::Questions => {
            for open in talk.approvals.list() {
                link.send(&told(open), &[]).await?;
            }
            link.send(&FromControl::Done, &[]).await
        }
        ToControl::Watch => watch(link, &talk.approvals).await,
        ToControl::Decide { id, yes } => {
            let by = By { who: person(uid), how: "" };
            let told = match decide(&by, &Questions::of(talk), id, yes).await {
                Ok(effect) => FromControl::Answered { effect },
                Err(told) => told,
            };
            link.send(&told, &[]).await
        }
        _ => {
            link.send(&FromControl::Failed { why: "this is the operator's; you may answer questions".to_owned() }, &[])
                .await
        }
    }
}

/// Tells of each question until the person hangs up.
async fn watch(link: &Link, approvals: &Approvals) -> io::Result<()> {
    let mut news = approvals.news();
    let mut known = 0;
    for open in approvals.list() {
        known = open.id;
        link.send(&told(open), &[]).await?;
    }
    loop {
        tokio::select! {
            new = news.recv() => match new {
                Ok(News::Question(open)) if open.id <= known => {}
                Ok(new) => link.send(&told_of(new), &[]).await?,
                // the list of the next `creel approvals` has what was missed
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            },
            () = hung_up(link) => return Ok(()),
        }
    }
}

/// What is new, for the command line.
pub(super) fn told_of(news: News) -> FromControl {
    match news {
        News::Question(open) => FromControl::Question { open },
        News::TooMany(why) => FromControl::TooMany { why },
    }
}

fn told(open: Open) -> FromControl {
    FromControl::Question { open: Box::new(open) }
}

/// What it takes to answer.
#[derive(Clone)]
pub(super) struct Questions {
    pub(super) guard: Guard,
    pub(super) tenant: Tenant,
    pub(super) approvals: Arc<Approvals>,
}

impl Questions {
    pub(super) fn of(talk: &Talk) -> Self {
        let Talk { guard, tenant, approvals, .. } = talk;
        Self { guard: guard.clone(), tenant: tenant.clone(), approvals: Arc::clone(approvals) }
    }
}

/// Who answers, and by what means.
pub(super) struct By {
    pub(super) who: String,
    /// For the record; empty for the control socket.
    pub(super) how: &'static str,
}

/// A person's answer is an act like any other: admitted and recorded before it counts.
pub(super) async fn decide(by: &By, talk: &Questions, id: u64, yes: bool) -> Result<Effect, FromControl> {
    let Some(open) = talk.approvals.find(id) else {
        return Err(FromControl::Failed { why: format!("no question {id} is open; `creel approvals` lists them") });
    };
    let act = if yes { "approve" } else { "deny" };
    let texts: Vec<&str> = open.texts().collect();
    let By { who, how } = by;
    let detail = format!("{id}{how}: {}", texts.join("\n"));
    let action = administer(&talk.tenant, Actor::Person { name: who.clone() }, act, &detail);
    let permit = talk.guard.admit(action, person_facts()).await.map_err(|refusal| FromControl::Refused { refusal })?;
    let receipt = unburdened(permit).map_err(|why| FromControl::Failed { why })?;
    match talk.approvals.answer(id, yes, who) {
        Ok(effect) => {
            receipt.settle(Outcome::done());
            Ok(effect)
        }
        Err(why) => {
            receipt.settle(Outcome::failed(why.clone()));
            Err(FromControl::Failed { why })
        }
    }
}
