//! The handshake, what comes after it, and how a connection ends.

use crate::pair::{BOTH, Client, family, provider, split};
use crate::pki::{identity, tls, tls_from};
use ftp_proto::config::ClientCertificates;
use ftp_proto::tls::rustls::{Identity, RustlsTls, TlsSettings};
use ftp_proto::tls::{FamilyWish, Resumption, Tls, TlsError, TlsFacts, TlsRole, TlsStatus, TlsVersion};
use rustls::{CipherSuite, ClientConfig};
use std::sync::Arc;

#[test]
fn words_go_both_ways() {
    let words: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
    for version in BOTH {
        let mut pair = Client::new(version).connect(&*family(&tls()), TlsRole::Control);
        assert_eq!(pair.hear(b"NOOP\r\n"), b"NOOP\r\n");
        assert_eq!(pair.tell(b"200 Yes.\r\n"), b"200 Yes.\r\n");
        for len in [0, 1, 16 << 10, (16 << 10) + 1, words.len()] {
            let words = words.get(..len).unwrap();
            assert_eq!(pair.hear(words), words, "{version} {len}");
            assert_eq!(pair.tell(words), words, "{version} {len}");
        }
        let suite = match version {
            TlsVersion::V1_2 => "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            TlsVersion::V1_3 => "TLS_AES_256_GCM_SHA384",
        };
        let facts = TlsFacts {
            version,
            suite,
            server_name: Some(String::from("ftp.example.org")),
            client_certificate: None,
            resumption: Resumption::Full,
        };
        assert_eq!(pair.facts(), facts);
    }
}

#[test]
fn handshake_messages_may_be_cut_into_many_records() {
    for version in BOTH {
        let small = Client::new(version).change(|config| config.max_fragment_size = Some(64));
        let mut pair = small.connect(&*family(&tls()), TlsRole::Control);
        assert_eq!(pair.hear(&[7; 1000]), [7; 1000], "{version}");
        assert_eq!(pair.tell(&[8; 1000]), [8; 1000], "{version}");
    }
}

/// RFC 7301 section 3.2: a browser asks for HTTP alone, and gets none of it by mistake (the ALPACA attack).
#[test]
fn who_asks_for_other_protocols_alone_is_refused() {
    for version in BOTH {
        for (role, asked, got) in [
            (TlsRole::Control, &[][..], None),
            (TlsRole::Control, &["ftp"], Some("ftp")),
            (TlsRole::Control, &["x-filezilla-ftp", "ftp"], Some("ftp")),
            (TlsRole::Upload, &["ftp-data"], Some("ftp-data")),
        ] {
            let client = Client::new(version).change(|config| config.alpn_protocols = names(asked));
            let mut pair = client.connect(&*family(&tls()), role);
            assert_eq!(pair.hear(b"x"), b"x", "{version} {asked:?}");
            assert_eq!(pair.client.alpn_protocol(), got.map(str::as_bytes), "{version} {asked:?}");
        }
        let client = Client::new(version).change(|config| config.alpn_protocols = names(&["h2", "http/1.1"]));
        let pair = client.connect(&*family(&tls()), TlsRole::Control);
        assert!(matches!(pair.outcome, Err(TlsError::Refused(_))), "{version} {:?}", pair.outcome);
        assert_eq!(format!("{:?}", pair.refusal.unwrap()), "AlertReceived(NoApplicationProtocol)");
    }
}

fn names(protocols: &[&str]) -> Vec<Vec<u8>> {
    protocols.iter().map(|name| name.as_bytes().to_vec()).collect()
}

#[test]
fn the_plain_text_is_appended_and_each_record_is_taken_whole() {
    let mut pair = Client::new(TlsVersion::V1_3).connect(&*family(&tls()), TlsRole::Upload);
    let mut plain = b"before ".to_vec();
    for word in ["one ", "two "] {
        std::io::Write::write_all(&mut pair.client.writer(), word.as_bytes()).unwrap();
    }
    let (mut records, mut out) = (pair.sent_by_client(), Vec::new());
    assert_eq!(split(&mut records).len(), 2);
    assert_eq!(pair.feed(&mut records, &mut plain, &mut out), Some(TlsStatus::Established));
    assert_eq!((plain.as_slice(), out.len()), (&b"before one two "[..], 0));
}

#[test]
fn behind_close_notify_comes_clear_text_that_is_left_alone() {
    for version in BOTH {
        let mut pair = Client::new(version).connect(&*family(&tls()), TlsRole::Control);
        pair.client.send_close_notify();
        let mut records = pair.sent_by_client();
        assert_eq!(split(&mut records).len(), 1);
        let (mut plain, mut out) = (Vec::new(), Vec::new());
        assert_eq!(pair.feed(&mut records, &mut plain, &mut out), Some(TlsStatus::Closed));
        assert_eq!((plain.len(), out.len()), (0, 0), "nothing is said unasked");
        // The other direction is still open (RFC 8446 section 6.1), and closed once.
        assert_eq!(pair.tell(b"226 Done.\r\n"), b"226 Done.\r\n");
        pair.server.close_notify(&mut out);
        assert_eq!(split(&mut out).len(), 1, "{version}");
        pair.feed_client(&out);
        assert!(pair.client.process_new_packets().unwrap().peer_has_closed());
        pair.server.close_notify(&mut out);
        assert_eq!(split(&mut out).len(), 1, "said once");
    }
}

#[test]
fn nothing_is_said_before_the_end_of_the_handshake() {
    let mut server = family(&tls()).open(TlsRole::Control).unwrap();
    let mut out = Vec::new();
    server.begin(&mut out);
    server.close_notify(&mut out);
    assert!(matches!(server.write(b"220", &mut out), Err(TlsError::Broken(_))));
    assert!(out.is_empty() && server.facts().is_none());
}

#[test]
fn a_damaged_record_breaks_the_connection_and_the_client_hears_why() {
    for version in BOTH {
        let mut pair = Client::new(version).connect(&*family(&tls()), TlsRole::Upload);
        std::io::Write::write_all(&mut pair.client.writer(), b"some of the file").unwrap();
        let mut record = pair.sent_by_client();
        *record.last_mut().unwrap() ^= 1;
        let (mut plain, mut out) = (Vec::new(), Vec::new());
        pair.feed(&mut record, &mut plain, &mut out);
        assert!(matches!(&pair.outcome, Err(TlsError::Broken(why)) if why.contains("damaged")));
        assert!(plain.is_empty());
        pair.feed_client(&out);
        assert_eq!(format!("{:?}", pair.refusal.unwrap()), "AlertReceived(BadRecordMac)", "{version}");
        assert!(pair.server.write(b"more", &mut out).is_err());
    }
}

#[test]
fn an_unfinished_message_is_kept_up_to_a_limit() {
    // The beginning of a ClientHello: longer than any may be, long, and long in pieces of one octet.
    for (len, piece, expected) in
        [([255, 255, 255], 4000, false), ([0, 255, 255], 4000, true), ([0, 255, 255], 1, false)]
    {
        let mut server = family(&tls()).open(TlsRole::Control).unwrap();
        let (mut plain, mut out) = (Vec::new(), Vec::new());
        let mut message = [&[1][..], &len].concat();
        message.resize(60_000, 0);
        let mut sent = 0;
        let kept = message.chunks(piece).all(|piece| {
            let mut record = [&[22, 3, 1][..], &(piece.len() as u16).to_be_bytes(), piece].concat();
            sent += record.len();
            server.read_record(&mut record, &mut plain, &mut out).is_ok()
        });
        assert_eq!(kept, expected, "{len:?} in pieces of {piece}");
        assert!(sent < 70_000, "{sent} octets were kept");
    }
}

#[test]
fn what_is_no_handshake_is_refused() {
    for first in [&[22, 3, 1, 0, 4, 9, 0, 0, 0][..], &[23, 3, 3, 0, 1, 0], &[22, 3, 3, 0, 0]] {
        let mut server = family(&tls()).open(TlsRole::Control).unwrap();
        let (mut plain, mut out) = (Vec::new(), Vec::new());
        let outcome = server.read_record(&mut first.to_vec(), &mut plain, &mut out);
        assert!(matches!(outcome, Err(TlsError::Broken(_))), "{outcome:?}");
        assert_eq!(out.first(), Some(&21), "an alert");
        assert!(server.read_record(&mut first.to_vec(), &mut plain, &mut out).is_err(), "for good");
    }
}

#[test]
fn a_first_message_that_is_damaged_anywhere_does_no_harm() {
    let family = family(&tls());
    let name = rustls::pki_types::ServerName::try_from("ftp.example.org").unwrap();
    for version in BOTH {
        let mut client = rustls::ClientConnection::new(Client::new(version).0, name.clone()).unwrap();
        let mut hello = Vec::new();
        client.write_tls(&mut hello).unwrap();
        // Behind the header of the record: that is cut by its length.
        for at in (5..hello.len()).step_by(if hello.len() > 1000 { 7 } else { 1 }) {
            let mut damaged = hello.clone();
            *damaged.get_mut(at).unwrap() ^= 0x55;
            let mut server = family.open(TlsRole::Control).unwrap();
            let (mut plain, mut out) = (Vec::new(), Vec::new());
            let status = server.read_record(&mut damaged, &mut plain, &mut out);
            assert!(matches!(status, Ok(TlsStatus::Handshaking) | Err(_)), "{at}");
            assert!(plain.is_empty() && server.facts().is_none());
        }
    }
}

#[test]
fn an_alert_of_the_client_is_named_as_iana_does() {
    let mut server = family(&tls()).open(TlsRole::Control).unwrap();
    let (mut plain, mut out) = (Vec::new(), Vec::new());
    // Fatal, 48.
    let outcome = server.read_record(&mut [21, 3, 3, 0, 2, 2, 48], &mut plain, &mut out);
    assert_eq!(outcome, Err(TlsError::Alert(String::from("unknown_ca"))));
}

#[test]
fn a_version_that_is_not_served_is_refused_with_words() {
    let mut pair =
        Client::new(TlsVersion::V1_2).connect(&*family(&tls_from(TlsVersion::V1_3)), TlsRole::Control);
    assert_eq!(pair.outcome, Err(TlsError::Refused(String::from("only TLS 1.3 is served"))));
    assert_eq!(format!("{:?}", pair.refusal.take().unwrap()), "AlertReceived(ProtocolVersion)");
    Client::new(TlsVersion::V1_3).connect(&*family(&tls_from(TlsVersion::V1_3)), TlsRole::Control).facts();
}

#[test]
fn without_a_suite_in_common_there_is_no_connection() {
    let mut rsa_only = provider();
    rsa_only
        .cipher_suites
        .retain(|suite| suite.suite() == CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256);
    let client = ClientConfig::builder_with_provider(Arc::new(rsa_only))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let pair = Client(Arc::new(client)).connect(&*family(&tls()), TlsRole::Control);
    assert_eq!(pair.outcome, Err(TlsError::Refused(String::from("no cipher suite in common"))));
}

#[test]
fn keys_may_be_changed_on_the_way() {
    let mut pair = Client::new(TlsVersion::V1_3).connect(&*family(&tls()), TlsRole::Upload);
    for round in 0..3 {
        pair.client.refresh_traffic_keys().unwrap();
        assert_eq!(pair.hear(&[round; 40_000]), [round; 40_000]);
        assert_eq!(pair.tell(&[round; 40_000]), [round; 40_000]);
    }
}

#[test]
fn the_certificate_is_that_of_sni_else_of_host_else_the_first() {
    let identities = [&["first.example.org"][..], &["*.example.net"], &["ftp.example.com", "192.0.2.1"]];
    let identities: Vec<Identity> = identities.into_iter().map(identity).collect();
    let tls =
        RustlsTls::new(TlsSettings { identities: identities.clone(), ..TlsSettings::default() }).unwrap();
    let chosen = |server_name: &str, host: Option<&str>| {
        let family = tls.family(FamilyWish { client_certificates: ClientCertificates::Ignore, host });
        let pair = Client::new(TlsVersion::V1_3).connect_to(&*family, TlsRole::Control, server_name);
        let shown = pair.client.peer_certificates().unwrap().first().unwrap();
        let index = identities.iter().position(|identity| identity.chain().next() == Some(shown));
        (index.unwrap(), pair.facts().server_name)
    };
    let sent = |name: &str| Some(String::from(name));
    assert_eq!(chosen("ftp.example.net", Some("ftp.example.com")), (1, sent("ftp.example.net")));
    assert_eq!(chosen("other.example.org", Some("ftp.example.com")), (2, sent("other.example.org")));
    assert_eq!(chosen("other.example.org", Some("elsewhere")), (0, sent("other.example.org")));
    // Addresses are never sent.
    assert_eq!(chosen("203.0.113.5", Some("a.example.net")), (1, None));
    assert_eq!(chosen("203.0.113.5", None), (0, None));
    for (name, known) in
        [("FTP.example.com", true), ("a.example.net", true), ("192.0.2.1", true), ("a.b.example.net", false)]
    {
        assert_eq!(tls.knows_host(name), known, "{name}");
    }
}
