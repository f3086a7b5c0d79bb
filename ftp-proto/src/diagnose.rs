//! Why a data connection failed: each one that does ends in exactly one [`Verdict`]. What happened is its [`Cause`], why it
//! did so the [`Suspect`].

mod outlook;
mod suspect;
mod words;

pub use outlook::{Form, Mode, Neighbourhood, Outlook, Reached, Span, Way, Ways};
pub use suspect::Suspect;

use crate::advertise::Advertised;
use crate::event::LinkError;
use crate::tls::{Resumption, TlsError};
use crate::transfer::Direction;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};

/// How the data connection was to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// The client connects to this port; `advertised` is what it was told (with EPSV only the port).
    Passive {
        /// The address in 227 and 228, the port in these and 229, and why these.
        advertised: Advertised,
        /// The port that is listened on.
        port: u16,
        /// PASV, EPSV (which names no address) or LPSV.
        form: Form,
    },
    /// The server connects.
    Active {
        /// To this address.
        target: SocketAddr,
        /// PORT, EPRT or LPRT.
        form: Form,
    },
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
    /// Which way they went; `None`: no transfer waited for it.
    pub direction: Option<Direction>,
    /// Whether the control connection was under TLS when the data connection was set up.
    pub encrypted: bool,
    /// What the client calls itself (CLNT); printable.
    pub software: Option<String>,
    /// What was known of other data connections.
    pub outlook: Outlook,
}

impl Verdict {
    /// All kinds there are.
    pub const KINDS: &[&str] = &[
        "nobody_connected",
        "wrong_peer",
        "no_proxy_header",
        "no_port_free",
        "no_port_open",
        "peer_left",
        "connect_refused",
        "connect_timed_out",
        "connect_unreachable",
        "connect_failed",
        "broken",
        "stalled",
        "tls_timed_out",
        "tls_failed",
        "tls_not_resumed",
        "tls_foreign_session",
        "truncated",
    ];

    /// A short word for counters: what happened.
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

    /// The likely cause.
    pub fn suspect(&self) -> Suspect {
        Suspect::of(self)
    }

    /// One line for the reply: what happened, why as far as is known, and what the client can do.
    pub fn reply_text(&self) -> String {
        words::reply(self)
    }

    /// One line for the administrator: what to change.
    pub fn advice(&self) -> String {
        words::advice(self)
    }

    /// The command that set it up; `None`: it did not come so far.
    pub fn command(&self) -> Option<&'static str> {
        Some(match self.setup? {
            Setup::Passive { form, .. } => form.passive(),
            Setup::Active { form, .. } => form.active(),
        })
    }
}

/// The line for the log: everything that was seen.
impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, suspect) = (self.kind(), self.suspect().id());
        write!(out, "{kind} ({suspect}): client {} on {}", self.peer, self.local)?;
        if let Some(command) = self.command() {
            write!(out, ", {command}")?;
        }
        match self.setup {
            Some(Setup::Passive { advertised: Advertised { address, port: told, why }, port, .. }) => {
                write!(out, " {address} port {told}")?;
                if told != port {
                    write!(out, " for {port}")?;
                }
                write!(out, " ({})", why.words())?;
            }
            Some(Setup::Active { target, .. }) => write!(out, " to {target}")?,
            None => {}
        }
        if self.encrypted {
            write!(out, ", TLS")?;
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
        if let Some(software) = &self.software {
            write!(out, ", {software}")?;
        }
        write!(out, ": {} {}", self.reply_text(), self.advice())
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
