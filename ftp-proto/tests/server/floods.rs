//! Connections that don't log in, many of them.

use crate::desk::Desk;
use ftp_proto::config::Settings;
use ftp_proto::event::{Event, Message, News, Request, SessionId, Whom};
use std::collections::BTreeSet;

/// The sessions that were told to make room; the adapter has ended them.
fn end_those_who_make_room(desk: &mut Desk) -> Vec<SessionId> {
    let mut gone = Vec::new();
    while let Some((session, event)) = desk.mail.pop_front() {
        assert!(matches!(event, Event::Message(Message::MakeRoom)), "{event:?}");
        gone.push(session);
    }
    for session in &gone {
        desk.tell(News::Gone(*session));
    }
    gone
}

fn log_in(desk: &mut Desk, session: SessionId) {
    let whom = Some(Whom { user: Some("bob".into()), host: None });
    desk.consult(Request::Enter { session, whom, typed: None });
}

/// 5,000 silent connections from `addresses` in turn; those who are in are never hurt, and newcomers get in.
fn flood(addresses: &[String]) {
    let mut desk = Desk::new(Settings::default());
    let inside: Vec<SessionId> = (0..50)
        .map(|number| {
            // Half of them behind an address of the flood.
            let own = format!("198.51.100.{number}");
            let session = desk.try_admit(if number % 2 == 0 { &addresses[0] } else { &own }).unwrap();
            log_in(&mut desk, session);
            session
        })
        .collect();
    let mut waiting = BTreeSet::new();
    let mut made_room = BTreeSet::new();
    for round in 0..5_000_usize {
        let _ = desk.try_admit(&addresses[round % addresses.len()]);
        if round % 100 == 0 {
            let newcomer = desk.try_admit(&format!("203.0.113.{}", round / 100)).unwrap();
            waiting.insert(newcomer);
        }
        made_room.extend(end_those_who_make_room(&mut desk));
    }
    assert!(desk.server.counted().1 <= 1_000, "{:?}", desk.server.counted());
    assert!(made_room.is_disjoint(&waiting), "a newcomer had to make room");
    assert!(inside.iter().all(|session| !made_room.contains(session)), "somebody who is logged in had to");
    for session in &waiting {
        log_in(&mut desk, *session);
    }
    assert!(desk.server.sessions() >= inside.len() + waiting.len());
}

#[test]
fn silent_connections_from_one_address_keep_nobody_out() {
    flood(&["192.0.2.1".to_owned()]);
}

#[test]
fn silent_connections_from_a_network_keep_nobody_out() {
    flood(&(0..200).map(|host| format!("192.0.2.{host}")).collect::<Vec<_>>());
}

#[test]
fn silent_connections_from_a_customer_of_ipv6_keep_nobody_out() {
    flood(&(0..5_000).map(|net| format!("2001:db8:1:{net:x}::1")).collect::<Vec<_>>());
}

#[test]
fn a_login_that_is_over_counts_as_waiting_again_and_all_counts_end_at_zero() {
    let mut settings = Settings::default();
    settings.limits.unauthenticated = 1;
    let mut desk = Desk::new(settings);
    let first = desk.admit("192.0.2.1");
    let second = desk.try_admit("192.0.2.2").unwrap();
    assert_eq!(desk.server.counted(), (2, 1));
    desk.consult(Request::Enter { session: first, whom: None, typed: None });
    // Two clients with one each: the older makes room. It counts as a session until it is gone.
    assert_eq!(desk.server.counted(), (2, 1));
    let told = desk.mail.pop_front();
    assert!(matches!(&told, Some((who, Event::Message(Message::MakeRoom))) if *who == first), "{told:?}");
    desk.tell(News::Gone(first));
    desk.tell(News::Gone(second));
    assert_eq!(desk.server.counted(), (0, 0));
}
