//! One passive port: the leases on it, and whose a connection is that comes to it.
//!
//! Theory of operation: a closed lease gets the first connection from its client's address and nothing else. An open
//! one waits for a connection that proves whose it is in its TLS handshake, and this one may come from anywhere: some
//! networks send a client's connections out by several addresses. So it gets all that come from its client's
//! address, and a share of those that come from addresses of which nobody waits here. These are dealt out evenly,
//! since who is meant can't be seen before the handshake, and in the order in which the clients were told of the
//! port, since they follow in about this order.

use super::leases::Leases;
use crate::config::Network;
use crate::event::{LinkId, SessionId};
use alloc::vec::Vec;

/// How many strangers one lease hears of: enough for a verdict, and a flood can't fill a mailbox.
pub(super) const STRANGERS: u8 = 4;
/// How many connections from elsewhere an open lease gets: what a stranger can grow has a limit.
pub(super) const FOREIGN_ARRIVALS: u32 = 64;

/// A port that is listened on.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Port {
    pub(super) leases: Leases,
    /// No longer in the range: closed when its last lease ends.
    pub(super) retired: bool,
}

/// A session's wait on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) session: SessionId,
    pub(super) link: LinkId,
    /// Which place it has in the order of all activations; before that nothing is routed to it.
    pub(super) activated: Option<u64>,
    /// What came to it, if it is open; the first connection ends a closed one.
    pub(super) open: Option<Arrivals>,
    /// How many strangers it heard of.
    strangers: u8,
}

/// What came to an open lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Arrivals {
    /// From its client.
    pub(super) own: u32,
    /// From other addresses.
    pub(super) foreign: u32,
}

impl Arrivals {
    pub(super) fn all(self) -> u32 {
        self.own.saturating_add(self.foreign)
    }
}

impl Lease {
    /// One that is not routed to yet.
    pub(super) fn new(session: SessionId, link: LinkId, open: bool) -> Self {
        Self { session, link, activated: None, open: open.then(Arrivals::default), strangers: 0 }
    }

    /// Whether it was routed to when so many leases had been activated.
    pub(super) fn was_active(&self, before: u64) -> bool {
        self.activated.is_some_and(|place| place < before)
    }

    /// Whether it goes on although a connection from its client's address has come.
    pub(super) fn has_client(&self) -> bool {
        self.open.is_some_and(|arrivals| arrivals.own > 0)
    }
}

impl Port {
    /// A connection goes to the lease of its own client. A closed one is used up.
    pub(super) fn arrive(&mut self, client: Network) -> Option<(SessionId, LinkId)> {
        let lease = self.leases.get_mut(client).filter(|lease| lease.activated.is_some())?;
        let (session, link) = (lease.session, lease.link);
        let Some(arrivals) = &mut lease.open else {
            self.leases.remove(client);
            return Some((session, link.arrived(1)));
        };
        arrivals.own = arrivals.own.saturating_add(1);
        Some((session, link.arrived(arrivals.all())))
    }

    /// A connection from the address of a client that has no lease here goes to the open lease with the fewest arrivals, the
    /// oldest among equals.
    pub(super) fn arrive_from_elsewhere(&mut self, before: u64) -> Option<(SessionId, LinkId)> {
        let open = self.leases.values_mut().filter(|lease| lease.was_active(before)).filter_map(|lease| {
            let (session, link, activated) = (lease.session, lease.link, lease.activated?);
            let arrivals = lease.open.as_mut().filter(|arrivals| arrivals.foreign < FOREIGN_ARRIVALS)?;
            Some((session, link, activated, arrivals))
        });
        let (session, link, _, arrivals) =
            open.min_by_key(|(_, _, activated, arrivals)| (arrivals.all(), *activated))?;
        arrivals.foreign += 1;
        Some((session, link.arrived(arrivals.all())))
    }

    /// Somebody came whom nobody expects: the sessions that wait here and are to hear of it.
    pub(super) fn stranger(&mut self) -> Vec<(SessionId, LinkId)> {
        let mut told = Vec::new();
        for lease in self.leases.values_mut() {
            if lease.activated.is_some() && lease.strangers < STRANGERS {
                lease.strangers += 1;
                told.push((lease.session, lease.link));
            }
        }
        told
    }
}

#[cfg(test)]
mod tests;
