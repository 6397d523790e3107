//! The egress door: bytes leaving the jail.
//!
//! Takes connections that the kernel turned round to it and those to its proxy socket, reads the requests on them, has
//! each one judged, and carries the admitted ones out. It never decides, and never resolves or connects before the answer. The guard process serves
//! it on sockets planted inside the jail's network namespace.

mod aim;
mod aws;
mod chunks;
pub mod config;
mod declared;
#[cfg(test)]
mod differ;
mod enforce;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod gate;
mod head;
mod headers;
mod hello;
mod http2;
mod mail;
mod mcp;
mod meter;
mod minted;
mod refuse;
mod relay;
mod secret;
mod see;
mod serve;
mod splice;
mod starttls;
#[cfg(test)]
mod tests;
mod tunnel;
mod uses;
mod websocket;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use creel_guard::{
    Action, Actor, Deed, Door, Facts, Form, Guard, Inject, Mode, Needs, Outcome, Permit, Refusal, Send as SendDeed,
    Target, Tenant,
};
use creel_secrets::Broker;
use http::request::Parts;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub use config::{Config, HostPattern, HostSettings};
pub use meter::Meter;
pub use see::Flaw;

use crate::accept;
use crate::ca::Ca;
use crate::leak::{self, Leaks};
use crate::names::Names;
use crate::shutdown::Shutdown;
use crate::stream::Body;
use crate::upstream::{Client, Place, Resolve, Resolved, Scheme};
use aim::Aim;
use config::MAX_CONNECTIONS;
use enforce::{Admitted, Bodily};
use gate::Ruling;
use head::Switch;
use refuse::{Ground, Voice};
use see::Seen;
use serve::Asked;
use splice::Standing;

/// Says where a connection was going before the kernel turned it round (`SO_ORIGINAL_DST`).
pub type OriginalDestination = Arc<dyn Fn(&TcpStream) -> io::Result<SocketAddr> + Send + Sync>;

/// What the egress door of one jail works with.
#[derive(Clone)]
pub struct Egress {
    /// The one door to pass.
    pub guard: Guard,
    /// Whose jail it is.
    pub tenant: Tenant,
    /// What synthetic addresses stand for.
    pub names: Arc<Names>,
    /// Mints what the agent's TLS clients see.
    pub ca: Arc<Ca>,
    /// Opens connections to upstreams.
    pub client: Client,
    /// Resolves approved names.
    pub resolver: Arc<dyn Resolve>,
    /// What the operator approved; read at each request.
    pub config: watch::Receiver<Arc<Config>>,
    /// Where connections were going.
    pub original: OriginalDestination,
    /// Counts requests by the policy's rates.
    pub meter: Arc<Meter>,
    /// Fills secrets in, and takes them out of answers.
    pub broker: Arc<dyn Broker>,
    /// Knows what must not leave in a stream; none where nothing is known.
    pub leaks: Option<Arc<dyn Leaks>>,
}

/// Who answers for the addresses of a place.
#[derive(Default)]
struct Vouched {
    dnssec: Option<bool>,
    resolver: Option<String>,
}

/// Serves connections that were turned round to `listeners`, until `shutdown`.
pub async fn serve_transparent(door: Egress, listeners: Vec<TcpListener>, shutdown: Shutdown) {
    let door = Arc::new(door);
    let work = move |stream| Arc::clone(&door).turned_round(stream);
    accept::serve("egress", listeners, MAX_CONNECTIONS, shutdown, work).await;
}

/// Serves the explicit proxy on `listeners`, until `shutdown`: `CONNECT` and absolute URIs.
pub async fn serve_explicit(door: Egress, listeners: Vec<TcpListener>, shutdown: Shutdown) {
    let door = Arc::new(door);
    let work = move |stream| Arc::clone(&door).to_proxy(stream);
    accept::serve("egress proxy", listeners, MAX_CONNECTIONS, shutdown, work).await;
}

impl Egress {
    /// One request: seen, judged, carried out or refused.
    async fn request(self: &Arc<Self>, asked: Asked, mut request: Request<Incoming>) -> Response<Body> {
        let Asked { aim, scheme, ruling, explicit, switches } = asked;
        let wants = ruling.as_ref().is_ok_and(|head| head.switch == Switch::WebSocket);
        let on = wants.then(|| hyper::upgrade::on(&mut request));
        let (parts, body) = request.into_parts();
        let voice = Voice::of(parts.version, &parts.headers);
        let aim = &*aim;
        let Seen { mut send, mut flaw, head } = self.seen(aim, scheme, &parts, ruling);
        let mut placeholders = if flaw.is_none() { self.broker.take(&mut send) } else { Vec::new() };
        let mut action = self.action(send);
        let needs = if flaw.is_none() { self.guard.needs(&action) } else { Needs::default() };
        let spent = self.meter.count(&needs.rates);
        let siblings = self.siblings(&needs, &aim.to);
        let body = match (needs.form, &mut action.deed) {
            (Some(form), Deed::Send(send)) if send.body != Some(0) && on.is_none() => {
                flaw = self.read(form, send, body, &mut placeholders).await;
                send.content.clone().map(Bodily::Judged)
            }
            _ => Some(Bodily::Streamed(body)),
        };
        let (place, vouched, ground) = match flaw {
            Some(Flaw::HostMismatch) if explicit => (None, Vouched::default(), Ground::TwoPlaces),
            Some(flaw) => (None, Vouched::default(), Ground::Flaw(flaw)),
            None => self.place(aim, scheme).await,
        };
        let facts = Facts {
            addresses: place.as_ref().map_or_else(Vec::new, |place| place.addresses.clone()),
            flaw: flaw.map(|flaw| flaw.word().to_owned()),
            spent,
            siblings,
            at: needs.clock.then(now).flatten(),
            placeholders,
            dnssec: vouched.dnssec,
            resolver: vouched.resolver,
            ..Facts::default()
        };
        let path = match &action.deed {
            Deed::Send(send) => send.path.clone(),
            _ => String::new(),
        };
        let standing = on.map(|on| (on, Standing::new(self, &action, &facts)));
        let answer = self.admit(action, facts).await;
        let counted = answer.is_err() || self.counted(siblings, &aim.to);
        match (answer, head, place, body) {
            (Ok(permit), Some(head), Some(place), Some(body)) if flaw.is_none() && counted => {
                let authority = aim.authority(scheme);
                let leaks = self.leaks.clone();
                let admitted = Admitted { parts, body, path, head, authority, place, leaks };
                match standing {
                    None => enforce::carry_out(&self.client, self.broker.as_ref(), permit, admitted).await,
                    Some((on, standing)) => {
                        let asked = websocket::Asked { on, admitted, standing };
                        websocket::open(self, permit, asked, &switches).await
                    }
                }
            }
            (Ok(permit), _, _, _) => enforce::decline(permit),
            (Err(refusal), _, _, _) => refuse::refusal(&refusal, ground, voice),
        }
    }

    /// Has a request judged, and then each call of a tool that its body makes: where one is refused, none goes out.
    async fn admit(&self, action: Action, facts: Facts) -> Result<Permit, Refusal> {
        let calls = match &action.deed {
            Deed::Send(send) => mcp::calls(send.content.as_ref()),
            _ => Vec::new(),
        };
        let permit = self.guard.admit(action, facts).await?;
        if calls.is_empty() {
            return Ok(permit);
        }
        match mcp::admit(&self.guard, &self.tenant, calls).await {
            Ok(receipts) => {
                receipts.into_iter().for_each(|receipt| receipt.settle(Outcome::done()));
                Ok(permit)
            }
            Err(refusal) => {
                permit.redeem().1.settle(Outcome::failed("a call of a tool in it was refused"));
                Err(refusal)
            }
        }
    }

    /// Reads a body that is judged, and takes its placeholders out.
    async fn read(
        &self,
        form: Form,
        send: &mut SendDeed,
        body: Incoming,
        placeholders: &mut Vec<Inject>,
    ) -> Option<Flaw> {
        send.content = declared::read(form, &send.headers, body).await;
        placeholders.append(&mut self.broker.take(send));
        send.content = send.content.take().map(declared::digested);
        send.body = send.content.as_ref().map(|content| content.text.len() as u64);
        send.content.is_none().then_some(Flaw::BadBody)
    }

    /// What a request would do. A body is only let out where it can be searched, and some encodings can't be undone.
    fn seen(&self, aim: &Aim, scheme: Scheme, parts: &Parts, ruling: Ruling) -> Seen {
        let mut seen = see::request(aim, scheme, &parts.method, &parts.uri, &parts.headers, ruling);
        let searched = self.leaks.is_some() && seen.send.body != Some(0);
        if seen.flaw.is_none() && searched && leak::codings(&parts.headers).is_none() {
            seen.flaw = Some(Flaw::PackedBody);
        }
        seen
    }

    /// How many other names the jail has below the wildcard that the policy asked about.
    fn siblings(&self, needs: &Needs, to: &Target) -> Option<u64> {
        match (&needs.below, to) {
            (Some(suffix), Target::Host(host)) => Some(self.names.others_below(suffix, host)),
            _ => None,
        }
    }

    /// A name below a wildcard that came past the dns door counts from now on.
    fn counted(&self, siblings: Option<u64>, to: &Target) -> bool {
        siblings.is_none() || matches!(to, Target::Host(host) if self.names.assign(host).is_ok())
    }

    /// Where a request would go, whether the resolver vouched for it, and what a refusal would then be about. Only names
    /// that the operator approved are resolved: a name is bytes that leave, too.
    async fn place(&self, aim: &Aim, scheme: Scheme) -> (Option<Place>, Vouched, Ground) {
        let config = Arc::clone(&self.config.borrow());
        let settings = config.settings(&aim.to, aim.port);
        let known = |address: &IpAddr| Resolved { addresses: vec![*address], ..Resolved::default() };
        let Resolved { addresses, dnssec, resolver } = match (&aim.to, settings) {
            (Target::Address(address), _) => known(address),
            (Target::Host(_), None) => return (None, Vouched::default(), Ground::Rule),
            (Target::Host(_), Some(HostSettings { address: Some(pinned), .. })) => known(pinned),
            (Target::Host(host), Some(_)) => self.resolver.look_up(host).await.unwrap_or_else(|error| {
                tracing::debug!(%error, %host, "an approved name does not resolve");
                Resolved::default()
            }),
        };
        let vouched = Vouched { dnssec, resolver };
        if addresses.is_empty() {
            return (None, vouched, Ground::Unresolved);
        }
        let roots = settings.map_or_else(Vec::new, |settings| settings.ca.clone());
        let identity = settings.and_then(|settings| settings.identity.clone());
        let place = Place { scheme, to: aim.to.clone(), port: aim.port, addresses, roots, identity };
        (Some(place), vouched, Ground::Rule)
    }

    /// What is spoken there, by the operator's word.
    fn mode(&self, aim: &Aim) -> Mode {
        self.config.borrow().settings(&aim.to, aim.port).map_or(Mode::Http, |settings| settings.mode)
    }

    /// Records a connection that goes no further. Were it admitted, the dropped permit says that nothing came of it.
    async fn record(&self, aim: &Aim, flaw: Flaw) {
        let facts = Facts { flaw: Some(flaw.word().to_owned()), ..Facts::default() };
        if let Err(refusal) = self.guard.admit(self.action(aim.as_send()), facts).await {
            tracing::debug!(rule = %refusal.rule, record = refusal.record, to = %aim.to, "connection refused");
        }
    }

    fn action(&self, send: SendDeed) -> Action {
        Action { tenant: self.tenant.clone(), actor: Actor::Agent, door: Door::Egress, deed: Deed::Send(send) }
    }
}

/// Seconds since 1970; `None` when the clock says nothing of the kind.
fn now() -> Option<u64> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.ok().map(|since| since.as_secs())
}
