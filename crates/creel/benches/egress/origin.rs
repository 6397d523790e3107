//! The upstream: 1 KiB to every request, plain and over TLS.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpListener;

use super::door::TUNNELLED;
use super::{Failure, HOST, note};

/// Where it listens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    pub(super) plain: u16,
    pub(super) tls: u16,
}

impl Ports {
    pub(super) fn read(folder: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(note(folder, "origin.ports"))?;
        let (plain, tls) = text.split_once(' ').ok_or("no ports")?;
        Ok(Self { plain: plain.parse()?, tls: tls.parse()? })
    }
}

pub(super) async fn serve(folder: &Path) -> Result<(), Failure> {
    let (plain, tls) = (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
    let mut config = certified(&Authority::new(folder, "origin")?, &[HOST, TUNNELLED])?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let ports = format!("{} {}", plain.local_addr()?.port(), tls.local_addr()?.port());
    std::fs::write(note(folder, "origin.ports"), ports)?;
    std::fs::write(note(folder, "origin.ready"), "0")?;
    loop {
        tokio::select! {
            Ok((stream, _)) = plain.accept() => {
                let _ = stream.set_nodelay(true);
                tokio::spawn(answer(stream));
            }
            Ok((stream, _)) = tls.accept() => {
                let _ = stream.set_nodelay(true);
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        answer(stream).await;
                    }
                });
            }
        }
    }
}

async fn answer(stream: impl creel_doors::stream::Io + 'static) {
    let body = Bytes::from_static(&[b'x'; 1024]);
    let service = service_fn(move |_| {
        let body = body.clone();
        async move { Ok::<_, Infallible>(Response::new(Full::new(body))) }
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// A certificate authority whose certificate others read.
pub(super) struct Authority(Issuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new(folder: &Path, name: &str) -> Result<Self, Failure> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key)?;
        std::fs::write(note(folder, &format!("{name}.pem")), certificate.pem())?;
        std::fs::write(note(folder, &format!("{name}.key")), key.serialize_pem())?;
        Ok(Self(Issuer::new(params, key)))
    }
}

/// A server that has these names.
pub(super) fn certified(authority: &Authority, names: &[&str]) -> Result<ServerConfig, Failure> {
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?
        .signed_by(&key, &authority.0)?;
    let private = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?.with_no_client_auth();
    Ok(builder.with_single_cert(vec![leaf.der().clone()], private)?)
}

/// A client that believes these authorities.
pub(super) fn believing(folder: &Path, names: &[&str], alpn: &[&str]) -> Result<rustls::ClientConfig, Failure> {
    let mut roots = RootCertStore::empty();
    for name in names {
        if let Ok(pem) = std::fs::read(note(folder, &format!("{name}.pem"))) {
            for certificate in creel_doors::upstream::read_pem(&pem)? {
                roots.add(certificate)?;
            }
        }
    }
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?.with_root_certificates(roots);
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|one| one.as_bytes().to_vec()).collect();
    Ok(config)
}
