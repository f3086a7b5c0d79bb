//! Why a data connection failed: each one that does ends in exactly one [`Verdict`].

use crate::advertise::Advertised;
use crate::event::LinkError;
use crate::tls::{Resumption, TlsError};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};

/// How the data connection was to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// The client connects to this port; `advertised` is what it was told (with EPSV only the port).
    Passive {
        /// The address in 227, the port in 227 and 229, and why these.
        advertised: Advertised,
        /// The port that is listened on.
        port: u16,
        /// EPSV, which names no address.
        extended: bool,
    },
    /// The server connects to this address.
    Active(SocketAddr),
}

/// What went wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The port was announced and nobody came.
    NobodyConnected,
    /// Only others came to the port; all are named, the first few at least.
    WrongPeer(Vec<SocketAddr>),
    /// A connection came through this balancer, which did not say for whom (PROXY protocol).
    NoProxyHeader(SocketAddr),
    /// No passive port came free in time.
    NoPortFree,
    /// Not one passive port is open: other programs have them all.
    NoPortOpen,
    /// The client connected and left again before the transfer began.
    PeerLeft(LinkError),
    /// The server could not connect.
    ConnectFailed(LinkError),
    /// It broke in the middle.
    Broken(LinkError),
    /// No byte moved for the stall timeout.
    Stalled,
    /// TLS on it failed, in the handshake or later.
    TlsFailed(TlsError),
    /// Its TLS handshake did not prove that it belongs to the control connection.
    NotResumed(Resumption),
    /// An upload ended without close_notify from a client that sends it, so that its end is missing.
    Truncated,
}

/// The answer to "why did the data connection fail".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The client's control address.
    pub peer: SocketAddr,
    /// The server's end of the control connection.
    pub local: SocketAddr,
    /// How it was to be made, if it came so far.
    pub setup: Option<Setup>,
    /// What happened.
    pub cause: Cause,
    /// Bytes that had crossed.
    pub bytes: u64,
}

impl Verdict {
    /// A short word for counters.
    pub fn kind(&self) -> &'static str {
        match &self.cause {
            Cause::NobodyConnected => "nobody_connected",
            Cause::WrongPeer(_) => "wrong_peer",
            Cause::NoProxyHeader(_) => "no_proxy_header",
            Cause::NoPortFree => "no_port_free",
            Cause::NoPortOpen => "no_port_open",
            Cause::PeerLeft(_) => "peer_left",
            Cause::ConnectFailed(LinkError::Refused) => "connect_refused",
            Cause::ConnectFailed(LinkError::TimedOut) => "connect_timed_out",
            Cause::ConnectFailed(LinkError::Unreachable) => "connect_unreachable",
            Cause::ConnectFailed(_) => "connect_failed",
            Cause::Broken(_) => "broken",
            Cause::Stalled => "stalled",
            Cause::TlsFailed(TlsError::TimedOut) => "tls_timed_out",
            Cause::TlsFailed(_) => "tls_failed",
            Cause::NotResumed(Resumption::Foreign) => "tls_foreign_session",
            Cause::NotResumed(_) => "tls_not_resumed",
            Cause::Truncated => "truncated",
        }
    }

    /// One line for the reply: what happened and what to do, nothing a stranger should not know.
    pub fn reply_text(&self) -> String {
        use alloc::format;
        match (&self.cause, self.setup) {
            (Cause::NobodyConnected, Some(Setup::Passive { advertised, extended, .. })) => {
                let Advertised { address, port, .. } = advertised;
                let place = if extended { format!("port {port}") } else { format!("{address} port {port}") };
                format!("No data connection came to {place}; {}.", self.likely())
            }
            (
                Cause::WrongPeer(strangers),
                Some(Setup::Passive { advertised: Advertised { port, .. }, .. }),
            ) => {
                let other = strangers.first().map_or(self.peer.ip(), SocketAddr::ip);
                format!(
                    "The data connection to port {port} came from {other}, not from {}; refused.",
                    self.peer.ip()
                )
            }
            (Cause::NoProxyHeader(_), Some(Setup::Passive { port, .. })) => format!(
                "The data connection to port {port} came through a balancer that does not say whose it is (PROXY \
                 protocol); refused. Tell the administrator."
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
            (Cause::ConnectFailed(why), Some(Setup::Active(target))) => {
                format!("Can't connect to {target}: {why}; use passive mode (PASV or EPSV).")
            }
            (Cause::Broken(why), _) => format!("Data connection broken after {} bytes: {why}.", self.bytes),
            (Cause::Stalled, _) => {
                format!("Data connection stalled after {} bytes; transfer given up.", self.bytes)
            }
            (Cause::TlsFailed(why), _) => format!("Data connection: {why}."),
            (Cause::NotResumed(Resumption::Foreign), _) => String::from(
                "The TLS session of the data connection is another control connection's; refused.",
            ),
            (Cause::NotResumed(_), _) => String::from(
                "The data connection must resume the TLS session of the control connection; switch that on in \
                 your client (session reuse), or use another one.",
            ),
            (Cause::Truncated, _) => format!(
                "The upload ended after {} bytes without TLS close_notify: taken for cut off, not published.",
                self.bytes
            ),
            _ => String::from("Can't open the data connection."),
        }
    }

    /// The likely cause of a passive connection that never came.
    fn likely(&self) -> &'static str {
        match self.setup {
            Some(Setup::Passive { advertised, extended: false, .. })
                if !is_public(advertised.address) && is_public(self.peer.ip()) =>
            {
                "that address is private: the server's external address is not set"
            }
            _ => "a firewall probably blocks the passive ports",
        }
    }
}

/// The line for the log: everything that was seen.
impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: client {} on {}", self.kind(), self.peer, self.local)?;
        match self.setup {
            Some(Setup::Passive { advertised, port, extended }) => {
                let Advertised { address, port: told, why } = advertised;
                write!(out, ", {} {address} port {told}", if extended { "EPSV" } else { "PASV" })?;
                if told != port {
                    write!(out, " for {port}")?;
                }
                write!(out, " ({})", why.words())?;
            }
            Some(Setup::Active(target)) => write!(out, ", active to {target}")?,
            None => {}
        }
        match &self.cause {
            Cause::WrongPeer(strangers) => {
                write!(out, ", strangers")?;
                for stranger in strangers {
                    write!(out, " {stranger}")?;
                }
            }
            Cause::NoProxyHeader(balancer) => write!(out, ", balancer {balancer}")?,
            _ => {}
        }
        write!(out, ": {}", self.reply_text())
    }
}

/// Whether the Internet can route to it.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_unspecified()
                || (first == 100 && (64..128).contains(&second)))
        }
        IpAddr::V6(address) => {
            !(address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local())
        }
    }
}
