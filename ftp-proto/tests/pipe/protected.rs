//! A client under TLS at the other end of a pipe.

use ftp_proto::config::ClientCertificates;
use ftp_proto::testing::{FakeHello, FakeTls, FakeTlsClient, data_handshake, secure_pipe};
use ftp_proto::tls::{FamilyWish, HandshakeStep, Tls as _, TlsError, TlsRole};
use ftp_proto::transfer::{Direction, Pipe};

/// Puts TLS between a pipe and the client returned. `behind`: what the client says together with the last of its
/// handshake.
pub(crate) fn protect(
    pipe: &mut Pipe,
    needs_close_notify: bool,
    behind: impl FnOnce(&mut FakeTlsClient),
) -> FakeTlsClient {
    let wish = FamilyWish { client_certificates: ClientCertificates::Ignore, host: None };
    let role = match pipe.direction() {
        Direction::Upload => TlsRole::Upload,
        Direction::Download => TlsRole::Download,
    };
    let mut handshake = data_handshake(FakeTls::new().family(wish).open(role).unwrap());
    let mut client = FakeTlsClient::new(FakeHello::default());
    handshake.receive(&client.take_outgoing());
    client.receive(handshake.transmit()).unwrap();
    handshake.transmitted(handshake.transmit().len());
    behind(&mut client);
    handshake.receive(&client.take_outgoing());
    assert_eq!(handshake.step(), HandshakeStep::End);
    secure_pipe(pipe, handshake, needs_close_notify).unwrap();
    client
}

/// What a client says that sends this and then close_notify.
pub(crate) fn said(client: &mut FakeTlsClient, plain: &[u8]) -> Vec<u8> {
    client.send(plain).unwrap();
    client.close_notify();
    client.take_outgoing()
}

/// The alert that the client was sent.
pub(crate) fn alert(client: &mut FakeTlsClient, wire: &[u8]) -> String {
    match client.receive(wire) {
        Err(TlsError::Alert(name)) => name,
        other => panic!("{other:?}"),
    }
}
