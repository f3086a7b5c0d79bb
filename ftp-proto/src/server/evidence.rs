//! What the server has seen of data connections: who came to which ports, and in which way.
//!
//! A data connection that doesn't come shows nothing of its own cause; others that came, or did not, do. So this
//! remembers, for a day: for each network of clients the ways that worked and those that failed; the same for all
//! networks of an [`Origin`] together; and which passive ports were reached from there. [`Outlook`] is what is known
//! for one client. Strangers can't grow it: only what sessions waited for is noted, and memory is bounded by the number
//! of networks and of ports.

use crate::config::{Passive, PassivePorts};
use crate::diagnose::{Mode, Neighbourhood, Outlook, Reached, Span, Way, Ways, is_public};
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::net::IpAddr;
use core::time::Duration;

/// How long it is remembered.
const MEMORY: Duration = Duration::from_secs(86_400);
/// How many networks are remembered; the one that was idle for longest is forgotten first.
const NETWORKS: usize = 512;
/// Ports are remembered in two halves of the time: the older half is forgotten as a whole.
const HALF: Duration = Duration::from_secs(86_400 / 2);
/// As many ports as are listened on.
const WORDS: usize = crate::config::MAX_LISTENERS as usize / 64;

/// From where a client comes: firewalls treat the Internet and private networks, IPv4 and IPv6 each in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Origin {
    public: bool,
    v6: bool,
}

impl Origin {
    const COUNT: usize = 4;

    /// `None`: on the server itself, which says nothing about any firewall.
    fn of(address: IpAddr) -> Option<Self> {
        let address = address.to_canonical();
        (!address.is_loopback()).then(|| Self { public: is_public(address), v6: address.is_ipv6() })
    }

    const fn index(self) -> usize {
        self.public as usize * 2 + self.v6 as usize
    }
}

/// When something happened last.
#[derive(Clone, Copy, Debug, Default)]
struct Last(Option<Instant>);

impl Last {
    fn is_fresh(self, now: Instant) -> bool {
        self.0.is_some_and(|at| now.duration_since(at) < MEMORY)
    }
}

/// What is known of one network.
#[derive(Clone, Copy, Debug, Default)]
struct Record {
    came: [Last; Way::COUNT],
    failed: [Last; Way::COUNT],
    touched: Instant,
}

/// The last network to which something happened, and the last one that was another: so one of them is always another
/// than the one in question, if there is another at all.
#[derive(Clone, Copy, Debug, Default)]
struct LastTwo {
    newest: Option<(Neighbourhood, Instant)>,
    other: Option<(Neighbourhood, Instant)>,
}

impl LastTwo {
    fn note(&mut self, network: Neighbourhood, now: Instant) {
        if self.newest.is_some_and(|(newest, _)| newest != network) {
            self.other = self.newest;
        }
        self.newest = Some((network, now));
    }

    /// Whether it happened to another one than this.
    fn has_other(self, network: Neighbourhood, now: Instant) -> bool {
        let is_other =
            |(other, at): (Neighbourhood, Instant)| other != network && Last(Some(at)).is_fresh(now);
        self.newest.is_some_and(is_other) || self.other.is_some_and(is_other)
    }
}

/// A set of passive ports, counted from the first of the range.
type Bits = [u64; WORDS];

/// The ports that were reached, by halves of the memory's time.
#[derive(Clone, Debug)]
struct PortSet {
    began: Instant,
    newer: Bits,
    older: Bits,
}

impl PortSet {
    fn new(now: Instant) -> Self {
        Self { began: now, newer: [0; WORDS], older: [0; WORDS] }
    }

    fn insert(&mut self, now: Instant, place: u16) {
        let age = now.duration_since(self.began);
        if age >= HALF {
            let is_next = age < HALF * 2;
            self.older = if is_next { self.newer } else { [0; WORDS] };
            self.began = if is_next { self.began + HALF } else { now };
            self.newer = [0; WORDS];
        }
        if let Some(word) = self.newer.get_mut(usize::from(place / 64)) {
            *word |= 1 << (place % 64);
        }
    }

    fn reached(&self, now: Instant, first: u16) -> Reached {
        let age = now.duration_since(self.began);
        let mut reached = Reached::default();
        for (index, (newer, older)) in (0u16..).zip(self.newer.iter().zip(&self.older)) {
            // Whatever is in a half is at most as old as the half and the one behind it.
            let word = if age < HALF {
                newer | older
            } else if age < HALF * 2 {
                *newer
            } else {
                0
            };
            if word == 0 {
                continue;
            }
            let port =
                |bit: u32| first.saturating_add(index * 64).saturating_add(u16::try_from(bit).unwrap_or(0));
            let span = Span { first: port(word.trailing_zeros()), last: port(63 - word.leading_zeros()) };
            let count = u16::try_from(word.count_ones()).unwrap_or(0);
            reached = reached.or(Reached { span: Some(span), count });
        }
        reached
    }
}

/// What is known of all networks of one origin.
#[derive(Clone, Debug, Default)]
struct Region {
    came: [LastTwo; Way::COUNT],
    failed: [LastTwo; Way::COUNT],
    /// Those reached in the clear and those reached under TLS.
    ports: [Option<Box<PortSet>>; 2],
}

/// What the server has seen.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    /// The passive ports; `None` if the system chooses them: then no port says anything about another.
    range: Option<Span>,
    networks: BTreeMap<Neighbourhood, Record>,
    regions: [Region; Origin::COUNT],
}

impl Evidence {
    pub(crate) fn new(ports: &PassivePorts) -> Self {
        Self { range: span(ports), ..Self::default() }
    }

    /// Other settings: what is known of ports or addresses that are announced no more says nothing about the new ones.
    pub(crate) fn reconfigure(&mut self, before: &Passive, now: &Passive) {
        if before.ports != now.ports || before.exposed_ports != now.exposed_ports {
            self.range = span(&now.ports);
            self.forget(|way| way.mode != Mode::Active);
            for region in &mut self.regions {
                region.ports = [None, None];
            }
        } else if before != now {
            self.forget_addresses();
        }
    }

    /// Other addresses are told: what is known of PASV is over.
    pub(crate) fn forget_addresses(&mut self) {
        self.forget(|way| way.mode == Mode::Pasv);
    }

    fn forget(&mut self, is_over: impl Fn(Way) -> bool) {
        for way in Way::all().into_iter().filter(|way| is_over(*way)) {
            let index = way.index();
            for record in self.networks.values_mut() {
                (record.came[index], record.failed[index]) = (Last::default(), Last::default());
            }
            for region in &mut self.regions {
                (region.came[index], region.failed[index]) = (LastTwo::default(), LastTwo::default());
            }
        }
    }

    /// The client has reached the port that was announced to it. One of an old range says nothing about the new one.
    pub(crate) fn reached(&mut self, now: Instant, peer: IpAddr, way: Way, port: u16) {
        let Some(origin) = Origin::of(peer) else { return };
        if let Some(range) = self.range {
            if !range.contains(port) {
                return;
            }
            let ports = &mut self.regions[origin.index()].ports[usize::from(way.encrypted)];
            ports.get_or_insert_with(|| Box::new(PortSet::new(now))).insert(now, port - range.first);
        }
        self.came(now, peer, way);
    }

    /// A data connection came up.
    pub(crate) fn came(&mut self, now: Instant, peer: IpAddr, way: Way) {
        let Some(origin) = Origin::of(peer) else { return };
        let network = Neighbourhood::of(peer);
        self.record(now, network).came[way.index()] = Last(Some(now));
        self.regions[origin.index()].came[way.index()].note(network, now);
    }

    /// One did not: nobody came, or nobody answered.
    pub(crate) fn failed(&mut self, now: Instant, peer: IpAddr, way: Way) {
        let Some(origin) = Origin::of(peer) else { return };
        let network = Neighbourhood::of(peer);
        self.record(now, network).failed[way.index()] = Last(Some(now));
        self.regions[origin.index()].failed[way.index()].note(network, now);
    }

    fn record(&mut self, now: Instant, network: Neighbourhood) -> &mut Record {
        if self.networks.len() >= NETWORKS && !self.networks.contains_key(&network) {
            let idle = self.networks.iter().min_by_key(|(_, record)| record.touched).map(|(idle, _)| *idle);
            if let Some(idle) = idle {
                self.networks.remove(&idle);
            }
        }
        let record = self.networks.entry(network).or_default();
        record.touched = now;
        record
    }

    /// What is known for this client.
    pub(crate) fn outlook(&self, now: Instant, peer: IpAddr) -> Outlook {
        let ports = self.range;
        let Some(origin) = Origin::of(peer) else { return Outlook { ports, ..Outlook::default() } };
        let network = Neighbourhood::of(peer);
        let region = &self.regions[origin.index()];
        let record = self.networks.get(&network).copied().unwrap_or_default();
        let reached = |set: &Option<Box<PortSet>>| match (set, ports) {
            (Some(set), Some(range)) => set.reached(now, range.first),
            _ => Reached::default(),
        };
        let [plain, encrypted] = &region.ports;
        Outlook {
            ports,
            own: Ways::of(|way| record.came[way.index()].is_fresh(now)),
            others: Ways::of(|way| region.came[way.index()].has_other(network, now)),
            own_failed: Ways::of(|way| record.failed[way.index()].is_fresh(now)),
            others_failed: Ways::of(|way| region.failed[way.index()].has_other(network, now)),
            plain: reached(plain),
            encrypted: reached(encrypted),
        }
    }

    /// How many networks are remembered.
    #[cfg(test)]
    pub(crate) fn networks(&self) -> usize {
        self.networks.len()
    }
}

fn span(ports: &PassivePorts) -> Option<Span> {
    let listened = ports.listened();
    (!listened.is_empty()).then(|| Span { first: *listened.start(), last: *listened.end() })
}

#[cfg(test)]
mod tests;
