//! Secrets in a request that was admitted with one, and out of its answer.
//!
//! Owns [`Filler`], which puts a secret into the one place that its obligation names, and [`clean`], which takes every secret
//! out of what comes back. It never sends one unencrypted and never shows a value: the broker fills, the broker scrubs.
//! Called by [`super::enforce`].

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use creel_guard::{Content, Inject, RecordId, Slot, form_decoded};
use creel_secrets::{Broker, Fill, Filled, Scrubber, Signing};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body::{Body, Frame};
use serde_json::Value;

use super::enforce::Bodily;
use crate::Error;
use crate::stream::BoxError;
use crate::upstream::{Place, Scheme};

/// What secrets are filled in with.
pub(super) struct Filler<'a> {
    pub(super) broker: &'a dyn Broker,
    pub(super) record: RecordId,
    pub(super) place: &'a Place,
}

impl Filler<'_> {
    async fn filled(&self, inject: &Inject, slot: creel_secrets::Slot) -> Result<Filled, Error> {
        if self.place.scheme != Scheme::Https {
            return Err(Error::Operator(format!("the secret `{}` goes over TLS alone", inject.secret)));
        }
        let fill = Fill { inject, record: self.record, slot };
        self.broker.fill(fill).await.map_err(|error| Error::Operator(error.to_string()))
    }

    /// Puts the secret into its header, in place of whatever the agent sent there; does nothing for one whose place is in
    /// the path, the query or the body.
    pub(super) async fn header(&self, inject: &Inject, headers: &mut HeaderMap) -> Result<(), Error> {
        let form = match &inject.slot {
            None => {
                let why = format!("nothing says where the secret `{}` goes in a request", inject.secret);
                return Err(Error::Operator(why));
            }
            Some(Slot::Bearer) => creel_secrets::Slot::Bearer,
            Some(Slot::Basic(_)) => creel_secrets::Slot::Basic,
            Some(Slot::Header(_)) => creel_secrets::Slot::Header,
            Some(
                Slot::Path(_)
                | Slot::Query(_)
                | Slot::Json(_)
                | Slot::Form(_)
                | Slot::Message(_)
                | Slot::Login(_)
                | Slot::Aws(_),
            ) => {
                return Ok(());
            }
        };
        let fault = || Error::Operator(format!("the secret `{}` fits no header", inject.secret));
        let name = inject.slot.as_ref().and_then(Slot::header).ok_or_else(fault)?;
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| fault())?;
        let filled = self.filled(inject, form).await?;
        let mut value = HeaderValue::from_bytes(filled.expose()).map_err(|_| fault())?;
        value.set_sensitive(true);
        // `x_api_key` is `x-api-key` to many a server: the agent's own must not stand beside it.
        super::headers::drop_named(headers, name.as_str());
        headers.insert(name, value);
        Ok(())
    }

    /// Puts the secret where its mark stands in the path, the query or the body; does nothing for one that goes into a header.
    pub(super) async fn beyond_headers(
        &self,
        inject: &Inject,
        path: &mut String,
        body: &mut Bodily,
    ) -> Result<(), Error> {
        let gone = || gone(inject);
        match &inject.slot {
            Some(Slot::Path(segment)) => {
                let filled = self.filled(inject, creel_secrets::Slot::Escaped).await?;
                let (marked, secret) =
                    (segment.replace('*', &inject.mark()), text(&filled).map(|text| segment.replace('*', text)));
                let (own, query) = path.split_at(path.find('?').unwrap_or(path.len()));
                *path = format!("{}{query}", replaced(own, '/', &marked, secret?.as_str()).ok_or_else(gone)?);
            }
            Some(Slot::Query(name)) => {
                let filled = self.filled(inject, creel_secrets::Slot::Escaped).await?;
                let (own, query) = path.split_once('?').ok_or_else(gone)?;
                let is_named = |pair: &&str| {
                    let pair = pair.split_once('=').filter(|(_, value)| *value == inject.mark());
                    pair.is_some_and(|(key, _)| form_decoded(key).as_deref() == Some(name))
                };
                let marked = query.split('&').find(is_named).ok_or_else(gone)?;
                let key = marked.split('=').next().unwrap_or_default();
                let pair = format!("{key}={}", text(&filled)?);
                *path = format!("{own}?{}", replaced(query, '&', marked, &pair).ok_or_else(gone)?);
            }
            Some(Slot::Json(_) | Slot::Form(_)) => {
                let Bodily::Judged(content) = body else { return Err(gone()) };
                self.content(inject, content).await?;
            }
            Some(
                Slot::Bearer | Slot::Basic(_) | Slot::Header(_) | Slot::Message(_) | Slot::Login(_) | Slot::Aws(_),
            )
            | None => {}
        }
        Ok(())
    }

    /// The secret as a text, for whoever writes it into its place.
    pub(super) async fn text(&self, inject: &Inject) -> Result<Filled, Error> {
        self.filled(inject, creel_secrets::Slot::Text).await
    }

    /// The token of a key's session; empty when there is none.
    pub(super) async fn session(&self, inject: &Inject) -> Result<Filled, Error> {
        self.filled(inject, creel_secrets::Slot::Session).await
    }

    /// What `authorization` says of a request to AWS.
    pub(super) async fn signed(&self, signing: Signing<'_>) -> Result<Filled, Error> {
        self.broker.sign(signing).await.map_err(|error| Error::Operator(error.to_string()))
    }

    /// Puts the secret where its mark stands in a body or a message that was read.
    pub(super) async fn content(&self, inject: &Inject, content: &mut Content) -> Result<(), Error> {
        let filled = self.text(inject).await?;
        let mut value = (*content.value).clone();
        let place = match &inject.slot {
            Some(Slot::Form(name)) => value.get_mut(name),
            Some(Slot::Json(pointer) | Slot::Message(pointer)) => value.pointer_mut(pointer),
            _ => None,
        };
        match place {
            Some(Value::String(own)) if *own == inject.mark() => text(&filled)?.clone_into(own),
            _ => return Err(gone(inject)),
        }
        *content = Content::new(content.form, value, String::new());
        Ok(())
    }
}

fn gone(inject: &Inject) -> Error {
    Error::Bug(format!("the mark of the secret `{}` is gone", inject.secret))
}

fn text(filled: &Filled) -> Result<&str, Error> {
    std::str::from_utf8(filled.expose()).map_err(|_| Error::Bug("a secret is no text".to_owned()))
}

/// `list` with its one part `from` exchanged; `None` when there is none, or more than one.
fn replaced(list: &str, between: char, from: &str, to: &str) -> Option<String> {
    (list.split(between).filter(|part| *part == from).count() == 1).then(|| {
        let parts: Vec<&str> = list.split(between).map(|part| if part == from { to } else { part }).collect();
        parts.join(&between.to_string())
    })
}

/// Asks for an answer that can be read: out of a part of it, or an unknown encoding, no secret could be taken (HARDENING.md 10).
pub(super) fn ask_plainly(headers: &mut HeaderMap) {
    headers.remove(header::RANGE);
    headers.remove(header::IF_RANGE);
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
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
