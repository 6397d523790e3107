//! Whom we believe upstream.
//!
//! Owns the root certificates and the TLS client configurations made of them. Never switches verification off. Used by
//! [`super::Client`].

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::identity::Identity;
use super::pinned::Pinned;
use crate::Error;

/// The operator's places with roots of their own: a bound against a runaway reload, far above real use.
const MAX_CONFIGS: usize = 256;

/// Roots of a place's own, who Creel is there, and the protocols that are offered.
type Kind = (Vec<CertificateDer<'static>>, Option<Identity>, Vec<Vec<u8>>);

/// Root certificates: the host's, plus per place.
#[derive(Debug)]
pub struct Trust {
    roots: RootCertStore,
    configs: Mutex<HashMap<Kind, Arc<ClientConfig>>>,
}

impl Trust {
    /// Trusts these roots.
    ///
    /// # Errors
    /// [`Error::Operator`] when one is no usable certificate.
    pub fn new(roots: &[CertificateDer<'static>]) -> Result<Self, Error> {
        let mut store = RootCertStore::empty();
        add(&mut store, roots)?;
        Ok(Self { roots: store, configs: Mutex::default() })
    }

    /// Trusts the host's bundle, a PEM file. Certificates in it that can't be used are left out, as every client does.
    ///
    /// # Errors
    /// [`Error::Operator`] when the file can't be read or holds no usable certificate.
    pub fn from_bundle(path: &Path) -> Result<Self, Error> {
        let unusable =
            |why: String| Error::Operator(format!("can't use the root certificates in `{}`: {why}", path.display()));
        let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        let certificates = read_pem(&pem).map_err(|error| unusable(error.to_string()))?;
        let mut roots = RootCertStore::empty();
        let (usable, _) = roots.add_parsable_certificates(certificates);
        if usable == 0 {
            return Err(unusable("it holds none; install the ca-certificates package".to_owned()));
        }
        Ok(Self { roots, configs: Mutex::default() })
    }

    /// The TLS client configuration for a place with these roots of its own, for whom Creel is there, offering these protocols.
    pub(super) fn client_config(
        &self,
        own: &[CertificateDer<'static>],
        identity: Option<&Identity>,
        alpn: &[&[u8]],
    ) -> Result<Arc<ClientConfig>, Error> {
        let kind: Kind = (own.to_vec(), identity.cloned(), alpn.iter().map(|one| one.to_vec()).collect());
        let mut configs = self.configs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = configs.get(&kind) {
            return Ok(Arc::clone(config));
        }
        let mut roots = self.roots.clone();
        add(&mut roots, own)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Bug(format!("no TLS versions: {error}")))?;
        let builder = if own.is_empty() {
            builder.with_root_certificates(roots)
        } else {
            let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| Error::Bug(format!("no verifier of certificates: {error}")))?;
            let pinned = Pinned { usual, own: own.to_vec() };
            builder.dangerous().with_custom_certificate_verifier(Arc::new(pinned))
        };
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => builder.with_client_cert_resolver(identity.resolver()),
        };
        config.alpn_protocols.clone_from(&kind.2);
        let config = Arc::new(config);
        if configs.len() >= MAX_CONFIGS {
            configs.clear();
        }
        configs.insert(kind, Arc::clone(&config));
        Ok(config)
    }
}

/// Reads every certificate of a PEM text.
///
/// # Errors
/// [`Error::Operator`] when a block in it is damaged.
pub fn read_pem(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| Error::Operator(format!("damaged PEM: {error}")))
}

fn add(store: &mut RootCertStore, roots: &[CertificateDer<'static>]) -> Result<(), Error> {
    for root in roots {
        store.add(root.clone()).map_err(|error| {
            Error::Operator(format!("a root certificate can't be used ({error}); name a CA certificate in PEM form"))
        })?;
    }
    Ok(())
}
