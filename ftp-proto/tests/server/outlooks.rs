//! What the server learns of data connections, and tells with a lease.

use crate::desk::{Desk, HERE, THERE, named, passive};
use ftp_proto::config::{External, PassivePorts};
use ftp_proto::diagnose::{Mode, Outlook, Span, Way};
use ftp_proto::event::{Answer, News, Seen};

const ELSEWHERE: &str = "198.51.100.9";
const EPSV: Way = Way { mode: Mode::Epsv, encrypted: false };
const PASV_TLS: Way = Way { mode: Mode::Pasv, encrypted: true };
const PORT: Way = Way { mode: Mode::Active, encrypted: false };

fn fresh(first: u16, last: u16) -> Outlook {
    Outlook { ports: Some(Span { first, last }), ..Outlook::default() }
}

#[test]
fn what_came_to_a_port_is_known_with_the_next_lease() {
    let mut desk = Desk::open(2_000..=2_000);
    let (here, neighbour, elsewhere) = (desk.admit(HERE), desk.admit(THERE), desk.admit(ELSEWHERE));
    desk.way = EPSV;
    let answer = desk.ask_open(here, 1);
    assert!(matches!(answer, Answer::Leased { outlook, .. } if outlook == fresh(2_000, 2_000)), "{answer:?}");
    desk.activate(here, answer);
    assert_eq!(desk.route(2_000, "192.0.2.66"), named(here, 1, 1));
    assert_eq!(desk.look(here), fresh(2_000, 2_000), "from another network: perhaps not the client");
    assert_eq!(desk.route(2_000, HERE), named(here, 1, 2));
    let outlook = desk.look(neighbour);
    assert!(outlook.own.has(Mode::Epsv, false) && !outlook.own.has(Mode::Pasv, false));
    assert_eq!((outlook.plain.count, outlook.encrypted.count), (1, 0));
    let answer = desk.ask_open(elsewhere, 1);
    let knows =
        |outlook: &Outlook| outlook.others.has(Mode::Epsv, false) && outlook.own == Default::default();
    assert!(matches!(&answer, Answer::Leased { outlook, .. } if knows(outlook)), "{answer:?}");
}

#[test]
fn a_port_that_is_announced_again_counts_for_the_last_command() {
    let mut desk = Desk::open(2_000..=2_000);
    let session = desk.admit(HERE);
    desk.way = EPSV;
    desk.lease(session, 1);
    desk.way = PASV_TLS;
    desk.witness(session, Seen::Announced);
    assert_eq!(desk.route(2_000, HERE), named(session, 1, 1));
    let outlook = desk.look(session);
    assert!(outlook.own.has(Mode::Pasv, true) && !outlook.own.has(Mode::Epsv, false));
}

#[test]
fn strangers_and_sessions_that_are_gone_teach_nothing() {
    let mut desk = Desk::open(2_000..=2_000);
    let (here, elsewhere) = (desk.admit(HERE), desk.admit(ELSEWHERE));
    desk.lease(here, 1);
    assert_eq!(desk.route(2_000, ELSEWHERE), None);
    desk.tell(News::Gone(here));
    desk.way = PORT;
    desk.witness(here, Seen::Connected);
    assert_eq!(desk.consult(ftp_proto::event::Request::Look { session: here }), Answer::Noted);
    assert_eq!(desk.look(elsewhere), fresh(2_000, 2_000));
    desk.witness(elsewhere, Seen::Failed);
    assert!(desk.look(elsewhere).own_failed.has_active());
    desk.witness(elsewhere, Seen::Connected);
    assert!(desk.look(elsewhere).own.has_active());
}

#[test]
fn new_settings_end_what_was_known_of_the_old_ones() {
    let mut desk = Desk::open(2_000..=2_000);
    let session = desk.admit(HERE);
    for (link, way) in [(1, EPSV), (2, PASV_TLS)] {
        desk.way = way;
        desk.lease(session, link);
        assert!(desk.route(2_000, HERE).is_some());
    }
    desk.way = PORT;
    desk.witness(session, Seen::Connected);
    let mut settings = passive(PassivePorts::Range(2_000..=2_000));
    settings.passive.external = External::Literal("192.0.2.80".parse().unwrap());
    desk.reconfigure(settings.clone());
    let outlook = desk.look(session);
    assert!(outlook.own.has(Mode::Epsv, false) && !outlook.own.has(Mode::Pasv, true));
    desk.lease(session, 3);
    settings.passive.ports = PassivePorts::Range(3_000..=3_001);
    desk.reconfigure(settings);
    assert!(desk.route(2_000, HERE).is_some(), "the old port is still announced");
    let outlook = desk.look(session);
    assert!(!outlook.own.has_passive(false) && outlook.own.has_active());
    assert_eq!(Outlook { own: Default::default(), ..outlook }, fresh(3_000, 3_001));
}
