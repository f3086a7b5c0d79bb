//! The configuration file, `ftpd.toml`, and what it amounts to: a [`ServerConfig`].
//!
//! Every complaint is one line, `FILE:LINE:COLUMN: key: what was expected; write …`, and a key that nobody
//! knows is answered with the nearest one. Relative paths in the file are relative to the file.
//!
//! ```toml
//! [server]
//! bind = ["[::]:2121"]            # or one string
//! root = "/srv/ftp"               # the tree of everybody who has no other
//! greeting = "Welcome."
//! runtime = "smol"                # or "threads"
//! uploads = "atomic"              # or "direct"
//! keepalive = 60
//! [passive]
//! enabled = true
//! ports = "21000-21099"           # or 21000, or "auto:4"
//! external_address = "203.0.113.7"
//! strict_ports = false
//! [active]
//! enabled = true
//! source_port = 20
//! [timeouts]                      # seconds, or with a unit: "5m"
//! login = 30
//! idle = "5m"
//! data_connection = 30
//! stall = 60
//! linger = 5
//! [limits]
//! sessions = 10000
//! sessions_per_address = 1000
//! login_attempts = 3
//! login_delay = 1
//! line = 8192
//! [accounts]
//! file = "accounts.toml"
//! anonymous = { root = "/srv/pub", writable = false }     # or true
//! [log]
//! format = "human"                # or "json"
//! level = "info"
//! commands = false
//! ```

mod keys;
pub(crate) mod nearest;
pub(crate) mod reader;

pub use crate::storage::Uploads;
#[cfg(unix)]
pub(crate) use keys::parse_bind;
pub use reader::FileError;

#[cfg(test)]
mod tests;

use ftp_proto::config::{Config, ConfigError, PassivePorts, Settings};
use reader::{Node, Source};
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The control port when nothing else is said: usable without privileges, and near enough to 21 to be
/// remembered.
pub const DEFAULT_PORT: u16 = 2121;

/// Everything the program needs to know to serve.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where control connections are accepted.
    pub bind: Bind,
    /// The settings of the protocol core.
    pub core: Arc<Config>,
    /// After how long without traffic the system probes a control connection.
    pub keepalive: Duration,
    /// What drives the sessions.
    pub runtime: RuntimeKind,
    /// How uploads reach the disk.
    pub uploads: Uploads,
    /// The tree of everybody who has no other.
    pub root: Option<PathBuf>,
    /// The accounts file.
    pub accounts: Option<PathBuf>,
    /// Whether and where anybody may enter.
    pub anonymous: Option<Anonymous>,
    /// What is logged and how.
    pub log: LogConfig,
}

/// Where control connections are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bind {
    /// Nothing was said: [`DEFAULT_PORT`] on all addresses, IPv6 and IPv4, or IPv4 alone where the system
    /// has no IPv6.
    Everywhere,
    /// On these, and nothing else.
    At(Vec<SocketAddr>),
}

impl Bind {
    /// The addresses to listen on.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        match self {
            Self::At(addresses) => addresses.clone(),
            // A socket is the only question to which the system gives an honest answer.
            Self::Everywhere if std::net::UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).is_ok() => {
                vec![SocketAddr::from((Ipv6Addr::UNSPECIFIED, DEFAULT_PORT))]
            }
            Self::Everywhere => vec![SocketAddr::from(([0, 0, 0, 0], DEFAULT_PORT))],
        }
    }

    /// A port can't serve control and data connections at once: the server would find its own port taken.
    ///
    /// # Errors
    /// For the setting `passive.ports`, if one of the ports is in the range.
    pub fn check_against(&self, ports: &PassivePorts) -> Result<(), ConfigError> {
        match self.addresses().iter().map(SocketAddr::port).find(|port| ports.listened().contains(port)) {
            None => Ok(()),
            Some(port) => Err(ConfigError {
                key: "passive.ports",
                problem: format!(
                    "port {port} is for control connections; write a range without it, like 21000-21099"
                ),
            }),
        }
    }
}

/// Which adapter drives the sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RuntimeKind {
    /// Tasks on one executor per core (the `ftp-smol` crate).
    #[default]
    Smol,
    /// A thread per session (the `ftp-sync` crate).
    Threads,
}

impl RuntimeKind {
    /// The names in files and on the command line.
    pub const NAMES: &'static [(&'static str, Self)] = &[("smol", Self::Smol), ("threads", Self::Threads)];
}

/// The names of [`Uploads`] in files and on the command line.
pub const UPLOADS_NAMES: &[(&str, Uploads)] = &[("atomic", Uploads::Atomic), ("direct", Uploads::Direct)];

/// Where those enter who say `anonymous` or `ftp`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anonymous {
    /// Their tree; [`ServerConfig::root`] if `None`.
    pub root: Option<PathBuf>,
    /// Whether they may store files and make directories. They never delete, rename or overwrite.
    pub writable: bool,
}

/// What is logged and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// The form of a line.
    pub format: LogFormat,
    /// From which level on.
    pub level: LogLevel,
    /// Whether commands and replies are logged at `info`, not only at `debug`.
    pub commands: bool,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Human, level: LogLevel::Info, commands: false }
    }
}

impl LogConfig {
    /// Whether the core has to tell of each command.
    pub fn wants_commands(&self) -> bool {
        self.commands || self.level >= LogLevel::Debug
    }
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Time, level, message, `key=value`.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// The names in files and on the command line.
    pub const NAMES: &'static [(&'static str, Self)] = &[("human", Self::Human), ("json", Self::Json)];
}

/// From which level on is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What stops the server from doing its work.
    Error,
    /// And what somebody should look at: failed logins, failed data connections.
    Warn,
    /// And sessions, logins, transfers.
    Info,
    /// And commands.
    Debug,
    /// And all else.
    Trace,
}

impl LogLevel {
    /// The names in files.
    pub const NAMES: &'static [(&'static str, Self)] = &[
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];
}

/// Reads and checks a configuration file. Nothing it names is opened.
///
/// # Errors
/// [`FileError`] for the first thing in the file that is wrong.
pub fn load(path: &Path) -> Result<ServerConfig, FileError> {
    from_source(&Source::read(path)?)
}

/// Checks the text of a configuration file; `path` is its name in complaints and what relative paths are
/// relative to.
///
/// # Errors
/// As [`load`].
pub fn parse(path: &Path, text: &str) -> Result<ServerConfig, FileError> {
    from_source(&Source::new(path, text))
}

/// What was read so far, and where each key stood.
struct Draft {
    settings: Settings,
    config: ServerConfig,
    places: Vec<(String, usize)>,
}

fn from_source(source: &Source) -> Result<ServerConfig, FileError> {
    let document = source.parse()?;
    let mut draft = Draft {
        settings: Settings::default(),
        config: ServerConfig {
            bind: Bind::Everywhere,
            core: Arc::default(),
            keepalive: Duration::from_secs(60),
            runtime: RuntimeKind::default(),
            uploads: Uploads::default(),
            root: None,
            accounts: None,
            anonymous: None,
            log: LogConfig::default(),
        },
        places: Vec::new(),
    };
    let root = Node::root(source, &document);
    for section in root.entries()? {
        if !keys::sections().any(|name| name == section.key()) {
            // A bare key at the top may be one that belongs into a section.
            return Err(if section.is_table() {
                section.unknown(keys::sections())
            } else {
                section.unknown(keys::all())
            });
        }
        for entry in section.entries()? {
            let set = keys::find(entry.key()).ok_or_else(|| entry.unknown(keys::near(section.key())))?;
            draft.places.push((entry.key().to_owned(), entry.offset()));
            set(&mut draft, &entry)?;
        }
    }
    draft.finish(source)
}

impl Draft {
    /// What only the whole can show: the core's own checks, and whether anybody can log in.
    fn finish(mut self, source: &Source) -> Result<ServerConfig, FileError> {
        let place =
            |key: &str| self.places.iter().find(|(known, _)| known == key).map_or(0, |(_, offset)| *offset);
        self.settings.notify_commands = self.config.log.wants_commands();
        if self.config.accounts.is_none() && self.config.anonymous.is_none() {
            return Err(source.error_at(
                place("accounts.anonymous"),
                "accounts: nobody can log in; write file = \"accounts.toml\" or anonymous = true below [accounts]",
            ));
        }
        if let Some(Anonymous { root: None, .. }) = self.config.anonymous
            && self.config.root.is_none()
        {
            return Err(source.error_at(
                place("accounts.anonymous"),
                "accounts.anonymous: no directory to serve; write anonymous = { root = \"DIR\" }, or root = \"DIR\" below [server]",
            ));
        }
        let settings = std::mem::take(&mut self.settings);
        match settings.validate() {
            Ok(core) => match self.config.bind.check_against(&core.passive.ports) {
                Ok(()) => {
                    self.config.core = Arc::new(core);
                    Ok(self.config)
                }
                Err(error) => Err(source.error_at(place(error.key), &error)),
            },
            Err(error) => Err(source.error_at(place(error.key), &error)),
        }
    }
}
