//! Passive ports: listeners belong to the server, sessions lease them.
//!
//! Theory of operation: every port is listened on all the time. A lease is a pair (port, client address) for
//! which one session waits; a connection is given to the lease of its own port and address and to no other,
//! and uses it up, so that the port is free for the same client again at once. What bounds a range is thus
//! only how many connections one address may have *pending* at a time. A lease that ended without an arrival
//! cools down: the connection may still come, and must not reach another session of that address. Who finds
//! all ports pending waits in a queue of its address. Nothing here listens, accepts or sleeps.

use crate::event::{LinkId, SessionId};
use crate::time::Instant;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

/// How long a late connection is waited for before its port is leased to another session of that address.
pub(crate) const COOL_DOWN: Duration = Duration::from_secs(5);

/// A session's wait on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lease {
    session: SessionId,
    link: LinkId,
    /// The port was drained: connections are routed to it.
    active: bool,
}

#[derive(Clone, Copy, Debug)]
struct Cooling {
    /// May have its own port again at once: a late connection could only be its own.
    session: SessionId,
    until: Instant,
}

#[derive(Debug, Default)]
struct Port {
    leases: BTreeMap<IpAddr, Lease>,
    cooling: BTreeMap<IpAddr, Cooling>,
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

#[derive(Clone, Copy, Debug)]
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
pub(crate) struct PortPool {
    ports: BTreeMap<u16, Port>,
    places: BTreeMap<SessionId, Place>,
    queues: BTreeMap<IpAddr, VecDeque<Waiter>>,
    /// Who waits: its address, and until when.
    waiting: BTreeMap<SessionId, (IpAddr, Instant)>,
    expiries: BTreeSet<(Instant, SessionId)>,
    cooling: BTreeSet<(Instant, u16, IpAddr)>,
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
            cooling: BTreeSet::new(),
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
        self.serve_all(now);
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
        self.release(now, session);
        if !self.ports.values().any(|port| !port.retired) {
            return Leasing::NoPort;
        }
        self.forget_cooled(now);
        // Who came first is served first.
        let others_wait = self.queues.get(&client).is_some_and(|queue| !queue.is_empty());
        if !others_wait && let Some(port) = self.pick(session, client) {
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
        let leases = &mut self.ports.get_mut(&port)?.leases;
        let lease = *leases.get(&peer).filter(|lease| lease.active)?;
        leases.remove(&peer);
        self.places.remove(&lease.session);
        self.close_if_done(port);
        self.serve(now, peer);
        Some((lease.session, lease.link))
    }

    /// The sessions that wait on a port.
    pub(crate) fn waiting_on(&self, port: u16) -> impl Iterator<Item = (SessionId, LinkId)> + '_ {
        let leases = self.ports.get(&port).map(|port| port.leases.values());
        leases.into_iter().flatten().filter(|lease| lease.active).map(|lease| (lease.session, lease.link))
    }

    /// A session no longer waits for a port or on one.
    pub(crate) fn release(&mut self, now: Instant, session: SessionId) {
        if let Some((client, until)) = self.waiting.remove(&session) {
            self.expiries.remove(&(until, session));
            self.leave_queue(session, client);
        }
        let Some(place) = self.places.remove(&session) else { return };
        let Some(port) = self.ports.get_mut(&place.port) else { return };
        if let Some(lease) = port.leases.remove(&place.client)
            && lease.active
        {
            let until = now + COOL_DOWN;
            if let Some(before) = port.cooling.insert(place.client, Cooling { session, until }) {
                self.cooling.remove(&(before.until, place.port, place.client));
            }
            self.cooling.insert((until, place.port, place.client));
        }
        self.close_if_done(place.port);
        self.serve(now, place.client);
    }

    fn leave_queue(&mut self, session: SessionId, client: IpAddr) {
        if let Some(queue) = self.queues.get_mut(&client) {
            queue.retain(|waiter| waiter.session != session);
            if queue.is_empty() {
                self.queues.remove(&client);
            }
        }
    }

    fn place(&mut self, session: SessionId, link: LinkId, client: IpAddr, number: u16) {
        let Some(port) = self.ports.get_mut(&number) else { return };
        port.leases.insert(client, Lease { session, link, active: false });
        if let Some(cooling) = port.cooling.remove(&client) {
            self.cooling.remove(&(cooling.until, number, client));
        }
        self.places.insert(session, Place { link, port: number, client });
    }

    /// A port for this client: one on which nobody is pending, else one on which this client isn't.
    fn pick(&mut self, session: SessionId, client: IpAddr) -> Option<u16> {
        let usable = |port: &Port| {
            !port.retired
                && !port.leases.contains_key(&client)
                && port.cooling.get(&client).is_none_or(|cooling| cooling.session == session)
        };
        let start = self.next_random();
        let (first, last) = (*self.ports.first_key_value()?.0, *self.ports.last_key_value()?.0);
        let start = first + u16::try_from(start % (u64::from(last - first) + 1)).unwrap_or(0);
        let mut second_best = None;
        for (&number, port) in self.ports.range(start..).chain(self.ports.range(..start)) {
            if usable(port) {
                if port.leases.is_empty() {
                    return Some(number);
                }
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
    fn serve(&mut self, now: Instant, client: IpAddr) {
        self.forget_cooled(now);
        while let Some(&Waiter { session, link }) = self.queues.get(&client).and_then(VecDeque::front) {
            let Some(port) = self.pick(session, client) else { return };
            if let Some((_, until)) = self.waiting.remove(&session) {
                self.expiries.remove(&(until, session));
            }
            self.leave_queue(session, client);
            self.place(session, link, client, port);
            self.events.push_back(PoolEvent::Leased { session, link, port });
        }
    }

    fn serve_all(&mut self, now: Instant) {
        let clients: Vec<IpAddr> = self.queues.keys().copied().collect();
        for client in clients {
            self.serve(now, client);
        }
    }

    fn forget_cooled(&mut self, now: Instant) {
        while let Some(&(until, number, client)) = self.cooling.first() {
            if until > now {
                return;
            }
            self.cooling.pop_first();
            if let Some(port) = self.ports.get_mut(&number)
                && port.cooling.get(&client).is_some_and(|cooling| cooling.until == until)
            {
                port.cooling.remove(&client);
            }
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.forget_cooled(now);
        self.serve_all(now);
        while let Some(&(until, session)) = self.expiries.first() {
            if until > now {
                return;
            }
            self.expiries.pop_first();
            let Some((client, _)) = self.waiting.remove(&session) else { continue };
            let link = self
                .queues
                .get(&client)
                .and_then(|queue| queue.iter().find(|waiter| waiter.session == session))
                .map(|waiter| waiter.link);
            self.leave_queue(session, client);
            if let Some(link) = link {
                self.events.push_back(PoolEvent::NoPort { session, link });
            }
        }
    }

    /// When somebody's wait ends, or a port that somebody may wait for has cooled down.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let expiry = self.expiries.first()?.0;
        Some(self.cooling.first().map_or(expiry, |&(cooled, ..)| cooled.min(expiry)))
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
