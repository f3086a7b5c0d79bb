//! TLS as a codec (RFC 4217): bytes in, bytes out, no socket. The core decides when and what; an implementation of
//! [`Tls`] knows how. With the feature `rustls` there is one.
//!
//! One [family](TlsFamily) for each control connection: its data connections belong to it, and only tickets that it
//! gave out itself count as resumption. So "resumed" proves that a data connection comes from whoever has the control
//! connection, in TLS 1.2 and 1.3 alike.

mod handshake;
#[cfg(any(feature = "rustls", feature = "rustls-ring"))]
pub mod rustls;
mod stream;

pub(crate) use handshake::Demands;
pub use handshake::{Handshake, HandshakeStep};
pub(crate) use stream::TlsStream;

use crate::config::ClientCertificates;
use crate::event::LinkError;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

/// Whatever speaks TLS. Shared by all sessions; certificates may change behind it at any time.
pub trait Tls: Send + Sync {
    /// What one control connection and its data connections use from AUTH (or the implicit handshake) on, whatever
    /// becomes of the certificates meanwhile.
    fn family(&self, wish: FamilyWish<'_>) -> Box<dyn TlsFamily>;

    /// Whether there is a certificate for this name (HOST, RFC 7151).
    fn knows_host(&self, name: &str) -> bool;
}

/// What a family shall be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilyWish<'a> {
    /// Whether the client is asked for a certificate, on the control connection.
    pub client_certificates: ClientCertificates,
    /// What the client said by HOST: this name's certificate, if the client sends no name in the handshake.
    pub host: Option<&'a str>,
}

/// The TLS side of one control connection and its data connections.
pub trait TlsFamily: Send + Sync {
    /// A fresh connection.
    ///
    /// # Errors
    /// [`TlsError::Refused`] if the settings allow none.
    fn open(&self, role: TlsRole) -> Result<Box<dyn TlsSession>, TlsError>;
}

/// What a TLS connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsRole {
    /// The control connection: four TLS 1.3 tickets; may resume any session of this server.
    Control,
    /// A data connection from the client: no ticket. A client that closes right after it has sent its file never
    /// reads one, and the system would answer by cutting off what is still on its way: the file's end.
    Upload,
    /// A data connection to the client: one ticket, since the client reads all that comes.
    Download,
    /// The client's side of the handshake on a data connection (SSCN).
    Client,
}

/// One TLS connection.
pub trait TlsSession: Send {
    /// What is to be sent before anything came: the first message of a client, nothing of a server.
    fn begin(&mut self, out: &mut Vec<u8>) {
        let _ = out;
    }

    /// Takes exactly one record, header included; it may be changed in place. Its plain text is appended to
    /// `plain`, what has to be sent to `out`.
    ///
    /// # Errors
    /// The connection is of no use any more; an alert that says so is in `out`.
    fn read_record(
        &mut self,
        record: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<TlsStatus, TlsError>;

    /// Appends `plain` to `out` as records. Only once the handshake is complete.
    ///
    /// # Errors
    /// The connection is of no use any more.
    fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), TlsError>;

    /// Says that no more comes (RFC 8446 section 6.1); only the first call does.
    fn close_notify(&mut self, out: &mut Vec<u8>);

    /// What was agreed; `None` before the end of the handshake.
    fn facts(&self) -> Option<TlsFacts>;
}

/// How far a TLS connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsStatus {
    /// In the handshake.
    Handshaking,
    /// The handshake is complete.
    Established,
    /// The peer has sent close_notify: what follows is not TLS any more.
    Closed,
}

/// What was agreed on in a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFacts {
    /// The version.
    pub version: TlsVersion,
    /// The cipher suite, by its IANA name.
    pub suite: &'static str,
    /// The name the client asked for (SNI).
    pub server_name: Option<String>,
    /// The client's certificate.
    pub client_certificate: Option<ClientCertificate>,
    /// Whether a session was resumed, and whose.
    pub resumption: Resumption,
}

/// A version of TLS, older ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// RFC 5246.
    V1_2,
    /// RFC 8446.
    V1_3,
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::V1_2 => "TLSv1.2",
            Self::V1_3 => "TLSv1.3",
        })
    }
}

/// How a handshake began. On a data connection only [`Resumed`](Self::Resumed) proves whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resumption {
    /// By a ticket of this family (on a control connection: of this server).
    Resumed,
    /// In full; the client offered nothing that we know.
    Full,
    /// In full: the client offered a valid ticket of another control connection.
    Foreign,
    /// In full: the client has redeemed the newest ticket it was given, may have kept no older one, and uses none twice
    /// (TLS 1.3). It can't do better: there is no way to give it another on a connection that is open.
    Exhausted,
}

/// A certificate that the client has proven to own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// DER.
    pub der: Arc<[u8]>,
    /// Whether it was issued by one of the authorities in the settings and is not revoked. If not, only its very
    /// bytes say anything.
    pub trusted: bool,
}

/// Why TLS failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The peer said so, by this alert.
    #[error("the client sent the TLS alert {0}")]
    Alert(String),
    /// What came is not TLS.
    #[error("the client did not speak TLS")]
    NotTls,
    /// We did not accept what the peer sent; the reason.
    #[error("the TLS handshake was refused: {0}")]
    Refused(String),
    /// A record was damaged, or too much or the wrong thing came.
    #[error("TLS is broken: {0}")]
    Broken(String),
    /// The connection ended in the middle.
    #[error("the connection ended in the TLS handshake")]
    Ended,
    /// The connection broke in the middle.
    #[error("the connection broke in the TLS handshake: {0}")]
    Link(LinkError),
    /// The handshake took too long.
    #[error("the TLS handshake timed out")]
    TimedOut,
}

impl TlsError {
    /// A short word for counters.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Alert(_) => "alert",
            Self::NotTls => "not_tls",
            Self::Refused(_) => "refused",
            Self::Broken(_) => "broken",
            Self::Ended => "ended",
            Self::Link(_) => "link",
            Self::TimedOut => "timed_out",
        }
    }
}
