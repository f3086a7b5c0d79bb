use super::{FakeHello, FakeTls, FakeTlsClient};
use crate::config::ClientCertificates;
use crate::tls::{
    FamilyWish, Resumption, Tls, TlsError, TlsFacts, TlsFamily, TlsRole, TlsStatus, TlsStream, TlsVersion,
};
use alloc::boxed::Box;
use alloc::vec::Vec;

fn family(tls: &FakeTls) -> Box<dyn TlsFamily> {
    tls.family(FamilyWish { client_certificates: ClientCertificates::Request, host: None })
}

/// A server's end, cut into records by the product's own code.
struct Pair {
    server: TlsStream,
    client: FakeTlsClient,
}

impl Pair {
    fn new(family: &dyn TlsFamily, role: TlsRole, hello: FakeHello) -> Self {
        Self { server: TlsStream::new(family.open(role).unwrap()), client: FakeTlsClient::new(hello) }
    }

    /// Carries bytes until none is left; gives what the server read.
    fn carry(&mut self) -> Result<Vec<u8>, TlsError> {
        let mut plain = Vec::new();
        loop {
            let said = self.client.take_outgoing();
            if said.is_empty() {
                return Ok(plain);
            }
            self.server.receive(&said);
            let read = self.server.read(&mut plain);
            let answer = self.server.transmit().to_vec();
            self.server.transmitted(answer.len());
            let _ = self.client.receive(&answer);
            read?;
        }
    }
}

fn handshake(family: &dyn TlsFamily, role: TlsRole, hello: FakeHello) -> (TlsFacts, FakeTlsClient) {
    let mut pair = Pair::new(family, role, hello);
    pair.carry().unwrap();
    (pair.server.facts().unwrap(), pair.client)
}

fn with_ticket(ticket: &[u8]) -> FakeHello {
    FakeHello { ticket: Some(ticket.to_vec()), ..FakeHello::default() }
}

#[test]
fn tickets_are_given_by_role_and_prove_whose_they_are() {
    let tls = FakeTls::new();
    let (mine, other) = (family(&tls), family(&tls));
    let (facts, control) = handshake(&*mine, TlsRole::Control, FakeHello::default());
    assert_eq!((facts.resumption, control.tickets().len()), (Resumption::Full, 4));
    let (facts, upload) = handshake(&*mine, TlsRole::Upload, with_ticket(&control.tickets()[0]));
    assert_eq!((facts.resumption, upload.tickets().len()), (Resumption::Resumed, 0));
    assert!(upload.is_resumed());
    let (facts, stranger) = handshake(&*other, TlsRole::Download, with_ticket(&control.tickets()[1]));
    assert_eq!((facts.resumption, stranger.tickets().len()), (Resumption::Foreign, 1));
    assert!(!stranger.is_resumed());
    let (facts, _) = handshake(&*other, TlsRole::Control, with_ticket(&control.tickets()[1]));
    assert_eq!(facts.resumption, Resumption::Resumed);
    let (facts, _) = handshake(&*mine, TlsRole::Upload, with_ticket(b"nonsense"));
    assert_eq!(facts.resumption, Resumption::Full);
    for ticket in control.tickets() {
        handshake(&*mine, TlsRole::Upload, with_ticket(ticket));
    }
    let (facts, _) = handshake(&*mine, TlsRole::Upload, FakeHello::default());
    assert_eq!(facts.resumption, Resumption::Exhausted);
    let old = FakeHello { version: TlsVersion::V1_2, ..FakeHello::default() };
    assert_eq!(handshake(&*mine, TlsRole::Upload, old).0.resumption, Resumption::Full);
}

#[test]
fn text_goes_both_ways_and_never_as_it_is() {
    let tls = FakeTls::new();
    let mut pair = Pair::new(&*family(&tls), TlsRole::Control, FakeHello::default());
    pair.carry().unwrap();
    let long = alloc::vec![b'x'; 40_000];
    pair.client.send(&long).unwrap();
    pair.client.update_keys();
    assert_eq!(pair.carry().unwrap(), long);
    assert_eq!(pair.client.key_updates(), 1);
    pair.server.write(b"220 Welcome.").unwrap();
    let bytes = pair.server.transmit().to_vec();
    assert!(!bytes.windows(4).any(|window| window == b"220 "));
    assert_eq!(pair.client.receive(&bytes[..7]).unwrap(), b"");
    assert_eq!(pair.client.receive(&bytes[7..]).unwrap(), b"220 Welcome.");
}

#[test]
fn close_notify_ends_each_way_alone() {
    let tls = FakeTls::new();
    let mut pair = Pair::new(&*family(&tls), TlsRole::Control, FakeHello::default());
    pair.carry().unwrap();
    pair.client.send(b"CCC").unwrap();
    pair.client.close_notify();
    assert!(pair.client.send(b"more").is_err());
    assert_eq!(pair.carry().unwrap(), b"CCC");
    assert_eq!(pair.server.status(), TlsStatus::Closed);
    pair.server.write(b"200").unwrap();
    pair.server.close_notify();
    let bytes = [pair.server.transmit(), b"clear"].concat();
    assert_eq!(pair.client.receive(&bytes).unwrap(), b"200");
    assert_eq!(pair.client.take_rest(), b"clear");
}

#[test]
fn what_is_wrong_is_told_by_an_alert() {
    let tls = FakeTls::new();
    let required = tls.family(FamilyWish { client_certificates: ClientCertificates::Require, host: None });
    let fails = |family: &dyn TlsFamily, hello, then: fn(&mut FakeTlsClient)| {
        let mut pair = Pair::new(family, TlsRole::Control, hello);
        then(&mut pair.client);
        pair.carry().unwrap_err()
    };
    let revoked = FakeHello { certificate: Some(b"revoked".to_vec()), ..FakeHello::default() };
    assert!(matches!(fails(&*required, FakeHello::default(), |_| {}), TlsError::Refused(_)));
    assert!(matches!(fails(&*required, revoked, |_| {}), TlsError::Refused(_)));
    let mine = family(&tls);
    assert_eq!(
        fails(&*mine, FakeHello::default(), |client| client.alert("bad_certificate")),
        TlsError::Alert("bad_certificate".into())
    );
    assert!(matches!(fails(&*mine, FakeHello::default(), FakeTlsClient::send_damaged), TlsError::Broken(_)));
    assert_eq!(FakeTlsClient::new(FakeHello::default()).receive(b"220 Welcome.\r\n"), Err(TlsError::NotTls));
    let mut record = [22, 3, 3, 0, 5, b'h', b'v', 0, 1, b'1'];
    let (mut plain, mut out) = (Vec::new(), Vec::new());
    let answer = mine.open(TlsRole::Control).unwrap().read_record(&mut record, &mut plain, &mut out);
    assert!(matches!(answer, Err(TlsError::Refused(_))));
    assert!(out.ends_with(b"protocol_version"));
    assert!(family(&FakeTls::new().broken()).open(TlsRole::Control).is_err());
}

#[test]
fn certificates_are_chosen_by_name_and_taken_when_asked_for() {
    let tls = FakeTls::new().name("one.example").name("two.example");
    assert!(tls.knows_host("ONE.example") && !tls.knows_host("three.example"));
    let named = |name: &str| FakeHello { server_name: Some(name.into()), ..FakeHello::default() };
    let wish = FamilyWish { client_certificates: ClientCertificates::Ignore, host: Some("two.example") };
    for (family, hello, certificate) in [
        (family(&tls), named("one.example"), "one.example"),
        (family(&tls), named("three.example"), "default"),
        (tls.family(wish), FakeHello::default(), "two.example"),
        (tls.family(wish), named("one.example"), "one.example"),
    ] {
        let (_, client) = handshake(&*family, TlsRole::Control, hello);
        assert_eq!(client.certificate_name(), Some(certificate));
    }
    let shown = FakeHello { certificate: Some(b"trusted bob".to_vec()), ..FakeHello::default() };
    let (facts, _) = handshake(&*family(&tls), TlsRole::Control, shown.clone());
    let certificate = facts.client_certificate.unwrap();
    assert!(certificate.trusted && *certificate.der == *b"trusted bob");
    assert_eq!(handshake(&*tls.family(wish), TlsRole::Control, shown).0.client_certificate, None);
}

#[test]
fn the_server_can_play_the_clients_part() {
    let tls = FakeTls::new();
    let mut here = family(&tls).open(TlsRole::Client).unwrap();
    let mut there = FakeTlsClient::in_the_servers_part();
    let (mut out, mut plain) = (Vec::new(), Vec::new());
    here.begin(&mut out);
    there.receive(&out).unwrap();
    out.clear();
    let status = here.read_record(&mut there.take_outgoing(), &mut plain, &mut out).unwrap();
    assert_eq!(status, TlsStatus::Established);
    there.receive(&out).unwrap();
    assert_eq!(there.status(), TlsStatus::Established);
}
