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
use ftp_proto::advertise::Advertised;
use ftp_proto::config::{ControlPolicy, Settings, TlsChange, TlsCondition, TlsRule};
use ftp_proto::diagnose::Outlook;
use ftp_proto::event::{
    Action, Answer, Arrival, Event, Job, LinkError, LinkId, Message, Request, SessionId, Standing, TransferId,
};
use ftp_proto::notice::Notice;
use ftp_proto::testing::{FakeHello, FakeTls, FakeTlsClient, MemoryAccounts, MemoryStorage};
use ftp_proto::time::{Instant, Now};
use ftp_proto::tls::TlsStatus;
use ftp_proto::transfer::{Mark, TransferEnd};
use std::sync::Arc;
use std::time::Duration;

/// A session of a user who may do everything, with jobs done at once.
struct Logged {
    now: Now,
    connection: Connection,
    replies: String,
    closed: Vec<&'static str>,
    /// What else was asked for, and what else the log was told.
    asked: Vec<Action>,
    /// How many pipes were given back unused.
    discarded: usize,
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
        Self::come_to(MemoryStorage::new().file("/a", "alpha"), name, settings)
    }

    fn come_to(storage: MemoryStorage, name: &str, settings: Settings) -> Self {
        let accounts = Arc::new(MemoryAccounts::new().user(name, "p", storage.account("u", Rights::ALL)));
        let config = Arc::new(settings.validate().unwrap());
        let arrival = Arrival::new("198.51.100.1:21".parse().unwrap(), "203.0.113.5:4000".parse().unwrap());
        let now = Now::default();
        let connection = Connection::new(now, SessionId(1), config, accounts, None, arrival);
        Self { now, connection, replies: String::new(), closed: Vec::new(), asked: Vec::new(), discarded: 0 }
    }

    fn say(&mut self, lines: &str) {
        self.connection.receive(self.now, lines.as_bytes());
        self.turn();
    }

    fn handle(&mut self, event: Event) {
        self.connection.handle(self.now, event);
    }

    fn later(&mut self, time: Duration) {
        self.now.mono = self.now.mono + time;
        self.connection.handle_timeout(self.now);
        self.turn();
    }

    /// The data connection that was asked for is there.
    fn connected(&mut self) {
        let link = self.dialled();
        self.handle(Event::Connected(link, "198.51.100.1:20".parse().unwrap()));
        self.turn();
    }

    fn dialled(&self) -> LinkId {
        let dialled = self.asked.iter().find_map(|action| match action {
            Action::Connect(link, _) => Some(*link),
            _ => None,
        });
        dialled.unwrap()
    }

    /// The transfer that was begun.
    fn started(&self) -> TransferId {
        let started = self.asked.iter().find_map(|action| match action {
            Action::Start(_, transfer, _) => Some(*transfer),
            _ => None,
        });
        started.unwrap()
    }

    /// The codes of the replies since it was asked last.
    fn codes(&mut self) -> Vec<String> {
        let replies = std::mem::take(&mut self.replies);
        replies.lines().filter_map(|line| line.get(..3).map(String::from)).collect()
    }

    /// Actions and replies, until nothing is left to do.
    fn turn(&mut self) {
        loop {
            while let Some(action) = self.connection.poll_action() {
                match action {
                    Action::Perform(ticket, job) => {
                        self.discarded += usize::from(matches!(job, Job::Discard(_)));
                        self.handle(Event::Done(ticket, job.perform()));
                    }
                    Action::Consult(Request::Attempt { .. }) => {
                        self.handle(Event::Answer(Answer::Standing(Standing::Free)));
                    }
                    Action::Notify(Notice::SessionClosed { why, .. }) => self.closed.push(why),
                    other => self.asked.push(other),
                }
            }
            let shown = self.connection.transmit();
            if shown.is_empty() {
                return;
            }
            self.replies.push_str(&String::from_utf8_lossy(shown));
            let count = shown.len();
            self.connection.transmitted(self.now, count);
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

/// An adapter may sleep in a read then.
#[test]
fn a_session_at_rest_awaits_a_command_and_nothing_else() {
    let mut session = Logged::new();
    assert!(session.connection.awaits_command());
    session.say("PORT 203,0,113,5,15,160\r\n");
    assert!(session.connection.awaits_command());
    session.say("RETR a\r\n");
    assert!(!session.connection.awaits_command(), "its data connection has to be made");
    session.connected();
    assert!(!session.connection.awaits_command(), "its file is sent");
    let (id, end) = (session.started(), TransferEnd { bytes: 5, outcome: Ok(()), close_notify: false });
    session.handle(Event::Ended(id, end));
    assert!(!session.connection.awaits_command(), "it has something to say");
    session.turn();
    assert!(session.connection.awaits_command());
}

/// Its file may still come to its end, but what it was to hear was dropped, perhaps in the middle of a line: what would be
/// said then would be no reply (RFC 959 section 4.2).
#[test]
fn a_client_that_left_in_a_transfer_hears_nothing_more() {
    for end in [Message::Kick, Message::Drain { until: Instant::ZERO + Duration::from_secs(9) }] {
        let mut session = Logged::new();
        session.say("PORT 203,0,113,5,15,160\r\nRETR a\r\n");
        let link = session.dialled();
        session.handle(Event::Connected(link, "198.51.100.1:20".parse().unwrap()));
        assert!(session.connection.transmit().starts_with(b"150 "));
        session.connection.transmitted(session.now, 2);
        session.handle(Event::PeerClosed);
        session.replies.clear();
        session.handle(Event::Message(end));
        session.turn();
        session.later(Duration::from_secs(10));
        session.later(Duration::from_secs(10));
        assert_eq!((session.replies.as_str(), session.closed.len()), ("", 1));
    }
}

/// RFC 959 section 4.1.3, ABOR: whoever stops a transfer is answered, even if nothing is ever heard of its end.
#[test]
fn a_stopped_transfer_that_never_ends_holds_up_nothing() {
    let mut session = Logged::new();
    session.say("PORT 203,0,113,5,15,160\r\nRETR a\r\n");
    session.connected();
    session.say("ABOR\r\nPWD\r\n");
    assert!(matches!(session.asked.last(), Some(Action::Abort(_))), "{:?}", session.asked);
    assert_eq!(session.codes(), ["200", "150"]);
    session.later(Duration::from_millis(9_999));
    assert_eq!(session.codes(), [""; 0]);
    session.later(Duration::from_millis(1));
    assert_eq!(session.codes(), ["426", "226", "257"]);
}

/// What was opened for a transfer that never begins is closed again, where blocking is allowed.
#[test]
fn a_file_that_was_opened_for_nothing_is_given_back() {
    let mut session = Logged::new();
    session.say("PORT 203,0,113,5,15,160\r\nSTOR b\r\n");
    session.handle(Event::LinkFailed(session.dialled(), LinkError::Refused));
    session.turn();
    assert_eq!(session.codes(), ["200", "425"]);
    assert_eq!(session.discarded, 1);
}

/// RFC 959 section 3.5: markers are answered, but those of a client that does not read do not pile up.
#[test]
fn markers_that_nobody_reads_are_not_answered_without_end() {
    let mut session = Logged::new();
    session.say("MODE B\r\nPORT 203,0,113,5,15,160\r\nSTOR b\r\n");
    session.connected();
    assert_eq!(session.codes(), ["200", "200", "150"]);
    let (transfer, mark) = (session.started(), || Mark { text: "m".into(), offset: 1 });
    session.handle(Event::Marked(TransferId(transfer.0 + 1), mark()));
    session.turn();
    assert_eq!(session.codes(), [""; 0], "no such transfer");
    for _ in 0..10_000 {
        session.handle(Event::Marked(transfer, mark()));
    }
    session.turn();
    let answered = session.codes().len();
    assert!((100..2_000).contains(&answered), "{answered}");
    session.handle(Event::Marked(transfer, mark()));
    session.handle(Event::PeerClosed);
    session.turn();
    session.replies.clear();
    session.handle(Event::Marked(transfer, mark()));
    session.turn();
    assert_eq!(session.codes(), [""; 0], "the client is gone");
}

/// RFC 959 section 4.1.3, STAT: what is too long for a client that does not read waits for it, and comes whole.
#[test]
fn a_long_status_waits_for_its_reader() {
    let mut storage = MemoryStorage::new();
    for number in 0..2_000 {
        storage = storage.file(format!("/file-{number}"), "x");
    }
    let mut session = Logged::come_to(storage, "u", Settings::default());
    session.say("USER u\r\nPASS p\r\n");
    session.replies.clear();
    session.connection.receive(session.now, b"STAT /\r\n");
    while let Some(action) = session.connection.poll_action() {
        if let Action::Perform(ticket, job) = action {
            session.handle(Event::Done(ticket, job.perform()));
        }
    }
    session.turn();
    assert_eq!(session.replies.matches("file-").count(), 2_000);
    assert!(session.replies.ends_with("\r\n212 End of status.\r\n"));
}

/// Back-pressure: who does not read its replies is not read from, however few its bytes are.
#[test]
fn unread_replies_stop_the_reading() {
    let mut session = Logged::new();
    let mut asked = 0;
    while session.connection.wants_input() {
        session.connection.receive(session.now, b"FEAT\r\n");
        asked += 1;
        assert!(asked < 1_000, "nothing stops it");
    }
    session.connection.receive(session.now, b"NOOP\r\n");
    session.turn();
    assert_eq!(session.replies.matches("211-").count(), asked);
    assert!(session.replies.ends_with("\r\n200 Yes.\r\n"), "{}", session.replies);
    assert!(session.connection.wants_input());
}

/// Who sends faster than it may is not read from until its next command's time has come.
#[test]
fn commands_that_come_too_fast_stop_the_reading() {
    let mut settings = Settings::default();
    settings.limits.commands_per_second = 1;
    let mut session = Logged::come("u", settings);
    session.say("USER u\r\nPASS p\r\n");
    assert!(session.connection.wants_input());
    session.say(&"NOOP\r\n".repeat(15));
    assert!(!session.connection.wants_input());
    while session.replies.matches("200 Yes.").count() < 15 {
        assert!(!session.connection.wants_input());
        session.later(Duration::from_secs(1));
    }
    assert!(session.connection.wants_input());
}

/// A server that is full makes room among those who have not logged in; who has in the meantime stays.
#[test]
fn only_who_has_not_logged_in_makes_room() {
    let mut session = Logged::new();
    session.handle(Event::Message(Message::MakeRoom));
    session.say("NOOP\r\n");
    assert_eq!(session.codes(), ["200"]);
    let mut session = Logged::come("u", Settings::default());
    session.handle(Event::Message(Message::MakeRoom));
    session.turn();
    assert_eq!(session.codes(), ["220", "421"]);
    assert!(session.connection.is_finished());
}

/// The same for who sends on while a command waits.
#[test]
fn unread_commands_stop_the_reading() {
    let mut session = Logged::new();
    session.connection.receive(session.now, b"SIZE a\r\n");
    let mut sent = 0;
    while session.connection.wants_input() {
        session.connection.receive(session.now, b"NOOP\r\n");
        sent += 1;
        assert!(sent < 10_000, "nothing stops it");
    }
    session.turn();
    assert_eq!(session.replies.matches("200 Yes.\r\n").count(), sent);
    assert!(session.connection.wants_input());
}

#[test]
fn a_client_that_leaves_the_open_connection_has_no_trouble_with_tls() {
    let mut session = Logged::new();
    session.handle(Event::PeerClosed);
    session.turn();
    assert_eq!(session.closed, ["client closed the connection"]);
    let failed = |action: &Action| matches!(action, Action::Notify(Notice::ControlTlsFailed(_)));
    assert!(!session.asked.iter().any(failed), "{:?}", session.asked);
}

/// Who asks again is told the same port without a new lease: others may wait for one.
#[test]
fn a_port_that_is_announced_again_is_not_leased_again() {
    let mut session = Logged::new();
    session.say("EPSV\r\n");
    let leases = |session: &Logged| {
        let lease = |action: &Action| match action {
            Action::Consult(Request::Lease { link, .. }) => Some(*link),
            _ => None,
        };
        session.asked.iter().filter_map(lease).collect::<Vec<_>>()
    };
    let [link] = leases(&session)[..] else { panic!("{:?}", session.asked) };
    let advertised = Advertised::plain("198.51.100.1".parse().unwrap(), 2_000);
    let outlook = Outlook::default();
    session.handle(Event::Answer(Answer::Leased { link, port: 2_000, advertised, outlook }));
    session.say("EPSV\r\nPASV\r\n");
    assert_eq!(session.codes(), ["229", "229", "227"]);
    assert_eq!(leases(&session), [link]);
    assert!(!session.asked.iter().any(|action| matches!(action, Action::Drop(_))), "{:?}", session.asked);
}

/// proxy-protocol.txt section 4: a look at the port is no attempt, and one that was refused is over.
#[test]
fn a_balancer_that_leaves_is_told_of_once_and_only_if_it_spoke() {
    let settings = || {
        let mut settings = Settings::default();
        settings.proxy.trusted.push("203.0.113.5/32".parse().unwrap());
        settings
    };
    let troubles = |session: &Logged| {
        let trouble = |action: &&Action| matches!(action, Action::Notify(Notice::NoProxyHeader { .. }));
        session.asked.iter().filter(trouble).count()
    };
    for (said, told) in [("", 0), ("PROXY TCP4 ", 1), ("USER u\r\n", 1)] {
        let mut session = Logged::come("u", settings());
        session.connection.receive(session.now, said.as_bytes());
        // What is right comes too late.
        if told == 1 && said.ends_with('\n') {
            let header = b"PROXY TCP4 203.0.113.9 198.51.100.1 4000 21\r\n";
            session.connection.receive(session.now, header);
        }
        session.handle(Event::PeerClosed);
        session.turn();
        assert_eq!(troubles(&session), told, "{said}");
        let introduced = |action: &Action| matches!(action, Action::Consult(Request::Introduce { .. }));
        assert!(!session.asked.iter().any(introduced), "{said}");
        assert!(session.connection.is_finished());
    }
}

/// Until the server has said whether a client may come in, nothing more of it is taken.
#[test]
fn a_client_behind_a_balancer_waits_to_be_let_in() {
    let mut settings = Settings::default();
    settings.proxy.trusted.push("203.0.113.5/32".parse().unwrap());
    let mut session = Logged::come("u", settings);
    assert!(session.connection.wants_input());
    session.say("PROXY TCP4 203.0.113.9 198.51.100.1 4000 21\r\n");
    assert!(!session.connection.wants_input());
    let (local, peer) = ("198.51.100.1:21".parse().unwrap(), "203.0.113.9:4000".parse().unwrap());
    session.handle(Event::Answer(Answer::Introduced { local, peer }));
    session.turn();
    assert_eq!(session.codes(), ["220"]);
    assert!(session.connection.wants_input());
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

/// RFC 2228 section 3: the reply to CCC is the last one under TLS, whatever came together with it.
#[test]
fn what_came_behind_ccc_is_answered_in_the_clear() {
    let mut secure = Secured::new();
    secure.client.send(b"CCC\r\nNOOP\r\n").unwrap();
    secure.client.close_notify();
    secure.connection.receive(secure.now, &secure.client.take_outgoing());
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
                let event = match action {
                    Action::Perform(ticket, job) => Event::Done(ticket, job.perform()),
                    Action::Consult(Request::Attempt { .. }) => {
                        Event::Answer(Answer::Standing(Standing::Free))
                    }
                    _ => continue,
                };
                self.connection.handle(self.now, event);
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
