//! Playing a transcript over real sockets, against a server that somebody else runs.

#![expect(clippy::disallowed_types, reason = "this runner is the client on the other side of a real socket")]

use super::play::with_addresses;
use super::script::{Line, Script, Step};
use super::text::{announced_port, escape};
use crate::testing::MemoryStorage;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

/// How long a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(10);

/// Plays `script` against the server whose control port is `server`. The server must run with
/// [`Script::config`] (its passive ports may differ), [`Script::accounts`] and this `storage`, which
/// [`Script::storage`] made. Blocks.
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
    control: TcpStream,
    unread: Vec<u8>,
    port: Option<u16>,
    listener: Option<TcpListener>,
    data: Option<TcpStream>,
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
            control: stream(self.server)?,
            unread: Vec::new(),
            port: None,
            listener: None,
            data: None,
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
            Step::Missing(_) | Step::Verdict(_) | Step::Notice(_) => Ok(()),
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
            step => self.client()?.step(step),
        }
    }
}

impl Client {
    fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Send(bytes) => self.send(bytes),
            Step::Reply(pattern) => {
                let line = self.line()?;
                let server = self.control.peer_addr().map_err(words)?.ip().to_canonical();
                if !pattern.matches(&line, server) {
                    return Err(format!("the server said: {}", escape(&line)));
                }
                if line.starts_with(b"227") || line.starts_with(b"229") {
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
            Step::Connect => self.connect(),
            Step::DataFromServer(bytes) => {
                let mut data = self.data()?;
                let mut received = Vec::new();
                data.read_to_end(&mut received).map_err(words)?;
                if received != *bytes {
                    return Err(format!("received: {}", escape(&received)));
                }
                Ok(())
            }
            Step::DataToServer { bytes, end } => {
                let mut data = self.data()?;
                // A server that refuses the rest (full disk) resets; its reply tells.
                let _ = data.write_all(bytes);
                if *end {
                    let _ = data.shutdown(Shutdown::Write);
                } else {
                    self.data = Some(data);
                }
                Ok(())
            }
            Step::Closed => {
                let mut rest = Vec::new();
                match self.control.read_to_end(&mut rest) {
                    Err(error) if error.kind() != ErrorKind::ConnectionReset => Err(words(error)),
                    _ if self.unread.is_empty() && rest.is_empty() => Ok(()),
                    _ => Err(format!("the server said: {}{}", escape(&self.unread), escape(&rest))),
                }
            }
            other => Err(format!("not a step of one client: {other:?}")),
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.nothing_unexpected()?;
        let wants_listener = bytes.windows(8).any(|window| window == b"{active}")
            || bytes.windows(6).any(|window| window == b"{eprt}");
        let mut bytes = bytes.to_vec();
        if wants_listener {
            let own = self.control.local_addr().map_err(words)?.ip().to_canonical();
            let listener = TcpListener::bind((own, 0)).map_err(words)?;
            bytes = with_addresses(&bytes, listener.local_addr().map_err(words)?).0;
            (self.listener, self.data) = (Some(listener), None);
        }
        self.control.write_all(&bytes).map_err(words)
    }

    /// What has come already must have been expected.
    fn nothing_unexpected(&mut self) -> Result<(), String> {
        self.control.set_nonblocking(true).map_err(words)?;
        let mut buffer = [0; 4096];
        let read = self.control.read(&mut buffer);
        self.control.set_nonblocking(false).map_err(words)?;
        if let Ok(len) = read {
            self.unread.extend_from_slice(buffer.get(..len).unwrap_or_default());
        }
        if self.unread.is_empty() {
            return Ok(());
        }
        Err(format!("the server said what nobody expected: {}", escape(&self.unread)))
    }

    fn line(&mut self) -> Result<Vec<u8>, String> {
        loop {
            if let Some(end) = self.unread.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                let text = line.strip_suffix(b"\r\n").ok_or("a line that does not end with CR LF")?;
                return Ok(text.to_vec());
            }
            let mut buffer = [0; 4096];
            match self.control.read(&mut buffer).map_err(words)? {
                0 => return Err(String::from("the server closed the connection")),
                len => self.unread.extend_from_slice(buffer.get(..len).unwrap_or_default()),
            }
        }
    }

    fn connect(&mut self) -> Result<(), String> {
        let port = self.port.ok_or("no port was announced")?;
        let host: IpAddr = self.control.peer_addr().map_err(words)?.ip();
        self.data = Some(stream(SocketAddr::new(host, port))?);
        Ok(())
    }

    /// The server's connection to the client's listener. While it doesn't come, the control connection is
    /// looked at: the server may say why.
    fn accept(&mut self, listener: &TcpListener) -> Result<TcpStream, String> {
        const LOOKS: u32 = 200;
        listener.set_nonblocking(true).map_err(words)?;
        self.control.set_read_timeout(Some(PATIENCE / LOOKS)).map_err(words)?;
        let mut accepted = Err(String::from("the server does not connect"));
        let mut said = false;
        for _ in 0..LOOKS {
            match listener.accept() {
                Ok((data, _)) => {
                    accepted = Ok(data);
                    break;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(words(error)),
            }
            // A short transfer may be over before the listener was looked at: one more look decides.
            if said {
                accepted = Err(format!("instead of connecting the server said: {}", escape(&self.line()?)));
                break;
            }
            said = self.control.peek(&mut [0]).is_ok();
        }
        self.control.set_read_timeout(Some(PATIENCE)).map_err(words)?;
        let data = accepted?;
        data.set_nonblocking(false).map_err(words)?;
        data.set_read_timeout(Some(PATIENCE)).map_err(words)?;
        Ok(data)
    }

    /// The open data connection, or a new one.
    fn data(&mut self) -> Result<TcpStream, String> {
        if self.data.is_none() {
            match self.listener.take() {
                Some(listener) => {
                    self.data = Some(self.accept(&listener)?);
                    self.listener = Some(listener);
                }
                None => self.connect()?,
            }
        }
        self.data.take().ok_or_else(|| String::from("there is no data connection"))
    }
}

fn stream(address: SocketAddr) -> Result<TcpStream, String> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(words)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(words)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(words)?;
    stream.set_nodelay(true).map_err(words)?;
    Ok(stream)
}

fn words(error: std::io::Error) -> String {
    error.to_string()
}
