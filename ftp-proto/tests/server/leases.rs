//! Leases: who waits on which port, and whose a connection is.

use crate::desk::{Desk, HERE, SECOND, THERE, named, passive};
use ftp_proto::advertise::{Advertised, Reason};
use ftp_proto::config::{External, PassivePorts};
use ftp_proto::event::{Answer, Event, LinkId, Message, News, SessionId};
use std::time::Duration;

// Closed leases.

#[test]
fn a_connection_reaches_the_session_of_its_own_address_once() {
    let mut desk = Desk::open(2_000..=2_000);
    let (here, there) = (desk.admit(HERE), desk.admit(THERE));
    assert_eq!(desk.lease(here, 1), 2_000);
    assert_eq!(desk.lease(there, 7), 2_000, "one port serves any number of addresses");
    assert_eq!(desk.route(2_000, &format!("::ffff:{THERE}")), named(there, 7, 1));
    assert_eq!(desk.route(2_000, THERE), None, "the lease is used up");
    assert_eq!(desk.route(2_001, HERE), None);
    assert_eq!(desk.route(2_000, HERE), named(here, 1, 1));
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
    assert_eq!(desk.route(2_000, HERE), named(session, 1, 1));
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
                && matches!(event, Event::Message(Message::Stranger { link, peer, port: 2_000 }) if (*link, *peer) == (LinkId::new(1), stranger))
        });
        assert_eq!(heard.count(), 4);
    }
    assert_eq!(desk.route(2_000, HERE), named(sessions[0], 1, 1), "they never end the right one's wait");
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
        assert_eq!(desk.route(2_000, HERE), named(turn, link, 1));
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
    assert_eq!(desk.route(2_000, HERE), named(session, 2, 1));
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
    for (peer, address, why) in [
        (HERE, "192.0.2.80", Reason::Literal),
        ("::1", "::1", Reason::Loopback),
        ("127.0.0.1", "198.51.100.1", Reason::Loopback),
    ] {
        let session = desk.admit(peer);
        let answer = desk.ask(session, 1, SECOND);
        let expected = Advertised { address: address.parse().unwrap(), port: 2_000, why };
        assert!(
            matches!(answer, Answer::Leased { advertised, .. } if advertised == expected),
            "{answer:?}, not {expected:?}"
        );
    }
}

// Open leases.

#[test]
fn an_open_lease_is_routed_to_from_everywhere_until_it_is_released() {
    let mut desk = Desk::open(2_000..=2_000);
    let (open, closed) = (desk.admit(HERE), desk.admit(THERE));
    desk.lease_open(open, 1);
    desk.lease(closed, 7);
    assert_eq!(desk.route(2_000, "192.0.2.66"), named(open, 1, 1), "whose it is, its handshake will tell");
    assert_eq!(desk.route(2_000, HERE), named(open, 1, 2));
    assert_eq!(desk.route(2_000, &format!("::ffff:{THERE}")), named(closed, 7, 1));
    assert_eq!(desk.route(2_000, "192.0.2.66"), named(open, 1, 3));
    assert!(desk.mail.is_empty(), "none of them was a stranger");
    desk.release(open, 1);
    assert_eq!(desk.route(2_000, HERE), None);
    assert_eq!(desk.route(2_000, "192.0.2.66"), None);
    assert_eq!(desk.server.balance(), (0, 0));
}

#[test]
fn strangers_without_end_are_told_to_an_open_lease_as_to_any_other() {
    let mut desk = Desk::open(2_000..=2_000);
    let session = desk.admit(HERE);
    desk.lease_open(session, 1);
    let routed = (0..1_000).filter(|_| desk.route(2_000, "192.0.2.66").is_some());
    assert_eq!(routed.count(), 64);
    assert_eq!(desk.mail.len(), 4);
    assert_eq!(desk.route(2_000, HERE), named(session, 1, 65));
}

#[test]
fn many_clients_behind_one_address_share_one_port_under_tls() {
    let mut desk = Desk::open(2_000..=2_000);
    let sessions: Vec<SessionId> = (0..200).map(|_| desk.admit(HERE)).collect();
    desk.lease_open(sessions[0], 1);
    for &session in &sessions[1..] {
        assert_eq!(desk.ask_open(session, 1), Answer::Queued { link: LinkId::new(1) });
    }
    // None of them has sent its transfer command yet, so that no lease was released.
    for pair in sessions.windows(2) {
        assert_eq!(desk.route(2_000, HERE), named(pair[0], 1, 1));
        let (next, answer) = desk.answer().unwrap();
        assert_eq!(next, pair[1]);
        desk.activate(next, answer);
    }
    for &session in &sessions {
        assert_eq!(desk.server.balance(), (1, 0), "only the last one still has its lease");
        desk.release(session, 1);
    }
    assert_eq!(desk.server.balance(), (0, 0));
}
