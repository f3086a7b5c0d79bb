//! Who may open a session: limits on what a stranger can grow.

use crate::config::Limits;
use crate::diagnose::Way;
use crate::event::{Arrival, Seat, SessionId, Whom};
use crate::time::UnixTime;
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
    /// Who is logged in, and since when.
    whom: Option<(Whom, UnixTime)>,
}

/// How many sessions of an account are told, one by one.
const MOST_SEATS: usize = 100;

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
        self.known.insert(id, Known { arrival, counts: false, way: Way::default(), whom: None });
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
        known.arrival = arrival;
        known.counts = true;
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

    /// Notes who is logged in.
    pub(crate) fn enter(&mut self, id: SessionId, whom: Option<Whom>, now: UnixTime) {
        if let Some(known) = self.known.get_mut(&id) {
            known.whom = whom.map(|whom| (whom, now));
        }
    }

    /// The sessions of the account that this one is logged in as, in the order in which they came, up to a limit, and
    /// how many they are. Guests have nothing in common but the name: they hear only how many they are.
    pub(crate) fn roster(&self, id: SessionId) -> (Vec<Seat>, usize) {
        let whom = self.known.get(&id).and_then(|known| known.whom.as_ref());
        let Some((whom, _)) = whom else { return (Vec::new(), 0) };
        let (mut seats, mut count) = (Vec::new(), 0);
        for (&session, known) in &self.known {
            let Some((_, since)) = known.whom.as_ref().filter(|(other, _)| other == whom) else { continue };
            count += 1;
            if whom.user.is_some() && seats.len() < MOST_SEATS {
                seats.push(Seat { session, since: *since, peer: known.arrival.peer });
            }
        }
        (seats, count)
    }

    pub(crate) fn ids(&self) -> Vec<SessionId> {
        self.known.keys().copied().collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.known.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;
    use core::net::SocketAddr;

    #[test]
    fn a_roster_has_an_end_and_tells_how_many_it_leaves_out() {
        let mut sessions = Sessions::default();
        let whom = |user: Option<&str>| Whom { user: user.map(ToOwned::to_owned), host: None };
        let mut enter = |user| {
            let address = |port| SocketAddr::from(([192, 0, 2, 1], port));
            let arrival = Arrival::new(address(21), address(4000));
            let id = sessions.admit(&Limits::default(), arrival).unwrap();
            sessions.enter(id, Some(whom(user)), UnixTime::from_seconds(7));
            id
        };
        let guest = enter(None);
        let bobs: Vec<SessionId> = (0..150).map(|_| enter(Some("bob"))).collect();
        let (seats, count) = sessions.roster(bobs[149]);
        assert_eq!((seats.len(), count), (MOST_SEATS, 150));
        assert!(seats.iter().zip(&bobs).all(|(seat, bob)| seat.session == *bob), "not in order");
        assert_eq!(sessions.roster(guest), (Vec::new(), 1));
        sessions.enter(bobs[0], None, UnixTime::from_seconds(8));
        assert_eq!(sessions.roster(bobs[0]), (Vec::new(), 0));
        assert!(sessions.remove(bobs[1]));
        assert_eq!(sessions.roster(bobs[2]).1, 148);
    }
}
