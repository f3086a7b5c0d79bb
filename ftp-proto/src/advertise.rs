//! The address a client is told in 227: one pure decision, made for each lease.

use crate::config::External;
use core::net::{IpAddr, SocketAddr};

/// What the decision depends on; the addresses are canonical (IPv4-mapped is IPv4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// The setting.
    pub external: External,
    /// The server's end of the control connection: an address that worked for this client.
    pub local: SocketAddr,
    /// The client's end.
    pub peer: SocketAddr,
}

/// The address to advertise. The setting holds for everybody but those whom it can't help: a client on the
/// server itself, and one of the other address family (227 names IPv4 only, 229 names no address).
pub fn advertise(inputs: &Inputs) -> IpAddr {
    let local = inputs.local.ip().to_canonical();
    match inputs.external {
        External::ControlConnection | External::Name(_) => local,
        External::Literal(address) => {
            let address = address.to_canonical();
            let same_family = address.is_ipv4() == local.is_ipv4();
            if same_family && !inputs.peer.ip().to_canonical().is_loopback() { address } else { local }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let literal = |text: &str| External::Literal(address(text));
        for (external, local, peer, advertised) in [
            (External::ControlConnection, "10.0.0.2", "203.0.113.5", "10.0.0.2"),
            (External::ControlConnection, "::ffff:10.0.0.2", "::ffff:203.0.113.5", "10.0.0.2"),
            (External::ControlConnection, "2001:db8::2", "2001:db8::9", "2001:db8::2"),
            (External::ControlConnection, "127.0.0.1", "127.0.0.1", "127.0.0.1"),
            (literal("198.51.100.1"), "10.0.0.2", "203.0.113.5", "198.51.100.1"),
            (literal("198.51.100.1"), "::ffff:10.0.0.2", "::ffff:203.0.113.5", "198.51.100.1"),
            (literal("198.51.100.1"), "127.0.0.1", "127.0.0.1", "127.0.0.1"),
            (literal("198.51.100.1"), "::ffff:127.0.0.1", "::ffff:127.0.0.1", "127.0.0.1"),
            (literal("198.51.100.1"), "10.0.0.2", "10.0.0.9", "198.51.100.1"),
            (literal("::ffff:198.51.100.1"), "10.0.0.2", "203.0.113.5", "198.51.100.1"),
            (literal("198.51.100.1"), "::1", "::1", "::1"),
            (literal("198.51.100.1"), "2001:db8::2", "2001:db8::9", "2001:db8::2"),
            (literal("2001:db8::1"), "10.0.0.2", "203.0.113.5", "10.0.0.2"),
            (literal("2001:db8::1"), "2001:db8::2", "2001:db8::9", "2001:db8::1"),
            (literal("2001:db8::1"), "::1", "::1", "::1"),
        ] {
            let inputs = Inputs {
                external,
                local: SocketAddr::new(address(local), 21),
                peer: SocketAddr::new(address(peer), 4000),
            };
            assert_eq!(advertise(&inputs), address(advertised), "{inputs:?}");
        }
    }
}
