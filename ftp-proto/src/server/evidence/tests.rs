//! What is remembered, for how long, and that it stays within bounds.

use super::*;
use crate::config::External;
use crate::diagnose::Mode;

const HOUR: Duration = Duration::from_secs(3_600);
const PASV: Way = Way { mode: Mode::Pasv, encrypted: false };
const EPSV_TLS: Way = Way { mode: Mode::Epsv, encrypted: true };
const PORT: Way = Way { mode: Mode::Active, encrypted: false };

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn start() -> Instant {
    Instant::ZERO + HOUR * 100
}

fn evidence() -> Evidence {
    Evidence::new(&PassivePorts::Range(41_000..=41_099))
}

fn with_ports(ports: PassivePorts) -> Passive {
    Passive { ports, ..Passive::default() }
}

fn span(first: u16, last: u16) -> Option<Span> {
    Some(Span { first, last })
}

#[test]
fn what_a_network_does_is_its_own_and_the_others_of_others() {
    let mut evidence = evidence();
    evidence.reached(start(), address("203.0.113.5"), PASV, 41_007);
    evidence.failed(start(), address("198.51.100.1"), EPSV_TLS);
    let neighbour = evidence.outlook(start(), address("203.0.113.77"));
    assert_eq!((neighbour.own, neighbour.others), (Ways::default().with(PASV), Ways::default()));
    assert_eq!(
        (neighbour.own_failed, neighbour.others_failed),
        (Ways::default(), Ways::default().with(EPSV_TLS))
    );
    assert_eq!(neighbour.plain, Reached { span: span(41_007, 41_007), count: 1 });
    assert_eq!(neighbour.encrypted, Reached::default());
    let other = evidence.outlook(start(), address("198.51.100.1"));
    assert_eq!((other.own, other.others), (Ways::default(), Ways::default().with(PASV)));
    assert_eq!(other.ports, span(41_000, 41_099));
}

#[test]
fn inside_and_outside_and_both_versions_of_ip_are_worlds_of_their_own() {
    let mut evidence = evidence();
    evidence.reached(start(), address("10.0.0.20"), PASV, 41_007);
    evidence.reached(start(), address("2001:db8::1"), PASV, 41_008);
    evidence.reached(start(), address("127.0.0.1"), PASV, 41_009);
    for stranger in ["203.0.113.5", "fd00::1", "::1"] {
        let outlook = evidence.outlook(start(), address(stranger));
        assert_eq!(outlook, Outlook { ports: span(41_000, 41_099), ..Outlook::default() }, "{stranger}");
    }
    assert_eq!(evidence.outlook(start(), address("172.16.0.1")).others, Ways::default().with(PASV));
    assert_eq!(evidence.outlook(start(), address("::ffff:10.0.0.21")).own, Ways::default().with(PASV));
    assert_eq!(evidence.networks(), 2, "the server itself is no network");
}

#[test]
fn there_are_others_whoever_came_last() {
    let mut evidence = evidence();
    for peer in ["203.0.113.5", "198.51.100.1", "203.0.113.6", "203.0.113.5"] {
        evidence.came(start(), address(peer), PORT);
    }
    for peer in ["203.0.113.5", "198.51.100.1", "192.0.2.1"] {
        assert!(evidence.outlook(start(), address(peer)).others.has_active(), "{peer}");
    }
}

#[test]
fn ports_are_counted_from_the_lowest_to_the_highest() {
    let mut evidence = Evidence::new(&PassivePorts::Range(2_000..=9_000));
    for port in [2_063, 2_064, 2_700, 3_023, 2_064] {
        evidence.reached(start(), address("203.0.113.5"), EPSV_TLS, port);
    }
    // Not in the range, or in the part of it that is not listened on: a lease from before the range was changed.
    for port in [1_999, 3_024, 9_001] {
        evidence.reached(start(), address("203.0.113.5"), EPSV_TLS, port);
    }
    evidence.reached(start(), address("198.51.100.1"), EPSV_TLS, 1_999);
    assert_eq!(evidence.networks(), 1);
    let outlook = evidence.outlook(start(), address("203.0.113.5"));
    assert_eq!(outlook.encrypted, Reached { span: span(2_063, 3_023), count: 4 });
    assert_eq!(outlook.ports, span(2_000, 3_023));
}

#[test]
fn a_day_later_all_is_forgotten() {
    let peer = address("203.0.113.5");
    let mut evidence = evidence();
    evidence.reached(start(), peer, PASV, 41_007);
    evidence.failed(start(), address("198.51.100.1"), PORT);
    let later = |hours: u32| start() + HOUR * hours;
    let before = evidence.outlook(later(23), peer);
    assert!(before.own.has_passive(false) && before.others_failed.has_active());
    assert_eq!(before.plain.count, 1);
    let fresh = Outlook { ports: span(41_000, 41_099), ..Outlook::default() };
    assert_eq!(evidence.outlook(later(24), peer), fresh);
    // Something new in between keeps only itself.
    evidence.reached(later(13), peer, PASV, 41_050);
    assert_eq!(evidence.outlook(later(23), peer).plain, Reached { span: span(41_007, 41_050), count: 2 });
    assert_eq!(evidence.outlook(later(25), peer).plain, Reached { span: span(41_050, 41_050), count: 1 });
    assert_eq!(evidence.outlook(later(50), peer), fresh);
    evidence.reached(later(50), peer, PASV, 41_051);
    assert_eq!(evidence.outlook(later(50), peer).plain, Reached { span: span(41_051, 41_051), count: 1 });
}

#[test]
fn other_ports_or_addresses_make_what_was_known_of_them_worthless() {
    let peer = address("203.0.113.5");
    let mut evidence = evidence();
    for way in [PASV, EPSV_TLS] {
        evidence.reached(start(), peer, way, 41_007);
        evidence.failed(start(), peer, way);
    }
    evidence.came(start(), peer, PORT);
    let before = with_ports(PassivePorts::Range(41_000..=41_099));
    evidence.reconfigure(&before, &before);
    let outlook = evidence.outlook(start(), peer);
    assert_eq!(outlook.own, Ways::default().with(PASV).with(EPSV_TLS).with(PORT));
    let external = External::Literal(address("192.0.2.80"));
    evidence.reconfigure(&before, &Passive { external, ..before.clone() });
    let outlook = evidence.outlook(start(), peer);
    assert_eq!(outlook.own, Ways::default().with(EPSV_TLS).with(PORT));
    assert_eq!(outlook.own_failed, Ways::default().with(EPSV_TLS));
    assert_eq!(outlook.plain.count, 1, "the port was reached all the same");
    let now = with_ports(PassivePorts::Range(41_000..=41_098));
    evidence.reconfigure(&before, &now);
    let outlook = evidence.outlook(start(), peer);
    let expected =
        Outlook { ports: span(41_000, 41_098), own: Ways::default().with(PORT), ..Outlook::default() };
    assert_eq!(outlook, expected);
    evidence.reached(start(), peer, PASV, 41_007);
    let mapped = Passive { exposed_ports: Some(51_000..=51_098), ..now.clone() };
    evidence.reconfigure(&now, &mapped);
    assert_eq!(evidence.outlook(start(), peer), expected, "the router may lead other ports here");
    evidence.reconfigure(&mapped, &with_ports(PassivePorts::Auto(3)));
    evidence.reached(start(), peer, PASV, 41_007);
    let outlook = evidence.outlook(start(), peer);
    assert_eq!((outlook.ports, outlook.plain.count), (None, 0));
    assert!(outlook.own.has_passive(false));
}

#[test]
fn the_network_that_was_idle_for_longest_makes_room() {
    let mut evidence = evidence();
    let nth = |number: u32| IpAddr::V4((0x0b00_0000 + number * 256).into());
    let at = |number: u32| start() + Duration::from_secs(u64::from(number));
    let count = u32::try_from(NETWORKS).unwrap();
    for number in 0..count {
        evidence.came(at(number), nth(number), PORT);
    }
    evidence.failed(at(count), nth(0), PORT);
    for number in count..count + 3 {
        evidence.came(at(number + 1), nth(number), PORT);
    }
    assert_eq!(evidence.networks(), NETWORKS);
    let forgotten =
        (0..count + 3).filter(|&number| !evidence.outlook(at(count), nth(number)).own.has_active());
    assert!(forgotten.eq([1, 2, 3]));
}
