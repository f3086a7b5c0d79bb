//! SHA-256 of a certificate, as people write it.

use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;

/// The SHA-256 of a certificate's DER: `AB:CD:…`, 32 pairs of hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a certificate.
    pub fn of(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&with_colons(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = String;

    /// Colons may be left out, and the case of the digits does not count.
    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = bytes_of(&text.replace(':', ""));
        if bytes.as_ref().is_some_and(|bytes| bytes.len() == 20) {
            return Err(
                "a SHA-1 fingerprint, which can be forged; write the SHA-256 that `ftpd tls show` shows"
                    .to_owned(),
            );
        }
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or_else(|| {
            format!("{text:?} is no SHA-256 fingerprint; write 32 pairs of digits like \"AB:CD:…\", see `ftpd tls show`")
        })
    }
}

/// Bytes as `AB:CD:…`.
pub(super) fn with_colons(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

/// Bytes from hexadecimal digits.
pub(super) fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    if rest.is_empty() { bytes } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_and_written() {
        // FIPS 180-2, appendix B.1.
        let text =
            "BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD";
        let fingerprint = Fingerprint::of(b"abc");
        assert_eq!(fingerprint.to_string(), text);
        for written in [text.to_owned(), text.to_lowercase(), text.replace(':', "")] {
            assert_eq!(written.parse(), Ok(fingerprint), "{written}");
        }
        for wrong in ["", "AB:CD", &text[1..], &text[3..], &text.replace('B', "G"), &format!("{text}:00")] {
            let problem = wrong.parse::<Fingerprint>().unwrap_err();
            assert!(problem.contains("is no SHA-256 fingerprint; write 32 pairs"), "{wrong}: {problem}");
        }
        let problem = text[..59].parse::<Fingerprint>().unwrap_err();
        assert!(problem.starts_with("a SHA-1 fingerprint, which can be forged"), "{problem}");
    }
}
