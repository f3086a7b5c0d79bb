//! The settings of the core. A [`Config`] was validated: whatever depends on it needs no checks of its own.

mod tls_policy;

pub use tls_policy::{
    ClientCertificates, CloseNotify, ControlPolicy, DataPolicy, DataResumption, Listener, Network, TlsChange,
    TlsCondition, TlsPolicies, TlsPolicy, TlsRule, is_anonymous,
};

use alloc::string::String;
use core::net::IpAddr;
use core::ops::{Deref, RangeInclusive};
use core::time::Duration;

/// Validated, immutable settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config(Settings);

impl Deref for Config {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.0
    }
}

/// All settings of the core, with usable defaults; [`validate`](Self::validate) makes a [`Config`] of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The text of the 220 greeting: one line, no version by default.
    pub greeting: String,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// How much a client may have.
    pub limits: Limits,
    /// Passive mode (PASV, EPSV).
    pub passive: Passive,
    /// Active mode (PORT, EPRT).
    pub active: Active,
    /// What TLS has to protect. Without TLS nothing of it holds.
    pub tls: TlsPolicies,
    /// Whether each command and reply becomes a `Notice`.
    pub notify_commands: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            greeting: String::from("Welcome."),
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            passive: Passive::default(),
            active: Active::default(),
            tls: TlsPolicies::default(),
            notify_commands: false,
        }
    }
}

/// How long things may take. None may be zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the greeting to the end of the login. Default 30 s.
    pub login: Duration,
    /// Without a command, when no transfer runs. Default 300 s (RFC 1123 section 4.1.3.2).
    pub idle: Duration,
    /// For a data connection to come up. Default 30 s.
    pub data_connection: Duration,
    /// Without a byte on a running transfer. Default 60 s.
    pub stall: Duration,
    /// For the last replies to leave before the connection is dropped. Default 5 s.
    pub linger: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            login: Duration::from_secs(30),
            idle: Duration::from_secs(300),
            data_connection: Duration::from_secs(30),
            stall: Duration::from_secs(60),
            linger: Duration::from_secs(5),
        }
    }
}

/// How much a client may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Control connections in all. Default 10,000.
    pub sessions: usize,
    /// Control connections of one client address. Default 1,000, since whole companies hide behind one.
    pub sessions_per_address: usize,
    /// Failed logins on one control connection before it is closed. Default 3.
    pub login_attempts: u32,
    /// How long the reply to a failed login is held back. Default 1 s.
    pub login_delay: Duration,
    /// The longest command line in bytes. Default 8,192: the longest path twice.
    pub line: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 10_000,
            sessions_per_address: 1_000,
            login_attempts: 3,
            login_delay: Duration::from_secs(1),
            line: 8_192,
        }
    }
}

/// Passive mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passive {
    /// Whether PASV and EPSV are offered. Default yes.
    pub enabled: bool,
    /// The ports that are listened on.
    pub ports: PassivePorts,
    /// The address clients are told.
    pub external: External,
    /// Whether a port that can't be opened is fatal. Default no: it is named and retried.
    pub strict_ports: bool,
}

impl Default for Passive {
    fn default() -> Self {
        Self {
            enabled: true,
            ports: PassivePorts::Range(21_000..=21_099),
            external: External::ControlConnection,
            strict_ports: false,
        }
    }
}

/// Which ports passive mode listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassivePorts {
    /// All of these, both ends included; one port is enough.
    Range(RangeInclusive<u16>),
    /// This many free ports, chosen by the system (tests, laptops).
    Auto(u16),
}

/// How many ports are listened on at most. Established data connections don't hold a port, so a range only
/// bounds how many of them one client address can be waiting for at the same time; each listener costs a
/// descriptor, which sessions need more.
pub const MAX_LISTENERS: u16 = 1_024;

impl PassivePorts {
    /// The ports of the range that are listened on: all, or the first [`MAX_LISTENERS`] of a wider range. None
    /// for ports that the system chooses.
    pub fn listened(&self) -> RangeInclusive<u16> {
        match self {
            Self::Range(range) => {
                let last = range.start().saturating_add(MAX_LISTENERS - 1);
                *range.start()..=last.min(*range.end())
            }
            #[expect(clippy::reversed_empty_ranges, reason = "that is how an inclusive range is empty")]
            Self::Auto(_) => 1..=0,
        }
    }
}

impl core::fmt::Display for PassivePorts {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Range(range) => write!(out, "{}-{}", range.start(), range.end()),
            Self::Auto(count) => write!(out, "auto:{count}"),
        }
    }
}

/// `21000-21099`, `21000` or `auto:4`.
impl core::str::FromStr for PassivePorts {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let wrong = || ConfigError {
            key: "passive.ports",
            problem: alloc::format!(
                "\"{text}\" is not a port range; write it like 21000-21099, 21000 or auto:4"
            ),
        };
        if let Some(count) = text.strip_prefix("auto:") {
            return count.trim().parse().map(Self::Auto).map_err(|_| wrong());
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let first = first.trim().parse().map_err(|_| wrong())?;
        let last = last.trim().parse().map_err(|_| wrong())?;
        Ok(Self::Range(first..=last))
    }
}

/// Where the address in 227 comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum External {
    /// The local address of the client's own control connection.
    #[default]
    ControlConnection,
    /// This one.
    Literal(IpAddr),
}

/// Active mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Active {
    /// Whether PORT and EPRT are offered. Default yes.
    pub enabled: bool,
    /// The port data connections come from; 20 is what some client firewalls expect. Default any.
    pub source_port: Option<u16>,
}

impl Default for Active {
    fn default() -> Self {
        Self { enabled: true, source_port: None }
    }
}

/// A setting that can't be, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct ConfigError {
    /// The setting, as `section.key`.
    pub key: &'static str,
    /// What is wrong and what to write.
    pub problem: String,
}

impl Settings {
    /// Checks everything.
    ///
    /// # Errors
    /// [`ConfigError`] for the first setting that can't be.
    pub fn validate(self) -> Result<Config, ConfigError> {
        let wrong = |key, problem: &str| Err(ConfigError { key, problem: String::from(problem) });
        if self.greeting.is_empty()
            || self.greeting.bytes().any(|byte| byte < b' ')
            || self.greeting.len() > 512
        {
            return wrong("server.greeting", "write one line of 1 to 512 characters");
        }
        let timeouts = &self.timeouts;
        for (key, value) in [
            ("timeouts.login", timeouts.login),
            ("timeouts.idle", timeouts.idle),
            ("timeouts.data_connection", timeouts.data_connection),
            ("timeouts.stall", timeouts.stall),
            ("timeouts.linger", timeouts.linger),
        ] {
            if value.is_zero() || value > Duration::from_secs(7 * 86_400) {
                return wrong(key, "write a number of seconds from 1 to 604800");
            }
        }
        if self.limits.sessions == 0 {
            return wrong("limits.sessions", "write a number from 1 up");
        }
        if self.limits.sessions_per_address == 0 {
            return wrong("limits.sessions_per_address", "write a number from 1 up");
        }
        if self.limits.login_attempts == 0 {
            return wrong("limits.login_attempts", "write a number from 1 up");
        }
        if self.limits.line < 512 || self.limits.line > 65_536 {
            return wrong("limits.line", "write a number of bytes from 512 to 65536");
        }
        match &self.passive.ports {
            PassivePorts::Range(range) if range.is_empty() => {
                return wrong("passive.ports", "the first port is above the last; write it like 21000-21099");
            }
            PassivePorts::Range(range) if *range.start() == 0 => {
                return wrong(
                    "passive.ports",
                    "port 0 can't be listened on; for ports chosen by the system write auto:4",
                );
            }
            PassivePorts::Auto(count) if *count > MAX_LISTENERS => {
                return wrong(
                    "passive.ports",
                    "write at most auto:1024; a few ports serve any number of transfers",
                );
            }
            PassivePorts::Auto(0) => {
                return wrong("passive.ports", "write a number of ports from 1 up, like auto:4");
            }
            PassivePorts::Range(_) | PassivePorts::Auto(_) => {}
        }
        if let External::Literal(address) = self.passive.external
            && (address.is_unspecified() || address.is_multicast() || address == IpAddr::from([255; 4]))
        {
            return wrong(
                "passive.external_address",
                "write the address clients connect to, like 203.0.113.7",
            );
        }
        if self.active.source_port == Some(0) {
            return wrong(
                "active.source_port",
                "write a port from 1 to 65535 (20 by tradition), or leave it out",
            );
        }
        Ok(Config(self))
    }
}
