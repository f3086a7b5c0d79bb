//! Tickets that tell whose they are. All of them are encrypted by one ticketer of rustls, whose keys rotate; inside,
//! before what rustls keeps there, stand the family that gave the ticket out and its number.

use ::rustls::ProtocolVersion;
use ::rustls::server::ProducesTickets;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Random bytes that name a family, or what kind of certificate its client has shown.
pub(super) type Tag = [u8; 16];

/// Above so many tickets that nobody has redeemed it doesn't matter any more which they are.
const MANY: usize = 256;

/// The tickets of one family.
#[derive(Debug)]
pub(super) struct FamilyTickets {
    ticketer: Arc<dyn ProducesTickets>,
    /// `None`: there was no randomness to name it by, so it has no tickets.
    family: Option<Tag>,
    ledger: Mutex<Ledger>,
}

/// What stands in a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) family: Tag,
    /// Counted within the family.
    pub(super) serial: u64,
    /// How the client was looked at when it was given out: only where the same is done it opens a control connection.
    pub(super) client: Tag,
    /// What rustls needs to resume.
    pub(super) session: Vec<u8>,
}

impl FamilyTickets {
    pub(super) fn new(ticketer: Arc<dyn ProducesTickets>, family: Option<Tag>) -> Self {
        Self { ticketer, family, ledger: Mutex::default() }
    }

    /// Seconds.
    pub(super) fn lifetime(&self) -> u32 {
        self.ticketer.lifetime()
    }

    /// A new ticket of this family.
    pub(super) fn issue(&self, client: Tag, session: &[u8]) -> Option<Vec<u8>> {
        let family = self.family?;
        let serial = self.ledger().issue();
        let plain = [&family[..], &serial.to_be_bytes(), &client, session].concat();
        self.ticketer.encrypt(&plain)
    }

    /// What is in a ticket, of whichever family.
    pub(super) fn open(&self, ticket: &[u8]) -> Option<Ticket> {
        let plain = self.ticketer.decrypt(ticket)?;
        let (family, rest) = plain.split_first_chunk()?;
        let (serial, rest) = rest.split_first_chunk()?;
        let (client, session) = rest.split_first_chunk()?;
        Some(Ticket {
            family: *family,
            serial: u64::from_be_bytes(*serial),
            client: *client,
            session: session.to_vec(),
        })
    }

    pub(super) fn is_own(&self, ticket: &Ticket) -> bool {
        self.family == Some(ticket.family)
    }

    /// A handshake was completed by this ticket of the family.
    pub(super) fn redeem(&self, serial: u64, version: Option<ProtocolVersion>) {
        // In TLS 1.2 clients use tickets again and again (RFC 5077); in TLS 1.3 they should not (RFC 8446 appendix C.4).
        match version {
            Some(ProtocolVersion::TLSv1_3) => self.ledger().redeem(serial),
            _ => self.ledger().lasting = true,
        }
    }

    /// Whether the client may have no ticket left, provided that it uses none twice.
    pub(super) fn are_used_up(&self) -> bool {
        self.ledger().is_used_up()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which tickets are still with the client.
#[derive(Debug, Default)]
struct Ledger {
    issued: u64,
    left: BTreeSet<u64>,
    /// The client uses tickets again, or more are left than are worth counting: it never runs out.
    lasting: bool,
}

impl Ledger {
    fn issue(&mut self) -> u64 {
        let serial = self.issued;
        self.issued += 1;
        if self.left.len() >= MANY {
            self.lasting = true;
        }
        if !self.lasting {
            self.left.insert(serial);
        }
        serial
    }

    fn redeem(&mut self, serial: u64) {
        if !self.left.remove(&serial) {
            self.lasting = true;
        }
    }

    /// Some clients keep the newest ticket only, like curl with OpenSSL; all begin with it. So who has redeemed that one
    /// may have no other.
    fn is_used_up(&self) -> bool {
        let newest = self.issued.checked_sub(1);
        newest.is_some_and(|newest| !self.left.contains(&newest)) && !self.lasting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_may_be_used_up_when_the_newest_was_redeemed() {
        let mut ledger = Ledger::default();
        assert!(!ledger.is_used_up(), "none was given out");
        let (first, second) = (ledger.issue(), ledger.issue());
        ledger.redeem(first);
        assert!(!ledger.is_used_up(), "who uses the oldest first has the others");
        ledger.redeem(second);
        assert!(ledger.is_used_up());
        ledger.issue();
        let newest = ledger.issue();
        assert!(!ledger.is_used_up());
        ledger.redeem(newest);
        assert!(ledger.is_used_up(), "who keeps the newest only has none");
    }

    #[test]
    fn who_uses_a_ticket_twice_never_runs_out() {
        let mut ledger = Ledger::default();
        let ticket = ledger.issue();
        ledger.redeem(ticket);
        ledger.redeem(ticket);
        assert!(!ledger.is_used_up());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut ledger = Ledger::default();
        let serials: Vec<u64> = (0..10 * MANY as u64).map(|_| ledger.issue()).collect();
        assert_eq!(ledger.left.len(), MANY);
        serials.into_iter().for_each(|serial| ledger.redeem(serial));
        assert!(!ledger.is_used_up());
    }
}
