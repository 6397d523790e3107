//! An upstream that tests own.
//!
//! Owns [`Origin`]: a real HTTPS or HTTP/1.1 server on a loopback address that remembers what it was asked. It answers
//! on threads of its own, so that a test may block.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

/// One request that arrived.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Header names (lower case) and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// A server on loopback. It stops when it is dropped.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    ca_pem: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    _runtime: tokio::runtime::Runtime,
}

type Answer = Arc<dyn Fn(&Asked) -> Response<Bytes> + Send + Sync>;

impl Origin {
    /// An HTTPS server at `at` (port 0: any) for `names`, with a CA of its own; it says `hello from ORIGIN` to everything
    /// and answers git's look-up of `/repo.git`.
    ///
    /// # Errors
    /// When the address can't be bound.
    pub fn https(at: &str, names: &[&str]) -> io::Result<Self> {
        Self::start(at, Some(names), Arc::new(greet))
    }

    /// The same, answering as `answer` says.
    ///
    /// # Errors
    /// When the address can't be bound.
    pub fn https_answering(
        at: &str,
        names: &[&str],
        answer: impl Fn(&Asked) -> Response<Bytes> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::start(at, Some(names), Arc::new(answer))
    }

    /// The same without TLS.
    ///
    /// # Errors
    /// When the address can't be bound.
    pub fn http(at: &str) -> io::Result<Self> {
        Self::start(at, None, Arc::new(greet))
    }

    /// The same without TLS, answering as `answer` says.
    ///
    /// # Errors
    /// When the address can't be bound.
    pub fn answering(at: &str, answer: impl Fn(&Asked) -> Response<Bytes> + Send + Sync + 'static) -> io::Result<Self> {
        Self::start(at, None, Arc::new(answer))
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its CA's certificate, PEM; empty without TLS.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// What it was asked so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn start(at: &str, names: Option<&[&str]>, answer: Answer) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let (tls, ca_pem) = match names {
            Some(names) => tls(names).map_err(io::Error::other)?,
            None => (None, String::new()),
        };
        let listener = std::net::TcpListener::bind(at)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        runtime.spawn(async move {
            let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, seen, answer) = (tls.clone(), Arc::clone(&seen), Arc::clone(&answer));
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, seen, answer).await;
                            }
                        }
                        None => serve(stream, seen, answer).await,
                    }
                });
            }
        });
        Ok(Self { address, ca_pem, asked, _runtime: runtime })
    }
}

async fn serve<S>(stream: S, seen: Arc<Mutex<Vec<Asked>>>, answer: Answer)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes().to_vec();
            let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            let asked = Asked {
                method: head.method.to_string(),
                path: head.uri.path_and_query().map_or_else(String::new, ToString::to_string),
                headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
                body,
            };
            let response = answer(&asked).map(Full::new);
            seen.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
            Ok::<_, hyper::Error>(response)
        }
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

fn greet(asked: &Asked) -> Response<Bytes> {
    // The smart protocol's advertisement of an empty repository (gitprotocol-http(5)).
    if asked.path.starts_with("/repo.git/info/refs") {
        let empty = "001e# service=git-upload-pack\n0000004795dcfa3633004da0049d3d0fa03f80589cbcaf31 refs/heads/main\0multi_ack\n0000";
        let mut response = Response::new(Bytes::from(empty));
        let kind = http::HeaderValue::from_static("application/x-git-upload-pack-advertisement");
        response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
        return response;
    }
    let mut response = Response::new(Bytes::from_static(b"hello from ORIGIN\n"));
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("text/plain"));
    response
}

type Made = (Option<TlsAcceptor>, String);

fn tls(names: &[&str]) -> Result<Made, Box<dyn std::error::Error + Send + Sync>> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.distinguished_name.push(DnType::CommonName, "creel test origin CA");
    let key = KeyPair::generate()?;
    let ca = params.self_signed(&key)?;
    let issuer = Issuer::new(params, key);
    let leaf_key = KeyPair::generate()?;
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let leaf = CertificateParams::new(names)?.signed_by(&leaf_key, &issuer)?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], private)?;
    Ok((Some(TlsAcceptor::from(Arc::new(config))), ca.pem()))
}
