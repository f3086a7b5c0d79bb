//! A small client that does exactly what it is told.

use crate::tls::Secured;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// How long a test waits for anything that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A connection with deadlines.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// A connection from an address of one's own choice.
pub(crate) fn connect_from(own: [u8; 4], address: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((own, 0)).into()).unwrap();
    socket.connect(&address.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Ends a connection with a reset.
pub(crate) fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
}

/// Reads to the end; a reset is an end, too.
pub(crate) fn read_all(mut stream: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("no end: {error}"),
        _ => bytes,
    }
}

/// Looks again and again until it is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "it never happened: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Bytes that are not the same everywhere.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len as u64).map(|number| (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

pub(crate) struct Client {
    pub(crate) control: TcpStream,
    /// The control connection under TLS.
    pub(crate) secured: Option<Secured>,
    unread: Vec<u8>,
}

impl Client {
    /// Connects and reads the greeting.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::greeted(connect(address))
    }

    /// Goes on with a connection whose greeting was not read yet.
    pub(crate) fn greeted(control: TcpStream) -> Self {
        let mut client = Self::silent(control);
        client.expect("220");
        client
    }

    /// Goes on with a connection on which nothing was said yet.
    pub(crate) fn silent(control: TcpStream) -> Self {
        Self { control, secured: None, unread: Vec::new() }
    }

    pub(crate) fn log_in(&mut self) {
        self.command("USER anonymous", "331");
        self.command("PASS me@example.org", "230");
        self.command("TYPE I", "200");
    }

    pub(crate) fn own_ip(&self) -> IpAddr {
        self.control.local_addr().unwrap().ip()
    }

    pub(crate) fn say(&mut self, line: &str) {
        let line = format!("{line}\r\n");
        match &mut self.secured {
            None => self.control.write_all(line.as_bytes()),
            Some(secured) => secured.send(line.as_bytes()),
        }
        .unwrap();
    }

    /// The next line; `None` at the end.
    pub(crate) fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Some(String::from_utf8(line).unwrap().trim_end().to_owned());
            }
            let mut buffer = [0; 4096];
            if let Some(secured) = &mut self.secured {
                self.unread.append(&mut secured.receive().unwrap()?);
                continue;
            }
            match self.control.read(&mut buffer) {
                Ok(0) => return None,
                Ok(count) => self.unread.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no reply: {error}"),
            }
        }
    }

    /// All lines of the next reply, joined; it must have this code.
    pub(crate) fn expect(&mut self, code: &str) -> String {
        let mut reply = String::new();
        loop {
            let line = self.line().unwrap_or_else(|| panic!("the end instead of {code} (after {reply:?})"));
            reply.push_str(&line);
            let last = line.as_bytes().get(3) == Some(&b' ') && !line.starts_with(' ');
            if last {
                assert!(line.starts_with(code), "{code} expected: {reply}");
                return reply;
            }
            reply.push('\n');
        }
    }

    /// The final reply to a transfer command; the 150 may come before it or not.
    pub(crate) fn expect_after_mark(&mut self, code: &str) -> String {
        let first = self.expect("");
        if !first.starts_with('1') {
            assert!(first.starts_with(code), "{code} expected: {first}");
            return first;
        }
        self.expect(code)
    }

    pub(crate) fn command(&mut self, line: &str, code: &str) -> String {
        self.say(line);
        self.expect(code)
    }

    /// The session has ended.
    pub(crate) fn expect_end(&mut self) {
        assert_eq!(self.line(), None);
    }

    /// Nothing comes for this long.
    pub(crate) fn expect_silence(&mut self, time: Duration) {
        self.control.set_read_timeout(Some(time)).unwrap();
        let mut buffer = [0; 256];
        let read = self.control.read(&mut buffer);
        self.control.set_read_timeout(Some(PATIENCE)).unwrap();
        match read {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            other => panic!("silence expected: {other:?} {}", String::from_utf8_lossy(&buffer)),
        }
    }

    /// The port in the reply to EPSV.
    pub(crate) fn epsv(&mut self) -> SocketAddr {
        self.say("EPSV");
        self.expect_epsv()
    }

    /// The same, when the command was sent already.
    pub(crate) fn expect_epsv(&mut self) -> SocketAddr {
        let reply = self.expect("229");
        let port = reply.split('|').nth(3).unwrap().parse().unwrap();
        SocketAddr::new(self.control.peer_addr().unwrap().ip(), port)
    }

    /// The address in the reply to PASV.
    pub(crate) fn pasv(&mut self) -> SocketAddr {
        let reply = self.command("PASV", "227");
        let numbers = reply.split(['(', ')']).nth(1).unwrap();
        let numbers: Vec<u8> = numbers.split(',').map(|number| number.parse().unwrap()).collect();
        let &[a, b, c, d, high, low] = numbers.as_slice() else { panic!("six numbers: {reply}") };
        SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low])))
    }

    /// A passive data connection.
    pub(crate) fn passive(&mut self) -> TcpStream {
        connect(self.epsv())
    }

    /// A listener the server was told of with EPRT.
    pub(crate) fn active(&mut self) -> TcpListener {
        let listener = TcpListener::bind((self.own_ip(), 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let family = if address.is_ipv4() { 1 } else { 2 };
        self.command(&format!("EPRT |{family}|{}|{}|", address.ip(), address.port()), "200");
        listener
    }

    /// A transfer to the client over a passive connection.
    pub(crate) fn fetch(&mut self, command: &str) -> Vec<u8> {
        let data = self.passive();
        self.fetch_over(&data, command)
    }

    /// A transfer to the client over this connection.
    pub(crate) fn fetch_over(&mut self, data: &TcpStream, command: &str) -> Vec<u8> {
        self.command(command, "150");
        let bytes = read_all(data);
        self.expect("226");
        bytes
    }

    /// A transfer to the server over a passive connection.
    pub(crate) fn store(&mut self, command: &str, bytes: &[u8]) {
        let data = self.passive();
        self.store_over(&data, command, bytes);
    }

    /// A transfer to the server over this connection.
    pub(crate) fn store_over(&mut self, mut data: &TcpStream, command: &str, bytes: &[u8]) {
        self.command(command, "150");
        data.write_all(bytes).unwrap();
        data.shutdown(Shutdown::Write).unwrap();
        self.expect("226");
    }
}
