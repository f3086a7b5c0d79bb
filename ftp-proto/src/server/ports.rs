//! Passive ports: listeners belong to the server, sessions lease them.
//!
//! Theory of operation: every port is listened on all the time. A lease is a pair (port, client address) for
//! which one session waits; a connection is given to the lease of its own port and address and to no other,
//! and uses it up, so that the port is free for the same client again at once. What bounds a range is thus
//! only how many connections one address may have *pending* at a time. A lease that ended without an arrival
//! cools down: the connection may still come, and must not reach another session of that address. Only the
//! session that had it may have it again at once, and gets just this one, so that nobody can make a whole range
//! cool down by asking again and again. Who finds all ports pending waits in the queue of its address; addresses
//! don't compete with each other, and a session waits once at most, so queues are as short as the limit of
//! sessions. Nothing here listens, accepts or sleeps.

use crate::event::{LinkId, SessionId};
use crate::time::Instant;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

/// How long a late connection is waited for before its port is leased to another session of that address.
pub(crate) const COOL_DOWN: Duration = Duration::from_secs(5);
/// How many strangers one lease hears of: enough for a verdict, and a flood can't fill a mailbox.
const STRANGERS: u8 = 4;

/// A session's wait on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lease {
    session: SessionId,
    link: LinkId,
    /// The port was drained: connections are routed to it.
    active: bool,
    /// How many strangers it heard of.
    strangers: u8,
}

/// A late connection may still come to a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cooling {
    /// May have its own port again at once: a late connection could only be its own.
    session: SessionId,
    until: Instant,
}

#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
struct Port {
    leases: BTreeMap<IpAddr, Lease>,
    /// No longer in the range: closed when its last lease ends.
    retired: bool,
}

/// Where a session's lease is.
#[derive(Clone, Copy, Debug)]
struct Place {
    link: LinkId,
    port: u16,
    client: IpAddr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waiter {
    session: SessionId,
    link: LinkId,
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
    queues: BTreeMap<IpAddr, VecDeque<Waiter>>,
    /// Who waits: its address, and until when.
    waiting: BTreeMap<SessionId, (IpAddr, Instant)>,
    expiries: BTreeSet<(Instant, SessionId)>,
    /// Not part of `ports`: a port that was closed and opened again still expects its late connections.
    cooling: BTreeMap<(u16, IpAddr), Cooling>,
    cooled: BTreeSet<(Instant, u16, IpAddr)>,
    /// The ports that cool down for a session's sake: one, unless the range has changed.
    cooled_by: BTreeSet<(SessionId, u16)>,
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
        let clients: Vec<IpAddr> = self.queues.keys().copied().collect();
        for client in clients {
            self.give_back(client, port);
            self.serve(client);
        }
    }

    /// A port that was closed and is open again may be usable only for one who waits further behind.
    fn give_back(&mut self, client: IpAddr, port: u16) {
        let Some(&Cooling { session, .. }) = self.cooling.get(&(port, client)) else { return };
        if self.is_free(port, client)
            && let Some(link) = self.leave_queue(session, client)
        {
            self.give(Waiter { session, link }, client, port);
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
    pub(crate) fn lease(
        &mut self,
        now: Instant,
        session: SessionId,
        link: LinkId,
        client: IpAddr,
        until: Instant,
    ) -> Leasing {
        if let Some(place) = self.places.get(&session)
            && place.link == link
        {
            return Leasing::Leased(place.port);
        }
        if self.queues.get(&client).is_some_and(|queue| queue.contains(&Waiter { session, link })) {
            return Leasing::Queued;
        }
        self.release_all(now, session);
        // While others of this address wait, nothing is free but a port that only this session may use.
        let others_wait = self.queues.contains_key(&client);
        let port = self.own_port(session, client);
        let port = if others_wait { port } else { port.or_else(|| self.pick(client)) };
        if let Some(port) = port {
            self.place(session, link, client, port);
            return Leasing::Leased(port);
        }
        if until <= now {
            return Leasing::NoPort;
        }
        self.queues.entry(client).or_default().push_back(Waiter { session, link });
        self.waiting.insert(session, (client, until));
        self.expiries.insert((until, session));
        Leasing::Queued
    }

    /// The lease's port was drained: its client is routed to it from now on.
    pub(crate) fn activate(&mut self, session: SessionId, link: LinkId) {
        let Some(place) = self.places.get(&session).filter(|place| place.link == link) else { return };
        let lease = self.ports.get_mut(&place.port).and_then(|port| port.leases.get_mut(&place.client));
        if let Some(lease) = lease {
            lease.active = true;
        }
    }

    /// Whose a connection is. The lease is used up.
    pub(crate) fn route(&mut self, now: Instant, port: u16, peer: IpAddr) -> Option<(SessionId, LinkId)> {
        self.cool_down(now);
        let leases = &mut self.ports.get_mut(&port)?.leases;
        let lease = *leases.get(&peer).filter(|lease| lease.active)?;
        leases.remove(&peer);
        self.places.remove(&lease.session);
        self.close_if_done(port);
        self.serve(peer);
        Some((lease.session, lease.link))
    }

    /// Somebody came to a port whom nobody expects: the sessions that wait there and are to hear of it.
    pub(crate) fn stranger(&mut self, port: u16) -> Vec<(SessionId, LinkId)> {
        let Some(port) = self.ports.get_mut(&port) else { return Vec::new() };
        let mut told = Vec::new();
        for lease in port.leases.values_mut() {
            if lease.active && lease.strangers < STRANGERS {
                lease.strangers += 1;
                told.push((lease.session, lease.link));
            }
        }
        told
    }

    /// A session no longer waits for a port or on one, for this link. If it does for another by now, this is
    /// old news.
    pub(crate) fn release(&mut self, now: Instant, session: SessionId, link: LinkId) {
        let placed = self.places.get(&session).map(|place| place.link);
        let queue = self.waiting.get(&session).and_then(|(client, _)| self.queues.get(client));
        let waits = queue.is_some_and(|queue| queue.contains(&Waiter { session, link }));
        if placed == Some(link) || waits {
            self.release_all(now, session);
        }
    }

    /// A session is gone, and whatever it had comes back.
    pub(crate) fn forget(&mut self, now: Instant, session: SessionId) {
        self.release_all(now, session);
    }

    fn release_all(&mut self, now: Instant, session: SessionId) {
        if let Some(&(client, _)) = self.waiting.get(&session) {
            self.leave_queue(session, client);
        }
        let place = self.places.remove(&session);
        if let Some(place) = place {
            self.end_lease(now, session, place);
        }
        self.cool_down(now);
        if let Some(place) = place {
            self.serve(place.client);
        }
    }

    fn end_lease(&mut self, now: Instant, session: SessionId, Place { port: number, client, .. }: Place) {
        let Some(port) = self.ports.get_mut(&number) else { return };
        // One that was never routed to was never announced either.
        let announced = port.leases.remove(&client).is_some_and(|lease| lease.active);
        if announced {
            let until = now + COOL_DOWN;
            if let Some(before) = self.cooling.insert((number, client), Cooling { session, until }) {
                self.cooled.remove(&(before.until, number, client));
            }
            self.cooled.insert((until, number, client));
            self.cooled_by.insert((session, number));
        }
        self.close_if_done(number);
    }

    /// Takes a session out of the queue of its address; the link it waited for.
    fn leave_queue(&mut self, session: SessionId, client: IpAddr) -> Option<LinkId> {
        if let Some((_, until)) = self.waiting.remove(&session) {
            self.expiries.remove(&(until, session));
        }
        let queue = self.queues.get_mut(&client)?;
        let index = queue.iter().position(|waiter| waiter.session == session)?;
        let waiter = queue.remove(index)?;
        if queue.is_empty() {
            self.queues.remove(&client);
        }
        Some(waiter.link)
    }

    /// The port stays marked as cooling if it is: what comes for the lease before may come later still.
    fn place(&mut self, session: SessionId, link: LinkId, client: IpAddr, number: u16) {
        let Some(port) = self.ports.get_mut(&number) else { return };
        port.leases.insert(client, Lease { session, link, active: false, strangers: 0 });
        self.places.insert(session, Place { link, port: number, client });
    }

    fn is_free(&self, port: u16, client: IpAddr) -> bool {
        self.ports.get(&port).is_some_and(|port| !port.retired && !port.leases.contains_key(&client))
    }

    /// A port that cools down for this session's sake, if it can be leased: a late connection to it could only
    /// be its own.
    fn own_port(&self, session: SessionId, client: IpAddr) -> Option<u16> {
        let mut own = self.cooled_by.range((session, 0)..=(session, u16::MAX)).map(|&(_, port)| port);
        own.find(|&port| self.is_free(port, client))
    }

    /// A port for this client: one on which nobody is pending, else one on which this client isn't.
    fn pick(&mut self, client: IpAddr) -> Option<u16> {
        let random = self.next_random();
        let (first, last) = (*self.ports.first_key_value()?.0, *self.ports.last_key_value()?.0);
        let start = first + u16::try_from(random % (u64::from(last - first) + 1)).unwrap_or(0);
        let mut second_best = None;
        for (&number, port) in self.ports.range(start..).chain(self.ports.range(..start)) {
            let usable = !port.retired
                && !port.leases.contains_key(&client)
                && !self.cooling.contains_key(&(number, client));
            if usable && port.leases.is_empty() {
                return Some(number);
            }
            if usable {
                second_best.get_or_insert(number);
            }
        }
        second_best
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

    /// Gives what is free to those who wait from this address, in order.
    fn serve(&mut self, client: IpAddr) {
        while let Some(&waiter) = self.queues.get(&client).and_then(VecDeque::front) {
            let own = self.own_port(waiter.session, client);
            let Some(port) = own.or_else(|| self.pick(client)) else { return };
            self.leave_queue(waiter.session, client);
            self.give(waiter, client, port);
        }
    }

    fn give(&mut self, Waiter { session, link }: Waiter, client: IpAddr, port: u16) {
        self.place(session, link, client, port);
        self.events.push_back(PoolEvent::Leased { session, link, port });
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
        while let Some(&(until, session)) = self.expiries.first()
            && until <= now
        {
            self.expiries.pop_first();
            let Some(&(client, _)) = self.waiting.get(&session) else { continue };
            if let Some(link) = self.leave_queue(session, client) {
                self.events.push_back(PoolEvent::NoPort { session, link });
            }
        }
    }

    /// When somebody's wait ends, or a port that somebody may wait for has cooled down.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let expiry = self.expiries.first()?.0;
        Some(self.cooled.first().map_or(expiry, |&(cooled, ..)| cooled.min(expiry)))
    }

    /// How many leases and waiters there are: zero when no session has one.
    #[cfg(any(test, feature = "testing"))]
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
