//! A certificate that the operator named is trusted as a server's own, too.
//!
//! Owns the one exception to the usual verification: `openssl req -x509` makes a certificate that is its own authority,
//! and a path of one certificate is none to the usual verifier. Only the very bytes that the operator named pass, for a
//! name that stands in them and while they are valid. [`super::Trust`] uses it for places with roots of their own.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

/// Verifies as usual, and lets the operator's own certificates stand for themselves.
#[derive(Debug)]
pub(super) struct Pinned {
    pub(super) usual: Arc<WebPkiServerVerifier>,
    pub(super) own: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let usual = self.usual.verify_server_cert(end_entity, intermediates, server_name, ocsp, now);
        if usual.is_ok() || !self.own.iter().any(|own| own.as_ref() == end_entity.as_ref()) {
            return usual;
        }
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        match validity(end_entity) {
            Some((from, _)) if now.as_secs() < from => Err(CertificateError::NotValidYet.into()),
            Some((_, until)) if now.as_secs() > until => Err(CertificateError::Expired.into()),
            Some(_) => Ok(ServerCertVerified::assertion()),
            None => Err(CertificateError::BadEncoding.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

/// `notBefore` and `notAfter` in seconds since 1970 (RFC 5280, section 4.1): the fifth field of the certificate's body,
/// behind an optional version.
fn validity(certificate: &[u8]) -> Option<(u64, u64)> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    let (outer, _) = element(certificate, SEQUENCE)?;
    let (mut body, _) = element(outer, SEQUENCE)?;
    if body.first() == Some(&VERSION) {
        body = element(body, VERSION)?.1;
    }
    // Serial number, signature algorithm, issuer.
    for tag in [0x02, SEQUENCE, SEQUENCE] {
        body = element(body, tag)?.1;
    }
    let (dates, _) = element(body, SEQUENCE)?;
    let (from, rest) = moment(dates)?;
    let (until, _) = moment(rest)?;
    Some((from, until))
}

/// A UTCTime (two digits of the year, RFC 5280, section 4.1.2.5.1) or a GeneralizedTime, and what follows it.
fn moment(der: &[u8]) -> Option<(u64, &[u8])> {
    const FORM: &[BorrowedFormatItem<'_>] = format_description!("[year][month][day][hour][minute][second]Z");
    let tag = *der.first()?;
    let (text, rest) = element(der, tag)?;
    let text = std::str::from_utf8(text).ok()?;
    let whole = match tag {
        0x17 if text.get(..2)?.parse::<u8>().ok()? >= 50 => format!("19{text}"),
        0x17 => format!("20{text}"),
        0x18 => text.to_owned(),
        _ => return None,
    };
    let at: OffsetDateTime = PrimitiveDateTime::parse(&whole, FORM).ok()?.assume_utc();
    Some((u64::try_from(at.unix_timestamp()).unwrap_or(0), rest))
}

/// The content of the DER element with this tag, and what follows it (X.690, section 8.1).
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0usize, |sum, byte| (sum << 8) | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
    use rustls::RootCertStore;

    use super::*;

    /// A certificate that is its own authority, as `openssl req -x509` makes it.
    fn own(name: &str, years: std::ops::Range<i32>) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_before = rcgen::date_time_ymd(years.start, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.end, 1, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    fn verify(named: &CertificateDer<'static>, shown: &CertificateDer<'static>, name: &str) -> Result<(), Error> {
        let mut roots = RootCertStore::empty();
        roots.add(named.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let pinned = Pinned { usual, own: vec![named.clone()] };
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_800_000_000)); // 2027
        let name = ServerName::try_from(name.to_owned()).unwrap();
        pinned.verify_server_cert(shown, &[], &name, &[], now).map(drop)
    }

    #[test]
    fn only_the_very_certificate_for_its_own_name_and_time() {
        let named = own("origin.test", 2020..2040);
        assert_eq!(verify(&named, &named, "origin.test"), Ok(()));
        assert!(verify(&named, &named, "other.test").is_err());
        assert!(verify(&named, &own("origin.test", 2020..2040), "origin.test").is_err());
        let old = own("origin.test", 2001..2002);
        assert_eq!(verify(&old, &old, "origin.test"), Err(CertificateError::Expired.into()));
        let early = own("origin.test", 2051..2060);
        assert_eq!(verify(&early, &early, "origin.test"), Err(CertificateError::NotValidYet.into()));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut der in proptest::collection::vec(any::<u8>(), 0..200), at in any::<u16>(), byte in any::<u8>()) {
            validity(&der);
            der = own("origin.test", 2020..2040).to_vec();
            let at = usize::from(at) % der.len();
            der[at] = byte;
            validity(&der);
        }
    }
}
