//! One connection of the fake TLS, either side.

use super::message::{
    ALERT, CHANGE_CIPHER_SPEC, DATA, FakeHello, HANDSHAKE, HEADER, MAX_PLAIN, Malformed, Message, Welcome,
    push_record, seal, unseal,
};
use super::{Family, Ticket};
use crate::config::ClientCertificates;
use crate::tls::{
    ClientCertificate, Resumption, TlsError, TlsFacts, TlsRole, TlsSession, TlsStatus, TlsVersion,
};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The name of our only cipher suite.
const SUITE: &str = "FAKE_XOR_SUM";

#[derive(Debug)]
pub(super) struct FakeSession {
    side: Side,
    phase: Phase,
    facts: Option<TlsFacts>,
    /// Application data sent so far, in records.
    sent: u8,
    received: u8,
    /// Our close_notify is said.
    closing: bool,
    /// What a client was given.
    pub(super) tickets: Vec<Vec<u8>>,
    pub(super) welcome: Option<Welcome>,
    /// Key updates that came.
    pub(super) key_updates: usize,
}

#[derive(Debug)]
enum Side {
    Server(Arc<Family>, TlsRole),
    Client(FakeHello),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A server waits for hello, a client for welcome.
    First,
    /// A server waits for finished.
    Second,
    Open,
    Closed,
}

impl FakeSession {
    pub(super) fn server(family: Arc<Family>, role: TlsRole) -> Self {
        Self::new(Side::Server(family, role))
    }

    pub(super) fn client(hello: FakeHello) -> Self {
        Self::new(Side::Client(hello))
    }

    fn new(side: Side) -> Self {
        Self {
            side,
            phase: Phase::First,
            facts: None,
            sent: 0,
            received: 0,
            closing: false,
            tickets: Vec::new(),
            welcome: None,
            key_updates: 0,
        }
    }

    pub(super) fn status(&self) -> TlsStatus {
        match self.phase {
            Phase::First | Phase::Second => TlsStatus::Handshaking,
            Phase::Open => TlsStatus::Established,
            Phase::Closed => TlsStatus::Closed,
        }
    }

    /// Has the other side change its keys as well.
    pub(super) fn update_keys(&self, out: &mut Vec<u8>) {
        say(&Message::KeyUpdate { asks: true }, out);
    }

    /// One record, by its kind.
    fn record(
        &mut self,
        kind: u8,
        body: &[u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), Problem> {
        match (kind, self.phase) {
            (CHANGE_CIPHER_SPEC, _) => Ok(()),
            (ALERT, _) if body == b"close_notify" => {
                self.phase = Phase::Closed;
                Ok(())
            }
            (ALERT, _) => Err(Problem {
                alert: None,
                error: TlsError::Alert(String::from_utf8_lossy(body).into_owned()),
            }),
            (HANDSHAKE, _) => {
                let message = Message::parse(body).map_err(|malformed| match malformed {
                    Malformed::Fields => Problem::broken("decode_error", "a message can't be read"),
                    Malformed::Version => Problem::refused("protocol_version", "no version in common"),
                })?;
                self.message(message, out)
            }
            (DATA, Phase::Open) => {
                let text = unseal(body, self.received)
                    .ok_or_else(|| Problem::broken("bad_record_mac", "a record was damaged"))?;
                if text.len() > MAX_PLAIN {
                    return Err(Problem::broken("record_overflow", "a record is too long"));
                }
                self.received = self.received.wrapping_add(1);
                plain.extend_from_slice(&text);
                Ok(())
            }
            _ => Err(Problem::unexpected()),
        }
    }

    fn message(&mut self, message: Message, out: &mut Vec<u8>) -> Result<(), Problem> {
        match (message, self.phase, &self.side) {
            (Message::Hello(hello), Phase::First, Side::Server(family, role)) => {
                let (facts, welcome) = answer(family, *role, hello)?;
                say(&Message::Welcome(welcome), out);
                (self.facts, self.phase) = (Some(facts), Phase::Second);
            }
            (Message::Finished, Phase::Second, Side::Server(family, role)) => {
                let count = match role {
                    TlsRole::Control => 4,
                    TlsRole::Download => 1,
                    TlsRole::Upload | TlsRole::Client => 0,
                };
                for _ in 0..count {
                    say(&Message::Ticket(family.give_ticket().to_bytes().to_vec()), out);
                }
                self.phase = Phase::Open;
            }
            (Message::Welcome(welcome), Phase::First, Side::Client(hello)) => {
                let resumption = if welcome.resumed { Resumption::Resumed } else { Resumption::Full };
                self.facts = Some(TlsFacts {
                    version: hello.version,
                    suite: SUITE,
                    server_name: hello.server_name.clone(),
                    client_certificate: None,
                    resumption,
                });
                self.welcome = Some(welcome);
                say(&Message::Finished, out);
                self.phase = Phase::Open;
            }
            (Message::Ticket(ticket), Phase::Open, Side::Client(_)) => self.tickets.push(ticket),
            (Message::KeyUpdate { asks }, Phase::Open, _) => {
                self.key_updates += 1;
                if asks {
                    say(&Message::KeyUpdate { asks: false }, out);
                }
            }
            _ => return Err(Problem::unexpected()),
        }
        Ok(())
    }
}

/// What a server makes of a hello.
fn answer(family: &Family, role: TlsRole, hello: FakeHello) -> Result<(TlsFacts, Welcome), Problem> {
    let asked =
        if role == TlsRole::Control { family.client_certificates } else { ClientCertificates::Ignore };
    let certificate = hello.certificate.filter(|_| asked != ClientCertificates::Ignore);
    if certificate.is_none() && asked == ClientCertificates::Require {
        return Err(Problem::refused("certificate_required", "the client sent no certificate"));
    }
    if certificate.as_ref().is_some_and(|certificate| certificate.starts_with(b"revoked")) {
        return Err(Problem::refused("certificate_revoked", "the client's certificate is revoked"));
    }
    let ticket = hello.ticket.as_deref().and_then(Ticket::from_bytes);
    let resumption = family.redeem(ticket, role, hello.version == TlsVersion::V1_3);
    let welcome = Welcome {
        resumed: resumption == Resumption::Resumed,
        certificate_name: family.certificate_for(hello.server_name.as_deref()),
    };
    let facts = TlsFacts {
        version: hello.version,
        suite: SUITE,
        server_name: hello.server_name,
        client_certificate: certificate
            .map(|der| ClientCertificate { trusted: der.starts_with(b"trusted"), der: der.into() }),
        resumption,
    };
    Ok((facts, welcome))
}

fn say(message: &Message, out: &mut Vec<u8>) {
    push_record(HANDSHAKE, &message.to_bytes(), out);
}

impl TlsSession for FakeSession {
    fn begin(&mut self, out: &mut Vec<u8>) {
        if let Side::Client(hello) = &self.side {
            say(&Message::Hello(hello.clone()), out);
        }
    }

    fn read_record(
        &mut self,
        record: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<TlsStatus, TlsError> {
        let Some((&[kind, .., high, low], body)) = record.split_first_chunk::<HEADER>() else {
            return Err(TlsError::Broken(String::from("a record without a header")));
        };
        if body.len() != usize::from(u16::from_be_bytes([high, low])) {
            return Err(TlsError::Broken(String::from("not exactly one record")));
        }
        match self.record(kind, body, plain, out) {
            Ok(()) => Ok(self.status()),
            Err(Problem { alert, error }) => {
                if let Some(alert) = alert {
                    push_record(ALERT, alert.as_bytes(), out);
                }
                Err(error)
            }
        }
    }

    fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), TlsError> {
        // A peer that has sent close_notify may still be told something (RFC 8446 section 6.1).
        if matches!(self.phase, Phase::First | Phase::Second) || self.closing {
            return Err(TlsError::Broken(format!("nothing can be written in {:?}", self.phase)));
        }
        for piece in plain.chunks(MAX_PLAIN) {
            push_record(DATA, &seal(piece, self.sent), out);
            self.sent = self.sent.wrapping_add(1);
        }
        Ok(())
    }

    fn close_notify(&mut self, out: &mut Vec<u8>) {
        if !core::mem::replace(&mut self.closing, true) {
            push_record(ALERT, b"close_notify", out);
        }
    }

    fn facts(&self) -> Option<TlsFacts> {
        match self.phase {
            Phase::First | Phase::Second => None,
            Phase::Open | Phase::Closed => self.facts.clone(),
        }
    }
}

/// What ends a connection, and the alert that says so.
#[derive(Debug)]
struct Problem {
    alert: Option<&'static str>,
    error: TlsError,
}

impl Problem {
    fn refused(alert: &'static str, why: &str) -> Self {
        Self { alert: Some(alert), error: TlsError::Refused(String::from(why)) }
    }

    fn broken(alert: &'static str, why: &str) -> Self {
        Self { alert: Some(alert), error: TlsError::Broken(String::from(why)) }
    }

    fn unexpected() -> Self {
        Self::broken("unexpected_message", "a message came that does not belong here")
    }
}
