//! A client that does what it is told, and gives errors back: many of these tests want it to fail.

use crate::server::{PASSWORD, USER};
use crate::tls::{self, Secured};
use rustls::ClientConfig;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Far more than any answer takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A connection, in the clear or under TLS.
pub(crate) enum Wire {
    Plain(TcpStream),
    Secure(Box<Secured>),
}

impl Wire {
    pub(crate) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Secure(secured) => &secured.sock,
        }
    }

    /// Says that nothing more comes, and hears that from the other side.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        if let Self::Secure(secured) = &mut self {
            secured.conn.send_close_notify();
            secured.flush()?;
        }
        self.socket().shutdown(Shutdown::Write)?;
        self.read(&mut [0]).map(|_| ())
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Secure(secured) => secured.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Secure(secured) => secured.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Secure(secured) => secured.flush(),
        }
    }
}

/// A connection with deadlines.
pub(crate) fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    connect_from(Ipv4Addr::UNSPECIFIED, address)
}

/// A connection from this address.
pub(crate) fn connect_from(own: Ipv4Addr, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((own, 0)).into())?;
    socket.connect_timeout(&address.into(), PATIENCE)?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Ends a connection with a reset.
pub(crate) fn reset(stream: &TcpStream) {
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// Looks again and again until it is so.
pub(crate) fn eventually(what: &str, patience: Duration, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < patience, "it never happened: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The last line of a reply, and its code.
pub(crate) type Reply = (u16, String);

/// A control connection.
pub(crate) struct Client {
    wire: Option<Wire>,
    unread: Vec<u8>,
    own: Ipv4Addr,
    server: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
}

impl Client {
    /// Connects and reads the greeting.
    pub(crate) fn try_connect(own: Ipv4Addr, server: SocketAddr) -> io::Result<Self> {
        let wire = Some(Wire::Plain(connect_from(own, server)?));
        let mut client = Self { wire, unread: Vec::new(), own, server, tls: None };
        client.wanted("the greeting", 220)?;
        Ok(client)
    }

    /// Connects and logs in as [`USER`].
    pub(crate) fn try_login(own: Ipv4Addr, server: SocketAddr) -> io::Result<Self> {
        let mut client = Self::try_connect(own, server)?;
        client.enter()?;
        Ok(client)
    }

    /// The same, in a test that needs it.
    pub(crate) fn login(server: SocketAddr) -> Self {
        Self::login_from(Ipv4Addr::LOCALHOST, server)
    }

    pub(crate) fn login_from(own: Ipv4Addr, server: SocketAddr) -> Self {
        Self::try_login(own, server).unwrap_or_else(|why| panic!("no login: {why}"))
    }

    /// Connects and logs in under TLS, with data connections under TLS.
    pub(crate) fn try_login_securely(own: Ipv4Addr, server: SocketAddr) -> io::Result<Self> {
        let mut client = Self::try_connect(own, server)?;
        client.try_expect("AUTH TLS", 234)?;
        let config = tls::config();
        if let Some(Wire::Plain(stream)) = client.wire.take() {
            client.wire = Some(Wire::Secure(Box::new(tls::begin(&config, stream)?)));
        }
        client.tls = Some(config);
        client.enter()?;
        client.try_expect("PBSZ 0", 200)?;
        client.try_expect("PROT P", 200)?;
        Ok(client)
    }

    /// Either.
    pub(crate) fn login_somehow(server: SocketAddr, secure: bool) -> Self {
        let own = Ipv4Addr::LOCALHOST;
        let client =
            if secure { Self::try_login_securely(own, server) } else { Self::try_login(own, server) };
        client.unwrap_or_else(|why| panic!("no login: {why}"))
    }

    fn enter(&mut self) -> io::Result<()> {
        self.try_expect(&format!("USER {USER}"), 331)?;
        self.try_expect(&format!("PASS {PASSWORD}"), 230)?;
        self.try_expect("TYPE I", 200)?;
        Ok(())
    }

    fn wire(&mut self) -> io::Result<&mut Wire> {
        self.wire.as_mut().ok_or_else(|| ErrorKind::NotConnected.into())
    }

    /// The control connection's socket.
    pub(crate) fn socket(&self) -> &TcpStream {
        self.wire.as_ref().expect("it is connected").socket()
    }

    /// Sends without waiting for a reply.
    pub(crate) fn send(&mut self, line: &str) -> io::Result<()> {
        self.send_raw(format!("{line}\r\n").as_bytes())
    }

    /// The same for bytes that are no line.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        let wire = self.wire()?;
        wire.write_all(bytes)?;
        wire.flush()
    }

    /// The next reply.
    pub(crate) fn reply(&mut self) -> io::Result<Reply> {
        loop {
            while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                if let (Some(Ok(code)), Some(b' ')) = (line.get(..3).map(str::parse), line.as_bytes().get(3))
                {
                    return Ok((code, line));
                }
            }
            let mut buffer = [0; 4096];
            let count = self.wire()?.read(&mut buffer)?;
            if count == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.unread.extend_from_slice(&buffer[..count]);
        }
    }

    pub(crate) fn try_command(&mut self, line: &str) -> io::Result<Reply> {
        self.send(line)?;
        self.reply()
    }

    pub(crate) fn try_expect(&mut self, line: &str, code: u16) -> io::Result<String> {
        self.send(line)?;
        self.wanted(line, code)
    }

    /// Reads a reply; another code is an error.
    pub(crate) fn wanted(&mut self, to: &str, code: u16) -> io::Result<String> {
        match self.reply()? {
            (got, text) if got == code => Ok(text),
            (_, text) => Err(io::Error::other(format!("{to}: {text}"))),
        }
    }

    pub(crate) fn command(&mut self, line: &str) -> Reply {
        self.try_command(line).unwrap_or_else(|why| panic!("no reply to {line}: {why}"))
    }

    pub(crate) fn expect(&mut self, line: &str, code: u16) -> String {
        self.try_expect(line, code).unwrap_or_else(|why| panic!("{line}: {why}"))
    }

    pub(crate) fn expect_reply(&mut self, to: &str, code: u16) -> String {
        self.wanted(to, code).unwrap_or_else(|why| panic!("{to}: {why}"))
    }

    /// Sends what no server knows, and reads all up to its answer: the replies to whatever was sent before.
    pub(crate) fn settle(&mut self) -> io::Result<Vec<Reply>> {
        self.send("HELP NOBODY-KNOWS-THIS")?;
        let mut replies = Vec::new();
        loop {
            match self.reply()? {
                (501, text) if text.contains("There is no such command here") => return Ok(replies),
                reply => replies.push(reply),
            }
        }
    }

    /// How long the answer to NOOP takes.
    pub(crate) fn noop(&mut self) -> Duration {
        let begin = Instant::now();
        self.expect("NOOP", 200);
        begin.elapsed()
    }

    /// The address of a passive port.
    pub(crate) fn try_passive_port(&mut self) -> io::Result<SocketAddr> {
        let text = self.try_expect("EPSV", 229)?;
        let port = text.split("(|||").nth(1).and_then(|rest| rest.split('|').next());
        let port = port.and_then(|port| port.parse().ok()).ok_or_else(|| io::Error::other(text.clone()))?;
        Ok(SocketAddr::new(self.server.ip(), port))
    }

    /// A passive data connection, in the clear as yet.
    pub(crate) fn try_dial(&mut self) -> io::Result<TcpStream> {
        let address = self.try_passive_port()?;
        connect_from(self.own, address)
    }

    /// Begins a transfer: up to its 150, and with TLS if this client has it. The second is the text of the 150.
    pub(crate) fn try_begin(&mut self, line: &str) -> io::Result<(Wire, String)> {
        let data = self.try_dial()?;
        let text = self.try_expect(line, 150)?;
        Ok((self.secure(data)?, text))
    }

    pub(crate) fn secure(&self, data: TcpStream) -> io::Result<Wire> {
        match &self.tls {
            Some(config) => Ok(Wire::Secure(Box::new(tls::begin(config, data)?))),
            None => Ok(Wire::Plain(data)),
        }
    }

    pub(crate) fn begin(&mut self, line: &str) -> (Wire, String) {
        self.try_begin(line).unwrap_or_else(|why| panic!("{line}: {why}"))
    }

    /// Downloads or lists.
    pub(crate) fn try_fetch(&mut self, line: &str) -> io::Result<Vec<u8>> {
        let (mut data, _) = self.try_begin(line)?;
        let mut bytes = Vec::new();
        data.read_to_end(&mut bytes)?;
        drop(data);
        self.wanted(line, 226)?;
        Ok(bytes)
    }

    pub(crate) fn fetch(&mut self, line: &str) -> Vec<u8> {
        self.try_fetch(line).unwrap_or_else(|why| panic!("{line}: {why}"))
    }

    /// Uploads.
    pub(crate) fn try_store(&mut self, line: &str, bytes: &[u8]) -> io::Result<()> {
        let (mut data, _) = self.try_begin(line)?;
        data.write_all(bytes)?;
        data.finish()?;
        self.wanted(line, 226)?;
        Ok(())
    }

    pub(crate) fn store(&mut self, line: &str, bytes: &[u8]) {
        self.try_store(line, bytes).unwrap_or_else(|why| panic!("{line}: {why}"));
    }
}
