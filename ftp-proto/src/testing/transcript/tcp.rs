//! Playing a transcript over real sockets, against a server that somebody else runs.

#![expect(clippy::disallowed_types, reason = "this runner is the client on the other side of a real socket")]

mod socket;

use super::play::with_addresses;
use super::script::{Line, Script, Step};
use super::secure::{ControlTls, DataTls, Ticket, next_ticket};
use super::text::{announced_port, escape, is_announcement};
use crate::testing::{FakeTlsClient, MemoryStorage};
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use socket::Socket;
use std::io::ErrorKind;
use std::net::TcpListener;

/// How long a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it looks around meanwhile.
const LOOKS: u32 = 200;

/// Plays `script` against the server whose control port is `server`. The server must run with
/// [`Script::config`] (its passive ports may differ), [`Script::accounts`], [`Script::tls`] and this `storage`, which
/// [`Script::storage`] made; the port must be one for implicit TLS if [`Script::is_implicit`]. Blocks.
///
/// # Errors
/// As [`Script::run`]; also for a script that [needs hand feeding](Script::needs_hand_feeding).
pub fn run_over_tcp(script: &Script, server: SocketAddr, storage: &MemoryStorage) -> Result<(), String> {
    if script.needs_hand_feeding() {
        return Err(format!("{} can only be played in memory", script.name()));
    }
    let mut player = Player { server, storage, clients: Vec::new(), current: 0 };
    for line in &script.lines {
        let Line { number, source, step } = line;
        player.step(step).map_err(|why| format!("{}:{number}: {why}\n    {source}", script.name()))?;
    }
    player.clients.iter_mut().try_for_each(Client::nothing_unexpected)
}

struct Player<'a> {
    server: SocketAddr,
    storage: &'a MemoryStorage,
    clients: Vec<Client>,
    current: usize,
}

struct Client {
    name: String,
    control: Socket,
    unread: Vec<u8>,
    port: Option<u16>,
    listener: Option<TcpListener>,
    data: Option<Socket>,
    /// How data connections are secured, and another client's ticket if that is to be used.
    data_tls: Option<(DataTls, Option<Vec<u8>>)>,
    tickets: VecDeque<Vec<u8>>,
}

impl Player<'_> {
    fn client(&mut self) -> Result<&mut Client, String> {
        if self.clients.is_empty() {
            self.open("1")?;
        }
        self.clients.get_mut(self.current).ok_or_else(|| String::from("there is no such client"))
    }

    fn open(&mut self, name: &str) -> Result<(), String> {
        self.current = self.clients.len();
        self.clients.push(Client {
            name: String::from(name),
            control: Socket::connect(self.server)?,
            unread: Vec::new(),
            port: None,
            listener: None,
            data: None,
            data_tls: None,
            tickets: VecDeque::new(),
        });
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        let storage = self.storage;
        match step {
            Step::Stored(path, bytes) if storage.contents(path).as_ref() == Some(bytes) => Ok(()),
            Step::Stored(path, _) => {
                Err(format!("it holds {:?}", storage.contents(path).as_deref().map(escape)))
            }
            Step::StoredPart(path, bytes) if storage.part_of(path).as_ref() == Some(bytes) => Ok(()),
            Step::StoredPart(path, _) => {
                Err(format!("it holds {:?}", storage.part_of(path).as_deref().map(escape)))
            }
            Step::Missing(path) if storage.exists(path) => Err(String::from("it is there")),
            // The log is not at hand here.
            Step::Missing(_) | Step::Verdict(_) | Step::Notice(_) | Step::NoNotice(_) => Ok(()),
            Step::On(name, _) => match self.clients.iter().position(|client| client.name == *name) {
                Some(known) => {
                    self.current = known;
                    Ok(())
                }
                None => self.open(name),
            },
            Step::Feed(_) | Step::Wait(_) | Step::Action(_) | Step::NoAction(_) => {
                Err(String::from("this needs hand feeding"))
            }
            Step::Secure(wish) => {
                let ticket = wish.ticket_of.as_ref().map(|name| self.ticket_of(name)).transpose()?;
                self.client()?.secure(wish, ticket)
            }
            Step::DataTls(wish) => {
                let foreign = match wish.as_ref().map(|wish| &wish.ticket) {
                    Some(Ticket::Of(name)) => Some(self.ticket_of(name)?),
                    _ => None,
                };
                self.client()?.data_tls = wish.clone().map(|wish| (wish, foreign));
                Ok(())
            }
            Step::Connect(connect) => {
                let port = match &connect.to {
                    Some(name) => self.named(name)?.port,
                    None => self.client()?.port,
                };
                self.client()?.connect(port)
            }
            step => self.client()?.step(step),
        }
    }

    fn named(&self, name: &str) -> Result<&Client, String> {
        let known = self.clients.iter().find(|client| client.name == name);
        known.ok_or_else(|| format!("there is no client {name}"))
    }

    fn ticket_of(&self, name: &str) -> Result<Vec<u8>, String> {
        let ticket = self.named(name)?.tickets.front().cloned();
        ticket.ok_or_else(|| format!("client {name} has no ticket"))
    }
}

impl Client {
    fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Send(bytes) | Step::SendWhole(bytes) => self.send(bytes),
            Step::LeaveTls { close_notify } => self.control.leave_tls(*close_notify),
            Step::Reply(pattern) => {
                let line = self.line()?;
                let server = self.control.stream.peer_addr().map_err(words)?.ip().to_canonical();
                if !pattern.matches(&line, server) {
                    return Err(format!("the server said: {}", escape(&line)));
                }
                if is_announcement(&line) {
                    (self.port, self.data, self.listener) = (announced_port(&line), None, None);
                }
                Ok(())
            }
            Step::Block(block) => {
                let last = format!("{} ", block.code).into_bytes();
                let mut lines = alloc::vec![self.line()?];
                if !lines.iter().all(|line| line.starts_with(block.code.as_bytes())) {
                    return Err(format!("the server said: {}", escape(&lines.concat())));
                }
                while lines.last().is_some_and(|line| !line.starts_with(&last)) {
                    lines.push(self.line()?);
                }
                block.check(&lines)
            }
            Step::DataFromServer(content) => {
                let mut data = self.data()?;
                let received = data.read_to_end()?;
                self.tickets.extend(data.tls.as_mut().map(FakeTlsClient::take_tickets).unwrap_or_default());
                match data.tls_error {
                    Some(error) => Err(format!("the data connection: {error}")),
                    None => content.check(&received).and_then(|()| data.check_end()),
                }
            }
            Step::DataToServer { bytes, end } => self.data_to_server(bytes, *end),
            Step::DataClosed => {
                let mut data = self.data.take().ok_or("there is no data connection")?;
                let received = data.read_to_end()?;
                received.is_empty().then_some(()).ok_or_else(|| format!("received: {}", escape(&received)))
            }
            Step::Closed => {
                let rest = self.control.read_to_end()?;
                if !self.unread.is_empty() || !rest.is_empty() {
                    return Err(format!("the server said: {}{}", escape(&self.unread), escape(&rest)));
                }
                self.control.check_end()
            }
            other => Err(format!("not a step of one client: {other:?}")),
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.nothing_unexpected()?;
        let wants_listener = bytes.windows(8).any(|window| window == b"{active}")
            || bytes.windows(6).any(|window| window == b"{eprt}" || window == b"{lprt}");
        let mut bytes = bytes.to_vec();
        if wants_listener {
            let own = self.control.stream.local_addr().map_err(words)?.ip().to_canonical();
            let listener = TcpListener::bind((own, 0)).map_err(words)?;
            listener.set_nonblocking(true).map_err(words)?;
            bytes = with_addresses(&bytes, listener.local_addr().map_err(words)?).0;
            (self.listener, self.data) = (Some(listener), None);
        }
        self.control.send(&bytes)
    }

    fn secure(&mut self, wish: &ControlTls, ticket: Option<Vec<u8>>) -> Result<(), String> {
        self.nothing_unexpected()?;
        self.tickets.clear();
        self.control.begin_tls(wish.client(ticket))?;
        self.control.handshake()?;
        if wish.gives_up() {
            self.control.leave_tls(false)?;
        }
        let tls = self.control.tls.as_ref().ok_or("there is no TLS")?;
        wish.check(tls, self.control.tls_error.as_deref())
    }

    fn data_to_server(&mut self, bytes: &[u8], end: bool) -> Result<(), String> {
        let mut data = self.data()?;
        data.handshake()?;
        // A server that refuses the rest (full disk) resets; its reply tells.
        let _ = data.send(bytes);
        if end {
            data.finish(self.data_tls.as_ref().map(|(wish, _)| wish.ending).unwrap_or_default());
        } else {
            self.data = Some(data);
        }
        Ok(())
    }

    /// What has come already must have been expected.
    fn nothing_unexpected(&mut self) -> Result<(), String> {
        let came = self.control.read_now()?;
        self.unread.extend(came);
        if self.unread.is_empty() {
            return Ok(());
        }
        Err(format!("the server said what nobody expected: {}", escape(&self.unread)))
    }

    fn line(&mut self) -> Result<Vec<u8>, String> {
        for _ in 0..LOOKS {
            if let Some(end) = self.unread.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                let text = line.strip_suffix(b"\r\n").ok_or("a line that does not end with CR LF")?;
                return Ok(text.to_vec());
            }
            self.look_at_data()?;
            match self.control.read_within(PATIENCE / LOOKS)? {
                None => return Err(String::from("the server closed the connection")),
                Some(bytes) => self.unread.extend(bytes),
            }
            // Tickets come behind the handshake, before the first reply.
            if let Some(tls) = &mut self.control.tls {
                self.tickets.extend(tls.take_tickets());
            }
        }
        Err(String::from("the server says nothing"))
    }

    /// Whatever is said on the control connection, the server's connection is accepted and a handshake goes on.
    fn look_at_data(&mut self) -> Result<(), String> {
        match (&mut self.data, &self.listener) {
            (Some(data), _) => data.go_on_with_handshake(),
            (None, Some(listener)) => match listener.accept() {
                Ok((data, _)) => self.open_data(Socket::new(data)?),
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
                Err(error) => Err(words(error)),
            },
            (None, None) => Ok(()),
        }
    }

    fn connect(&mut self, port: Option<u16>) -> Result<(), String> {
        let port = port.ok_or("no port was announced")?;
        let host: IpAddr = self.control.stream.peer_addr().map_err(words)?.ip();
        let data = Socket::connect(SocketAddr::new(host, port))?;
        self.open_data(data)
    }

    /// Begins TLS on a new data connection, if it is to be secured.
    fn open_data(&mut self, mut data: Socket) -> Result<(), String> {
        if let Some((wish, foreign)) = &self.data_tls {
            let ticket = foreign.clone().or_else(|| next_ticket(&wish.ticket, &mut self.tickets));
            data.open(wish.open(ticket))?;
        }
        self.data = Some(data);
        Ok(())
    }

    /// Waits for the server's connection to the client's listener. The server may say instead why it does not come.
    fn accept(&mut self) -> Result<(), String> {
        let mut said = false;
        for _ in 0..LOOKS {
            self.look_at_data()?;
            // A short transfer may be over before the listener was looked at: one more look decides.
            if said || self.data.is_some() {
                break;
            }
            said = self.control.has_more(PATIENCE / LOOKS)?;
        }
        if self.data.is_none() {
            return Err(format!("instead of connecting the server said: {}", escape(&self.line()?)));
        }
        Ok(())
    }

    /// The open data connection, or a new one.
    fn data(&mut self) -> Result<Socket, String> {
        if self.data.is_none() && self.listener.is_some() {
            self.accept()?;
        } else if self.data.is_none() {
            self.connect(self.port)?;
        }
        self.data.take().ok_or_else(|| String::from("there is no data connection"))
    }
}

fn words(error: std::io::Error) -> String {
    error.to_string()
}
