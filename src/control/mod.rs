//! How other processes of this machine talk to a running server: a Unix socket, one line of JSON for each request and
//! one for each answer.
//!
//! `{"version":1,"do":"status"}` is answered by `{"version":1,"status":{…}}`, a mistake by
//! `{"version":1,"error":{"kind":"wrong","message":"…"}}`. [`Client`] finds the server and speaks for a program:
//!
//! ```no_run
//! let mut client = ftpd::control::Client::find(None)?;
//! println!("passive ports {}", client.status()?.passive.ports);
//! # Ok::<(), ftpd::control::ControlError>(())
//! ```

mod client;
mod line;
mod place;
mod server;
mod status;

pub use client::{Client, ControlError};
pub(crate) use place::{Place, default_directory};
pub(crate) use server::{Asked, Socket, listen};
pub use status::{
    ActiveStatus, AdvertisedAddress, BanStatus, CertificateStatus, ConfigurationStatus, FailedPort, Failing,
    HostStatus, PassiveStatus, PortRange, ProxyStatus, QuotaStatus, SessionStatus, Status, Totals,
};

use serde::{Deserialize, Serialize};

/// The version of requests and answers. What is added keeps it; what changes its meaning raises it.
pub const VERSION: u32 = 1;

/// What a server is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Request {
    /// How it stands.
    Status {
        /// With a list of the sessions.
        #[serde(default)]
        sessions: bool,
    },
    /// The configuration that holds, as a whole.
    Configuration,
    /// The value of a key, or of all.
    Get {
        /// Its name, as a person may write it; `None`: all.
        key: Option<String>,
    },
    /// Other values, all of them or none.
    Set {
        /// Names and values, as a person may write them.
        changes: Vec<Change>,
        /// Whether the configuration file is changed, too.
        #[serde(default)]
        save: bool,
    },
    /// Reads the configuration file again.
    Reload,
    /// Who is banned.
    Bans,
    /// Ends bans before their time, and forgets what led to them.
    LiftBans {
        /// Those of clients in this network, or with this address; `None`: all.
        network: Option<String>,
    },
}

/// Another value for a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The key, as a person may write it.
    pub key: String,
    /// The value, in TOML or without its quotes; `None`: the key is taken out, so that its default holds.
    pub value: Option<String>,
}

/// What a server says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::Configuration`]: the text of the file, with what was set since.
    Configuration(String),
    /// To [`Request::Get`].
    Values(Vec<Value>),
    /// To [`Request::Bans`], in order of their addresses.
    Bans(Vec<BanStatus>),
    /// To [`Request::Set`], [`Request::Reload`] and [`Request::LiftBans`], when it is done: what people should know, line by line.
    Done(Vec<String>),
    /// Nothing was done.
    Error(Refusal),
}

/// A key and what holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Value {
    /// The dotted key.
    pub key: String,
    /// In words, as `ftpd check-config` shows it.
    pub value: String,
    /// It was set while the server runs, and is in no file.
    #[serde(default)]
    pub live: bool,
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Whose fault it is.
    pub kind: RefusalKind,
    /// One line: what was expected and what to write.
    pub message: String,
}

/// Whose fault it is that nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// The request is wrong.
    Wrong,
    /// The system says no.
    System,
}

impl Answer {
    /// The request is wrong.
    pub(crate) fn wrong(message: impl Into<String>) -> Self {
        Self::Error(Refusal { kind: RefusalKind::Wrong, message: message.into() })
    }

    /// The system says no.
    pub(crate) fn system(message: impl Into<String>) -> Self {
        Self::Error(Refusal { kind: RefusalKind::System, message: message.into() })
    }
}

/// What a server says, with nothing that a terminal would obey: root asks servers of users, too.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}
