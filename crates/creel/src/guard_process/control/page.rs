//! The page that a link of a message opens: it shows a question, and a form on it answers.
//!
//! Owns the approvals listener: one host-side socket that the warden bound, two methods, one path. GET and HEAD show and decide
//! nothing, for previews and mail scanners follow links (HARDENING.md 13); a POST with the token of the link answers, once. Who
//! has the token of a person's own channel is that person; nothing else is believed. It never tells why a token is worth
//! nothing. Nothing in the jail reaches it.

mod html;

use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;

use super::questions::{self, Questions};
use super::{PAUSE, person};
use crate::clock::wall_ms;
use crate::guard_process::links::{Bound, Links};
use crate::protocol::FromControl;

/// Browsers at once; more wait.
const MOST: usize = 32;
/// One request, from its first byte to the last of the answer.
const LIMIT: Duration = Duration::from_secs(30);
/// How long a browser may take over the head of its request.
const HEAD: Duration = Duration::from_secs(10);
/// The longest form: its one field.
const LONGEST_FORM: usize = 1024;

/// The listener, and the links that lead to it.
pub(super) struct Page {
    pub(super) listener: TcpListener,
    pub(super) links: Arc<Links>,
}

/// Serves the page for ever.
pub(super) async fn serve(page: Page, talk: Arc<Questions>) -> std::io::Result<()> {
    let Page { listener, links } = page;
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(MOST));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return Ok(()) };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a visitor of the approvals page could not be let in");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let (talk, links) = (Arc::clone(&talk), Arc::clone(&links));
        tokio::spawn(async move {
            let answer = service_fn(move |request| {
                let (talk, links) = (Arc::clone(&talk), Arc::clone(&links));
                async move { Ok::<_, Infallible>(answer(&talk, &links, request).await) }
            });
            let served = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .keep_alive(false)
                .max_buf_size(16 * 1024)
                .serve_connection(TokioIo::new(stream), answer);
            let _ = tokio::time::timeout(LIMIT, served).await;
            drop(place);
        });
    }
}

async fn answer(talk: &Questions, links: &Links, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let Some(token) = request.uri().path().strip_prefix("/q/").map(str::to_owned) else {
        return page(StatusCode::NOT_FOUND, html::nothing());
    };
    match *request.method() {
        Method::GET | Method::HEAD => show(talk, links, &token),
        Method::POST => post(talk, links, &token, request).await,
        _ => {
            let mut refused = page(StatusCode::METHOD_NOT_ALLOWED, html::nothing());
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
            refused
        }
    }
}

/// The question and a form; whatever asks for it, and however often, nothing comes of it.
fn show(talk: &Questions, links: &Links, token: &str) -> Response<Full<Bytes>> {
    let open = links.look(token, wall_ms()).and_then(|Bound { question, user }| {
        let open = talk.approvals.find(question)?;
        Some((open, person(user)))
    });
    match open {
        Some((open, who)) => page(StatusCode::OK, html::question(&open, &who, talk.tenant.as_str())),
        None => page(StatusCode::NOT_FOUND, html::nothing()),
    }
}

async fn post(talk: &Questions, links: &Links, token: &str, request: Request<Incoming>) -> Response<Full<Bytes>> {
    // Browsers say where a form stands (Fetch metadata): no other site's page answers here.
    let from = request.headers().get("sec-fetch-site").map(HeaderValue::as_bytes);
    if from.is_some_and(|from| from != b"same-origin") {
        return page(StatusCode::FORBIDDEN, html::said("An answer is given on the page of its question."));
    }
    let form = request.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/x-www-form-urlencoded");
    let body = Limited::new(request.into_body(), LONGEST_FORM).collect().await.map(http_body_util::Collected::to_bytes);
    let yes = match (form, body.as_deref()) {
        (true, Ok(b"answer=yes")) => true,
        (true, Ok(b"answer=no")) => false,
        _ => return page(StatusCode::BAD_REQUEST, html::said("That is no answer.")),
    };
    let Some(Bound { question, user }) = links.take(token, wall_ms()) else {
        return page(StatusCode::NOT_FOUND, html::nothing());
    };
    let by = questions::By { who: person(user), how: " by a link" };
    match questions::decide(&by, talk, question, yes).await {
        Ok(effect) => page(StatusCode::OK, html::said(&effect.told(question))),
        Err(told) => {
            links.give_back(token);
            let why = match told {
                FromControl::Failed { why } => why,
                FromControl::Refused { refusal } => format!("refused by {}: {}", refusal.rule, refusal.to_ledger),
                _ => "it failed".to_owned(),
            };
            page(StatusCode::CONFLICT, html::said(&why))
        }
    }
}

/// Nothing is kept, embedded, run or told on.
const GUARDS: [(HeaderName, &str); 6] = [
    (CONTENT_TYPE, "text/html; charset=utf-8"),
    (CACHE_CONTROL, "no-store"),
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    // the token stands in the path
    (REFERRER_POLICY, "same-origin"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
];

fn page(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    for (name, value) in GUARDS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests;
