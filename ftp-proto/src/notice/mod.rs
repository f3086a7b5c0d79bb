//! What happened, for logs, metrics and audit. Those are folds over [`Notice`]; nothing else depends on it.

mod counters;
mod refusal;
mod table;

pub use counters::{ByName, Counters, UNNAMED};
pub use refusal::Refusal;
pub use table::{MAX_ROWS, Row, Table};

use crate::account::LoginError;
use crate::diagnose::Verdict;
use crate::event::SessionId;
use crate::foreign::Protocol;
use crate::path::VirtualPath;
use crate::proxy::Problem;
use crate::server::Ban;
use crate::tls::{Resumption, TlsError, TlsFacts};
use crate::transfer::{Coding, Direction, EndReason};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;

/// Who wants to know what happens.
pub trait Observer: Send + Sync {
    /// Must be quick, cannot change the outcome. `session` is `None` for what concerns the whole server.
    fn notice(&self, session: Option<SessionId>, notice: &Notice);
}

/// Nobody wants to know.
impl Observer for () {
    fn notice(&self, _: Option<SessionId>, _: &Notice) {}
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Notice {
    /// A control connection was accepted.
    SessionOpened {
        /// The client's end.
        peer: SocketAddr,
        /// The server's end.
        local: SocketAddr,
    },
    /// A control connection was turned away, or had to make room for another before its login.
    SessionRefused {
        /// The client's end.
        peer: SocketAddr,
        /// Displayed, the words of the 421.
        why: Refusal,
    },
    /// The control connection is under TLS.
    ControlSecured(TlsFacts),
    /// TLS on the control connection failed; the session ends.
    ControlTlsFailed(TlsError),
    /// The client left TLS on the control connection (CCC, REIN).
    ControlCleared,
    /// Plain text came behind AUTH, where somebody on the way may have put it; it was thrown away.
    PlaintextDiscarded {
        /// How much.
        bytes: usize,
    },
    /// Somebody began with another protocol before a login, and was hung up on.
    SpokeOtherProtocol {
        /// Which one.
        which: Protocol,
        /// The client's end.
        peer: SocketAddr,
    },
    /// Somebody whom nobody waits for came to the passive port of a session, which waits on.
    StrangerTurnedAway {
        /// Who.
        peer: SocketAddr,
        /// The passive port.
        port: u16,
    },
    /// A data connection was accepted whose TLS session was not resumed.
    NotResumed {
        /// How its handshake began.
        resumption: Resumption,
        /// Its peer.
        peer: SocketAddr,
    },
    /// A data connection was accepted, or made, whose other end is not the address of the control connection.
    DataElsewhere {
        /// The client's end of the control connection.
        control: SocketAddr,
        /// The other end of the data connection.
        data: SocketAddr,
        /// Why it was good enough.
        trust: Trust,
    },
    /// Active mode connects to the control connection's client, not to the address that it sent
    /// ([`ActiveAddress::ControlPeer`](crate::config::ActiveAddress)).
    TargetReplaced {
        /// What the client sent.
        sent: SocketAddr,
        /// What is connected to instead.
        used: SocketAddr,
    },
    /// An upload without close_notify was taken for complete.
    NoCloseNotify {
        /// The file.
        path: VirtualPath,
    },
    /// The client is at another virtual host than before.
    HostChosen {
        /// The host's name; `None`: at the server itself.
        host: Option<String>,
    },
    /// Somebody logged in.
    LoggedIn {
        /// The account.
        user: String,
    },
    /// The client said by CLNT what it calls itself.
    ClientNamed {
        /// At most 64 characters of printable ASCII.
        software: String,
    },
    /// Other device profiles than before apply to this client, or none any longer.
    ProfilesApplied {
        /// Their names, in the order of the settings.
        names: Vec<String>,
    },
    /// Somebody did not.
    LoginFailed {
        /// The name as typed; escape it.
        user: String,
        /// The true reason, not for the client.
        why: LoginError,
        /// Whether the password was looked at: not if that name is banned for this client.
        checked: bool,
    },
    /// A client, or a name from there, is banned from now on.
    Banned {
        /// Who, and for how long.
        ban: Ban,
    },
    /// A ban is over.
    BanEnded {
        /// Which one.
        ban: Ban,
        /// Before its time, by an administrator or by other settings.
        lifted: bool,
    },
    /// A command line, when `Settings::notify_commands` is on. The argument of PASS, ACCT and
    /// unknown commands is masked.
    Command {
        /// Verb and argument; any bytes, escape them.
        line: Vec<u8>,
    },
    /// The final reply to it, when `Settings::notify_commands` is on.
    Replied {
        /// The reply code.
        code: u16,
    },
    /// The first byte of a transfer may go.
    TransferStarted {
        /// RETR, STOR, LIST …
        verb: &'static str,
        /// The file or directory.
        path: VirtualPath,
    },
    /// A transfer ended, well or not; also one that never started.
    TransferEnded(TransferRecord),
    /// A data connection failed, and why.
    DataConnectionFailed(Verdict),
    /// Something in the tree was changed by a command.
    Changed {
        /// The verb: DELE, MKD, RMD, RNTO, MFMT, SITE CHMOD.
        verb: &'static str,
        /// What.
        path: VirtualPath,
        /// RNTO: the new name.
        to: Option<VirtualPath>,
    },
    /// A storage failed in a way the client isn't told.
    StorageFailed {
        /// The text behind the 451.
        text: String,
    },
    /// A control connection ended.
    SessionClosed {
        /// The account, if logged in.
        user: Option<String>,
        /// Since it was opened.
        lasted: Duration,
        /// Why, in one phrase.
        why: &'static str,
    },
    /// An external address given by name: the first answer, and each that changes what clients are told.
    NameResolved {
        /// The name.
        name: String,
        /// What clients are told from now on; `None`: the name has no IPv4 address, and 227 can't name others.
        address: Option<Ipv4Addr>,
        /// What they were told before, and still are without another.
        before: Option<Ipv4Addr>,
    },
    /// An external address given by name can't be found, for the first time in a row.
    NameFailed {
        /// The name.
        name: String,
        /// The resolver's words.
        reason: String,
        /// What clients are told nevertheless.
        kept: Option<Ipv4Addr>,
    },
    /// A passive port is listened on.
    PortOpened {
        /// Its number.
        port: u16,
    },
    /// A connection from a balancer was refused, since it did not say whose it is.
    NoProxyHeader {
        /// The balancer's end.
        balancer: SocketAddr,
        /// The server's port.
        port: u16,
        /// What was wrong.
        problem: Problem,
    },
    /// Clients can't be let in: they are told so, or wait. Told once a minute at most.
    AcceptFailed {
        /// The system's words; "too many open files" as a rule.
        reason: String,
    },
    /// A passive port can't be opened; it is tried again.
    PortFailed {
        /// Its number.
        port: u16,
        /// The system's words, and the owner where known.
        reason: String,
    },
}

/// Why a data connection from or to another address than the client's is good enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trust {
    /// Both addresses count as one client: [`Peers`](crate::config::Peers).
    SameClient,
    /// A rule of active mode lets this client name that address ([`ActiveRule`](crate::config::ActiveRule)).
    ActiveRule,
    /// It resumed the control connection's TLS session.
    Resumed,
    /// The policy lets the client exchange files between two servers.
    ServerToServer,
}

/// One finished transfer.
#[derive(Clone, Debug)]
pub struct TransferRecord {
    /// RETR, STOR, LIST …
    pub verb: &'static str,
    /// The way the bytes went.
    pub direction: Direction,
    /// The file or directory.
    pub path: VirtualPath,
    /// How the file stood on the wire.
    pub coding: Coding,
    /// Bytes over the data connection: in that coding, but without what TLS adds.
    pub bytes: u64,
    /// From the transfer's start to its end.
    pub lasted: Duration,
    /// `Ok`: complete and, for uploads, published.
    pub outcome: Result<(), EndReason>,
}
