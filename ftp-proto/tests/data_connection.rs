//! What one session does about its protected data connection, in orders of events that no transcript writes down.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test may fail in any way it likes"
)]

use ftp_proto::Connection;
use ftp_proto::account::Rights;
use ftp_proto::advertise::Advertised;
use ftp_proto::config::Settings;
use ftp_proto::diagnose::Outlook;
use ftp_proto::event::{
    Action, Answer, Arrival, Event, LinkError, LinkId, Message, Request, SessionId, Standing,
};
use ftp_proto::notice::Notice;
use ftp_proto::testing::{FakeHello, FakeTls, FakeTlsClient, MemoryAccounts, MemoryStorage};
use ftp_proto::time::Now;
use ftp_proto::tls::Handshake;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The client.
fn client() -> SocketAddr {
    "203.0.113.5:4000".parse().unwrap()
}

/// A session of a user who may do everything, with jobs done at once.
struct Logged {
    connection: Connection,
    now: Now,
    /// The client's TLS on the control connection.
    tls: FakeTlsClient,
    replies: String,
    /// The wait for a data connection, and the handshakes of those that came.
    wait: Option<LinkId>,
    handshakes: Vec<(LinkId, Box<Handshake>)>,
    /// Who was told to the log.
    strangers: Vec<String>,
}

impl Logged {
    /// On a listener of implicit TLS, so that data connections are protected as well.
    fn new() -> Self {
        let storage = MemoryStorage::new().file("/a", "alpha");
        let accounts = Arc::new(MemoryAccounts::new().user("u", "p", storage.account("u", Rights::ALL)));
        let config = Arc::new(Settings::default().validate().unwrap());
        let arrival = Arrival::new("198.51.100.1:21".parse().unwrap(), client());
        let arrival = Arrival { implicit_tls: true, ..arrival };
        let now = Now::default();
        let codec = Arc::new(FakeTls::new());
        let connection = Connection::new(now, SessionId(1), config, accounts, Some(codec), arrival);
        let tls = FakeTlsClient::new(FakeHello::default());
        let replies = String::new();
        let mut logged =
            Self { connection, now, tls, replies, wait: None, handshakes: Vec::new(), strangers: Vec::new() };
        logged.flush_tls();
        logged.say("USER u\r\nPASS p\r\n");
        assert!(logged.replies.ends_with("230 Logged in.\r\n"), "{}", logged.replies);
        logged.replies.clear();
        logged
    }

    fn say(&mut self, lines: &str) {
        self.tls.send(lines.as_bytes()).unwrap();
        self.flush_tls();
    }

    fn flush_tls(&mut self) {
        loop {
            let said = self.tls.take_outgoing();
            if said.is_empty() {
                return;
            }
            self.connection.receive(self.now, &said);
            self.turn();
        }
    }

    fn handle(&mut self, event: Event) {
        self.connection.handle(self.now, event);
    }

    /// Actions, then replies.
    fn turn(&mut self) {
        self.act();
        while !self.connection.transmit().is_empty() {
            let shown = self.connection.transmit().to_vec();
            let plain = self.tls.receive(&shown).unwrap();
            self.replies.push_str(&String::from_utf8_lossy(&plain));
            self.connection.transmitted(self.now, shown.len());
        }
        self.act();
    }

    fn act(&mut self) {
        while let Some(action) = self.connection.poll_action() {
            match action {
                Action::Perform(ticket, job) => self.handle(Event::Done(ticket, job.perform())),
                Action::Consult(Request::Lease { link, .. }) => {
                    self.wait = Some(link);
                    let advertised = Advertised::plain([198, 51, 100, 1].into(), 2_000);
                    let outlook = Outlook::default();
                    self.handle(Event::Answer(Answer::Leased { link, port: 2_000, advertised, outlook }));
                }
                Action::Consult(Request::Attempt { .. }) => {
                    self.handle(Event::Answer(Answer::Standing(Standing::Free)));
                }
                Action::Notify(Notice::StrangerTurnedAway { peer, port }) => {
                    self.strangers.push(format!("{peer} {port}"));
                }
                Action::Secure(link, handshake) => self.handshakes.push((link, handshake)),
                _ => {}
            }
        }
    }

    /// So much time passes.
    fn let_pass(&mut self, time: Duration) {
        self.now.mono = self.now.mono + time;
        self.connection.handle_timeout(self.now);
        self.turn();
    }
}

fn stranger(link: LinkId) -> Event {
    Event::Message(Message::Stranger { link, peer: "192.0.2.9:1".parse().unwrap(), port: 2_000 })
}

/// A session is not woken for a stranger, so that it hears of most when its client has come, too.
#[test]
fn a_stranger_is_named_whenever_the_session_hears_of_it() {
    for client_is_first in [true, false] {
        let mut session = Logged::new();
        session.say("PASV\r\n");
        let wait = session.wait.unwrap();
        if client_is_first {
            session.handle(Event::Arrived(wait.arrived(1), client()));
            session.say("PORT 203,0,113,5,200,0\r\n");
        }
        session.handle(stranger(wait));
        session.turn();
        assert_eq!(session.strangers, ["192.0.2.9:1 2000"]);
    }
}

/// A client begins its handshake when it has seen 150; would the server wait for that, both would wait for ever.
#[test]
fn a_handshake_is_asked_for_behind_150_though_a_stranger_came_first() {
    for client_is_first in [true, false] {
        let mut session = Logged::new();
        session.say("PASV\r\n");
        let wait = session.wait.unwrap();
        session.handle(stranger(wait));
        if client_is_first {
            session.handle(Event::Arrived(wait.arrived(1), client()));
        }
        session.say("RETR a\r\n");
        assert_eq!(session.replies.contains("150 "), client_is_first, "{}", session.replies);
        if !client_is_first {
            session.handle(Event::Arrived(wait.arrived(1), client()));
            session.turn();
        }
        assert!(session.replies.contains("150 "), "{}", session.replies);
        let links: Vec<LinkId> = session.handshakes.iter().map(|(link, _)| *link).collect();
        assert_eq!(links, [wait.arrived(1)]);
    }
}

/// The data connection of a client that went away again, or whose handshake failed, is missed for two seconds and not
/// for half a minute: the client waits for the reply.
#[test]
fn a_client_whose_only_data_connection_failed_hears_so_soon() {
    for fails_first in [true, false] {
        let mut session = Logged::new();
        session.say("PASV\r\n");
        let link = session.wait.unwrap().arrived(1);
        session.handle(Event::Arrived(link, client()));
        if fails_first {
            session.handle(Event::LinkFailed(link, LinkError::Reset));
        }
        session.say("RETR a\r\n");
        for (link, mut handshake) in std::mem::take(&mut session.handshakes) {
            handshake.receive(&[]);
            session.handle(Event::Secured(link, handshake));
        }
        session.let_pass(Duration::from_millis(1_900));
        assert!(!session.replies.contains("425 "), "{}", session.replies);
        session.let_pass(Duration::from_millis(200));
        assert!(session.replies.contains("425 "), "{}", session.replies);
    }
}
