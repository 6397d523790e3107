//! People's look at the questions that wait, and their answers.
//!
//! Owns what of the control door those may reach who are no operators (`[approvals] people`): it lists questions, tells of new
//! ones, and takes a Yes or a No as an act that is admitted and recorded before it counts. `control` calls it.

use std::io;

use creel_guard::{Actor, Outcome};
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
            let told = match decide(&person(uid), talk, id, yes).await {
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

/// A person's answer is an act like any other: admitted and recorded before it counts.
async fn decide(who: &str, talk: &Talk, id: u64, yes: bool) -> Result<Effect, FromControl> {
    let Some(open) = talk.approvals.find(id) else {
        return Err(FromControl::Failed { why: format!("no question {id} is open; `creel approvals` lists them") });
    };
    let act = if yes { "approve" } else { "deny" };
    let texts: Vec<&str> = open.texts().collect();
    let detail = format!("{id}: {}", texts.join("\n"));
    let action = administer(&talk.tenant, Actor::Person { name: who.to_owned() }, act, &detail);
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
