//! Files with certificates and keys between `-----BEGIN …-----` and `-----END …-----` (PEM, RFC 7468).

use crate::config_file::reader::plain;
use ftp_proto::tls::rustls::{Identity, IdentityError};
use std::path::Path;

/// No file with certificates is longer; what is, is something else.
const MOST_BYTES: u64 = 4 << 20;

/// A PEM file.
pub struct PemFile {
    text: Vec<u8>,
    /// The certificates in it, DER, in its order.
    pub certificates: Vec<Vec<u8>>,
    /// Whether there is a private key in it, encrypted perhaps.
    pub has_key: bool,
}

/// A key is never shown.
impl std::fmt::Debug for PemFile {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let certificates = self.certificates.len();
        out.debug_struct("PemFile").field("certificates", &certificates).finish_non_exhaustive()
    }
}

impl PemFile {
    /// Reads a file. Sections that are neither certificate nor key are left out.
    ///
    /// # Errors
    /// In one line: it can't be read, or there is no certificate and no key in it.
    pub fn read(path: &Path) -> Result<Self, String> {
        let failed = |problem: &dyn std::fmt::Display| format!("{}: {problem}", path.display());
        let length = std::fs::metadata(path).map_err(|error| failed(&plain(&error)))?.len();
        if length > MOST_BYTES {
            return Err(failed(&"too long for a PEM file"));
        }
        let text = std::fs::read(path).map_err(|error| failed(&plain(&error)))?;
        Self::parse(text).map_err(|problem| failed(&problem))
    }

    /// Reads what is in memory.
    ///
    /// # Errors
    /// As [`read`](Self::read), without the file's name.
    pub fn parse(text: Vec<u8>) -> Result<Self, String> {
        let (mut certificates, mut has_key) = (Vec::new(), false);
        for section in x509_parser::pem::Pem::iter_from_buffer(&text) {
            let section = section.map_err(|error| format!("broken PEM: {error}"))?;
            if section.label == "CERTIFICATE" {
                certificates.push(section.contents);
            } else if section.label.ends_with("PRIVATE KEY") {
                has_key = true;
            }
        }
        if certificates.is_empty() && !has_key {
            return Err(
                "no certificate and no key in it; look for -----BEGIN CERTIFICATE-----, and convert DER by \
                 `openssl x509 -inform der`"
                    .to_owned(),
            );
        }
        Ok(Self { text, certificates, has_key })
    }

    /// Whether a server can use these certificates with the key in that file.
    ///
    /// # Errors
    /// The key fits another certificate, or one of the two can't be used.
    pub fn check_key(&self, key: &Self) -> Result<(), IdentityError> {
        Identity::from_pem(&self.text, &key.text).map(drop)
    }
}
