//! How much a client may have, and what becomes of those who guess passwords.

use super::{ConfigError, Network};
use alloc::string::String;
use core::net::IpAddr;
use core::time::Duration;

/// How much a client may have. An address of IPv6 counts with the 2^64 beside it, of which whoever has one has all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Control connections in all. Default 10,000.
    pub sessions: usize,
    /// Control connections of one client address. Default 1,000, since whole companies hide behind one.
    pub sessions_per_address: usize,
    /// Control connections of one network: 256 addresses of IPv4 (/24), a /48 of IPv6, which is what one customer gets.
    /// Default 5,000: half of all, so that nobody has them all.
    pub sessions_per_network: usize,
    /// Control connections on which nobody is logged in, in all. One more than that, and the oldest of the client that
    /// has most of them makes room. Default 1,000.
    pub unauthenticated: usize,
    /// Control connections of one client address on which nobody is logged in. Default 500: half of all, since whole
    /// companies hide behind one address, and all of their devices come back at once after a power cut.
    pub unauthenticated_per_address: usize,
    /// Commands before the login on one control connection, or between two; 0: any. Default 100; clients send ten.
    pub commands_before_login: u32,
    /// Commands of one session in a second, after ten at once; what comes faster is not refused, but waits. Default 0: any.
    pub commands_per_second: u32,
    /// Failed logins on one control connection before it is closed. Default 3.
    pub login_attempts: u32,
    /// How long the reply to a failed login is held back. Default 1 s.
    pub login_delay: Duration,
    /// With each failed login of an address the delay doubles, up to this. Default 8 s: three of them are within
    /// `timeouts.login`, and clients wait for longer than that.
    pub longest_login_delay: Duration,
    /// The longest command line in bytes. Default 8,192: the longest path twice.
    pub line: usize,
    /// How many times its size an upload in MODE Z may become, once it has become 16 MiB; 0: any. Default 0, since an
    /// honest file may be all zeros (a disk image), of which zlib makes as little as of anything: 1 byte of 1,030.
    pub deflate_ratio: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 10_000,
            sessions_per_address: 1_000,
            sessions_per_network: 5_000,
            unauthenticated: 1_000,
            unauthenticated_per_address: 500,
            commands_before_login: 100,
            commands_per_second: 0,
            login_attempts: 3,
            login_delay: Duration::from_secs(1),
            longest_login_delay: Duration::from_secs(8),
            line: 8_192,
            deflate_ratio: 0,
        }
    }
}

impl Limits {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let wrong = |key, problem: &str| Err(ConfigError { key, problem: String::from(problem) });
        for (key, is_zero) in [
            ("limits.sessions", self.sessions == 0),
            ("limits.sessions_per_address", self.sessions_per_address == 0),
            ("limits.sessions_per_network", self.sessions_per_network == 0),
            ("limits.unauthenticated", self.unauthenticated == 0),
            ("limits.unauthenticated_per_address", self.unauthenticated_per_address == 0),
            ("limits.login_attempts", self.login_attempts == 0),
        ] {
            if is_zero {
                return wrong(key, "write a number from 1 up");
            }
        }
        if self.line < 512 || self.line > 65_536 {
            return wrong("limits.line", "write a number of bytes from 512 to 65536");
        }
        if self.deflate_ratio == 1 {
            return wrong("limits.deflate_ratio", "write a number from 2 up, or 0 for no limit");
        }
        Ok(())
    }
}

/// The address as a client: whoever has one address of IPv6 has the 2^64 beside it.
pub(crate) fn client_of(address: IpAddr) -> Network {
    let address = address.to_canonical();
    Network::around(address, if address.is_ipv4() { 32 } else { 64 })
}

/// The network in which one that has many addresses has them.
pub(crate) fn network_of(address: IpAddr) -> Network {
    let address = address.to_canonical();
    Network::around(address, if address.is_ipv4() { 24 } else { 48 })
}
