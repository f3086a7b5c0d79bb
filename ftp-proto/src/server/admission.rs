//! Who may open a session: limits on what a stranger can grow.

use crate::config::Limits;
use crate::diagnose::Way;
use crate::event::{Arrival, SessionId};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;

#[derive(Debug, Default)]
pub(crate) struct Sessions {
    next: u64,
    known: BTreeMap<SessionId, Known>,
    by_address: BTreeMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Known {
    arrival: Arrival,
    /// Whether it counts as one of its address's: not before a balancer has said whose it is.
    counts: bool,
    /// How it asked for its last passive port.
    way: Way,
}

impl Sessions {
    /// A name for the session, or the reason against it, for the client.
    pub(crate) fn admit(&mut self, limits: &Limits, arrival: Arrival) -> Result<SessionId, &'static str> {
        let id = self.admit_unnamed(limits, arrival)?;
        let counted = self.introduce(limits, id, arrival);
        if counted.is_err() {
            self.known.remove(&id);
        }
        counted.map(|()| id)
    }

    /// The same for a balancer's connection, which counts for nobody before [`introduce`](Self::introduce).
    pub(crate) fn admit_unnamed(
        &mut self,
        limits: &Limits,
        arrival: Arrival,
    ) -> Result<SessionId, &'static str> {
        if self.known.len() >= limits.sessions {
            return Err("Too many sessions; try again later.");
        }
        self.next += 1;
        let id = SessionId(self.next);
        self.known.insert(id, Known { arrival, counts: false, way: Way::default() });
        Ok(id)
    }

    /// It is known now whose a session is; or the reason against it, for the client.
    pub(crate) fn introduce(
        &mut self,
        limits: &Limits,
        id: SessionId,
        arrival: Arrival,
    ) -> Result<(), &'static str> {
        let Some(known) = self.known.get_mut(&id).filter(|known| !known.counts) else { return Ok(()) };
        let of_address = self.by_address.get(&arrival.peer.ip()).copied().unwrap_or(0);
        if of_address >= limits.sessions_per_address {
            return Err("Too many sessions from your address.");
        }
        self.by_address.insert(arrival.peer.ip(), of_address + 1);
        *known = Known { arrival, counts: true, ..*known };
        Ok(())
    }

    /// It is gone; `false` if it was already.
    pub(crate) fn remove(&mut self, id: SessionId) -> bool {
        let Some(Known { arrival, counts, .. }) = self.known.remove(&id) else { return false };
        if counts && let Some(count) = self.by_address.get_mut(&arrival.peer.ip()) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&arrival.peer.ip());
            }
        }
        true
    }

    pub(crate) fn arrival(&self, id: SessionId) -> Option<Arrival> {
        Some(self.known.get(&id)?.arrival)
    }

    /// Notes how it asked for its passive port.
    pub(crate) fn announced(&mut self, id: SessionId, way: Way) {
        if let Some(known) = self.known.get_mut(&id) {
            known.way = way;
        }
    }

    /// The client's address, and how it asked for its last passive port.
    pub(crate) fn announcement(&self, id: SessionId) -> Option<(IpAddr, Way)> {
        let known = self.known.get(&id)?;
        Some((known.arrival.peer.ip(), known.way))
    }

    pub(crate) fn ids(&self) -> Vec<SessionId> {
        self.known.keys().copied().collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.known.len()
    }
}
