//! Who may open a session: limits on what a stranger can grow.

use super::crowds::Crowds;
use crate::config::{Limits, Network, client_of, network_of};
use crate::diagnose::Way;
use crate::event::{Arrival, Seat, SessionId, Whom};
use crate::notice::Refusal;
use crate::time::UnixTime;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

/// All sessions, and whose they are.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    next: u64,
    known: BTreeMap<SessionId, Known>,
    by_client: Counts,
    by_network: Counts,
    /// Those on which nobody is logged in, and that have to make room if they are too many.
    unauthenticated: Crowds,
}

#[derive(Debug)]
struct Known {
    arrival: Arrival,
    /// Whether it counts as one of its address's: not before a balancer has said whose it is.
    counts: bool,
    /// Whether it is among the unauthenticated ones: not if it was told to make room.
    waits: bool,
    /// How it asked for its last passive port.
    way: Way,
    /// Who is logged in, and since when.
    whom: Option<(Whom, UnixTime)>,
}

/// How many there are of each network.
#[derive(Debug, Default)]
struct Counts(BTreeMap<Network, usize>);

impl Counts {
    fn of(&self, network: Network) -> usize {
        self.0.get(&network).copied().unwrap_or(0)
    }

    fn add(&mut self, network: Network) {
        *self.0.entry(network).or_default() += 1;
    }

    fn take(&mut self, network: Network) {
        if let Some(count) = self.0.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&network);
            }
        }
    }
}

/// How many sessions of an account are told, one by one.
const MOST_SEATS: usize = 100;

impl Sessions {
    /// A name for the session, or the reason against it.
    pub(crate) fn admit(&mut self, limits: &Limits, arrival: Arrival) -> Result<SessionId, Refusal> {
        let id = self.admit_unnamed(limits, arrival)?;
        let counted = self.introduce(limits, id, arrival);
        if counted.is_err() {
            self.known.remove(&id);
        }
        counted.map(|()| id)
    }

    /// The same for a balancer's connection, which counts for nobody before [`introduce`](Self::introduce).
    pub(crate) fn admit_unnamed(&mut self, limits: &Limits, arrival: Arrival) -> Result<SessionId, Refusal> {
        if self.known.len() >= limits.sessions {
            return Err(Refusal::Sessions);
        }
        self.next += 1;
        let id = SessionId(self.next);
        let known = Known { arrival, counts: false, waits: false, way: Way::default(), whom: None };
        self.known.insert(id, known);
        Ok(id)
    }

    /// It is known now whose a session is; or the reason against it.
    pub(crate) fn introduce(
        &mut self,
        limits: &Limits,
        id: SessionId,
        arrival: Arrival,
    ) -> Result<(), Refusal> {
        let Some(known) = self.known.get_mut(&id).filter(|known| !known.counts) else { return Ok(()) };
        let address = arrival.peer.ip();
        let (client, network) = (client_of(address), network_of(address));
        if self.by_client.of(client) >= limits.sessions_per_address {
            return Err(Refusal::SessionsPerAddress);
        }
        if self.by_network.of(network) >= limits.sessions_per_network {
            return Err(Refusal::SessionsPerNetwork);
        }
        if self.unauthenticated.of_client(address) >= limits.unauthenticated_per_address {
            return Err(Refusal::UnauthenticatedPerAddress);
        }
        known.arrival = arrival;
        known.counts = true;
        known.waits = true;
        self.by_client.add(client);
        self.by_network.add(network);
        self.unauthenticated.insert(address, id.0);
        Ok(())
    }

    /// If too many wait for a login: the one that has to make room, and its client. It counts as a session until it is
    /// gone, but is not asked again.
    pub(crate) fn take_crowding(&mut self, limits: &Limits) -> Option<(SessionId, SocketAddr)> {
        if self.unauthenticated.len() <= limits.unauthenticated {
            return None;
        }
        let id = SessionId(self.unauthenticated.most_crowding()?);
        self.stop_waiting(id);
        Some((id, self.known.get(&id)?.arrival.peer))
    }

    fn stop_waiting(&mut self, id: SessionId) {
        if let Some(known) = self.known.get_mut(&id).filter(|known| known.waits) {
            known.waits = false;
            self.unauthenticated.remove(known.arrival.peer.ip(), id.0);
        }
    }

    /// It is gone; `false` if it was already.
    pub(crate) fn remove(&mut self, id: SessionId) -> bool {
        self.stop_waiting(id);
        let Some(Known { arrival, counts, .. }) = self.known.remove(&id) else { return false };
        if counts {
            self.by_client.take(client_of(arrival.peer.ip()));
            self.by_network.take(network_of(arrival.peer.ip()));
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
        self.stop_waiting(id);
        let Some(known) = self.known.get_mut(&id) else { return };
        known.whom = whom.map(|whom| (whom, now));
        // A login that is over holds nobody's place.
        if known.whom.is_none() && known.counts {
            known.waits = true;
            self.unauthenticated.insert(known.arrival.peer.ip(), id.0);
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

    /// How many count as somebody's, and how many of them wait for a login: both zero when all are gone.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn counted(&self) -> (usize, usize) {
        (self.by_client.0.values().sum(), self.unauthenticated.len())
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
