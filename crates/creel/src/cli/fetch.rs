//! Values of secrets that are asked for over HTTP.
//!
//! Owns the requests to the places of `[[source]]`, as Vault and OpenBao want them or as the operator wrote one: over TLS that is
//! verified, bounded in time and size, no redirect followed. It shows neither a value nor an answer, and keeps none.
//! [`super::secrets`] calls it at the start, the warden at an exchange.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use creel_doors::stream;
use creel_doors::upstream::{self, Client, Resolve, Scheme, SystemResolver, Trust};
use creel_guard::{Slot, Target};
use creel_secrets::SecretName;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request};
use http_body_util::{BodyExt, Limited};
use serde_json::Value;
use zeroize::Zeroizing;

use super::secrets::read;
use crate::config::{Asks, Fetch, Place};

/// All of it, from the look-up to the value.
const PATIENCE: Duration = Duration::from_secs(20);
/// An answer with a value of 64 KiB and what stands around it.
const MOST: usize = 256 * 1024;

/// The value, as the place says it now.
///
/// # Errors
/// Why there is none, for people: nothing of the key and nothing of an answer.
pub(crate) fn fetched(name: &SecretName, fetch: &Fetch) -> Result<Zeroizing<String>, String> {
    let asked = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let late = Err(format!("it was not done within {} s", PATIENCE.as_secs()));
        runtime
            .map_err(|error| error.to_string())?
            .block_on(async { tokio::time::timeout(PATIENCE, value(name, fetch)).await.unwrap_or(late) })
    };
    // On a thread of its own: whoever calls may have a runtime already.
    let done = std::thread::scope(|scope| scope.spawn(asked).join());
    let done = done.unwrap_or_else(|_| Err("it broke off".to_owned()));
    done.map_err(|why| format!("the secret `{name}` can't be got from `{}`: {why}", fetch.place))
}

async fn value(name: &SecretName, fetch: &Fetch) -> Result<Zeroizing<String>, String> {
    let key = fetch.key_file.as_ref().map(|path| read(name, path)).transpose()?;
    let line = Line::to(&fetch.place).await?;
    let key = key.as_deref().map(String::as_str);
    match &fetch.asks {
        Asks::Vault { role, namespace } => vault(&line, fetch, (role.as_deref(), namespace.as_deref()), key).await,
        Asks::Http { method, headers, slot } => {
            let mut all = HeaderMap::new();
            for (name, value) in headers {
                let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "a header has no name".to_owned())?;
                all.insert(name, HeaderValue::from_str(value).map_err(|_| "a header is none".to_owned())?);
            }
            if let Some(key) = key {
                let (name, value) = keyed(slot, key)?;
                all.insert(name, value);
            }
            let method = method.parse().map_err(|_| "its method is none".to_owned())?;
            let answer = line.ask(method, &fetch.path, all, None).await?;
            text(answer.pointer(&fetch.field), &fetch.field)
        }
    }
}

/// The key/value engine, version 1 or 2: in the second a secret has metadata beside it.
async fn vault(
    line: &Line,
    fetch: &Fetch,
    (role, namespace): (Option<&str>, Option<&str>),
    key: Option<&str>,
) -> Result<Zeroizing<String>, String> {
    let mut headers = HeaderMap::new();
    headers.insert("x-vault-request", HeaderValue::from_static("true"));
    if let Some(namespace) = namespace {
        let value = HeaderValue::from_str(namespace).map_err(|_| "its namespace is none".to_owned())?;
        headers.insert("x-vault-namespace", value);
    }
    let key = key.ok_or("there is no key for it")?;
    let token = match role {
        None => Zeroizing::new(key.to_owned()),
        Some(role) => {
            let body = serde_json::json!({"role_id": role, "secret_id": key}).to_string();
            let answer = line.ask(Method::POST, "/v1/auth/approle/login", headers.clone(), Some(body)).await?;
            text(answer.pointer("/auth/client_token"), "auth.client_token")?
        }
    };
    headers.insert("x-vault-token", sensitive(&token)?);
    let answer = line.ask(Method::GET, &format!("/v1/{}", fetch.path), headers, None).await?;
    let is_second = answer.pointer("/data/metadata").is_some_and(Value::is_object);
    let fields = answer.pointer(if is_second { "/data/data" } else { "/data" });
    text(fields.and_then(|fields| fields.get(&fetch.field)), &fetch.field)
}

fn text(found: Option<&Value>, field: &str) -> Result<Zeroizing<String>, String> {
    match found {
        Some(Value::String(text)) => Ok(Zeroizing::new(text.clone())),
        Some(_) => Err(format!("`{field}` of its answer is no text")),
        None => Err(format!("its answer has no `{field}`")),
    }
}

/// Where a key goes, and what stands there.
fn keyed(slot: &Slot, key: &str) -> Result<(HeaderName, HeaderValue), String> {
    let value = match slot {
        Slot::Bearer => Zeroizing::new(format!("Bearer {key}")),
        Slot::Basic(user) => {
            let pair = Zeroizing::new(format!("{user}:{key}"));
            Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())))
        }
        _ => Zeroizing::new(key.to_owned()),
    };
    let name = slot.header().map_or(Ok(AUTHORIZATION), |name| HeaderName::from_bytes(name.as_bytes()));
    Ok((name.map_err(|_| "its header has no name".to_owned())?, sensitive(&value)?))
}

fn sensitive(key: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(key).map_err(|_| "a header can't hold its key".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

/// The way to one place.
struct Line {
    client: Client,
    place: upstream::Place,
    /// What `Host` says.
    host: HeaderValue,
    /// In front of every path.
    base: String,
}

impl Line {
    async fn to(place: &Place) -> Result<Self, String> {
        let told = |error: &dyn std::fmt::Display| error.to_string();
        let url = &place.url;
        let addresses: Vec<IpAddr> = match (place.address, &url.host) {
            (Some(pinned), _) => vec![pinned],
            (None, Target::Address(address)) => vec![*address],
            (None, Target::Host(host)) => SystemResolver.resolve(host).await.map_err(|error| told(&error))?,
        };
        let authority = place.to_string();
        let authority = authority.split_once("://").map_or("", |(_, authority)| authority);
        Ok(Self {
            client: Client::new(Trust::new(&[]).map_err(|error| told(&error))?),
            host: HeaderValue::from_str(authority).map_err(|_| "its name fits no header".to_owned())?,
            base: url.path.clone(),
            place: upstream::Place {
                scheme: if url.tls { Scheme::Https } else { Scheme::Http },
                to: url.host.clone(),
                port: url.port,
                addresses,
                roots: place.ca.as_ref().map(|ca| ca.certificates.clone()).unwrap_or_default(),
                identity: None,
            },
        })
    }

    /// The answer's JSON.
    async fn ask(&self, method: Method, path: &str, headers: HeaderMap, body: Option<String>) -> Result<Value, String> {
        let has_body = body.is_some();
        let body = body.map_or_else(stream::empty, |body| stream::full(Bytes::from(body)));
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = format!("{}{path}", self.base).parse().map_err(|_| "its path is none".to_owned())?;
        *request.headers_mut() = headers;
        request.headers_mut().insert(HOST, self.host.clone());
        request.headers_mut().entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        if has_body {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let response = self.client.send_request(&self.place, request).await.map_err(|error| error.to_string())?;
        let status = response.status();
        if !status.is_success() {
            return Err(format!("it answered {}", status.as_u16()));
        }
        let whole = Limited::new(response.into_body(), MOST).collect().await;
        let whole = whole.map_err(|_| format!("its answer broke off, or is longer than {MOST} bytes"))?.to_bytes();
        serde_json::from_slice(&whole).map_err(|_| "its answer is no JSON".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use creel_testkit::{Asked, Origin};
    use http::Response;

    use super::*;
    use crate::canary::scratch::Scratch;
    use crate::config::{Config, Source};

    const VALUE: &str = "val-0123456789abcdef";

    /// As Vault's HTTP API has it: its documentation of KV 1, KV 2 and AppRole.
    fn answers(asked: &Asked) -> Response<Bytes> {
        let header = |name: &str| asked.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
        let is_in = header("x-vault-token") == Some("t0ken");
        let body = String::from_utf8_lossy(&asked.body).into_owned();
        let (status, text) = match (asked.method.as_str(), asked.path.as_str()) {
            ("POST", "/v1/auth/approle/login") if body == r#"{"role_id":"r0le","secret_id":"s3cret"}"# => (
                200,
                r#"{"auth":{"client_token":"t0ken","lease_duration":3600,"renewable":true},"data":null}"#.to_owned(),
            ),
            ("GET", "/v1/secret/data/crm") if is_in => (
                200,
                format!(
                    r#"{{"lease_duration":0,"data":{{"data":{{"token":"{VALUE}","port":1}},"metadata":{{"version":3}}}},"auth":null}}"#
                ),
            ),
            ("GET", "/v1/kv/crm") if is_in => {
                (200, format!(r#"{{"lease_duration":2764800,"data":{{"token":"{VALUE}"}},"auth":null}}"#))
            }
            ("POST", "/api/v1/new?a=b") if header("x-key") == Some("k3y") && header("x-own") == Some("1") => {
                (201, format!(r#"{{"keys":[{{"a/b":"{VALUE}"}}]}}"#))
            }
            ("GET", "/api/moved") => (302, String::new()),
            ("GET", "/api/text") => (200, "no json".to_owned()),
            ("GET", "/api/long") => (200, format!("\"{}\"", "x".repeat(MOST))),
            _ => (403, format!(r#"{{"errors":["permission denied, not {VALUE}"]}}"#)),
        };
        Response::builder().status(status).body(Bytes::from(text)).unwrap()
    }

    /// What comes of `more` for the source and `at` for the secret, with this key.
    fn check(origin: &Origin, key: &str, more: &str, at: &str, wanted: Result<&str, &str>) {
        let folder = Scratch::new();
        let file = folder.0.join("key");
        std::fs::write(&file, format!("{key}\n")).unwrap();
        let text = format!(
            "[[egress.allow]]\nhost = \"a.test\"\n[[source]]\nname = \"s\"\naddress = \"127.0.0.1\"\nca = \"ca.pem\"\nkey_file = \"{}\"\n{more}\
             [[secret]]\nname = \"T\"\nhost = \"a.test\"\nsource = \"s\"\nat = \"{at}\"\n",
            file.display()
        );
        let text = text.replace("PORT", &origin.address().port().to_string());
        let cas = [("ca.pem".into(), origin.ca_pem().to_owned())];
        let config = Config::again("c".as_ref(), &text, &cas).unwrap_or_else(|report| panic!("{report}"));
        assert_eq!(config.cas().len(), 1, "whoever reads it again has the certificates");
        let Source::Fetch(fetch) = config.source_of("T") else { panic!() };
        let found = fetched(&SecretName::parse("T").unwrap(), fetch);
        match wanted {
            Ok(value) => assert_eq!(found.as_deref().map(String::as_str), Ok(value), "{at}"),
            Err(why) => {
                let told = found.unwrap_err();
                assert!(told.contains(why) && !told.contains(VALUE) && !told.contains(key), "{at}: {told}");
            }
        }
    }

    #[test]
    fn vault_gives_a_field_of_either_version_to_a_token_and_to_a_role() {
        let origin = Origin::https_answering("127.0.0.1:0", &["vault.test"], answers).unwrap();
        let url = "url = \"https://vault.test:PORT\"\n";
        let role = format!("{url}role = \"r0le\"\n");
        check(&origin, "t0ken", url, "secret/data/crm#token", Ok(VALUE));
        check(&origin, "t0ken", url, "kv/crm#token", Ok(VALUE));
        check(&origin, "s3cret", &role, "secret/data/crm#token", Ok(VALUE));
        check(&origin, "t0ken", &format!("{url}namespace = \"team\"\n"), "kv/crm#token", Ok(VALUE));
        assert!(origin.asked().last().unwrap().headers.contains(&("x-vault-namespace".to_owned(), "team".to_owned())));
        check(&origin, "an0ther-key", url, "kv/crm#token", Err("answered 403"));
        check(&origin, "an0ther-key", &role, "kv/crm#token", Err("answered 403"));
        check(&origin, "t0ken", url, "secret/data/crm#other", Err("has no `other`"));
        check(&origin, "t0ken", url, "secret/data/crm#port", Err("is no text"));
    }

    #[test]
    fn a_request_of_the_operators_own_gives_what_its_answer_points_at() {
        let origin = Origin::https_answering("127.0.0.1:0", &["keys.test"], answers).unwrap();
        let own = "kind = \"http\"\nurl = \"https://keys.test:PORT/api\"\n";
        let more = format!("{own}method = \"POST\"\nkey_slot = \"header X-Key\"\nheaders = [\"x-own: 1\"]\n");
        check(&origin, "k3y", &more, "/v1/new?a=b#/keys/0/a~1b", Ok(VALUE));
        check(&origin, "k3y", own, "/moved#/a", Err("answered 302"));
        check(&origin, "k3y", own, "/text#/a", Err("is no JSON"));
        check(&origin, "k3y", own, "/long#/a", Err("longer than"));
        let stranger = own.replace("keys.test", "stranger.test");
        check(&origin, "k3y", &stranger, "/text#/a", Err("TLS handshake"));
        let before = origin.asked().len();
        check(&origin, "two\nlines", own, "/text#/a", Err("can't hold its key"));
        assert_eq!(origin.asked().len(), before);
    }
}
