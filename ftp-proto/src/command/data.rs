//! How the data connection is made: PASV EPSV LPSV PORT EPRT LPRT PRET, and which ends it has: ESTA ESTP.

use super::args::{self, Arg};
use super::target::Place;
use super::{find, split};
use crate::advertise::Advertised;
use crate::diagnose::Form;
use crate::notice::Notice;
use crate::reply::Reply;
use crate::session::{Pending, Reaction, Turn};
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

const EXTENDED_PASSIVE_ONLY: Reply = Reply::new(503, "After EPSV ALL only EPSV is allowed.");

/// The words of RFC 959, RFC 2428 and RFC 1639 and nothing else: firewalls and NATs on the way read them.
// req: 959-4.1.2-pasv-reply, 959-4.2.2-227, 1123-4.1.2.6-scan, 1639-lpsv, 2428-3-229, 2428-3-fields
pub(crate) fn passive_reply(Advertised { address, port, .. }: Advertised, form: Form) -> Reply {
    let [high, low] = port.to_be_bytes();
    match (form, address) {
        (Form::Extended, _) => Reply::with(229, format!("Entering Extended Passive Mode (|||{port}|)")),
        (Form::Plain, IpAddr::V4(address)) => {
            let host = in_decimal(&address.octets());
            Reply::with(227, format!("Entering Passive Mode ({host},{high},{low})."))
        }
        (Form::Plain, IpAddr::V6(_)) => PASV_OVER_IPV6,
        (Form::Long, IpAddr::V4(address)) => {
            let host = in_decimal(&address.octets());
            Reply::with(228, format!("Entering Long Passive Mode (4,4,{host},2,{high},{low})"))
        }
        (Form::Long, IpAddr::V6(address)) => {
            let host = in_decimal(&address.octets());
            Reply::with(228, format!("Entering Long Passive Mode (6,16,{host},2,{high},{low})"))
        }
    }
}

fn in_decimal(octets: &[u8]) -> String {
    octets.iter().map(u8::to_string).collect::<Vec<_>>().join(",")
}

/// 227 can't hold an IPv6 address, and one that is wrong makes firewalls drop the packet.
const PASV_OVER_IPV6: Reply = Reply::new(425, "PASV can't name an IPv6 address; use EPSV.");

// req: 959-4.1.2-pasv, 1123-4.1.2.6-implemented, 2428-3-all
pub(super) fn pasv(turn: &mut Turn<'_>, _: Arg<'_>) -> Reaction {
    if turn.session.modes.extended_passive_only {
        return EXTENDED_PASSIVE_ONLY.into();
    }
    if turn.session.local.is_ipv6() {
        return PASV_OVER_IPV6.into();
    }
    lease(turn, Form::Plain)
}

/// RFC 1639: no client of today speaks it, but no NAT reads it either.
// req: 1639-lpsv
pub(super) fn lpsv(turn: &mut Turn<'_>, _: Arg<'_>) -> Reaction {
    if turn.session.modes.extended_passive_only {
        return EXTENDED_PASSIVE_ONLY.into();
    }
    lease(turn, Form::Long)
}

// req: 2428-3-no-argument, 2428-3-protocol, 2428-3-protocol-522, 2428-3-syntax
pub(super) fn epsv(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Text(argument) = arg else { return Reaction::Silent };
    let protocol = if turn.session.local.is_ipv6() { &b"2"[..] } else { b"1" };
    if argument.eq_ignore_ascii_case(b"ALL") {
        turn.session.modes.extended_passive_only = true;
        return Reply::new(200, "EPSV ALL: only EPSV from now on.").into();
    }
    if argument.is_empty() || argument == protocol {
        return lease(turn, Form::Extended);
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
fn lease(turn: &mut Turn<'_>, form: Form) -> Reaction {
    if let Some(advertised) = turn.session.announced(turn.now, form) {
        return passive_reply(advertised, form).into();
    }
    turn.session.lease(turn.now, form);
    Reaction::Await(Pending::Lease { form })
}

pub(super) fn port(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    give_target(turn, arg, Form::Plain)
}

// req: 2428-2-200
pub(super) fn eprt(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    give_target(turn, arg, Form::Extended)
}

// req: 1639-lprt-200
pub(super) fn lprt(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    give_target(turn, arg, Form::Long)
}

fn give_target(turn: &mut Turn<'_>, arg: Arg<'_>, form: Form) -> Reaction {
    let Arg::HostPort(sent) = arg else { return Reaction::Silent };
    let session = &mut *turn.session;
    if session.modes.extended_passive_only {
        return EXTENDED_PASSIVE_ONLY.into();
    }
    let place = Place {
        client: session.peer,
        servers: [session.local.ip(), session.listener.ip()],
        address: session.quirks.active_address,
        counts_as_client: session.is_clients(sent.ip()),
        server_to_server: session.tls_policy().server_to_server,
        active: &session.config.active,
        proxy: &session.config.proxy,
    };
    let target = match place.decide(sent) {
        Ok(target) => target,
        Err(reply) => return reply.into(),
    };
    session.give_target(turn.now, target, form);
    let verb = form.active();
    if target.ip() == sent.ip() {
        return Reply::with(200, format!("{verb} command successful.")).into();
    }
    session.notify(Notice::TargetReplaced { sent, used: target });
    let text = format!(
        "{verb} command successful; I will connect to {} port {}, where you are seen, not to {}.",
        target.ip(),
        target.port(),
        sent.ip()
    );
    Reply::with(200, text).into()
}

/// drftpd's notice of the transfer to come, before PASV. Here every port serves every transfer, so that nothing follows
/// from it; only what could not follow is refused.
pub(super) fn pret(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Text(text) = arg else { return Reaction::Silent };
    let (verb, argument) = split(text.trim_ascii());
    let Some(spec) = find(verb).filter(|spec| spec.transfers) else {
        return Reply::new(504, "That is no transfer that could follow.").into();
    };
    match args::parse(spec.syntax, argument.unwrap_or_default(), &turn.session.modes.directory) {
        Ok(_) => Reply::new(200, "Go on with PASV or EPSV.").into(),
        Err(problem) => problem.reply(spec).into(),
    }
}

/// Which end the server has of an active data connection: it is made now, not at the transfer.
pub(super) fn esta(turn: &mut Turn<'_>, _: Arg<'_>) -> Reaction {
    turn.session.establish(turn.now, true)
}

/// Which end the client has of a passive data connection, as the server sees it.
pub(super) fn estp(turn: &mut Turn<'_>, _: Arg<'_>) -> Reaction {
    turn.session.establish(turn.now, false)
}

/// In the notation of RFC 2428.
pub(crate) fn established_reply(end: SocketAddr, active: bool) -> Reply {
    let way = if active { "from" } else { "to" };
    let protocol = if end.is_ipv4() { 1 } else { 2 };
    Reply::with(225, format!("Connected {way} (|{protocol}|{}|{}|)", end.ip(), end.port()))
}
