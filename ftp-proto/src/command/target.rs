//! Where active mode connects to: one decision over what the client sent, who it is, and the settings.
//!
//! A server that connects wherever it is told can be made to scan ports, to speak to services that trust it, and to
//! hand files to strangers (RFC 2577 section 3). So it connects to the client, and to others only by a rule.

use crate::config::{Active, ActiveAddress, Proxy};
use crate::reply::Reply;
use alloc::format;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Ports below are other services'; a server that connects to them can be abused (RFC 2577 section 3).
const FIRST_UNPRIVILEGED_PORT: u16 = 1024;

/// What clouds answer questions about a machine's secrets at, where that is none of a link's own addresses.
const METADATA: [IpAddr; 5] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// Who asks, and what holds for it.
pub(super) struct Place<'a> {
    /// The client, with the interface of a link-local address.
    pub(super) client: SocketAddr,
    /// The server's own addresses, as far as this session shows them.
    pub(super) servers: [IpAddr; 2],
    /// Where the settings lead it to.
    pub(super) address: ActiveAddress,
    /// Whether the address that was sent counts as the client's own.
    pub(super) counts_as_client: bool,
    /// Whether the policy lets the client have two servers exchange files.
    pub(super) server_to_server: bool,
    pub(super) active: &'a Active,
    pub(super) proxy: &'a Proxy,
}

impl Place<'_> {
    /// Where to connect to instead of `sent`, or the reply that says why not.
    // req: 959-2.3-two-servers
    pub(super) fn decide(&self, sent: SocketAddr) -> Result<SocketAddr, Reply> {
        let client = self.client.ip();
        let is_own = sent.ip() == client || self.address == ActiveAddress::ControlPeer;
        let target = if is_own { client } else { sent.ip() };
        // It passes on what comes to it: that would be a connection to anybody.
        if self.proxy.trusts(target) {
            let text = format!("I won't connect to {target}, which is a balancer of this server.");
            return Err(Reply::with(500, text));
        }
        if !is_own && !self.may_name(sent.ip()) {
            return Err(self.refuse(sent.ip()));
        }
        if sent.port() < FIRST_UNPRIVILEGED_PORT {
            return Err(Reply::with(
                500,
                format!(
                    "I won't connect to port {} of {target}, only to ports from {FIRST_UNPRIVILEGED_PORT} up; \
                     or use passive mode (PASV or EPSV).",
                    sent.port(),
                ),
            ));
        }
        // The client's own address as the system knows it, the interface of a link-local one included.
        let mut own = self.client;
        own.set_port(sent.port());
        Ok(if is_own { own } else { sent })
    }

    /// Whether it may be another address than the client's.
    fn may_name(&self, target: IpAddr) -> bool {
        if self.servers.contains(&target) || is_nobodys(target) {
            return false;
        }
        let client = self.client.ip();
        let is_sensitive = reach(target).is_none_or(|reach| reach == Reach::Host);
        // One that the client could reach as well, so that it gains nothing.
        let is_within_reach = reach(target) >= reach(client).max(Some(Reach::Host));
        self.active.allows(client, target, is_sensitive)
            || (is_within_reach && (self.counts_as_client || self.server_to_server))
    }

    fn refuse(&self, target: IpAddr) -> Reply {
        let client = self.client.ip();
        let text = if self.counts_as_client || self.server_to_server {
            format!("I won't connect to {target}, only to servers that {client} could reach as well.")
        } else {
            format!(
                "I won't connect to {target}, only to {client}; behind NAT use passive mode (PASV or EPSV)."
            )
        };
        Reply::with(500, text)
    }
}

/// From where an address can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    /// From the same host (loopback).
    Host,
    /// From the same network (RFC 1918, RFC 6598, RFC 4193).
    Network,
    /// From everywhere.
    World,
}

/// `None`: there is no other server, since it is nobody's address, that of many, means something on one link only (RFC
/// 3927), or is the door to a rented machine's secrets.
fn reach(address: IpAddr) -> Option<Reach> {
    match address {
        _ if METADATA.contains(&address) => None,
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

fn reach_v4(address: Ipv4Addr) -> Option<Reach> {
    match address.octets() {
        [127, ..] => Some(Reach::Host),
        [0 | 224.., ..] | [169, 254, ..] => None,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Some(Reach::Network),
        _ => Some(Reach::World),
    }
}

fn reach_v6(address: Ipv6Addr) -> Option<Reach> {
    if address.is_loopback() {
        return Some(Reach::Host);
    }
    if let Some(inside) = translated(address) {
        return reach(inside.into());
    }
    match address.segments()[0] {
        0 | 0xfe80..=0xfebf | 0xff00.. => None,
        0xfc00..=0xfdff | 0xfec0..=0xfeff => Some(Reach::Network),
        _ => Some(Reach::World),
    }
}

/// The IPv4 address that a packet to this one may come to in the end: by NAT64 (RFC 6052 section 2.1) or 6to4 (RFC 3056
/// section 2).
fn translated(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, high, low] = address.segments();
    let of = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match [a, b, c, d, e, f] {
        [0x64, 0xff9b, 0, 0, 0, 0] => Some(of(high, low)),
        [0x2002, ..] => Some(of(b, c)),
        _ => None,
    }
}

/// Whether no one machine has it: no rule can mean it, and systems take some of them for their own.
fn is_nobodys(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => matches!(address.octets()[0], 0 | 224..),
        IpAddr::V6(address) => address.is_unspecified() || address.is_multicast(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ActiveRule;
    use alloc::vec;

    #[test]
    fn addresses_reach_so_far() {
        for (address, expected) in [
            ("203.0.113.5", Some(Reach::World)),
            ("172.32.0.1", Some(Reach::World)),
            ("2001:db8::1", Some(Reach::World)),
            ("10.0.0.1", Some(Reach::Network)),
            ("172.16.0.1", Some(Reach::Network)),
            ("192.168.0.1", Some(Reach::Network)),
            ("100.64.0.1", Some(Reach::Network)),
            ("fd00::1", Some(Reach::Network)),
            ("127.1.2.3", Some(Reach::Host)),
            ("::1", Some(Reach::Host)),
            ("0.0.0.0", None),
            ("169.254.169.254", None),
            ("100.100.100.200", None),
            ("168.63.129.16", None),
            ("fd00:ec2::254", None),
            ("224.0.0.1", None),
            ("255.255.255.255", None),
            ("::", None),
            ("fe80::1", None),
            ("ff02::1", None),
            // By NAT64 and 6to4.
            ("64:ff9b::198.51.100.7", Some(Reach::World)),
            ("64:ff9b::10.0.0.1", Some(Reach::Network)),
            ("64:ff9b::127.0.0.1", Some(Reach::Host)),
            ("64:ff9b::169.254.169.254", None),
            ("2002:c633:6407::1", Some(Reach::World)),
            ("2002:7f00:1::1", Some(Reach::Host)),
            ("2002:a9fe:a9fe::1", None),
        ] {
            assert_eq!(reach(address.parse().unwrap()), expected, "{address}");
        }
        assert!(Some(Reach::World) > Some(Reach::Network) && Some(Reach::Network) > Some(Reach::Host));
        assert!(Some(Reach::Host) > None);
    }

    /// Whether the client 203.0.113.5 may name it, where a rule is for its network.
    fn allowed(targets: &[&str], target: &str) -> bool {
        let active = Active {
            rules: vec![ActiveRule {
                networks: vec!["203.0.113.0/24".parse().unwrap()],
                targets: targets.iter().map(|network| network.parse().unwrap()).collect(),
            }],
            ..Active::default()
        };
        let proxy = Proxy { trusted: vec!["198.51.100.9".parse().unwrap()], ..Proxy::default() };
        let place = Place {
            client: "203.0.113.5:4000".parse().unwrap(),
            servers: ["192.0.2.2".parse().unwrap(), "10.0.0.2".parse().unwrap()],
            address: ActiveAddress::AsSent,
            counts_as_client: false,
            server_to_server: false,
            active: &active,
            proxy: &proxy,
        };
        let target: SocketAddr = target.parse().unwrap();
        match place.decide(target) {
            Ok(decided) => {
                assert_eq!(decided, target);
                true
            }
            Err(_) => false,
        }
    }

    #[test]
    fn a_rule_never_opens_what_it_does_not_name() {
        let everything = ["0.0.0.0/0", "::/0"];
        for (targets, target, expected) in [
            (&["10.1.0.0/16"][..], "10.1.2.3:4000", true),
            (&["10.1.0.0/16"], "10.2.2.3:4000", false),
            (&["10.1.0.0/16"], "10.1.2.3:1023", false),
            (&["10.1.0.0/16"], "10.1.2.3:1024", true),
            (&everything, "198.51.100.7:4000", true),
            (&everything, "[2001:db8::7]:4000", true),
            // A balancer.
            (&["198.51.100.9"], "198.51.100.9:4000", false),
            // The server itself, by both of its addresses.
            (&everything, "192.0.2.2:4000", false),
            (&everything, "10.0.0.2:4000", false),
            (&["10.0.0.2"], "10.0.0.2:4000", false),
            // Only by themselves.
            (&everything, "127.0.0.1:4000", false),
            (&["127.0.0.0/8"], "127.0.0.1:4000", false),
            (&["127.0.0.1"], "127.0.0.1:4000", true),
            (&["127.0.0.1"], "127.0.0.2:4000", false),
            (&everything, "[::1]:4000", false),
            (&["::1"], "[::1]:4000", true),
            (&everything, "169.254.169.254:4000", false),
            (&["169.254.0.0/16"], "169.254.1.1:4000", false),
            (&["169.254.1.1"], "169.254.1.1:4000", true),
            (&everything, "100.100.100.200:4000", false),
            (&everything, "[fd00:ec2::254]:4000", false),
            (&everything, "[fe80::1]:4000", false),
            (&everything, "[64:ff9b::169.254.169.254]:4000", false),
            (&everything, "[64:ff9b::127.0.0.1]:4000", false),
            (&everything, "[64:ff9b::198.51.100.7]:4000", true),
            // Nobody's, and what systems take for themselves.
            (&everything, "0.0.0.0:4000", false),
            (&["0.0.0.0"], "0.0.0.0:4000", false),
            (&["::"], "[::]:4000", false),
            (&["224.0.0.1"], "224.0.0.1:4000", false),
            (&["255.255.255.255"], "255.255.255.255:4000", false),
        ] {
            assert_eq!(allowed(targets, target), expected, "{targets:?} {target}");
        }
    }
}
