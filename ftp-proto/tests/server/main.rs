//! What sessions share, seen from an adapter: admission, the ports' life, leases, shutdown.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod desk;
mod floods;
mod leases;
mod names;
mod outlooks;

use desk::{Desk, HERE, SECOND, THERE, named, passive};
use ftp_proto::Admission;
use ftp_proto::config::{Limits, PassivePorts, Settings};
use ftp_proto::event::{Answer, Arrival, Event, LinkId, Message, News};
use ftp_proto::testing::FakeTls;
use ftp_proto::time::Instant;
use ftp_proto::tls::Tls;
use std::sync::Arc;
use std::time::Duration;

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

#[test]
fn tls_is_for_sessions_that_come_after_it_was_set() {
    let mut desk = Desk::new(Settings::default());
    let arrival = Arrival::new("198.51.100.1:21".parse().unwrap(), "203.0.113.5:4000".parse().unwrap());
    let offers = [None, Some(Arc::new(FakeTls::new()) as Arc<dyn Tls>), None].map(|tls| {
        desk.server.set_tls(tls);
        let Admission::Accepted(_, mut connection) = desk.server.admit(desk.now, arrival) else {
            panic!("refused");
        };
        connection.transmitted(desk.now, connection.transmit().len());
        connection.receive(desk.now, b"FEAT\r\n");
        String::from_utf8(connection.transmit().to_vec()).unwrap().contains("AUTH TLS")
    });
    assert_eq!(offers, [false, true, false]);
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
    assert_eq!(desk.route(busy, HERE), named(session, 1, 1));
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
    assert_eq!(desk.route(2_000, HERE), named(session, 1, 1));
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

// What is known of clients.

#[test]
fn a_client_s_habits_outlive_its_session() {
    let mut desk = Desk::new(Settings::default());
    let first = desk.admit(HERE);
    assert!(!desk.recall(first, "anna"));
    desk.remember(first, "anna");
    desk.tell(News::Gone(first));
    desk.remember(first, "bert");
    assert!(!desk.recall(first, "anna"), "this session is gone");
    let (again, other) = (desk.admit(&format!("::ffff:{HERE}")), desk.admit(THERE));
    assert!(desk.recall(again, "anna"));
    assert!(!desk.recall(again, "bert"), "nothing is learned from a session that is gone");
    assert!(!desk.recall(other, "anna"), "the same user elsewhere may use another program");
}
