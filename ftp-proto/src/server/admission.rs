//! Who may open a session: limits on what a stranger can grow.

use crate::config::Limits;
use crate::event::{Arrival, SessionId};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;

#[derive(Debug, Default)]
pub(crate) struct Sessions {
    next: u64,
    known: BTreeMap<SessionId, Arrival>,
    by_address: BTreeMap<IpAddr, usize>,
}

impl Sessions {
    /// A name for the session, or the reason against it, for the client.
    pub(crate) fn admit(&mut self, limits: &Limits, arrival: Arrival) -> Result<SessionId, &'static str> {
        if self.known.len() >= limits.sessions {
            return Err("Too many sessions; try again later.");
        }
        let of_address = self.by_address.entry(arrival.peer.ip()).or_default();
        if *of_address >= limits.sessions_per_address {
            return Err("Too many sessions from your address.");
        }
        *of_address += 1;
        self.next += 1;
        let id = SessionId(self.next);
        self.known.insert(id, arrival);
        Ok(id)
    }

    /// It is gone; `false` if it was already.
    pub(crate) fn remove(&mut self, id: SessionId) -> bool {
        let Some(arrival) = self.known.remove(&id) else { return false };
        if let Some(count) = self.by_address.get_mut(&arrival.peer.ip()) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&arrival.peer.ip());
            }
        }
        true
    }

    pub(crate) fn arrival(&self, id: SessionId) -> Option<Arrival> {
        self.known.get(&id).copied()
    }

    pub(crate) fn ids(&self) -> Vec<SessionId> {
        self.known.keys().copied().collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.known.len()
    }
}
