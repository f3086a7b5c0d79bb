//! Whom this system trusts, asked of rustls.

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
        Self { verifier: built.ok() }
    }

    /// Whether a client would take this chain from a server of this name.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, chain: &[Vec<u8>], name: &ServerName<'_>) -> Result<(), Distrust> {
        let Some((own, issuers)) = chain.split_first() else {
            return Err(Distrust::Other("no certificate".into()));
        };
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
