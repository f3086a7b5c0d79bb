//! The likely cause of a failed data connection, and what to do about it.
//!
//! Theory of operation: a [`Verdict`] says what happened and holds what is known of other data connections
//! ([`Outlook`](super::Outlook)). [`Suspect::of`] looks for the most certain explanation first, and always has one.
//! Each suspect has a name for logs and counters, half a sentence for the client, and advice for the administrator
//! ([`advice`](super::advice)).

use super::{Cause, Mode, Setup, Verdict, is_public};
use crate::advertise::Reason;
use crate::event::LinkError;
use crate::tls::{Resumption, TlsError};
use crate::transfer::Direction;
use core::net::IpAddr;

/// So many ports must have been reached by others before one that wasn't tells more about the firewall than about the
/// client.
const MANY_PORTS: u16 = 16;
/// What a system takes into its send buffer as long as nothing is acknowledged, generously.
const FIRST_BUFFER: u64 = 512 * 1024;

macro_rules! suspects {
    ($($(#[$meaning:meta])* $name:ident = $id:literal,)*) => {
        /// The likely cause of a failed data connection.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Suspect { $($(#[$meaning])* $name,)* }

        impl Suspect {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// A short word for logs and counters.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }
        }
    };
}

suspects! {
    /// PASV named a private address to a client on the Internet.
    AddressPrivate = "address_private",
    /// The same, since the name of the external address was not resolved yet.
    NameUnresolved = "name_unresolved",
    /// The same as `address_private`; in the clear it worked, since a device on the way put in the right one, which it can't under TLS.
    RewritingBlinded = "rewriting_blinded",
    /// PASV named the public address to a client in the inside network, which the router does not lead back inside.
    HairpinMissing = "hairpin_missing",
    /// EPSV works and PASV does not, where nobody on the way reads either: the address that PASV names is wrong.
    AddressWrong = "address_wrong",
    /// EPSV works and PASV does not, and nothing works under TLS: a device on the way rewrites FTP and does not expect
    /// the external address.
    HelperConflict = "helper_conflict",
    /// EPSV works and PASV does not, in the clear: one of both.
    AddressOrHelper = "address_or_helper",
    /// Other ports of the range are reached, this one and its neighbours never.
    RangePartlyOpen = "range_partly_open",
    /// Data connections come when the control connection is in the clear, and not under TLS: a firewall opens ports by
    /// reading FTP.
    InspectionBlinded = "inspection_blinded",
    /// Other networks reach the passive ports, this one never did.
    ClientOutbound = "client_outbound",
    /// Nobody has reached any passive port.
    RangeClosed = "range_closed",
    /// Earlier data connections of the same kind came from there: the client did not connect, or was held up by chance.
    ClientSilent = "client_silent",
    /// A neighbour of the client's address came: its network sends connections from several addresses.
    EgressPool = "egress_pool",
    /// Somebody from another network came.
    OtherAddress = "other_address",
    /// A balancer did not say by the PROXY protocol whose connection it is.
    BalancerSilent = "balancer_silent",
    /// The client's address waits for so many data connections that no passive port is left.
    PortsBusy = "ports_busy",
    /// The server could open no passive port.
    PortsTaken = "ports_taken",
    /// The client connected and left again.
    ClientLeft = "client_left",
    /// Nobody listens at the address of PORT or EPRT, or a firewall says so.
    ClientRefuses = "client_refuses",
    /// Active mode works for this network in the clear, and not under TLS: its firewall opens ports by reading PORT.
    ActiveBlinded = "active_blinded",
    /// Active mode works, but not to this client: its firewall or NAT lets nobody in.
    ClientInbound = "client_inbound",
    /// Active mode works to nobody: the server's firewall lets no connection out.
    ServerOutbound = "server_outbound",
    /// Active mode did not work, and nothing is known of others: it is one of both firewalls.
    ActiveBlocked = "active_blocked",
    /// There is no way to the client.
    NoRoute = "no_route",
    /// The port active mode connects from can't be used.
    SourcePort = "source_port",
    /// The system could not connect for another reason.
    ConnectFailed = "connect_failed",
    /// The client, or a device on the way, cut it off in the middle.
    CutOff = "cut_off",
    /// It came to a stop before anything large was seen to arrive: large packets may get lost on the way.
    PathMtu = "path_mtu",
    /// It came to a stop in the middle.
    WentSilent = "went_silent",
    /// The client sent data in the clear although PROT P holds.
    PlainData = "plain_data",
    /// The client does not accept the server's certificate.
    CertificateRefused = "certificate_refused",
    /// Client and server have no version, cipher or the like in common, or the client's certificate won't do.
    TlsUnsuitable = "tls_unsuitable",
    /// Bytes were damaged, or the client's TLS is.
    TlsDamaged = "tls_damaged",
    /// The client left in the TLS handshake.
    HandshakeLeft = "handshake_left",
    /// The client never began its TLS handshake, or did not end it.
    HandshakeSilent = "handshake_silent",
    /// The client began a TLS session of its own for data.
    SessionNotReused = "session_not_reused",
    /// The client resumed another control connection's TLS session.
    SessionForeign = "session_foreign",
    /// The end of an upload is missing.
    UploadCut = "upload_cut",
}

impl Suspect {
    pub(super) fn of(verdict: &Verdict) -> Self {
        match (&verdict.cause, verdict.setup) {
            (Cause::NobodyConnected, Some(Setup::Passive { advertised, port, form })) => {
                address(verdict, advertised.why, advertised.address, form.mode())
                    .unwrap_or_else(|| ports(verdict, port))
            }
            (Cause::NobodyConnected, _) => Self::ClientSilent,
            (Cause::WrongPeer(strangers), _) => {
                let own = super::Neighbourhood::of(verdict.peer.ip());
                let is_neighbour = |ip: IpAddr| super::Neighbourhood::of(ip) == own;
                let pool = strangers.iter().any(|stranger| is_neighbour(stranger.ip()));
                if pool { Self::EgressPool } else { Self::OtherAddress }
            }
            (Cause::NoProxyHeader(_), _) => Self::BalancerSilent,
            (Cause::NoPortFree, _) => Self::PortsBusy,
            (Cause::NoPortOpen, _) => Self::PortsTaken,
            (Cause::PeerLeft(_), _) => Self::ClientLeft,
            (Cause::ConnectFailed(why), _) => active(verdict, why),
            (Cause::Broken(_), _) => Self::CutOff,
            (Cause::Stalled, _) => stalled(verdict),
            (Cause::TlsFailed(why), _) => tls(why),
            (Cause::NotResumed(Resumption::Foreign), _) => Self::SessionForeign,
            (Cause::NotResumed(_), _) => Self::SessionNotReused,
            (Cause::Truncated, _) => Self::UploadCut,
        }
    }
}

/// Nobody came, and what the client was told explains it.
fn address(verdict: &Verdict, why: Reason, advertised: IpAddr, mode: Mode) -> Option<Suspect> {
    // EPSV names no address.
    if mode == Mode::Epsv || verdict.peer.ip().is_loopback() {
        return None;
    }
    let (known, encrypted) = (&verdict.outlook, verdict.encrypted);
    let (outside, local) = (is_public(verdict.peer.ip()), verdict.local.ip());
    let is_told_elsewhere = advertised != local.to_canonical();
    if outside && !is_public(advertised) {
        return match (known.all().has(Mode::Pasv, false), encrypted) {
            (false, _) if why == Reason::Unresolved => Some(Suspect::NameUnresolved),
            (false, _) => Some(Suspect::AddressPrivate),
            (true, true) => Some(Suspect::RewritingBlinded),
            // It works like this as a rule: somebody on the way puts in the right address.
            (true, false) => None,
        };
    }
    if known.all().has(Mode::Pasv, encrypted) || !is_told_elsewhere {
        return None;
    }
    if !outside && is_public(advertised) && !is_public(local) {
        return Some(Suspect::HairpinMissing);
    }
    let failed = known.own_failed.or(known.others_failed);
    match (known.all().has(Mode::Epsv, encrypted), encrypted || known.all().has_passive(true)) {
        (false, _) => None,
        (true, true) => Some(Suspect::AddressWrong),
        (true, false) if failed.has_passive(true) => Some(Suspect::HelperConflict),
        (true, false) => Some(Suspect::AddressOrHelper),
    }
}

/// Nobody came, and the address is not to blame.
fn ports(verdict: &Verdict, port: u16) -> Suspect {
    let (known, encrypted) = (&verdict.outlook, verdict.encrypted);
    if verdict.peer.ip().is_loopback() {
        return Suspect::ClientSilent;
    }
    let reached = known.reached(encrypted);
    let is_apart = reached.span.is_some_and(|span| !span.contains(port));
    // Whether connections announced like this one say that the way is open.
    let is_open = |ways: super::Ways| ways.has_passive(encrypted) || ways.has_passive(true);
    if is_open(known.own) {
        return if is_apart { Suspect::RangePartlyOpen } else { Suspect::ClientSilent };
    }
    if is_open(known.others) {
        let is_partly_open = is_apart && reached.count >= MANY_PORTS;
        return if is_partly_open { Suspect::RangePartlyOpen } else { Suspect::ClientOutbound };
    }
    if encrypted && known.all().has_passive(false) {
        return Suspect::InspectionBlinded;
    }
    Suspect::RangeClosed
}

/// The server could not connect.
fn active(verdict: &Verdict, why: &LinkError) -> Suspect {
    let (known, encrypted) = (&verdict.outlook, verdict.encrypted);
    match why {
        LinkError::Refused => return Suspect::ClientRefuses,
        LinkError::SourceUnavailable => return Suspect::SourcePort,
        LinkError::TimedOut | LinkError::Unreachable => {}
        LinkError::Reset | LinkError::Other(_) => return Suspect::ConnectFailed,
    }
    if encrypted && known.own.has(Mode::Active, false) && !known.own.has(Mode::Active, true) {
        Suspect::ActiveBlinded
    } else if known.all().has_active() {
        Suspect::ClientInbound
    } else if known.others_failed.has_active() {
        Suspect::ServerOutbound
    } else if *why == LinkError::Unreachable {
        Suspect::NoRoute
    } else {
        Suspect::ActiveBlocked
    }
}

/// Small packets came through, or there were no connection. Of large ones nothing is known if nothing came from the
/// client, or no more went to it than fits into the send buffer.
fn stalled(verdict: &Verdict) -> Suspect {
    let may_be_size = match verdict.direction {
        Some(Direction::Upload) => verdict.bytes == 0,
        Some(Direction::Download) => verdict.bytes <= FIRST_BUFFER,
        None => false,
    };
    if may_be_size && !verdict.peer.ip().is_loopback() { Suspect::PathMtu } else { Suspect::WentSilent }
}

/// The alerts by which a client says that it does not trust a certificate.
const DISTRUST: &[&str] = &[
    "bad_certificate",
    "unsupported_certificate",
    "certificate_revoked",
    "certificate_expired",
    "certificate_unknown",
    "unknown_ca",
];

fn tls(why: &TlsError) -> Suspect {
    match why {
        TlsError::NotTls => Suspect::PlainData,
        TlsError::Alert(alert) if DISTRUST.contains(&alert.as_str()) => Suspect::CertificateRefused,
        TlsError::Alert(_) | TlsError::Refused(_) => Suspect::TlsUnsuitable,
        TlsError::Broken(_) => Suspect::TlsDamaged,
        TlsError::Ended | TlsError::Link(_) => Suspect::HandshakeLeft,
        TlsError::TimedOut => Suspect::HandshakeSilent,
    }
}

#[cfg(test)]
mod tests;
