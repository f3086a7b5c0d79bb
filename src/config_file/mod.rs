//! The configuration file, `ftpd.toml`, and what it amounts to: a [`ServerConfig`].
//!
//! Every complaint is one line, `FILE:LINE:COLUMN: key: what was expected; write …`, and a key that nobody
//! knows is answered with the nearest one. Relative paths in the file are relative to the file.
//!
//! ```toml
//! [server]
//! bind = ["[::]:2121"]            # or one string
//! bind_implicit_tls = "[::]:990"  # or several
//! root = "/srv/ftp"               # the tree of everybody who has no other
//! greeting = "Welcome."
//! runtime = "smol"                # or "threads"
//! uploads = "atomic"              # or "direct"
//! partial_uploads = "keep"        # or "discard"
//! symlinks = false                # whether clients may make symbolic links (SITE SYMLINK)
//! keepalive = 60
//! watch = true                    # changes of this file and the accounts file are taken over by themselves
//! control_socket = "/run/ftpd/2121.sock"  # where `ftpd set` and `ftpd status` ask, or "off"
//! user = "ftpd"                   # whom it becomes if root has started it; see docs/hardening.md
//! group = "ftpd"                  # the user's own if left out
//! sandbox = "auto"                # or "required", or "off"
//! sandbox_paths = ["/srv"]        # trees that may be served besides those that are known at the start
//! [passive]
//! enabled = true
//! ports = "21000-21099"           # or 21000, or "auto:4"
//! external_address = "203.0.113.7" # or a name, or "control-connection"
//! exposed_ports = "51000-51099"   # where a router maps ports to others
//! lan_clients = "inside"          # or "external"
//! routers = ["10.0.0.1"]          # or one; those of the system's default routes if left out
//! peer_check = "exact"            # or "same-network"
//! client_networks = ["100.64.0.0/10"]
//! tls_proof = true
//! strict_ports = false
//! [[passive.rule]]
//! listeners = ["2121"]            # for whom: all of listeners, local, networks
//! local = ["192.0.2.1"]
//! networks = ["10.8.0.0/16"]
//! external_address = "10.8.0.1"
//! exposed_ports = "51000-51099"
//! [active]
//! enabled = true
//! source_port = 20
//! address = "as-sent"             # or "control-peer"
//! [[active.rule]]
//! networks = ["10.8.0.0/16"]      # clients from here may name addresses there
//! targets = ["10.1.2.3"]
//! [proxy]
//! trusted = ["10.0.0.5"]          # balancers that send PROXY headers
//! data = true
//! [transfers]                     # see docs/transfers.md
//! deflate = true                  # MODE Z
//! deflate_level = 4
//! ebcdic = "1047"                 # what TYPE E means, or "037"
//! [tls]                           # see docs/tls.md
//! certificates = [{ certificate = "fullchain.pem", key = "privkey.pem" }]
//! minimum = "1.2"
//! control = "require"             # or "allow", "require-for-credentials"
//! data = "require"                # or "allow", "deny"
//! data_resumption = "require"     # or "off", "warn", "strict"
//! ccc = false
//! close_notify = "expect"         # or "require", "tolerate"
//! client_certificates = "ignore"  # or "request", "require"
//! server_to_server = false
//! client_authorities = "ca.pem"
//! revocations = "crl.pem"
//! [[tls.rule]]
//! listeners = ["2121"]            # for whom: any of listeners, networks, users, anonymous
//! networks = ["10.0.0.0/8"]
//! users = ["camera"]
//! anonymous = false
//! control = "allow"               # and what: any of the settings above
//! [timeouts]                      # seconds, or with a unit: "5m"
//! login = 30
//! idle = "5m"
//! data_connection = 30
//! stall = 60
//! linger = 5
//! [limits]                        # see docs/limits.md
//! sessions = 10000
//! sessions_per_address = 1000
//! sessions_per_network = 5000      # /24 of IPv4, /48 of IPv6
//! unauthenticated = 1000          # on which nobody is logged in
//! unauthenticated_per_address = 500
//! commands_before_login = 100     # 0: any
//! commands_per_second = 0         # 0: any
//! login_attempts = 3
//! login_delay = 1
//! longest_login_delay = 8         # which it doubles up to
//! line = 8192
//! deflate_ratio = 0               # how many times its size an upload in MODE Z may become; 0: any
//! [bans]                          # of those who guess passwords, see docs/limits.md
//! enabled = true
//! user_failures = 10              # of one name from one address; 0: never
//! address_failures = 50           # from one address; 0: never
//! window = "1h"
//! duration = "10m"
//! longest = "24h"
//! exempt = ["127.0.0.0/8", "::1"] # or [] for nobody
//! [[host]]                        # a virtual host, see docs/hosts.md
//! names = ["ftp.example.com"]     # or one string
//! greeting = "Welcome to example.com."
//! root = "/srv/example.com"       # the tree of its users who have no other
//! accounts = "example.com.toml"
//! anonymous = { root = "/srv/example.com/pub" }           # or true
//! [[profile]]                     # a device profile, see docs/profiles.md
//! name = "cameras"
//! use = "camera"                  # a known one
//! networks = ["10.0.5.0/24"]      # for whom: all of networks, users, hosts, software
//! users = ["camera1"]
//! hosts = ["ftp.example.com"]
//! software = ["ACME"]             # how the name begins that a client gives itself by CLNT
//! allo = 200                      # and what: any of these
//! epsv = false
//! active_address = "control-peer"
//! charset = "gbk"
//! list = "dos"
//! file_mode = "644"
//! tls_minimum = "1.3"
//! [accounts]
//! file = "accounts.toml"
//! anonymous = { root = "/srv/pub", writable = false }     # or true; also quota = "1 GiB", quota_files = 1000
//! [log]
//! format = "human"                # or "json"
//! level = "info"
//! commands = false
//! ```

mod active;
pub(crate) mod document;
mod hosts;
pub(crate) mod keys;
pub(crate) mod nearest;
mod passive;
mod profiles;
pub(crate) mod reader;
mod sandbox;
mod tls;

pub use crate::storage::{Limits, Partial, Uploads};
pub use active::ACTIVE_ADDRESS_NAMES;
pub use hosts::HostConfig;
#[cfg(unix)]
pub(crate) use keys::parse_bind;
pub(crate) use passive::parse_external;
pub use passive::{CONTROL_CONNECTION, LAN_CLIENTS_NAMES, PEER_CHECK_NAMES};
pub use reader::FileError;
pub use sandbox::SandboxConfig;
#[cfg(unix)]
pub(crate) use sandbox::parse_name;
pub use tls::{
    CLIENT_CERTIFICATES_NAMES, CLOSE_NOTIFY_NAMES, CONTROL_NAMES, CertificateFiles, DATA_NAMES,
    RESUMPTION_NAMES, TlsFiles, VERSION_NAMES, policies_with_certificate,
};

#[cfg(test)]
mod tests;

use ftp_proto::config::{Config, ConfigError, Settings};
use reader::{Node, Source};
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tls::TlsDraft;

/// The control port when nothing else is said: usable without privileges, and near enough to 21 to be
/// remembered.
pub const DEFAULT_PORT: u16 = 2121;

/// Everything the program needs to know to serve.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where control connections are accepted.
    pub bind: Bind,
    /// Where control connections are accepted that begin with TLS.
    pub bind_implicit_tls: Vec<SocketAddr>,
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
    /// What TLS is made of; `None`: there is none.
    pub tls: Option<TlsFiles>,
    /// The accounts file.
    pub accounts: Option<PathBuf>,
    /// Whether and where anybody may enter.
    pub anonymous: Option<Anonymous>,
    /// Virtual hosts, in their order.
    pub hosts: Vec<HostConfig>,
    /// What is logged and how.
    pub log: LogConfig,
    /// Whether changes of the configuration and accounts files are taken over by themselves.
    pub watch: bool,
    /// Where commands reach the running server.
    pub control_socket: ControlSocket,
    /// Whom the server becomes, and what it can reach.
    pub sandbox: SandboxConfig,
}

/// Where commands like `ftpd set` reach the running server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ControlSocket {
    /// Where they find it by themselves.
    #[default]
    Usual,
    /// Here.
    At(PathBuf),
    /// Nowhere.
    Off,
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
}

impl ServerConfig {
    /// A port can't be two things at once: the server would find its own port taken.
    ///
    /// # Errors
    /// For the setting `passive.ports` or `server.bind_implicit_tls`.
    pub fn check_ports(&self) -> Result<(), ConfigError> {
        let plain = self.bind.addresses();
        let (passive, implicit) = (self.core.passive.ports.listened(), &self.bind_implicit_tls);
        let ports = plain.iter().chain(implicit).map(SocketAddr::port);
        if let Some(port) = ports.clone().find(|port| passive.contains(port)) {
            return Err(ConfigError {
                key: "passive.ports",
                problem: format!(
                    "port {port} is for control connections; write a range without it, like 21000-21099"
                ),
            });
        }
        match implicit.iter().find(|address| address.port() != 0 && plain.contains(address)) {
            Some(both) => Err(ConfigError {
                key: "server.bind_implicit_tls",
                problem: format!(
                    "{both} is in server.bind, too; TLS begins with the connection or by AUTH, write another port"
                ),
            }),
            None => Ok(()),
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
pub const UPLOADS_NAMES: &[(&str, Uploads)] =
    &[("atomic", Uploads::Atomic { partial: Partial::Keep }), ("direct", Uploads::Direct)];

/// The names of [`Partial`] in files.
pub const PARTIAL_NAMES: &[(&str, Partial)] = &[("keep", Partial::Keep), ("discard", Partial::Discard)];

/// Where those enter who say `anonymous` or `ftp`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anonymous {
    /// Their tree; [`ServerConfig::root`] if `None`.
    pub root: Option<PathBuf>,
    /// Whether they may store files and make directories. They never delete, rename or overwrite.
    pub writable: bool,
    /// How much all of them together may store.
    pub limits: Limits,
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

/// Whether the file has this dotted key.
#[cfg(test)]
pub(crate) fn is_key(key: &str) -> bool {
    keys::find(key).is_some()
}

/// Reads and checks a configuration file. Nothing it names is opened.
///
/// # Errors
/// [`FileError`] for the first thing in the file that is wrong.
pub fn load(path: &Path) -> Result<ServerConfig, FileError> {
    from_source(&Source::read(path)?, Logins::InFile)
}

/// Checks the bytes of a configuration file, which need not be text; `path` as for [`parse`].
///
/// # Errors
/// As [`load`].
pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<ServerConfig, FileError> {
    from_source(&Source::from_bytes(path, Ok(bytes.to_vec()))?, Logins::InFile)
}

/// Checks the text of a configuration file; `path` is its name in complaints and what relative paths are
/// relative to.
///
/// # Errors
/// As [`load`].
pub fn parse(path: &Path, text: &str) -> Result<ServerConfig, FileError> {
    from_source(&Source::new(path, text), Logins::InFile)
}

/// Where is said who may log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Logins {
    /// In the file; else nobody could.
    InFile,
    /// On the command line, perhaps.
    Elsewhere,
}

/// What was read so far, and where each key stood.
struct Draft {
    settings: Settings,
    config: ServerConfig,
    partial: Partial,
    tls: TlsDraft,
    places: Vec<(String, usize)>,
}

fn from_source(source: &Source, logins: Logins) -> Result<ServerConfig, FileError> {
    Draft::read(source)?.finish(source, logins)
}

impl Draft {
    /// Nothing was said.
    fn new() -> Self {
        Self {
            settings: Settings::default(),
            config: ServerConfig {
                bind: Bind::Everywhere,
                bind_implicit_tls: Vec::new(),
                core: Arc::default(),
                keepalive: Duration::from_secs(60),
                runtime: RuntimeKind::default(),
                uploads: Uploads::default(),
                root: None,
                tls: None,
                accounts: None,
                anonymous: None,
                hosts: Vec::new(),
                log: LogConfig::default(),
                watch: true,
                control_socket: ControlSocket::default(),
                sandbox: SandboxConfig::default(),
            },
            partial: Partial::default(),
            tls: TlsDraft::default(),
            places: Vec::new(),
        }
    }

    /// Key by key, as far as each can be judged by itself.
    fn read(source: &Source) -> Result<Self, FileError> {
        let document = source.parse()?;
        let mut draft = Self::new();
        let root = Node::root(source, &document);
        for section in root.entries()? {
            if let Some(set) = keys::find(section.key()) {
                draft.places.push((section.key().to_owned(), section.offset()));
                set(&mut draft, &section)?;
                continue;
            }
            if !keys::sections().any(|name| name == section.key()) {
                // A bare key at the top may be one that belongs into a section.
                return Err(if section.is_table() {
                    section.unknown(keys::sections().chain(keys::lists()))
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
        Ok(draft)
    }

    /// What only the whole can show: the core's own checks, and whether anybody can log in.
    fn finish(mut self, source: &Source, logins: Logins) -> Result<ServerConfig, FileError> {
        let place =
            |key: &str| self.places.iter().find(|(known, _)| known == key).map_or(0, |(_, offset)| *offset);
        self.settings.notify_commands = self.config.log.wants_commands();
        let nobody =
            self.config.accounts.is_none() && self.config.anonymous.is_none() && self.config.hosts.is_empty();
        if nobody && logins == Logins::InFile {
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
        match (&mut self.config.uploads, self.partial) {
            (Uploads::Atomic { partial }, wanted) => *partial = wanted,
            (Uploads::Direct, Partial::Keep) => {}
            (Uploads::Direct, Partial::Discard) => {
                return Err(source.error_at(
                    place("server.partial_uploads"),
                    "server.partial_uploads: direct uploads have no part to discard; write uploads = \"atomic\" below [server]",
                ));
            }
        }
        if let Some((files, policies)) = std::mem::take(&mut self.tls).finish(source, place)? {
            self.config.tls = Some(files);
            self.settings.tls = policies;
        } else if !self.config.bind_implicit_tls.is_empty() {
            return Err(source.error_at(
                place("server.bind_implicit_tls"),
                "server.bind_implicit_tls: needs a certificate; write certificates = [{ certificate = \"fullchain.pem\", key = \"privkey.pem\" }] below [tls]",
            ));
        }
        if self.config.sandbox.group.is_some() && self.config.sandbox.user.is_none() {
            return Err(
                source.error_at(place("server.group"), "server.group: of nobody; write user = \"ftpd\", too")
            );
        }
        let core = std::mem::take(&mut self.settings).validate();
        let checked = core.and_then(|core| {
            self.config.core = Arc::new(core);
            self.config.check_ports()
        });
        checked.map_err(|error| source.error_at(place(error.key), &error))?;
        Ok(self.config)
    }
}
