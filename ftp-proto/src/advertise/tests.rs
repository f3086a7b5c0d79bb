//! Every case there is, one row each.

use super::*;
use crate::config::Settings;

/// The public address of the router before 10.0.0.0/24.
const PUBLIC: &str = "198.51.100.1";

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn networks(texts: &[&str]) -> Vec<Network> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn literal(text: &str) -> External {
    External::Literal(address(text))
}

fn name() -> External {
    External::Name("ftp.example.org".into())
}

fn rule(external: External) -> AddressRule {
    AddressRule { external, ..AddressRule::default() }
}

/// A server at 10.0.0.2 and 2001:db8:20::2, behind the router 10.0.0.1.
fn surroundings() -> Surroundings {
    Surroundings {
        networks: Networks {
            own: networks(&["10.0.0.2/24", "2001:db8:20::2/64", "172.17.0.1/16"]),
            routers: Vec::from([address("10.0.0.1"), address("fe80::1")]),
        },
        names: BTreeMap::new(),
    }
}

fn resolved(name: &str, address: &str) -> Surroundings {
    let names = BTreeMap::from([(name.into(), address.parse().unwrap())]);
    Surroundings { names, ..surroundings() }
}

/// Ports 41000-41099 as they are; what else is set, is set by the case.
fn passive(external: External) -> Passive {
    let passive = Passive { ports: PassivePorts::Range(41_000..=41_099), external, ..Passive::default() };
    let settings = Settings { passive, ..Settings::default() };
    settings.validate().unwrap().passive.clone()
}

#[track_caller]
fn check(passive: &Passive, surroundings: &Surroundings, rows: &[(&str, &str, &str, Reason)]) {
    for (local, peer, told, why) in rows {
        let local = local.parse().unwrap_or_else(|_| SocketAddr::new(address(local), 21));
        let client = Client { local, listener: local, peer: SocketAddr::new(address(peer), 4_000) };
        let advertised = advertise(passive, surroundings, &client, 41_007);
        let (told, port) = told.split_once(' ').unwrap_or((told, "41007"));
        let expected = Advertised { address: address(told), port: port.parse().unwrap(), why: *why };
        assert_eq!(advertised, expected, "{client:?}");
        assert!(!advertised.why.words().is_empty());
    }
}

#[test]
fn the_control_connections_own_address() {
    check(
        &passive(External::ControlConnection),
        &surroundings(),
        &[
            ("10.0.0.2", "203.0.113.5", "10.0.0.2", Reason::ControlConnection),
            ("10.0.0.2", "10.0.0.20", "10.0.0.2", Reason::ControlConnection),
            ("10.0.0.2", "10.0.0.1", "10.0.0.2", Reason::ControlConnection),
            ("::ffff:10.0.0.2", "::ffff:203.0.113.5", "10.0.0.2", Reason::ControlConnection),
            ("2001:db8:20::2", "2001:db8::9", "2001:db8:20::2", Reason::ControlConnection),
            ("127.0.0.1", "127.0.0.1", "127.0.0.1", Reason::Loopback),
            ("::1", "::1", "::1", Reason::Loopback),
            ("10.0.0.2", "10.0.0.2", "10.0.0.2", Reason::Loopback),
        ],
    );
}

#[test]
fn a_public_address_of_the_router() {
    let rows = [
        ("10.0.0.2", "203.0.113.5", PUBLIC, Reason::Literal),
        // Another private network is not ours: there may be any number of routers between.
        ("10.0.0.2", "10.0.1.20", PUBLIC, Reason::Literal),
        ("10.0.0.2", "10.0.0.20", "10.0.0.2", Reason::Inside),
        ("::ffff:10.0.0.2", "::ffff:10.0.0.20", "10.0.0.2", Reason::Inside),
        ("10.0.0.2", "10.0.0.1", PUBLIC, Reason::Hairpin),
        ("::ffff:10.0.0.2", "::ffff:10.0.0.1", PUBLIC, Reason::Hairpin),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1", Reason::Loopback),
        ("::ffff:127.0.0.1", "::ffff:127.0.0.1", "127.0.0.1", Reason::Loopback),
        ("10.0.0.2", "10.0.0.2", "10.0.0.2", Reason::Loopback),
        // A container of this host, by the bridge; a VPN's client would be the same.
        ("172.17.0.1", "172.17.0.5", "172.17.0.1", Reason::Inside),
        // A client inside that found its way to a public address of this very host.
        ("192.0.2.80", "10.0.0.20", "192.0.2.80", Reason::Inside),
        // 227 can't name it, and 229 names none.
        ("2001:db8:20::2", "2001:db8::9", "2001:db8:20::2", Reason::OtherFamily),
        ("2001:db8:20::2", "2001:db8:20::20", "2001:db8:20::2", Reason::OtherFamily),
        ("::1", "::1", "::1", Reason::Loopback),
    ];
    check(&passive(literal(PUBLIC)), &surroundings(), &rows);
    check(&passive(literal("::ffff:198.51.100.1")), &surroundings(), &rows);
}

#[test]
fn a_server_in_a_container() {
    let inside = Surroundings {
        networks: Networks { own: networks(&["172.17.0.2/16"]), routers: Vec::from([address("172.17.0.1")]) },
        ..Surroundings::default()
    };
    check(
        &passive(literal(PUBLIC)),
        &inside,
        &[
            // Where the door hides its clients, all of them come from the bridge, which is the router.
            ("172.17.0.2", "172.17.0.1", PUBLIC, Reason::Hairpin),
            ("172.17.0.2", "203.0.113.5", PUBLIC, Reason::Literal),
            ("172.17.0.2", "172.17.0.3", "172.17.0.2", Reason::Inside),
        ],
    );
}

#[test]
fn lan_clients_are_told_the_external_address_if_that_is_wished() {
    let passive = Passive { lan_clients: LanClients::External, ..passive(literal(PUBLIC)) };
    check(
        &passive,
        &surroundings(),
        &[
            ("10.0.0.2", "10.0.0.20", PUBLIC, Reason::Literal),
            ("10.0.0.2", "10.0.0.1", PUBLIC, Reason::Literal),
            ("10.0.0.2", "203.0.113.5", PUBLIC, Reason::Literal),
            ("127.0.0.1", "127.0.0.1", "127.0.0.1", Reason::Loopback),
        ],
    );
}

#[test]
fn a_private_external_address_is_for_everybody() {
    check(
        &passive(literal("192.168.1.5")),
        &surroundings(),
        &[
            ("10.0.0.2", "10.0.0.20", "192.168.1.5", Reason::Literal),
            ("10.0.0.2", "10.0.0.1", "192.168.1.5", Reason::Literal),
            ("10.0.0.2", "203.0.113.5", "192.168.1.5", Reason::Literal),
        ],
    );
}

#[test]
fn an_external_address_of_ipv6() {
    check(
        &passive(literal("2001:db8::1")),
        &surroundings(),
        &[
            ("10.0.0.2", "203.0.113.5", "10.0.0.2", Reason::OtherFamily),
            ("2001:db8:20::2", "2001:db8::9", "2001:db8::1", Reason::Literal),
            ("2001:db8:20::2", "2001:db8:20::20", "2001:db8:20::2", Reason::Inside),
            ("::1", "::1", "::1", Reason::Loopback),
        ],
    );
}

#[test]
fn routers_that_the_settings_name() {
    let passive = Passive { routers: Some(Vec::from([address("10.0.0.254")])), ..passive(literal(PUBLIC)) };
    check(
        &passive,
        &surroundings(),
        &[
            ("10.0.0.2", "10.0.0.254", PUBLIC, Reason::Hairpin),
            ("10.0.0.2", "10.0.0.1", "10.0.0.2", Reason::Inside),
        ],
    );
    let none = Passive { routers: Some(Vec::new()), ..passive };
    check(&none, &surroundings(), &[("10.0.0.2", "10.0.0.254", "10.0.0.2", Reason::Inside)]);
}

#[test]
fn a_host_that_is_not_known() {
    check(
        &passive(literal(PUBLIC)),
        &Surroundings::default(),
        &[
            ("10.0.0.2", "10.0.0.20", PUBLIC, Reason::Literal),
            ("10.0.0.2", "10.0.0.1", PUBLIC, Reason::Literal),
            ("10.0.0.2", "10.0.0.2", "10.0.0.2", Reason::Loopback),
        ],
    );
}

#[test]
fn names() {
    let passive = passive(name());
    check(
        &passive,
        &surroundings(),
        &[
            ("10.0.0.2", "203.0.113.5", "10.0.0.2", Reason::Unresolved),
            ("10.0.0.2", "10.0.0.20", "10.0.0.2", Reason::Unresolved),
            ("2001:db8:20::2", "2001:db8::9", "2001:db8:20::2", Reason::Unresolved),
            ("127.0.0.1", "127.0.0.1", "127.0.0.1", Reason::Loopback),
        ],
    );
    check(
        &passive,
        &resolved("other.example.org", PUBLIC),
        &[("10.0.0.2", "203.0.113.5", "10.0.0.2", Reason::Unresolved)],
    );
    check(
        &passive,
        &resolved("ftp.example.org", PUBLIC),
        &[
            ("10.0.0.2", "203.0.113.5", PUBLIC, Reason::Name),
            ("10.0.0.2", "10.0.0.20", "10.0.0.2", Reason::Inside),
            ("10.0.0.2", "10.0.0.1", PUBLIC, Reason::Hairpin),
            ("2001:db8:20::2", "2001:db8::9", "2001:db8:20::2", Reason::OtherFamily),
        ],
    );
    check(
        &passive,
        &resolved("ftp.example.org", "10.9.9.9"),
        &[
            ("10.0.0.2", "203.0.113.5", "10.9.9.9", Reason::Name),
            ("10.0.0.2", "10.0.0.20", "10.9.9.9", Reason::Name),
        ],
    );
}

#[test]
fn the_last_rule_that_applies_wins() {
    let mut passive = passive(literal(PUBLIC));
    passive.rules = Vec::from([
        AddressRule { networks: networks(&["10.0.0.0/8"]), ..rule(literal("10.0.0.77")) },
        AddressRule {
            networks: networks(&["10.0.0.0/24"]),
            local: networks(&["10.0.0.2"]),
            ..rule(External::ControlConnection)
        },
        AddressRule { local: networks(&["10.0.0.3", "2001:db8:20::3"]), ..rule(literal("198.51.100.2")) },
        AddressRule { listeners: Vec::from(["2121".parse().unwrap()]), ..rule(literal("192.0.2.21")) },
        AddressRule { networks: networks(&["203.0.113.64/26"]), ..rule(name()) },
    ]);
    let rows = [
        ("10.0.0.2", "203.0.113.5", PUBLIC, Reason::Literal),
        // Above what is true of LAN clients, and of routers.
        ("10.0.0.4", "10.0.0.20", "10.0.0.77", Reason::Rule),
        ("10.0.0.4", "10.0.0.1", "10.0.0.77", Reason::Rule),
        ("10.0.0.2", "10.200.0.20", "10.0.0.77", Reason::Rule),
        ("::ffff:10.0.0.4", "::ffff:10.0.0.20", "10.0.0.77", Reason::Rule),
        ("10.0.0.2", "10.0.0.20", "10.0.0.2", Reason::Rule),
        ("10.0.0.3", "203.0.113.5", "198.51.100.2", Reason::Rule),
        ("10.0.0.3", "10.0.0.20", "198.51.100.2", Reason::Rule),
        ("10.0.0.3:2121", "203.0.113.5", "192.0.2.21", Reason::Rule),
        ("10.0.0.3:2122", "203.0.113.5", "198.51.100.2", Reason::Rule),
        ("[::ffff:10.0.0.2]:2121", "::ffff:10.0.0.20", "192.0.2.21", Reason::Rule),
        ("2001:db8:20::3", "2001:db8::9", "2001:db8:20::3", Reason::OtherFamily),
        // A rule for those who come from elsewhere: here it would lead out and nowhere.
        ("127.0.0.1:2121", "127.0.0.1", "127.0.0.1", Reason::Loopback),
    ];
    check(&passive, &surroundings(), &rows);
    check(&passive, &surroundings(), &[("10.0.0.2", "203.0.113.65", "10.0.0.2", Reason::Unresolved)]);
    let known = resolved("ftp.example.org", "192.0.2.99");
    check(&passive, &known, &[("10.0.0.2", "203.0.113.65", "192.0.2.99", Reason::Rule)]);
}

#[test]
fn a_rule_may_name_this_hosts_inside() {
    for when in [
        AddressRule { networks: networks(&["127.0.0.0/8"]), ..rule(literal(PUBLIC)) },
        AddressRule { local: networks(&["127.0.0.1"]), ..rule(literal(PUBLIC)) },
    ] {
        let passive = Passive { rules: Vec::from([when]), ..passive(External::ControlConnection) };
        check(&passive, &surroundings(), &[("127.0.0.1", "127.0.0.1", PUBLIC, Reason::Rule)]);
    }
    let everywhere = AddressRule { networks: networks(&["0.0.0.0/0"]), ..rule(literal(PUBLIC)) };
    let passive = Passive { rules: Vec::from([everywhere]), ..passive(External::ControlConnection) };
    check(&passive, &surroundings(), &[("127.0.0.1", "127.0.0.1", "127.0.0.1", Reason::Loopback)]);
}

#[test]
fn ports_that_a_router_maps() {
    let mapped = |external| Passive { exposed_ports: Some(51_000..=51_099), ..passive(external) };
    check(
        &mapped(literal(PUBLIC)),
        &surroundings(),
        &[
            ("10.0.0.2", "203.0.113.5", "198.51.100.1 51007", Reason::Literal),
            ("10.0.0.2", "10.0.0.1", "198.51.100.1 51007", Reason::Hairpin),
            // Nothing maps where no router is between.
            ("10.0.0.2", "10.0.0.20", "10.0.0.2 41007", Reason::Inside),
            ("127.0.0.1", "127.0.0.1", "127.0.0.1 41007", Reason::Loopback),
            ("2001:db8:20::2", "2001:db8::9", "2001:db8:20::2 41007", Reason::OtherFamily),
        ],
    );
    check(
        &mapped(External::ControlConnection),
        &surroundings(),
        &[
            ("10.0.0.2", "203.0.113.5", "10.0.0.2 51007", Reason::ControlConnection),
            ("10.0.0.2", "10.0.0.1", "10.0.0.2 51007", Reason::ControlConnection),
            ("10.0.0.2", "10.0.0.20", "10.0.0.2 41007", Reason::Inside),
            ("2001:db8:20::2", "2001:db8::9", "2001:db8:20::2 51007", Reason::ControlConnection),
        ],
    );
    check(
        &mapped(name()),
        &surroundings(),
        &[
            ("10.0.0.2", "203.0.113.5", "10.0.0.2 51007", Reason::Unresolved),
            ("10.0.0.2", "10.0.0.20", "10.0.0.2 41007", Reason::Inside),
        ],
    );
    let mut passive = mapped(literal(PUBLIC));
    passive.rules = Vec::from([
        AddressRule {
            networks: networks(&["10.8.0.0/16"]),
            exposed_ports: Some(61_000..=61_099),
            ..rule(External::ControlConnection)
        },
        AddressRule { networks: networks(&["10.9.0.0/16"]), ..rule(literal("10.0.0.99")) },
    ]);
    check(
        &passive,
        &surroundings(),
        &[
            ("10.0.0.2", "10.8.0.20", "10.0.0.2 61007", Reason::Rule),
            ("10.0.0.2", "10.9.0.20", "10.0.0.99 51007", Reason::Rule),
        ],
    );
}

#[test]
fn a_port_that_is_no_longer_in_the_range_is_told_as_it_is() {
    for port in [40_999, 41_100, 0, u16::MAX] {
        assert_eq!(map(&PassivePorts::Range(41_000..=41_099), &(51_000..=51_099), port), None, "{port}");
    }
    for (port, exposed) in [(41_000, 65_436), (41_099, 65_535)] {
        let mapped = map(&PassivePorts::Range(41_000..=41_099), &(65_436..=65_535), port);
        assert_eq!(mapped, Some(exposed));
    }
    assert_eq!(map(&PassivePorts::Auto(4), &(51_000..=51_099), 41_000), None);
}

/// Whoever comes by a balancer gets at the ports that it passes on, from inside as well.
#[test]
fn a_balancers_ports_are_told_to_inside_clients_too() {
    let passive = Passive { exposed_ports: Some(51_000..=51_099), ..passive(literal(PUBLIC)) };
    let told = |local: &str, listener: &str, peer: &str| {
        let [local, listener] = [local, listener].map(|text| text.parse().unwrap());
        let client = Client { local, listener, peer: SocketAddr::new(address(peer), 4_000) };
        let Advertised { address, port, why } = advertise(&passive, &surroundings(), &client, 41_007);
        (address, port, why)
    };
    let inside = (address("10.0.0.3"), 51_007, Reason::Inside);
    assert_eq!(told("10.0.0.3:21", "10.0.0.2:2121", "10.0.0.20"), inside);
    assert_eq!(told("127.0.0.1:21", "127.0.0.1:2121", "127.0.0.1").1, 51_007, "on the same host");
    assert_eq!(told("10.0.0.2:21", "[::ffff:10.0.0.2]:21", "10.0.0.20").1, 41_007, "no balancer");
    assert_eq!(
        told("10.0.0.3:21", "10.0.0.2:2121", "203.0.113.5"),
        (address(PUBLIC), 51_007, Reason::Literal)
    );
}

#[test]
fn each_reason_has_words_of_its_own() {
    let reasons = [
        Reason::Loopback,
        Reason::Rule,
        Reason::Inside,
        Reason::Hairpin,
        Reason::Literal,
        Reason::Name,
        Reason::ControlConnection,
        Reason::Unresolved,
        Reason::OtherFamily,
    ];
    let words: std::collections::BTreeSet<_> = reasons.iter().map(|reason| reason.words()).collect();
    assert_eq!(words.len(), reasons.len());
}
