//! The settings of the core. A [`Config`] was validated: whatever depends on it needs no checks of its own.

mod active;
mod bans;
mod hosts;
mod limits;
mod passive;
mod profiles;
mod tls_policy;

pub use active::{Active, ActiveRule};
pub use bans::Bans;
pub(crate) use hosts::host_name;
pub use hosts::{Host, Hosts, parse_host_name};

pub use limits::Limits;
pub(crate) use limits::{client_of, network_of};

pub use passive::{
    AddressRule, External, LanClients, MAX_LISTENERS, Passive, PassivePorts, PeerCheck, Peers, Ports,
};

pub(crate) use profiles::Traits;
pub use profiles::{
    ActiveAddress, AlloReply, KNOWN_PROFILES, KnownProfile, Profile, ProfileCondition, QUIRK_SETTINGS,
    QuirkChange, QuirkSetting, Quirks,
};

pub use tls_policy::{
    ClientCertificates, CloseNotify, ControlPolicy, DataPolicy, DataResumption, Listener, Network, TlsChange,
    TlsCondition, TlsPolicies, TlsPolicy, TlsRule, is_anonymous,
};

use crate::transfer::CodePage;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::ops::Deref;
use core::time::Duration;

/// Validated, immutable settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config(Settings);

impl Config {
    /// All addresses that count as the same client as this one. A balancer is itself alone, whatever network it is in:
    /// what comes from it unnamed is anybody's.
    pub fn client(&self, address: IpAddr) -> Network {
        if self.proxy.trusts(address) {
            Network::around(address, 128)
        } else {
            self.passive.peers.client(address)
        }
    }
}

impl Deref for Config {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.0
    }
}

/// All settings of the core, with usable defaults; [`validate`](Self::validate) makes a [`Config`] of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The text of the 220 greeting, of one line or more; no version by default.
    pub greeting: String,
    /// Virtual hosts. Who names none of them is at the server itself.
    pub hosts: Hosts,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// How much a client may have.
    pub limits: Limits,
    /// Those who guess passwords.
    pub bans: Bans,
    /// Passive mode (PASV, EPSV, LPSV).
    pub passive: Passive,
    /// Active mode (PORT, EPRT, LPRT).
    pub active: Active,
    /// Balancers in front of the server.
    pub proxy: Proxy,
    /// How bytes go over data connections.
    pub transfers: Transfers,
    /// What TLS has to protect. Without TLS nothing of it holds.
    pub tls: TlsPolicies,
    /// How devices and programs are spoken to that need it otherwise than others. Each that applies changes what it
    /// names, in order.
    pub profiles: Vec<Profile>,
    /// Whether SITE SYMLINK is offered. Default no: other programs that read the same directories follow links, too.
    pub symlinks: bool,
    /// Whether each command and reply becomes a `Notice`.
    pub notify_commands: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            greeting: String::from("Welcome."),
            hosts: Hosts::default(),
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            bans: Bans::default(),
            passive: Passive::default(),
            active: Active::default(),
            proxy: Proxy::default(),
            transfers: Transfers::default(),
            tls: TlsPolicies::default(),
            profiles: Vec::new(),
            symlinks: false,
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
            // req: 1123-4.1.3.2-five-minutes
            idle: Duration::from_secs(300),
            data_connection: Duration::from_secs(30),
            stall: Duration::from_secs(60),
            linger: Duration::from_secs(5),
        }
    }
}

/// Balancers that say by the PROXY protocol (version 1 or 2) for whom they connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// From these networks every control connection has to begin with a header; from elsewhere none may. Default
    /// none.
    pub trusted: Vec<Network>,
    /// Whether passive data connections from these networks begin with a header, too. Default yes; `false` is for
    /// balancers that pass the passive ports on without one.
    pub data: bool,
}

impl Default for Proxy {
    fn default() -> Self {
        Self { trusted: Vec::new(), data: true }
    }
}

impl Proxy {
    /// Whether this address is a balancer's.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }
}

/// How bytes go over data connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfers {
    /// Whether MODE Z is offered (draft-preston-ftpext-deflate). Default yes.
    pub deflate: bool,
    /// How much work goes into compressing downloads in MODE Z, as long as the client has not said it (OPTS MODE Z
    /// LEVEL): 0 stores, 1 is fast, 9 compresses most. Default 4: level 6, zlib's own, takes twice the time for a gain
    /// of hardly 3 %.
    pub deflate_level: u8,
    /// What TYPE E means. Default IBM-1047.
    pub ebcdic: CodePage,
}

impl Default for Transfers {
    fn default() -> Self {
        Self { deflate: true, deflate_level: 4, ebcdic: CodePage::default() }
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

/// Whether clients can be welcomed by this, or what to write instead.
fn check_greeting(text: &str) -> Result<(), &'static str> {
    const LINES: usize = 16;
    let is_line = |line: &str| line.len() <= 512 && line.bytes().all(|byte| byte >= b' ');
    if text.trim().is_empty() || text.split('\n').count() > LINES || !text.split('\n').all(is_line) {
        return Err("write one line of 1 to 512 characters, or up to 16 of them");
    }
    Ok(())
}

impl Settings {
    /// Checks everything.
    ///
    /// # Errors
    /// [`ConfigError`] for the first setting that can't be.
    pub fn validate(self) -> Result<Config, ConfigError> {
        let wrong = |key, problem: &str| Err(ConfigError { key, problem: String::from(problem) });
        if let Err(problem) = check_greeting(&self.greeting) {
            return wrong("server.greeting", problem);
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
        if self.transfers.deflate_level > 9 {
            return wrong("transfers.deflate_level", "write a level from 0 (stored) to 9 (smallest)");
        }
        self.limits.check()?;
        self.bans.check()?;
        self.passive.check()?;
        self.active.check()?;
        self.profiles.iter().try_for_each(Profile::check)?;
        Ok(Config(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balancer_counts_as_itself_alone() {
        let settings = Settings {
            passive: Passive {
                peers: Peers { check: PeerCheck::SameNetwork, ..Peers::default() },
                ..Passive::default()
            },
            proxy: Proxy { trusted: alloc::vec!["10.0.0.5".parse().unwrap()], ..Proxy::default() },
            ..Settings::default()
        };
        let config = settings.validate().unwrap();
        let client = |address: [u8; 4]| alloc::format!("{}", config.client(address.into()));
        assert_eq!(client([10, 0, 0, 5]), "10.0.0.5/32");
        assert_eq!(client([10, 0, 0, 6]), "10.0.0.0/24");
    }
}
