//! How the data connection is made: PASV EPSV PORT EPRT.

use super::args::Arg;
use crate::advertise::Advertised;
use crate::reply::Reply;
use crate::session::{Pending, Reaction, Turn};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Ports below are other services'; a server that connects to them can be abused (RFC 2577 section 3).
const FIRST_UNPRIVILEGED_PORT: u16 = 1024;

const EXTENDED_PASSIVE_ONLY: Reply = Reply::new(503, "After EPSV ALL only EPSV is allowed.");

/// The words of RFC 959 and RFC 2428 and nothing else: firewalls and NATs on the way read them.
pub(crate) fn passive_reply(Advertised { address, port, .. }: Advertised, extended: bool) -> Reply {
    if extended {
        return Reply::with(229, alloc::format!("Entering Extended Passive Mode (|||{port}|)"));
    }
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            let [high, low] = port.to_be_bytes();
            Reply::with(227, alloc::format!("Entering Passive Mode ({a},{b},{c},{d},{high},{low})."))
        }
        IpAddr::V6(_) => PASV_OVER_IPV6,
    }
}

/// 227 can't hold an IPv6 address, and one that is wrong makes firewalls drop the packet.
const PASV_OVER_IPV6: Reply = Reply::new(425, "PASV can't name an IPv6 address; use EPSV.");

pub(super) fn pasv(turn: &mut Turn<'_>, _: Arg<'_>) -> Reaction {
    if turn.session.modes.extended_passive_only {
        return EXTENDED_PASSIVE_ONLY.into();
    }
    if turn.session.local.is_ipv6() {
        return PASV_OVER_IPV6.into();
    }
    lease(turn, false)
}

pub(super) fn epsv(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Text(argument) = arg else { return Reaction::Silent };
    let protocol = if turn.session.local.is_ipv6() { &b"2"[..] } else { b"1" };
    if argument.eq_ignore_ascii_case(b"ALL") {
        turn.session.modes.extended_passive_only = true;
        return Reply::new(200, "EPSV ALL: only EPSV from now on.").into();
    }
    if argument.is_empty() || argument == protocol {
        return lease(turn, true);
    }
    if argument.iter().all(u8::is_ascii_digit) {
        return if protocol == b"2" {
            Reply::new(522, "Network protocol not supported, use (2)").into()
        } else {
            Reply::new(522, "Network protocol not supported, use (1)").into()
        };
    }
    Reply::new(501, "The argument is wrong; the syntax is EPSV [1|2|ALL]").into()
}

/// A second PASV gets the first one's port as long as nobody came to it.
fn lease(turn: &mut Turn<'_>, extended: bool) -> Reaction {
    if let Some(advertised) = turn.session.announced(turn.now, extended) {
        return passive_reply(advertised, extended).into();
    }
    turn.session.lease(turn.now, extended);
    Reaction::Await(Pending::Lease { extended })
}

pub(super) fn port(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    give_target(turn, arg, "PORT", false)
}

pub(super) fn eprt(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    give_target(turn, arg, "EPRT", true)
}

/// Only the client's own address will do, or the server could be made to connect anywhere (RFC 2577 section 3). Where
/// the settings say that other addresses count as the client's, or the policy lets files go from server to server, it is
/// one that the client could reach as well.
fn give_target(turn: &mut Turn<'_>, arg: Arg<'_>, verb: &str, extended: bool) -> Reaction {
    let Arg::HostPort(target) = arg else { return Reaction::Silent };
    if turn.session.modes.extended_passive_only {
        return EXTENDED_PASSIVE_ONLY.into();
    }
    let client = turn.session.peer.ip();
    // It passes on what comes to it: that would be a connection to anybody.
    if turn.session.config.proxy.trusts(target.ip()) {
        let text = alloc::format!("I won't connect to {}, which is a balancer of this server.", target.ip());
        return Reply::with(500, text).into();
    }
    let servers = [turn.session.local.ip(), turn.session.listener.ip()];
    let is_client = target.ip() == client;
    let may_be = turn.session.is_clients(target.ip()) || turn.session.tls_policy().server_to_server;
    if !is_client && !may_be {
        return Reply::with(
            500,
            alloc::format!(
                "I won't connect to {}, only to {client}; behind NAT use passive mode (PASV or EPSV).",
                target.ip()
            ),
        )
        .into();
    }
    if !is_client
        && (servers.contains(&target.ip()) || reach(target.ip()) < reach(client).max(Some(Reach::Host)))
    {
        let text = alloc::format!(
            "I won't connect to {}, only to servers that {client} could reach as well.",
            target.ip()
        );
        return Reply::with(500, text).into();
    }
    if target.port() < FIRST_UNPRIVILEGED_PORT {
        return Reply::with(
            500,
            alloc::format!(
                "I won't connect to port {} of {}, only to ports from {FIRST_UNPRIVILEGED_PORT} up; \
                 or use passive mode (PASV or EPSV).",
                target.port(),
                target.ip()
            ),
        )
        .into();
    }
    if !is_client {
        turn.session.give_target(turn.now, target, extended);
        return Reply::with(200, alloc::format!("{verb} command successful.")).into();
    }
    // The client's own address as the system knows it, the interface of a link-local one included.
    let mut own = turn.session.peer;
    own.set_port(target.port());
    turn.session.give_target(turn.now, own, extended);
    Reply::with(200, alloc::format!("{verb} command successful.")).into()
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

/// `None`: there is no other server, since it is nobody's address, that of many, or means something on one link only
/// (RFC 3927; where machines are rented one is the door to their secrets).
fn reach(address: IpAddr) -> Option<Reach> {
    match address {
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
    match address.segments()[0] {
        0 | 0xfe80..=0xfebf | 0xff00.. => None,
        0xfc00..=0xfdff | 0xfec0..=0xfeff => Some(Reach::Network),
        _ => Some(Reach::World),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("224.0.0.1", None),
            ("255.255.255.255", None),
            ("::", None),
            ("fe80::1", None),
            ("ff02::1", None),
        ] {
            assert_eq!(reach(address.parse().unwrap()), expected, "{address}");
        }
        assert!(Some(Reach::World) > Some(Reach::Network) && Some(Reach::Network) > Some(Reach::Host));
        assert!(Some(Reach::Host) > None);
    }
}
