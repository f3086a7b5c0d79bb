//! Who may be at the other end: authorities for certificates of clients, and the two verifiers that accept anybody
//! who has the key of the certificate shown.

use super::identity::{IdentityError, certificates, sections};
use super::provider;
use ::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use ::rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use ::rustls::pki_types::pem::SectionKind;
use ::rustls::pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};
use ::rustls::server::WebPkiClientVerifier;
use ::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use ::rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Who issues certificates of clients, and which of those are revoked. Clones share it.
#[derive(Clone, Debug)]
pub struct ClientAuthorities {
    requested: Arc<dyn ClientCertVerifier>,
    required: Arc<dyn ClientCertVerifier>,
}

impl ClientAuthorities {
    /// Reads authorities and their lists of revocations (RFC 5280 section 5), which may be empty. A list revokes
    /// what it names, even when it is out of date; an authority without a list revokes nothing.
    ///
    /// # Errors
    /// Says what is wrong and what to do about it.
    pub fn from_pem(authorities: &[u8], revocations: &[u8]) -> Result<Self, IdentityError> {
        let mut roots = RootCertStore::empty();
        for authority in certificates(authorities)? {
            roots.add(authority).map_err(|why| IdentityError::BadAuthority(why.to_string()))?;
        }
        if roots.is_empty() {
            return Err(IdentityError::NoCertificate);
        }
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(provider()))
            .with_crls(revocation_lists(revocations)?)
            .allow_unknown_revocation_status();
        let broken =
            |why: ::rustls::server::VerifierBuilderError| IdentityError::BadRevocations(why.to_string());
        Ok(Self {
            requested: builder.clone().allow_unauthenticated().build().map_err(broken)?,
            required: builder.build().map_err(broken)?,
        })
    }
}

fn revocation_lists(pem: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, IdentityError> {
    if pem.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    let lists: Vec<_> = sections(pem)
        .map_err(|why| IdentityError::BadRevocations(why.to_string()))?
        .into_iter()
        .filter(|(kind, _)| *kind == SectionKind::Crl)
        .map(|(_, der)| CertificateRevocationListDer::from(der))
        .collect();
    match lists.is_empty() {
        true => Err(IdentityError::BadRevocations("there is none in the file".to_string())),
        false => Ok(lists),
    }
}

/// Verifies certificates of clients; without authorities any will do whose key the client has.
pub(super) fn of_clients(
    authorities: Option<&ClientAuthorities>,
    required: bool,
) -> Arc<dyn ClientCertVerifier> {
    match authorities {
        Some(authorities) if required => authorities.required.clone(),
        Some(authorities) => authorities.requested.clone(),
        None => Arc::new(AnyClient { signatures: Signatures(provider()), required }),
    }
}

/// Accepts any server (SSCN): which one the client brought together with us is its own business, and the policy has
/// to allow it.
pub(super) fn of_servers() -> Arc<dyn ServerCertVerifier> {
    Arc::new(AnyServer(Signatures(provider())))
}

/// Whether the peer has the key of its certificate.
#[derive(Debug)]
struct Signatures(CryptoProvider);

impl Signatures {
    fn verify_tls12(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[derive(Debug)]
struct AnyClient {
    signatures: Signatures,
    required: bool,
}

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.verify_tls12(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.verify_tls13(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.schemes()
    }
}

#[derive(Debug)]
struct AnyServer(Signatures);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.schemes()
    }
}
