//! Sessions with their server, as an adapter drives them, and what commands cost in them.

use crate::still::Still;
use crate::{Row, Work};
use ftp_proto::config::{Config, Passive, PassivePorts, Settings};
use ftp_proto::event::{Action, Arrival, Event, News, SessionId, Task};
use ftp_proto::time::{Now, UnixTime};
use ftp_proto::tls::Tls;
use ftp_proto::transfer::{Pipe, Step, TransferEnd};
use ftp_proto::{Admission, Connection, Server};
use std::net::SocketAddr;
use std::sync::Arc;

pub(crate) const PATHS: &[Row] = &[
    ("session, from its birth over the greeting to its end", 1, birth),
    ("login: USER, PASS", 1, login),
    ("NOOP", 1, || command(b"NOOP\r\n", b"200 ")),
    ("NOOP, one of 32 at once", 32, pipelined),
    ("PWD", 1, || command(b"PWD\r\n", b"257 ")),
    ("CWD", 1, || command(b"CWD /pub/incoming\r\n", b"250 ")),
    ("TYPE", 1, || command(b"TYPE I\r\n", b"200 ")),
    ("SIZE", 1, || command(b"SIZE report.csv\r\n", b"213 ")),
    ("FEAT", 1, || command(b"FEAT\r\n", b"211-")),
];

/// The passive ports.
pub(crate) const PORTS: u16 = 100;
pub(crate) const FIRST_PORT: u16 = 21_000;

/// Never changes: nothing here depends on how time goes by.
pub(crate) fn now() -> Now {
    Now { unix: UnixTime::from_seconds(1_795_000_000), ..Now::default() }
}

pub(crate) fn server(still: Still) -> Server {
    let ports = PassivePorts::Range(FIRST_PORT..=FIRST_PORT + PORTS - 1);
    let settings = Settings { passive: Passive { ports, ..Passive::default() }, ..Settings::default() };
    let config: Config = settings.validate().expect("settings");
    let mut server = Server::new(Arc::new(config), still.accounts("p"), 1);
    settle(&mut server);
    server
}

/// Opens the ports, and forgets what is for the log.
pub(crate) fn settle(server: &mut Server) {
    while let Some(task) = server.poll_task() {
        if let Task::OpenPort(port) = task {
            server.handle(now(), News::PortOpened(port));
        }
    }
}

pub(crate) fn client(number: u16) -> SocketAddr {
    let [high, low] = number.to_be_bytes();
    SocketAddr::from(([203, 0, high, low], 4_000))
}

/// The server, one session, and the bytes of its data connections.
pub(crate) struct Talk {
    server: Server,
    session: SessionId,
    connection: Box<Connection>,
    peer: SocketAddr,
    /// The port that was leased last.
    port: u16,
    /// What the client sends over a data connection.
    upload: Vec<u8>,
    /// What came over the last one.
    pub(crate) downloaded: u64,
}

impl Talk {
    pub(crate) fn new(still: Still, tls: Option<Arc<dyn Tls>>) -> Self {
        let mut server = server(still);
        server.set_tls(tls);
        let peer = client(1);
        let (session, connection) = admit(&mut server, peer);
        let upload = vec![7; 1024];
        let mut talk = Self { server, session, connection, peer, port: 0, upload, downloaded: 0 };
        talk.turn();
        talk.heard(b"220 ");
        talk
    }

    pub(crate) fn logged_in(still: Still) -> Self {
        let mut talk = Self::new(still, None);
        talk.say(b"USER u\r\n", b"331 ");
        talk.say(b"PASS p\r\n", b"230 ");
        talk.say(b"TYPE I\r\n", b"200 ");
        talk
    }

    /// Says something, to which the answer begins with these words.
    pub(crate) fn say(&mut self, bytes: &[u8], expected: &[u8]) {
        self.connection.receive(now(), bytes);
        self.turn();
        self.heard(expected);
    }

    /// Takes what is to be sent, in as many writes as it needs.
    pub(crate) fn heard(&mut self, expected: &[u8]) {
        let heard = self.connection.transmit();
        assert!(heard.starts_with(expected), "unexpected: {}", heard.escape_ascii());
        while !self.connection.transmit().is_empty() {
            let len = self.connection.transmit().len();
            self.connection.transmitted(now(), len);
            self.turn();
        }
    }

    /// The client connects to the port that it was told.
    pub(crate) fn connect(&mut self) {
        let (owner, link) = self.server.route(now(), self.port, self.peer).expect("it is expected");
        assert_eq!(owner, self.session);
        self.connection.handle(now(), Event::Arrived(link, self.peer));
        self.turn();
    }

    /// The same for one that begins with TLS, before it is secured.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        self.connection.receive(now(), bytes);
        self.turn();
    }

    fn turn(&mut self) {
        while let Some(action) = self.connection.poll_action() {
            match action {
                Action::Consult(request) => {
                    let answer = self.server.consult(now(), request);
                    if let Some((link, port)) = answer.port_to_drain() {
                        self.port = port;
                        self.server.activate(now(), self.session, link);
                    }
                    self.connection.handle(now(), Event::Answer(answer));
                }
                Action::Perform(ticket, job) => {
                    self.connection.handle(now(), Event::Done(ticket, job.perform()));
                }
                Action::Start(_, transfer, pipe) => {
                    let end = pump(*pipe, &self.upload);
                    self.downloaded = end.bytes;
                    self.connection.handle(now(), Event::Ended(transfer, end));
                }
                Action::Connect(..)
                | Action::Secure(..)
                | Action::Abort(_)
                | Action::Drop(_)
                | Action::Notify(_) => {}
            }
        }
        settle(&mut self.server);
    }
}

fn admit(server: &mut Server, peer: SocketAddr) -> (SessionId, Box<Connection>) {
    let local = SocketAddr::from(([198, 51, 100, 1], 21));
    match server.admit(now(), Arrival::new(local, peer)) {
        Admission::Accepted(session, connection) => (session, connection),
        Admission::Refused(why) => panic!("refused: {}", why.escape_ascii()),
    }
}

/// Leads a transfer to its end; what the client sends comes in pieces of 64 KiB.
pub(crate) fn pump(mut pipe: Pipe, upload: &[u8]) -> TransferEnd {
    let mut pieces = upload.chunks(64 << 10);
    loop {
        match pipe.step(now()) {
            Step::Write => pipe.transmitted(now(), pipe.transmit().len()),
            Step::Read => pipe.receive(now(), pieces.next().unwrap_or_default()),
            Step::Turn => pipe.turn(),
            Step::End(end) => return end,
            Step::Marked(_) | Step::Report(_) | Step::Direct { .. } => {}
        }
    }
}

fn birth() -> Work {
    let mut server = server(Still::new([]));
    Box::new(move || {
        let (session, mut connection) = admit(&mut server, client(1));
        while connection.poll_action().is_some() {}
        assert!(connection.transmit().starts_with(b"220 "));
        connection.transmitted(now(), connection.transmit().len());
        drop(connection);
        server.handle(now(), News::Gone(session));
        settle(&mut server);
    })
}

fn login() -> Work {
    let mut talk = Talk::new(Still::new([]), None);
    Box::new(move || {
        talk.say(b"USER u\r\n", b"331 ");
        talk.say(b"PASS p\r\n", b"230 ");
    })
}

fn command(line: &'static [u8], expected: &'static [u8]) -> Work {
    let mut talk = Talk::logged_in(Still::new([]));
    Box::new(move || talk.say(line, expected))
}

fn pipelined() -> Work {
    let mut talk = Talk::logged_in(Still::new([]));
    let lines = b"NOOP\r\n".repeat(32);
    let replies = b"200 Yes.\r\n".repeat(32);
    Box::new(move || talk.say(&lines, &replies))
}
