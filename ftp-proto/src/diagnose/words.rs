//! What clients and administrators are told: one line each.

use super::{Cause, Setup, Span, Suspect, Verdict, is_public};
use crate::advertise::Advertised;
use crate::tls::Resumption;
use alloc::format;
use alloc::string::String;
use core::net::SocketAddr;

/// The line for the client: what happened and what to do, nothing that a stranger should not know.
pub(super) fn reply(verdict: &Verdict) -> String {
    let Verdict { cause, setup, bytes, .. } = verdict;
    match (cause, setup) {
        (Cause::NobodyConnected, Some(Setup::Passive { advertised, form, .. })) => {
            let Advertised { address, port, .. } = advertised;
            let place =
                if form.names_address() { format!("{address} port {port}") } else { format!("port {port}") };
            format!("No data connection came to {place}; {}.", nobody(verdict))
        }
        (Cause::WrongPeer(strangers), Some(Setup::Passive { advertised, .. })) => {
            let port = advertised.port;
            let own = verdict.peer.ip();
            let other = strangers.first().map_or(own, SocketAddr::ip);
            let end = match verdict.suspect() {
                Suspect::EgressPool => "refused: your network sends data connections from another address",
                _ => "refused",
            };
            format!("The data connection to port {port} came from {other}, not from {own}; {end}.")
        }
        (Cause::NoProxyHeader(_), Some(Setup::Passive { advertised, .. })) => format!(
            "The data connection to port {} came through a balancer that does not say whose it is (PROXY protocol); \
             refused. Tell the administrator.",
            advertised.port
        ),
        (Cause::NoPortFree, _) => {
            String::from("All passive ports are taken by your other pending transfers; try again.")
        }
        (Cause::NoPortOpen, _) => {
            String::from("The server could not open any of its passive ports; try again later.")
        }
        (Cause::PeerLeft(why), _) => {
            format!("The data connection was closed before the transfer began: {why}.")
        }
        (Cause::ConnectFailed(why), Some(Setup::Active { target, .. })) => {
            format!("Can't connect to {target}: {why}; {}.", active(verdict))
        }
        (Cause::Broken(why), _) => format!("Data connection broken after {bytes} bytes: {why}."),
        (Cause::Stalled, _) => {
            let why = match verdict.suspect() {
                Suspect::PathMtu => "a device on the way may drop large packets (path MTU)",
                _ => "transfer given up",
            };
            format!("Data connection stalled after {bytes} bytes; {why}.")
        }
        (Cause::TlsFailed(why), _) => format!("Data connection: {why}{}.", tls(verdict.suspect())),
        (Cause::NotResumed(Resumption::Foreign), _) => {
            String::from("The TLS session of the data connection is another control connection's; refused.")
        }
        (Cause::NotResumed(_), _) => String::from(
            "The data connection must resume the TLS session of the control connection; switch that on in \
             your client (session reuse), or use another one.",
        ),
        (Cause::Truncated, _) => format!(
            "The upload ended after {bytes} bytes without TLS close_notify: taken for cut off, not published."
        ),
        _ => String::from("Can't open the data connection."),
    }
}

/// Ports that are listened on, as this client sees them: a router may have moved them.
fn seen(verdict: &Verdict, span: Span) -> Span {
    match verdict.setup {
        Some(Setup::Passive { advertised, port, .. }) => {
            let moved = |listened: u16| listened.wrapping_sub(port).wrapping_add(advertised.port);
            Span { first: moved(span.first), last: moved(span.last) }
        }
        _ => span,
    }
}

/// The passive ports as they are spoken of.
fn range(verdict: &Verdict) -> String {
    match verdict.outlook.ports {
        Some(ports) => format!("TCP {}", seen(verdict, ports)),
        None => String::from("the passive ports"),
    }
}

/// Why nobody came.
fn nobody(verdict: &Verdict) -> String {
    let range = range(verdict);
    let known = &verdict.outlook;
    match verdict.suspect() {
        Suspect::AddressPrivate => {
            String::from("that address is private: the server's external address is not set")
        }
        Suspect::NameUnresolved => {
            String::from("that address is private: the name of the server's external address is not resolved")
        }
        Suspect::RewritingBlinded => String::from(
            "that address is private, and under TLS no device on the way can put in the right one: the server's \
             external address is not set",
        ),
        Suspect::HairpinMissing => String::from(
            "your router does not lead the public address back inside, it seems: the server should name its inside one",
        ),
        Suspect::AddressWrong => String::from(
            "with EPSV they come, so that address is not this server's: its external address is wrong; use EPSV",
        ),
        Suspect::HelperConflict => String::from(
            "with EPSV they come: a device on the way rewrites FTP and does not expect that address; use EPSV",
        ),
        Suspect::AddressOrHelper => String::from(
            "with EPSV they come: that address is wrong, or a device that rewrites FTP does not expect it; use EPSV",
        ),
        Suspect::RangePartlyOpen => {
            let reached = match known.reached(verdict.encrypted).span.map(|span| seen(verdict, span)) {
                Some(span) if span.first == span.last => format!("port {span} was"),
                Some(span) => format!("ports {span} were"),
                None => String::from("others were"),
            };
            format!("{reached} reached and this one never: a firewall lets in only a part of {range}")
        }
        Suspect::InspectionBlinded => format!(
            "without TLS they come: a firewall opens ports by reading FTP, which TLS hides; {range} must be open"
        ),
        Suspect::ClientOutbound => format!(
            "other networks reach these ports: a firewall on your side probably blocks connections to {range}"
        ),
        Suspect::RangeClosed => closed(verdict, &range),
        _ if verdict.peer.ip().is_loopback() => String::from("the client did not connect"),
        _ => String::from("others from your network did come: the client probably did not connect"),
    }
}

fn closed(verdict: &Verdict, range: &str) -> String {
    let from = if is_public(verdict.peer.ip()) { "outside" } else { "inside" };
    let elsewhere = match verdict.setup {
        Some(Setup::Passive { advertised, form, .. })
            if form.names_address() && advertised.address != verdict.local.ip() =>
        {
            ", or that address is wrong"
        }
        _ => "",
    };
    let hidden = if verdict.encrypted { "; under TLS none opens them by reading FTP" } else { "" };
    format!(
        "none has come from {from} so far: a firewall or router probably does not let {range} in{hidden}{elsewhere}"
    )
}

/// Why the server could not connect.
fn active(verdict: &Verdict) -> &'static str {
    match verdict.suspect() {
        Suspect::ActiveBlinded => "your firewall can't read PORT under TLS; use passive mode (PASV or EPSV)",
        Suspect::ClientInbound => {
            "your firewall or NAT probably lets no connection in; use passive mode (PASV or EPSV)"
        }
        Suspect::ServerOutbound => {
            "the server's firewall probably lets no connection out; use passive mode (PASV or EPSV)"
        }
        Suspect::ActiveBlocked => {
            "a firewall, yours or the server's, is probably in the way; use passive mode (PASV or EPSV)"
        }
        _ => "use passive mode (PASV or EPSV)",
    }
}

/// What the client can do about its TLS, where the failure's own words don't say it.
fn tls(suspect: Suspect) -> &'static str {
    match suspect {
        Suspect::PlainData => ", though PROT P holds",
        Suspect::CertificateRefused => ": it does not trust the server's certificate",
        _ => "",
    }
}

/// The line for the administrator: what to change, with the words of the configuration.
pub(super) fn advice(verdict: &Verdict) -> String {
    let range = match verdict.outlook.ports {
        Some(ports) if seen(verdict, ports) != ports => format!("{} (to {ports})", range(verdict)),
        _ => range(verdict),
    };
    String::from(match verdict.suspect() {
        Suspect::AddressPrivate => {
            "set passive.external_address to the public address, and have the router forward the passive ports"
        }
        Suspect::NameUnresolved => {
            "see to it that the server's resolver knows the name in passive.external_address, or write the address itself"
        }
        Suspect::RewritingBlinded => {
            return format!(
                "set passive.external_address to the public address, have the router forward {range}, and switch off \
                 its FTP helper"
            );
        }
        Suspect::HairpinMissing => {
            "let clients inside get the inside address: passive.lan_clients = \"inside\", or a passive.rule for their \
             network"
        }
        Suspect::AddressWrong => "correct passive.external_address, or the passive.rule for this client",
        Suspect::HelperConflict => {
            return format!(
                "switch off the FTP helper (ALG) of the firewall or router and have it forward {range}"
            );
        }
        Suspect::AddressOrHelper => {
            return format!(
                "check passive.external_address; if it is right, switch off the FTP helper (ALG) of the router and have \
                 it forward {range}"
            );
        }
        Suspect::RangePartlyOpen => {
            return format!("let the rules of every firewall and router on the way cover all of {range}");
        }
        Suspect::InspectionBlinded => {
            return format!(
                "open {range} in the firewall that inspects FTP, and switch its inspection off: it can't read TLS"
            );
        }
        Suspect::ClientOutbound => {
            return format!(
                "nothing here: the client's network has to allow outgoing connections to {range}"
            );
        }
        Suspect::RangeClosed => {
            return format!("open {range} in the firewall and, behind NAT, have the router forward them");
        }
        Suspect::ClientSilent => "nothing, unless it goes on: the client's log says why it did not connect",
        Suspect::EgressPool => {
            "set passive.peer_check = \"same-network\", or name the client's addresses in passive.client_networks"
        }
        Suspect::OtherAddress => {
            "if it was the client: name its addresses in passive.client_networks, or have it use TLS with session \
             reuse; if a balancer stands before the server: proxy.trusted"
        }
        Suspect::BalancerSilent => {
            "have the balancer send the PROXY protocol on the passive ports as well, or take it out of proxy.trusted; if it \
             never sends it there: proxy.data = false"
        }
        Suspect::PortsBusy => {
            "widen passive.ports: one address waits for more data connections than there are ports"
        }
        Suspect::PortsTaken => "choose other passive.ports, or end the programs that hold these",
        Suspect::ClientLeft | Suspect::HandshakeLeft => {
            "nothing, unless it goes on: the client's log says why it left"
        }
        Suspect::ClientRefuses => {
            "nothing here: the client did not listen, or its firewall refuses; it can use passive mode"
        }
        Suspect::ActiveBlinded | Suspect::ClientInbound => {
            "nothing here: the client's firewall or NAT has to let connections in, or the client to use passive mode"
        }
        Suspect::ServerOutbound => {
            "allow outgoing TCP connections of the server, or set active.enabled = false"
        }
        Suspect::ActiveBlocked => {
            "let the client use passive mode; if active mode fails for all, allow outgoing TCP connections of the server"
        }
        Suspect::NoRoute => "check the server's routes to the client; it can use passive mode",
        Suspect::SourcePort => {
            "give the program the right to use active.source_port, or leave that setting out"
        }
        Suspect::ConnectFailed => "the system's words say why; the client can use passive mode",
        Suspect::CutOff => "nothing, unless it goes on: then a device on the way forgets or ends connections",
        Suspect::PathMtu => {
            "let ICMP \"fragmentation needed\" (IPv6: \"packet too big\") pass, or lower the MTU of the server's interface"
        }
        Suspect::WentSilent => "nothing, unless it goes on: the client or its network stopped in the middle",
        Suspect::PlainData => {
            "the client has to protect data connections after PROT P; switch its TLS for data on"
        }
        Suspect::CertificateRefused => {
            "the client has to trust the server's certificate, or the server to get one from an authority it trusts"
        }
        Suspect::TlsUnsuitable => {
            "compare the client's TLS versions, ciphers and certificate with those in [tls]"
        }
        Suspect::TlsDamaged => {
            "nothing, unless it goes on: then a device on the way changes bytes, or the client is broken"
        }
        Suspect::HandshakeSilent => {
            "the client did not begin TLS on the data connection; if large packets get lost, let ICMP pass or lower the \
             MTU"
        }
        Suspect::SessionNotReused => {
            "the client has to reuse its TLS session for data; for clients that can't, tls.data_resumption = \"off\" \
             in a rule"
        }
        Suspect::SessionForeign => {
            "the client mixes up its sessions, or somebody tried to take another's data"
        }
        Suspect::UploadCut => {
            "the client has to send the file again; for clients that never send close_notify, tls.close_notify = \
             \"tolerate\" in a rule"
        }
    })
}
