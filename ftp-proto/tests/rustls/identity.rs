//! Certificates and keys as people have them in files.

use crate::pki::{Authority, Pem, self_signed, tls};
use ftp_proto::tls::Tls as _;
use ftp_proto::tls::rustls::{ClientAuthorities, Identity, IdentityError, RustlsTls, TlsSettings};

fn read(chain: &str, key: &str) -> Result<Identity, IdentityError> {
    Identity::from_pem(chain.as_bytes(), key.as_bytes())
}

#[test]
fn chain_and_key_may_be_in_one_file() {
    let Pem { certificate, key } = self_signed(&["ftp.example.org", "*.example.org", "192.0.2.1"]);
    let authority = Authority::new("Authority").pem();
    let file = format!("Bag Attributes\n{key}\nsubject=x\n{certificate}\r\n{authority}");
    let identity = read(&file, &file).unwrap();
    assert_eq!(identity.chain().count(), 2);
    let shown = format!("{identity:?}");
    assert_eq!(shown, "Identity { chain: 2, .. }", "nothing secret");
}

#[test]
fn a_certificate_is_for_its_names_and_addresses() {
    let Pem { certificate, key } =
        self_signed(&["ftp.example.org", "*.example.net", "192.0.2.1", "2001:db8::1"]);
    let identities = vec![read(&certificate, &key).unwrap()];
    let tls = RustlsTls::new(TlsSettings { identities, ..TlsSettings::default() }).unwrap();
    for (name, expected) in [
        ("FTP.example.org", true),
        ("ftp.example.org.", true),
        ("ftp.example.com", false),
        ("ftp.Example.net", true),
        ("example.net", false),
        ("a.ftp.example.net", false),
        (".example.net", false),
        ("*.example.net", false),
        ("192.0.2.1", true),
        ("192.0.2.2", false),
        ("2001:DB8:0::1", true),
        ("no name", false),
        ("", false),
    ] {
        assert_eq!(tls.knows_host(name), expected, "{name}");
    }
}

#[test]
fn errors_say_what_is_wrong() {
    let (one, other) = (self_signed(&[]), self_signed(&[]));
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIE\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let older = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nMIIE\n\
                 -----END RSA PRIVATE KEY-----\n";
    let odd = "-----BEGIN PRIVATE KEY-----\nMAAA\n-----END PRIVATE KEY-----\n";
    let broken = one.certificate.replacen("-----END", "--", 1);
    let odd_certificate = "-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n";
    for (chain, key, expected) in [
        (one.key.as_str(), one.key.as_str(), "no certificate"),
        (&one.certificate, &one.certificate, "no private key"),
        (&one.certificate, &other.key, "belongs to another certificate"),
        (&format!("{}{}", other.certificate, one.certificate), &one.key, "must begin with the server's own"),
        (&one.certificate, encrypted, "without a password"),
        (&one.certificate, older, "without a password"),
        (&one.certificate, odd, "RSA from 2048 bits on"),
        ("\u{30}\u{1}", &one.key, "no PEM text"),
        (&one.certificate, "", "no PEM text"),
        (&broken, &one.key, "damaged"),
        (odd_certificate, &one.key, "can't be used"),
    ] {
        let why = read(chain, key).unwrap_err().to_string();
        assert!(why.contains(expected), "{expected}: {why}");
    }
}

#[test]
fn authorities_and_revocations_are_read_as_carefully() {
    let authority = Authority::new("Authority");
    let read = |authorities: &str, revocations: &str| {
        ClientAuthorities::from_pem(authorities.as_bytes(), revocations.as_bytes())
    };
    assert!(read(&authority.pem(), " \n").is_ok());
    assert!(read(&authority.pem(), &authority.revoke(&[])).is_ok());
    let odd = "-----BEGIN X509 CRL-----\nMAAA\n-----END X509 CRL-----\n";
    for (authorities, revocations, expected) in [
        ("", "", "no PEM text"),
        (self_signed(&[]).key.as_str(), "", "no certificate"),
        (&authority.pem(), &authority.pem(), "list of revoked certificates"),
        (&authority.pem(), "serial 7", "list of revoked certificates"),
        (&authority.pem(), odd, "list of revoked certificates"),
    ] {
        let why = read(authorities, revocations).unwrap_err().to_string();
        assert!(why.contains(expected), "{expected}: {why}");
    }
}

#[test]
fn what_is_printed_shows_no_secret() {
    assert!(!format!("{:?}", tls()).contains("PRIVATE"));
}
