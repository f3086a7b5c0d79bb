//! A small FTP client that costs little: blocking, without delays of its own.

use crate::data::{DISCARD, PIECE, Received, Source};
use crate::options::{Options, Outcome, told};
use crate::secure::{Tls, configuration};
use rustls::ClientConfig;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) enum Control {
    Plain(TcpStream),
    Tls(Box<Tls>),
}

impl Control {
    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.write_all(bytes),
            Self::Tls(tls) => tls.write_all(bytes),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }
}

pub(crate) struct Client {
    options: &'static Options,
    pub(crate) control: Control,
    /// The address to come from; without one, what the system chooses.
    from: Option<Ipv4Addr>,
    tls: Option<Arc<ClientConfig>>,
    input: Vec<u8>,
    used: usize,
    /// The last line of the last reply.
    pub(crate) line: String,
    pub(crate) resumed: u64,
    pub(crate) full: u64,
    buffer: Vec<u8>,
    /// Where discarded bytes would go: never written to, so it takes no memory.
    untouched: Vec<u8>,
}

fn connect(to: SocketAddr, from: Option<Ipv4Addr>) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    if let Some(from) = from {
        socket.bind(&SocketAddr::from((from, 0)).into())?;
    }
    socket.connect_timeout(&to.into(), Duration::from_secs(10))?;
    socket.set_tcp_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket.into())
}

impl Client {
    /// Connects and, with TLS, secures the control connection.
    pub(crate) fn open(
        options: &'static Options,
        from: Option<Ipv4Addr>,
        tls: Option<Arc<ClientConfig>>,
    ) -> Outcome<Self> {
        let socket = told("connect", connect(SocketAddr::new(options.host, options.port), from))?;
        let mut client = Self {
            options,
            control: Control::Plain(socket),
            from,
            tls,
            input: Vec::new(),
            used: 0,
            line: String::new(),
            resumed: 0,
            full: 0,
            buffer: Vec::new(),
            untouched: Vec::new(),
        };
        client.expect(&[220])?;
        if let Some(configuration) = client.tls.clone() {
            client.command("AUTH TLS", &[234])?;
            if let Control::Plain(socket) = &client.control {
                let socket = told("dup", socket.try_clone())?;
                let tls = Tls::start(&configuration, socket, 32 * 1024)?;
                client.count(&tls);
                client.control = Control::Tls(Box::new(tls));
            }
        }
        Ok(client)
    }

    pub(crate) fn log_in(&mut self) -> Outcome<()> {
        self.log_in_as(&self.options.user)
    }

    pub(crate) fn log_in_as(&mut self, user: &str) -> Outcome<()> {
        if self.command(&format!("USER {user}"), &[331, 230])? == 331 {
            self.command(&format!("PASS {}", self.options.password), &[230])?;
        }
        Ok(())
    }

    /// A session that is ready for transfers.
    pub(crate) fn ready(options: &'static Options) -> Outcome<Self> {
        let mut client = Self::open(options, None, configuration(options)?)?;
        client.log_in()?;
        if options.tls {
            client.command("PBSZ 0", &[200])?;
            client.command("PROT P", &[200])?;
        }
        client.command("TYPE I", &[200])?;
        if !options.folder.is_empty() {
            client.command(&format!("CWD {}", options.folder), &[250])?;
        }
        if options.deflate {
            client.command("MODE Z", &[200])?;
        }
        Ok(client)
    }

    fn count(&mut self, tls: &Tls) {
        if tls.resumed() {
            self.resumed += 1;
        } else {
            self.full += 1;
        }
    }

    pub(crate) fn send(&mut self, line: &str) -> Outcome<()> {
        let mut bytes = [0u8; 512];
        let length = line.len();
        bytes[..length].copy_from_slice(line.as_bytes());
        bytes[length..length + 2].copy_from_slice(b"\r\n");
        told("send", self.control.write_all(&bytes[..length + 2]))
    }

    fn read_line(&mut self) -> Outcome<()> {
        self.line.clear();
        loop {
            if let Some(end) = self.input[self.used..].iter().position(|&byte| byte == b'\n') {
                let line = &self.input[self.used..self.used + end];
                self.line.push_str(std::str::from_utf8(line).unwrap_or("").trim_end_matches('\r'));
                self.used += end + 1;
                if self.used == self.input.len() {
                    self.input.clear();
                    self.used = 0;
                }
                return Ok(());
            }
            if self.options.quick_ack
                && let Control::Plain(socket) = &self.control
            {
                // No delayed ACK, so that a server's Nagle does not show.
                let _ = rustix::net::sockopt::set_tcp_quickack(socket, true);
            }
            let mut bytes = [0u8; 8192];
            let length = told("reply", self.control.read(&mut bytes))?;
            if length == 0 {
                return Err("control connection closed".into());
            }
            self.input.extend_from_slice(&bytes[..length]);
        }
    }

    pub(crate) fn reply(&mut self) -> Outcome<u16> {
        self.read_line()?;
        let code = self.line.get(..3).and_then(|code| code.parse().ok());
        let code: u16 = code.ok_or_else(|| format!("bad reply {:?}", self.line))?;
        if self.line.as_bytes().get(3) == Some(&b'-') {
            let end = format!("{code} ");
            while !self.line.starts_with(&end) {
                self.read_line()?;
            }
        }
        Ok(code)
    }

    pub(crate) fn expect(&mut self, good: &[u16]) -> Outcome<u16> {
        let code = self.reply()?;
        if good.contains(&code) { Ok(code) } else { Err(format!("reply {}", self.line)) }
    }

    pub(crate) fn command(&mut self, line: &str, good: &[u16]) -> Outcome<u16> {
        self.send(line)?;
        let verb = line.split(' ').next().unwrap_or_default();
        self.expect(good).map_err(|error| format!("{verb}: {error}"))
    }

    /// EPSV, and the data connection to where it says.
    pub(crate) fn passive(&mut self) -> Outcome<TcpStream> {
        self.command("EPSV", &[229])?;
        let port = self.line.rsplit('|').nth(1).and_then(|port| port.parse().ok());
        let port = port.ok_or_else(|| format!("bad reply {}", self.line))?;
        told("data connect", connect(SocketAddr::new(self.options.host, port), self.from))
    }

    /// With PROT P, the handshake on a data connection.
    fn secured(&mut self, data: &TcpStream) -> Outcome<Option<Tls>> {
        let Some(configuration) = self.tls.clone() else { return Ok(None) };
        let tls = Tls::start(&configuration, told("dup", data.try_clone())?, PIECE)?;
        self.count(&tls);
        Ok(Some(tls))
    }

    /// The data connection of a transfer, and when its command was sent.
    fn begin(&mut self, line: &str) -> Outcome<(TcpStream, Option<Tls>, Instant)> {
        let data = self.passive()?;
        let begun = Instant::now();
        self.command(line, &[150, 125])?;
        let tls = self.secured(&data)?;
        Ok((data, tls, begun))
    }

    /// RETR or a listing. The data connection is closed at its end, before the last reply is read, as every client
    /// does it. Returns also the time from the command to the first byte.
    pub(crate) fn fetch(&mut self, line: &str, sum: bool) -> Outcome<(Received, Duration)> {
        let (mut data, tls, begun) = self.begin(line)?;
        let mut received = Received::nothing();
        if tls.is_some() || sum {
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.resize(PIECE, 0);
            match tls {
                Some(mut tls) => {
                    told("tls data", received.read(&mut tls, &mut buffer, sum))?;
                    let _ = tls.close();
                }
                None => told("data", received.read(&mut data, &mut buffer, sum))?,
            }
            self.buffer = buffer;
        } else {
            if self.untouched.is_empty() {
                self.untouched = vec![0; DISCARD];
            }
            told("data", received.discard(&data, &mut self.untouched))?;
        }
        drop(data);
        self.expect(&[226, 250])?;
        let first = received.first.map_or_else(|| begun.elapsed(), |first| first.duration_since(begun));
        Ok((received, first))
    }

    pub(crate) fn store(&mut self, line: &str, source: &Source) -> Outcome<u64> {
        let (data, tls, _) = self.begin(line)?;
        match tls {
            Some(mut tls) => {
                told("tls upload", source.send_secured(&mut tls))?;
                told("tls end", tls.finish())?;
            }
            None => {
                told("upload", source.send(&data))?;
                let _ = data.shutdown(Shutdown::Write);
            }
        }
        drop(data);
        self.expect(&[226, 250])?;
        Ok(source.size)
    }

    pub(crate) fn quit(&mut self) {
        let _ = self.send("QUIT");
        let _ = self.reply();
    }
}
