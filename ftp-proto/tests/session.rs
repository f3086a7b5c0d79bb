//! What one session owes its adapter, in orders of events that no transcript writes down.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test may fail in any way it likes"
)]

use ftp_proto::Connection;
use ftp_proto::account::Rights;
use ftp_proto::config::{ControlPolicy, Settings, TlsChange, TlsCondition, TlsRule};
use ftp_proto::event::{Action, Arrival, Event, Message, SessionId};
use ftp_proto::notice::Notice;
use ftp_proto::testing::{FakeHello, FakeTls, FakeTlsClient, MemoryAccounts, MemoryStorage};
use ftp_proto::time::Now;
use ftp_proto::tls::TlsStatus;
use std::sync::Arc;
use std::time::Duration;

/// A session of a user who may do everything, with jobs done at once.
struct Logged {
    connection: Connection,
    replies: String,
    closed: Vec<&'static str>,
}

impl Logged {
    fn new() -> Self {
        let mut logged = Self::come("u", Settings::default());
        logged.say("USER u\r\nPASS p\r\n");
        logged.replies.clear();
        logged
    }

    /// Somebody who logs in by this name, and is `u`.
    fn come(name: &str, settings: Settings) -> Self {
        let storage = MemoryStorage::new().file("/a", "alpha");
        let accounts = Arc::new(MemoryAccounts::new().user(name, "p", storage.account("u", Rights::ALL)));
        let config = Arc::new(settings.validate().unwrap());
        let arrival = Arrival::new("198.51.100.1:21".parse().unwrap(), "203.0.113.5:4000".parse().unwrap());
        let connection = Connection::new(Now::default(), SessionId(1), config, accounts, None, arrival);
        Self { connection, replies: String::new(), closed: Vec::new() }
    }

    fn say(&mut self, lines: &str) {
        self.connection.receive(Now::default(), lines.as_bytes());
        self.turn();
    }

    fn handle(&mut self, event: Event) {
        self.connection.handle(Now::default(), event);
    }

    /// Actions, then replies.
    fn turn(&mut self) {
        while let Some(action) = self.connection.poll_action() {
            match action {
                Action::Perform(ticket, job) => self.handle(Event::Done(ticket, job.perform())),
                Action::Notify(Notice::SessionClosed { why, .. }) => self.closed.push(why),
                _ => {}
            }
        }
        while !self.connection.transmit().is_empty() {
            let shown = self.connection.transmit();
            self.replies.push_str(&String::from_utf8_lossy(shown));
            let count = shown.len();
            self.connection.transmitted(Now::default(), count);
        }
        while let Some(action) = self.connection.poll_action() {
            if let Action::Notify(Notice::SessionClosed { why, .. }) = action {
                self.closed.push(why);
            }
        }
    }
}

#[test]
fn a_session_closes_once_though_a_transfer_waits_for_its_connection() {
    let mut session = Logged::new();
    session.say("PORT 203,0,113,5,15,160\r\nRETR a\r\n");
    assert!(session.replies.ends_with("200 PORT command successful.\r\n"), "{}", session.replies);
    session.handle(Event::PeerClosed);
    session.turn();
    assert_eq!(session.closed, ["client closed the connection"]);
    assert!(session.connection.is_finished());
    assert_eq!(session.connection.deadline(), None);
}

#[test]
fn the_last_reply_stays_the_last() {
    let mut session = Logged::new();
    session.connection.receive(Now::default(), b"QUIT\r\n");
    session.handle(Event::Message(Message::Kick));
    session.turn();
    assert_eq!(session.replies, "221 Goodbye.\r\n");
    assert_eq!(session.closed, ["quit"]);
}

/// RFC 4217 section 15.2: accounts may know somebody by another name than the one that was typed.
#[test]
fn what_holds_for_a_user_holds_by_any_name() {
    let mut settings = Settings::default();
    settings.tls.rules.push(TlsRule {
        when: TlsCondition { users: vec!["u".into()], ..TlsCondition::default() },
        set: TlsChange { control: Some(ControlPolicy::Require), ..TlsChange::default() },
    });
    let mut session = Logged::come("alias", settings);
    session.say("USER alias\r\nPASS p\r\nPWD\r\n");
    let codes: Vec<_> = session.replies.lines().filter_map(|line| line.get(..3)).collect();
    assert_eq!(codes, ["220", "331", "530", "530"], "{}", session.replies);
}

#[test]
fn a_client_that_closed_its_side_hears_what_it_asked_for() {
    for (last, why) in [("PWD\r\n", "client closed the connection"), ("QUIT\r\n", "quit")] {
        let mut session = Logged::new();
        let lines = format!("MDTM a\r\nMLST a\r\n{last}");
        session.connection.receive(Now::default(), lines.as_bytes());
        session.handle(Event::PeerClosed);
        assert!(!session.connection.wants_input());
        session.turn();
        assert!(session.replies.starts_with("213 "), "{}", session.replies);
        assert_eq!(session.replies.matches("\r\n2").count(), 3, "{}", session.replies);
        assert_eq!(session.closed, [why]);
        assert!(session.connection.is_finished());
    }
}

/// lftp takes a close_notify that it reads together with the reply to CCC for the end of the connection.
#[test]
fn close_notify_comes_behind_the_reply_to_ccc_but_not_with_it() {
    for client_leaves_first in [false, true] {
        let mut secure = Secured::new();
        assert_eq!(secure.ask("CCC"), "200 The control connection goes on in the clear.\r\n");
        assert_eq!(secure.client.status(), TlsStatus::Established, "no close_notify came yet");
        if client_leaves_first {
            secure.client.close_notify();
            secure.carry();
        } else {
            let at = secure.connection.deadline().unwrap();
            assert!(at > secure.now.mono && at <= secure.now.mono + Duration::from_secs(1));
            secure.now.mono = at;
            secure.connection.handle_timeout(secure.now);
            secure.carry();
            assert_eq!(secure.client.status(), TlsStatus::Closed);
            secure.client.close_notify();
            secure.carry();
        }
        assert_eq!(secure.client.status(), TlsStatus::Closed);
        secure.connection.receive(secure.now, b"NOOP\r\n");
        assert_eq!(secure.connection.transmit(), b"200 Yes.\r\n");
    }
}

/// RFC 4217 section 5: what comes behind close_notify is plain text, however early the client leaves.
#[test]
fn a_client_that_leaves_tls_together_with_ccc_is_not_gone() {
    let mut secure = Secured::new();
    secure.client.send(b"CCC\r\n").unwrap();
    secure.client.close_notify();
    let mut bytes = secure.client.take_outgoing();
    bytes.extend_from_slice(b"NOOP\r\n");
    secure.connection.receive(secure.now, &bytes);
    assert_eq!(secure.carry_out(), "200 The control connection goes on in the clear.\r\n");
    assert_eq!(secure.connection.transmit(), b"200 Yes.\r\n");
}

/// A control connection under TLS that may leave it.
struct Secured {
    now: Now,
    connection: Connection,
    client: FakeTlsClient,
}

impl Secured {
    fn new() -> Self {
        let mut settings = Settings::default();
        settings.tls.default.clear_command_channel = true;
        let now = Now::default();
        let mut connection = Connection::new(
            now,
            SessionId(1),
            Arc::new(settings.validate().unwrap()),
            Arc::new(MemoryAccounts::new().user("u", "p", MemoryStorage::new().account("u", Rights::ALL))),
            Some(Arc::new(FakeTls::new())),
            Arrival::new("198.51.100.1:21".parse().unwrap(), "203.0.113.5:4000".parse().unwrap()),
        );
        connection.receive(now, b"AUTH TLS\r\n");
        while !connection.transmit().is_empty() {
            connection.transmitted(now, connection.transmit().len());
        }
        let mut secured = Self { now, connection, client: FakeTlsClient::new(FakeHello::default()) };
        secured.carry();
        for line in ["USER u", "PASS p"] {
            secured.ask(line);
        }
        secured
    }

    /// One command, and what is said to it.
    fn ask(&mut self, line: &str) -> String {
        self.client.send(format!("{line}\r\n").as_bytes()).unwrap();
        self.carry()
    }

    /// What the server says under TLS, to its end.
    fn carry_out(&mut self) -> String {
        let mut said = Vec::new();
        while self.client.status() != TlsStatus::Closed {
            let out = self.connection.transmit().to_vec();
            assert!(!out.is_empty(), "close_notify never came");
            self.connection.transmitted(self.now, out.len());
            said.extend(self.client.receive(&out).unwrap());
        }
        String::from_utf8(said).unwrap()
    }

    /// Bytes go both ways until nobody has more to say; what the server said.
    fn carry(&mut self) -> String {
        let mut said = Vec::new();
        loop {
            while let Some(action) = self.connection.poll_action() {
                if let Action::Perform(ticket, job) = action {
                    self.connection.handle(self.now, Event::Done(ticket, job.perform()));
                }
            }
            let out = self.connection.transmit().to_vec();
            self.connection.transmitted(self.now, out.len());
            said.extend(self.client.receive(&out).unwrap());
            let back = self.client.take_outgoing();
            self.connection.receive(self.now, &back);
            if out.is_empty() && back.is_empty() {
                return String::from_utf8(said).unwrap();
            }
        }
    }
}
