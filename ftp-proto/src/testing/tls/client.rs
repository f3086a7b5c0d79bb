//! The other side of a [`FakeTls`](super::FakeTls) connection, for tests to play.

use super::message::{ALERT, DATA, FakeHello, HEADER, push_record};
use super::session::FakeSession;
use super::{FakeTls, Family};
use crate::config::ClientCertificates;
use crate::tls::{Resumption, TlsError, TlsFacts, TlsRole, TlsSession, TlsStatus};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A client: bytes of the server in, plain text out, and the other way round.
///
/// ```
/// use ftp_proto::config::ClientCertificates;
/// use ftp_proto::testing::{FakeHello, FakeTls, FakeTlsClient};
/// use ftp_proto::tls::{FamilyWish, Tls, TlsRole, TlsStatus};
///
/// let wish = FamilyWish { client_certificates: ClientCertificates::Ignore, host: None };
/// let family = FakeTls::new().family(wish);
/// let mut server = family.open(TlsRole::Control)?;
/// let mut client = FakeTlsClient::new(FakeHello::default());
///
/// let (mut plain, mut answer) = (Vec::new(), Vec::new());
/// server.read_record(&mut client.take_outgoing(), &mut plain, &mut answer)?;
/// client.receive(&answer)?;
/// let status = server.read_record(&mut client.take_outgoing(), &mut plain, &mut answer)?;
/// assert_eq!(status, TlsStatus::Established);
///
/// client.send(b"NOOP\r\n")?;
/// server.read_record(&mut client.take_outgoing(), &mut plain, &mut answer)?;
/// assert_eq!(plain, b"NOOP\r\n");
/// # Ok::<(), ftp_proto::tls::TlsError>(())
/// ```
#[derive(Debug)]
pub struct FakeTlsClient {
    session: FakeSession,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    /// What came is thrown back: TLS is over.
    rest: Vec<u8>,
}

impl FakeTlsClient {
    /// It has said hello: [`take_outgoing`](Self::take_outgoing) has it.
    pub fn new(hello: FakeHello) -> Self {
        Self::begin(FakeSession::client(hello))
    }

    /// The server's part of the handshake, as a client plays that has two servers exchange files (SSCN).
    pub fn in_the_servers_part() -> Self {
        let family = Family {
            tls: FakeTls::new(),
            number: 0,
            client_certificates: ClientCertificates::Ignore,
            host: None,
        };
        Self::begin(FakeSession::server(Arc::new(family), TlsRole::Upload))
    }

    fn begin(mut session: FakeSession) -> Self {
        let mut outgoing = Vec::new();
        session.begin(&mut outgoing);
        Self { session, incoming: Vec::new(), outgoing, rest: Vec::new() }
    }

    /// Takes bytes of the server, cut anyhow; gives their plain text. Answers are in
    /// [`take_outgoing`](Self::take_outgoing).
    ///
    /// # Errors
    /// As [`TlsSession::read_record`].
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Vec<u8>, TlsError> {
        self.incoming.extend_from_slice(bytes);
        let mut plain = Vec::new();
        while self.session.status() != TlsStatus::Closed {
            let Some(&[kind, .., high, low]) = self.incoming.first_chunk::<HEADER>() else { break };
            if !(20..=24).contains(&kind) {
                return Err(TlsError::NotTls);
            }
            let len = HEADER + usize::from(u16::from_be_bytes([high, low]));
            if self.incoming.len() < len {
                break;
            }
            let mut record: Vec<u8> = self.incoming.drain(..len).collect();
            self.session.read_record(&mut record, &mut plain, &mut self.outgoing)?;
        }
        if self.session.status() == TlsStatus::Closed {
            self.rest.append(&mut self.incoming);
        }
        Ok(plain)
    }

    /// Has this sent under TLS.
    ///
    /// # Errors
    /// [`TlsError::Broken`] before the end of the handshake and after [`close_notify`](Self::close_notify).
    pub fn send(&mut self, plain: &[u8]) -> Result<(), TlsError> {
        self.session.write(plain, &mut self.outgoing)
    }

    /// Says that no more comes.
    pub fn close_notify(&mut self) {
        self.session.close_notify(&mut self.outgoing);
    }

    /// Says this alert.
    pub fn alert(&mut self, name: &str) {
        push_record(ALERT, name.as_bytes(), &mut self.outgoing);
    }

    /// Sends a record that can't be right.
    pub fn send_damaged(&mut self) {
        push_record(DATA, b"", &mut self.outgoing);
    }

    /// Changes the keys and has the server do so: it has to answer, although nothing is written.
    pub fn update_keys(&mut self) {
        self.session.update_keys(&mut self.outgoing);
    }

    /// What is to be sent to the server.
    pub fn take_outgoing(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.outgoing)
    }

    /// What came behind the server's close_notify: no TLS any more.
    pub fn take_rest(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.rest)
    }

    /// How far it is; `Closed`: the server's close_notify came.
    pub fn status(&self) -> TlsStatus {
        self.session.status()
    }

    /// What was agreed; `None` before the end of the handshake. [`Resumption`] is `Resumed` or `Full`: a client sees
    /// no more.
    pub fn facts(&self) -> Option<TlsFacts> {
        self.session.facts()
    }

    /// Whether the server resumed a session.
    pub fn is_resumed(&self) -> bool {
        self.facts().is_some_and(|facts| facts.resumption == Resumption::Resumed)
    }

    /// The name of the certificate that the server has shown.
    pub fn certificate_name(&self) -> Option<&str> {
        self.session.welcome.as_ref().map(|welcome| welcome.certificate_name.as_str())
    }

    /// The tickets that came.
    pub fn tickets(&self) -> &[Vec<u8>] {
        &self.session.tickets
    }

    /// The tickets that came; they are with the caller then.
    pub fn take_tickets(&mut self) -> Vec<Vec<u8>> {
        core::mem::take(&mut self.session.tickets)
    }

    /// How many key updates came.
    pub fn key_updates(&self) -> usize {
        self.session.key_updates
    }
}
