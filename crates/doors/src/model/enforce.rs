//! Permit in hand: carries a prompt out.
//!
//! Owns the way from a redeemed permit to an answer. What goes to the provider is built from nothing: of the agent's
//! headers only a few listed values are taken over, none of its credentials, and the key comes from the broker, for the
//! obligation. It meets every obligation or refuses. Called by [`super::Model`] once per admitted prompt.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use creel_guard::{Inject, Obligations, Outcome, Permit, Receipt, RecordId};
use creel_secrets::{Broker, Fill};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use tokio::time::{Sleep, sleep};

use super::admit::{Admission, Ruled};
use super::config::{EXCHANGE_LIMIT, Format, KeyHeader, MAX_ERROR_BYTES, MAX_WHOLE_BYTES, Provider};
use super::meter::{Meter, Tab};
use super::relay::{self, Relay};
use super::see::Reading;
use super::whole::Whole;
use super::{headers, refuse};
use crate::Error;
use crate::stream::{self, Body};

/// A prompt that was judged, and what carries it out.
pub(super) struct Admitted {
    pub(super) provider: Provider,
    pub(super) reading: Reading,
    /// The addresses that were judged.
    pub(super) addresses: Vec<IpAddr>,
    /// The agent's headers.
    pub(super) headers: HeaderMap,
    pub(super) broker: Arc<dyn Broker>,
    pub(super) meter: Option<Arc<dyn Meter>>,
    /// The model that the prompt names.
    pub(super) model: String,
    pub(super) admission: Admission,
}

/// Carries it out.
pub(super) async fn carry_out(permit: Permit, admitted: Admitted) -> Response<Body> {
    let format = admitted.provider.format;
    let (obligations, receipt) = permit.redeem();
    let record = receipt.record();
    let Obligations { inject, swaps, scrub: _, max_bytes, deadline_ms } = obligations;
    if !swaps.is_empty() {
        return give_up(format, receipt, &Error::Bug("a prompt has no place for a placeholder's secret".to_owned()));
    }
    let limit = deadline_ms.map_or(EXCHANGE_LIMIT, Duration::from_millis).min(EXCHANGE_LIMIT);
    let mut deadline = Box::pin(sleep(limit));
    let mut tab = Tab::open(admitted.meter.clone(), record, &admitted.model, &admitted.reading.body);
    let exchange = exchange(&admitted, inject, max_bytes, record);
    let answer = tokio::select! {
        answer = exchange => answer,
        () = &mut deadline => Err(Error::UpstreamSlow("it was not over by its deadline".to_owned())),
    };
    match answer {
        Ok(answer) => deliver(answer, admitted, receipt, deadline, tab).await,
        Err(error) => {
            // One that is late may have worked all the same.
            if !matches!(error, Error::UpstreamSlow(_)) {
                tab.costs_nothing();
            }
            give_up(format, receipt, &error)
        }
    }
}

/// A permit for what this door found flawed: policy must refuse it, so it is never carried out.
pub(super) fn decline(format: Format, permit: Permit) -> Response<Body> {
    let (_, receipt) = permit.redeem();
    give_up(format, receipt, &Error::Bug("a flawed request was admitted".to_owned()))
}

fn give_up(format: Format, receipt: Receipt, error: &Error) -> Response<Body> {
    let record = receipt.record();
    receipt.settle(Outcome::failed(error.to_string()));
    refuse::failure(format, error, record)
}

async fn exchange(
    admitted: &Admitted,
    inject: Option<Inject>,
    max_bytes: Option<u64>,
    record: RecordId,
) -> Result<Response<Body>, Error> {
    let Admitted { provider, reading, addresses, headers, broker, .. } = admitted;
    if max_bytes.is_some_and(|max| reading.body.len() as u64 > max) {
        return Err(Error::AgentTooMuch("the prompt is longer than was allowed".to_owned()));
    }
    let mut request = Request::post(reading.path.as_str()).body(reading.body.clone()).map_err(bug)?;
    *request.headers_mut() = headers::to_provider(provider.format, headers, reading.stream);
    if let Some(inject) = inject {
        let (name, value) = key(broker.as_ref(), &inject, record, provider.key).await?;
        request.headers_mut().insert(name, value);
    }
    let answer = provider.origin.send(request, addresses.clone()).await?;
    let coded = answer.headers().get_all(header::CONTENT_ENCODING).iter();
    if coded.into_iter().any(|coding| coding.as_bytes() != b"identity") {
        return Err(Error::Upstream("the provider's answer is encoded, which was not asked for".to_owned()));
    }
    Ok(answer)
}

async fn key(
    broker: &dyn Broker,
    inject: &Inject,
    record: RecordId,
    header: KeyHeader,
) -> Result<(HeaderName, HeaderValue), Error> {
    let (name, slot) = header.slot();
    let filled =
        broker.fill(Fill { inject, record, slot }).await.map_err(|error| Error::Operator(error.to_string()))?;
    // The broker's text never holds the value; the library's might.
    let mut value = HeaderValue::from_bytes(filled.expose())
        .map_err(|_| Error::Operator(format!("the secret `{}` fits no header", inject.secret)))?;
    value.set_sensitive(true);
    Ok((name, value))
}

async fn deliver(
    answer: Response<Body>,
    admitted: Admitted,
    receipt: Receipt,
    mut deadline: Pin<Box<Sleep>>,
    mut tab: Tab,
) -> Response<Body> {
    let Admitted { provider, reading, broker, admission, .. } = admitted;
    let format = provider.format;
    let (head, body) = answer.into_parts();
    if !head.status.is_success() {
        tab.costs_nothing();
    }
    let wanted = if reading.stream { "text/event-stream" } else { "application/json" };
    let mut delivery = Delivery { format, reading, broker, admission, status: head.status, headers: HeaderMap::new() };
    let delivered = match delivery.head(&head.headers).await {
        Err(error) => Err(error),
        Ok(()) if head.status.is_success() && headers::essence(&head.headers) != wanted => {
            Err(Error::Upstream(format!("the provider's answer is no `{wanted}`")))
        }
        Ok(()) if head.status.is_success() && delivery.reading.stream => {
            return delivery.streamed(body, receipt, deadline, tab);
        }
        Ok(()) => tokio::select! {
            delivered = async {
                if head.status.is_success() {
                    delivery.whole(body, &mut tab).await
                } else {
                    delivery.error(body, &head.headers).await
                }
            } => delivered,
            () = &mut deadline => Err(Error::UpstreamSlow("it was not over by its deadline".to_owned())),
        },
    };
    match delivered {
        Ok((response, received, calls)) => {
            let sent = delivery.reading.body.len() as u64;
            receipt.settle(Outcome::Done { sent, received, status: Some(i64::from(head.status.as_u16())) });
            calls.into_iter().for_each(|call| call.settle(Outcome::done()));
            response
        }
        Err(error) => give_up(format, receipt, &error),
    }
}

/// An answer's response, its length as it came, and the receipts of the calls that it releases.
type Delivered = (Response<Body>, u64, Vec<Receipt>);

struct Delivery {
    format: Format,
    reading: Reading,
    broker: Arc<dyn Broker>,
    admission: Admission,
    status: StatusCode,
    headers: HeaderMap,
}

impl Delivery {
    /// Reads the head: redirects are not followed, and few headers go on, each scrubbed.
    async fn head(&mut self, answered: &HeaderMap) -> Result<(), Error> {
        if !(self.status.is_success() || self.status.is_client_error() || self.status.is_server_error()) {
            return Err(Error::Upstream(format!("the provider answered with status `{}`", self.status.as_u16())));
        }
        for (name, value) in headers::to_agent(answered) {
            let clean = self.broker.scrub(value.as_bytes().to_vec()).await.map_err(bug)?;
            let value = HeaderValue::from_bytes(&clean).map_err(bug)?;
            self.headers.insert(name.clone(), value);
        }
        Ok(())
    }

    fn response(&mut self, content_type: &'static str, body: Body) -> Response<Body> {
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = std::mem::take(&mut self.headers);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    }

    fn streamed(mut self, body: Body, receipt: Receipt, deadline: Pin<Box<Sleep>>, tab: Tab) -> Response<Body> {
        let mut response = self.response("text/event-stream", stream::empty());
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let relay = Relay {
            format: self.format,
            admission: self.admission,
            offered: self.reading.offered,
            broker: self.broker,
            receipt,
            sent: self.reading.body.len() as u64,
            status: i64::from(self.status.as_u16()),
            deadline,
            tab,
        };
        *response.body_mut() = relay::start(relay, body);
        response
    }

    async fn whole(&mut self, body: Body, tab: &mut Tab) -> Result<Delivered, Error> {
        let raw = collect(body, MAX_WHOLE_BYTES).await?;
        let received = raw.len() as u64;
        tab.answered(raw.len());
        let whole = Whole::read(self.format, raw)
            .map_err(|why| Error::Upstream(format!("the provider's answer can't be read: {why}")))?;
        tab.says(whole.usage());
        tab.ended();
        let mut refused = Vec::new();
        let mut receipts = Vec::new();
        for call in whole.calls() {
            match self.admission.call(call, &self.reading.offered).await {
                Ruled::Released(receipt) => {
                    receipts.push(receipt);
                    refused.push(None);
                }
                Ruled::Refused(text) => refused.push(Some(text)),
            }
        }
        let response = self.response("application/json", stream::full(whole.resolve(&refused)));
        Ok((response, received, receipts))
    }

    async fn error(&mut self, body: Body, answered: &HeaderMap) -> Result<Delivered, Error> {
        let raw = collect(body, MAX_ERROR_BYTES).await?;
        let received = raw.len() as u64;
        let clean = self.broker.scrub(raw.to_vec()).await.map_err(bug)?;
        let json = headers::essence(answered) == "application/json";
        let content_type = if json { "application/json" } else { "text/plain; charset=utf-8" };
        Ok((self.response(content_type, stream::full(clean)), received, Vec::new()))
    }
}

async fn collect(mut body: Body, max: usize) -> Result<Bytes, Error> {
    let mut collected = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Error::Upstream(format!("the provider's answer broke off: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if collected.len() + data.len() > max {
            return Err(Error::Upstream("the provider's answer is too long".to_owned()));
        }
        collected.extend_from_slice(&data);
    }
    Ok(collected.freeze())
}

fn bug(error: impl std::fmt::Display) -> Error {
    Error::Bug(error.to_string())
}
