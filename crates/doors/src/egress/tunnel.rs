//! Connections that are no HTTP: tunnels, any TCP, and protocols that turn to TLS on their way.
//!
//! Owns the way from such a connection to a splice. It is judged once, by host and port, before anything is connected to;
//! bytes and duration are on record. Never looks into a tunnel but for the name in its first message. Where secrets go, mail is
//! read until somebody has signed in. Called by
//! [`super::serve`].

use std::sync::Arc;

use creel_guard::{Facts, Mode, Obligations, Outcome, Permit, Send};
use tokio::time::timeout;

use super::aim::Aim;
use super::config::{HANDSHAKE_LIMIT, MAX_BODY};
use super::splice::{self, AtMost, Guarded, Splice, Standing, Way};
use super::uses::Uses;
use super::{Egress, Flaw, enforce, hello, mail, starttls};
use crate::Error;
use crate::leak::Search;
use crate::stream::{Io, Prefixed};
use crate::upstream::{Place, Scheme};

/// Bytes for `aim`, where an entry says that `mode` is spoken.
pub(super) async fn serve(door: Arc<Egress>, aim: Arc<Aim>, mode: Mode, stream: Box<dyn Io>) {
    let agent = match opened(&aim, mode, stream).await {
        Ok(agent) => agent,
        Err(flaw) => return door.record(&aim, flaw).await,
    };
    let send = Send { scheme: mode.word().to_owned(), body: None, ..aim.as_send() };
    let action = door.action(send);
    let needs = door.guard.needs(&action);
    let spent = door.meter.count(&needs.rates);
    let siblings = door.siblings(&needs, &aim.to);
    // Without TLS of ours: the agent's own, or what is turned on later.
    let (place, vouched, _) = door.place(&aim, Scheme::Http).await;
    let addresses = place.as_ref().map_or_else(Vec::new, |place| place.addresses.clone());
    let (dnssec, resolver) = (vouched.dnssec, vouched.resolver);
    let facts = Facts { addresses, spent, siblings, dnssec, resolver, ..Facts::default() };
    let standing = Standing::new(&door, &action, &facts);
    match (door.guard.admit(action, facts).await, place) {
        (Ok(permit), Some(place)) if door.counted(siblings, &aim.to) => {
            carry(&door, permit, standing, Carried { aim, mode, agent, place }).await;
        }
        (Ok(permit), _) => drop(enforce::decline(permit)),
        (Err(refusal), _) => {
            tracing::debug!(rule = %refusal.rule, record = refusal.record, to = %aim.to, "connection refused");
        }
    }
}

/// What the agent's side must show before it is judged: a tunnel, for which name it is.
async fn opened(aim: &Aim, mode: Mode, mut stream: Box<dyn Io>) -> Result<Box<dyn Io>, Flaw> {
    if mode != Mode::Tunnel {
        return Ok(stream);
    }
    let Ok((bytes, hello)) = timeout(HANDSHAKE_LIMIT, hello::read(&mut stream)).await else { return Err(Flaw::BadTls) };
    let hello = hello.ok_or(Flaw::BadTls)?;
    if hello.hides || !aim.agrees_with_sni(hello.server_name.as_deref()) {
        return Err(Flaw::SniMismatch);
    }
    Ok(Box::new(Prefixed::new(bytes.into(), stream)))
}

/// A connection that was judged.
struct Carried {
    aim: Arc<Aim>,
    mode: Mode,
    agent: Box<dyn Io>,
    place: Place,
}

async fn carry(door: &Arc<Egress>, permit: Permit, mut standing: Standing, carried: Carried) {
    let (obligations, receipt) = permit.redeem();
    let Obligations { inject, swaps, scrub, max_bytes, deadline_ms } = obligations;
    let Carried { aim, mode, agent, place } = carried;
    if let Some(inject) = swaps.into_iter().chain(inject).next() {
        return receipt.settle(Outcome::failed(format!("`{}` has no place in this connection", inject.secret)));
    }
    let mail = matches!(mode, Mode::Smtp | Mode::Imap);
    if scrub && !mail {
        return receipt.settle(Outcome::failed("no secret can be taken out of what comes back there"));
    }
    let mut deadline = enforce::alarm(deadline_ms);
    let ready = tokio::select! {
        ready = reached(door, &aim, mode, agent, &place) => ready,
        () = enforce::ring(&mut deadline) => Err(Error::UpstreamSlow("it was not over by its deadline".to_owned())),
    };
    let (agent, upstream) = match ready {
        Ok(both) => both,
        Err(error) => return receipt.settle(Outcome::failed(error.to_string())),
    };
    standing.deadline = deadline;
    let most = max_bytes.unwrap_or(MAX_BODY).min(MAX_BODY);
    let search = door.leaks.clone().map(Search::new);
    let (up, down) = if scrub {
        // TLS stands on both sides now.
        let place = Place { scheme: Scheme::Https, ..place };
        let (agent, server) = mail::both(mode == Mode::Imap, Uses::new(door, &standing, place), most, search);
        (Way::Rewritten(Box::new(agent)), Way::Rewritten(Box::new(server)))
    } else {
        let up = Guarded { inner: AtMost(most), search };
        (Way::Watched(Box::new(up)), Way::Watched(Box::new(AtMost(u64::MAX))))
    };
    splice::run(door, Splice { agent, upstream, up, down, farewell: None }, standing, receipt).await;
}

/// Both sides, at the point from which on bytes pass as they are.
async fn reached(
    door: &Egress,
    aim: &Aim,
    mode: Mode,
    agent: Box<dyn Io>,
    place: &Place,
) -> Result<(Box<dyn Io>, Box<dyn Io>), Error> {
    let upstream = door.client.open(place).await?;
    match mode {
        Mode::Http | Mode::Tunnel | Mode::Tcp => Ok((agent, upstream)),
        Mode::Smtp | Mode::Imap | Mode::Postgres => {
            let turn = starttls::Turn { ca: &door.ca, client: &door.client, aim, place, mode };
            turn.to_tls(agent, upstream).await
        }
    }
}
