//! What clients are told of the server's address, in words: for the introduction and the log.

use ftp_proto::advertise::Networks;
use ftp_proto::config::{External, LanClients, Network, Passive};
use ftp_proto::diagnose::is_public;
use std::net::IpAddr;

/// How many networks are named at most.
const NAMED: usize = 4;

/// What everybody is told, and who is told something else.
pub(super) fn words(passive: &Passive, networks: &Networks) -> String {
    let mut text = match &passive.external {
        External::ControlConnection => "clients are told the address they connected to".to_owned(),
        External::Literal(address) => format!("clients are told {address} (external_address)"),
        External::Name(name) => {
            format!("clients are told the address of {name} (external_address), resolved once a minute")
        }
    };
    if let Some(ports) = &passive.exposed_ports {
        text += &format!(" and ports {}-{} (exposed_ports)", ports.start(), ports.end());
    }
    if let Some(inside) = inside(passive, networks) {
        text += &format!("; those in {inside} the address they connected to (lan_clients)");
    }
    match passive.rules.len() {
        0 => {}
        1 => text += "; one rule has an exception",
        count => text += &format!("; {count} rules have exceptions"),
    }
    text
}

/// The networks whose clients are told another address than all others.
fn inside(passive: &Passive, networks: &Networks) -> Option<String> {
    let has_router = match &passive.external {
        External::ControlConnection => passive.exposed_ports.is_some(),
        External::Literal(address) => is_public(*address),
        External::Name(_) => true,
    };
    if !has_router || passive.lan_clients == LanClients::External {
        return None;
    }
    let whole = |network: &Network| Network::around(network.base(), network.prefix());
    let mut own: Vec<_> = networks.own.iter().filter(|network| network.base().is_ipv4()).map(whole).collect();
    own.sort_unstable();
    own.dedup();
    let more = if own.len() > NAMED { " and others" } else { "" };
    let named: Vec<_> = own.iter().take(NAMED).map(ToString::to_string).collect();
    (!named.is_empty()).then(|| format!("{}{more}", named.join(", ")))
}

/// What isn't wrong, but hardly what was meant.
pub(super) fn warnings(passive: &Passive) -> Vec<String> {
    let everybody = [("passive.external_address", &passive.external)];
    let rules = passive.rules.iter().map(|rule| ("passive.rule.external_address", &rule.external));
    everybody.into_iter().chain(rules).filter_map(|(key, external)| warning(key, external)).collect()
}

fn warning(key: &str, external: &External) -> Option<String> {
    match external {
        External::Literal(address) => match address.to_canonical() {
            IpAddr::V6(address) => Some(format!(
                "{key}: {address} has no effect, since PASV can name no IPv6 address and EPSV names none: write an \
                 IPv4 address"
            )),
            IpAddr::V4(address) if address.is_loopback() => {
                Some(format!("{key}: {address} leads every client to itself"))
            }
            IpAddr::V4(_) => None,
        },
        External::ControlConnection | External::Name(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ftp_proto::config::AddressRule;

    fn networks() -> Networks {
        let own = ["172.17.0.1/16", "10.0.0.2/24", "10.0.0.3/24", "2001:db8::2/64"];
        Networks { own: own.iter().map(|text| text.parse().unwrap()).collect(), routers: Vec::new() }
    }

    fn literal(address: &str) -> External {
        External::Literal(address.parse().unwrap())
    }

    #[test]
    fn who_is_told_what() {
        let words = |passive: &Passive| words(passive, &networks());
        let passive = Passive::default();
        assert_eq!(words(&passive), "clients are told the address they connected to");
        let passive = Passive { external: literal("203.0.113.7"), ..passive };
        let inside = "; those in 10.0.0.0/24, 172.17.0.0/16 the address they connected to (lan_clients)";
        assert_eq!(words(&passive), format!("clients are told 203.0.113.7 (external_address){inside}"));
        let mapped = Passive { exposed_ports: Some(51_000..=51_099), ..passive.clone() };
        assert_eq!(
            words(&mapped),
            format!(
                "clients are told 203.0.113.7 (external_address) and ports 51000-51099 (exposed_ports){inside}"
            )
        );
        let all = Passive {
            lan_clients: LanClients::External,
            rules: vec![AddressRule::default(), AddressRule::default()],
            ..passive.clone()
        };
        assert_eq!(words(&all), "clients are told 203.0.113.7 (external_address); 2 rules have exceptions");
        let private = Passive { external: literal("192.168.1.5"), ..passive.clone() };
        assert_eq!(words(&private), "clients are told 192.168.1.5 (external_address)");
        let named = Passive { external: External::Name("ftp.example.org".into()), ..passive };
        assert_eq!(
            words(&named),
            format!(
                "clients are told the address of ftp.example.org (external_address), resolved once a minute{inside}"
            )
        );
    }

    #[test]
    fn what_is_hardly_meant() {
        let rule = AddressRule { external: literal("2001:db8::8"), ..AddressRule::default() };
        let passive = Passive { external: literal("2001:db8::7"), rules: vec![rule], ..Passive::default() };
        let warnings = warnings(&passive);
        assert!(
            warnings[0].starts_with("passive.external_address: 2001:db8::7 has no effect"),
            "{warnings:?}"
        );
        assert!(warnings[1].starts_with("passive.rule.external_address: 2001:db8::8"), "{warnings:?}");
        let right = Passive { external: literal("203.0.113.7"), ..Passive::default() };
        assert!(super::warnings(&right).is_empty());
    }
}
