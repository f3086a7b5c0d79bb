//! A small client, and a storage on disk that writes in place.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub mod disk;

use ftp_proto::account::Rights;
use ftp_proto::config::{Limits, Passive, PassivePorts, Settings};
use ftp_proto::host::Accounts;
use ftp_proto::notice::Observer;
use ftp_proto::testing::{MemoryAccounts, MemoryStorage};
use ftp_sync::{Options, Running};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn settings(ports: u16) -> Settings {
    let passive = Passive { ports: PassivePorts::Auto(ports), ..Passive::default() };
    // All clients have one address here, and hundreds come at the same time.
    let limits = Limits { unauthenticated_per_address: 1_000, ..Limits::default() };
    Settings { passive, limits, ..Settings::default() }
}

/// A server on loopback, on ports of its own.
pub fn serve(settings: Settings, accounts: impl Accounts + 'static, observer: Arc<dyn Observer>) -> Running {
    let options = Options {
        control: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
        observer,
        ..Options::new(Arc::new(settings.validate().unwrap()), Arc::new(accounts))
    };
    ftp_sync::start(options).unwrap()
}

/// A server for this tree: everybody may do everything.
pub fn serve_memory(storage: &MemoryStorage, ports: u16) -> Running {
    serve(settings(ports), open_to_all(storage), Arc::new(()))
}

pub fn open_to_all(storage: &MemoryStorage) -> MemoryAccounts {
    MemoryAccounts::new().anonymous(storage.account("anonymous", Rights::ALL))
}

/// Looks again and again until it is so.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "it never happened: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect_timeout(&address, PATIENCE).unwrap()
}

pub struct Client {
    pub control: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    /// Connects and reads the greeting.
    pub fn connect(server: &Running) -> Self {
        Self::connect_to(*server.control_addrs().first().unwrap())
    }

    pub fn connect_to(address: SocketAddr) -> Self {
        let control = connect(address);
        control.set_read_timeout(Some(PATIENCE)).unwrap();
        control.set_nodelay(true).unwrap();
        let mut client = Self { control, unread: Vec::new() };
        client.expect("220");
        client
    }

    pub fn login(server: &Running) -> Self {
        let mut client = Self::connect(server);
        client.log_in();
        client
    }

    pub fn log_in(&mut self) {
        self.say("USER anonymous");
        self.expect("331");
        self.command("PASS me@example.org", "230");
        self.command("TYPE I", "200");
    }

    pub fn say(&mut self, line: &str) {
        self.control.write_all(format!("{line}\r\n").as_bytes()).unwrap();
    }

    /// The next line; `None` at the end.
    pub fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Some(String::from_utf8(line).unwrap().trim_end().to_owned());
            }
            let mut buffer = [0; 1024];
            match self.control.read(&mut buffer) {
                Ok(count) if count > 0 => self.unread.extend_from_slice(&buffer[..count]),
                Ok(_) => return None,
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no reply: {error}"),
            }
        }
    }

    /// What one read gives.
    pub fn one_read(&mut self) -> String {
        assert!(self.unread.is_empty());
        let mut buffer = [0; 1024];
        let count = self.control.read(&mut buffer).unwrap();
        String::from_utf8(buffer[..count].to_vec()).unwrap()
    }

    pub fn expect(&mut self, code: &str) -> String {
        loop {
            let line = self.line().unwrap_or_else(|| panic!("the end instead of {code}"));
            if line.as_bytes().get(3) == Some(&b' ') {
                assert!(line.starts_with(code), "{code} expected: {line}");
                return line;
            }
        }
    }

    pub fn command(&mut self, line: &str, code: &str) -> String {
        self.say(line);
        self.expect(code)
    }

    /// The passive port for the next transfer.
    pub fn passive_port(&mut self) -> u16 {
        let reply = self.command("EPSV", "229");
        reply.split('|').nth(3).unwrap().parse().unwrap()
    }

    pub fn passive(&mut self) -> TcpStream {
        let address = SocketAddr::new(self.control.peer_addr().unwrap().ip(), self.passive_port());
        let data = connect(address);
        data.set_read_timeout(Some(PATIENCE)).unwrap();
        data
    }

    /// Asks the server to connect here.
    pub fn active(&mut self) -> TcpListener {
        let listener = TcpListener::bind((self.control.local_addr().unwrap().ip(), 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let family = if address.is_ipv4() { 1 } else { 2 };
        self.command(&format!("EPRT |{family}|{}|{}|", address.ip(), address.port()), "200");
        listener
    }

    /// A transfer to the client.
    pub fn fetch(&mut self, command: &str) -> Vec<u8> {
        let mut data = self.passive();
        self.say(command);
        self.finish_fetch(&mut data)
    }

    pub fn finish_fetch(&mut self, data: &mut TcpStream) -> Vec<u8> {
        self.expect("150");
        let mut bytes = Vec::new();
        data.read_to_end(&mut bytes).unwrap();
        self.expect("226");
        bytes
    }

    /// A transfer to the server.
    pub fn store(&mut self, command: &str, bytes: &[u8]) {
        let mut data = self.passive();
        self.command(command, "150");
        data.write_all(bytes).unwrap();
        data.shutdown(Shutdown::Write).unwrap();
        self.expect("226");
    }
}

/// Bytes that are not the same everywhere.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len as u64).map(|number| (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}
