//! Secrets in a request that was admitted with one, and out of its answer.
//!
//! Owns [`fill`], which puts a secret into the one header that its obligation names, and [`clean`], which takes every secret
//! out of what comes back. It never sends one unencrypted and never shows a value: the broker fills, the broker scrubs.
//! Called by [`super::enforce`].

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use creel_guard::{Inject, RecordId, Slot};
use creel_secrets::{Broker, Fill, Scrubber};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body::{Body, Frame};

use crate::Error;
use crate::stream::BoxError;
use crate::upstream::{Place, Scheme};

/// Puts the secret into its slot, in place of whatever the agent sent there, and sees to it that the answer can be read.
pub(super) async fn fill(
    broker: &dyn Broker,
    inject: &Inject,
    record: RecordId,
    place: &Place,
    headers: &mut HeaderMap,
) -> Result<(), Error> {
    let operator = |why: String| Error::Operator(why);
    if place.scheme != Scheme::Https {
        return Err(operator(format!("the secret `{}` goes over TLS alone", inject.secret)));
    }
    let Some(slot) = &inject.slot else {
        return Err(operator(format!("nothing says where the secret `{}` goes in a request", inject.secret)));
    };
    let form = match slot {
        Slot::Bearer => creel_secrets::Slot::Bearer,
        Slot::Basic(_) => creel_secrets::Slot::Basic,
        Slot::Header(_) => creel_secrets::Slot::Header,
    };
    let fault = || operator(format!("the secret `{}` fits no header", inject.secret));
    let filled = broker.fill(Fill { inject, record, slot: form }).await.map_err(|error| operator(error.to_string()))?;
    let name = HeaderName::from_bytes(slot.header().as_bytes()).map_err(|_| fault())?;
    let mut value = HeaderValue::from_bytes(filled.expose()).map_err(|_| fault())?;
    value.set_sensitive(true);
    // `x_api_key` is `x-api-key` to many a server: the agent's own must not stand beside it.
    super::headers::drop_named(headers, name.as_str());
    headers.insert(name, value);
    // A part or an unknown encoding of the answer could not be scrubbed (HARDENING.md 10).
    headers.remove(header::RANGE);
    headers.remove(header::IF_RANGE);
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    Ok(())
}

/// Takes every secret out of a response's head.
pub(super) async fn clean<B>(broker: &dyn Broker, response: &mut Response<B>) -> Result<(), Error> {
    let encoded = response.headers().get_all(header::CONTENT_ENCODING).iter().any(|value| value != "identity");
    if encoded || response.status() == StatusCode::PARTIAL_CONTENT {
        return Err(Error::Upstream("the answer is encoded or partial, which was not asked for".to_owned()));
    }
    // Marks are longer or shorter than what they replace.
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response.extensions_mut().clear();
    let withheld = |_| Error::Upstream("a secret can't be taken out of the answer".to_owned());
    let mut clean = HeaderMap::with_capacity(response.headers().len());
    for (name, value) in response.headers() {
        let bare = broker.scrub(name.as_str().as_bytes().to_vec()).await.map_err(withheld)?;
        if bare != name.as_str().as_bytes() {
            continue;
        }
        let bytes = broker.scrub(value.as_bytes().to_vec()).await.map_err(withheld)?;
        let value = HeaderValue::from_bytes(&bytes).map_err(|_| Error::Bug("a mark fits no header".to_owned()))?;
        clean.append(name, value);
    }
    *response.headers_mut() = clean;
    Ok(())
}

/// A response's body without secrets. Trailers are dropped.
pub(super) struct Scrubbed<B> {
    body: B,
    scrubber: Option<Scrubber>,
}

impl<B> Scrubbed<B> {
    pub(super) fn new(body: B, scrubber: Scrubber) -> Self {
        Self { body, scrubber: Some(scrubber) }
    }
}

impl<B: Body<Data = Bytes, Error = BoxError> + Unpin> Body for Scrubbed<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        loop {
            let Some(scrubber) = &mut this.scrubber else { return Poll::Ready(None) };
            let rest = match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => scrubber.push(&data),
                    Err(_) => continue,
                },
                Some(Err(error)) => {
                    this.scrubber = None;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    let rest = scrubber.finish();
                    this.scrubber = None;
                    rest
                }
            };
            if !rest.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(rest.into()))));
            }
        }
    }
}
