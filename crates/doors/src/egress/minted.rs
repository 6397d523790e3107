//! Answers that mint credentials.
//!
//! Owns the exchange of a whole answer, in JSON, for one that holds placeholders where new credentials stood. Such answers are short:
//! they are held whole, and what is no JSON, longer, or holds none where it should is withheld, since nobody could take a
//! credential out of it; of one that says that something failed what can be read is taken. Called by
//! [`super::enforce`], for the secrets that the configuration names.

use bytes::Bytes;
use creel_guard::Inject;
use creel_secrets::Broker;
use http::Response;
use http_body_util::{BodyExt, Full, Limited};

use crate::Error;
use crate::upstream::Streamed;

/// No answer with a token comes near it.
const MOST: usize = 64 * 1024;

/// Why the agent gets none.
pub(super) fn withheld(why: &str) -> Error {
    Error::Upstream(format!("the answer may hold a new credential and is withheld: {why}"))
}

/// The answer to a request in which `used` stood, without the credentials that it mints.
pub(super) async fn exchange(
    broker: &dyn Broker,
    used: &[Inject],
    response: Response<Streamed>,
) -> Result<Response<impl http_body::Body<Data = Bytes, Error = Error> + Unpin + Send + 'static>, Error> {
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, MOST).collect().await.map_err(|error| {
        let long = error.is::<http_body_util::LengthLimitError>();
        withheld(if long { "it is longer than 64 KiB" } else { "it broke off" })
    })?;
    let mut bytes = body.to_bytes();
    // The parser's own words could quote it.
    match serde_json::from_slice(&bytes) {
        Ok(mut answer) => {
            let taken = broker.take_minted(used, &mut answer, super::now().unwrap_or_default().saturating_mul(1000));
            let taken = taken.map_err(|error| withheld(&error.to_string()))?;
            // What it is told to leave out or to call otherwise is in it under another name.
            if taken.is_empty() && parts.status.is_success() {
                return Err(withheld("what it mints does not stand where it should"));
            }
            if !taken.is_empty() {
                let names: Vec<&str> = taken.iter().map(creel_secrets::SecretName::as_str).collect();
                tracing::info!(secrets = names.join(" "), "an answer minted credentials");
            }
            // As it was read: of two members with one name the agent would read the other.
            bytes = serde_json::to_vec(&answer).map_err(|_| withheld("it can't be written anew"))?.into();
        }
        Err(_) if bytes.is_empty() || !parts.status.is_success() => {}
        Err(_) => return Err(withheld("it is no JSON")),
    }
    Ok(Response::from_parts(parts, Full::new(bytes).map_err(|never| match never {})))
}
