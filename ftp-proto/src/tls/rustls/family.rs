//! One control connection and its data connections, and what each of these answers rustls in its handshake.

use super::session::{ClientSession, ServerSession};
use super::settings::Prepared;
use super::tickets::{FamilyTickets, Tag};
use crate::config::ClientCertificates;
use crate::tls::{FamilyWish, Resumption, TlsError, TlsFamily, TlsRole, TlsSession};
use ::rustls::server::{ClientHello, ProducesTickets, ResolvesServerCert, StoresServerSessions};
use ::rustls::sign::CertifiedKey;
use ::rustls::{HandshakeKind, ProtocolVersion};
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Tickets on a control connection: the least for a few uploads in a row by a client that uses none twice.
const CONTROL_TICKETS: usize = 4;
/// What a client may have if it asks for more (RFC 9149).
const CONTROL_TICKETS_AT_MOST: usize = 8;

/// A family; its connections share it.
pub(super) struct Family(Arc<Common>);

#[derive(Debug)]
struct Common {
    settings: Arc<Prepared>,
    tickets: FamilyTickets,
    /// The session of the control connection under its identifier, for clients of TLS 1.2 that take no tickets, as
    /// curl with OpenSSL.
    session: Mutex<Option<IdentifiedSession>>,
    client_certificates: ClientCertificates,
    host: Option<String>,
}

/// What a client of TLS 1.2 resumes without a ticket (RFC 5246 section 7.3).
#[derive(Debug)]
struct IdentifiedSession {
    identifier: Vec<u8>,
    /// What rustls needs to resume.
    session: Vec<u8>,
}

impl Family {
    pub(super) fn new(settings: Arc<Prepared>, tickets: FamilyTickets, wish: FamilyWish<'_>) -> Self {
        Self(Arc::new(Common {
            settings,
            tickets,
            session: Mutex::default(),
            client_certificates: wish.client_certificates,
            host: wish.host.map(String::from),
        }))
    }
}

impl Common {
    fn session(&self) -> MutexGuard<'_, Option<IdentifiedSession>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TlsFamily for Family {
    fn open(&self, role: TlsRole) -> Result<Box<dyn TlsSession>, TlsError> {
        let settings = &self.0.settings;
        let (certificates, tickets, tickets_at_most) = match role {
            TlsRole::Control => (self.0.client_certificates, CONTROL_TICKETS, CONTROL_TICKETS_AT_MOST),
            TlsRole::Download => (ClientCertificates::Ignore, 1, 1),
            // A zero makes rustls deaf to RFC 9149, too.
            TlsRole::Upload => (ClientCertificates::Ignore, 0, 0),
            TlsRole::Client => return Ok(Box::new(ClientSession::connect(settings)?)),
        };
        let server = Arc::new(Side { common: self.0.clone(), role, seen: Mutex::default() });
        let mut config = settings.server(certificates).clone();
        config.session_storage = server.clone();
        config.ticketer = server.clone();
        config.cert_resolver = server.clone();
        config.send_tls13_tickets = tickets;
        config.max_tls13_tickets = tickets_at_most;
        Ok(Box::new(ServerSession::accept(Arc::new(config), server)?))
    }
}

/// One server-side connection: chooses its certificate, makes and opens its tickets, keeps its session, and remembers
/// what rustls doesn't tell afterwards.
#[derive(Debug)]
pub(super) struct Side {
    common: Arc<Common>,
    role: TlsRole,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    server_name: Option<String>,
    offered: Offered,
    kind: Option<HandshakeKind>,
}

/// What the client has shown to resume by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Offered {
    /// Nothing that we know.
    #[default]
    Nothing,
    /// A ticket of another family.
    Foreign,
    /// A ticket of this family, by its number.
    Own(u64),
    /// On a control connection: a ticket of another family, which is as good.
    Known,
    /// On a data connection: the identifier of the control connection's session (TLS 1.2).
    Identifier,
}

impl Side {
    /// The handshake has come to where it is known whether it resumes. (rustls gives out tickets after that, but for
    /// those of TLS 1.2 when it resumes: these go out with the answer to the client's first message.)
    pub(super) fn learn_kind(&self, kind: Option<HandshakeKind>) {
        self.seen().kind = kind;
    }

    /// The handshake is complete: how it began.
    pub(super) fn complete(&self, version: Option<ProtocolVersion>) -> Resumption {
        let Seen { kind, offered, .. } = *self.seen();
        let tickets = &self.common.tickets;
        let may_be_exhausted = self.role != TlsRole::Control
            && version == Some(ProtocolVersion::TLSv1_3)
            && tickets.are_used_up();
        match (kind, offered) {
            (Some(HandshakeKind::Resumed), Offered::Own(serial)) => {
                tickets.redeem(serial, version);
                Resumption::Resumed
            }
            (Some(HandshakeKind::Resumed), Offered::Known | Offered::Identifier) => Resumption::Resumed,
            (_, Offered::Foreign) => Resumption::Foreign,
            (_, Offered::Nothing) if may_be_exhausted => Resumption::Exhausted,
            _ => Resumption::Full,
        }
    }

    /// The name the client asked for.
    pub(super) fn server_name(&self) -> Option<String> {
        self.seen().server_name.clone()
    }

    /// Whether the client was asked for a certificate; if so, whether one of the authorities has to have issued it.
    pub(super) fn asks_for_certificate(&self) -> Option<bool> {
        let asks =
            self.role == TlsRole::Control && self.common.client_certificates != ClientCertificates::Ignore;
        asks.then(|| self.common.settings.has_authorities())
    }

    pub(super) fn settings(&self) -> &Prepared {
        &self.common.settings
    }

    /// How the client of this connection is looked at. Data connections don't look.
    fn client_tag(&self) -> Tag {
        match self.role {
            TlsRole::Control => self.common.settings.client_tag(self.common.client_certificates),
            _ => self.common.settings.client_tag(ClientCertificates::Ignore),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProducesTickets for Side {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        self.common.tickets.lifetime()
    }

    /// A ticket says that its owner has the control connection. So on a data connection only who has come with one
    /// gets the next; else a stranger could connect twice.
    fn encrypt(&self, session: &[u8]) -> Option<Vec<u8>> {
        let seen = self.seen();
        let resumes = matches!(seen.kind, None | Some(HandshakeKind::Resumed));
        let is_proven = resumes && matches!(seen.offered, Offered::Own(_) | Offered::Identifier);
        if self.role == TlsRole::Control || is_proven {
            return self.common.tickets.issue(self.client_tag(), session);
        }
        None
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let ticket = self.common.tickets.open(ticket)?;
        let mut seen = self.seen();
        if self.common.tickets.is_own(&ticket) {
            seen.offered = Offered::Own(ticket.serial);
        } else if self.role != TlsRole::Control {
            // The client may offer several (TLS 1.3).
            if seen.offered == Offered::Nothing {
                seen.offered = Offered::Foreign;
            }
            return None;
        } else {
            seen.offered = Offered::Known;
        }
        // Who had to show a certificate must not get by with the ticket of somebody who hadn't, nor one whose
        // certificate was revoked since.
        let is_looked_at_alike = self.role != TlsRole::Control || ticket.client == self.client_tag();
        is_looked_at_alike.then_some(ticket.session)
    }
}

/// Sessions of TLS 1.2 under their identifiers. As with tickets, only the control connection's is good for anything.
impl StoresServerSessions for Side {
    fn put(&self, identifier: Vec<u8>, session: Vec<u8>) -> bool {
        if !self.can_cache() {
            return false;
        }
        *self.common.session() = Some(IdentifiedSession { identifier, session });
        true
    }

    fn get(&self, identifier: &[u8]) -> Option<Vec<u8>> {
        if self.role == TlsRole::Control {
            return None;
        }
        let known = self.common.session();
        let known = known.as_ref().filter(|known| known.identifier == identifier)?;
        self.seen().offered = Offered::Identifier;
        Some(known.session.clone())
    }

    /// For TLS 1.3, which has tickets here.
    fn take(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn can_cache(&self) -> bool {
        self.role == TlsRole::Control
    }
}

impl ResolvesServerCert for Side {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name();
        self.seen().server_name = name.map(ToString::to_string);
        Some(self.settings().choose(name, self.common.host.as_deref(), hello.signature_schemes()))
    }
}
