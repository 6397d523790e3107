//! Who Creel is to an upstream that asks (mutual TLS).
//!
//! Owns [`Identity`]: certificates and the key that fits them. Never shows the key, and never gives it to another place than
//! the one whose entry names it. Read from the operator's files by the configuration, used by [`super::Trust`].

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::read_pem;
use crate::Error;

/// Certificates and their key.
#[derive(Clone)]
pub struct Identity(Arc<CertifiedKey>);

impl Identity {
    /// Reads a chain, the own certificate first, and the private key of that one.
    ///
    /// # Errors
    /// [`Error::Operator`] says what is wrong, and never shows the key.
    pub fn read(certificates: &[u8], key: &[u8]) -> Result<Self, Error> {
        let unusable = |why: &str| Error::Operator(format!("no certificate to show upstream: {why}"));
        let chain = read_pem(certificates)?;
        if chain.is_empty() {
            return Err(unusable("the file holds none"));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| unusable("the key's file holds no private key"))?;
        let provider = rustls::crypto::ring::default_provider();
        let certified = CertifiedKey::from_der(chain, key, &provider);
        let certified =
            certified.map_err(|_| unusable("the key is not the certificate's, or of a kind that is not known"))?;
        Ok(Self(Arc::new(certified)))
    }

    pub(super) fn resolver(&self) -> Arc<dyn ResolvesClientCert> {
        Arc::new(SingleCertAndKey::from(Arc::clone(&self.0)))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({} certificates)", self.0.cert.len())
    }
}

/// A certificate says which key it is for.
impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.0.cert == other.0.cert
    }
}

impl Eq for Identity {}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.cert.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    #[test]
    fn a_key_must_fit_its_certificate_and_is_never_shown() {
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let certificate = CertificateParams::new(vec!["me.test".to_owned()]).unwrap().self_signed(&key).unwrap();
        let read = |certificate: &str, key: &str| Identity::read(certificate.as_bytes(), key.as_bytes());
        let own = read(&certificate.pem(), &key.serialize_pem()).unwrap();
        assert_eq!(format!("{own:?}"), "Identity(1 certificates)");
        for (certificate, key) in [
            (certificate.pem(), other.serialize_pem()),
            (certificate.pem(), String::new()),
            (String::new(), key.serialize_pem()),
        ] {
            let error = read(&certificate, &key).unwrap_err().to_string();
            assert!(!error.contains("PRIVATE") && error.contains("no certificate to show upstream"), "{error}");
        }
    }
}
