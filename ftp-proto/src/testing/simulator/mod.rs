//! The simulated world: real `Server`, `Connection` and `Pipe`, everything else made up from one source of
//! choices, a seed or a fuzzer's bytes. Time jumps, the network splits and delays and breaks, jobs finish late
//! or fail, clients are rude, strangers come to passive ports. After each step the invariants are checked.

mod choices;
mod client;

pub use choices::Choices;
use choices::{LINES, LOGINS, TRANSFERS};
use client::{Client, Transfer, check_transfer};

use super::{MemoryAccounts, MemoryStorage};
use crate::account::Rights;
use crate::config::{Active, Config, Limits, Passive, PassivePorts, Settings, Timeouts};
use crate::event::{
    Action, Answer, Arrival, Event, LinkError, LinkId, Message, News, SessionId, Task, TransferId,
};
use crate::notice::Notice;
use crate::time::{Instant, Now, UnixTime};
use crate::transfer::{Direction, EndReason, Step};
use crate::{Admission, Server};
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

struct World<'a> {
    choices: Choices<'a>,
    now: Now,
    server: Server,
    clients: Vec<Client>,
    storage: Arc<MemoryStorage>,
    counter: u32,
}

/// Lets a world live until all its sessions have ended.
///
/// # Errors
/// The invariant that was broken, in words.
pub fn simulate(choices: Choices<'_>) -> Result<(), String> {
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
    world.wind_up()
}

/// Settings that every client can be served with, if not always at once.
fn config(choices: &mut Choices<'_>) -> Config {
    let first = 2_000 + u16::try_from(choices.below(2)).unwrap_or(0);
    let ports = u16::try_from(choices.below(3)).unwrap_or(0);
    let settings = Settings {
        passive: Passive { ports: PassivePorts::Range(first..=first + ports), ..Passive::default() },
        active: Active { enabled: true, source_port: None },
        limits: Limits { login_delay: Duration::from_millis(500), ..Limits::default() },
        timeouts: Timeouts::default(),
        notify_commands: choices.one_in(2),
        ..Settings::default()
    };
    settings.validate().unwrap_or_default()
}

impl<'a> World<'a> {
    fn new(mut choices: Choices<'a>) -> Self {
        let storage = Arc::new(
            MemoryStorage::new()
                .file("/a", "alpha")
                .file("/b", "")
                .file("/log", "x")
                .file("/big", alloc::vec![7u8; 300_000])
                .dir("/up"),
        );
        let accounts = MemoryAccounts::new().user("u", "p", storage.account("u", Rights::ALL));
        let config = config(&mut choices);
        let seed = choices.below(256) as u64;
        let server = Server::new(Arc::new(config), Arc::new(accounts), seed);
        let now = Now { mono: Instant::ZERO, unix: UnixTime::from_seconds(1_800_000_000) };
        let mut world = Self { choices, now, server, clients: Vec::new(), storage, counter: 0 };
        world.tasks();
        world
    }

    fn connect(&mut self) -> Result<(), String> {
        let address = if self.choices.one_in(3) { "203.0.113.6" } else { "203.0.113.5" };
        let peer = SocketAddr::new(address.parse().map_err(|_| "address")?, 4_000);
        let local = SocketAddr::new([198, 51, 100, 1].into(), 21);
        let Admission::Accepted(id, connection) = self.server.admit(self.now, Arrival::new(local, peer))
        else {
            return Err("an ordinary client was refused".to_string());
        };
        let commands_left = 5 + self.choices.below(30);
        let client = Client::new(id, connection, peer, commands_left);
        self.clients.push(client);
        Ok(())
    }

    /// One thing happens to one client.
    fn step(&mut self) -> Result<(), String> {
        self.now.mono = self.now.mono + Duration::from_millis(self.choices.below(20) as u64);
        let index = self.choices.below(self.clients.len());
        match self.choices.below(16) {
            0..=2 => self.client_speaks(index),
            3..=5 => self.server_receives(index),
            6 | 7 => self.client_connects(index),
            8 | 9 => self.job_done(index),
            10..=12 => self.pump(index)?,
            13 => self.dial(index),
            14 => self.time_passes()?,
            _ => self.something_rare(index),
        }
        self.settle(index)
    }

    fn client_speaks(&mut self, index: usize) {
        let Self { choices, clients, counter, .. } = self;
        let Some(client) = clients.get_mut(index) else { return };
        if client.commands_left == 0 {
            return;
        }
        client.commands_left -= 1;
        *counter += 1;
        let line = if client.commands_left == 0 {
            "QUIT".to_string()
        } else {
            let lines = match choices.below(12) {
                0 if choices.one_in(6) => LOGINS,
                0..=5 if client.announced.is_some() => TRANSFERS,
                _ => LINES,
            };
            choices.pick(lines).copied().unwrap_or("NOOP").replace('#', &counter.to_string())
        };
        client.to_server.extend(line.as_bytes());
        client.to_server.extend(b"\r\n");
    }

    fn server_receives(&mut self, index: usize) {
        let count = 1 + self.choices.below(40);
        let Some(client) = self.clients.get_mut(index) else { return };
        if client.connection.wants_input() {
            let count = count.min(client.to_server.len());
            let bytes: Vec<u8> = client.to_server.drain(..count).collect();
            client.received += bytes.iter().filter(|&&byte| byte == b'\n').count();
            client.connection.receive(self.now, &bytes);
        }
    }

    /// The client, or somebody else, comes to the port that was announced last.
    fn client_connects(&mut self, index: usize) {
        let stranger = self.choices.one_in(5);
        let Some(client) = self.clients.get(index) else { return };
        let Some(port) = client.announced else { return };
        let address = if stranger { [192, 0, 2, 9].into() } else { client.peer.ip() };
        self.arrive(port, SocketAddr::new(address, 5_000));
    }

    /// What an acceptor does.
    fn arrive(&mut self, port: u16, peer: SocketAddr) {
        if let Some((session, link)) = self.server.route(self.now, port, peer)
            && let Some(client) = self.clients.iter_mut().find(|client| client.id == session)
        {
            client.sockets.push(link);
            client.watched = None;
            client.connection.handle(self.now, Event::Arrived(link, peer));
        }
        self.tasks();
    }

    fn job_done(&mut self, index: usize) {
        let Self { choices, clients, now, .. } = self;
        let Some(client) = clients.get_mut(index) else { return };
        if !client.jobs.is_empty() {
            let (ticket, job) = client.jobs.remove(choices.below(client.jobs.len()));
            client.connection.handle(*now, Event::Done(ticket, job.perform()));
        }
    }

    fn dial(&mut self, index: usize) {
        let Self { choices, clients, now, .. } = self;
        let Some(client) = clients.get_mut(index) else { return };
        if let Some(link) = client.dialled.pop() {
            if choices.one_in(3) {
                client.connection.handle(*now, Event::LinkFailed(link, LinkError::Refused));
            } else {
                client.sockets.push(link);
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
        let Self { choices, clients, now, server, .. } = self;
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
                if let Some(&link) = client.sockets.first() {
                    client.connection.handle(*now, Event::LinkFailed(link, LinkError::Reset));
                }
            }
            // New settings, another range of ports among them; some time with no passive mode at all.
            8 | 9 => {
                let mut settings = Settings::clone(&config(choices));
                settings.passive.enabled = !choices.one_in(6);
                server.reconfigure(*now, Arc::new(settings.validate().unwrap_or_default()));
                self.tasks();
            }
            // Stale and foreign news must do no harm.
            4 => client.connection.handle(*now, Event::Arrived(LinkId::new(9_999), client.peer)),
            5 => client.connection.handle(*now, Event::Moved(TransferId(9_999), 1)),
            6 => client.connection.handle(*now, Event::Answer(Answer::NoPort { link: LinkId::new(9_999) })),
            7 => client
                .connection
                .handle(*now, Event::Message(Message::Stranger(LinkId::new(9_999), client.peer))),
            _ => {}
        }
    }

    /// One step of one running transfer.
    fn pump(&mut self, index: usize) -> Result<(), String> {
        let Self { choices, clients, now, .. } = self;
        let Some(client) = clients.get_mut(index) else { return Ok(()) };
        let which = choices.below(client.transfers.len());
        let Some(transfer) = client.transfers.get_mut(which) else { return Ok(()) };
        if choices.one_in(60) {
            transfer.pipe.fail(EndReason::Link(LinkError::Reset));
        }
        match transfer.pipe.step(*now) {
            Step::Write => {
                let shown = transfer.pipe.transmit();
                let count = if choices.one_in(2) { shown.len() } else { 1 + choices.below(shown.len()) };
                transfer.bytes.extend_from_slice(shown.get(..count).unwrap_or(shown));
                transfer.pipe.transmitted(*now, count);
            }
            Step::Read => {
                let count = choices.below(200).min(transfer.to_send.len());
                let bytes: Vec<u8> = transfer.to_send.drain(..count).collect();
                if !bytes.is_empty() || transfer.to_send.is_empty() {
                    transfer.bytes.extend_from_slice(&bytes);
                    transfer.pipe.receive(*now, &bytes);
                }
            }
            Step::Turn => transfer.pipe.turn(),
            Step::Report(bytes) => client.connection.handle(*now, Event::Moved(transfer.id, bytes)),
            Step::Direct { .. } => return Err("a memory file has no way past the pipe".to_string()),
            Step::End(end) => {
                let Transfer { id, link, bytes, .. } = client.transfers.remove(which);
                if end.outcome.is_ok() && end.bytes != bytes.len() as u64 {
                    return Err(format!("{} bytes reported, {} crossed", end.bytes, bytes.len()));
                }
                client.sockets.retain(|&socket| socket != link);
                client.finished.insert(id.0, bytes.clone());
                client.ended.push((id, bytes));
                client.connection.handle(*now, Event::Ended(id, end));
            }
        }
        Ok(())
    }

    // The adapter's duties.

    fn tasks(&mut self) {
        while let Some(task) = self.server.poll_task() {
            match task {
                Task::OpenPort(port) => {
                    let news = if self.choices.one_in(6) {
                        News::PortFailed(port, "in use".to_string())
                    } else {
                        News::PortOpened(port)
                    };
                    self.server.handle(self.now, news);
                }
                Task::Deliver(session, event) => self.deliver(session, event),
                Task::ClosePort(_) | Task::Notify(_) => {}
            }
        }
    }

    fn deliver(&mut self, session: SessionId, event: Event) {
        if let Event::Answer(answer) = &event
            && let Some((link, _)) = answer.port_to_drain()
        {
            self.server.activate(self.now, session, link);
        }
        let Some(client) = self.clients.iter_mut().find(|client| client.id == session) else { return };
        if let Event::Answer(answer) = &event {
            client.watched = answer.port_to_drain().or(client.watched);
        }
        client.connection.handle(self.now, event);
    }

    /// Carries out the actions of a client, takes its replies, checks the invariants.
    fn settle(&mut self, index: usize) -> Result<(), String> {
        self.actions(index)?;
        let fast = !self.choices.one_in(4);
        let count = if fast { usize::MAX } else { self.choices.below(30) };
        let now = self.now;
        if let Some(client) = self.clients.get_mut(index) {
            client.read_replies(now, count)?;
        }
        self.actions(index)?;
        self.bury(index)
    }

    fn actions(&mut self, index: usize) -> Result<(), String> {
        while let Some(action) =
            self.clients.get_mut(index).and_then(|client| client.connection.poll_action())
        {
            self.action(index, action)?;
        }
        Ok(())
    }

    fn action(&mut self, index: usize, action: Action) -> Result<(), String> {
        let Some(client) = self.clients.get_mut(index) else { return Ok(()) };
        match action {
            Action::Consult(request) => {
                let id = client.id;
                let answer = self.server.consult(self.now, request);
                self.deliver(id, Event::Answer(answer));
                self.tasks();
            }
            Action::Perform(ticket, job) => client.jobs.push((ticket, job)),
            Action::Connect(link, _) => client.dialled.push(link),
            Action::Secure(link, _) => return Err(format!("Secure on {link:?}, and there is no TLS")),
            Action::Start(link, id, pipe) => {
                if !client.sockets.contains(&link) {
                    return Err(format!("Start on {link:?}, which has no socket"));
                }
                let to_send = match pipe.direction() {
                    Direction::Upload => {
                        (0..self.choices.below(2_000)).map(|n| b'a' + (n % 26) as u8).collect()
                    }
                    Direction::Download => VecDeque::new(),
                };
                client.transfers.push(Transfer {
                    id,
                    link,
                    pipe,
                    bytes: Vec::new(),
                    to_send,
                    aborted: false,
                });
            }
            Action::Abort(id) => {
                if let Some(transfer) = client.transfers.iter_mut().find(|transfer| transfer.id == id) {
                    transfer.aborted = true;
                    transfer.pipe.fail(EndReason::Aborted);
                }
            }
            Action::Drop(link) => {
                client.sockets.retain(|&socket| socket != link);
                client.dialled.retain(|&dialled| dialled != link);
                if client.watched.is_some_and(|(watched, _)| watched == link) {
                    client.watched = None;
                }
            }
            Action::Notify(Notice::TransferEnded(record)) => {
                if record.outcome.is_ok() {
                    check_transfer(client, &record, &self.storage)?;
                }
            }
            Action::Notify(Notice::SessionClosed { .. }) => client.closed += 1,
            Action::Notify(_) => {}
        }
        Ok(())
    }

    /// A session that has ended is taken out; what it held comes back.
    fn bury(&mut self, index: usize) -> Result<(), String> {
        let Some(client) = self.clients.get(index) else { return Ok(()) };
        if !client.connection.is_finished() {
            return client.check_alive();
        }
        client.check_ended()?;
        let client = self.clients.remove(index);
        self.server.handle(self.now, News::Gone(client.id));
        self.tasks();
        Ok(())
    }

    /// Nothing new happens any more: jobs finish, transfers end, time passes, and every session must end.
    fn wind_up(&mut self) -> Result<(), String> {
        for round in 0..20_000 {
            if self.clients.is_empty() {
                break;
            }
            let index = round % self.clients.len();
            self.job_done(index);
            self.dial(index);
            self.pump(index)?;
            self.settle(index)?;
            let quiet =
                self.clients.iter().all(|client| client.jobs.is_empty() && client.transfers.is_empty());
            if quiet && round % 7 == 0 {
                self.check_answered()?;
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
        match self.server.balance() {
            (0, 0) if self.server.sessions() == 0 => Ok(()),
            left => Err(format!("leases and waiters left: {left:?}, sessions {}", self.server.sessions())),
        }
    }

    /// No more final replies than commands, at any time.
    fn check_answered(&self) -> Result<(), String> {
        for client in &self.clients {
            if client.answered > client.received {
                return Err(format!("{} replies to {} commands", client.answered, client.received));
            }
        }
        Ok(())
    }
}
