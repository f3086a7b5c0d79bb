//! Whether certificates are fit to be shown to clients: order, dates, names, key.

use super::{CertificateFacts, RENEWAL_DAYS};
use ftp_proto::time::{CivilTime, UnixTime};
use std::fmt;

/// Something to know about a chain of certificates, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Nothing is wrong.
    Note(String),
    /// Somebody should do something soon.
    Warning(String),
    /// Clients will refuse it.
    Broken(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Note(text) => write!(out, "note: {text}"),
            Self::Warning(text) => write!(out, "warning: {text}"),
            Self::Broken(text) => write!(out, "broken: {text}"),
        }
    }
}

/// Reads the certificates of a chain, the server's own first.
///
/// # Errors
/// Which one is broken, and how.
pub fn read(certificates: &[Vec<u8>]) -> Result<Vec<CertificateFacts>, String> {
    let facts = certificates.iter().enumerate().map(|(index, der)| {
        CertificateFacts::from_der(der).map_err(|problem| format!("certificate {}: {problem}", index + 1))
    });
    facts.collect()
}

/// What there is to say about a chain. Signatures are not checked: who issued what is taken from the names.
pub fn findings(chain: &[CertificateFacts], now: UnixTime) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, certificate) in chain.iter().enumerate() {
        findings.extend(validity(index + 1, certificate, now));
    }
    for (index, pair) in chain.windows(2).enumerate() {
        if let [certificate, next] = pair
            && (certificate.is_self_signed() || !certificate.names_as_issuer(next))
        {
            findings.push(Finding::Broken(format!(
                "certificate {} was not issued by certificate {}; write the server's own first, then its issuer's, \
                 and so on",
                index + 1,
                index + 2
            )));
        }
    }
    if let Some(own) = chain.first().filter(|own| own.names.is_empty()) {
        findings.push(Finding::Warning(format!(
            "certificate 1 is for no host (it has no subject alternative name, only {:?}): clients that check \
             names refuse it",
            own.subject.to_string()
        )));
    }
    findings.extend(end(chain));
    findings
}

/// Whether a certificate's time has come, and is not over. `number` is what it is called.
pub fn validity(number: usize, certificate: &CertificateFacts, now: UnixTime) -> Option<Finding> {
    let (first, last) = (date(certificate.not_before), date(certificate.not_after));
    if certificate.is_over(now) {
        Some(Finding::Broken(format!("certificate {number} has expired on {last}; renew it")))
    } else if now < certificate.not_before {
        Some(Finding::Broken(format!("certificate {number} is not valid before {first}")))
    } else if certificate.wants_renewal(now) {
        Some(Finding::Warning(format!(
            "certificate {number} expires on {last}, in less than {RENEWAL_DAYS} days; renew it"
        )))
    } else {
        None
    }
}

/// What the last certificate means for clients.
fn end(chain: &[CertificateFacts]) -> Option<Finding> {
    let last = chain.last()?;
    Some(Finding::Note(if !last.is_self_signed() {
        format!(
            "the chain ends with a certificate issued by {}, which is not in it: complete if clients know that \
             issuer, as they know the roots of public authorities",
            last.issuer
        )
    } else if chain.len() == 1 {
        "self-signed: clients can't check it, people have to compare its fingerprint".to_owned()
    } else {
        "the chain ends in a self-signed root, which clients must have already: it need not be in the file"
            .to_owned()
    }))
}

/// A day as `YYYY-MM-DD`, in UTC.
pub fn date(time: UnixTime) -> String {
    let CivilTime { year, month, day, .. } = CivilTime::from_unix(time);
    format!("{year:04}-{month:02}-{day:02}")
}
