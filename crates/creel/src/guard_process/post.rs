//! What Creel itself sends to a place that the operator named: alerts and exported records.
//!
//! Owns [`Post`]: it resolves, goes to no closed range unless that very address is configured, puts the secret where it
//! belongs, and waits for a status. It never follows a redirect, reads an answer's body only where that is what was asked for,
//! and never decides whether something is sent. The guard's process makes one for each place.

mod signature;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use creel_doors::stream;
use creel_doors::upstream::{self, Client, Resolve, Scheme};
use creel_guard::{Inject, RecordId, Slot, Target};
use creel_policy::closed;
use creel_secrets::{Broker, Fill};
use http::header::HOST;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Limited};
use zeroize::Zeroizing;

use crate::config::{IN_PATH, Place, Way};

/// One request, from the look-up to the answer's head.
const LIMIT: Duration = Duration::from_secs(20);

/// What it takes to reach such places.
#[derive(Clone)]
pub(super) struct Means {
    pub(super) client: Client,
    pub(super) resolver: Arc<dyn Resolve>,
    pub(super) broker: Arc<dyn Broker>,
    /// Addresses of this host, closed like the ranges.
    pub(super) own_addresses: Vec<IpAddr>,
}

/// One place, and how it is reached.
pub(super) struct Post {
    pub(super) place: Place,
    pub(super) means: Means,
}

/// What was sent and what came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    /// Bytes of the body.
    pub(super) bytes: u64,
    /// The HTTP status, 200 to 299.
    pub(super) status: u16,
}

impl Post {
    /// Sends `request` below the place's path, with the secrets of this tenant taken out of its body; accounted to `record`.
    ///
    /// # Errors
    /// Why it did not arrive, for people: no secret and no path in it.
    pub(super) async fn send(&self, request: Request<Bytes>, suffix: &str, record: RecordId) -> Result<Sent, String> {
        match tokio::time::timeout(LIMIT, self.send_now(request, suffix, record)).await {
            Ok(sent) => sent,
            Err(_) => Err(format!("`{}` did not answer within {} s", self.place, LIMIT.as_secs())),
        }
    }

    async fn send_now(&self, request: Request<Bytes>, suffix: &str, record: RecordId) -> Result<Sent, String> {
        let bytes = request.body().len() as u64;
        let status = self.exchange(request, suffix, record).await?.status();
        if status.is_success() {
            return Ok(Sent { bytes, status: status.as_u16() });
        }
        Err(format!("`{}` answered {}", self.place, status.as_u16()))
    }

    /// The same for whoever wants the answer: its status, and its body as far as it is no longer than `most` bytes.
    ///
    /// # Errors
    /// Why there is none, for people.
    pub(super) async fn ask(
        &self,
        request: Request<Bytes>,
        suffix: &str,
        (record, most): (RecordId, usize),
    ) -> Result<(u16, Bytes), String> {
        let answer = async {
            let response = self.exchange(request, suffix, record).await?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), most).collect().await;
            let body = body.map_err(|error| format!("`{}` broke off its answer: {error}", self.place))?;
            Ok((status, body.to_bytes()))
        };
        match tokio::time::timeout(LIMIT, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("`{}` did not answer within {} s", self.place, LIMIT.as_secs())),
        }
    }

    async fn exchange(
        &self,
        request: Request<Bytes>,
        suffix: &str,
        record: RecordId,
    ) -> Result<Response<upstream::Streamed>, String> {
        let addresses = self.addresses().await?;
        let (mut head, body) = request.into_parts();
        let body = self.means.broker.scrub(body.to_vec()).await.map_err(|error| error.to_string())?;
        head.uri = self.path(suffix, record).await?.parse().map_err(|_| "its path is none".to_owned())?;
        if let Some((inject, Way::Header)) = &self.place.secret {
            let (name, value) = self.header(inject, record).await?;
            head.headers.insert(name, value);
        }
        let url = &self.place.url;
        let host = self.place.to_string();
        let host = host.split_once("://").map_or("", |(_, host)| host);
        // What everybody leaves out; a signature goes over it too.
        let host = host.strip_suffix(if url.tls { ":443" } else { ":80" }).unwrap_or(host);
        head.headers.insert(HOST, HeaderValue::from_str(host).map_err(|_| "its name fits no header".to_owned())?);
        if let Some((inject, Way::Signature)) = &self.place.secret {
            signature::sign(&*self.means.broker, inject, &mut head, &body, record).await?;
        }
        let place = upstream::Place {
            scheme: if url.tls { Scheme::Https } else { Scheme::Http },
            to: url.host.clone(),
            port: url.port,
            addresses,
            roots: self.place.ca.as_ref().map(|ca| ca.certificates.clone()).unwrap_or_default(),
            identity: None,
        };
        let request = Request::from_parts(head, stream::full(body));
        self.means.client.send_request(&place, request).await.map_err(|error| error.to_string())
    }

    /// Where to connect: the pinned address, or what the name resolves to, all of it open.
    pub(super) async fn addresses(&self) -> Result<Vec<IpAddr>, String> {
        let host = match (self.place.address, &self.place.url.host) {
            (Some(pinned), _) => return Ok(vec![pinned]),
            (None, Target::Address(address)) => return Ok(vec![*address]),
            (None, Target::Host(host)) => host,
        };
        let found = self.means.resolver.resolve(host).await;
        let found = found.map_err(|error| format!("`{host}` does not resolve: {error}"))?;
        for address in &found {
            let own = self.means.own_addresses.contains(address).then_some("an address of this host");
            if let Some(why) = closed(*address).or(own) {
                return Err(format!("`{host}` resolves to {address}: {why}; name it as `address` if it is meant"));
            }
        }
        if found.is_empty() { Err(format!("`{host}` has no address")) } else { Ok(found) }
    }

    /// Wiped here; the copy that is sent is not.
    async fn path(&self, suffix: &str, record: RecordId) -> Result<Zeroizing<String>, String> {
        let whole = Zeroizing::new(format!("{}{suffix}", self.place.url.path));
        let Some((inject, Way::Path)) = &self.place.secret else {
            return Ok(if whole.is_empty() { Zeroizing::new("/".to_owned()) } else { whole });
        };
        let filled = self.fill(inject, creel_secrets::Slot::Header, record).await?;
        let text = std::str::from_utf8(filled.expose()).unwrap_or_default();
        // RFC 3986, section 3.3: what a path holds unescaped, `/` among it for `T…/B…/…` of Slack's.
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&b);
        if text.is_empty() || !text.bytes().all(fits) || text.split('/').any(|part| part == "." || part == "..") {
            return Err(format!("the secret `{}` fits no path", inject.secret));
        }
        Ok(Zeroizing::new(whole.replacen(IN_PATH, text, 1)))
    }

    async fn header(&self, inject: &Inject, record: RecordId) -> Result<(HeaderName, HeaderValue), String> {
        let slot = inject.slot.as_ref().ok_or("nothing says where the secret goes")?;
        let form = match slot {
            Slot::Bearer => creel_secrets::Slot::Bearer,
            Slot::Basic(_) => creel_secrets::Slot::Basic,
            Slot::Header(_) => creel_secrets::Slot::Header,
            Slot::Path(_)
            | Slot::Query(_)
            | Slot::Json(_)
            | Slot::Form(_)
            | Slot::Message(_)
            | Slot::Login(_)
            | Slot::Aws(_) => {
                return Err(Slot::IN_HEADERS.to_owned());
            }
        };
        let filled = self.fill(inject, form, record).await?;
        let fault = |_| format!("the secret `{}` fits no header", inject.secret);
        let mut value = HeaderValue::from_bytes(filled.expose()).map_err(|_| fault(()))?;
        value.set_sensitive(true);
        Ok((HeaderName::from_bytes(slot.header().unwrap_or_default().as_bytes()).map_err(|_| fault(()))?, value))
    }

    async fn fill(
        &self,
        inject: &Inject,
        slot: creel_secrets::Slot,
        record: RecordId,
    ) -> Result<creel_secrets::Filled, String> {
        self.means.broker.fill(Fill { inject, record, slot }).await.map_err(|error| error.to_string())
    }
}
