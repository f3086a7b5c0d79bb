//! The simulated world: real `Server`, `Connection` and `Pipe`, everything else made up from one source of
//! choices, a seed or a fuzzer's bytes. Time jumps, the network splits and delays and breaks, jobs finish late
//! or fail, clients are rude, strangers and thieves come to passive ports, TLS is spoilt and stolen and injected into.
//! After each step the invariants are checked.

mod balancer;
mod choices;
mod client;
mod control;
mod data;
mod duties;
mod faults;
mod long;
mod policy;
mod sent;
mod storage;
mod talk;
mod tally;
mod trouble;
mod verdicts;
mod wire;

use balancer::Parked;
pub use choices::Choices;
use choices::{LINES, LOGINS, NOVELTIES, SECURITY, TRANSFERS};
use client::{Client, Transfer};
use control::{Control, Style};
use data::Socket;
pub use faults::{Fault, Faults, Place};
use long::LongJobs;
use policy::{MAPPED, config, peers, tls_policy};
use storage::{Trouble, Troubled};
pub use talk::simulate_control_connection;
pub use tally::Tally;

use super::{FakeHello, FakeTls, MemoryAccounts, MemoryStorage};
use crate::account::{Account, Rights};
use crate::config::{Peers, TlsPolicy};
use crate::event::{Arrival, Done, Event, LinkError, LinkId, SessionId};
use crate::time::{Instant, Now, UnixTime};
use crate::{Admission, Server};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

/// What the host's clock says when a world begins, in seconds since 1970.
const EPOCH: i64 = 1_800_000_000;

struct World<'a> {
    choices: Choices<'a>,
    now: Now,
    server: Server,
    clients: Vec<Client>,
    /// Data connections that a balancer has not introduced.
    parked: Vec<Parked>,
    storage: Arc<MemoryStorage>,
    /// What makes the storage fail.
    storage_trouble: Trouble,
    long_jobs: LongJobs,
    /// What is to happen as soon as a session is where it is to happen to it.
    plan: Option<Fault>,
    /// How far the host's clock was set, in seconds.
    wall_offset: i64,
    has_tls: bool,
    policy: TlsPolicy,
    peers: Peers,
    /// Tickets of all clients, for thieves.
    stolen: Vec<Vec<u8>>,
    /// Directories that were to be made by a command put behind an AUTH.
    forbidden: Vec<String>,
    counter: u32,
    tally: Tally,
}

/// Lets a world live until all its sessions have ended.
///
/// # Errors
/// The invariant that was broken, in words.
pub fn simulate(choices: Choices<'_>) -> Result<Tally, String> {
    let mut world = World::new(choices);
    let clients = 1 + world.choices.below(4);
    for _ in 0..clients {
        world.connect()?;
    }
    for _ in 0..3_000 {
        if world.clients.is_empty() || world.choices.is_exhausted() {
            break;
        }
        world.step()?;
    }
    world.wind_up()?;
    Ok(world.tally)
}

impl<'a> World<'a> {
    fn new(mut choices: Choices<'a>) -> Self {
        let storage = Arc::new(
            MemoryStorage::new()
                .file("/a", "alpha")
                .file("/b", "")
                .file("/log", "x")
                .file("/big", alloc::vec![7u8; 300_000])
                .file("/text", "one\ntwo\r\nthree\n\nfour")
                .file("/tree/d/one.txt", "one")
                .file("/tree/e/two.txt", "two\n")
                .dir("/tree/f")
                .dir("/up"),
        );
        let trouble = Trouble::default();
        let troubled = Troubled { inner: storage.clone(), trouble: trouble.clone() };
        let account = Account { storage: Arc::new(troubled), ..storage.account("u", Rights::ALL) };
        let accounts = MemoryAccounts::new().user("u", "p", account);
        let has_tls = !choices.one_in(4);
        let policy = if has_tls { tls_policy(&mut choices) } else { TlsPolicy::default() };
        let peers = peers(&mut choices);
        let config = config(&mut choices, policy, &peers);
        let seed = choices.below(256) as u64;
        let mut server = Server::new(Arc::new(config), Arc::new(accounts), seed);
        if has_tls {
            server.set_tls(Some(Arc::new(FakeTls::new().name("ftp.example.com"))));
        }
        let now = Now { mono: Instant::ZERO, unix: UnixTime::from_seconds(EPOCH) };
        let long_jobs = LongJobs::new(&mut choices);
        let plan = choices.pick(&Fault::somewhere()).copied().filter(|_| !choices.one_in(4));
        let mut world = Self {
            choices,
            now,
            storage_trouble: trouble,
            long_jobs,
            plan,
            wall_offset: 0,
            server,
            clients: Vec::new(),
            parked: Vec::new(),
            storage,
            has_tls,
            policy,
            peers,
            stolen: Vec::new(),
            forbidden: Vec::new(),
            counter: 0,
            tally: Tally::default(),
        };
        world.tasks();
        world
    }

    fn connect(&mut self) -> Result<(), String> {
        let address = if self.choices.one_in(3) { "203.0.113.6" } else { "203.0.113.5" };
        let peer = SocketAddr::new(address.parse().map_err(|_| "address")?, 4_000);
        let local = SocketAddr::new([198, 51, 100, 1].into(), 21);
        let style = match self.choices.below(8) {
            0 | 1 if self.has_tls => Style::Implicit,
            2..=5 if self.has_tls => Style::Explicit,
            _ => Style::Clear,
        };
        let is_balanced = self.choices.one_in(4);
        let end = if is_balanced { balancer::balancer() } else { peer };
        let arrival = Arrival { implicit_tls: style == Style::Implicit, ..Arrival::new(local, end) };
        let (id, connection) = match self.server.admit(self.now, arrival) {
            Admission::Accepted(id, connection) => (id, connection),
            Admission::Refused(said) if said.is_empty() || said.starts_with(b"421 Too many") => {
                self.tally.faults.met(Fault::TurnedAway);
                return Ok(());
            }
            Admission::Refused(_) => return Err("an ordinary client was refused".to_string()),
        };
        // Somebody may have to make room for it.
        self.tasks();
        let header = match is_balanced && !self.choices.one_in(20) {
            true => balancer::header(peer, &mut self.choices),
            false => Vec::new(),
        };
        let control = Control::new(style, &header, &mut self.choices);
        let commands_left = 5 + self.choices.below(30);
        let client = Client { is_balanced, ..Client::new(id, connection, peer, control, commands_left) };
        self.clients.push(client);
        Ok(())
    }

    /// One thing happens to one client.
    fn step(&mut self) -> Result<(), String> {
        let later = self.now.mono + Duration::from_millis(self.choices.below(20) as u64);
        self.pass(later);
        let index = self.choices.below(self.clients.len());
        match self.choices.below(20) {
            0..=2 => self.client_speaks(index),
            3..=6 => self.server_receives(index),
            7 | 8 => self.client_connects(index),
            9 | 10 => self.job_done(index)?,
            11..=13 => self.pump(index)?,
            14..=16 => self.shake_hands(index),
            17 => self.dial(index),
            18 => self.time_passes()?,
            _ => self.something_rare(index),
        }
        self.work_goes_on()?;
        self.look_at_parked()?;
        self.carry_out_plan(index);
        self.settle(index)
    }

    fn client_speaks(&mut self, index: usize) {
        let Self { choices, clients, counter, has_tls, .. } = self;
        let Some(client) = clients.get_mut(index) else { return };
        let control = &mut client.control;
        *counter += 1;
        if control.is_closing {
            return;
        }
        if control.is_waiting() {
            if choices.one_in(4) {
                control.inject(format!("/injected-{counter}"));
            }
            return;
        }
        if client.commands_left == 0 {
            return;
        }
        client.commands_left -= 1;
        let lines = if client.commands_left == 0 {
            "QUIT".to_string()
        } else {
            let lines = match choices.below(12) {
                0 if choices.one_in(6) => LOGINS,
                1 if *has_tls => SECURITY,
                0..=5 if control.announced.is_some() => TRANSFERS,
                6 | 7 => NOVELTIES,
                _ => LINES,
            };
            choices.pick(lines).copied().unwrap_or("NOOP").replace('#', &counter.to_string())
        };
        if choices.one_in(16) {
            control.negotiate(choices);
        }
        if lines.ends_with("QUIT") {
            client.commands_left = 0;
        }
        let mut lines: Vec<String> = lines.split('\n').map(ToString::to_string).collect();
        if control.is_clear() && choices.one_in(24) {
            trouble::rewrite(&mut lines, choices, &mut control.faults);
        }
        for line in lines {
            control.say(line.as_bytes());
        }
    }

    fn server_receives(&mut self, index: usize) {
        let most = if self.choices.one_in(2) { 40 } else { 400 };
        let count = 1 + self.choices.below(most);
        let Self { clients, now, long_jobs, tally, .. } = self;
        if let Some(client) = clients.get_mut(index) {
            client.hear_client(*now, count, long_jobs, tally);
        }
    }

    /// The client, or somebody else, comes to the port that was announced last: to its own, or to another's.
    fn client_connects(&mut self, index: usize) {
        let whose = if self.choices.one_in(6) { self.choices.below(self.clients.len()) } else { index };
        let is_elsewhere = self.choices.one_in(5);
        let Some(client) = self.clients.get(index) else { return };
        let Some(port) = self.clients.get(whose).and_then(|other| other.control.announced) else { return };
        let address = match self.choices.below(8) {
            _ if is_elsewhere => [192, 0, 2, 9].into(),
            // Next door: another client's address, or one that nobody has.
            0 => [203, 0, 113, 4 + u8::try_from(self.choices.below(4)).unwrap_or(0)].into(),
            _ => client.peer.ip(),
        };
        let port = port.checked_sub(MAPPED).unwrap_or(port);
        let (id, peer) = (client.id, SocketAddr::new(address, 5_000));
        if client.is_balanced { self.pass_on(id, port, peer) } else { self.arrive(id, port, peer) }
    }

    /// What an acceptor does. `comer` is whose connection it is.
    fn arrive(&mut self, comer: SessionId, port: u16, peer: SocketAddr) {
        match self.server.route(self.now, port, peer) {
            Some((session, link)) => self.hand_over(comer, session, link, peer),
            None => self.tally.faults.met(Fault::Stranger),
        }
        self.tasks();
    }

    fn hand_over(&mut self, comer: SessionId, session: SessionId, link: LinkId, peer: SocketAddr) {
        let Some(client) = self.clients.iter_mut().find(|client| client.id == session) else { return };
        let own = self.peers.client(client.peer.ip()).contains(peer.ip());
        client.sockets.push(Socket::new(link, peer, own, comer != session));
        client.connection.handle(self.now, Event::Arrived(link, peer));
    }

    /// Some steps of the handshakes of one client's data connections.
    fn shake_hands(&mut self, index: usize) {
        let Self { choices, clients, now, tally, .. } = self;
        let Some(client) = clients.get_mut(index) else { return };
        for _ in 0..1 + choices.below(8) {
            let mut busy: Vec<&mut Socket> =
                client.sockets.iter_mut().filter(|socket| !socket.is_stuck()).collect();
            let which = choices.below(busy.len());
            let Some(socket) = busy.get_mut(which) else { return };
            if let Some(handshake) = socket.shake_hands(choices, &mut tally.faults) {
                let link = socket.link;
                client.connection.handle(*now, Event::Secured(link, handshake));
            }
        }
    }

    /// What somebody says first in the handshake of a data connection to this client's session.
    fn hello(&mut self, index: usize, is_thief: bool) -> FakeHello {
        let Self { choices, clients, stolen, .. } = self;
        let Some(client) = clients.get_mut(index) else { return FakeHello::default() };
        let control = &mut client.control;
        let mut hello = FakeHello { version: control.version(), ..FakeHello::default() };
        let tickets = control.tickets.len();
        let is_foreign = |ticket: &&Vec<u8>| !control.tickets.iter().any(|(own, _)| own == *ticket);
        let foreign: Vec<&Vec<u8>> = stolen.iter().filter(is_foreign).collect();
        hello.ticket = match choices.below(10) {
            0 => None,
            1 => choices.pick(&foreign).map(|ticket| ticket.to_vec()),
            2 => Some(alloc::vec![0xff; choices.below(12)]),
            _ if is_thief => choices.pick(&foreign).map(|ticket| ticket.to_vec()),
            // Some use a ticket once, some always the last one.
            3..=6 => control.tickets.iter().find(|(_, is_used)| !is_used).map(|(ticket, _)| ticket.clone()),
            7 => control.tickets.get(choices.below(tickets)).map(|(ticket, _)| ticket.clone()),
            _ => control.tickets.last().map(|(ticket, _)| ticket.clone()),
        };
        for (ticket, is_used) in &mut control.tickets {
            *is_used |= Some(&*ticket) == hello.ticket.as_ref();
        }
        hello
    }

    /// One short job ends, well or not.
    fn job_done(&mut self, index: usize) -> Result<(), String> {
        let Self { choices, clients, now, tally, storage_trouble, .. } = self;
        let Some(client) = clients.get_mut(index) else { return Ok(()) };
        if client.jobs.is_empty() {
            return Ok(());
        }
        let (ticket, job) = client.jobs.remove(choices.below(client.jobs.len()));
        let done = if choices.below(256) == 255 {
            tally.faults.met(Fault::JobPanics);
            Done::Panicked
        } else {
            storage_trouble.during(choices, tally, || job.perform())
        };
        client.connection.handle(*now, Event::Done(ticket, done));
        Ok(())
    }

    /// One long job goes on.
    fn work_goes_on(&mut self) -> Result<(), String> {
        if self.choices.one_in(4) {
            let Self { choices, long_jobs, storage_trouble, tally, .. } = self;
            if let Some((session, event)) = long_jobs.go_on(choices, storage_trouble, tally)? {
                self.deliver(session, event);
            }
        }
        Ok(())
    }

    /// Time passes until then, if it is later than now; on the host's clock as well.
    fn pass(&mut self, until: Instant) {
        self.now.mono = self.now.mono.max(until);
        let lasted = self.now.mono.duration_since(Instant::ZERO).as_secs();
        let lasted = i64::try_from(lasted).unwrap_or(i64::MAX);
        self.now.unix = UnixTime::from_seconds(EPOCH.saturating_add(lasted).saturating_add(self.wall_offset));
    }

    fn dial(&mut self, index: usize) {
        let Self { choices, clients, now, tally, .. } = self;
        let Some(client) = clients.get_mut(index) else { return };
        if let Some((link, target)) = client.dialled.pop() {
            let failure = match choices.below(12) {
                0 => Some((LinkError::Refused, Fault::DialRefused)),
                1 => Some((LinkError::TimedOut, Fault::DialTimedOut)),
                2 => Some((LinkError::Unreachable, Fault::DialUnreachable)),
                3 => Some((LinkError::SourceUnavailable, Fault::DialUnavailable)),
                _ => None,
            };
            if let Some((error, fault)) = failure {
                tally.faults.met(fault);
                client.connection.handle(*now, Event::LinkFailed(link, error));
            } else {
                client.sockets.push(Socket::new(link, target, true, false));
                let local = SocketAddr::new([198, 51, 100, 1].into(), 20);
                client.connection.handle(*now, Event::Connected(link, local));
            }
        }
    }

    /// Time jumps to the next deadline of anybody.
    fn time_passes(&mut self) -> Result<(), String> {
        let deadlines = self.clients.iter().filter_map(|client| client.connection.deadline());
        let Some(next) = deadlines.chain(self.server.deadline()).min() else {
            return Ok(());
        };
        if self.choices.one_in(12) {
            self.pass(next);
        }
        for client in &mut self.clients {
            client.timeout(self.now)?;
        }
        self.server_timeout()
    }

    fn server_timeout(&mut self) -> Result<(), String> {
        self.server.handle_timeout(self.now);
        self.tasks();
        match self.server.deadline() {
            Some(deadline) if deadline <= self.now.mono => Err("a deadline of the server stays".to_string()),
            _ => Ok(()),
        }
    }

    /// Nothing new happens any more: jobs finish, transfers end, time passes, and every session must end.
    fn wind_up(&mut self) -> Result<(), String> {
        for round in 0..20_000 {
            if self.clients.is_empty() {
                break;
            }
            self.look_at_parked()?;
            let index = round % self.clients.len();
            self.server_receives(index);
            self.job_done(index)?;
            self.work_goes_on()?;
            self.dial(index);
            self.shake_hands(index);
            self.pump(index)?;
            self.settle(index)?;
            let quiet = self.clients.iter().all(|client| {
                client.jobs.is_empty()
                    && client.transfers.iter().all(Transfer::stands_still)
                    && client.sockets.iter().all(Socket::is_stuck)
            });
            let quiet = quiet && self.long_jobs.stand_still();
            if quiet && round % 7 == 0 {
                let next = self.clients.iter().filter_map(|client| client.connection.deadline()).min();
                self.pass(next.unwrap_or(self.now.mono));
                self.server_timeout()?;
                for index in (0..self.clients.len()).rev() {
                    if let Some(client) = self.clients.get_mut(index) {
                        client.timeout(self.now)?;
                    }
                    self.settle(index)?;
                }
            }
        }
        if let Some(client) = self.clients.first() {
            return Err(format!("a session never ended: {:?}", client.connection));
        }
        while !self.parked.is_empty() {
            self.pass(self.now.mono + Duration::from_secs(1));
            self.look_at_parked()?;
        }
        let is_there = |name: &&String| self.storage.exists(name.as_str());
        if let Some(name) = self.forbidden.iter().find(is_there) {
            return Err(format!("{name} was made"));
        }
        let left = self.server.leftovers();
        if left.iter().all(|(_, count)| *count == 0) {
            Ok(())
        } else {
            Err(format!("all sessions are gone, and there are {left:?}"))
        }
    }
}
