//! The client, in a process of its own: does the transfers it is asked for on its standard input.

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CipherSuite, ClientConfig, ClientConnection, HandshakeKind, RootCertStore};
use std::collections::HashSet;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Makes this program the client.
pub(crate) const ARGUMENT: &str = "client";
/// The answer to each order.
pub(crate) const DONE: &str = "done";
/// The server's name, and the file with its certificate.
pub(crate) const NAME: &str = "ftp.example.org";
pub(crate) const CERTIFICATE: &str = "certificate.pem";
/// The file that is downloaded, and the name of its upload.
pub(crate) const DOWN: &str = "down";
pub(crate) const UP: &str = "up";

/// What one read or write of a socket moves.
const PIECE: usize = 256 << 10;

/// The first two cores that this process may use: the server's and the client's. None where the system has no two.
pub(crate) fn cores() -> Option<(usize, usize)> {
    #[cfg(target_os = "linux")]
    {
        use rustix::thread::{CpuSet, sched_getaffinity};
        let allowed = sched_getaffinity(None).ok()?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core));
        Some((cores.next()?, cores.next()?))
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// Keeps this process, with the threads it starts from now on, on that core.
pub(crate) fn pin(core: usize) {
    #[cfg(target_os = "linux")]
    {
        let mut chosen = rustix::thread::CpuSet::new();
        chosen.set(core);
        rustix::thread::sched_setaffinity(None, &chosen).expect("a core of its own");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = core;
}

/// Orders are lines: the server's address, whether TLS begins at once, the file.
pub(crate) fn run(folder: &Path, core: Option<usize>) {
    if let Some(core) = core {
        pin(core);
    }
    let content = fs::read(folder.join(DOWN)).expect("the file");
    let certificate = fs::read(folder.join(CERTIFICATE)).expect("the certificate");
    let certificate = CertificateDer::from_pem_slice(&certificate).expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a certificate");
    // The first download from each server is looked at; later that would be in the way of what is measured.
    let mut looked_at = HashSet::new();
    for order in io::stdin().lines() {
        let order = order.expect("an order");
        let words: Vec<&str> = order.split(' ').collect();
        let (server, is_secure, file) = (words[0], words[1], words[2]);
        let address = server.parse().expect("an address");
        let config = (is_secure == "true").then(|| config(roots.clone()));
        let mut session = Session::login(address, config);
        if file == UP {
            session.upload(&content);
        } else {
            session.download(&content, looked_at.insert(address));
        }
        println!("{DONE}");
    }
}

/// Each session has tickets of its own.
fn config(roots: RootCertStore) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3");
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

/// A control connection, logged in.
struct Session {
    control: BufReader<Stream>,
    server: SocketAddr,
    /// `None`: without TLS.
    config: Option<Arc<ClientConfig>>,
}

impl Session {
    fn login(server: SocketAddr, config: Option<Arc<ClientConfig>>) -> Self {
        let control = BufReader::new(Stream::connect(server, config.clone()));
        let mut session = Self { control, server, config };
        session.expect("220");
        session.command("USER u", "331");
        session.command("PASS p", "230");
        session.command("TYPE I", "200");
        if session.config.is_some() {
            session.command("PBSZ 0", "200");
            session.command("PROT P", "200");
        }
        session
    }

    fn command(&mut self, line: &str, code: &str) -> String {
        let control = self.control.get_mut();
        control.write_all(format!("{line}\r\n").as_bytes()).expect("a control connection");
        control.flush().expect("a control connection");
        self.expect(code)
    }

    fn expect(&mut self, code: &str) -> String {
        let mut reply = String::new();
        self.control.read_line(&mut reply).expect("a reply");
        assert!(reply.starts_with(code), "{code} expected: {reply}");
        reply
    }

    fn begin(&mut self, command: &str) -> Stream {
        let reply = self.command("EPSV", "229");
        let port = reply.split('|').nth(3).and_then(|port| port.parse().ok()).expect("a port");
        let socket = TcpStream::connect(SocketAddr::new(self.server.ip(), port)).expect("a data connection");
        self.command(command, "150");
        let data = Stream::over(socket, self.config.clone());
        data.expect_resumption();
        data
    }

    fn download(&mut self, content: &[u8], look: bool) {
        let mut data = self.begin(&format!("RETR {DOWN}"));
        let (mut buffer, mut at) = (vec![0; PIECE], 0);
        loop {
            let count = data.read(&mut buffer).expect("a whole download");
            if count == 0 {
                break;
            }
            let same = !look || content.get(at..at + count) == buffer.get(..count);
            assert!(same, "the download is damaged");
            at += count;
        }
        assert_eq!(at, content.len());
        data.end();
        self.expect("226");
    }

    fn upload(&mut self, content: &[u8]) {
        let mut data = self.begin(&format!("STOR {UP}"));
        for piece in content.chunks(PIECE) {
            data.write_all(piece).expect("a data connection");
        }
        data.end();
        assert_eq!(data.read(&mut [0]).expect("an end"), 0);
        self.expect("226");
    }
}

/// A connection, with or without TLS.
struct Stream {
    socket: TcpStream,
    tls: Option<ClientConnection>,
    /// What came, and what part of it TLS has not seen yet.
    incoming: Vec<u8>,
    unseen: Range<usize>,
}

impl Stream {
    fn connect(server: SocketAddr, config: Option<Arc<ClientConfig>>) -> Self {
        Self::over(TcpStream::connect(server).expect("a server"), config)
    }

    fn over(mut socket: TcpStream, config: Option<Arc<ClientConfig>>) -> Self {
        socket.set_nodelay(true).expect("a socket");
        let tls = config.map(|config| {
            let name = ServerName::try_from(NAME).expect("a name");
            let mut tls = ClientConnection::new(config, name).expect("a client");
            tls.set_buffer_limit(None);
            tls.complete_io(&mut socket).expect("a handshake");
            let suite = tls.negotiated_cipher_suite().expect("a suite").suite();
            assert_eq!(suite, CipherSuite::TLS13_AES_256_GCM_SHA384);
            tls
        });
        Self { socket, tls, incoming: vec![0; PIECE], unseen: 0..0 }
    }

    fn expect_resumption(&self) {
        if let Some(tls) = &self.tls {
            assert_eq!(tls.handshake_kind(), Some(HandshakeKind::Resumed));
        }
    }

    /// Nothing more is sent.
    fn end(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        // The server may have closed its side, and then need not take it.
        let _ = self.flush();
        let _ = self.socket.shutdown(Shutdown::Write);
    }
}

impl Read for Stream {
    /// Under TLS an end without close_notify is an error.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.read(buffer) };
        loop {
            match tls.reader().read(buffer) {
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
            if self.unseen.is_empty() {
                self.unseen = 0..self.socket.read(&mut self.incoming)?;
            }
            // It takes about a record at a time, and none while plain text waits.
            self.unseen.start += tls.read_tls(&mut &self.incoming[self.unseen.clone()])?;
            tls.process_new_packets().map_err(io::Error::other)?;
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.write(bytes) };
        let count = tls.writer().write(bytes)?;
        self.flush()?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        while let Some(tls) = self.tls.as_mut().filter(|tls| tls.wants_write()) {
            tls.write_tls(&mut self.socket)?;
        }
        Ok(())
    }
}
