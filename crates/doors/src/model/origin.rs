//! What carries an admitted request to a provider.
//!
//! Owns the [`Origin`] trait and [`HttpOrigin`], a provider behind a base URL. It goes to the addresses that were judged
//! and to no other, follows no redirect and adds no header but `Host`. The door's `enforce` calls it; the binary adapts
//! the scripted model to the same trait.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use creel_guard::{BoxFuture, HostName, Target};
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::BodyExt;
use rustls::pki_types::CertificateDer;

use super::config::Format;
use crate::Error;
use crate::stream::{self, Body};
use crate::upstream::{Client, Place, Resolve, Scheme};

/// Carries requests to a provider.
pub trait Origin: Send + Sync {
    /// Every address that [`Self::send`] may go to; none for an origin inside this process.
    ///
    /// # Errors
    /// When the provider's name does not resolve.
    fn locate(&self) -> BoxFuture<'_, Result<Vec<IpAddr>, Error>>;

    /// Sends one request, whose path is the one inside the jail ([`Format::path`]), with a query where there is one, to one of `addresses`, which were
    /// judged.
    ///
    /// # Errors
    /// When the provider can't be reached or breaks the protocol.
    fn send(&self, request: Request<Bytes>, addresses: Vec<IpAddr>) -> BoxFuture<'_, Result<Response<Body>, Error>>;
}

/// A provider's base URL, as the operator writes it: for OpenAI with the version (`https://api.openai.com/v1`), for
/// Anthropic and Gemini without (`https://api.anthropic.com`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// Plain or TLS.
    pub scheme: Scheme,
    /// Name or literal address.
    pub to: Target,
    /// The port.
    pub port: u16,
    /// What comes before the endpoint; no slash at its end.
    pub path: String,
}

impl Base {
    /// Reads a base URL.
    ///
    /// # Errors
    /// [`Error::Operator`] says what is wrong with it.
    pub fn parse(url: &str) -> Result<Self, Error> {
        let shown: String = url.chars().take(200).collect();
        let fault = |why: &str| Error::Operator(format!("`{shown}` is no base URL of a model provider: {why}"));
        let uri: Uri = url.parse().map_err(|_| fault("it can't be read; write https://host/path"))?;
        let scheme = match uri.scheme_str() {
            Some("https") => Scheme::Https,
            Some("http") => Scheme::Http,
            _ => return Err(fault("it must begin with https:// or http://")),
        };
        let authority = uri.authority().ok_or_else(|| fault("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(fault("it holds credentials; set the key in the environment of `creel up`"));
        }
        if uri.query().is_some() {
            return Err(fault("it holds a query; leave it out"));
        }
        let host = authority.host();
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let to = match literal {
            Ok(address) => Target::Address(address),
            Err(_) => Target::Host(HostName::parse(host).map_err(|error| fault(&error.to_string()))?),
        };
        let port = authority.port_u16().unwrap_or(scheme.default_port());
        Ok(Self { scheme, to, port, path: uri.path().trim_end_matches('/').to_owned() })
    }

    fn authority(&self) -> String {
        if self.port == self.scheme.default_port() { self.to.to_string() } else { format!("{}:{}", self.to, self.port) }
    }

    fn path(&self, format: Format, inside: &str) -> String {
        match format {
            Format::OpenAi | Format::Responses => {
                format!("{}{}", self.path, inside.strip_prefix("/v1").unwrap_or(inside))
            }
            Format::Anthropic | Format::Gemini => format!("{}{inside}", self.path),
        }
    }
}

/// A provider over HTTP/1.1.
#[derive(Clone)]
pub struct HttpOrigin {
    /// Where it is.
    pub base: Base,
    /// What it speaks.
    pub format: Format,
    /// Pins resolution to this address.
    pub address: Option<IpAddr>,
    /// Roots over and above the host's.
    pub roots: Vec<CertificateDer<'static>>,
    /// Opens connections.
    pub client: Client,
    /// Resolves the provider's name.
    pub resolver: Arc<dyn Resolve>,
}

impl HttpOrigin {
    async fn exchange(&self, request: Request<Bytes>, addresses: Vec<IpAddr>) -> Result<Response<Body>, Error> {
        let (mut head, body) = request.into_parts();
        let inside = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let path = self.base.path(self.format, inside);
        head.uri = path.parse().map_err(|_| Error::Operator(format!("`{path}` is no path of a provider")))?;
        let host = HeaderValue::from_str(&self.base.authority())
            .map_err(|_| Error::Bug("a provider's name fits no header".to_owned()))?;
        head.headers.insert(header::HOST, host);
        let place = Place {
            scheme: self.base.scheme,
            to: self.base.to.clone(),
            port: self.base.port,
            addresses,
            roots: self.roots.clone(),
            identity: None,
        };
        let response = self.client.send_request(&place, Request::from_parts(head, stream::full(body))).await?;
        Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()))
    }
}

impl Origin for HttpOrigin {
    fn locate(&self) -> BoxFuture<'_, Result<Vec<IpAddr>, Error>> {
        Box::pin(async move {
            match (self.address, &self.base.to) {
                (Some(pinned), _) => Ok(vec![pinned]),
                (None, Target::Address(address)) => Ok(vec![*address]),
                (None, Target::Host(host)) => self
                    .resolver
                    .resolve(host)
                    .await
                    .map_err(|error| Error::Upstream(format!("`{host}` does not resolve: {error}"))),
            }
        })
    }

    fn send(&self, request: Request<Bytes>, addresses: Vec<IpAddr>) -> BoxFuture<'_, Result<Response<Body>, Error>> {
        Box::pin(self.exchange(request, addresses))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls() {
        let base = Base::parse("https://api.openai.com/v1/").unwrap();
        assert_eq!((base.port, base.authority().as_str()), (443, "api.openai.com"));
        assert_eq!(base.path(Format::OpenAi, Format::OpenAi.path()), "/v1/chat/completions");
        let base = Base::parse("http://[::1]:8080").unwrap();
        assert_eq!(base.authority(), "[::1]:8080");
        assert_eq!(base.path(Format::Anthropic, Format::Anthropic.path()), "/v1/messages");
        assert_eq!(base.path(Format::OpenAi, Format::OpenAi.path()), "/chat/completions");
        assert_eq!(base.path(Format::Responses, Format::Responses.path()), "/responses");
        let gemini = "/v1beta/models/m:streamGenerateContent?alt=sse";
        assert_eq!(base.path(Format::Gemini, gemini), gemini);
    }

    #[test]
    fn bad_base_urls_say_why() {
        for (bad, why) in [
            ("ftp://x", "https://"),
            ("/v1", "https://"),
            ("https://key:x@api.test/", "credentials"),
            ("https://api.test/?key=1", "query"),
            ("https://a_b.test/", "host name"),
        ] {
            let error = Base::parse(bad).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
