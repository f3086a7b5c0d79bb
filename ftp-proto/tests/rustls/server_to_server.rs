//! Our own client's side of a handshake (SSCN): two servers of ours exchange a file.

use crate::pair::{certified_key, family, provider, split};
use crate::pki::{Pem, self_signed, tls};
use ftp_proto::tls::rustls::RustlsTls;
use ftp_proto::tls::{Resumption, TlsError, TlsRole, TlsSession, TlsStatus, TlsVersion};
use rustls::sign::SingleCertAndKey;
use rustls::{ServerConfig, ServerConnection};
use std::sync::Arc;

/// Both sides until they are silent; how each ended.
fn connect(one: &RustlsTls, other: &RustlsTls) -> [(Box<dyn TlsSession>, Result<TlsStatus, TlsError>); 2] {
    let mut server = family(one).open(TlsRole::Download).unwrap();
    let mut client = family(other).open(TlsRole::Client).unwrap();
    let mut outcomes = [Ok(TlsStatus::Handshaking), Ok(TlsStatus::Handshaking)];
    let (mut to_server, mut plain) = (Vec::new(), Vec::new());
    client.begin(&mut to_server);
    assert!(!to_server.is_empty());
    while !to_server.is_empty() {
        let mut to_client = Vec::new();
        for record in split(&mut to_server) {
            outcomes[0] = server.read_record(record, &mut plain, &mut to_client);
        }
        to_server = Vec::new();
        for record in split(&mut to_client) {
            outcomes[1] = client.read_record(record, &mut plain, &mut to_server);
        }
    }
    assert!(plain.is_empty());
    let [first, second] = outcomes;
    [(server, first), (client, second)]
}

#[test]
fn two_servers_agree_and_a_file_goes_over() {
    let [(mut server, ready), (mut client, ready_too)] = connect(&tls(), &tls());
    assert_eq!((ready, ready_too), (Ok(TlsStatus::Established), Ok(TlsStatus::Established)));
    let (mut records, mut plain, mut out) = (Vec::new(), Vec::new(), Vec::new());
    server.write(b"a file", &mut records).unwrap();
    server.close_notify(&mut records);
    let mut last = Ok(TlsStatus::Established);
    for record in split(&mut records) {
        last = client.read_record(record, &mut plain, &mut out);
    }
    assert_eq!((last, plain.as_slice()), (Ok(TlsStatus::Closed), &b"a file"[..]));
    let facts = client.facts().unwrap();
    assert_eq!(
        (facts.version, facts.resumption, facts.server_name),
        (TlsVersion::V1_3, Resumption::Full, None)
    );
    assert_eq!(server.facts().unwrap().server_name, None, "nobody knows a name to ask for");
}

#[test]
fn an_upload_goes_the_other_way() {
    let [(mut server, _), (mut client, _)] = connect(&tls(), &tls());
    let (mut records, mut plain, mut out) = (Vec::new(), Vec::new(), Vec::new());
    client.write(&[5; 50_000], &mut records).unwrap();
    client.close_notify(&mut records);
    for record in split(&mut records) {
        server.read_record(record, &mut plain, &mut out).unwrap();
    }
    assert_eq!(plain, [5; 50_000]);
}

#[test]
fn a_server_without_the_key_of_its_certificate_is_refused() {
    let stolen = Pem { key: self_signed(&[]).key, ..self_signed(&[]) };
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified_key(&stolen))));
        let mut server = ServerConnection::new(Arc::new(config)).unwrap();
        let mut client = family(&tls()).open(TlsRole::Client).unwrap();
        let (mut hello, mut answer, mut out, mut plain) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        client.begin(&mut hello);
        server.read_tls(&mut hello.as_slice()).unwrap();
        server.process_new_packets().unwrap();
        while server.wants_write() {
            server.write_tls(&mut answer).unwrap();
        }
        let read = |record| client.read_record(record, &mut plain, &mut out).err();
        let why = split(&mut answer).into_iter().find_map(read).unwrap();
        assert!(matches!(why, TlsError::Refused(_)), "{why:?}");
    }
}

#[test]
fn an_alert_of_the_other_server_is_heard() {
    let mut ours = family(&tls()).open(TlsRole::Client).unwrap();
    let (mut out, mut plain) = (Vec::new(), Vec::new());
    ours.begin(&mut out);
    let outcome = ours.read_record(&mut [21, 3, 3, 0, 2, 2, 70], &mut plain, &mut out);
    assert_eq!(outcome, Err(TlsError::Alert(String::from("protocol_version"))));
}
