//! Certificates for tests.

use ftp_proto::tls::TlsVersion;
use ftp_proto::tls::rustls::{Identity, RustlsTls, TlsSettings};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
    date_time_ymd,
};

/// A certificate and its key, in PEM.
pub(crate) struct Pem {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

pub(crate) fn self_signed(names: &[&str]) -> Pem {
    let key = KeyPair::generate().unwrap();
    let certificate = parameters(names).self_signed(&key).unwrap();
    Pem { certificate: certificate.pem(), key: key.serialize_pem() }
}

pub(crate) fn identity(names: &[&str]) -> Identity {
    let pem = self_signed(names);
    Identity::from_pem(pem.certificate.as_bytes(), pem.key.as_bytes()).unwrap()
}

pub(crate) fn settings(names: &[&str]) -> TlsSettings {
    TlsSettings { identities: vec![identity(names)], ..TlsSettings::default() }
}

/// TLS under one name.
pub(crate) fn tls() -> RustlsTls {
    RustlsTls::new(settings(&["ftp.example.org"])).unwrap()
}

pub(crate) fn tls_from(minimum: TlsVersion) -> RustlsTls {
    RustlsTls::new(TlsSettings { minimum, ..settings(&["ftp.example.org"]) }).unwrap()
}

fn parameters(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| String::from(*name)).collect();
    CertificateParams::new(names).unwrap()
}

/// Who issues certificates of clients.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = parameters(&[]);
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A client's certificate with this serial number.
    pub(crate) fn issue(&self, serial: u64) -> Pem {
        self.issue_until(serial, 4096)
    }

    pub(crate) fn issue_until(&self, serial: u64, year: i32) -> Pem {
        let key = KeyPair::generate().unwrap();
        let mut params = parameters(&[]);
        params.serial_number = Some(SerialNumber::from(serial));
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Pem { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// A list that revokes these, out of date since long.
    pub(crate) fn revoke(&self, serials: &[u64]) -> String {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(2021, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        }
        .signed_by(&self.0)
        .unwrap()
        .pem()
        .unwrap()
    }
}
