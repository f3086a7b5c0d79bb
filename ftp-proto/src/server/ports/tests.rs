//! The pool against a naive model that knows nothing but what happened and what must never happen: in all
//! states that a small world can get into, and in long histories of a larger one. The model doesn't foresee
//! which port is chosen; it judges whether the choice was allowed.

use super::port::{Arrivals, FOREIGN_ARRIVALS};
use super::*;
use quickcheck::{Arbitrary, Gen, QuickCheck};
use std::format;
use std::string::String;

type Verdict = Result<(), String>;

macro_rules! ensure {
    ($holds:expr, $($words:tt)+) => {
        if !$holds {
            return Err(format!($($words)+));
        }
    };
}

/// Everything that can happen to a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    /// A session asks for a port for its next link, by a closed lease; the number stands for the dice.
    Lease(u64, u64),
    /// By an open one.
    LeaseOpen(u64, u64),
    /// It asks once more for the link it has.
    LeaseAgain(u64),
    /// The adapter has drained the port.
    Activate(u64),
    /// The session gives up its link.
    Release(u64),
    /// It gives up the link before, which is old news.
    ReleaseOld(u64),
    Gone(u64),
    /// Somebody comes from this address, told by its last byte, to this port.
    Arrive(u16, u8),
    /// The clock moves on and the timer fires, if it is due.
    Tick,
    /// The clock moves on and the timer is late.
    LateTick,
    Retire(u16),
    Open(u16),
}

/// Coarse enough that there are few states, and two of them are a cool-down.
const TICK: Duration = Duration::from_millis(2_500);
/// What a session waits for a port: longer than a cool-down.
const PATIENCE: Duration = Duration::from_millis(7_500);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct NaiveLease {
    port: u16,
    client: u8,
    session: u64,
    link: u32,
    open: bool,
    /// When it was activated, in the order of all activations.
    active: Option<usize>,
    /// From its own address, and from others.
    arrivals: (u32, u32),
}

#[derive(Clone, Debug)]
struct NaiveWaiter {
    client: u8,
    session: u64,
    link: u32,
    open: bool,
    until: Instant,
}

/// An announcement nobody has followed.
#[derive(Clone, Debug)]
struct Abandoned {
    port: u16,
    client: u8,
    session: u64,
    at: Instant,
}

#[derive(Clone)]
struct World {
    pool: PortPool,
    now: Instant,
    open: Vec<u16>,
    retired: Vec<u16>,
    leases: Vec<NaiveLease>,
    /// In the order in which they came.
    waiters: Vec<NaiveWaiter>,
    abandoned: Vec<Abandoned>,
    activations: usize,
    links: BTreeMap<u64, u32>,
}

fn address(last: u8) -> IpAddr {
    IpAddr::from([203, 0, 113, last])
}

/// The addresses that count as a client. The second client is one of the first one's addresses: so it may be when the
/// settings have just changed. To all of them the last address of a test is a stranger's.
fn network(client: u8) -> Network {
    match client {
        0 => Network::around(address(0), 31),
        1 => Network::around(address(1), 32),
        _ => Network::around(address(4 * client), 30),
    }
}

/// How many addresses, from the first on, the clients of so many sessions and a stranger have.
fn addresses(sessions: u64) -> u8 {
    match client_of(sessions - 1) {
        0 | 1 => 3,
        last => 4 * last + 5,
    }
}

/// A session's address: each three share one.
fn client_of(session: u64) -> u8 {
    u8::try_from(session / 3).unwrap()
}

impl World {
    fn new(ports: impl IntoIterator<Item = u16>) -> Self {
        let now = Instant::ZERO + Duration::from_secs(1_000);
        let mut pool = PortPool::new(0);
        let open: Vec<u16> = ports.into_iter().collect();
        for &port in &open {
            pool.open(now, port);
        }
        Self {
            pool,
            now,
            open,
            retired: Vec::new(),
            leases: Vec::new(),
            waiters: Vec::new(),
            abandoned: Vec::new(),
            activations: 0,
            links: BTreeMap::new(),
        }
    }

    /// Whether a session may get a port without taking it from anybody or getting somebody else's connections.
    fn is_allowed(&self, session: u64, port: u16) -> bool {
        let client = client_of(session);
        self.open.contains(&port)
            && !self.leases.iter().any(|lease| (lease.port, lease.client) == (port, client))
            && !self.abandoned.iter().any(|old| {
                (old.port, old.client) == (port, client)
                    && old.session != session
                    && old.at + COOL_DOWN > self.now
            })
    }

    /// Whether nobody at all is pending on a port that a session may get, and nothing is expected there.
    fn is_best(&self, session: u64, port: u16) -> bool {
        self.is_allowed(session, port)
            && !self.leases.iter().any(|lease| lease.port == port)
            && !self.expects_own(session, port)
    }

    /// Whose lease an open one of this client may replace if nothing is free: the oldest whose client has come, on
    /// a port where nobody is expected any more.
    fn replaceable(&self, client: u8) -> Option<&NaiveLease> {
        let expected = |port| {
            self.abandoned
                .iter()
                .any(|old| (old.port, old.client) == (port, client) && old.at + COOL_DOWN > self.now)
        };
        self.leases
            .iter()
            .filter(|lease| lease.open && lease.client == client && lease.arrivals.0 > 0)
            .filter(|lease| self.open.contains(&lease.port) && !expected(lease.port))
            .min_by_key(|lease| lease.active)
    }

    fn expects_own(&self, session: u64, port: u16) -> bool {
        self.abandoned
            .iter()
            .any(|old| (old.port, old.session) == (port, session) && old.at + COOL_DOWN > self.now)
    }

    fn link(&self, session: u64) -> LinkId {
        LinkId::new(self.links.get(&session).copied().unwrap_or(0))
    }

    fn apply(&mut self, operation: Operation) -> Verdict {
        match operation {
            Operation::Lease(session, dice) => self.lease(session, dice, false)?,
            Operation::LeaseOpen(session, dice) => self.lease(session, dice, true)?,
            Operation::LeaseAgain(session) => self.lease_again(session)?,
            Operation::Activate(session) => {
                self.pool.activate(SessionId(session), self.link(session));
                self.activations += 1;
                let place = self.activations;
                for lease in self.leases.iter_mut().filter(|lease| lease.session == session) {
                    lease.active.get_or_insert(place);
                }
            }
            Operation::Release(session) => {
                self.pool.release(self.now, SessionId(session), self.link(session));
                self.abandon(session);
            }
            Operation::ReleaseOld(session) => {
                let old = LinkId::new(self.link(session).number.wrapping_sub(1));
                self.pool.release(self.now, SessionId(session), old);
                self.pool.activate(SessionId(session), old);
            }
            Operation::Gone(session) => {
                self.pool.forget(self.now, SessionId(session));
                self.abandon(session);
            }
            Operation::Arrive(port, client) => self.arrive(port, client)?,
            Operation::Tick => {
                self.now = self.now + TICK;
                let now = self.now;
                self.abandoned.retain(|old| old.at + COOL_DOWN > now);
                if self.pool.deadline().is_some_and(|deadline| deadline <= self.now) {
                    self.pool.handle_timeout(self.now);
                }
            }
            Operation::LateTick => {
                self.now = self.now + TICK;
                return self.nothing_is_forgotten();
            }
            Operation::Retire(port) => {
                self.pool.retire(port);
                if self.open.contains(&port) {
                    self.open.retain(|&open| open != port);
                    self.retired.push(port);
                }
            }
            Operation::Open(port) => {
                self.pool.open(self.now, port);
                self.retired.retain(|&retired| retired != port);
                if !self.open.contains(&port) {
                    self.open.push(port);
                }
            }
        }
        self.hear()?;
        self.nothing_is_forgotten()?;
        self.balances()
    }

    fn ask(&mut self, session: u64, open: bool) -> Leasing {
        let until = self.now + PATIENCE;
        let asker = Asker { session: SessionId(session), link: self.link(session), open };
        self.pool.lease(self.now, asker, network(client_of(session)), until)
    }

    fn lease(&mut self, session: u64, dice: u64, open: bool) -> Verdict {
        self.pool.random = dice;
        let link = self.link(session).number + 1;
        self.links.insert(session, link);
        self.abandon(session);
        let client = client_of(session);
        let answer = self.ask(session, open);
        // What came free by this very call goes to those who waited, first.
        self.hear()?;
        let waiter = NaiveWaiter { client, session, link, open, until: self.now + PATIENCE };
        match answer {
            Leasing::Leased(port) => {
                let waits = self.waiters.iter().any(|waiter| waiter.client == client);
                ensure!(!waits || self.expects_own(session, port), "{session} got {port} out of turn");
                self.take(&waiter, port)
            }
            Leasing::Queued => {
                self.waiters.push(waiter);
                Ok(())
            }
            Leasing::NoPort => Err(format!("{session} was turned away without waiting")),
        }
    }

    fn lease_again(&mut self, session: u64) -> Verdict {
        let has = self.leases.iter().find(|lease| lease.session == session).map(|lease| lease.port);
        let waits = self.waiters.iter().any(|waiter| waiter.session == session);
        if has.is_none() && !waits {
            return Ok(());
        }
        let answer = self.ask(session, false);
        let expected = has.map_or(Leasing::Queued, Leasing::Leased);
        ensure!(answer == expected, "asked again, {session} got {answer:?} instead of {expected:?}");
        Ok(())
    }

    fn take(&mut self, waiter: &NaiveWaiter, port: u16) -> Verdict {
        let &NaiveWaiter { client, session, link, open, .. } = waiter;
        if let Some(index) = self.leases.iter().position(|lease| (lease.port, lease.client) == (port, client))
        {
            ensure!(open, "{session} replaced a lease on {port}, and its own is closed");
            let free = self.open.iter().find(|&&free| self.is_allowed(session, free));
            ensure!(free.is_none(), "{session} replaced a lease on {port}, and {free:?} is free");
            let oldest = self.replaceable(client).map(|lease| lease.port);
            ensure!(oldest == Some(port), "{session} replaced the lease on {port}, not on {oldest:?}");
            self.leases.remove(index);
        } else {
            ensure!(self.is_allowed(session, port), "{session} may not have {port}");
            let better = self.open.iter().find(|&&other| self.is_best(session, other));
            let crowded = self.leases.iter().any(|lease| lease.port == port);
            if !self.expects_own(session, port)
                && crowded
                && let Some(better) = better
            {
                return Err(format!("{session} got {port}, where others are pending, instead of {better}"));
            }
        }
        self.leases.push(NaiveLease { port, client, session, link, open, active: None, arrivals: (0, 0) });
        Ok(())
    }

    /// A session has no lease and doesn't wait any more.
    fn abandon(&mut self, session: u64) {
        self.waiters.retain(|waiter| waiter.session != session);
        if let Some(index) = self.leases.iter().position(|lease| lease.session == session) {
            let NaiveLease { port, client, active, arrivals, .. } = self.leases.remove(index);
            if active.is_some() && arrivals.0 == 0 {
                self.abandoned.push(Abandoned { port, client, session, at: self.now });
            }
        }
    }

    /// Whose a connection is, and its name.
    fn expected_owner(&mut self, port: u16, peer: u8) -> Option<(SessionId, LinkId)> {
        let here = || |lease: &&mut NaiveLease| lease.port == port && lease.active.is_some();
        let own = self.leases.iter_mut().filter(here());
        let own = own.filter(|lease| network(lease.client).contains(address(peer)));
        let own = own.max_by_key(|lease| network(lease.client).prefix());
        let lease = if let Some(lease) = own {
            lease.arrivals.0 += 1;
            lease
        } else {
            let open = self.leases.iter_mut().filter(here()).filter(|lease| lease.open);
            let ready = open.filter(|lease| lease.arrivals.1 < FOREIGN_ARRIVALS);
            let lease = ready.min_by_key(|lease| (lease.arrivals.0 + lease.arrivals.1, lease.active))?;
            lease.arrivals.1 += 1;
            lease
        };
        let link = LinkId::new(lease.link).arrived(lease.arrivals.0 + lease.arrivals.1);
        let owner = (SessionId(lease.session), link);
        // The first connection ends a closed lease.
        self.leases.retain(|lease| lease.open || lease.arrivals == (0, 0));
        Some(owner)
    }

    fn arrive(&mut self, port: u16, peer: u8) -> Verdict {
        let expected = self.expected_owner(port, peer);
        let owner = self.pool.route(self.now, port, address(peer), self.pool.activations());
        ensure!(owner == expected, "a connection to {port} went to {owner:?} instead of {expected:?}");
        if owner.is_none() {
            for (session, link) in self.pool.stranger(port) {
                let waits = self.leases.iter().any(|lease| {
                    (lease.port, lease.session, LinkId::new(lease.link)) == (port, session.0, link)
                        && lease.active.is_some()
                });
                ensure!(waits, "{session:?} heard of a stranger at {port}");
            }
        }
        Ok(())
    }

    /// What the pool tells, in order.
    fn hear(&mut self) -> Verdict {
        while let Some(event) = self.pool.poll_event() {
            match event {
                PoolEvent::Leased { session, link, port } => {
                    let Some(index) = self.waiters.iter().position(|waiter| waiter.session == session.0)
                    else {
                        return Err(format!("{session:?} got {port} and didn't wait"));
                    };
                    let waiter = self.waiters.remove(index);
                    ensure!(
                        waiter.link == link.number,
                        "{session:?} got a port for {link:?}, long forgotten"
                    );
                    let occupied =
                        self.leases.iter().any(|lease| (lease.port, lease.client) == (port, waiter.client));
                    let overtaken = self.waiters.iter().take(index).find(|before| {
                        before.client == waiter.client && (occupied || self.is_allowed(before.session, port))
                    });
                    ensure!(overtaken.is_none(), "{session:?} was served before {overtaken:?}");
                    self.take(&waiter, port)?;
                }
                PoolEvent::NoPort { session, .. } => {
                    let index = self.waiters.iter().position(|waiter| waiter.session == session.0);
                    let Some(waiter) = index.map(|index| self.waiters.remove(index)) else {
                        return Err(format!("{session:?} waited in vain, but didn't wait"));
                    };
                    ensure!(waiter.until <= self.now, "{session:?} waited too short");
                }
                PoolEvent::Close(port) => {
                    ensure!(self.retired.contains(&port), "{port} was closed and is wanted");
                    let leased = self.leases.iter().any(|lease| lease.port == port);
                    ensure!(!leased, "{port} was closed under a lease");
                    self.retired.retain(|&retired| retired != port);
                }
            }
        }
        Ok(())
    }

    /// Nobody waits for what is free, or in vain, unless the timer is about to tell.
    fn nothing_is_forgotten(&self) -> Verdict {
        let due = self.pool.deadline().is_some_and(|deadline| deadline <= self.now);
        for waiter in &self.waiters {
            let free = self.open.iter().find(|&&port| self.is_allowed(waiter.session, port));
            ensure!(due || free.is_none(), "{waiter:?} waits while {free:?} is free");
            ensure!(due || waiter.until > self.now, "{waiter:?} waits for ever");
            ensure!(self.pool.deadline().is_some(), "{waiter:?} waits without a deadline");
        }
        for client in 0..=client_of(SESSIONS) {
            let Some(first) = self.waiters.iter().find(|waiter| waiter.client == client) else { continue };
            let replaceable = self.replaceable(client).filter(|_| first.open);
            ensure!(due || replaceable.is_none(), "{first:?} waits and could replace {replaceable:?}");
        }
        for port in &self.retired {
            let leased = self.leases.iter().any(|lease| lease.port == *port);
            ensure!(leased, "{port} is of no use and wasn't closed");
        }
        Ok(())
    }

    fn balances(&self) -> Verdict {
        let counted = (self.leases.len(), self.waiters.len());
        ensure!(self.pool.balance() == counted, "{:?} instead of {counted:?}", self.pool.balance());
        let mut open = self.open.clone();
        open.sort_unstable();
        ensure!(self.pool.open_ports() == open, "open: {:?}", self.pool.open_ports());
        for lease in &self.leases {
            let known = self.pool.places.get(&SessionId(lease.session));
            ensure!(known.is_some_and(|place| place.port == lease.port), "{lease:?} is lost: {known:?}");
            let pools =
                self.pool.ports.get(&lease.port).and_then(|port| port.leases.get(network(lease.client)));
            let same = pools.is_some_and(|pools| {
                let arrivals = pools.open.map(|Arrivals { own, foreign }| (own, foreign));
                (pools.session.0, pools.activated.is_some()) == (lease.session, lease.active.is_some())
                    && arrivals == lease.open.then_some(lease.arrivals)
            });
            ensure!(same, "{lease:?} is {pools:?} to the pool");
        }
        Ok(())
    }

    /// Everybody leaves and time passes: nothing is left.
    fn ends_empty(mut self) -> Verdict {
        for session in 0..SESSIONS {
            self.apply(Operation::Gone(session))?;
        }
        self.pool.cool_down(self.now + COOL_DOWN);
        let PortPool { places, queues, waiting, expiries, cooling, cooled, cooled_by, .. } = &self.pool;
        let empty = places.is_empty() && queues.is_empty() && waiting.is_empty() && expiries.is_empty();
        let cool = cooling.is_empty() && cooled.is_empty() && cooled_by.is_empty();
        ensure!(empty && cool, "something is left: {:?}", self.pool);
        Ok(())
    }

    /// Two worlds with the same essence have the same future: link numbers, dice and the time of day are left
    /// out, and so is how much came to an open lease, but for what it has more than others of its port.
    fn essence(&self) -> String {
        let left = |until: Instant| until.duration_since(self.now).as_millis();
        let pool = &self.pool;
        let mut activations: Vec<_> = self.leases.iter().filter_map(|lease| lease.active).collect();
        activations.sort_unstable();
        let place = |lease: &Lease| {
            let naive = self.leases.iter().find(|naive| naive.session == lease.session.0)?;
            activations.binary_search(&naive.active?).ok()
        };
        let leases: Vec<_> = pool
            .ports
            .iter()
            .flat_map(|(port, state)| {
                let open = state.leases.values().filter_map(|lease| lease.open.map(Arrivals::all));
                let fewest = open.min().unwrap_or(0);
                state.leases.values().map(move |lease| {
                    let more = lease.open.map(|arrivals| arrivals.all() - fewest);
                    (port, lease.session.0, place(lease), lease.has_client(), more)
                })
            })
            .collect();
        let queues: Vec<_> =
            pool.queues.values().flatten().map(|asker| (asker.session.0, asker.open)).collect();
        let waiting: Vec<_> =
            self.waiters.iter().map(|waiter| (waiter.session, left(waiter.until))).collect();
        let cooling: Vec<_> =
            pool.cooling.iter().map(|(k, cooling)| (k.0, cooling.session.0, left(cooling.until))).collect();
        let expected: BTreeSet<_> = self
            .abandoned
            .iter()
            .filter(|old| old.at + COOL_DOWN > self.now)
            .map(|old| (old.port, old.session, left(old.at + COOL_DOWN)))
            .collect();
        let due = pool.deadline().map(left);
        let open = (&self.open, &self.retired, &pool.cooled_by);
        format!("{leases:?} {queues:?} {waiting:?} {cooling:?} {expected:?} {due:?} {open:?}")
    }
}

/// Goes breadth first through all states that can be reached in at most `depth` operations, and checks every
/// operation in each. Returns whether these were all states that can ever be reached.
fn explore(ports: &[u16], operations: &[Operation], depth: usize) -> bool {
    let start = World::new(ports.iter().copied());
    let mut seen = BTreeSet::from([start.essence()]);
    let mut frontier = std::vec![(start, Vec::new())];
    for _ in 0..depth {
        for (world, history) in core::mem::take(&mut frontier) {
            for &operation in operations {
                let mut world = world.clone();
                let outcome = world.apply(operation);
                let is_new = seen.insert(world.essence());
                if !is_new && outcome.is_ok() {
                    continue;
                }
                let history: Vec<Operation> = history.iter().copied().chain([operation]).collect();
                if let Err(why) = outcome.and_then(|()| world.clone().ends_empty()) {
                    panic!("{why}\nafter {history:?}\nin {:?}", world.pool);
                }
                frontier.push((world, history));
            }
        }
        if frontier.is_empty() {
            return true;
        }
    }
    false
}

/// Seeds of the pool's dice that make its search begin at an even and at an odd port.
fn dice() -> [u64; 2] {
    [0, 1].map(|parity| (0..).find(|&seed| PortPool::new(seed).next_random() % 2 == parity).unwrap())
}

type Asks = &'static [fn(u64, u64) -> Operation];
const CLOSED: Asks = &[Operation::Lease];
const OPEN: Asks = &[Operation::LeaseOpen];
const MIXED: Asks = &[Operation::Lease, Operation::LeaseOpen];

/// Everything that can happen to these sessions on these ports, with a stranger, if this is how they ask.
fn operations(asks: Asks, sessions: u64, ports: &[u16]) -> Vec<Operation> {
    let mut all = std::vec![Operation::Tick, Operation::LateTick];
    for session in 0..sessions {
        all.extend(asks.iter().flat_map(|ask| dice().map(|dice| ask(session, dice))));
        all.extend([
            Operation::LeaseAgain(session),
            Operation::Activate(session),
            Operation::Release(session),
            Operation::ReleaseOld(session),
            Operation::Gone(session),
        ]);
    }
    for &port in ports {
        all.extend((0..addresses(sessions)).map(|peer| Operation::Arrive(port, peer)));
    }
    all
}

#[test]
fn one_port_serves_three_sessions_of_one_address_in_every_state_there_is() {
    assert!(explore(&[2_000], &operations(MIXED, 3, &[2_000]), usize::MAX));
}

#[test]
fn two_ports_serve_three_sessions_with_closed_leases_in_every_state_there_is() {
    let ports = [2_000, 2_001];
    assert!(explore(&ports, &operations(CLOSED, 3, &ports), usize::MAX));
}

#[test]
fn two_ports_serve_three_sessions_with_open_leases_in_every_state_there_is() {
    let ports = [2_000, 2_001];
    assert!(explore(&ports, &operations(OPEN, 3, &ports), usize::MAX));
}

#[test]
fn two_ports_serve_three_sessions_with_mixed_leases_in_every_history_of_seven_operations() {
    let ports = [2_000, 2_001];
    explore(&ports, &operations(MIXED, 3, &ports), 7);
}

#[test]
fn two_ports_serve_two_addresses_with_closed_leases_in_every_history_of_eight_operations() {
    let ports = [2_000, 2_001];
    explore(&ports, &operations(CLOSED, 4, &ports), 8);
}

#[test]
fn two_ports_serve_two_addresses_with_mixed_leases_in_every_history_of_six_operations() {
    let ports = [2_000, 2_001];
    explore(&ports, &operations(MIXED, 4, &ports), 6);
}

#[test]
fn one_port_serves_two_addresses_with_open_leases_in_every_history_of_eight_operations() {
    explore(&[2_000], &operations(OPEN, 4, &[2_000]), 8);
}

#[test]
fn ports_come_and_go_in_every_history_of_six_operations() {
    let ports = [2_000, 2_001];
    let mut operations = operations(MIXED, 3, &ports);
    operations.extend(ports.map(Operation::Retire));
    operations.extend(ports.map(Operation::Open));
    explore(&ports, &operations, 6);
}

/// The larger world: five ports, three addresses of three sessions each.
const SESSIONS: u64 = 9;

impl Arbitrary for Operation {
    fn arbitrary(random: &mut Gen) -> Self {
        let session = u64::arbitrary(random) % SESSIONS;
        let port = 2_000 + u16::arbitrary(random) % 5;
        match u8::arbitrary(random) % 32 {
            0..=4 => Self::Lease(session, u64::arbitrary(random)),
            5..=8 => Self::LeaseOpen(session, u64::arbitrary(random)),
            9 => Self::LeaseAgain(session),
            10..=15 => Self::Activate(session),
            16..=18 => Self::Release(session),
            19 => Self::ReleaseOld(session),
            20 => Self::Gone(session),
            21..=26 => Self::Arrive(port, u8::arbitrary(random) % addresses(SESSIONS)),
            27 => Self::Tick,
            28 => Self::LateTick,
            29 => Self::Retire(port),
            _ => Self::Open(port),
        }
    }
}

#[test]
fn long_histories_of_nine_sessions_on_five_ports() {
    fn property(history: Vec<Operation>) -> Result<bool, String> {
        let mut world = World::new(2_000..2_005);
        for operation in history {
            world.apply(operation).map_err(|why| format!("{why} after {operation:?} in {:?}", world.pool))?;
        }
        world.ends_empty().map(|()| true)
    }
    let property = property as fn(Vec<Operation>) -> Result<bool, String>;
    QuickCheck::new().rng(Gen::new(1_000)).tests(300).quickcheck(property);
}

#[test]
fn leases_are_spread_over_the_range() {
    let mut pool = PortPool::new(7);
    let ports: BTreeSet<u16> = (0..100).map(|port| 2_000 + port).collect();
    for &port in &ports {
        pool.open(Instant::ZERO, port);
    }
    // Each from an address of its own: nobody is made to share while a port has nobody pending.
    let leased: Vec<u16> = (0..100u8)
        .map(|client| {
            let asker = Asker { session: SessionId(u64::from(client)), link: LinkId::new(1), open: false };
            match pool.lease(Instant::ZERO, asker, Network::around(address(client), 32), Instant::ZERO) {
                Leasing::Leased(port) => port,
                other => panic!("{other:?}"),
            }
        })
        .collect();
    assert_eq!(leased.iter().copied().collect::<BTreeSet<_>>(), ports);
    assert!(leased.windows(2).any(|pair| pair[0] > pair[1]), "nobody should foresee the next port");
}
