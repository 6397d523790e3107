//! Answers that mint credentials.
//!
//! Owns the exchange of a whole answer, in JSON, for one that holds placeholders where new credentials stood. Such answers are short:
//! they are held whole, and what is no JSON or longer is withheld, since nobody could take a credential out of it. Called by
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
    if !bytes.is_empty() {
        // The parser's own words could quote it.
        let mut answer = serde_json::from_slice(&bytes).map_err(|_| withheld("it is no JSON"))?;
        let taken = broker.take_minted(used, &mut answer).map_err(|error| withheld(&error.to_string()))?;
        if !taken.is_empty() {
            let names: Vec<&str> = taken.iter().map(creel_secrets::SecretName::as_str).collect();
            tracing::info!(secrets = names.join(" "), "an answer minted credentials");
            bytes = serde_json::to_vec(&answer).map_err(|_| withheld("it can't be written anew"))?.into();
        }
    }
    Ok(Response::from_parts(parts, Full::new(bytes).map_err(|never| match never {})))
}
