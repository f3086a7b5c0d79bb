//! Clients that show certificates.

use crate::pair::{BOTH, Client, Pair, certified_key, family, family_asking};
use crate::pki::{Authority, Pem, self_signed, settings, tls};
use ftp_proto::config::ClientCertificates::{Ignore, Request, Require};
use ftp_proto::tls::Resumption::{Foreign, Full, Resumed};
use ftp_proto::tls::rustls::{ClientAuthorities, RustlsTls, TlsSettings};
use ftp_proto::tls::{TlsError, TlsRole, TlsVersion};
use rustls::sign::SingleCertAndKey;
use std::sync::Arc;

fn authority() -> Authority {
    Authority::new("Authority")
}

fn trusting(authority: &Authority, revocations: &str) -> TlsSettings {
    let authorities =
        ClientAuthorities::from_pem(authority.pem().as_bytes(), revocations.as_bytes()).unwrap();
    TlsSettings { client_authorities: Some(authorities), ..settings(&["ftp.example.org"]) }
}

/// What the server made of it: whether the certificate is trusted, or none was shown.
fn trusted(pair: &Pair) -> Option<bool> {
    pair.facts().client_certificate.map(|certificate| certificate.trusted)
}

fn refused(pair: &Pair) -> String {
    match &pair.outcome {
        Err(TlsError::Refused(why)) => why.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_certificate_of_an_authority_is_trusted() {
    let authority = authority();
    let tls = RustlsTls::new(trusting(&authority, "")).unwrap();
    let certificate = authority.issue(1);
    for version in BOTH {
        let client = Client::showing(version, &certificate);
        for asking in [Request, Require] {
            let pair = client.connect(&*family_asking(&tls, asking), TlsRole::Control);
            let shown = pair.facts().client_certificate.unwrap();
            assert!(shown.trusted, "{version} {asking:?}");
            assert!(certificate.certificate.len() > shown.der.len() && shown.der.first() == Some(&0x30));
        }
        assert_eq!(trusted(&client.connect(&*family(&tls), TlsRole::Control)), None, "not asked for");
    }
}

#[test]
fn without_a_certificate_only_a_request_is_met() {
    let tls = RustlsTls::new(trusting(&authority(), "")).unwrap();
    for version in BOTH {
        let client = Client::new(version);
        assert_eq!(trusted(&client.connect(&*family_asking(&tls, Request), TlsRole::Control)), None);
        let pair = Client::new(version).connect(&*family_asking(&tls, Require), TlsRole::Control);
        assert_eq!(refused(&pair), "the client showed no certificate", "{version}");
        assert!(pair.refusal.is_some(), "the client hears of it");
    }
}

#[test]
fn a_certificate_that_is_not_right_is_refused() {
    let (authority, other) = (authority(), Authority::new("Another"));
    let tls = RustlsTls::new(trusting(&authority, &authority.revoke(&[7]))).unwrap();
    for version in BOTH {
        for asking in [Request, Require] {
            let show = |certificate| {
                let client = Client::showing(version, &certificate);
                client.connect(&*family_asking(&tls, asking), TlsRole::Control)
            };
            assert_eq!(trusted(&show(authority.issue(8))), Some(true));
            for (certificate, why) in [
                (authority.issue(7), "is revoked"),
                (authority.issue_until(9, 2002), "has expired"),
                (other.issue(8), "was not issued by an authority that is trusted here"),
                (self_signed(&[]), "was not issued by an authority that is trusted here"),
            ] {
                assert_eq!(
                    refused(&show(certificate)),
                    format!("the client's certificate {why}"),
                    "{version}"
                );
            }
        }
    }
}

#[test]
fn without_authorities_any_certificate_will_do_and_none_is_trusted() {
    let tls = tls();
    for version in BOTH {
        let client = Client::showing(version, &self_signed(&[]));
        for asking in [Request, Require] {
            let pair = client.connect(&*family_asking(&tls, asking), TlsRole::Control);
            assert_eq!(trusted(&pair), Some(false), "{version} {asking:?}");
        }
        let pair = Client::new(version).connect(&*family_asking(&tls, Require), TlsRole::Control);
        assert_eq!(refused(&pair), "the client showed no certificate");
    }
}

#[test]
fn a_certificate_without_its_key_is_refused() {
    let authority = authority();
    let (certificate, other) = (authority.issue(1), authority.issue(2));
    let stolen = Pem { certificate: certificate.certificate, key: other.key };
    for tls in [tls(), RustlsTls::new(trusting(&authority, "")).unwrap()] {
        for version in BOTH {
            let client = Client::new(version).change(|config| {
                config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(certified_key(&stolen)));
            });
            let pair = client.connect(&*family_asking(&tls, Request), TlsRole::Control);
            assert!(refused(&pair).contains("has not its key"), "{version}");
        }
    }
}

#[test]
fn data_connections_resume_without_being_asked() {
    let authority = authority();
    let tls = RustlsTls::new(trusting(&authority, "")).unwrap();
    for version in BOTH {
        for asking in [Request, Require] {
            let client = Client::showing(version, &authority.issue(1));
            let family = family_asking(&tls, asking);
            client.connect(&*family, TlsRole::Control).facts();
            for role in [TlsRole::Download, TlsRole::Upload, TlsRole::Download] {
                let facts = client.connect(&*family, role).facts();
                assert_eq!((facts.resumption, facts.client_certificate), (Resumed, None), "{version}");
            }
        }
    }
}

#[test]
fn a_resumed_control_connection_still_has_its_certificate() {
    let authority = authority();
    let tls = RustlsTls::new(trusting(&authority, "")).unwrap();
    for version in BOTH {
        let client = Client::showing(version, &authority.issue(1));
        client.connect(&*family_asking(&tls, Require), TlsRole::Control).facts();
        let pair = client.connect(&*family_asking(&tls, Require), TlsRole::Control);
        assert_eq!((pair.facts().resumption, trusted(&pair)), (Resumed, Some(true)), "{version}");
    }
}

#[test]
fn no_ticket_leads_around_the_certificate() {
    let authority = authority();
    let tls = RustlsTls::new(trusting(&authority, "")).unwrap();
    for version in BOTH {
        for (first, then) in [(Ignore, Require), (Ignore, Request), (Request, Require)] {
            let client = Client::new(version);
            client.connect(&*family_asking(&tls, first), TlsRole::Control).facts();
            let pair = client.connect(&*family_asking(&tls, then), TlsRole::Control);
            match then {
                Require => assert_eq!(refused(&pair), "the client showed no certificate"),
                _ => assert_eq!(pair.facts().resumption, Full, "{version}"),
            }
        }
    }
}

#[test]
fn no_ticket_of_a_data_connection_leads_around_the_certificate() {
    let authority = authority();
    let tls = RustlsTls::new(trusting(&authority, "")).unwrap();
    let client = Client::showing(TlsVersion::V1_2, &authority.issue(1));
    let family = family_asking(&tls, Require);
    client.connect(&*family, TlsRole::Control).facts();
    // In TLS 1.2 this replaces the ticket of the control connection.
    assert_eq!(client.resumption(&*family, TlsRole::Download), Resumed);
    let pair = client.connect(&*family_asking(&tls, Require), TlsRole::Control);
    assert_eq!((pair.facts().resumption, trusted(&pair)), (Full, Some(true)));
}

#[test]
fn with_new_settings_each_certificate_is_looked_at_again() {
    let authority = authority();
    for version in BOTH {
        let tls = RustlsTls::new(trusting(&authority, "")).unwrap();
        let client = Client::showing(version, &authority.issue(7));
        let old = family_asking(&tls, Require);
        client.connect(&*old, TlsRole::Control).facts();
        tls.replace(trusting(&authority, &authority.revoke(&[7]))).unwrap();
        assert_eq!(client.resumption(&*old, TlsRole::Upload), Resumed, "its session goes on");
        let new = family_asking(&tls, Require);
        let pair = client.connect(&*new, TlsRole::Control);
        assert_eq!(refused(&pair), "the client's certificate is revoked", "{version}");
        assert_ne!(client.connect(&*new, TlsRole::Upload).facts().resumption, Resumed);
        assert_eq!(client.connect(&*family(&tls), TlsRole::Upload).facts().resumption, Foreign);
    }
}
