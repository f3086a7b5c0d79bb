//! The simulated world: real `Server`, `Connection` and `Pipe`, everything else made up from one source of
//! choices, a seed or a fuzzer's bytes. Time jumps, the network splits and delays and breaks, jobs finish late
//! or fail, clients are rude, strangers come to passive ports. After each step the invariants are checked.

mod choices;

pub use choices::Choices;
use choices::{LINES, LOGINS, TRANSFERS};

use super::{MemoryAccounts, MemoryStorage};
use crate::account::Rights;
use crate::config::{Active, Limits, Passive, PassivePorts, Settings, Timeouts};
use crate::event::{
    Action, Answer, Arrival, Event, Job, LinkError, LinkId, Message, News, SessionId, Task, Ticket,
    TransferId,
};
use crate::notice::Notice;
use crate::time::{Instant, Now, UnixTime};
use crate::transfer::{Direction, EndReason, Pipe, Step};
use crate::{Admission, Connection, Server};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

/// One client and the adapter's half of its session.
struct Client {
    id: SessionId,
    connection: Box<Connection>,
    peer: SocketAddr,
    /// Sent by the client and not yet received.
    to_server: VecDeque<u8>,
    commands_left: usize,
    /// Commands whose line is complete on the server's side, and final replies that came.
    received: usize,
    answered: usize,
    saw_421: bool,
    reply: Vec<u8>,
    in_block: Option<Vec<u8>>,
    announced: Option<u16>,
    watched: Option<(LinkId, u16)>,
    sockets: Vec<LinkId>,
    dialled: Vec<LinkId>,
    jobs: Vec<(Ticket, Job)>,
    transfers: Vec<Transfer>,
    finished: BTreeMap<u32, Vec<u8>>,
    ended: Vec<(TransferId, Vec<u8>)>,
}

/// A transfer in the adapter's hands.
struct Transfer {
    id: TransferId,
    link: LinkId,
    pipe: Box<Pipe>,
    /// What crossed the socket.
    bytes: Vec<u8>,
    /// What the client still has to send.
    to_send: VecDeque<u8>,
    aborted: bool,
}

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

impl<'a> World<'a> {
    fn new(mut choices: Choices<'a>) -> Self {
        let first = 2_000;
        let ports = u16::try_from(choices.below(3)).unwrap_or(0);
        let settings = Settings {
            passive: Passive { ports: PassivePorts::Range(first..=first + ports), ..Passive::default() },
            active: Active { enabled: true, source_port: None },
            limits: Limits { login_delay: Duration::from_millis(500), ..Limits::default() },
            timeouts: Timeouts::default(),
            notify_commands: choices.one_in(2),
            ..Settings::default()
        };
        let storage = Arc::new(
            MemoryStorage::new()
                .file("/a", "alpha")
                .file("/b", "")
                .file("/log", "x")
                .file("/big", alloc::vec![7u8; 300_000])
                .dir("/up"),
        );
        let accounts = MemoryAccounts::new().user("u", "p", storage.account("u", Rights::ALL));
        let config = settings.validate().unwrap_or_default();
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
        let Admission::Accepted(id, connection) = self.server.admit(self.now, Arrival { local, peer }) else {
            return Err("an ordinary client was refused".to_string());
        };
        let commands_left = 5 + self.choices.below(30);
        let mut client = Client {
            id,
            connection,
            peer,
            to_server: VecDeque::new(),
            commands_left,
            received: 0,
            answered: 0,
            saw_421: false,
            reply: Vec::new(),
            in_block: None,
            announced: None,
            watched: None,
            sockets: Vec::new(),
            dialled: Vec::new(),
            jobs: Vec::new(),
            transfers: Vec::new(),
            finished: BTreeMap::new(),
            ended: Vec::new(),
        };
        client.to_server.extend(b"USER u\r\nPASS p\r\n");
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
            14 => self.time_passes(),
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
    fn time_passes(&mut self) {
        let deadlines = self.clients.iter().filter_map(|client| client.connection.deadline());
        let Some(next) = deadlines.chain(self.server.deadline()).min() else { return };
        if self.choices.one_in(12) {
            self.now.mono = self.now.mono.max(next);
        }
        for client in &mut self.clients {
            client.connection.handle_timeout(self.now);
        }
        self.server.handle_timeout(self.now);
        self.tasks();
    }

    fn something_rare(&mut self, index: usize) {
        let Self { choices, clients, now, server, .. } = self;
        let Some(client) = clients.get_mut(index) else { return };
        match choices.below(300) {
            0 => client.connection.handle(*now, Event::PeerClosed),
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
            // Stale and foreign news must do no harm.
            4 => client.connection.handle(*now, Event::Arrived(LinkId(9_999), client.peer)),
            5 => client.connection.handle(*now, Event::Moved(TransferId(9_999), 1)),
            6 => client.connection.handle(*now, Event::Answer(Answer::NoPort { link: LinkId(9_999) })),
            7 => {
                client.connection.handle(*now, Event::Message(Message::Stranger(LinkId(9_999), client.peer)))
            }
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
            Action::Notify(_) => {}
        }
        Ok(())
    }

    /// A session that has ended is taken out; what it held comes back.
    fn bury(&mut self, index: usize) -> Result<(), String> {
        let Some(client) = self.clients.get(index) else { return Ok(()) };
        if !client.connection.is_finished() {
            return match client.connection.deadline() {
                Some(_) => Ok(()),
                None => Err(format!("alive without a deadline: {:?}", client.connection)),
            };
        }
        if !client.transfers.iter().all(|transfer| transfer.aborted) {
            return Err("finished while a transfer runs".to_string());
        }
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
                self.server.handle_timeout(self.now);
                self.tasks();
                for index in (0..self.clients.len()).rev() {
                    if let Some(client) = self.clients.get_mut(index) {
                        client.connection.handle_timeout(self.now);
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

fn check_transfer(
    client: &mut Client,
    record: &crate::notice::TransferRecord,
    storage: &MemoryStorage,
) -> Result<(), String> {
    let Some((_, bytes)) = client.ended.pop() else {
        return Err(format!("{} of {} complete, but no transfer has ended", record.verb, record.path));
    };
    if record.bytes != bytes.len() as u64 {
        return Err(format!(
            "{} {}: {} bytes recorded, {} crossed",
            record.verb,
            record.path,
            record.bytes,
            bytes.len()
        ));
    }
    let stored = storage.contents(record.path.as_bytes()).unwrap_or_default();
    let right = match record.verb {
        "RETR" => stored.ends_with(&bytes),
        // Its name was never used before.
        "STOR" => stored == bytes || stored.len() > bytes.len(),
        _ => true,
    };
    if right { Ok(()) } else { Err(format!("{} {}: the bytes differ", record.verb, record.path)) }
}

impl Client {
    /// Takes up to `count` bytes of replies and checks how they are cut into writes.
    fn read_replies(&mut self, now: Now, mut count: usize) -> Result<(), String> {
        while count > 0 && !self.connection.transmit().is_empty() {
            let shown = self.connection.transmit().to_vec();
            let lines: Vec<&[u8]> = shown.split_inclusive(|&byte| byte == b'\n').collect();
            let passive = |line: &&[u8]| line.starts_with(b"227 ") || line.starts_with(b"229 ");
            if lines.len() > 1 && lines.iter().any(passive) {
                return Err(format!("not alone in its write: {}", String::from_utf8_lossy(&shown)));
            }
            let taken = shown.len().min(count);
            count -= taken;
            self.connection.transmitted(now, taken);
            for &byte in shown.get(..taken).unwrap_or_default() {
                self.reply.push(byte);
                if byte == b'\n' {
                    let line = core::mem::take(&mut self.reply);
                    self.reply_line(&line)?;
                }
            }
        }
        Ok(())
    }

    fn reply_line(&mut self, line: &[u8]) -> Result<(), String> {
        if !line.ends_with(b"\r\n") || line.iter().filter(|&&byte| matches!(byte, b'\r' | b'\n')).count() != 2
        {
            return Err(format!("bare line end in a reply: {:?}", String::from_utf8_lossy(line)));
        }
        let (Some(code), Some(&mark)) = (line.get(..3), line.get(3)) else {
            return Err("a short reply".to_string());
        };
        if let Some(open) = &self.in_block {
            if code == open.as_slice() && mark == b' ' {
                self.in_block = None;
                self.final_reply(line);
            } else if line.first() != Some(&b' ') {
                return Err(format!("a line in a block: {}", String::from_utf8_lossy(line)));
            }
            return Ok(());
        }
        match (code, mark) {
            ([b'1'..=b'5', b'0'..=b'9', b'0'..=b'9'], b'-') => self.in_block = Some(code.to_vec()),
            ([b'1', ..], b' ') => {}
            ([b'2'..=b'5', b'0'..=b'9', b'0'..=b'9'], b' ') => self.final_reply(line),
            _ => return Err(format!("not a reply: {}", String::from_utf8_lossy(line))),
        }
        if self.answered > self.received && !self.saw_421 {
            return Err(format!("{} replies to {} commands", self.answered, self.received));
        }
        Ok(())
    }

    fn final_reply(&mut self, line: &[u8]) {
        if line.starts_with(b"220 Welcome.") {
            return;
        }
        if line.starts_with(b"421 ") {
            self.saw_421 = true;
            return;
        }
        self.answered += 1;
        let text = String::from_utf8_lossy(line);
        if let Some(numbers) =
            text.strip_prefix("227 Entering Passive Mode (").and_then(|rest| rest.split_once(')'))
        {
            let fields: Vec<u16> = numbers.0.split(',').filter_map(|field| field.parse().ok()).collect();
            if let [_, _, _, _, high, low] = fields.as_slice() {
                self.announced = Some(high * 256 + low);
            }
        }
        if let Some(rest) = text.strip_prefix("229 Entering Extended Passive Mode (|||") {
            self.announced = rest.split('|').next().and_then(|port| port.parse().ok());
        }
    }
}
