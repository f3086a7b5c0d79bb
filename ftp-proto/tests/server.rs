//! What sessions share, seen from an adapter: admission, the ports' life, leases, shutdown.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a failed test")]

use ftp_proto::config::{Config, External, Limits, Passive, PassivePorts, Settings};
use ftp_proto::event::{Answer, Arrival, Event, LinkId, Message, News, Request, SessionId, Task};
use ftp_proto::notice::Notice;
use ftp_proto::testing::MemoryAccounts;
use ftp_proto::time::{Instant, Now};
use ftp_proto::{Admission, Server};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A server and what it wanted done, sorted.
struct Desk {
    server: Server,
    now: Now,
    to_open: Vec<u16>,
    to_close: Vec<u16>,
    notices: Vec<String>,
    mail: VecDeque<(SessionId, Event)>,
}

fn passive(ports: PassivePorts) -> Settings {
    Settings { passive: Passive { ports, ..Passive::default() }, ..Settings::default() }
}

fn config(settings: Settings) -> Arc<Config> {
    Arc::new(settings.validate().unwrap())
}

impl Desk {
    fn new(settings: Settings) -> Self {
        let server = Server::new(config(settings), Arc::new(MemoryAccounts::new()), 1);
        let mut desk = Self {
            server,
            now: Now::default(),
            to_open: Vec::new(),
            to_close: Vec::new(),
            notices: Vec::new(),
            mail: VecDeque::new(),
        };
        desk.sort();
        desk
    }

    /// One whose ports are open.
    fn open(ports: std::ops::RangeInclusive<u16>) -> Self {
        let mut desk = Self::new(passive(PassivePorts::Range(ports)));
        desk.open_all();
        desk
    }

    fn sort(&mut self) {
        while let Some(task) = self.server.poll_task() {
            match task {
                Task::Deliver(session, event) => self.mail.push_back((session, event)),
                Task::OpenPort(port) => self.to_open.push(port),
                Task::ClosePort(port) => self.to_close.push(port),
                Task::Notify(Notice::PortOpened { port }) => self.notices.push(format!("{port} opened")),
                Task::Notify(Notice::PortFailed { port, reason }) => {
                    self.notices.push(format!("{port} failed: {reason}"));
                }
                Task::Notify(Notice::AcceptFailed { reason }) => {
                    self.notices.push(format!("accept: {reason}"))
                }
                Task::Notify(Notice::SessionRefused { peer, why }) => {
                    self.notices.push(format!("{} refused: {why}", peer.ip()));
                }
                Task::Notify(other) => panic!("{other:?} is a session's word"),
            }
        }
    }

    fn tell(&mut self, news: News) {
        self.server.handle(self.now, news);
        self.sort();
    }

    fn open_all(&mut self) {
        for port in std::mem::take(&mut self.to_open) {
            self.tell(News::PortOpened(port));
        }
        self.notices.clear();
    }

    fn try_admit(&mut self, peer: &str) -> Result<SessionId, String> {
        let peer = SocketAddr::new(peer.parse().unwrap(), 4_000);
        let local = SocketAddr::new(
            if peer.is_ipv4() { [198, 51, 100, 1].into() } else { "::1".parse().unwrap() },
            21,
        );
        let admission = self.server.admit(self.now, Arrival::new(local, peer));
        self.sort();
        match admission {
            Admission::Accepted(id, connection) => {
                assert_eq!(connection.id(), id);
                Ok(id)
            }
            Admission::Refused(words) => Err(String::from_utf8(words).unwrap()),
        }
    }

    fn admit(&mut self, peer: &str) -> SessionId {
        self.try_admit(peer).unwrap()
    }

    fn consult(&mut self, request: Request) -> Answer {
        let answer = self.server.consult(self.now, request);
        self.sort();
        answer
    }

    fn ask(&mut self, session: SessionId, link: u32, patience: Duration) -> Answer {
        let until = self.now.mono + patience;
        self.consult(Request::Lease { session, link: LinkId::new(link), until, open: false })
    }

    /// The port of a lease that is there at once, and routed to.
    fn lease(&mut self, session: SessionId, link: u32) -> u16 {
        match self.ask(session, link, Duration::from_secs(30)) {
            Answer::Leased { port, .. } => {
                self.server.activate(self.now, session, LinkId::new(link));
                port
            }
            other => panic!("{other:?}"),
        }
    }

    fn release(&mut self, session: SessionId, link: u32) {
        let answer = self.consult(Request::Release { session, link: LinkId::new(link) });
        assert_eq!(answer, Answer::Noted);
    }

    fn route(&mut self, port: u16, peer: &str) -> Option<(SessionId, LinkId)> {
        let peer = SocketAddr::new(peer.parse().unwrap(), 5_000);
        let owner = self.server.route(self.now, port, peer);
        self.sort();
        owner
    }

    fn pass(&mut self, time: Duration) {
        self.now.mono = self.now.mono + time;
        if self.server.deadline().is_some_and(|deadline| deadline <= self.now.mono) {
            self.server.handle_timeout(self.now);
        }
        self.sort();
    }

    fn reconfigure(&mut self, settings: Settings) {
        self.server.reconfigure(self.now, config(settings));
        self.sort();
    }

    /// The next answer in anybody's mailbox.
    fn answer(&mut self) -> Option<(SessionId, Answer)> {
        while let Some((session, event)) = self.mail.pop_front() {
            if let Event::Answer(answer) = event {
                return Some((session, answer));
            }
        }
        None
    }
}

const HERE: &str = "203.0.113.5";
const THERE: &str = "203.0.113.6";
const SECOND: Duration = Duration::from_secs(1);

// Admission.

#[test]
fn sessions_are_limited_in_all_and_by_address() {
    let limits = Limits { sessions: 3, sessions_per_address: 2, ..Limits::default() };
    let mut desk = Desk::new(Settings { limits, ..Settings::default() });
    let first = desk.admit(HERE);
    desk.admit(&format!("::ffff:{HERE}"));
    let full = "421 Too many sessions from your address.\r\n";
    assert_eq!(desk.try_admit(HERE).unwrap_err(), full, "mapped into IPv6 it is the same address");
    desk.admit(THERE);
    assert_eq!(desk.try_admit("192.0.2.1").unwrap_err(), "421 Too many sessions; try again later.\r\n");
    assert_eq!(
        desk.notices,
        [
            "203.0.113.5 refused: Too many sessions from your address.",
            "192.0.2.1 refused: Too many sessions; try again later.",
        ]
    );
    desk.tell(News::Gone(first));
    desk.tell(News::Gone(first));
    assert_eq!(desk.server.sessions(), 2, "gone twice counts once");
    desk.admit(HERE);
    assert!(desk.try_admit(HERE).is_err());
}

#[test]
fn no_two_sessions_have_the_same_name() {
    let mut desk = Desk::new(Settings::default());
    let mut names = std::collections::BTreeSet::new();
    for _ in 0..100 {
        let session = desk.admit(HERE);
        assert!(names.insert(session));
        desk.tell(News::Gone(session));
    }
    assert_eq!(desk.server.sessions(), 0);
}

#[test]
fn draining_tells_all_and_admits_nobody() {
    let mut desk = Desk::open(2_000..=2_000);
    let sessions = [desk.admit(HERE), desk.admit(THERE)];
    desk.server.drain(desk.now, 20 * SECOND);
    desk.sort();
    for session in sessions {
        let (told, event) = desk.mail.pop_front().unwrap();
        assert_eq!(told, session);
        assert!(
            matches!(event, Event::Message(Message::Drain { until }) if until == Instant::ZERO + 20 * SECOND)
        );
    }
    assert_eq!(desk.try_admit(HERE).unwrap_err(), "421 The server is shutting down.\r\n");
    // What runs may still need a data connection.
    desk.lease(sessions[0], 1);
}

#[test]
fn a_session_is_kicked_by_name() {
    let mut desk = Desk::new(Settings::default());
    let session = desk.admit(HERE);
    assert!(desk.server.kick(desk.now, session));
    desk.sort();
    let told = desk.mail.pop_front();
    assert!(matches!(told, Some((who, Event::Message(Message::Kick))) if who == session), "{told:?}");
    desk.tell(News::Gone(session));
    assert!(!desk.server.kick(desk.now, session));
    desk.sort();
    assert!(desk.mail.is_empty());
}

// The ports' life.

#[test]
fn every_port_of_the_range_is_opened_once_at_the_start() {
    let desk = Desk::new(passive(PassivePorts::Range(2_000..=2_003)));
    assert_eq!(desk.to_open, [2_000, 2_001, 2_002, 2_003]);
    let desk = Desk::new(passive(PassivePorts::Range(65_535..=65_535)));
    assert_eq!(desk.to_open, [65_535]);
    let desk = Desk::new(passive(PassivePorts::Auto(3)));
    assert_eq!(desk.to_open, [0, 0, 0]);
    let mut off = passive(PassivePorts::Range(2_000..=2_003));
    off.passive.enabled = false;
    assert!(Desk::new(off).to_open.is_empty());
}

#[test]
fn a_port_that_fails_is_named_once_and_tried_again_and_again() {
    let mut desk = Desk::new(passive(PassivePorts::Range(2_000..=2_001)));
    desk.to_open.clear();
    desk.tell(News::PortOpened(2_001));
    assert_eq!(desk.server.open_ports(), [2_001], "the server runs with the rest");
    for wait in [5, 10, 20, 40, 60, 60] {
        desk.tell(News::PortFailed(2_000, "address in use".into()));
        assert_eq!(desk.server.deadline(), Some(desk.now.mono + wait * SECOND));
        desk.pass(wait * SECOND - Duration::from_millis(1));
        assert!(desk.to_open.is_empty());
        desk.pass(Duration::from_millis(1));
        assert_eq!(std::mem::take(&mut desk.to_open), [2_000]);
    }
    desk.tell(News::PortOpened(2_000));
    assert_eq!(desk.server.open_ports(), [2_000, 2_001]);
    assert_eq!(desk.server.deadline(), None);
    assert_eq!(desk.notices, ["2001 opened", "2000 failed: address in use", "2000 opened"]);
}

#[test]
fn ports_the_system_did_not_give_are_asked_for_again() {
    let mut desk = Desk::new(passive(PassivePorts::Auto(3)));
    desk.to_open.clear();
    desk.tell(News::PortOpened(40_001));
    for _ in 0..2 {
        desk.tell(News::PortFailed(0, "too many open files".into()));
    }
    desk.pass(5 * SECOND);
    assert_eq!(std::mem::take(&mut desk.to_open), [0, 0]);
    desk.tell(News::PortOpened(40_002));
    desk.tell(News::PortFailed(0, "too many open files".into()));
    desk.pass(9 * SECOND);
    assert!(desk.to_open.is_empty());
    desk.pass(SECOND);
    assert_eq!(std::mem::take(&mut desk.to_open), [0]);
    desk.tell(News::PortOpened(40_003));
    assert_eq!(desk.server.open_ports(), [40_001, 40_002, 40_003]);
    assert_eq!(desk.server.deadline(), None);
    assert_eq!(desk.notices.iter().filter(|notice| notice.contains("failed")).count(), 1);
}

#[test]
fn a_new_range_opens_and_the_old_one_closes_behind_its_last_lease() {
    let mut desk = Desk::open(2_000..=2_001);
    let session = desk.admit(HERE);
    let busy = desk.lease(session, 1);
    let idle = if busy == 2_000 { 2_001 } else { 2_000 };
    desk.reconfigure(passive(PassivePorts::Range(3_000..=3_001)));
    assert_eq!(desk.to_open, [3_000, 3_001]);
    assert_eq!(desk.to_close, [idle], "the other one is still announced");
    assert!(matches!(desk.mail.pop_front(), Some((_, Event::Message(Message::Configure(_))))));
    desk.open_all();
    assert_eq!(desk.server.open_ports(), [3_000, 3_001]);
    assert_eq!(desk.route(busy, HERE), Some((session, LinkId::new(1))));
    assert_eq!(desk.to_close, [idle, busy]);
    assert!(desk.lease(session, 2) >= 3_000);
}

#[test]
fn a_port_that_was_about_to_close_and_is_wanted_again_stays_open() {
    let mut desk = Desk::open(2_000..=2_000);
    let session = desk.admit(HERE);
    desk.lease(session, 1);
    desk.reconfigure(passive(PassivePorts::Range(3_000..=3_000)));
    desk.open_all();
    desk.reconfigure(passive(PassivePorts::Range(2_000..=2_000)));
    assert!(desk.to_open.is_empty(), "it is listened on");
    assert_eq!(desk.to_close, [3_000]);
    assert_eq!(desk.server.open_ports(), [2_000]);
    assert_eq!(desk.route(2_000, HERE), Some((session, LinkId::new(1))));
    assert_eq!(desk.to_close, [3_000]);
}

#[test]
fn what_is_opened_too_late_is_closed_and_never_leased() {
    for before in [PassivePorts::Range(2_000..=2_000), PassivePorts::Auto(1)] {
        let mut desk = Desk::new(passive(before));
        desk.reconfigure(passive(PassivePorts::Range(3_000..=3_000)));
        desk.tell(News::PortOpened(2_000));
        assert_eq!(desk.to_close, [2_000]);
        desk.tell(News::PortOpened(3_000));
        assert_eq!(desk.server.open_ports(), [3_000]);
        // Late failures are nobody's business either.
        desk.tell(News::PortFailed(2_000, "in use".into()));
        desk.tell(News::PortFailed(3_000, "opened twice".into()));
        assert_eq!(desk.server.deadline(), None);
        assert_eq!(desk.notices, ["3000 opened"]);
    }
}

#[test]
fn the_number_of_ports_the_system_chooses_can_change() {
    let mut desk = Desk::new(passive(PassivePorts::Auto(4)));
    desk.to_open.clear();
    for port in 40_000..40_003 {
        desk.tell(News::PortOpened(port));
    }
    // One of the four is still on its way and no longer wanted.
    desk.reconfigure(passive(PassivePorts::Auto(2)));
    assert_eq!(desk.to_close, [40_002]);
    desk.tell(News::PortOpened(40_003));
    assert_eq!(desk.to_close, [40_002, 40_003]);
    desk.reconfigure(passive(PassivePorts::Auto(5)));
    assert_eq!(desk.to_open, [0, 0, 0]);
    assert_eq!(desk.server.open_ports(), [40_000, 40_001]);
}

#[test]
fn passive_mode_can_be_switched_off_and_on() {
    let mut desk = Desk::open(2_000..=2_001);
    let session = desk.admit(HERE);
    let mut off = passive(PassivePorts::Range(2_000..=2_001));
    off.passive.enabled = false;
    desk.reconfigure(off);
    assert_eq!(desk.to_close, [2_000, 2_001]);
    assert_eq!(
        desk.ask(session, 1, SECOND),
        Answer::NoneOpen { link: LinkId::new(1) },
        "nothing to wait for"
    );
    desk.reconfigure(passive(PassivePorts::Range(2_000..=2_001)));
    assert_eq!(desk.to_open, [2_000, 2_001]);
}

#[test]
fn a_session_waits_while_a_new_range_is_being_opened() {
    let mut desk = Desk::open(2_000..=2_000);
    let session = desk.admit(HERE);
    desk.reconfigure(passive(PassivePorts::Range(3_000..=3_000)));
    assert_eq!(desk.ask(session, 1, SECOND), Answer::Queued { link: LinkId::new(1) });
    desk.mail.clear();
    desk.open_all();
    let (who, answer) = desk.answer().unwrap();
    assert_eq!((who, answer.port_to_drain()), (session, Some((LinkId::new(1), 3_000))));
}

// Leases.

#[test]
fn a_connection_reaches_the_session_of_its_own_address_once() {
    let mut desk = Desk::open(2_000..=2_000);
    let (here, there) = (desk.admit(HERE), desk.admit(THERE));
    assert_eq!(desk.lease(here, 1), 2_000);
    assert_eq!(desk.lease(there, 7), 2_000, "one port serves any number of addresses");
    assert_eq!(desk.route(2_000, &format!("::ffff:{THERE}")), Some((there, LinkId::new(7))));
    assert_eq!(desk.route(2_000, THERE), None, "the lease is used up");
    assert_eq!(desk.route(2_001, HERE), None);
    assert_eq!(desk.route(2_000, HERE), Some((here, LinkId::new(1))));
    assert_eq!(desk.server.balance(), (0, 0));
}

#[test]
fn nothing_is_routed_to_a_lease_whose_port_was_not_drained() {
    let mut desk = Desk::open(2_000..=2_000);
    let session = desk.admit(HERE);
    let answer = desk.ask(session, 1, SECOND);
    assert_eq!(answer.port_to_drain(), Some((LinkId::new(1), 2_000)));
    assert_eq!(desk.route(2_000, HERE), None, "it came before the lease");
    assert!(desk.mail.is_empty(), "and says nothing about it");
    desk.server.activate(desk.now, session, LinkId::new(1));
    assert_eq!(desk.route(2_000, HERE), Some((session, LinkId::new(1))));
}

#[test]
fn those_who_wait_on_a_port_hear_of_strangers_within_reason() {
    let mut desk = Desk::open(2_000..=2_000);
    let sessions = [desk.admit(HERE), desk.admit(THERE)];
    for session in sessions {
        desk.lease(session, 1);
    }
    for _ in 0..1_000 {
        assert_eq!(desk.route(2_000, "192.0.2.66"), None);
    }
    for session in sessions {
        let heard = desk.mail.iter().filter(|(who, event)| {
            let stranger = "192.0.2.66:5000".parse().unwrap();
            *who == session
                && matches!(event, Event::Message(Message::Stranger(LinkId::new(1), peer)) if *peer == stranger)
        });
        assert_eq!(heard.count(), 4);
    }
    assert_eq!(
        desk.route(2_000, HERE),
        Some((sessions[0], LinkId::new(1))),
        "they never end the right one's wait"
    );
}

#[test]
fn those_who_wait_for_a_port_are_served_in_turn() {
    let mut desk = Desk::open(2_000..=2_000);
    let sessions: Vec<SessionId> = (0..200).map(|_| desk.admit(HERE)).collect();
    desk.lease(sessions[0], 0);
    for &session in &sessions[1..] {
        assert_eq!(desk.ask(session, 0, 30 * SECOND), Answer::Queued { link: LinkId::new(0) });
    }
    // Ten transfers each: whoever was served asks again, at the end of the queue.
    let mut turn = sessions[0];
    for round in 0..2_000u32 {
        let link = round / 200;
        assert_eq!(turn, sessions[round as usize % 200]);
        assert_eq!(desk.route(2_000, HERE), Some((turn, LinkId::new(link))));
        let next = desk.answer();
        if link < 9 {
            assert_eq!(desk.ask(turn, link + 1, 30 * SECOND), Answer::Queued { link: LinkId::new(link + 1) });
        }
        if let Some((session, answer)) = next {
            let (link, port) = answer.port_to_drain().unwrap();
            assert_eq!(port, 2_000);
            desk.server.activate(desk.now, session, link);
            turn = session;
        }
    }
    assert_eq!(desk.server.balance(), (0, 0));
}

#[test]
fn one_address_can_not_take_the_ports_of_another() {
    let mut desk = Desk::open(2_000..=2_001);
    for _ in 0..50 {
        let session = desk.admit(HERE);
        desk.ask(session, 1, 30 * SECOND);
    }
    let other = desk.admit(THERE);
    desk.lease(other, 1);
}

#[test]
fn who_waits_in_vain_is_told_at_the_deadline() {
    let mut desk = Desk::open(2_000..=2_000);
    let (first, second) = (desk.admit(HERE), desk.admit(HERE));
    desk.lease(first, 1);
    assert_eq!(desk.ask(second, 3, 10 * SECOND), Answer::Queued { link: LinkId::new(3) });
    assert_eq!(
        desk.ask(second, 3, 99 * SECOND),
        Answer::Queued { link: LinkId::new(3) },
        "asked twice is once"
    );
    desk.pass(10 * SECOND);
    assert_eq!(desk.answer(), Some((second, Answer::NoPort { link: LinkId::new(3) })));
    assert_eq!(desk.server.balance(), (1, 0));
    assert_eq!(desk.ask(second, 4, Duration::ZERO), Answer::NoPort { link: LinkId::new(4) });
}

#[test]
fn a_late_connection_never_reaches_another_session_of_its_address() {
    let mut desk = Desk::open(2_000..=2_000);
    let (first, second) = (desk.admit(HERE), desk.admit(HERE));
    desk.lease(first, 1);
    desk.release(first, 1);
    assert_eq!(desk.ask(second, 1, 30 * SECOND), Answer::Queued { link: LinkId::new(1) });
    assert_eq!(desk.route(2_000, HERE), None, "it was meant for the first");
    // The first may have it again: a late connection can only be its own. It doesn't shorten the other's wait.
    desk.lease(first, 2);
    desk.tell(News::Gone(first));
    assert_eq!(desk.server.deadline(), Some(desk.now.mono + 5 * SECOND));
    desk.pass(5 * SECOND);
    let (who, answer) = desk.answer().unwrap();
    assert_eq!((who, answer.port_to_drain()), (second, Some((LinkId::new(1), 2_000))));
    // Somebody else's address has nothing to do with it.
    let other = desk.admit(THERE);
    desk.lease(other, 1);
}

#[test]
fn a_session_that_asks_again_and_again_holds_one_port_only() {
    let mut desk = Desk::open(2_000..=2_009);
    let (restless, patient) = (desk.admit(HERE), desk.admit(HERE));
    for link in 0..100 {
        desk.lease(restless, link);
        desk.release(restless, link);
    }
    desk.lease(patient, 1);
}

#[test]
fn old_news_of_a_lease_does_not_end_the_next_one() {
    let mut desk = Desk::open(2_000..=2_000);
    let session = desk.admit(HERE);
    desk.lease(session, 1);
    desk.lease(session, 2);
    desk.release(session, 1);
    desk.server.activate(desk.now, session, LinkId::new(1));
    assert_eq!(desk.route(2_000, HERE), Some((session, LinkId::new(2))));
}

#[test]
fn a_session_that_is_gone_gives_everything_back() {
    let mut desk = Desk::open(2_000..=2_000);
    let sessions = [desk.admit(HERE), desk.admit(HERE), desk.admit(HERE)];
    // Not yet announced, so that nobody can come late.
    desk.ask(sessions[0], 1, 30 * SECOND);
    desk.ask(sessions[1], 1, 30 * SECOND);
    desk.ask(sessions[2], 1, 30 * SECOND);
    assert_eq!(desk.server.balance(), (1, 2));
    desk.tell(News::Gone(sessions[1]));
    desk.tell(News::Gone(sessions[0]));
    assert_eq!(desk.answer().map(|(who, _)| who), Some(sessions[2]));
    assert_eq!(desk.ask(sessions[0], 2, SECOND), Answer::NoPort { link: LinkId::new(2) }, "it is gone");
    desk.tell(News::Gone(sessions[2]));
    assert_eq!(desk.server.balance(), (0, 0));
    assert_eq!(desk.server.deadline(), None);
}

#[test]
fn the_answer_names_the_address_for_this_client() {
    let mut settings = passive(PassivePorts::Range(2_000..=2_000));
    settings.passive.external = External::Literal("192.0.2.80".parse().unwrap());
    let mut desk = Desk::new(settings);
    desk.open_all();
    for (peer, advertised) in [(HERE, "192.0.2.80"), ("::1", "::1"), ("127.0.0.1", "198.51.100.1")] {
        let session = desk.admit(peer);
        let answer = desk.ask(session, 1, SECOND);
        let expected =
            Answer::Leased { link: LinkId::new(1), port: 2_000, advertised: advertised.parse().unwrap() };
        assert_eq!(answer, expected);
    }
}

#[test]
fn a_range_wider_than_useful_does_not_eat_all_descriptors() {
    let desk = Desk::new(passive(PassivePorts::Range(8_000..=31_999)));
    assert_eq!(desk.to_open, (8_000..9_024).collect::<Vec<u16>>());
    let full = Desk::new(passive(PassivePorts::Range(65_000..=65_535)));
    assert_eq!(full.to_open.len(), 536);
    assert!(passive(PassivePorts::Auto(1_025)).validate().is_err());
}

#[test]
fn connections_that_can_t_be_accepted_are_told_once_a_minute() {
    let mut desk = Desk::open(2_000..=2_000);
    desk.notices.clear();
    for second in 0..=120 {
        desk.now.mono = Instant::ZERO + Duration::from_secs(second);
        desk.tell(News::AcceptFailed("too many open files".into()));
    }
    assert_eq!(desk.notices, ["accept: too many open files"; 3]);
}
