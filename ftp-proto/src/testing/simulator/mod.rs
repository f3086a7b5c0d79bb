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
mod long;
mod policy;
mod talk;
mod wire;

use balancer::Parked;
pub use choices::Choices;
use choices::{LINES, LOGINS, NOVELTIES, SECURITY, TRANSFERS};
use client::Client;
use control::{Control, Style};
use data::Socket;
use policy::{MAPPED, config, peers, tls_policy};
pub use talk::simulate_control_connection;

use super::{FakeHello, FakeTls, MemoryAccounts, MemoryStorage};
use crate::account::Rights;
use crate::config::{Peers, Settings, TlsPolicy};
use crate::diagnose::Cause;
use crate::event::{Answer, Arrival, Event, LinkError, LinkId, Message, SessionId, TransferId};
use crate::notice::{Notice, Trust};
use crate::time::{Instant, Now, UnixTime};
use crate::{Admission, Server};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

/// What happened in a world that is worth a test's trouble: all of them zero, and it has shown nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Control connections that came under TLS.
    pub secured: usize,
    /// Control connections that left it.
    pub cleared: usize,
    /// Plain text behind AUTH was thrown away.
    pub discarded: usize,
    /// Transfers that were complete: in the clear, and under TLS.
    pub clear_transfers: usize,
    /// See `clear_transfers`.
    pub secure_transfers: usize,
    /// Uploads that were cut off.
    pub truncated: usize,
    /// Data connections that did not prove whose they are.
    pub unproven: usize,
    /// Data connections from other addresses that count as the client's.
    pub neighbours: usize,
    /// Those that proved by TLS whose they are.
    pub proven: usize,
    /// Data connections that came to their session through a balancer.
    pub balanced: usize,
    /// Complete transfers whose bytes were not the stored ones: records, blocks, runs, and texts in a stream.
    pub texts: usize,
    /// Those in MODE B and C.
    pub blocks: usize,
    /// Those in MODE Z.
    pub deflated: usize,
    /// Long jobs whose end a session heard of.
    pub long_jobs: usize,
    /// Long jobs that were stopped, or whose session was gone.
    pub stopped_jobs: usize,
    /// Replies that came before the one to a long job.
    pub overtaken: usize,
    /// Sessions that began as another protocol's.
    pub foreign: usize,
}

impl core::ops::AddAssign for Tally {
    fn add_assign(&mut self, more: Self) {
        self.secured += more.secured;
        self.cleared += more.cleared;
        self.discarded += more.discarded;
        self.clear_transfers += more.clear_transfers;
        self.secure_transfers += more.secure_transfers;
        self.truncated += more.truncated;
        self.unproven += more.unproven;
        self.neighbours += more.neighbours;
        self.proven += more.proven;
        self.balanced += more.balanced;
        self.texts += more.texts;
        self.blocks += more.blocks;
        self.deflated += more.deflated;
        self.long_jobs += more.long_jobs;
        self.stopped_jobs += more.stopped_jobs;
        self.overtaken += more.overtaken;
        self.foreign += more.foreign;
    }
}

impl Tally {
    fn count(&mut self, notice: &Notice) {
        match notice {
            Notice::ControlSecured(_) => self.secured += 1,
            Notice::ControlCleared => self.cleared += 1,
            Notice::PlaintextDiscarded { .. } => self.discarded += 1,
            Notice::SpokeOtherProtocol { .. } => self.foreign += 1,
            Notice::DataElsewhere { trust, .. } => match trust {
                Trust::SameClient => self.neighbours += 1,
                Trust::Resumed => self.proven += 1,
                Trust::ServerToServer | Trust::ActiveRule => {}
            },
            Notice::DataConnectionFailed(verdict) => match verdict.cause {
                Cause::Truncated => self.truncated += 1,
                Cause::NotResumed(_) => self.unproven += 1,
                _ => {}
            },
            _ => {}
        }
    }
}

struct World<'a> {
    choices: Choices<'a>,
    now: Now,
    server: Server,
    clients: Vec<Client>,
    /// Data connections that a balancer has not introduced.
    parked: Vec<Parked>,
    storage: Arc<MemoryStorage>,
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
        let accounts = MemoryAccounts::new().user("u", "p", storage.account("u", Rights::ALL));
        let has_tls = !choices.one_in(4);
        let policy = if has_tls { tls_policy(&mut choices) } else { TlsPolicy::default() };
        let peers = peers(&mut choices);
        let config = config(&mut choices, policy, &peers);
        let seed = choices.below(256) as u64;
        let mut server = Server::new(Arc::new(config), Arc::new(accounts), seed);
        if has_tls {
            server.set_tls(Some(Arc::new(FakeTls::new().name("ftp.example.com"))));
        }
        let now = Now { mono: Instant::ZERO, unix: UnixTime::from_seconds(1_800_000_000) };
        let mut world = Self {
            choices,
            now,
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
        let Admission::Accepted(id, connection) = self.server.admit(self.now, arrival) else {
            return Err("an ordinary client was refused".to_string());
        };
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
        self.now.mono = self.now.mono + Duration::from_millis(self.choices.below(20) as u64);
        let index = self.choices.below(self.clients.len());
        match self.choices.below(20) {
            0..=2 => self.client_speaks(index),
            3..=6 => self.server_receives(index),
            7 | 8 => self.client_connects(index),
            9 | 10 => self.job_done(index),
            11..=13 => self.pump(index)?,
            14..=16 => self.shake_hands(index),
            17 => self.dial(index),
            18 => self.time_passes()?,
            _ => self.something_rare(index),
        }
        self.look_at_parked()?;
        self.settle(index)
    }

    fn client_speaks(&mut self, index: usize) {
        let Self { choices, clients, counter, has_tls, .. } = self;
        let Some(client) = clients.get_mut(index) else { return };
        let control = &mut client.control;
        *counter += 1;
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
        for line in lines.split('\n') {
            control.say(line.as_bytes());
        }
    }

    fn server_receives(&mut self, index: usize) {
        let most = if self.choices.one_in(2) { 40 } else { 400 };
        let count = 1 + self.choices.below(most);
        let Some(client) = self.clients.get_mut(index) else { return };
        if client.connection.wants_input() {
            let bytes = client.control.deliver(count);
            client.connection.receive(self.now, &bytes);
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
        if let Some((session, link)) = self.server.route(self.now, port, peer) {
            self.hand_over(comer, session, link, peer);
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
        let Self { choices, clients, now, .. } = self;
        let Some(client) = clients.get_mut(index) else { return };
        for _ in 0..1 + choices.below(8) {
            let mut busy: Vec<&mut Socket> =
                client.sockets.iter_mut().filter(|socket| !socket.is_stuck()).collect();
            let which = choices.below(busy.len());
            let Some(socket) = busy.get_mut(which) else { return };
            if let Some(handshake) = socket.shake_hands(choices) {
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

    fn job_done(&mut self, index: usize) {
        let Self { choices, clients, now, tally, .. } = self;
        let Some(client) = clients.get_mut(index) else { return };
        if let Some(done) = long::go_on(&mut client.jobs, choices, tally) {
            client.connection.handle(*now, done);
        }
    }

    fn dial(&mut self, index: usize) {
        let Self { choices, clients, now, .. } = self;
        let Some(client) = clients.get_mut(index) else { return };
        if let Some((link, target)) = client.dialled.pop() {
            if choices.one_in(3) {
                client.connection.handle(*now, Event::LinkFailed(link, LinkError::Refused));
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
            self.now.mono = self.now.mono.max(next);
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

    fn something_rare(&mut self, index: usize) {
        let Self { choices, clients, now, server, peers, .. } = self;
        let Some(client) = clients.get_mut(index) else { return };
        match choices.below(300) {
            0 => {
                client.gone = true;
                client.connection.handle(*now, Event::PeerClosed);
            }
            1 => {
                server.kick(*now, client.id);
                self.tasks();
            }
            2 => {
                server.drain(*now, Duration::from_secs(5));
                self.tasks();
            }
            3 => {
                if let Some(link) = client.sockets.first().map(|socket| socket.link) {
                    client.connection.handle(*now, Event::LinkFailed(link, LinkError::Reset));
                }
            }
            // New settings, another range of ports among them; some time with no passive mode at all.
            8 | 9 => {
                let mut settings = Settings::clone(&config(choices, self.policy, peers));
                settings.passive.enabled = !choices.one_in(6);
                server.reconfigure(*now, Arc::new(settings.validate().unwrap_or_default()));
                self.tasks();
            }
            // Stale and foreign news must do no harm.
            4 => client.connection.handle(*now, Event::Arrived(LinkId::new(9_999), client.peer)),
            5 => client.connection.handle(*now, Event::Moved(TransferId(9_999), 1)),
            6 => client.connection.handle(*now, Event::Answer(Answer::NoPort { link: LinkId::new(9_999) })),
            7 => client.connection.handle(
                *now,
                Event::Message(Message::Stranger { link: LinkId::new(9_999), peer: client.peer, port: 1 }),
            ),
            10 | 11 => client.control.spoil(choices),
            12..=19 => client.control.update_keys(),
            _ => {}
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
            self.job_done(index);
            self.dial(index);
            self.shake_hands(index);
            self.pump(index)?;
            self.settle(index)?;
            let quiet = self.clients.iter().all(|client| {
                client.jobs.iter().all(|job| job.stands_still)
                    && client.transfers.is_empty()
                    && client.sockets.iter().all(Socket::is_stuck)
            });
            if quiet && round % 7 == 0 {
                let next = self.clients.iter().filter_map(|client| client.connection.deadline()).min();
                self.now.mono = self.now.mono.max(next.unwrap_or(self.now.mono));
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
            self.now.mono = self.now.mono + Duration::from_secs(1);
            self.look_at_parked()?;
        }
        let is_there = |name: &&String| self.storage.exists(name.as_str());
        if let Some(name) = self.forbidden.iter().find(is_there) {
            return Err(format!("{name} was made"));
        }
        match self.server.balance() {
            (0, 0) if self.server.sessions() + self.server.undecided() == 0 => Ok(()),
            left => Err(format!("leases and waiters left: {left:?}, sessions {}", self.server.sessions())),
        }
    }
}
