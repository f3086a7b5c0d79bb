//! Passive ports: listeners belong to the server, sessions lease them.
//!
//! Theory of operation: every port is listened on all the time. A lease is a pair (port, client) for which one session
//! waits; a client is an address, or a network whose addresses count as one. A connection is given to the lease of its
//! own port and client; a closed lease is used
//! up by it, so that the port is free for the same client again at once, an open one goes on until its session
//! releases it and gets connections from other addresses as well (see `port`). What bounds a range is thus
//! only how many connections one address may have *pending* at a time. A lease that ended without an arrival
//! from its client cools down: the connection may still come, and must not reach another session of that address.
//! Only the session that had it may have it again at once, and gets just this one, so that nobody can make a whole
//! range cool down by asking again and again. Who finds all ports pending waits in the queue of its address;
//! addresses don't compete with each other, and a session waits once at most, so queues are as short as the limit of
//! sessions. Nothing here listens, accepts or sleeps.

mod leases;
mod port;

use crate::config::Network;
use crate::event::{LinkId, SessionId};
use crate::time::Instant;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;
use port::{Lease, Port};

/// How long a late connection is waited for before its port is leased to another session of that address.
pub(crate) const COOL_DOWN: Duration = Duration::from_secs(5);

/// As many ports serve everybody as a rule, since a listener that was used a moment ago is in the processor's cache: with
/// a thousand in turn a small download costs a tenth more. Whoever wants to guess a port has a range to try in any case.
const USUAL: usize = 64;

/// A late connection may still come to a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cooling {
    /// May have its own port again at once: a late connection could only be its own.
    session: SessionId,
    until: Instant,
}

/// Where a session's lease is.
#[derive(Clone, Copy, Debug)]
struct Place {
    link: LinkId,
    port: u16,
    client: Network,
}

/// Who asks for a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asker {
    pub(crate) session: SessionId,
    /// For which link.
    pub(crate) link: LinkId,
    /// Whether the lease is to be open.
    pub(crate) open: bool,
}

/// What the pool has to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PoolEvent {
    /// A session that waited has a port.
    Leased { session: SessionId, link: LinkId, port: u16 },
    /// A session waited in vain.
    NoPort { session: SessionId, link: LinkId },
    /// A retired port has no lease any more.
    Close(u16),
}

/// What became of a request for a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leasing {
    Leased(u16),
    Queued,
    NoPort,
}

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct PortPool {
    ports: BTreeMap<u16, Port>,
    places: BTreeMap<SessionId, Place>,
    queues: BTreeMap<Network, VecDeque<Asker>>,
    /// Who waits: its address, and until when.
    waiting: BTreeMap<SessionId, (Network, Instant)>,
    expiries: BTreeSet<(Instant, SessionId)>,
    /// Not part of `ports`: a port that was closed and opened again still expects its late connections.
    cooling: BTreeMap<(u16, Network), Cooling>,
    cooled: BTreeSet<(Instant, u16, Network)>,
    /// The ports that cool down for a session's sake: one, unless the range has changed.
    cooled_by: BTreeSet<(SessionId, u16)>,
    /// How many leases were activated.
    activations: u64,
    events: VecDeque<PoolEvent>,
    random: u64,
}

impl PortPool {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            ports: BTreeMap::new(),
            places: BTreeMap::new(),
            queues: BTreeMap::new(),
            waiting: BTreeMap::new(),
            expiries: BTreeSet::new(),
            cooling: BTreeMap::new(),
            cooled: BTreeSet::new(),
            cooled_by: BTreeSet::new(),
            activations: 0,
            events: VecDeque::new(),
            random: seed,
        }
    }

    pub(crate) fn poll_event(&mut self) -> Option<PoolEvent> {
        self.events.pop_front()
    }

    // Ports.

    /// A port is listened on.
    pub(crate) fn open(&mut self, now: Instant, port: u16) {
        self.ports.entry(port).or_default().retired = false;
        self.cool_down(now);
        let clients: Vec<Network> = self.queues.keys().copied().collect();
        for client in clients {
            self.give_back(client, port);
            self.serve(client);
        }
    }

    /// A port that was closed and is open again may be usable only for one who waits further behind.
    fn give_back(&mut self, client: Network, port: u16) {
        let Some(&Cooling { session, .. }) = self.cooling.get(&(port, client)) else { return };
        if self.is_free(port, client)
            && let Some(asker) = self.leave_queue(session, client)
        {
            self.give(asker, client, port);
        }
    }

    /// A port is no longer to be leased; it is closed when its last lease has ended.
    pub(crate) fn retire(&mut self, port: u16) {
        if let Some(known) = self.ports.get_mut(&port) {
            known.retired = true;
            self.close_if_done(port);
        }
    }

    /// The ports that are leased from, in order.
    pub(crate) fn open_ports(&self) -> Vec<u16> {
        self.ports.iter().filter(|(_, port)| !port.retired).map(|(&number, _)| number).collect()
    }

    /// The ports that are closed when their last lease ends, in order.
    pub(crate) fn retired_ports(&self) -> Vec<u16> {
        self.ports.iter().filter(|(_, port)| port.retired).map(|(&number, _)| number).collect()
    }

    /// Whether there is no port to be leased from.
    pub(crate) fn is_empty(&self) -> bool {
        self.ports.values().all(|port| port.retired)
    }

    fn close_if_done(&mut self, number: u16) {
        if self.ports.get(&number).is_some_and(|port| port.retired && port.leases.is_empty()) {
            self.ports.remove(&number);
            self.events.push_back(PoolEvent::Close(number));
        }
    }

    // Leases.

    /// A session asks for a port; a second time for the same link it gets the same answer.
    pub(crate) fn lease(&mut self, now: Instant, asker: Asker, client: Network, until: Instant) -> Leasing {
        let Asker { session, link, .. } = asker;
        if let Some(place) = self.places.get(&session)
            && place.link == link
        {
            return Leasing::Leased(place.port);
        }
        if self.is_queued(session, link) {
            return Leasing::Queued;
        }
        self.release_all(now, session);
        // While others of this address wait, nothing is free but a port that only this session may use.
        let others_wait = self.queues.contains_key(&client);
        let port = if others_wait { self.own_port(session, client) } else { self.find_port(asker, client) };
        if let Some(port) = port {
            self.place(asker, client, port);
            return Leasing::Leased(port);
        }
        if until <= now {
            return Leasing::NoPort;
        }
        self.queues.entry(client).or_default().push_back(asker);
        self.waiting.insert(session, (client, until));
        self.expiries.insert((until, session));
        Leasing::Queued
    }

    /// The lease's port was drained: its client is routed to it from now on.
    pub(crate) fn activate(&mut self, session: SessionId, link: LinkId) {
        let Some(place) = self.places.get(&session).filter(|place| place.link == link) else { return };
        let lease = self.ports.get_mut(&place.port).and_then(|port| port.leases.get_mut(place.client));
        if let Some(lease) = lease
            && lease.activated.is_none()
        {
            lease.activated = Some(self.activations);
            self.activations += 1;
        }
    }

    /// Whose a connection is, and its name. It was accepted when `before` leases had been activated: what was activated
    /// later never gets it.
    pub(crate) fn route(
        &mut self,
        now: Instant,
        port: u16,
        peer: IpAddr,
        before: u64,
    ) -> Option<(SessionId, LinkId)> {
        let client = self.ports.get(&port).and_then(|port| port.leases.client_of(peer, before));
        let owner = match client {
            Some(client) => self.arrive(port, client),
            None => self.ports.get_mut(&port).and_then(|port| port.arrive_from_elsewhere(before)),
        };
        self.cool_down(now);
        if let Some(client) = client {
            // Its lease is used up or can be replaced.
            self.serve(client);
        }
        owner
    }

    /// A connection came from a client that waits on a port.
    fn arrive(&mut self, number: u16, client: Network) -> Option<(SessionId, LinkId)> {
        let port = self.ports.get_mut(&number)?;
        let (session, link) = port.arrive(client)?;
        if !port.leases.contains(client) {
            self.places.remove(&session);
            self.close_if_done(number);
        }
        Some((session, link))
    }

    /// Who may find out whose it is, if only TLS can show that.
    pub(crate) fn route_to_open(&mut self, port: u16) -> Option<(SessionId, LinkId)> {
        let before = self.activations;
        self.ports.get_mut(&port).and_then(|port| port.arrive_from_elsewhere(before))
    }

    /// How many leases have been activated.
    pub(crate) fn activations(&self) -> u64 {
        self.activations
    }

    /// Whether somebody waits on this port for just this address.
    pub(crate) fn expects(&self, port: u16, peer: IpAddr) -> bool {
        self.ports.get(&port).is_some_and(|port| port.leases.client_of(peer, u64::MAX).is_some())
    }

    /// Somebody came to a port whom nobody expects: the sessions that wait there and are to hear of it.
    pub(crate) fn stranger(&mut self, port: u16) -> Vec<(SessionId, LinkId)> {
        self.ports.get_mut(&port).map(Port::stranger).unwrap_or_default()
    }

    /// A session no longer waits for a port or on one, for this link. If it does for another by now, or had to leave
    /// its port to another session, this is old news.
    pub(crate) fn release(&mut self, now: Instant, session: SessionId, link: LinkId) {
        let placed = self.places.get(&session).map(|place| place.link);
        if placed == Some(link) || self.is_queued(session, link) {
            self.release_all(now, session);
        }
    }

    /// A session is gone, and whatever it had comes back.
    pub(crate) fn forget(&mut self, now: Instant, session: SessionId) {
        self.release_all(now, session);
    }

    fn release_all(&mut self, now: Instant, session: SessionId) {
        let queued = self.waiting.get(&session).map(|&(client, _)| client);
        if let Some(client) = queued {
            self.leave_queue(session, client);
        }
        let place = self.places.remove(&session);
        if let Some(place) = place {
            self.end_lease(now, session, place);
        }
        self.cool_down(now);
        if let Some(client) = place.map(|place| place.client).or(queued) {
            self.serve(client);
        }
    }

    fn end_lease(&mut self, now: Instant, session: SessionId, Place { port: number, client, .. }: Place) {
        let Some(port) = self.ports.get_mut(&number) else { return };
        let lease = port.leases.remove(client);
        // One that was never routed to was never announced either.
        if lease.is_some_and(|lease| lease.activated.is_some() && !lease.has_client()) {
            let until = now + COOL_DOWN;
            if let Some(before) = self.cooling.insert((number, client), Cooling { session, until }) {
                self.cooled.remove(&(before.until, number, client));
            }
            self.cooled.insert((until, number, client));
            self.cooled_by.insert((session, number));
        }
        self.close_if_done(number);
    }

    fn is_queued(&self, session: SessionId, link: LinkId) -> bool {
        let queue = self.waiting.get(&session).and_then(|(client, _)| self.queues.get(client));
        queue.is_some_and(|queue| queue.iter().any(|asker| (asker.session, asker.link) == (session, link)))
    }

    /// Takes a session out of the queue of its address.
    fn leave_queue(&mut self, session: SessionId, client: Network) -> Option<Asker> {
        if let Some((_, until)) = self.waiting.remove(&session) {
            self.expiries.remove(&(until, session));
        }
        let queue = self.queues.get_mut(&client)?;
        let index = queue.iter().position(|asker| asker.session == session)?;
        let asker = queue.remove(index)?;
        if queue.is_empty() {
            self.queues.remove(&client);
        }
        Some(asker)
    }

    /// The port stays marked as cooling if it is: what comes for the lease before may come later still.
    fn place(&mut self, Asker { session, link, open }: Asker, client: Network, number: u16) {
        let Some(port) = self.ports.get_mut(&number) else { return };
        port.leases.insert(client, Lease::new(session, link, open));
        self.places.insert(session, Place { link, port: number, client });
    }

    fn is_free(&self, port: u16, client: Network) -> bool {
        self.ports.get(&port).is_some_and(|port| !port.retired && !port.leases.contains(client))
    }

    fn find_port(&mut self, asker: Asker, client: Network) -> Option<u16> {
        let port = self.own_port(asker.session, client).or_else(|| self.pick(client));
        port.or_else(|| if asker.open { self.take_over(client) } else { None })
    }

    /// A port that cools down for this session's sake, if it can be leased: a late connection to it could only
    /// be its own.
    fn own_port(&self, session: SessionId, client: Network) -> Option<u16> {
        let mut own = self.cooled_by.range((session, 0)..=(session, u16::MAX)).map(|&(_, port)| port);
        own.find(|&port| self.is_free(port, client))
    }

    /// A port for this client: one on which nobody is pending, else one on which this client isn't. Of many it takes the
    /// first ones, in no order.
    fn pick(&mut self, client: Network) -> Option<u16> {
        let random = usize::try_from(self.next_random() >> 32).unwrap_or(0);
        let place = random.checked_rem(self.ports.len().min(USUAL))?;
        let start = *self.ports.keys().nth(place)?;
        let mut ports = self.ports.range(start..).chain(self.ports.range(..start));
        let is_ready = |number: u16| !self.cooling.contains_key(&(number, client));
        // Two looks, since the first is cheap: when many wait, each port has its leases.
        let idle = ports
            .clone()
            .find(|&(&number, port)| !port.retired && port.leases.is_empty() && is_ready(number));
        let best = idle.or_else(|| {
            ports.find(|&(&number, port)| !port.retired && !port.leases.contains(client) && is_ready(number))
        });
        best.map(|(&number, _)| number)
    }

    /// Ends an open lease of this client, whose connection has come, for the sake of another open one, so that many
    /// clients behind one address need no more ports than with closed leases. Its session keeps the connections it
    /// has; the lease that waits longest is the least likely to need another.
    ///
    /// If the right connection of that session comes late all the same, it reaches the new lease. This is harmless
    /// only since that one is open: the TLS handshake shows that the connection isn't its own. A closed lease would
    /// take it for its own and send it somebody else's file; so whoever asks for one waits. Nor is a port taken over
    /// while it cools down: the connection that counted as the client's may have been the late one.
    fn take_over(&mut self, client: Network) -> Option<u16> {
        let replaceable = self.ports.iter().filter_map(|(&number, port)| {
            let lease = port.leases.get(client).filter(|lease| lease.has_client())?;
            let usable = !port.retired && !self.cooling.contains_key(&(number, client));
            usable.then_some((lease.activated, number, lease.session))
        });
        let (_, number, session) = replaceable.min()?;
        self.ports.get_mut(&number)?.leases.remove(client);
        self.places.remove(&session);
        Some(number)
    }

    /// SplitMix64: nobody should foresee a port, and a seed makes a run repeatable.
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    // Waiting.

    /// Gives what is free to those who wait from this address, in order. The first may wait for longer than the
    /// next would have to, if its lease is to be closed: nobody is overtaken again and again.
    fn serve(&mut self, client: Network) {
        while let Some(&asker) = self.queues.get(&client).and_then(VecDeque::front) {
            let Some(port) = self.find_port(asker, client) else { return };
            self.leave_queue(asker.session, client);
            self.give(asker, client, port);
        }
    }

    fn give(&mut self, asker: Asker, client: Network, port: u16) {
        self.place(asker, client, port);
        self.events.push_back(PoolEvent::Leased { session: asker.session, link: asker.link, port });
    }

    /// Ports that cooled down go to those who wait for them.
    fn cool_down(&mut self, now: Instant) {
        let mut clients = BTreeSet::new();
        while let Some(&(until, port, client)) = self.cooled.first()
            && until <= now
        {
            self.cooled.pop_first();
            if let Some(Cooling { session, .. }) = self.cooling.remove(&(port, client)) {
                self.cooled_by.remove(&(session, port));
            }
            clients.insert(client);
        }
        for client in clients {
            self.serve(client);
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.cool_down(now);
        let mut clients = BTreeSet::new();
        while let Some(&(until, session)) = self.expiries.first()
            && until <= now
        {
            self.expiries.pop_first();
            let Some(&(client, _)) = self.waiting.get(&session) else { continue };
            if let Some(Asker { link, .. }) = self.leave_queue(session, client) {
                self.events.push_back(PoolEvent::NoPort { session, link });
            }
            clients.insert(client);
        }
        for client in clients {
            self.serve(client);
        }
    }

    /// When somebody's wait ends, or a port that somebody may wait for has cooled down.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let expiry = self.expiries.first()?.0;
        Some(self.cooled.first().map_or(expiry, |&(cooled, ..)| cooled.min(expiry)))
    }

    /// How many leases and waiters there are: zero when no session has one.
    pub(crate) fn balance(&self) -> (usize, usize) {
        let leases: usize = self.ports.values().map(|port| port.leases.len()).sum();
        let queued: usize = self.queues.values().map(VecDeque::len).sum();
        debug_assert_eq!(leases, self.places.len());
        debug_assert_eq!(queued, self.waiting.len());
        (leases, queued)
    }
}

#[cfg(test)]
mod tests;
