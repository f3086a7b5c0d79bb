//! The whole vocabulary between the core and its adapter: [`Event`] in, [`Action`] out, and the questions
//! to the process-wide [`Server`](crate::Server). All of it is plain data.

mod course;
mod job;
mod long;
mod part;
mod turns;

pub use course::Course;
pub use job::{Batch, Done, FileJob, Job, NewFacts};
#[cfg(feature = "digests")]
pub use long::Digested;
pub use long::LongJob;
pub use part::Part;
pub use turns::{Contender, Turns};

use crate::advertise::{Advertised, Networks};
use crate::diagnose::{Outlook, Way};
use crate::notice::{Notice, Refusal};
use crate::proxy::Origin;
use crate::time::{Instant, UnixTime};
use crate::tls::Handshake;
use crate::transfer::{Mark, Pipe, TransferEnd};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

/// Names one control connection for the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// Names one data connection, or the wait for it, within its session. Several connections may come to one wait:
/// each has a name of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId {
    /// Counted by the session.
    pub number: u32,
    /// 0: the wait, or a connection that the server makes. From 1 on: the connections that came to the wait.
    pub arrival: u32,
}

impl LinkId {
    /// The wait for a connection, or a connection that the server makes.
    pub const fn new(number: u32) -> Self {
        Self { number, arrival: 0 }
    }

    /// The wait that this connection came to.
    pub const fn wait(self) -> Self {
        Self::new(self.number)
    }

    /// The connection that came to this wait as number `arrival`, counted from 1.
    pub const fn arrived(self, arrival: u32) -> Self {
        Self { number: self.number, arrival }
    }
}

/// Names one transfer within its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId(pub u32);

/// Names one job within its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u32);

/// What happened outside. Any order and any number is fine, none can fail; a stale one is ignored.
#[derive(Debug)]
pub enum Event {
    /// The server's answer to [`Action::Consult`], at once or later. Before it is handed over, the adapter
    /// drains [`Answer::port_to_drain`].
    Answer(Answer),
    /// An unasked word from the server.
    Message(Message),
    /// The end of [`Action::Perform`].
    Done(Ticket, Done),
    /// A peer connected to a passive port and was routed to this session (`Server::route`), which gave the connection
    /// this name. The wait it came to goes on until [`Action::Drop`].
    Arrived(LinkId, SocketAddr),
    /// [`Action::Connect`] succeeded; the address is the server's own end.
    Connected(LinkId, SocketAddr),
    /// [`Action::Connect`] failed, or a connected link broke before its transfer began.
    LinkFailed(LinkId, LinkError),
    /// [`Action::Secure`] is done, well or not; the connection stays.
    Secured(LinkId, Box<Handshake>),
    /// Bytes so far, from [`Step::Report`](crate::transfer::Step::Report); stalls are judged by it.
    Moved(TransferId, u64),
    /// From [`Step::Marked`](crate::transfer::Step::Marked).
    Marked(TransferId, Mark),
    /// Exactly once for each [`Action::Start`].
    Ended(TransferId, TransferEnd),
    /// The client closed the control connection, or it broke.
    PeerClosed,
}

/// What the core wants done. Exhaustive on purpose: a forgotten action does not compile.
#[derive(Debug)]
pub enum Action {
    /// Ask the process-wide `Server` by `Server::consult`: short, never blocks.
    Consult(Request),
    /// Call [`Job::perform`]; may block; always answered with [`Event::Done`]. One that [is long](Job::is_long) must not
    /// keep the session from hearing what happens meanwhile.
    Perform(Ticket, Job),
    /// Open a connection to the client (active mode); answered with `Connected` or `LinkFailed`.
    Connect(LinkId, ConnectSpec),
    /// Do the TLS handshake on this link's socket: drive the machine, and give it back by [`Event::Secured`]. Until
    /// then the link may be dropped.
    Secure(LinkId, Box<Handshake>),
    /// Move bytes between this link's socket and the pipe until it ends. The link's socket is closed
    /// before `Ended` is reported.
    Start(LinkId, TransferId, Box<Pipe>),
    /// Stop a transfer: shut its socket and tell the pipe to fail; still answered with `Ended`.
    Abort(TransferId),
    /// Forget this link: stop watching its port, close its socket if there is one.
    Drop(LinkId),
    /// For logs, metrics and audit; carries no duty.
    Notify(Notice),
}

/// A question to the process-wide server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A passive port for one data connection.
    Lease {
        /// Who asks.
        session: SessionId,
        /// For which link.
        link: LinkId,
        /// Until when the session waits if every port is pending for its client.
        until: Instant,
        /// Who may come. `false`: the client's address alone, and the first connection from it ends the lease.
        /// `true`: what comes from elsewhere and belongs to nobody else is routed to this session as well, and the
        /// lease goes on until it is released; whose a connection is turns out in its handshake.
        open: bool,
        /// How it was asked for.
        way: Way,
    },
    /// What is known of data connections with this client.
    Look {
        /// Who asks.
        session: SessionId,
    },
    /// What a session has seen of a data connection.
    Witness {
        /// Who tells.
        session: SessionId,
        /// How it was set up.
        way: Way,
        /// What.
        seen: Seen,
    },
    /// This client ends its uploads with close_notify.
    Remember {
        /// Who tells.
        session: SessionId,
        /// As whom the client is logged in.
        user: String,
    },
    /// What is remembered of this client.
    Recall {
        /// Who asks.
        session: SessionId,
        /// As whom the client is logged in.
        user: String,
    },
    /// Somebody has logged in, or nobody is any longer.
    Enter {
        /// Who tells.
        session: SessionId,
        /// As whom.
        whom: Option<Whom>,
        /// By which name, as it was typed.
        typed: Option<String>,
    },
    /// Whether this client may try to log in.
    Attempt {
        /// Who asks.
        session: SessionId,
        /// By which name.
        attempt: Attempt,
    },
    /// It tried and failed. Not told of what is no guess: guests, and accounts that can't be read.
    Failed {
        /// Who tells.
        session: SessionId,
        /// By which name.
        attempt: Attempt,
        /// Whether the password was looked at.
        checked: bool,
    },
    /// Which sessions there are of this account.
    Roster {
        /// Who asks, and is logged in as.
        session: SessionId,
    },
    /// A balancer has said whose control connection this is: whether that client may come in. Asked once at most,
    /// before anything else.
    Introduce {
        /// Who asks.
        session: SessionId,
        /// What the balancer said.
        origin: Origin,
    },
    /// The link no longer waits on a port or for one.
    Release {
        /// Who asks.
        session: SessionId,
        /// For which link.
        link: LinkId,
    },
}

/// A login that is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The name as it was typed; `None`: it is no UTF-8, so that nobody has it.
    pub user: Option<String>,
    /// On which virtual host.
    pub host: Option<String>,
}

/// Whether somebody may try to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Yes.
    Free,
    /// That name is banned for this client: it is told what a wrong password is told, and the password is not looked at.
    Refused,
    /// The client is banned for so long yet.
    Banned(Duration),
}

/// Whose a session is: names are those of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whom {
    /// The account's name; `None`: a guest.
    pub user: Option<String>,
    /// On which virtual host.
    pub host: Option<String>,
}

/// One session of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Its name.
    pub session: SessionId,
    /// When it logged in.
    pub since: UnixTime,
    /// The client's end.
    pub peer: SocketAddr,
}

/// What a session sees of a data connection and its server doesn't.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The port that it leased was announced again, by another command.
    Announced,
    /// The server's own connection came up (active mode).
    Connected,
    /// Nobody came, or nobody answered.
    Failed,
}

/// The server's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A port was leased. It is not routed to yet: drain it, then `Server::activate`.
    Leased {
        /// For which link.
        link: LinkId,
        /// The port listened on.
        port: u16,
        /// What the client is told.
        advertised: Advertised,
        /// What is known of data connections with this client.
        outlook: Outlook,
    },
    /// Every port is pending for this client: another `Answer` follows when one comes free or time is up.
    Queued {
        /// For which link.
        link: LinkId,
    },
    /// No port came free in time.
    NoPort {
        /// For which link.
        link: LinkId,
    },
    /// No port is open, so that there is none to wait for.
    NoneOpen {
        /// For which link.
        link: LinkId,
    },
    /// What is known of data connections with this client.
    Outlook(Outlook),
    /// What is remembered.
    Recalled {
        /// Whether the client ends its uploads with close_notify.
        sends_close_notify: bool,
    },
    /// The sessions of the account.
    Roster {
        /// The first of them, in the order in which they came; none for guests, who don't know each other.
        seats: Vec<Seat>,
        /// How many there are in all.
        count: usize,
    },
    /// Whether the client may try.
    Standing(Standing),
    /// The failure was counted.
    Failed {
        /// How long its reply is held back, from PASS on.
        delay: Duration,
        /// That was one too many: the client is banned for so long, and its session ends.
        banned: Option<Duration>,
    },
    /// The client may come in.
    Introduced {
        /// Where it has connected to, as it sees it.
        local: SocketAddr,
        /// The client's end.
        peer: SocketAddr,
    },
    /// It may not.
    TurnedAway {
        /// For the 421.
        why: Refusal,
    },
    /// The request needs no answer.
    Noted,
}

impl Answer {
    /// The port that must be drained before the session may hear of its lease: accept and route all that
    /// waits there, then call `Server::activate`, both under the port's lock.
    pub fn port_to_drain(&self) -> Option<(LinkId, u16)> {
        match self {
            Self::Leased { link, port, .. } => Some((*link, *port)),
            Self::Queued { .. }
            | Self::NoPort { .. }
            | Self::NoneOpen { .. }
            | Self::Outlook(_)
            | Self::Recalled { .. }
            | Self::Roster { .. }
            | Self::Standing(_)
            | Self::Failed { .. }
            | Self::Introduced { .. }
            | Self::TurnedAway { .. }
            | Self::Noted => None,
        }
    }
}

/// An unasked word from the server to one session.
#[derive(Clone, Debug)]
pub enum Message {
    /// End now: 421 and close, transfers are cut.
    Kick,
    /// End now if nobody is logged in: too many wait for a login, and of this client most.
    MakeRoom,
    /// Finish what runs until the deadline, begin nothing new: 421 when idle.
    Drain {
        /// When a running transfer is cut.
        until: Instant,
    },
    /// New settings for whatever begins from now on.
    Configure(Arc<crate::config::Config>),
    /// Somebody else connected to the port this link waits on, and was closed.
    Stranger {
        /// The link.
        link: LinkId,
        /// Who it was.
        peer: SocketAddr,
        /// The port.
        port: u16,
    },
}

/// How to open an active-mode data connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectSpec {
    /// The local address of the control connection, and the source port (0: any). With a fixed source port
    /// set SO_REUSEADDR, so that transfers can run in parallel; if the port may not be used (no privilege),
    /// fall back to any when `source_port_optional`.
    pub source: SocketAddr,
    /// Whether another source port will do.
    pub source_port_optional: bool,
    /// Where to connect.
    pub target: SocketAddr,
    /// When to give up; the core also watches it.
    pub deadline: Instant,
}

/// Why a data connection could not be made or broke before use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The other side refused the connection.
    #[error("connection refused")]
    Refused,
    /// No answer.
    #[error("timed out")]
    TimedOut,
    /// No route.
    #[error("unreachable")]
    Unreachable,
    /// The source port or address can't be used.
    #[error("the source address or port is in use or not permitted")]
    SourceUnavailable,
    /// The other side cut it off.
    #[error("connection reset")]
    Reset,
    /// Anything else; the text goes to the log.
    #[error("{0}")]
    Other(String),
}

#[cfg(feature = "std")]
impl From<&std::io::Error> for LinkError {
    fn from(error: &std::io::Error) -> Self {
        use std::io::ErrorKind as K;
        match error.kind() {
            K::ConnectionRefused => Self::Refused,
            K::TimedOut => Self::TimedOut,
            K::NetworkUnreachable | K::HostUnreachable | K::NetworkDown => Self::Unreachable,
            K::AddrInUse | K::AddrNotAvailable | K::PermissionDenied => Self::SourceUnavailable,
            K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe => Self::Reset,
            _ => Self::Other(alloc::string::ToString::to_string(error)),
        }
    }
}

/// A control connection that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The server's end, as the client sees it.
    pub local: SocketAddr,
    /// The client's end.
    pub peer: SocketAddr,
    /// The server's end of the socket: another than `local` if a balancer is between.
    pub listener: SocketAddr,
    /// Whether it came to a listener where TLS begins at once (port 990 by tradition).
    pub implicit_tls: bool,
}

impl Arrival {
    /// On a listener where TLS, if any, begins with AUTH.
    pub const fn new(local: SocketAddr, peer: SocketAddr) -> Self {
        Self { local, peer, listener: local, implicit_tls: false }
    }
}

/// What the outside tells the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A passive port is open and listened on. For `Task::OpenPort(0)` this says which one it became.
    PortOpened(u16),
    /// A passive port can't be opened; the text names its owner where the system tells it.
    PortFailed(u16, String),
    /// Clients can't be let in; the system's words. May be told as often as it is tried.
    AcceptFailed(String),
    /// A session's control connection and links are gone, however it ended (a panic included).
    Gone(SessionId),
    /// To `Task::LookAround`: the host's place in the network. May also be told unasked.
    Networks(Networks),
    /// To `Task::Resolve`: all addresses of this name, or the resolver's words.
    Resolved(String, Result<Vec<IpAddr>, String>),
}

/// What the server wants done.
#[derive(Debug)]
pub enum Task {
    /// Hand this to that session (an [`Event::Answer`] is drained first, as always).
    Deliver(SessionId, Event),
    /// Open and listen on a passive port; 0: on any free one. Answered with [`News`].
    OpenPort(u16),
    /// Close the listener on this port.
    ClosePort(u16),
    /// Find the host's networks and routers; answered with [`News::Networks`]. Cheap, and never blocks for long. An
    /// adapter that can't know them passes over it.
    LookAround,
    /// Ask the system's resolver for this name, where blocking is allowed; answered with [`News::Resolved`].
    Resolve(String),
    /// For logs and metrics.
    Notify(Notice),
}
