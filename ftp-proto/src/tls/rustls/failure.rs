//! What rustls says about failures, in the words of [`TlsError`].

use crate::tls::{TlsError, TlsVersion};
use ::rustls::{AlertDescription, CertificateError, Error, PeerIncompatible, PeerMisbehaved};
use alloc::string::{String, ToString};

/// Whose fault it was and what happened. `minimum`: the oldest version that is served.
pub(super) fn failure(why: &Error, minimum: TlsVersion) -> TlsError {
    match why {
        Error::AlertReceived(alert) => TlsError::Alert(alert_name(*alert)),
        Error::NoApplicationProtocol => refused("the client wants another protocol than FTP (ALPN)"),
        Error::PeerIncompatible(why) => TlsError::Refused(incompatible(why, minimum)),
        Error::NoCertificatesPresented => refused("the client showed no certificate"),
        Error::InvalidCertificate(why) => TlsError::Refused(certificate(why)),
        Error::DecryptError => broken("a record was damaged on its way, or is forged"),
        Error::PeerSentOversizedRecord => broken("a record is too long"),
        Error::PeerMisbehaved(PeerMisbehaved::TooManyRenegotiationRequests) => {
            broken("the client asks for renegotiation again and again")
        }
        // The rest is for who knows TLS well; rustls names what it is.
        other => TlsError::Broken(other.to_string()),
    }
}

fn refused(why: &str) -> TlsError {
    TlsError::Refused(String::from(why))
}

fn broken(why: &str) -> TlsError {
    TlsError::Broken(String::from(why))
}

fn incompatible(why: &PeerIncompatible, minimum: TlsVersion) -> String {
    String::from(match why {
        PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled
        | PeerIncompatible::SupportedVersionsExtensionRequired => match minimum {
            TlsVersion::V1_2 => "only TLS 1.2 and 1.3 are served",
            TlsVersion::V1_3 => "only TLS 1.3 is served",
        },
        PeerIncompatible::NoCipherSuitesInCommon => "no cipher suite in common",
        PeerIncompatible::NoKxGroupsInCommon => "no key exchange group in common",
        PeerIncompatible::NoSignatureSchemesInCommon => {
            "no signature scheme in common; the client can't verify the server's kind of key"
        }
        other => return alloc::format!("the client lacks something: {other:?}"),
    })
}

fn certificate(why: &CertificateError) -> String {
    let reason = match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "is not valid yet",
        CertificateError::Revoked => "is revoked",
        CertificateError::UnknownIssuer => "was not issued by an authority that is trusted here",
        CertificateError::BadEncoding => "can't be read",
        CertificateError::BadSignature => "is not signed rightly, or the client has not its key",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is not made for clients"
        }
        other => return alloc::format!("the client's certificate: {other}"),
    };
    alloc::format!("the client's certificate {reason}")
}

/// As IANA has it, in its registry "TLS Alerts".
fn alert_name(alert: AlertDescription) -> String {
    String::from(match alert {
        AlertDescription::CloseNotify => "close_notify",
        AlertDescription::UnexpectedMessage => "unexpected_message",
        AlertDescription::BadRecordMac => "bad_record_mac",
        AlertDescription::DecryptionFailed => "decryption_failed",
        AlertDescription::RecordOverflow => "record_overflow",
        AlertDescription::DecompressionFailure => "decompression_failure",
        AlertDescription::HandshakeFailure => "handshake_failure",
        AlertDescription::NoCertificate => "no_certificate",
        AlertDescription::BadCertificate => "bad_certificate",
        AlertDescription::UnsupportedCertificate => "unsupported_certificate",
        AlertDescription::CertificateRevoked => "certificate_revoked",
        AlertDescription::CertificateExpired => "certificate_expired",
        AlertDescription::CertificateUnknown => "certificate_unknown",
        AlertDescription::IllegalParameter => "illegal_parameter",
        AlertDescription::UnknownCA => "unknown_ca",
        AlertDescription::AccessDenied => "access_denied",
        AlertDescription::DecodeError => "decode_error",
        AlertDescription::DecryptError => "decrypt_error",
        AlertDescription::ExportRestriction => "export_restriction",
        AlertDescription::ProtocolVersion => "protocol_version",
        AlertDescription::InsufficientSecurity => "insufficient_security",
        AlertDescription::InternalError => "internal_error",
        AlertDescription::InappropriateFallback => "inappropriate_fallback",
        AlertDescription::UserCanceled => "user_canceled",
        AlertDescription::NoRenegotiation => "no_renegotiation",
        AlertDescription::MissingExtension => "missing_extension",
        AlertDescription::UnsupportedExtension => "unsupported_extension",
        AlertDescription::CertificateUnobtainable => "certificate_unobtainable",
        AlertDescription::UnrecognisedName => "unrecognized_name",
        AlertDescription::BadCertificateStatusResponse => "bad_certificate_status_response",
        AlertDescription::BadCertificateHashValue => "bad_certificate_hash_value",
        AlertDescription::UnknownPSKIdentity => "unknown_psk_identity",
        AlertDescription::CertificateRequired => "certificate_required",
        AlertDescription::NoApplicationProtocol => "no_application_protocol",
        AlertDescription::EncryptedClientHelloRequired => "ech_required",
        other => return alloc::format!("{}", u8::from(other)),
    })
}
