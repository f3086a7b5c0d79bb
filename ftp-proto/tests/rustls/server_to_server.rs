//! Our own client's side of a handshake (SSCN): two servers of ours exchange a file.

use crate::pair::{Client, family, split};
use crate::pki::{tls, tls_from};
use ftp_proto::tls::rustls::RustlsTls;
use ftp_proto::tls::{Resumption, TlsError, TlsRole, TlsSession, TlsStatus, TlsVersion};

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
fn an_alert_of_the_other_server_is_heard() {
    // The other one serves TLS 1.3 only and is asked by one that does not.
    let mut client =
        Client::new(TlsVersion::V1_2).connect(&*family(&tls_from(TlsVersion::V1_3)), TlsRole::Control);
    assert!(client.outcome.is_err() && client.refusal.take().is_some());
    let mut ours = family(&tls()).open(TlsRole::Client).unwrap();
    let (mut out, mut plain) = (Vec::new(), Vec::new());
    ours.begin(&mut out);
    let outcome = ours.read_record(&mut [21, 3, 3, 0, 2, 2, 70], &mut plain, &mut out);
    assert_eq!(outcome, Err(TlsError::Alert(String::from("protocol_version"))));
}
