//! Whom this system trusts, asked of rustls.

use crate::certificate::CertificateFacts;
use rustls::client::verify_server_name;
use rustls::client::{WebPkiServerVerifier, danger::ServerCertVerifier as _};
use rustls::crypto::CryptoProvider;
#[cfg(feature = "tls-aws-lc-rs")]
use rustls::crypto::aws_lc_rs as cryptography;
#[cfg(not(feature = "tls-aws-lc-rs"))]
use rustls::crypto::ring as cryptography;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};
use std::sync::Arc;

/// Who does the cryptography.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(cryptography::default_provider())
}

/// Authorities: those of this system, and others that were named.
#[derive(Clone, Debug)]
pub struct Trust {
    verifier: Option<Arc<WebPkiServerVerifier>>,
    /// Those that were named: a server's own among them is trusted as it is, whatever else it may be used for.
    named: Vec<Vec<u8>>,
}

impl Trust {
    /// The system's authorities and these certificates (DER), which may be a server's own as well.
    pub fn with(more: &[Vec<u8>]) -> Self {
        let mut roots = RootCertStore::empty();
        let system = rustls_native_certs::load_native_certs().certs;
        roots.add_parsable_certificates(
            system.into_iter().chain(more.iter().cloned().map(CertificateDer::from)),
        );
        // Without any authority there is no verifier, and nobody is trusted.
        let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
        Self { verifier: built.ok(), named: more.to_vec() }
    }

    /// Whether a client would take this chain from a server of this name.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, chain: &[Vec<u8>], name: &ServerName<'_>) -> Result<(), Distrust> {
        let Some((own, issuers)) = chain.split_first() else {
            return Err(Distrust::Other("no certificate".into()));
        };
        let facts = CertificateFacts::from_der(own).map_err(Distrust::Other)?;
        if self.named.contains(own) {
            return is_still_good(own, &facts, name);
        }
        // An authority that nobody knows, however it was made.
        if facts.is_self_signed() {
            return Err(Distrust::UnknownAuthority);
        }
        let Some(verifier) = &self.verifier else { return Err(Distrust::UnknownAuthority) };
        let own = CertificateDer::from(own.as_slice());
        let issuers: Vec<_> = issuers.iter().map(|issuer| CertificateDer::from(issuer.as_slice())).collect();
        let verdict = verifier.verify_server_cert(&own, &issuers, name, &[], UnixTime::now());
        verdict.map(drop).map_err(|error| match error {
            Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
                Distrust::UnknownAuthority
            }
            Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => Distrust::OtherName,
            Error::InvalidCertificate(
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. },
            ) => Distrust::Time,
            other => Distrust::Other(other.to_string()),
        })
    }
}

/// A certificate that was named on purpose: only its name and its time count.
fn is_still_good(own: &[u8], facts: &CertificateFacts, name: &ServerName<'_>) -> Result<(), Distrust> {
    let now = crate::tls::now();
    if now < facts.not_before || facts.is_over(now) {
        return Err(Distrust::Time);
    }
    let is_for = is_for(own, &name.to_str()).unwrap_or(false);
    if is_for { Ok(()) } else { Err(Distrust::OtherName) }
}

/// Why a client would not take a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// No authority that is trusted has issued it.
    UnknownAuthority,
    /// It is for another name.
    OtherName,
    /// It has ended or not begun.
    Time,
    /// Something else.
    Other(String),
}

/// Whether a certificate is for this name or address (RFC 9525 section 6). `None`: one of both can't be read.
pub(super) fn is_for(own: &[u8], name: &str) -> Option<bool> {
    let name = ServerName::try_from(name.strip_suffix('.').unwrap_or(name)).ok()?;
    let own = CertificateDer::from(own);
    let own = ParsedCertificate::try_from(&own).ok()?;
    Some(verify_server_name(&own, &name).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

    /// As `openssl req -x509` makes them: authorities of their own.
    fn made(until: i32) -> Vec<u8> {
        let mut parameters = CertificateParams::new(vec!["ftp.example.org".to_owned()]).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.not_before = rcgen::date_time_ymd(2_020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(until, 1, 1);
        parameters.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn a_certificate_that_was_named_is_trusted_for_its_name_and_time() {
        let name = |name: &str| ServerName::try_from(name.to_owned()).unwrap();
        let (own, other, old) = (made(2_099), made(2_099), made(2_021));
        let trust = Trust::with(&[own.clone(), old.clone()]);
        let own = [own];
        assert_eq!(trust.check(&own, &name("ftp.example.org")), Ok(()));
        assert_eq!(trust.check(&own, &name("ftp.example.net")), Err(Distrust::OtherName));
        assert_eq!(trust.check(&[old], &name("ftp.example.org")), Err(Distrust::Time));
        assert_eq!(trust.check(&[other], &name("ftp.example.org")), Err(Distrust::UnknownAuthority));
        assert!(matches!(trust.check(&[b"x".to_vec()], &name("ftp.example.org")), Err(Distrust::Other(_))));
    }
}
