//! Hands the gateway what a webhook brought.
//!
//! Owns that one HTTP exchange, bounded in bytes and time. OpenClaw starts a turn of its own for it, in which the text is data from
//! outside, and says when it is over; what the agent answered stays in that conversation.

use std::time::Duration;

use http_body_util::Full;
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};

use super::readiness::exchange;
use crate::{Error, layout};

/// OpenClaw's own limit is 256 KiB for the whole request (its `gateway/config-hooks.md`); JSON may double what it escapes.
const LONGEST: usize = 96 * 1024;
/// Of what it answers, a status and two ids.
const LONGEST_ANSWER: usize = 64 * 1024;

/// What comes back when the turn is over.
#[derive(Deserialize)]
struct Told {
    ok: bool,
    #[serde(default)]
    completion: Option<Completion>,
}

#[derive(Deserialize)]
struct Completion {
    status: String,
}

/// Hands over `text`, which came in the name of `name`, and waits until the agent is done with it, at most `patience`.
/// Returns OpenClaw's word for how that ended, `ok` for one.
///
/// # Errors
/// [`Error::Starting`] while the gateway starts, [`Error::Operator`] when it takes no webhooks or the text is too long,
/// [`Error::Late`] when time is over (the turn goes on), [`Error::Agent`] when it refuses or makes no sense.
pub async fn hook<S>(stream: S, token: &str, name: &str, text: &str, patience: Duration) -> Result<String, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if text.len() > LONGEST {
        return Err(Error::operator("the body is longer than 96 KiB", "put it into a file: `creel ws put`"));
    }
    let body = json!({
        "message": text, "name": name, "deliver": false, "waitForCompletion": true, "timeoutSeconds": patience.as_secs().max(1),
    });
    let request = http::Request::post(format!("{}/agent", layout::HOOKS))
        .header(http::header::AUTHORIZATION, format!("Bearer {token}"))
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(Full::new(bytes::Bytes::from(body.to_string())))
        .map_err(|error| Error::bug(format!("a webhook can't be built: {error}")))?;
    let late = Error::Late { what: "finish with the webhook", seconds: patience.as_secs() };
    let (status, answer) =
        tokio::time::timeout(patience, exchange(stream, request, LONGEST_ANSWER)).await.unwrap_or(Err(late))?;
    match status {
        http::StatusCode::SERVICE_UNAVAILABLE => Err(Error::Starting),
        http::StatusCode::NOT_FOUND | http::StatusCode::METHOD_NOT_ALLOWED => Err(Error::operator(
            "OpenClaw takes no webhooks",
            "set `hooks = true` under `[openclaw]`, then `creel down && creel up`",
        )),
        status if !status.is_success() => Err(Error::agent(format!("refused the webhook with {}", status.as_u16()))),
        _ => match serde_json::from_slice::<Told>(&answer) {
            Ok(Told { ok: true, completion }) => {
                let word = completion.map_or_else(|| "accepted".to_owned(), |completion| completion.status);
                Ok(word.chars().filter(|char| char.is_ascii_alphanumeric()).take(32).collect())
            }
            Ok(_) | Err(_) => Err(Error::agent("answered the webhook with something else than it promises")),
        },
    }
}
