//! What the server proves who it is by: a certificate chain and its key.

use super::provider;
use ::rustls::client::verify_server_name;
use ::rustls::pki_types::pem::{PemObject, SectionKind};
use ::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use ::rustls::server::ParsedCertificate;
use ::rustls::sign::CertifiedKey;
use ::rustls::{Error, InconsistentKeys};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

/// A certificate chain with its key. Clones share it.
#[derive(Clone)]
pub struct Identity {
    pub(super) key: Arc<CertifiedKey>,
}

impl Identity {
    /// Reads a chain, the server's own certificate first, and its key. Both may come from the same file; what else
    /// is in there is left alone.
    ///
    /// # Errors
    /// Says what is wrong and what to do about it.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, IdentityError> {
        let chain = certificates(chain)?;
        if chain.is_empty() {
            return Err(IdentityError::NoCertificate);
        }
        let key = private_key(key)?;
        let key = provider()
            .key_provider
            .load_private_key(key)
            .map_err(|why| IdentityError::UnsupportedKey(why.to_string()))?;
        let key = CertifiedKey::new(chain, key);
        match key.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(Error::InconsistentKeys(_)) => return Err(IdentityError::KeyOfAnotherCertificate),
            Err(why) => return Err(IdentityError::BadCertificate(why.to_string())),
        }
        Ok(Self { key: Arc::new(key) })
    }

    /// The chain in DER, the server's own certificate first.
    pub fn chain(&self) -> impl Iterator<Item = &[u8]> {
        self.key.cert.iter().map(AsRef::as_ref)
    }

    /// Whether the certificate is for this name or address, as a client would see it (RFC 9525 section 6).
    pub fn is_for(&self, name: &str) -> bool {
        let name = ServerName::try_from(name.strip_suffix('.').unwrap_or(name));
        let leaf = self.key.cert.first().map(ParsedCertificate::try_from);
        match (name, leaf) {
            (Ok(name), Some(Ok(leaf))) => verify_server_name(&leaf, &name).is_ok(),
            _ => false,
        }
    }
}

/// All certificates of a PEM text.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let of_kind = |(kind, der)| (kind == SectionKind::Certificate).then(|| CertificateDer::from(der));
    Ok(sections(pem)?.into_iter().filter_map(of_kind).collect())
}

/// The first key of a PEM text.
fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, IdentityError> {
    let found = sections(pem)?.into_iter().find_map(|(kind, der)| PrivateKeyDer::from_pem(kind, der));
    found.ok_or_else(|| match contains(pem, b"BEGIN ENCRYPTED PRIVATE KEY") {
        true => IdentityError::EncryptedKey,
        false => IdentityError::NoKey,
    })
}

/// What a PEM text holds, as far as it is of a kind that is known.
pub(super) fn sections(pem: &[u8]) -> Result<Vec<(SectionKind, Vec<u8>)>, IdentityError> {
    if !contains(pem, b"-----BEGIN ") {
        return Err(IdentityError::NotPem);
    }
    // The older way of encryption (RFC 1421 section 4.6.1.1): a header, which is no base64.
    if contains(pem, b"Proc-Type: 4,ENCRYPTED") {
        return Err(IdentityError::EncryptedKey);
    }
    <(SectionKind, Vec<u8>)>::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|why| IdentityError::BrokenPem(why.to_string()))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

impl fmt::Debug for Identity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Identity").field("chain", &self.key.cert.len()).finish_non_exhaustive()
    }
}

/// Why certificates, keys or lists of revocations can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// There is no PEM in it at all.
    #[error(
        "there is no PEM text in it; DER files are converted by `openssl x509 -inform der` or `openssl pkey -inform der`"
    )]
    NotPem,
    /// It begins as PEM and goes on otherwise.
    #[error("the PEM text is damaged ({0}); copy the file again, whole")]
    BrokenPem(String),
    /// No certificate where one should be.
    #[error("there is no certificate in it; look for the part that begins with -----BEGIN CERTIFICATE-----")]
    NoCertificate,
    /// A certificate that can't be read.
    #[error("the certificate can't be used: {0}; ask for a new one (X.509 version 3)")]
    BadCertificate(String),
    /// No key where one should be.
    #[error("there is no private key in it; look for the part that begins with -----BEGIN PRIVATE KEY-----")]
    NoKey,
    /// The key is protected by a password.
    #[error(
        "the private key is encrypted; write it without a password by `openssl pkey -in KEY -out NEW`, readable by the server alone"
    )]
    EncryptedKey,
    /// The key is of a kind that can't be used.
    #[error(
        "the private key can't be used: {0}; RSA from 2048 bits on, ECDSA (P-256, P-384) and Ed25519 work"
    )]
    UnsupportedKey(String),
    /// The key is not the one of the first certificate.
    #[error(
        "the private key belongs to another certificate; the chain must begin with the server's own, and the key must be the one it was made for"
    )]
    KeyOfAnotherCertificate,
    /// Settings without a certificate.
    #[error("TLS needs at least one certificate")]
    NoIdentity,
    /// An authority that can't be used.
    #[error("the certificate of an authority can't be used: {0}")]
    BadAuthority(String),
    /// A list of revocations that can't be used.
    #[error(
        "the list of revoked certificates can't be used: {0}; it has to be PEM that begins with -----BEGIN X509 CRL-----"
    )]
    BadRevocations(String),
    /// The cryptography failed.
    #[error("TLS can't start: {0}")]
    Cryptography(String),
}
