//! How the data connection is made: PASV EPSV PORT EPRT.

use super::args::Arg;
use crate::reply::Reply;
use crate::session::{Pending, Reaction, Turn};
use core::net::IpAddr;

/// Ports below are other services'; a server that connects to them can be abused (RFC 2577 section 3).
const FIRST_UNPRIVILEGED_PORT: u16 = 1024;

const EXTENDED_PASSIVE_ONLY: Reply = Reply::new(503, "After EPSV ALL only EPSV is allowed.");

/// The words of RFC 959 and RFC 2428 and nothing else: firewalls and NATs on the way read them.
pub(crate) fn passive_reply(address: IpAddr, port: u16, extended: bool) -> Reply {
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
    if let Some((address, port)) = turn.session.announced(turn.now, extended) {
        return passive_reply(address, port, extended).into();
    }
    turn.session.lease(turn.now);
    Reaction::Await(Pending::Lease { extended })
}

pub(super) fn port(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    give_target(turn, arg, "PORT")
}

pub(super) fn eprt(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    give_target(turn, arg, "EPRT")
}

/// Only the client's own address will do, or the server could be made to connect anywhere (RFC 2577 section 3).
fn give_target(turn: &mut Turn<'_>, arg: Arg<'_>, verb: &str) -> Reaction {
    let Arg::HostPort(target) = arg else { return Reaction::Silent };
    if turn.session.modes.extended_passive_only {
        return EXTENDED_PASSIVE_ONLY.into();
    }
    let client = turn.session.peer.ip();
    if target.ip() != client && !turn.session.tls_policy().server_to_server {
        return Reply::with(
            500,
            alloc::format!(
                "I won't connect to {}, only to {client}; behind NAT use passive mode (PASV or EPSV).",
                target.ip()
            ),
        )
        .into();
    }
    if target.port() < FIRST_UNPRIVILEGED_PORT {
        return Reply::with(
            500,
            alloc::format!(
                "I won't connect to port {} of {client}, only to ports from {FIRST_UNPRIVILEGED_PORT} up; \
                 or use passive mode (PASV or EPSV).",
                target.port()
            ),
        )
        .into();
    }
    if target.ip() != client {
        turn.session.give_target(turn.now, target);
        return Reply::with(200, alloc::format!("{verb} command successful.")).into();
    }
    // The client's own address as the system knows it, the interface of a link-local one included.
    let mut own = turn.session.peer;
    own.set_port(target.port());
    turn.session.give_target(turn.now, own);
    Reply::with(200, alloc::format!("{verb} command successful.")).into()
}
