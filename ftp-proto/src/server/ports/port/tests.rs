//! Open leases, rule by rule.

use super::*;
use crate::server::ports::{Asker, COOL_DOWN, Leasing, PoolEvent, PortPool};
use crate::time::Instant;
use core::net::IpAddr;
use core::time::Duration;

const OPEN: bool = true;
const CLOSED: bool = false;
const PORT: u16 = 2_000;
const HERE: IpAddr = address(1);
const THERE: IpAddr = address(2);
const ELSEWHERE: IpAddr = address(3);

const fn address(client: u8) -> IpAddr {
    IpAddr::V4(core::net::Ipv4Addr::new(203, 0, 113, client))
}

fn arrival(session: u64, number: u32) -> Option<(SessionId, LinkId)> {
    Some((SessionId(session), LinkId::new(1).arrived(number)))
}

/// A pool, in which each session asks once.
struct Desk {
    pool: PortPool,
    now: Instant,
}

impl Desk {
    fn new(ports: core::ops::RangeInclusive<u16>) -> Self {
        let mut desk = Self { pool: PortPool::new(0), now: Instant::ZERO };
        for port in ports {
            desk.pool.open(desk.now, port);
        }
        desk
    }

    fn ask(&mut self, session: u64, client: IpAddr, open: bool) -> Leasing {
        let asker = Asker { session: SessionId(session), link: LinkId::new(1), open };
        self.pool.lease(self.now, asker, Network::around(client, 32), self.now + Duration::from_secs(30))
    }

    /// A lease that is there at once, and routed to.
    fn lease(&mut self, session: u64, client: IpAddr, open: bool) -> u16 {
        let Leasing::Leased(port) = self.ask(session, client, open) else {
            panic!("{session} has to wait");
        };
        self.pool.activate(SessionId(session), LinkId::new(1));
        port
    }

    fn arrive(&mut self, port: u16, peer: IpAddr) -> Option<(SessionId, LinkId)> {
        self.pool.route(self.now, port, peer, self.pool.activations())
    }

    fn release(&mut self, session: u64) {
        self.pool.release(self.now, SessionId(session), LinkId::new(1));
    }

    fn leased(&mut self, session: u64, port: u16) {
        let (session, link) = (SessionId(session), LinkId::new(1));
        assert_eq!(self.pool.poll_event(), Some(PoolEvent::Leased { session, link, port }));
        self.pool.activate(session, link);
    }
}

#[test]
fn a_closed_lease_is_used_up_by_its_first_connection() {
    let mut desk = Desk::new(PORT..=PORT);
    desk.lease(1, HERE, CLOSED);
    assert_eq!(desk.arrive(PORT, THERE), None);
    assert_eq!(desk.arrive(PORT, HERE), arrival(1, 1));
    assert_eq!(desk.arrive(PORT, HERE), None);
}

#[test]
fn an_open_lease_gets_all_that_comes_until_it_is_released() {
    let mut desk = Desk::new(PORT..=PORT);
    desk.lease(1, HERE, OPEN);
    assert_eq!(desk.arrive(PORT, HERE), arrival(1, 1));
    assert_eq!(desk.arrive(PORT, ELSEWHERE), arrival(1, 2), "each has a name of its own");
    assert_eq!(desk.arrive(PORT, HERE), arrival(1, 3));
    desk.release(1);
    assert_eq!(desk.arrive(PORT, HERE), None);
    assert_eq!(desk.arrive(PORT, ELSEWHERE), None);
    assert_eq!(desk.pool.balance(), (0, 0));
}

#[test]
fn nothing_comes_to_an_open_lease_whose_port_was_not_drained() {
    let mut desk = Desk::new(PORT..=PORT);
    desk.ask(1, HERE, OPEN);
    assert_eq!(desk.arrive(PORT, HERE), None);
    assert_eq!(desk.arrive(PORT, ELSEWHERE), None);
    desk.lease(2, THERE, OPEN);
    assert_eq!(desk.arrive(PORT, HERE), arrival(2, 1), "this address has no lease yet that counts");
}

#[test]
fn what_was_accepted_before_a_lease_never_reaches_it() {
    let mut desk = Desk::new(PORT..=PORT);
    desk.lease(1, THERE, OPEN);
    let accepted = desk.pool.activations();
    let decide = |desk: &mut Desk, peer| desk.pool.route(desk.now, PORT, peer, accepted);
    desk.lease(2, HERE, CLOSED);
    assert_eq!(decide(&mut desk, HERE), arrival(1, 1), "as if it had none");
    assert_eq!(desk.arrive(PORT, HERE), arrival(2, 1));
    desk.release(1);
    desk.lease(1, THERE, OPEN);
    assert_eq!(decide(&mut desk, THERE), None);
    assert_eq!(decide(&mut desk, ELSEWHERE), None);
    assert_eq!(desk.arrive(PORT, THERE), arrival(1, 1));
}

#[test]
fn who_has_a_lease_of_its_own_is_never_dealt_out() {
    let mut desk = Desk::new(PORT..=PORT);
    desk.lease(1, HERE, OPEN);
    desk.lease(2, THERE, CLOSED);
    assert_eq!(desk.arrive(PORT, ELSEWHERE), arrival(1, 1));
    assert_eq!(desk.arrive(PORT, THERE), arrival(2, 1));
    assert_eq!(desk.arrive(PORT, THERE), arrival(1, 2), "its own is used up");
}

#[test]
fn connections_from_elsewhere_are_dealt_out_evenly_the_oldest_lease_first() {
    let mut desk = Desk::new(PORT..=PORT);
    for (session, client) in [(1, ELSEWHERE), (2, THERE), (3, HERE)] {
        desk.ask(session, client, OPEN);
    }
    // The clients are told when the port was drained for them.
    for session in [2, 3, 1] {
        desk.pool.activate(SessionId(session), LinkId::new(1));
    }
    // Told once more is still told first.
    desk.pool.activate(SessionId(2), LinkId::new(1));
    assert_eq!(desk.arrive(PORT, HERE), arrival(3, 1), "its own counts as well");
    let dealt = [0; 6].map(|_| desk.arrive(PORT, address(9)));
    let expected = [(2, 1), (1, 1), (2, 2), (3, 2), (1, 2), (2, 3)];
    assert_eq!(dealt, expected.map(|(session, number)| arrival(session, number)));
}

#[test]
fn what_strangers_can_send_to_a_lease_has_a_limit() {
    let mut desk = Desk::new(PORT..=PORT);
    desk.lease(1, HERE, OPEN);
    desk.lease(2, THERE, OPEN);
    assert_eq!(desk.arrive(PORT, HERE), arrival(1, 1), "what is its own doesn't count");
    for session in [2, 1].repeat(FOREIGN_ARRIVALS as usize) {
        let owner = desk.arrive(PORT, ELSEWHERE).map(|(session, _)| session);
        assert_eq!(owner, Some(SessionId(session)));
    }
    assert_eq!(desk.arrive(PORT, ELSEWHERE), None);
    assert_eq!(desk.pool.stranger(PORT).len(), 2, "they hear of it");
    let next = FOREIGN_ARRIVALS + 2;
    assert_eq!(desk.arrive(PORT, HERE), arrival(1, next), "the client itself always comes through");
}

#[test]
fn a_lease_hears_of_a_few_strangers_and_no_more() {
    let mut desk = Desk::new(PORT..=PORT);
    desk.lease(1, HERE, CLOSED);
    desk.ask(2, THERE, OPEN);
    let told: usize = (0..1_000).map(|_| desk.pool.stranger(PORT).len()).sum();
    assert_eq!(told, usize::from(STRANGERS), "and the lease that isn't routed to yet hears of none");
}

#[test]
fn a_port_whose_client_has_come_does_not_cool_down() {
    let mut desk = Desk::new(PORT..=PORT);
    desk.lease(1, HERE, OPEN);
    desk.arrive(PORT, HERE);
    desk.release(1);
    assert_eq!(desk.lease(2, HERE, CLOSED), PORT);
}

#[test]
fn a_port_where_only_others_came_cools_down() {
    let mut desk = Desk::new(PORT..=PORT);
    desk.lease(1, HERE, OPEN);
    desk.arrive(PORT, ELSEWHERE);
    desk.release(1);
    assert_eq!(desk.ask(2, HERE, OPEN), Leasing::Queued, "the client may still come");
    desk.now = desk.now + COOL_DOWN;
    desk.pool.handle_timeout(desk.now);
    desk.leased(2, PORT);
}

#[test]
fn an_open_lease_whose_client_has_come_makes_room_for_another() {
    let mut desk = Desk::new(PORT..=PORT + 1);
    let (first, second) = (desk.lease(1, HERE, OPEN), desk.lease(2, HERE, OPEN));
    desk.arrive(second, HERE);
    desk.arrive(first, HERE);
    assert_eq!(desk.lease(3, HERE, OPEN), first, "the oldest first");
    assert_eq!(desk.pool.balance(), (2, 0));
    desk.release(1);
    assert_eq!(desk.pool.balance(), (2, 0), "the first has nothing to give back any more");
    assert_eq!(desk.arrive(first, HERE), arrival(3, 1));
}

#[test]
fn nobody_makes_room_while_a_port_is_free_or_for_another_address() {
    let mut desk = Desk::new(PORT..=PORT + 1);
    let first = desk.lease(1, HERE, OPEN);
    desk.arrive(first, HERE);
    assert_ne!(desk.lease(2, HERE, OPEN), first);
    desk.lease(3, THERE, OPEN);
    desk.lease(4, THERE, OPEN);
    assert_eq!(desk.ask(5, THERE, OPEN), Leasing::Queued);
    assert_eq!(desk.pool.balance(), (4, 1));
}

#[test]
fn a_lease_in_the_clear_neither_makes_room_nor_takes_it() {
    let mut desk = Desk::new(PORT..=PORT);
    desk.lease(1, HERE, CLOSED);
    assert_eq!(desk.ask(2, HERE, OPEN), Leasing::Queued);
    desk.arrive(PORT, HERE);
    desk.leased(2, PORT);
    desk.arrive(PORT, HERE);
    assert_eq!(desk.ask(3, HERE, CLOSED), Leasing::Queued, "a late connection would be taken for its own");
    assert_eq!(desk.ask(4, HERE, OPEN), Leasing::Queued, "and nobody overtakes it");
    desk.release(3);
    desk.leased(4, PORT);
}

#[test]
fn who_waits_gets_the_port_as_soon_as_a_client_has_come() {
    let mut desk = Desk::new(PORT..=PORT);
    desk.lease(1, HERE, OPEN);
    for session in 2..=100 {
        assert_eq!(desk.ask(session, HERE, OPEN), Leasing::Queued);
    }
    for session in 1..100 {
        assert_eq!(desk.arrive(PORT, ELSEWHERE), arrival(session, 1));
        assert_eq!(desk.pool.poll_event(), None, "it may not have been the client");
        assert_eq!(desk.arrive(PORT, HERE), arrival(session, 2));
        desk.leased(session + 1, PORT);
    }
}

#[test]
fn who_waited_in_vain_makes_way_for_the_next() {
    let mut desk = Desk::new(PORT..=PORT);
    desk.lease(1, HERE, OPEN);
    desk.arrive(PORT, HERE);
    assert_eq!(desk.ask(2, HERE, CLOSED), Leasing::Queued);
    desk.now = desk.now + Duration::from_secs(1);
    assert_eq!(desk.ask(3, HERE, OPEN), Leasing::Queued);
    desk.now = desk.now + Duration::from_secs(29);
    desk.pool.handle_timeout(desk.now);
    let none = PoolEvent::NoPort { session: SessionId(2), link: LinkId::new(1) };
    assert_eq!(desk.pool.poll_event(), Some(none));
    desk.leased(3, PORT);
}

#[test]
fn a_port_where_somebody_may_come_late_is_not_taken_over() {
    let mut desk = Desk::new(PORT..=PORT);
    desk.lease(1, HERE, OPEN);
    desk.release(1);
    // The same session again, so that the connection may be the one it was waiting for before.
    desk.lease(1, HERE, OPEN);
    desk.arrive(PORT, HERE);
    assert_eq!(desk.ask(2, HERE, OPEN), Leasing::Queued);
    desk.now = desk.now + COOL_DOWN;
    desk.pool.handle_timeout(desk.now);
    desk.leased(2, PORT);
}

#[test]
fn a_retired_port_is_not_taken_over_and_closes_behind_its_open_lease() {
    let mut desk = Desk::new(PORT..=PORT);
    desk.lease(1, HERE, OPEN);
    desk.pool.retire(PORT);
    assert_eq!(desk.arrive(PORT, HERE), arrival(1, 1));
    assert_eq!(desk.ask(2, HERE, OPEN), Leasing::Queued);
    assert_eq!(desk.pool.poll_event(), None, "it is still announced");
    desk.release(1);
    assert_eq!(desk.pool.poll_event(), Some(PoolEvent::Close(PORT)));
}
