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
use ftp_proto::config::Settings;
use ftp_proto::event::{Action, Arrival, Event, Message, SessionId};
use ftp_proto::notice::Notice;
use ftp_proto::testing::{MemoryAccounts, MemoryStorage};
use ftp_proto::time::Now;
use std::sync::Arc;

/// A session of a user who may do everything, with jobs done at once.
struct Logged {
    connection: Connection,
    replies: String,
    closed: Vec<&'static str>,
}

impl Logged {
    fn new() -> Self {
        let storage = MemoryStorage::new().file("/a", "alpha");
        let accounts = Arc::new(MemoryAccounts::new().user("u", "p", storage.account("u", Rights::ALL)));
        let config = Arc::new(Settings::default().validate().unwrap());
        let arrival = Arrival::new("198.51.100.1:21".parse().unwrap(), "203.0.113.5:4000".parse().unwrap());
        let connection = Connection::new(Now::default(), SessionId(1), config, accounts, None, arrival);
        let mut logged = Self { connection, replies: String::new(), closed: Vec::new() };
        logged.say("USER u\r\nPASS p\r\n");
        logged.replies.clear();
        logged
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
