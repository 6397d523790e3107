//! The certificate authority of one tenant, which the jail trusts and nobody else.
//!
//! Owns the CA's key and mints the leaves that the egress door shows to the agent. Its key never leaves the folder that
//! the guard process names. Called by the egress door; the jail gets [`Ca::certificate_pem`] alone.

mod files;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use creel_guard::{Target, Tenant};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig};
use time::{Duration, OffsetDateTime};

use crate::Error;

/// The CA outlives any installation that is looked after.
const CA_LIFE: Duration = Duration::days(3650);
/// Leaves are cheap: short-lived, so that a stolen one is soon worthless.
const LEAF_LIFE: Duration = Duration::days(7);
/// A leaf with less than this left is minted anew.
const LEAF_LEFT: Duration = Duration::days(1);
/// Clocks of host and jail are the same, but certificates get copied: one hour of slack backwards.
const SKEW: Duration = Duration::hours(1);
/// Leaves kept at a time; about 2 KiB each, and 0.1 ms to mint again.
const MAX_LEAVES: usize = 1024;

/// A tenant's certificate authority.
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    /// One key for all leaves: they live in this process only.
    leaf_key: KeyPair,
    provider: Arc<CryptoProvider>,
    leaves: Mutex<HashMap<Target, Leaf>>,
}

#[derive(Clone)]
struct Leaf {
    config: Arc<ServerConfig>,
    not_after: OffsetDateTime,
}

/// Whether a CA outlives its jail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lasts {
    Longer,
    NoLonger,
}

impl Ca {
    /// The CA kept in `folder`, made there if the folder holds none. `folder` must exist and be closed to everybody
    /// else.
    ///
    /// # Errors
    /// [`Error::Host`] when files can't be read or written, [`Error::Operator`] when they are no CA of this tenant.
    pub fn open(folder: &Path, tenant: &Tenant) -> Result<Self, Error> {
        Self::open_or_make(folder, tenant, Lasts::Longer)
    }

    /// The same for a CA that goes with its jail: a new one is not waited for until it is on disk.
    ///
    /// # Errors
    /// As [`Ca::open`].
    pub fn open_fleeting(folder: &Path, tenant: &Tenant) -> Result<Self, Error> {
        Self::open_or_make(folder, tenant, Lasts::NoLonger)
    }

    fn open_or_make(folder: &Path, tenant: &Tenant, lasts: Lasts) -> Result<Self, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let ca = match files::read(folder)? {
            Some(kept) => {
                let key = KeyPair::from_pem(&kept.key).map_err(|error| damaged(folder, &error))?;
                Self::assemble(tenant, key, kept.certificate, provider)?
            }
            None => {
                let key = KeyPair::generate().map_err(|error| bug(&error))?;
                let certificate = params(tenant, &provider)?.self_signed(&key).map_err(|error| bug(&error))?.pem();
                files::write(folder, &key.serialize_pem(), &certificate, lasts)?;
                Self::assemble(tenant, key, certificate, provider)?
            }
        };
        ca.prove().map_err(|why| damaged(folder, &why))?;
        Ok(ca)
    }

    fn assemble(
        tenant: &Tenant,
        key: KeyPair,
        certificate_pem: String,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, Error> {
        let [certificate] = crate::upstream::read_pem(certificate_pem.as_bytes())?.try_into().map_err(|_| {
            Error::Operator(format!("the CA file of `{tenant}` must hold one certificate; move it away for a new CA"))
        })?;
        Ok(Self {
            issuer: Issuer::new(params(tenant, &provider)?, key),
            certificate,
            certificate_pem,
            leaf_key: KeyPair::generate().map_err(|error| bug(&error))?,
            provider,
            leaves: Mutex::default(),
        })
    }

    /// The certificate that the jail trusts.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The certificate that the jail trusts, DER.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// A TLS server configuration with a leaf for `target`, minted now or kept from before. ALPN: `h2` and `http/1.1`.
    ///
    /// # Errors
    /// [`Error::Bug`] when no leaf can be minted.
    pub fn server_config(&self, target: &Target) -> Result<Arc<ServerConfig>, Error> {
        self.server_config_at(target, OffsetDateTime::now_utc())
    }

    fn server_config_at(&self, target: &Target, now: OffsetDateTime) -> Result<Arc<ServerConfig>, Error> {
        let mut leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leaf) = leaves.get(target).filter(|leaf| leaf.not_after - now > LEAF_LEFT) {
            return Ok(Arc::clone(&leaf.config));
        }
        let leaf = self.mint(target, now)?;
        if leaves.len() >= MAX_LEAVES {
            leaves.clear();
        }
        leaves.insert(target.clone(), leaf.clone());
        Ok(leaf.config)
    }

    fn mint(&self, target: &Target, now: OffsetDateTime) -> Result<Leaf, Error> {
        let mut params = CertificateParams::default();
        params.not_before = now - SKEW;
        params.not_after = now + LEAF_LIFE;
        params.serial_number = Some(serial(&self.provider)?);
        // The name stands in the SAN alone (RFC 9525, section 2): a common name could not hold 253 bytes.
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![match target {
            Target::Host(host) => SanType::DnsName(host.as_str().try_into().map_err(|error| bug(&error))?),
            Target::Address(address) => SanType::IpAddress(*address),
        }];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&self.leaf_key, &self.issuer).map_err(|error| bug(&error))?;
        let key = PrivateKeyDer::Pkcs8(self.leaf_key.serialize_der().into());
        let key = rustls::crypto::ring::sign::any_ecdsa_type(&key).map_err(|error| bug(&error))?;
        let chain = vec![certificate.der().clone(), self.certificate.clone()];
        let resolver = SingleCertAndKey::from(CertifiedKey::new(chain, key));
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| bug(&error))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Leaf { config: Arc::new(config), not_after: params.not_after })
    }

    /// Whether a client that trusts the certificate believes what the key signs: it doesn't when the files don't belong
    /// together, are another tenant's, or have expired.
    fn prove(&self) -> Result<(), String> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).map_err(|error| error.to_string())?;
        let verifier =
            rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
                .build()
                .map_err(|error| error.to_string())?;
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::DnsName("proof.test".try_into().map_err(|_| "no name".to_owned())?)];
        params.not_before = OffsetDateTime::now_utc() - SKEW;
        params.not_after = OffsetDateTime::now_utc() + LEAF_LIFE;
        let leaf = params.signed_by(&self.leaf_key, &self.issuer).map_err(|error| error.to_string())?;
        let name = "proof.test".try_into().map_err(|_| "no name".to_owned())?;
        let now = rustls::pki_types::UnixTime::now();
        rustls::client::danger::ServerCertVerifier::verify_server_cert(&*verifier, leaf.der(), &[], &name, &[], now)
            .map_err(|error| error.to_string())?;
        Ok(())
    }
}

/// What the CA's certificate says. Its subject is made of the tenant's name alone, so that a kept key finds it again.
fn params(tenant: &Tenant, provider: &CryptoProvider) -> Result<CertificateParams, Error> {
    let now = OffsetDateTime::now_utc();
    let mut params = CertificateParams::default();
    params.not_before = now - SKEW;
    params.not_after = now + CA_LIFE;
    params.serial_number = Some(serial(provider)?);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Creel");
    // RFC 5280, ub-common-name: 64 characters. A tenant's name has at most 63.
    params.distinguished_name.push(DnType::OrganizationalUnitName, "Creel certificate authority of one tenant");
    params.distinguished_name.push(DnType::CommonName, tenant.as_str());
    Ok(params)
}

/// A random positive serial number of 127 bits (RFC 5280, section 4.1.2.2): browsers refuse doubles of one issuer.
fn serial(provider: &CryptoProvider) -> Result<SerialNumber, Error> {
    let mut bytes = [0_u8; 16];
    provider.secure_random.fill(&mut bytes).map_err(|_| Error::Bug("no random bytes".to_owned()))?;
    if let Some(first) = bytes.first_mut() {
        *first = *first & 0x7F | 0x40;
    }
    Ok(SerialNumber::from_slice(&bytes))
}

fn bug(error: &dyn fmt::Display) -> Error {
    Error::Bug(format!("a certificate can't be made: {error}"))
}

fn damaged(folder: &Path, why: &dyn fmt::Display) -> Error {
    Error::Operator(format!(
        "the CA in `{}` can't be used ({why}); move it away and restart the jail, a new one is then made",
        folder.display()
    ))
}

impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ca").finish_non_exhaustive()
    }
}
