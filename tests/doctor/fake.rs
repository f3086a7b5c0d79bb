//! A server that does what a script says, right or wrong.

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use socket2::{Domain, Socket, Type};
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What PASV or EPSV leads to.
#[derive(Clone, Copy)]
pub(crate) enum Opening {
    /// A data connection that works, announced with this address in 227.
    Works(Ipv4Addr),
    /// An announced port where nobody listens.
    Closed,
    /// An announced port that answers nothing.
    Silent,
    /// The first is closed, later ones work.
    ClosedOnce,
    /// Accepted, and reset when bytes should come.
    Resets,
    /// This line in place of an announcement.
    Says(&'static str),
}

pub(crate) const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// The script.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) greeting: &'static str,
    pub(crate) login: &'static str,
    pub(crate) listing: &'static str,
    pub(crate) passive: Opening,
    pub(crate) extended: Opening,
    /// Under TLS, if there is TLS.
    pub(crate) under_tls: Option<(Opening, Opening)>,
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            greeting: "220 Welcome.",
            login: "230 In.",
            listing: "150 Here it comes.",
            passive: Opening::Works(HERE),
            extended: Opening::Works(HERE),
            under_tls: None,
            tls: None,
        }
    }
}

/// It serves until the test ends.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    pub(crate) fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&heard);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, log) = (script.clone(), Arc::clone(&log));
                std::thread::spawn(move || Talk::new(script, log).serve(stream));
            }
        });
        Self { address, heard }
    }

    pub(crate) fn at(&self) -> String {
        self.address.to_string()
    }

    /// The verbs that clients sent.
    pub(crate) fn heard(&self, verb: &str) -> bool {
        self.heard.lock().unwrap().iter().any(|line| line.starts_with(verb))
    }
}

/// TLS with a certificate for 127.0.0.1 that nobody knows, which never resumes a session.
pub(crate) fn tls() -> Arc<ServerConfig> {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let chain = vec![CertificateDer::from(made.cert.der().to_vec())];
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Arc::new(config)
}

enum Channel {
    Clear(TcpStream),
    Secure(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Channel {
    fn secured(stream: TcpStream, config: &Arc<ServerConfig>) -> Self {
        Self::Secure(Box::new(StreamOwned::new(ServerConnection::new(Arc::clone(config)).unwrap(), stream)))
    }

    fn end(mut self) {
        if let Self::Secure(stream) = &mut self {
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    }
}

impl Read for Channel {
    fn read(&mut self, piece: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Clear(stream) => stream.read(piece),
            Self::Secure(stream) => stream.read(piece),
        }
    }
}

impl Write for Channel {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Clear(stream) => stream.write(bytes),
            Self::Secure(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Clear(stream) => stream.flush(),
            Self::Secure(stream) => stream.flush(),
        }
    }
}

/// One control connection.
struct Talk {
    script: Script,
    log: Arc<Mutex<Vec<String>>>,
    secure: bool,
    protected: bool,
    resets: bool,
    data: Option<TcpListener>,
    /// What keeps silent ports silent.
    fillers: Vec<(Socket, TcpStream)>,
    openings: usize,
}

impl Talk {
    fn new(script: Script, log: Arc<Mutex<Vec<String>>>) -> Self {
        let (secure, protected, resets, data, fillers) = (false, false, false, None, Vec::new());
        Self { script, log, secure, protected, resets, data, fillers, openings: 0 }
    }

    fn serve(mut self, stream: TcpStream) -> Option<()> {
        let mut lines = BufReader::new(Channel::Clear(stream));
        if self.script.greeting.is_empty() {
            // Says nothing for longer than anybody waits.
            std::thread::sleep(Duration::from_secs(20));
            return None;
        }
        self.say(&mut lines, self.script.greeting);
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).ok()? == 0 {
                return None;
            }
            self.log.lock().unwrap().push(line.clone());
            let verb = line.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "AUTH" => match self.script.tls.clone() {
                    Some(config) => {
                        self.say(&mut lines, "234 Go.");
                        let Channel::Clear(stream) = lines.into_inner() else { return None };
                        lines = BufReader::new(Channel::secured(stream, &config));
                        self.secure = true;
                    }
                    None => self.say(&mut lines, "502 No TLS."),
                },
                "PROT" => {
                    self.protected = true;
                    self.say(&mut lines, "200 Ok.");
                }
                "USER" => self.say(&mut lines, "331 Password."),
                "PASS" => self.say(&mut lines, self.script.login),
                "PASV" | "EPSV" => {
                    let reply = self.open(&verb);
                    self.say(&mut lines, &reply);
                }
                "LIST" => self.list(&mut lines),
                "QUIT" => self.say(&mut lines, "221 Bye."),
                _ => self.say(&mut lines, "200 Ok."),
            }
        }
    }

    fn say(&self, lines: &mut BufReader<Channel>, line: &str) {
        let _ = lines.get_mut().write_all(format!("{line}\r\n").as_bytes());
        let _ = lines.get_mut().flush();
    }

    fn open(&mut self, verb: &str) -> String {
        let (passive, extended) = match self.script.under_tls {
            Some(both) if self.secure => both,
            _ => (self.script.passive, self.script.extended),
        };
        self.openings += 1;
        let mut announced = HERE;
        self.resets = false;
        let port = match if verb == "PASV" { passive } else { extended } {
            Opening::Works(address) => {
                announced = address;
                self.listen()
            }
            Opening::ClosedOnce if self.openings > 1 => self.listen(),
            Opening::Resets => {
                self.resets = true;
                self.listen()
            }
            Opening::Closed | Opening::ClosedOnce => {
                let port = self.listen();
                self.data = None;
                port
            }
            Opening::Silent => self.silent(),
            Opening::Says(line) => return line.to_owned(),
        };
        let [a, b, c, d] = announced.octets();
        match verb {
            "PASV" => format!("227 Entering Passive Mode ({a},{b},{c},{d},{},{}).", port >> 8, port & 255),
            _ => format!("229 Entering Extended Passive Mode (|||{port}|)"),
        }
    }

    fn listen(&mut self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        self.data = Some(listener);
        port
    }

    /// With its queue full, the system drops what asks for more.
    fn silent(&mut self) -> u16 {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((HERE, 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let filler = TcpStream::connect(address).unwrap();
        self.fillers.push((socket, filler));
        address.port()
    }

    fn list(&mut self, lines: &mut BufReader<Channel>) {
        self.say(lines, self.script.listing);
        if !self.script.listing.starts_with('1') {
            return;
        }
        let Some(listener) = self.data.take() else { return };
        let Ok((stream, _)) = listener.accept() else { return };
        if self.resets {
            let socket = Socket::from(stream);
            socket.set_linger(Some(Duration::ZERO)).unwrap();
            drop(socket);
            return self.say(lines, "426 Broken.");
        }
        let mut data = match &self.script.tls {
            Some(config) if self.protected => Channel::secured(stream, config),
            _ => Channel::Clear(stream),
        };
        let _ = data.write_all(b"-rw-r--r-- 1 ftp ftp 1 Jan  1 00:00 a\r\n");
        data.end();
        self.say(lines, "226 Done.");
    }
}
