//! Certificates (X.509, RFC 5280): what one says, PEM files with some of them, and one of our own making.
//!
//! Nothing here decides whether a certificate is to be trusted; TLS does. It is about what people want to see, and
//! about who is meant by a certificate that TLS has checked.

pub mod chain;
pub mod pem;
pub mod self_signed;

mod alternative;
mod fingerprint;
mod name;
#[cfg(test)]
mod tests;

pub use alternative::AlternativeName;
pub use fingerprint::Fingerprint;
pub use name::DistinguishedName;

use ftp_proto::time::UnixTime;
use x509_parser::asn1_rs::{FromDer as _, Oid};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// A certificate that ends in so few days is one to renew.
pub const RENEWAL_DAYS: i64 = 21;

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Whom it is about; may be empty.
    pub subject: DistinguishedName,
    /// Who says so.
    pub issuer: DistinguishedName,
    /// The issuer's number for it, as `AB:CD:…`.
    pub serial: String,
    /// The host names, addresses, e-mail addresses and URIs it is for. Other kinds are left out.
    pub names: Vec<AlternativeName>,
    /// From when on it counts.
    pub not_before: UnixTime,
    /// Until when.
    pub not_after: UnixTime,
    /// SHA-256 over all of it.
    pub fingerprint: Fingerprint,
    /// The key in words: `ECDSA P-256`, `RSA 2048`, `Ed25519`.
    pub key: String,
    key_identifier: Option<Vec<u8>>,
    issuer_key_identifier: Option<Vec<u8>>,
}

impl CertificateFacts {
    /// Reads a certificate.
    ///
    /// # Errors
    /// It is none; the reason in a few words.
    pub fn from_der(der: &[u8]) -> Result<Self, String> {
        let certificate = match X509Certificate::from_der(der) {
            Ok(([], certificate)) => certificate,
            Ok(_) => return Err("not a certificate: more bytes behind its end".to_owned()),
            Err(error) => return Err(format!("not a certificate: {error}")),
        };
        let mut facts = Self {
            subject: DistinguishedName::from_x509(certificate.subject())?,
            issuer: DistinguishedName::from_x509(certificate.issuer())?,
            serial: fingerprint::with_colons(certificate.raw_serial()),
            names: Vec::new(),
            not_before: UnixTime::from_seconds(certificate.validity().not_before.timestamp()),
            not_after: UnixTime::from_seconds(certificate.validity().not_after.timestamp()),
            fingerprint: Fingerprint::of(der),
            key: key_in_words(certificate.public_key()),
            key_identifier: None,
            issuer_key_identifier: None,
        };
        for extension in certificate.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectAlternativeName(list) => {
                    facts.names.extend(list.general_names.iter().filter_map(AlternativeName::from_x509));
                }
                ParsedExtension::SubjectKeyIdentifier(identifier) => {
                    facts.key_identifier = Some(identifier.0.to_vec());
                }
                ParsedExtension::AuthorityKeyIdentifier(identifier) => {
                    facts.issuer_key_identifier =
                        identifier.key_identifier.as_ref().map(|identifier| identifier.0.to_vec());
                }
                ParsedExtension::ParseError { error } => {
                    return Err(format!("not a certificate: extension {}: {error}", extension.oid));
                }
                _ => {}
            }
        }
        Ok(facts)
    }

    /// For which servers it is, by name or address.
    pub fn hosts(&self) -> impl Iterator<Item = String> {
        let is_host =
            |name: &&AlternativeName| matches!(name, AlternativeName::Host(_) | AlternativeName::Address(_));
        self.names.iter().filter(is_host).map(ToString::to_string)
    }

    /// Whether it names itself as its issuer, as a root does and a certificate of one's own making. Only names and
    /// key identifiers are compared; the signature is not checked.
    pub fn is_self_signed(&self) -> bool {
        self.names_as_issuer(self)
    }

    /// Whether it says that `issuer` has issued it. As there, the signature is not checked.
    pub fn names_as_issuer(&self, issuer: &Self) -> bool {
        let keys_differ = match (&self.issuer_key_identifier, &issuer.key_identifier) {
            (Some(wanted), Some(identifier)) => wanted != identifier,
            _ => false,
        };
        self.issuer == issuer.subject && !keys_differ
    }

    /// Whole days from `now` to its end; negative once it is over.
    pub fn days_left(&self, now: UnixTime) -> i64 {
        self.not_after.seconds.saturating_sub(now.seconds).div_euclid(86_400)
    }

    /// Whether it has ended.
    pub fn is_over(&self, now: UnixTime) -> bool {
        self.not_after < now
    }

    /// Whether it should be renewed by now: it ends within [`RENEWAL_DAYS`], or has ended.
    pub fn wants_renewal(&self, now: UnixTime) -> bool {
        self.days_left(now) < RENEWAL_DAYS
    }
}

fn key_in_words(key: &SubjectPublicKeyInfo<'_>) -> String {
    let algorithm = key.algorithm.algorithm.to_id_string();
    if let Ok(PublicKey::RSA(key)) = key.parsed() {
        return format!("RSA {}", bits(key.modulus));
    }
    let parameter = || {
        let oid = key.algorithm.parameters.as_ref().and_then(|parameters| Oid::try_from(parameters).ok());
        oid.map_or_else(|| "curve of its own".to_owned(), |curve| curve.to_id_string())
    };
    match algorithm.as_str() {
        "1.2.840.10045.2.1" => match parameter().as_str() {
            "1.2.840.10045.3.1.7" => "ECDSA P-256".to_owned(),
            "1.3.132.0.34" => "ECDSA P-384".to_owned(),
            "1.3.132.0.35" => "ECDSA P-521".to_owned(),
            curve => format!("ECDSA {curve}"),
        },
        "1.3.101.112" => "Ed25519".to_owned(),
        "1.3.101.113" => "Ed448".to_owned(),
        "2.16.840.1.101.3.4.3.17" => "ML-DSA-44".to_owned(),
        "2.16.840.1.101.3.4.3.18" => "ML-DSA-65".to_owned(),
        "2.16.840.1.101.3.4.3.19" => "ML-DSA-87".to_owned(),
        _ => format!("of type {algorithm}"),
    }
}

/// The length of a number.
fn bits(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let first = number.get(zeros).map_or(0, |byte| byte.leading_zeros() as usize);
    (number.len() - zeros) * 8 - first
}
