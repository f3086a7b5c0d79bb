//! Playing a transcript in memory, against the real [`Server`] and its connections.

use super::client::{ACTIVE_PORT, Client, Cutter, Shared};
use super::script::{Connect, Feed, Line, Script, Step};
use super::text::{announced_port, escape, is_announcement};
use super::world::setting;
use crate::event::{Arrival, Event, LinkError, News, Task};
use crate::notice::Notice;
use crate::testing::MemoryStorage;
use crate::time::{Instant, Now, UnixTime};
use crate::{Admission, Server};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

pub use super::client::Split;

/// More turns than this at one moment mean that something runs in circles.
const TURNS: u32 = 1_000_000;
/// How long a session may take to end when its client is gone.
const LAST_WAIT: Duration = Duration::from_secs(200);
/// How many lines of the conversation a failure shows.
const SHOWN: usize = 12;

impl Script {
    /// Plays it in memory, with the client's bytes cut up as told.
    ///
    /// # Errors
    /// The first thing that was not as written: file, line, what was expected and what came.
    pub fn run(&self, split: Split) -> Result<(), String> {
        let mut player = self.play_all(split)?;
        player.end().map_err(|why| format!("{}: {why} ({split:?})\n{}", self.name(), player.tail()))
    }

    /// Plays all its lines.
    pub(super) fn play_all(&self, split: Split) -> Result<Player<'_>, String> {
        let mut player = Player::new(self, split).map_err(|why| format!("{}: {why}", self.name()))?;
        for line in &self.lines {
            player.step(line).map_err(|why| player.failure(line, split, &why))?;
        }
        Ok(player)
    }

    /// Plays it whole, byte by byte and cut up at random with a few seeds.
    ///
    /// # Errors
    /// As [`run`](Self::run), for the first that fails.
    pub fn run_all(&self) -> Result<(), String> {
        self.run(Split::Whole)?;
        self.run(Split::Bytes)?;
        (1..=4).try_for_each(|seed| self.run(Split::Random(seed)))
    }
}

pub(super) struct Player<'a> {
    pub(super) script: &'a Script,
    pub(super) shared: Shared,
    storage: MemoryStorage,
    pub(super) clients: Vec<Client>,
    pub(super) current: usize,
    notices_seen: usize,
    /// Notices whose verdicts were looked through.
    verdicts_read: usize,
    verdicts: VecDeque<(&'static str, &'static str)>,
    pub(super) next_data_port: u16,
    /// What names stand for by now.
    names: BTreeMap<String, Vec<IpAddr>>,
    conversation: Vec<String>,
}

impl<'a> Player<'a> {
    fn new(script: &'a Script, split: Split) -> Result<Self, String> {
        let storage = script.storage();
        let accounts = Arc::new(script.accounts(&storage));
        let config = Arc::new(script.config().map_err(|error| format!("{error}"))?);
        let now = Now { mono: Instant::from_nanos(1_000_000_000_000), unix: script.world.now };
        let mut server = Server::new(config, accounts, 1);
        server.set_tls(script.tls());
        let shared =
            Shared { server, now, cutter: Cutter::new(split), notices: Vec::new(), panic_next_job: false };
        let mut player = Self {
            script,
            shared,
            storage,
            clients: Vec::new(),
            current: 0,
            notices_seen: 0,
            verdicts_read: 0,
            verdicts: VecDeque::new(),
            next_data_port: 50_000,
            names: script.world.names.clone(),
            conversation: Vec::new(),
        };
        player.settle()?;
        Ok(player)
    }

    fn failure(&self, line: &Line, split: Split, why: &str) -> String {
        let Line { number, source, .. } = line;
        format!("{}:{number}: {why}\n    {source}\n({split:?}) so far:\n{}", self.script.name(), self.tail())
    }

    fn tail(&self) -> String {
        let start = self.conversation.len().saturating_sub(SHOWN);
        let mut tail = String::new();
        for line in self.conversation.get(start..).unwrap_or_default() {
            tail.push_str("    ");
            tail.push_str(line);
            tail.push('\n');
        }
        for client in &self.clients {
            if !client.output.is_empty() {
                tail.push_str(&format!(
                    "    [{}] not expected yet: {}\n",
                    client.name,
                    escape(&client.output)
                ));
            }
        }
        tail
    }

    pub(super) fn client(&mut self) -> Result<&mut Client, String> {
        if self.clients.is_empty() {
            self.open("1", None)?;
        }
        self.clients.get_mut(self.current).ok_or_else(|| String::from("there is no such client"))
    }

    /// Opens a control connection.
    fn open(&mut self, name: &str, peer: Option<SocketAddr>) -> Result<(), String> {
        let mut peer = peer.unwrap_or(self.script.world.peer);
        if self.clients.iter().any(|client| client.peer == peer) {
            peer.set_port(peer.port().wrapping_add(u16::try_from(self.clients.len()).unwrap_or(1)));
        }
        let local = self.script.world.local;
        let mut client = Client::new(name, peer);
        let arrival = Arrival { implicit_tls: self.script.is_implicit(), ..Arrival::new(local, peer) };
        match self.shared.server.admit(self.shared.now, arrival) {
            Admission::Accepted(session, connection) => {
                client.session = Some(session);
                client.connection = Some(connection);
            }
            Admission::Refused(bytes) => {
                client.output = bytes;
                client.finished = true;
            }
        }
        self.current = self.clients.len();
        self.clients.push(client);
        self.settle()
    }

    /// Lets everything happen that can happen at this moment.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        for _ in 0..TURNS {
            let mut moved = self.server_turn()?;
            for client in &mut self.clients {
                moved |= client.settle(&mut self.shared)?;
                let Some(connection) = &mut client.connection else { continue };
                if client.finished {
                    continue;
                }
                match connection.deadline() {
                    None => return Err(String::from("the session is alive and has no deadline")),
                    Some(deadline) if deadline <= self.shared.now.mono => {
                        connection.handle_timeout(self.shared.now);
                        moved = true;
                    }
                    Some(_) => {}
                }
            }
            if !moved {
                self.read_verdicts();
                return Ok(());
            }
        }
        Err(String::from("the machines run in circles"))
    }

    fn server_turn(&mut self) -> Result<bool, String> {
        let mut moved = false;
        if self.shared.server.deadline().is_some_and(|deadline| deadline <= self.shared.now.mono) {
            self.shared.server.handle_timeout(self.shared.now);
            moved = true;
        }
        while let Some(task) = self.shared.server.poll_task() {
            moved = true;
            self.task(task)?;
        }
        Ok(moved)
    }

    fn task(&mut self, task: Task) -> Result<(), String> {
        let now = self.shared.now;
        match task {
            Task::Deliver(session, event) => {
                let client = self.clients.iter_mut().find(|client| client.session == Some(session));
                match (client, event) {
                    (Some(client), Event::Answer(answer)) => client.answer(&mut self.shared, answer),
                    (Some(client), event) => client.handle(&self.shared, event),
                    (None, event) => return Err(format!("news for a session that isn't: {event:?}")),
                }
            }
            Task::OpenPort(0) => {
                self.next_data_port += 1;
                self.shared.server.handle(now, News::PortOpened(self.next_data_port - 20_000));
            }
            Task::OpenPort(port) => match self.script.world.taken.get(&port) {
                Some(reason) => self.shared.server.handle(now, News::PortFailed(port, reason.clone())),
                None => self.shared.server.handle(now, News::PortOpened(port)),
            },
            Task::ClosePort(_) => {}
            Task::LookAround => {
                let networks = self.script.world.networks.clone();
                self.shared.server.handle(now, News::Networks(networks));
            }
            Task::Resolve(name) => {
                let answer = self.names.get(&name).cloned().ok_or_else(|| String::from("not found"));
                self.shared.server.handle(now, News::Resolved(name, answer));
            }
            Task::Notify(notice) => self.shared.notices.push(notice),
        }
        Ok(())
    }

    fn read_verdicts(&mut self) {
        for notice in self.shared.notices.get(self.verdicts_read..).unwrap_or_default() {
            if let Notice::DataConnectionFailed(verdict) = notice {
                self.verdicts.push_back((verdict.kind(), verdict.suspect().id()));
            }
        }
        self.verdicts_read = self.shared.notices.len();
    }

    fn step(&mut self, line: &Line) -> Result<(), String> {
        if line.step.is_of_the_client() {
            self.nothing_unexpected()?;
        }
        self.step_unchecked(&line.step)
    }

    /// Plays a step, whatever was said before.
    pub(super) fn step_unchecked(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Send(bytes) => self.send(bytes),
            Step::Reply(pattern) => {
                let said = self.next_line()?;
                let server = self.script.world.local.ip();
                if !pattern.matches(&said, server) {
                    return Err(differ(pattern.source(), &escape(&said)));
                }
                if is_announcement(&said) {
                    self.announced(&said)?;
                }
                Ok(())
            }
            Step::Block(block) => {
                let mut lines = alloc::vec![self.next_line()?];
                let last = format!("{} ", block.code).into_bytes();
                if !lines.iter().all(|line| line.starts_with(block.code.as_bytes())) {
                    return Err(differ(&block.code, &escape(&lines.concat())));
                }
                while lines.last().is_some_and(|line| !line.starts_with(&last)) {
                    lines.push(self.next_line()?);
                }
                block.check(&lines)
            }
            Step::SendWhole(bytes) => self.send_whole(bytes),
            Step::Secure(wish) => self.secure(wish),
            Step::LeaveTls { close_notify } => self.leave_tls(*close_notify),
            Step::DataTls(wish) => self.set_data_tls(wish.as_ref()),
            Step::Connect(connect) => self.connect(connect),
            Step::DataClosed => self.data_closed(),
            Step::DataFromServer(content) => self.data_from_server(content),
            Step::DataToServer { bytes, end } => self.data_to_server(bytes, *end),
            Step::Stored(path, bytes) => match self.storage.contents(path) {
                Some(found) if found == *bytes => Ok(()),
                Some(found) => Err(differ(&escape(bytes), &escape(&found))),
                None => Err(String::from("there is no such file")),
            },
            Step::StoredPart(path, bytes) => match self.storage.part_of(path) {
                Some(found) if found == *bytes => Ok(()),
                Some(found) => Err(differ(&escape(bytes), &escape(&found))),
                None => Err(String::from("there is no such part")),
            },
            Step::Missing(path) if self.storage.exists(path) => Err(String::from("it is there")),
            Step::Missing(_) => Ok(()),
            Step::Closed => self.closed(),
            Step::Verdict(kind) => match self.verdicts.pop_front() {
                Some((found, _)) if found == *kind => Ok(()),
                Some((found, suspect)) if format!("{found} {suspect}") == *kind => Ok(()),
                Some((found, suspect)) => Err(differ(kind, &format!("{found} {suspect}"))),
                None => Err(String::from("no data connection failed")),
            },
            Step::Notice(prefix) => self.notice(prefix),
            Step::NoNotice(prefix) => self.no_notice(prefix),
            Step::On(name, peer) => match self.clients.iter().position(|client| client.name == *name) {
                Some(known) => {
                    self.current = known;
                    Ok(())
                }
                None => self.open(name, *peer),
            },
            Step::Action(prefix) => {
                let client = self.client()?;
                let new = client.actions.get(client.actions_seen..).unwrap_or_default();
                match new.iter().position(|action| action.starts_with(prefix.as_str())) {
                    Some(index) => {
                        client.actions_seen += index + 1;
                        Ok(())
                    }
                    None => Err(differ(prefix, &new.join("\n              "))),
                }
            }
            Step::NoAction(prefix) => {
                let client = self.client()?;
                let new = client.actions.get(client.actions_seen..).unwrap_or_default();
                match new.iter().find(|action| action.starts_with(prefix.as_str())) {
                    Some(action) => Err(format!("the core asked for: {action}")),
                    None => Ok(()),
                }
            }
            Step::Feed(feed) => self.hand(feed),
            Step::Wait(duration) => self.wait(*duration),
        }
    }

    /// Before something new is told, everything that was said must have been expected.
    fn nothing_unexpected(&mut self) -> Result<(), String> {
        let client = self.client()?;
        if client.output.is_empty() {
            return Ok(());
        }
        Err(format!("the server said what nobody expected: {}", escape(&client.output)))
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        let client = self.client()?;
        if client.finished {
            return Err(String::from("the control connection is closed"));
        }
        let (bytes, active) = with_addresses(bytes, SocketAddr::new(client.peer.ip(), ACTIVE_PORT));
        if active {
            (client.listening, client.data) = (true, None);
        }
        client.say(&bytes)?;
        let said = format!("[{}] C: {}", client.name, escape(&bytes));
        self.conversation.push(said);
        self.settle()
    }

    /// In one segment, however others are cut.
    fn send_whole(&mut self, bytes: &[u8]) -> Result<(), String> {
        let client = self.client()?;
        client.say(bytes)?;
        client.uncut = client.input.len();
        self.settle()
    }

    /// The client knows from this reply where to connect to.
    pub(super) fn announced(&mut self, reply: &[u8]) -> Result<(), String> {
        let client = self.client()?;
        let announced = announced_port(reply);
        (client.port, client.data) = (announced.map(|port| client.port_behind(port)), None);
        Ok(())
    }

    pub(super) fn next_line(&mut self) -> Result<Vec<u8>, String> {
        let client = self.client()?;
        let Some(end) = client.output.iter().position(|&byte| byte == b'\n') else {
            return Err(String::from(if client.finished {
                "the server closed the connection"
            } else {
                "the server says nothing"
            }));
        };
        let line: Vec<u8> = client.output.drain(..=end).collect();
        let said = format!("[{}] S: {}", client.name, escape(&line));
        self.conversation.push(said);
        let text = line.strip_suffix(b"\r\n").ok_or("a line that does not end with CR LF")?;
        if text.contains(&b'\r') {
            return Err(String::from("a CR in the middle of a line"));
        }
        Ok(text.to_vec())
    }

    fn notice(&mut self, prefix: &str) -> Result<(), String> {
        let new = self.shared.notices.get(self.notices_seen..).unwrap_or_default();
        let words: Vec<String> = new.iter().map(|notice| format!("{notice:?}")).collect();
        match words.iter().position(|notice| notice.starts_with(prefix)) {
            Some(index) => {
                self.notices_seen += index + 1;
                Ok(())
            }
            None => Err(differ(prefix, &words.join("\n              "))),
        }
    }

    fn no_notice(&self, prefix: &str) -> Result<(), String> {
        let new = self.shared.notices.get(self.notices_seen..).unwrap_or_default();
        match new.iter().map(|notice| format!("{notice:?}")).find(|notice| notice.starts_with(prefix)) {
            Some(notice) => Err(format!("the log was told: {notice}")),
            None => Ok(()),
        }
    }

    fn hand(&mut self, feed: &Feed) -> Result<(), String> {
        let now = self.shared.now;
        if matches!(feed, Feed::Arrived) {
            return self.connect(&Connect::default());
        }
        self.client()?;
        let current = self.current;
        let client = self.clients.get_mut(current).ok_or("there is no such client")?;
        match feed {
            Feed::Arrived => {}
            Feed::Stranger(address) => {
                let port = client.port.ok_or("no port was announced")?;
                if self.shared.server.route(now, port, *address).is_some() {
                    return Err(String::from("the stranger was let in"));
                }
            }
            Feed::Resolve(name, addresses) => {
                self.names.insert(name.clone(), addresses.clone());
            }
            Feed::Connected => {
                let (link, spec) = client.dialing.take().ok_or("the core did not ask to connect")?;
                client.connected(&self.shared, link, spec);
            }
            Feed::LinkFailed(error) => client.break_link(&self.shared, error.clone())?,
            Feed::Reset => client.break_link(&self.shared, LinkError::Reset)?,
            Feed::PeerClosed => {
                client.leave_tls(false);
                client.handle(&self.shared, Event::PeerClosed);
            }
            Feed::Kick => {
                let session = client.session.ok_or("there is no session")?;
                self.shared.server.kick(now, session);
            }
            Feed::Drain(grace) => self.shared.server.drain(now, *grace),
            Feed::Configure(key, value) => {
                let mut settings = self.script.world.settings.clone();
                setting(&mut settings, key, value)?;
                let config = settings.validate().map_err(|error| format!("{error}"))?;
                self.shared.server.reconfigure(now, Arc::new(config));
            }
            Feed::Panic => self.shared.panic_next_job = true,
            Feed::HoldJobs => client.held_jobs = Some(Vec::new()),
            Feed::RunJobs => client.run_held_jobs(&mut self.shared),
            Feed::Hold(more) => client.budget = Some(*more),
            Feed::Release => client.budget = None,
            Feed::Unread => client.reads = false,
            Feed::Read => client.reads = true,
        }
        self.settle()
    }

    /// Lets time pass, from deadline to deadline.
    fn wait(&mut self, duration: Duration) -> Result<(), String> {
        let target = self.shared.now.mono + duration;
        for _ in 0..TURNS {
            let sessions = self.clients.iter().filter(|client| !client.finished);
            let deadlines = sessions.filter_map(|client| client.connection.as_ref()?.deadline());
            let next = deadlines.chain(self.shared.server.deadline()).min();
            let next = next.filter(|next| *next <= target).unwrap_or(target);
            self.advance(next);
            self.settle()?;
            if next == target {
                return Ok(());
            }
        }
        Err(String::from("the deadlines do not move on"))
    }

    fn advance(&mut self, to: Instant) {
        let now = &mut self.shared.now;
        let passed = to.duration_since(now.mono);
        let nanos = u64::from(now.unix.nanos) + u64::from(passed.subsec_nanos());
        let seconds = passed.as_secs() + nanos / 1_000_000_000;
        now.unix = UnixTime {
            seconds: now.unix.seconds + i64::try_from(seconds).unwrap_or(0),
            nanos: u32::try_from(nanos % 1_000_000_000).unwrap_or(0),
        };
        now.mono = now.mono.max(to);
        self.storage.set_now(now.unix);
    }

    /// Nothing may be left over, and every session must end when its client goes.
    fn end(&mut self) -> Result<(), String> {
        for client in &self.clients {
            if !client.output.is_empty() {
                return Err(format!("the server said more at the end: {}", escape(&client.output)));
            }
            if !client.input.is_empty() && !client.finished {
                return Err(format!("the server did not read: {}", escape(&client.input)));
            }
        }
        if let Some((kind, suspect)) = self.verdicts.pop_front() {
            return Err(format!("a data connection failed and no line says so: verdict {kind} {suspect}"));
        }
        for client in &mut self.clients {
            client.reads = true;
            client.handle(&self.shared, Event::PeerClosed);
        }
        self.settle()?;
        self.wait(LAST_WAIT)?;
        if self.clients.iter().any(|client| !client.finished) {
            return Err(String::from("a session does not end when its client is gone"));
        }
        match self.shared.server.sessions() {
            0 => Ok(()),
            count => Err(format!("the server still counts {count} sessions")),
        }
    }
}

pub(super) fn differ(wanted: &str, found: &str) -> String {
    format!("not as written\n    expected: {wanted}\n    came:     {found}")
}

/// Puts the address of a client's listener for `{active}` (PORT), `{eprt}` (EPRT) and `{lprt}` (LPRT).
pub(super) fn with_addresses(bytes: &[u8], listener: SocketAddr) -> (Vec<u8>, bool) {
    let [high, low] = listener.port().to_be_bytes();
    let host = format!("{}", listener.ip()).replace('.', ",");
    let family = if matches!(listener.ip(), IpAddr::V4(_)) { 1 } else { 2 };
    let active = format!("{host},{high},{low}");
    let eprt = format!("|{family}|{}|{}|", listener.ip(), listener.port());
    let (bytes, first) = replace(bytes, b"{active}", active.as_bytes());
    let (bytes, second) = replace(&bytes, b"{eprt}", eprt.as_bytes());
    let octets = match listener.ip() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let family = if octets.len() == 4 { 4 } else { 6 };
    let host: Vec<String> = octets.iter().map(u8::to_string).collect();
    let lprt = format!("{family},{},{},2,{high},{low}", octets.len(), host.join(","));
    let (bytes, third) = replace(&bytes, b"{lprt}", lprt.as_bytes());
    (bytes, first || second || third)
}

fn replace(bytes: &[u8], token: &[u8], with: &[u8]) -> (Vec<u8>, bool) {
    let mut out = Vec::new();
    let mut found = false;
    let mut rest = bytes;
    while let Some(at) = rest.windows(token.len()).position(|window| window == token) {
        out.extend_from_slice(rest.get(..at).unwrap_or_default());
        out.extend_from_slice(with);
        rest = rest.get(at + token.len()..).unwrap_or_default();
        found = true;
    }
    out.extend_from_slice(rest);
    (out, found)
}
