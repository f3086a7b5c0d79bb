//! Certificates, made anew for each run of the tests.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};

/// Who issues all certificates of this run.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
pub(crate) struct Issued {
    certificate: String,
    key: String,
}

/// The only one there is.
pub(crate) fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| {
        let mut params = parameters(&["Tests of ftpd"]);
        params.subject_alt_names.clear();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key can be made");
        Authority(CertifiedIssuer::self_signed(params, key).expect("it can sign"))
    })
}

fn parameters(names: &[&str]) -> CertificateParams {
    let all: Vec<String> = names.iter().map(|name| String::from(*name)).collect();
    let mut params = CertificateParams::new(all).expect("these are names");
    params.distinguished_name.push(DnType::CommonName, names[0]);
    params
}

impl Authority {
    /// Its own certificate.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A new certificate for these names, the first of them its subject's common name.
    pub(crate) fn issue(&self, names: &[&str]) -> Issued {
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = parameters(names).signed_by(&key, &self.0).expect("it can sign");
        Issued { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl Issued {
    /// Both in one file, as most clients take them.
    pub(crate) fn write(&self, path: &Path) {
        fs::write(path, format!("{}{}", self.certificate, self.key)).expect("a temporary folder is writable");
    }
}
