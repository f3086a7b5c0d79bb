//! TLS for tests: everything about it is real but the secrecy, so that a test sees each step, and gives the same bytes
//! each time.
//!
//! [`FakeTls`] is what a server is given, [`FakeTlsClient`] the other side.
//!
//! # The bytes
//! Records are those of RFC 8446 section 5.1: content type, 3, 3, length in two bytes, body. A change_cipher_spec
//! (20) is passed over. The body of an alert (21) is its name in letters, as in `close_notify`; any other ends the
//! connection. The body of application data (23) is the plain text, each byte combined with 0xa5 by XOR, and one byte
//! more, a sum over the plain text and the number of the record, so that one that is damaged, lost or doubled is
//! noticed. At most 16 KiB of plain text go into one record.
//!
//! The body of a handshake record (22) is one message: a byte for its kind, then fields, each with a byte for its
//! name, a length in two bytes, and the value.
//!
//! | Kind | From | Fields |
//! |---|---|---|
//! | `h` hello | client | `v` version, `2` or `3`; `n` server name, `c` certificate, `t` ticket, each only if there is one |
//! | `w` welcome | server | `r` resumed, `0` or `1`; `n` the name of the server's certificate |
//! | `f` finished | client | none; the server is done |
//! | `t` ticket | server | `t` the ticket: family and number, four bytes each. Control: four, download: one, upload: none |
//! | `k` key update | both | `a` present: answer with one |

mod client;
mod message;
mod session;

#[cfg(test)]
mod tests;

pub use client::FakeTlsClient;
pub use message::FakeHello;

use crate::config::ClientCertificates;
use crate::tls::{FamilyWish, Resumption, Tls, TlsError, TlsFamily, TlsRole, TlsSession};
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use session::FakeSession;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The name of the certificate for clients that ask for no name we know.
const DEFAULT_NAME: &str = "default";

/// [`Tls`] for tests. Copies share all they know.
#[derive(Clone, Debug, Default)]
pub struct FakeTls {
    names: BTreeSet<String>,
    is_broken: bool,
    tickets: Arc<Mutex<Tickets>>,
}

/// Every ticket that was given out, and whether it was redeemed.
#[derive(Debug, Default)]
struct Tickets {
    families: u32,
    given: BTreeMap<Ticket, bool>,
}

/// What a client redeems to resume a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ticket {
    family: u32,
    number: u32,
}

/// One control connection and its data connections.
#[derive(Debug)]
struct Family {
    tls: FakeTls,
    number: u32,
    client_certificates: ClientCertificates,
    host: Option<String>,
}

impl FakeTls {
    /// With one certificate, named `default`.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a certificate for this name as well.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.names.insert(name.to_ascii_lowercase());
        self
    }

    /// With settings that allow no connection.
    #[must_use]
    pub fn broken(mut self) -> Self {
        self.is_broken = true;
        self
    }

    fn lock(&self) -> MutexGuard<'_, Tickets> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tls for FakeTls {
    fn family(&self, wish: FamilyWish<'_>) -> Box<dyn TlsFamily> {
        let mut tickets = self.lock();
        tickets.families += 1;
        Box::new(Arc::new(Family {
            tls: self.clone(),
            number: tickets.families,
            client_certificates: wish.client_certificates,
            host: wish.host.map(ToOwned::to_owned),
        }))
    }

    fn knows_host(&self, name: &str) -> bool {
        self.names.contains(&name.to_ascii_lowercase())
    }
}

impl TlsFamily for Arc<Family> {
    fn open(&self, role: TlsRole) -> Result<Box<dyn TlsSession>, TlsError> {
        if self.tls.is_broken {
            return Err(TlsError::Refused(String::from("the settings allow none")));
        }
        Ok(Box::new(match role {
            TlsRole::Client => FakeSession::client(FakeHello::default()),
            role => FakeSession::server(Arc::clone(self), role),
        }))
    }
}

impl Family {
    /// The name of the certificate shown to a client that asks for `name`.
    fn certificate_for(&self, name: Option<&str>) -> String {
        let known = |name: &&str| self.tls.knows_host(name);
        let name = name.filter(known).or(self.host.as_deref()).filter(known);
        name.unwrap_or(DEFAULT_NAME).to_ascii_lowercase()
    }

    fn give_ticket(&self) -> Ticket {
        let mut tickets = self.tls.lock();
        let number = tickets.given.keys().filter(|ticket| ticket.family == self.number).count();
        let ticket = Ticket { family: self.number, number: u32::try_from(number).unwrap_or(u32::MAX) };
        tickets.given.insert(ticket, false);
        ticket
    }

    /// What a hello with this ticket begins. `uses_once`: the client redeems no ticket twice (TLS 1.3).
    fn redeem(&self, offered: Option<Ticket>, role: TlsRole, uses_once: bool) -> Resumption {
        let mut tickets = self.tls.lock();
        let known = offered.and_then(|ticket| Some((ticket, tickets.given.get_mut(&ticket)?)));
        if let Some((ticket, redeemed)) = known {
            if ticket.family != self.number && role != TlsRole::Control {
                return Resumption::Foreign;
            }
            *redeemed = true;
            return Resumption::Resumed;
        }
        let mut own = tickets.given.iter().filter(|(ticket, _)| ticket.family == self.number).peekable();
        if uses_once && own.peek().is_some() && own.all(|(_, redeemed)| *redeemed) {
            Resumption::Exhausted
        } else {
            Resumption::Full
        }
    }
}

impl Ticket {
    fn to_bytes(self) -> [u8; 8] {
        (u64::from(self.family) << 32 | u64::from(self.number)).to_be_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, d, e, f, g, h] = *bytes else { return None };
        Some(Self { family: u32::from_be_bytes([a, b, c, d]), number: u32::from_be_bytes([e, f, g, h]) })
    }
}
