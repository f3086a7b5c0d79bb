//! A client of rustls and a session of ours, connected by vectors.

use crate::pki::Pem;
use ftp_proto::config::ClientCertificates;
use ftp_proto::tls::rustls::RustlsTls;
use ftp_proto::tls::{
    FamilyWish, Resumption, Tls, TlsError, TlsFacts, TlsFamily, TlsRole, TlsSession, TlsStatus, TlsVersion,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};
use std::io::{Read, Write};
use std::sync::Arc;

pub(crate) const BOTH: [TlsVersion; 2] = [TlsVersion::V1_2, TlsVersion::V1_3];

pub(crate) fn provider() -> CryptoProvider {
    #[cfg(feature = "rustls")]
    return rustls::crypto::aws_lc_rs::default_provider();
    #[cfg(not(feature = "rustls"))]
    rustls::crypto::ring::default_provider()
}

/// Whether they belong together or not.
pub(crate) fn certified_key(pem: &Pem) -> CertifiedKey {
    let certificate = CertificateDer::from_pem_slice(pem.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(pem.key.as_bytes()).unwrap();
    CertifiedKey::new(vec![certificate], provider().key_provider.load_private_key(key).unwrap())
}

/// What a client keeps between its connections: settings and tickets.
#[derive(Clone)]
pub(crate) struct Client(pub(crate) Arc<ClientConfig>);

impl Client {
    /// Uses each ticket of TLS 1.3 once, as rustls does.
    pub(crate) fn new(version: TlsVersion) -> Self {
        Self::with(version, None)
    }

    pub(crate) fn showing(version: TlsVersion, certificate: &Pem) -> Self {
        Self::with(version, Some(certificate))
    }

    fn with(version: TlsVersion, certificate: Option<&Pem>) -> Self {
        let version = match version {
            TlsVersion::V1_2 => &rustls::version::TLS12,
            TlsVersion::V1_3 => &rustls::version::TLS13,
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyServer));
        Self(Arc::new(match certificate {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified_key(pem))))
            }
        }))
    }

    pub(crate) fn change(mut self, change: impl FnOnce(&mut ClientConfig)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Connects and completes the handshake if it can be.
    pub(crate) fn connect(&self, family: &dyn TlsFamily, role: TlsRole) -> Pair {
        self.connect_to(family, role, "ftp.example.org")
    }

    pub(crate) fn connect_to(&self, family: &dyn TlsFamily, role: TlsRole, name: &str) -> Pair {
        let name = ServerName::try_from(String::from(name)).unwrap();
        let client = ClientConnection::new(self.0.clone(), name).unwrap();
        let mut pair = Pair { client, server: family.open(role).unwrap(), outcome: Ok(()), refusal: None };
        pair.exchange();
        pair
    }

    /// Connects, reads all that comes, and tells how the server sees the handshake.
    pub(crate) fn resumption(&self, family: &dyn TlsFamily, role: TlsRole) -> Resumption {
        self.connect(family, role).facts().resumption
    }
}

/// A family with nothing special about it.
pub(crate) fn family(tls: &RustlsTls) -> Box<dyn TlsFamily> {
    family_asking(tls, ClientCertificates::Ignore)
}

pub(crate) fn family_asking(tls: &RustlsTls, client_certificates: ClientCertificates) -> Box<dyn TlsFamily> {
    tls.family(FamilyWish { client_certificates, host: None })
}

pub(crate) struct Pair {
    pub(crate) client: ClientConnection,
    pub(crate) server: Box<dyn TlsSession>,
    /// Why the server gave up.
    pub(crate) outcome: Result<(), TlsError>,
    /// Why the client gave up.
    pub(crate) refusal: Option<Error>,
}

impl Pair {
    /// Until both are silent. What the server reads in plain text.
    pub(crate) fn exchange(&mut self) -> Vec<u8> {
        let mut plain = Vec::new();
        loop {
            let mut records = self.sent_by_client();
            let mut answer = Vec::new();
            self.feed(&mut records, &mut plain, &mut answer);
            if answer.is_empty() {
                return plain;
            }
            self.feed_client(&answer);
        }
    }

    pub(crate) fn sent_by_client(&mut self) -> Vec<u8> {
        let mut records = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut records).unwrap();
        }
        records
    }

    /// Hands records to the server, one at a time.
    pub(crate) fn feed(
        &mut self,
        records: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Option<TlsStatus> {
        let mut status = None;
        for record in split(records) {
            if self.outcome.is_err() {
                break;
            }
            match self.server.read_record(record, plain, out) {
                Ok(now) => status = Some(now),
                Err(why) => self.outcome = Err(why),
            }
        }
        status
    }

    pub(crate) fn feed_client(&mut self, mut records: &[u8]) {
        while !records.is_empty() && self.refusal.is_none() {
            if self.client.read_tls(&mut records).unwrap() == 0 {
                break;
            }
            self.refusal = self.client.process_new_packets().err();
        }
    }

    pub(crate) fn facts(&self) -> TlsFacts {
        assert_eq!((&self.outcome, &self.refusal), (&Ok(()), &None));
        self.server.facts().expect("a complete handshake")
    }

    /// A client's words, as the server reads them.
    pub(crate) fn hear(&mut self, words: &[u8]) -> Vec<u8> {
        let mut heard = Vec::new();
        for piece in words.chunks(32 << 10) {
            self.client.writer().write_all(piece).unwrap();
            heard.extend(self.exchange());
        }
        heard
    }

    /// The server's words, as the client reads them.
    pub(crate) fn tell(&mut self, words: &[u8]) -> Vec<u8> {
        let mut records = Vec::new();
        self.server.write(words, &mut records).unwrap();
        let mut heard = Vec::new();
        for record in split(&mut records) {
            self.feed_client(record);
            // Ends with WouldBlock: there is no more for now.
            let _ = self.client.reader().read_to_end(&mut heard);
        }
        heard
    }
}

/// Records, header included.
pub(crate) fn split(mut bytes: &mut [u8]) -> Vec<&mut [u8]> {
    let mut records = Vec::new();
    while let [_, _, _, high, low, ..] = *bytes {
        let (record, rest) = bytes.split_at_mut(5 + usize::from(u16::from_be_bytes([high, low])));
        records.push(record);
        bytes = rest;
    }
    assert!(bytes.is_empty(), "half a record");
    records
}

#[derive(Debug)]
struct AnyServer;

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
        verify_tls12_signature(message, certificate, signature, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
